#!/bin/sh
# compare.sh - gapsweep compare: matches cells by their settings, says what differs, writes table, page and chart.
set -eu
. tests/tiny.sh

grid() { # images to train on, classifier rates
	cat <<YAML
name: little
data:
  train: {fake: {n: $1, classes: 4, shape: [1, 8, 8], seed: 1}}
  val: {fake: {n: 48, classes: 4, shape: [1, 8, 8], seed: 2}}
model: {arch: mlp, classes: 4}
epochs: 3
repeats: 3
parameters:
  backbone_lr: [0, 1e-1]
  classifier_lr: [$2]
YAML
}
grid 48 '1e-2, 1e-1' >"$tmp/a.yaml"
grid 96 '1e-1, 1' >"$tmp/b.yaml"
for g in a b; do "$GAPSWEEP" run --quiet --no-report -j 2 -o "$tmp/$g" "$tmp/$g.yaml" >/dev/null; done

# A run is equal to itself, to the last bit.
status 0 "$GAPSWEEP" compare "$tmp/a" "$tmp/a"
said "$tmp/out" "have version, machine, data, weights and grid file in common"
said "$tmp/out" "+0.0 [+0.0, +0.0]"

# Two of four cells match; the data differ.
status 0 "$GAPSWEEP" compare --csv "$tmp/a" "$tmp/b"
[ "$(wc -l <"$tmp/out")" -eq 3 ] || fail "two cells were to match: $(cat "$tmp/out")"
# The difference in the table is that of the two cells.csv.
want=$(awk -F, 'FNR == 1 { for (i = 1; i <= NF; i++) col[FILENAME, $i] = i; next }
	$col[FILENAME, "params_classifier_lr"] == 0.1 && $col[FILENAME, "params_backbone_lr"] == 0 {
		gap[FILENAME] = $col[FILENAME, "gap_mean"] }
	END { printf "%.9f", gap[ARGV[2]] - gap[ARGV[1]] }' "$tmp/a/cells.csv" "$tmp/b/cells.csv")
got=$(awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) col[$i] = i; next }
	$col["params_backbone_lr"] == 0 { printf "%.9f", $col["gap_difference_mean"] }' "$tmp/out")
[ "$want" = "$got" ] || fail "difference $got, expected $want"
status 0 "$GAPSWEEP" compare "$tmp/a" "$tmp/b"
said "$tmp/out" "train data:"
said "$tmp/out" "2 of 4 cells match no other run's"
if grep -q 'val data:' "$tmp/out"; then fail "the validation data are equal"; fi

status 64 "$GAPSWEEP" compare "$tmp/a"
status 66 "$GAPSWEEP" compare "$tmp/a" "$tmp/nowhere"

command -v gnuplot >/dev/null || exit 0
status 0 "$GAPSWEEP" compare -o "$tmp/c" "$tmp/a" "$tmp/b"
for f in compare.csv compare.html plots/gap_difference.svg plots/gap_difference.png; do
	[ -s "$tmp/c/$f" ] || fail "no $f"
done
[ "$(grep -c 'data:image/svg' "$tmp/c/compare.html")" -eq 1 ] || fail "no chart in the page"
if grep -q 'https\?://' "$tmp/c/compare.html"; then fail "the page asks for something from outside"; fi
