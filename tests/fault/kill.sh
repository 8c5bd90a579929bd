#!/bin/sh
# kill.sh - kill -9 of supervisor and runner at random times, also while they go on: FAULT_KILLS of them (200); then
# FAULT_CHAINS chains (20) of five kills in a row, each while the sweep goes on after the last. Nothing visible is lost.
set -eu
. tests/tiny.sh
. tests/disturb.sh
many_grid "$tmp/grid.yaml" 25
run_quietly -o "$reference" "$tmp/grid.yaml"

# cut_short MIN MAX - a sweep killed after so many milliseconds; false if it came to its end before. Results stay.
cut_short() {
	setsid "$GAPSWEEP" run -q -j2 --no-report -o "$tmp/run" "$tmp/grid.yaml" >"$tmp/out" 2>"$tmp/err" &
	pid=$!
	nap "$1" "$2"
	if kill -s KILL -- "-$pid" 2>/dev/null; then
		kills=$((kills + 1))
	fi
	got=0
	wait "$pid" 2>/dev/null || got=$?
	unchanged "$tmp/run"
	remember "$tmp/run"
	case $got in
	0) return 1 ;;
	137) return 0 ;;
	*) fail "exit $got: $(cat "$tmp/err")" ;;
	esac
}

ended() {
	same_tables "$reference" "$tmp/run"
	rm -rf "$tmp/run" "$tmp/visible"
	: >"$tmp/visible"
	sweeps=$((sweeps + 1))
}

: >"$tmp/visible"
kills=0 sweeps=0
while [ "$kills" -lt "${FAULT_KILLS:-200}" ]; do
	cut_short 20 90 || ended
done
[ -d "$tmp/run" ] || cp -R "$reference" "$tmp/run"
resumes "$tmp/run" "$tmp/grid.yaml"
echo "SUMMARY $kills kills -9, $((sweeps + 1)) sweeps of 100 trials to the end: 0 results lost or changed, tables equal"

rm -rf "$tmp/run"
: >"$tmp/visible"
kills=0 chains=0
while [ "$chains" -lt "${FAULT_CHAINS:-20}" ]; do
	for k in 1 2 3 4 5; do
		cut_short 15 60 || ended
	done
	chains=$((chains + 1))
	case $((chains % 5)) in
	0)
		resumes "$tmp/run" "$tmp/grid.yaml"
		ended
		;;
	esac
done
echo "SUMMARY $chains chains of 5 kills while going on ($kills kills): 0 results lost or changed, tables equal"

# The control: a store that publishes a name before its bytes loses some. Each kill comes shortly behind a new result.
results() {
	find "$tmp/run/trials" -name result.json 2>/dev/null | wc -l
}
losses=0 looks=0
rm -rf "$tmp/run"
: >"$tmp/visible"
while [ "$losses" -lt 3 ] && [ "$looks" -lt 100 ]; do
	before=$(results) ended=
	GAPSWEEP_FAULT=torn setsid "$GAPSWEEP" run -q -j2 --no-report -o "$tmp/run" "$tmp/grid.yaml" >"$tmp/out" 2>"$tmp/err" &
	pid=$!
	while [ "$(results)" -le "$before" ] && kill -0 "$pid" 2>/dev/null; do :; done
	nap 0 25
	kill -s KILL -- "-$pid" 2>/dev/null || ended=1
	wait "$pid" 2>/dev/null || true
	(unchanged "$tmp/run") 2>/dev/null || losses=$((losses + 1))
	[ -z "$ended" ] || rm -rf "$tmp/run"
	remember "$tmp/run"
	looks=$((looks + 1))
done
[ "$losses" -gt 0 ] || fail "a store that publishes in place lost nothing: this proves nothing"
echo "SUMMARY control: names published before their bytes: results changed in $losses of $looks kills"
