#!/bin/sh
# report.sh - gapsweep report: rebuilds what was deleted, byte for byte, and does without gnuplot.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cat >"$dir/g.yaml" <<'YAML'
name: little
data:
  train: {fake: {n: 48, classes: 4, shape: [1, 8, 8], seed: 1}}
  val: {fake: {n: 48, classes: 4, shape: [1, 8, 8], seed: 2}}
model: {arch: mlp, classes: 4}
epochs: 2
baseline: {backbone_lr: 1e-1, classifier_lr: 1e-1, optimizer: sgd}
constraints: [val_acc > 0.2]
repeats: 2
parameters:
  backbone_lr: [0, 1e-1]
  classifier_lr: [1e-2, 1e-1]
  optimizer: [sgd, adam]
YAML
fail() {
	echo "$*"
	exit 1
}
"$GAPSWEEP" run --quiet --no-report -j 2 -o "$dir/r" "$dir/g.yaml" >/dev/null
mkdir "$dir/first"
for t in trials epochs cells; do mv "$dir/r/$t.csv" "$dir/first/"; done

# epochs.csv has every trial's own rows; where a frozen group has no gradient, nothing stands for nan.
for key in $(awk -F, 'NR > 1 { print $2 }' "$dir/first/trials.csv"); do
	sed '1d; s/,nan,/,,/g' "$dir/r/trials/$key/epochs.csv"
done >"$dir/own"
sed '1d; s/^[^,]*,[^,]*,//' "$dir/first/epochs.csv" | cmp - "$dir/own" || fail "epochs.csv is not the trials' rows"

# Without gnuplot: exit 69, tables and page all the same, no picture.
mkdir "$dir/bin"
printf '#!/bin/sh\nexit 1\n' >"$dir/bin/gnuplot"
chmod +x "$dir/bin/gnuplot"
rc=0
PATH="$dir/bin:$PATH" "$GAPSWEEP" report "$dir/r" >"$dir/out" 2>"$dir/err" || rc=$?
[ "$rc" -eq 69 ] || fail "exit $rc without gnuplot, expected 69"
grep -q 'gnuplot gap_heatmap.gp' "$dir/err" || fail "no command to run by hand: $(cat "$dir/err")"
for t in trials epochs cells; do cmp "$dir/first/$t.csv" "$dir/r/$t.csv"; done
[ -s "$dir/r/report.html" ] || fail "no page"
[ -z "$(find "$dir/r/plots" -name '*.svg' -o -name '*.png' -o -size 0)" ] || fail "debris in plots/"

rc=0
"$GAPSWEEP" report "$dir/r" --formats jpg >/dev/null 2>"$dir/err" || rc=$?
[ "$rc" -eq 64 ] || fail "exit $rc for a format that does not exist, expected 64"
rc=0
"$GAPSWEEP" report "$dir/nowhere" >/dev/null 2>"$dir/err" || rc=$?
[ "$rc" -eq 66 ] || fail "exit $rc for a directory that does not exist, expected 66"

command -v gnuplot >/dev/null || {
	echo "gnuplot is not installed"
	exit 77
}
"$GAPSWEEP" report "$dir/r" --formats svg,pdf >"$dir/out"
grep -q '^before  sgd 0.1 / 0.1' "$dir/out" || fail "no table: $(cat "$dir/out")"
for c in gap_heatmap val_acc_heatmap learning_curves gap_bars train_vs_val; do
	[ -s "$dir/r/plots/$c.svg" ] && [ -s "$dir/r/plots/$c.pdf" ] || fail "no $c"
done
[ "$(grep -c 'data:image/svg' "$dir/r/report.html")" -ge 9 ] || fail "not all charts in the page"
