#!/bin/sh
# clock.sh - a clock on the wall that is wrong or jumps: an hour back, a year ahead, 1970, and half an hour at once in the
# middle. Order, durations and tables are as ever; stamps are ISO 8601 in UTC.
set -eu
. tests/tiny.sh
. tests/disturb.sh
command -v faketime >/dev/null || {
	echo "faketime is not installed"
	exit 77
}
tiny_grid "$tmp/grid.yaml"
run_quietly -o "$reference" "$tmp/grid.yaml"
export FAKETIME_DONT_FAKE_MONOTONIC=1 DONT_FAKE_MONOTONIC=1
n=0

# sane DIR - stamps can be read, durations are those of a tiny sweep.
sane() {
	tail -n +2 "$1/timings.csv" >"$tmp/rows"
	while IFS=, read -r trial key host attempt worker started ended train eval wall; do
		printf '%s\n%s\n' "$started" "$ended" | grep -cqE '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z$' ||
			fail "stamps of trial $trial: $started $ended"
		awk -v t="$train" -v e="$eval" -v w="$wall" 'BEGIN { exit !(t >= 0 && e >= 0 && w >= 0 && w < 60) }' ||
			fail "durations of trial $trial: $train $eval $wall"
	done <"$tmp/rows"
}
for at in '-1h' '+1y' '@1970-01-01 00:00:10'; do
	n=$((n + 1))
	faketime -f "$at" "$GAPSWEEP" run -q -j2 --no-report -o "$tmp/run$n" "$tmp/grid.yaml" >"$tmp/out" 2>"$tmp/err" ||
		fail "'$at' gave exit $?: $(cat "$tmp/err")"
	same_tables "$reference" "$tmp/run$n"
	sane "$tmp/run$n"
done
grep -q ',1970-01-01T00:00:1' "$tmp/run3/timings.csv" || fail "faketime faked nothing: this proves nothing"

# A jump: the file that faketime reads changes under the run.
echo '+0' >"$tmp/clock"
lib=$(find /usr/lib -name 'libfaketimeMT.so.1' | head -1)
tiny_grid "$tmp/long.yaml" 3000
rm -rf "$reference"
run_quietly -o "$reference" "$tmp/long.yaml"
LD_PRELOAD=$lib FAKETIME_TIMESTAMP_FILE=$tmp/clock FAKETIME_CACHE_DURATION=0 FAKETIME_NO_CACHE=1 \
	"$GAPSWEEP" run -q -j2 --no-report --budget 10m -o "$tmp/jump" "$tmp/long.yaml" >"$tmp/out" 2>"$tmp/err" &
pid=$!
until [ -n "$(find "$tmp/jump/trials" -name epochs.csv 2>/dev/null)" ]; do sleep 0.01; done
echo '-30m' >"$tmp/clock"
got=0
wait "$pid" || got=$?
[ "$got" -eq 0 ] || fail "a jump gave exit $got: $(cat "$tmp/err")"
same_tables "$reference" "$tmp/jump"
sane "$tmp/jump"
echo "SUMMARY clocks an hour back, a year ahead, in 1970, half an hour back on the way: tables equal, durations right"
