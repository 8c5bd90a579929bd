#!/bin/sh
# signals.sh - ten of each signal: 75 within two seconds, with checkpoints; and 20 second runners, each refused by name.
set -eu
. tests/tiny.sh
. tests/disturb.sh
tiny_grid "$tmp/grid.yaml" 100000 64
start() {
	rm -rf "$tmp/run"
	"$GAPSWEEP" run -q -j2 --no-report -o "$tmp/run" "$tmp/grid.yaml" >"$tmp/out" 2>"$tmp/err" &
	pid=$!
	until [ "$(cat "$tmp"/run/trials/*/epochs.csv 2>/dev/null | wc -l)" -gt 4 ]; do
		kill -0 "$pid" || fail "it ended: $(cat "$tmp/err")"
		sleep 0.01
	done
}
for signal in INT TERM HUP; do
	for i in 1 2 3 4 5 6 7 8 9 10; do
		start
		nap 0 40
		before=$(date +%s%3N)
		kill -"$signal" "$pid"
		got=0
		wait "$pid" || got=$?
		took=$(($(date +%s%3N) - before))
		[ "$got" -eq 75 ] || fail "SIG$signal gave exit $got: $(cat "$tmp/err")"
		[ "$took" -lt 2000 ] || fail "SIG$signal took $took ms"
		said "$tmp/err" "go on with: gapsweep run"
		[ -n "$(find "$tmp/run/trials" -name checkpoint -size +0)" ] || fail "SIG$signal left no checkpoint"
	done
done

# To the whole group, as a terminal does: supervisor and runner both get it, and it is one Ctrl-C.
setsid "$GAPSWEEP" run -q -j2 --no-report -o "$tmp/run" "$tmp/grid.yaml" >"$tmp/out" 2>"$tmp/err" &
pid=$!
sleep 0.3
kill -s INT -- "-$pid"
got=0
wait "$pid" || got=$?
[ "$got" -eq 75 ] || fail "one Ctrl-C for the group gave exit $got: $(cat "$tmp/err")"

start
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	got=0
	"$GAPSWEEP" run -q --no-report -o "$tmp/run" "$tmp/grid.yaml" 2>"$tmp/second" || got=$?
	[ "$got" -eq 73 ] || fail "a second runner got exit $got"
	said "$tmp/second" "in use by process $pid"
done
kill -9 "$pid" # the runner goes with its supervisor, and the lock with it
wait "$pid" || true

# When the time given is up: 75, the tables stand, and the command to go on is said.
got=0
"$GAPSWEEP" run -q --no-report --budget 1s -o "$tmp/run" "$tmp/grid.yaml" >"$tmp/out" 2>"$tmp/err" || got=$?
[ "$got" -eq 75 ] || fail "--budget, after kill -9 of the holder: exit $got: $(cat "$tmp/err")"
said "$tmp/err" "time is up with 8 of 8 trials to go; go on with: gapsweep run"
[ -s "$tmp/run/cells.csv" ] || fail "--budget left no tables"
