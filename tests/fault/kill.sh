#!/bin/sh
# kill.sh - kill -9 of supervisor and runner at random times, also while they go on; FAULT_KILLS of them (200).
set -eu
. tests/tiny.sh
. tests/disturb.sh
many_grid "$tmp/grid.yaml" 25
run_quietly -o "$reference" "$tmp/grid.yaml"
: >"$tmp/visible"
kills=0 sweeps=0
while [ "$kills" -lt "${FAULT_KILLS:-200}" ]; do
	setsid "$GAPSWEEP" run -q -j2 --no-report -o "$tmp/run" "$tmp/grid.yaml" >"$tmp/out" 2>"$tmp/err" &
	pid=$!
	nap 20 90
	if kill -s KILL -- "-$pid" 2>/dev/null; then
		kills=$((kills + 1))
	fi
	got=0
	wait "$pid" 2>/dev/null || got=$?
	unchanged "$tmp/run"
	remember "$tmp/run"
	if [ "$got" -eq 0 ]; then
		same_tables "$reference" "$tmp/run"
		rm -rf "$tmp/run" "$tmp/visible"
		: >"$tmp/visible"
		sweeps=$((sweeps + 1))
	elif [ "$got" -ne 137 ]; then
		fail "exit $got: $(cat "$tmp/err")"
	fi
done
[ -d "$tmp/run" ] || cp -R "$reference" "$tmp/run"
resumes "$tmp/run" "$tmp/grid.yaml"
echo "$kills kills, $((sweeps + 1)) sweeps of 100 trials to the end, 0 results lost"

# The control: a store that replaced what is visible would be seen.
remember "$tmp/run"
result=$(find "$tmp/run/trials" -name result.json | head -1)
sed -i 's/"attempt": /"attempt": 1/' "$result"
if (unchanged "$tmp/run") 2>/dev/null; then
	fail "a changed result went unseen: this proves nothing"
fi
