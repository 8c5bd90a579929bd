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

echo "SUMMARY 10 each of SIGINT, SIGTERM, SIGHUP: 75 within 2 s, with checkpoints"

# Twice: out at once. The first one cannot end it, for a trial hangs: that is the control of the two seconds, too.
for i in 1 2 3 4 5 6 7 8 9 10; do
	rm -rf "$tmp/run"
	GAPSWEEP_FAULT="trial=any:hang" "$GAPSWEEP" run -q -j2 --no-report -o "$tmp/run" "$tmp/grid.yaml" >"$tmp/out" 2>"$tmp/err" &
	pid=$!
	until [ "$(find "$tmp/run/trials" -name attempts 2>/dev/null | wc -l)" -eq 2 ]; do sleep 0.01; done
	sleep 0.1
	kill -INT "$pid"
	case $i in 1) sleep 2.2 ;; *) sleep 0.1 ;; esac
	kill -0 "$pid" 2>/dev/null || fail "a trial that hangs ended at the first SIGINT: this proves nothing"
	kill -INT "$pid"
	got=0
	wait "$pid" || got=$?
	[ "$got" -eq 130 ] || fail "a second SIGINT gave exit $got: $(cat "$tmp/err")"
done
echo "SUMMARY 10 second SIGINTs: 130 at once; control: a trial that hangs is not gone in 2 s after the first"
rm -rf "$tmp/run"

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
echo "SUMMARY 20 second runners of one directory: each refused with the holder's number"
kill -9 "$pid" # the runner goes with its supervisor, and the lock with it
wait "$pid" || true

# When the time given is up: 75, the tables stand, and the command to go on is said.
got=0
"$GAPSWEEP" run -q --no-report --budget 1s -o "$tmp/run" "$tmp/grid.yaml" >"$tmp/out" 2>"$tmp/err" || got=$?
[ "$got" -eq 75 ] || fail "--budget, after kill -9 of the holder: exit $got: $(cat "$tmp/err")"
said "$tmp/err" "time is up with 8 of 8 trials to go; go on with: gapsweep run"
[ -s "$tmp/run/cells.csv" ] || fail "--budget left no tables"
