#!/bin/sh
# hostile.sh - names, paths, links and places that mean harm: what they aim at stays untouched, and what is shown is text.
set -eu
. tests/tiny.sh
. tests/disturb.sh
tiny_grid "$tmp/grid.yaml" 1
run_quietly -o "$reference" "$tmp/grid.yaml"
key=$(sed -n 2p "$reference/trials.csv" | cut -d, -f2)

# A trial's directory, its files, `trials` and the run directory's own files as links to somebody else's.
mkdir "$tmp/victim"
echo precious >"$tmp/victim/epochs.csv"
cp "$tmp/victim/epochs.csv" "$tmp/victim/result.json"
untouched() {
	[ "$(cat "$tmp/victim/epochs.csv")" = precious ] && [ "$(cat "$tmp/victim/result.json")" = precious ] &&
		[ "$(find "$tmp/victim" -type f | wc -l)" -eq 2 ] || fail "$1 reached the victim: $(ls "$tmp/victim")"
}
mkdir -p "$tmp/a/trials" "$tmp/b/trials/$key" "$tmp/c" "$tmp/d"
ln -s "$tmp/victim" "$tmp/a/trials/$key"
ln -s "$tmp/victim/epochs.csv" "$tmp/b/trials/$key/epochs.csv"
ln -s "$tmp/victim" "$tmp/c/trials"
for place in a b c; do
	cp "$reference/grid.yaml" "$reference/manifest.json" "$tmp/$place"
	got=0
	run_quietly -o "$tmp/$place" "$tmp/grid.yaml" || got=$?
	case $got in
	73 | 74) ;;
	*) fail "link $place gave exit $got: $(cat "$tmp/err")" ;;
	esac
	untouched "a link in $place"
done
ln -s "$tmp/victim/epochs.csv" "$tmp/d/lock"
cp "$reference/manifest.json" "$reference/grid.yaml" "$tmp/d"
status 73 "$GAPSWEEP" run -q --no-report -o "$tmp/d" "$tmp/grid.yaml"
rm "$tmp/d/lock"
for name in trials.csv epochs.csv cells.csv grid.yaml; do
	rm -f "$tmp/d/$name"
	ln -s "$tmp/victim/epochs.csv" "$tmp/d/$name"
done
got=0
run_quietly -o "$tmp/d" "$tmp/grid.yaml" || got=$?
untouched "a table's link"
rm -rf "$tmp/a" "$tmp/b" "$tmp/c" "$tmp/d"
# The control: the same links do lead there for a program that follows them.
ln -s "$tmp/victim/epochs.csv" "$tmp/link"
echo gone >"$tmp/link"
if (untouched control) 2>/dev/null; then
	fail "a followed link went unseen: this proves nothing"
fi

# A run's name is of a small alphabet; `..` in data paths only reads.
for name in ../../pwned.$$ /etc/x 'a b' '$(touch pwned)' '`touch pwned`' "x'; touch pwned; '"; do
	{ printf 'name: "%s"\n' "$name"; cat "$tmp/grid.yaml"; } >"$tmp/named.yaml"
	(cd "$tmp" && status 78 "$GAPSWEEP" run -q --no-report named.yaml) || fail "the name $name was taken"
done
[ ! -e "$tmp/pwned" ] && [ ! -e "$tmp/../pwned.$$" ] || fail "a name was run"

# Group names and a description that gnuplot, HTML or a shell would act on: text, everywhere.
evil='"; system("touch pwned"); `touch pwned` %s <script>alert(1)</script>'
sed "s|^metric|description: '$evil'\nmetric|" "$tmp/grid.yaml" >"$tmp/evil.yaml"
mkdir "$tmp/in"
(cd "$tmp/in" && status 0 "$GAPSWEEP" run -q -o "run \`touch pwned\` \$(touch pwned)" ../evil.yaml) || exit 1
[ -z "$(find "$tmp" -name pwned)" ] || fail "a name was run by a shell or gnuplot"
page=$(find "$tmp/in" -name report.html)
grep -qF '&lt;script&gt;alert(1)' "$page" || fail "the description is not in the page"
if grep -qF '<script>alert(1)' "$page"; then
	fail "the description is markup in the page"
fi

# Too large, too deep: refused within a second, and before any memory is taken.
{ sed '/^parameters/,$d' "$tmp/grid.yaml"; echo 'parameters:'; } | grep -v '^baseline' >"$tmp/huge.yaml"
for name in momentum dampening weight_decay label_smoothing; do
	printf '  %s: {min: 0.1, max: 0.9, count: 1000, distribution: uniform}\n' "$name" >>"$tmp/huge.yaml"
done
before=$(date +%s%3N)
status 78 "$GAPSWEEP" plan "$tmp/huge.yaml"
said "$tmp/err" "more than 1000000 cells"
head -c 100000 /dev/zero | tr '\0' '[' >"$tmp/deep.yaml"
status 78 "$GAPSWEEP" plan "$tmp/deep.yaml"
head -c 1100000 /dev/zero | tr '\0' '#' >"$tmp/long.yaml"
status 78 "$GAPSWEEP" plan "$tmp/long.yaml"
took=$(($(date +%s%3N) - before))
[ "$took" -lt 3000 ] || fail "three hostile grids took $took ms"

# Places: modes count for other users than root; names may be as long as the file system's.
mkdir "$tmp/closed"
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
	chmod 755 "$tmp"
	cp "$GAPSWEEP" "$tmp/gapsweep"
	for mode in 000 555; do
		chmod "$mode" "$tmp/closed"
		status 73 setpriv --reuid=65534 --regid=65534 --clear-groups \
			"$tmp/gapsweep" run -q --no-report -o "$tmp/closed/run" "$tmp/grid.yaml"
		said "$tmp/err" "Permission denied"
	done
fi
long=$(printf 'x%.0s' $(seq 255))
status 0 "$GAPSWEEP" run -q --no-report -o "$tmp/$long" "$tmp/grid.yaml"
same_tables "$reference" "$tmp/$long"

# Tables are read back equal by other programs.
if command -v mlr >/dev/null && command -v python3 >/dev/null; then
	for table in trials epochs cells; do
		mlr --icsv --ojson cat "$reference/$table.csv" >"$tmp/mlr.json"
		python3 -c '
import csv, json, sys
a = list(csv.DictReader(open(sys.argv[1], newline="")))
b = json.load(open(sys.argv[2]))
text = lambda v: "" if v is None else str(v)
def same(x, y):
    return x == text(y) or float(x) == float(y)
assert len(a) == len(b) and a, "rows"
for x, y in zip(a, b):
    assert list(x) == list(y), "columns"
    for k in x:
        assert same(x[k], y[k]), (k, x[k], y[k])
' "$reference/$table.csv" "$tmp/mlr.json" || fail "$table.csv is read differently by mlr and python"
	done
fi
echo "SUMMARY links, names, paths, places and grids that mean harm: nothing outside touched, nothing run, all refused in time"
