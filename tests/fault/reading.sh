#!/bin/sh
# reading.sh - reports while a sweep runs, FAULT_READS of them (500): never an error, and the finished only become more.
set -eu
. tests/tiny.sh
. tests/disturb.sh
many_grid "$tmp/grid.yaml" 5 400
# look READS - so many reports while sweeps run, of how many a trial was FAIL in $torn.
look() {
	reads=0 most=0 torn=0
	while [ "$reads" -lt "$1" ]; do
		rm -rf "$tmp/run"
		"$GAPSWEEP" run -q -j1 --no-report -o "$tmp/run" "$tmp/grid.yaml" >"$tmp/out" 2>"$tmp/err" &
		pid=$!
		last=0
		until [ -s "$tmp/run/manifest.json" ]; do sleep 0.01; done
		while kill -0 "$pid" 2>/dev/null && [ "$reads" -lt "$1" ]; do
			status 0 "$GAPSWEEP" report --tables "$tmp/run"
			finished=$(grep -c ',COMPLETE,' "$tmp/run/trials.csv" || true)
			[ "$finished" -ge "$last" ] || fail "$finished finished after $last"
			[ "$(wc -l <"$tmp/run/trials.csv")" -eq 21 ] || fail "trials.csv is not whole"
			! grep -q ',FAIL,' "$tmp/run/trials.csv" || torn=$((torn + 1))
			last=$finished
			most=$((finished > most ? finished : most))
			reads=$((reads + 1))
		done
		got=0
		wait "$pid" || got=$?
		[ "$got" -eq 0 ] || fail "the sweep ended with $got: $(cat "$tmp/err")"
	done
}

look "${FAULT_READS:-500}"
[ "$most" -gt 2 ] || fail "no report saw the sweep grow: this proves nothing"
[ "$torn" -eq 0 ] || fail "$torn reports saw a trial damaged"
echo "SUMMARY $reads reports while sweeps ran: 0 errors, 0 damaged trials, finished ones only become more"

# The control: results that are there before their bytes are seen half.
many_grid "$tmp/grid.yaml" 5 20
(export GAPSWEEP_FAULT=torn && look 60 && [ "$torn" -gt 0 ] && echo "$torn" >"$tmp/torn") || fail "torn results went unseen: this proves nothing"
echo "SUMMARY control: results published before their bytes: damaged in $(cat "$tmp/torn") of 60 reports"
