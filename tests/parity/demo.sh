#!/bin/sh
# demo.sh - the default grid against the reference experiment, and one worker against two, byte for byte.
# $GAPSWEEP is the program; run from the project's folder. 150 trials: a few minutes.
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
awk -f $here/agreement.awk $here/fixtures/reference_grid.csv "$tmp/demo/cells.csv" || failed=1
exit $failed
