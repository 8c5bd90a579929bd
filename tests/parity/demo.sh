#!/bin/sh
# demo.sh - the default grid against the reference experiment, and one worker against two, byte for byte.
# $GAPSWEEP is the program; run from the project's folder. 230 trials: a few minutes.
set -eu
here=tests/parity
gapsweep=${GAPSWEEP:-./gapsweep}
grid=grids/differential-lr.yaml
if [ ! -f "$grid" ]; then
	echo "$grid is not there yet"
	exit 77
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM

failed=0
for j in 1 2; do
	"$gapsweep" run "$grid" -o "$tmp/j$j" -j "$j" --set repeats=1 --set epochs=2 --quiet
done
for table in trials.csv epochs.csv cells.csv; do
	if [ ! -s "$tmp/j1/$table" ]; then
		echo "$table is missing or empty"
		failed=1
	elif ! cmp "$tmp/j1/$table" "$tmp/j2/$table"; then
		failed=1
	fi
done
[ $failed -eq 0 ] && echo "-j1 and -j2 wrote the same bytes"

"$gapsweep" run "$grid" -o "$tmp/demo" --quiet

# "Before" (about 98 % train, 78 % val) and "after" (90 % and 87 %) once more with so many seeds that luck is small.
{
	sed -e '/^parameters:/,$d' -e "s|fashion/|$PWD/grids/fashion/|g" "$grid"
	echo 'parameters:'
	echo '  - {optimizer: [sgd], backbone_lr: [1e-1], classifier_lr: [1e-1]}'
	echo '  - {optimizer: [sgd], backbone_lr: [3e-4], classifier_lr: [3e-2]}'
} >"$tmp/named.yaml"
"$gapsweep" run "$tmp/named.yaml" -o "$tmp/named" --quiet --set repeats=40
awk -f $here/agreement.awk $here/fixtures/reference_grid.csv "$tmp/demo/cells.csv" "$tmp/named/cells.csv" || failed=1
exit $failed
