#!/bin/sh
# runner.sh - the runner dies and the supervisor lives: FAULT_DEATHS deaths (100) cost nothing; a trial that crashes, is killed
# or hangs is FAIL after the third time, and no other trial is touched.
set -eu
. tests/tiny.sh
. tests/disturb.sh
many_grid "$tmp/grid.yaml" 60
run_quietly -o "$reference" "$tmp/grid.yaml"

# One death after each new result, so that no trial sees three.
deaths=0
while [ "$deaths" -lt "${FAULT_DEATHS:-100}" ]; do
	rm -rf "$tmp/run"
	"$GAPSWEEP" run -q -j2 --no-report -o "$tmp/run" "$tmp/grid.yaml" >"$tmp/out" 2>"$tmp/err" &
	pid=$!
	seen=0
	while kill -0 "$pid" 2>/dev/null && [ "$deaths" -lt "${FAULT_DEATHS:-100}" ]; do
		now=$(find "$tmp/run/trials" -name result.json 2>/dev/null | wc -l)
		runner=$(cat "/proc/$pid/task/$pid/children" 2>/dev/null || true)
		[ "$now" -gt "$seen" ] && [ -n "$runner" ] || continue
		seen=$now
		# shellcheck disable=SC2086
		kill -9 $runner 2>/dev/null && deaths=$((deaths + 1))
	done
	got=0
	wait "$pid" || got=$?
	[ "$got" -eq 0 ] || fail "exit $got after $deaths deaths: $(cat "$tmp/err")"
	same_tables "$reference" "$tmp/run"
	clean "$tmp/run"
done
said "$tmp/err" "killed (out of memory?)"
said "$tmp/err" "with fewer workers"
echo "SUMMARY $deaths kills of the runner (as for want of memory): gone on with by itself, tables equal"

# The control: without its supervisor the first death is the end.
rm -rf "$tmp/run"
GAPSWEEP_RUNNER=-1 "$GAPSWEEP" run -q -j2 --no-report -o "$tmp/run" "$tmp/grid.yaml" >"$tmp/out" 2>"$tmp/err" &
pid=$!
until [ -n "$(find "$tmp/run/trials" -name result.json 2>/dev/null)" ]; do sleep 0.01; done
kill -9 "$pid"
got=0
wait "$pid" 2>/dev/null || got=$?
[ "$got" -eq 137 ] && [ ! -e "$tmp/run/cells.csv" ] || fail "without a supervisor a death cost nothing: exit $got"
echo "SUMMARY control: without the supervisor one kill ends the sweep"

# A trial that brings its process down.
tiny_grid "$tmp/few.yaml"
rm -rf "$reference" "$tmp/run"
run_quietly -o "$reference" "$tmp/few.yaml"
key=$(sed -n 4p "$reference/trials.csv" | cut -d, -f2)
while read -r how reason; do
	got=0
	GAPSWEEP_FAULT="trial=$key:$how" run_quietly --trial-timeout 0.5s -o "$tmp/run" "$tmp/few.yaml" || got=$?
	[ "$got" -eq 1 ] || fail "$how gave exit $got: $(cat "$tmp/err")"
	said "$tmp/err" "1 of "
	said "$tmp/run/trials/$key/result.json" "$reason"
	[ "$(grep -c ' died: ' "$tmp/run/trials/$key/attempts")" -eq 3 ] || fail "$how: not three deaths"
	[ "$(grep -c ',COMPLETE,' "$tmp/run/trials.csv")" -eq 7 ] || fail "$how touched another trial"
	resumes "$tmp/run" "$tmp/few.yaml" # the same command tries again
	rm -rf "$tmp/run"
done <<-LIST
	segv killed by SIGSEGV, 3 times in a row
	abort killed by SIGABRT, 3 times in a row
	kill killed (out of memory?), 3 times in a row
	hang hung: no epoch ended in 0.5 s, 3 times in a row
LIST

echo "SUMMARY a trial that crashes (SEGV, ABRT, KILL) or hangs: FAIL after 3 times, all others untouched"

# All of them: five are enough to see why.
got=0
GAPSWEEP_FAULT="trial=any:segv" run_quietly -o "$tmp/run" "$tmp/few.yaml" || got=$?
[ "$got" -eq 1 ] || fail "all crash: exit $got: $(cat "$tmp/err")"
said "$tmp/err" "5 trials in a row failed for the same reason (killed by SIGSEGV"
said "$tmp/err" "5 trials failed and 3 were not started"
# The rest is WAITING, or RUNNING (begun, no result) if a runner died on another trial of its bundle.
[ "$(grep -cE ',(WAITING|RUNNING),' "$tmp/run/trials.csv")" -eq 3 ] ||
	fail "the rest is not WAITING: $(cut -d, -f1-6 "$tmp/run/trials.csv")"
resumes "$tmp/run" "$tmp/few.yaml"
