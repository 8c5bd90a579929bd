#!/bin/sh
# reading.sh - reports while a sweep runs, FAULT_READS of them (500): never an error, and the finished only become more.
set -eu
. tests/tiny.sh
. tests/disturb.sh
many_grid "$tmp/grid.yaml" 5 400
reads=0 most=0
while [ "$reads" -lt "${FAULT_READS:-500}" ]; do
	rm -rf "$tmp/run"
	"$GAPSWEEP" run -q -j1 --no-report -o "$tmp/run" "$tmp/grid.yaml" >"$tmp/out" 2>"$tmp/err" &
	pid=$!
	last=0
	until [ -s "$tmp/run/manifest.json" ]; do sleep 0.01; done
	while kill -0 "$pid" 2>/dev/null && [ "$reads" -lt "${FAULT_READS:-500}" ]; do
		status 0 "$GAPSWEEP" report --tables "$tmp/run"
		finished=$(grep -c ',COMPLETE,' "$tmp/run/trials.csv" || true)
		[ "$finished" -ge "$last" ] || fail "$finished finished after $last"
		[ "$(wc -l <"$tmp/run/trials.csv")" -eq 21 ] || fail "trials.csv is not whole"
		last=$finished
		most=$((finished > most ? finished : most))
		reads=$((reads + 1))
	done
	got=0
	wait "$pid" || got=$?
	[ "$got" -eq 0 ] || fail "the sweep ended with $got: $(cat "$tmp/err")"
done
[ "$most" -gt 2 ] || fail "no report saw the sweep grow: this proves nothing"
echo "$reads reports during sweeps"
