#!/bin/sh
# many.sh - one runner has no more memory and no more open files after 1,000 trials than after a hundred, when all
# its threads have had work. The control sees a leak of a page a trial.
set -eu
. tests/tiny.sh
. tests/disturb.sh
many_grid "$tmp/grid.yaml" 300 1

# measure N - memory (kB) and open files of the runner when so many have ended.
measure() {
	until [ "$(find "$tmp/run/trials" -name result.json 2>/dev/null | wc -l)" -ge "$1" ]; do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.02
	done
	runner=$(cat "/proc/$pid/task/$pid/children")
	runner=${runner%% *}
	# What a trial under way has taken comes and goes: the most of twenty looks is with one in either worker.
	for look in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		awk '/^VmRSS/ { print $2 }' "/proc/$runner/status" >>"$tmp/all$1"
		sleep 0.01
	done
	sort -n "$tmp/all$1" | tail -1 >"$tmp/rss$1"
	find "/proc/$runner/fd" -type l | wc -l >"$tmp/fd$1"
}
"$GAPSWEEP" run -q -j2 --no-report -o "$tmp/run" "$tmp/grid.yaml" >"$tmp/out" 2>"$tmp/err" &
pid=$!
measure 100
measure 1000
got=0
wait "$pid" || got=$?
[ "$got" -eq 0 ] || fail "exit $got: $(cat "$tmp/err")"
[ "$(grep -c ',COMPLETE,' "$tmp/run/trials.csv")" -eq 1200 ] || fail "not 1,200 trials"
first=$(cat "$tmp/rss100") last=$(cat "$tmp/rss1000")
# A trial's two files may be open in either worker at either moment.
files=$(($(cat "$tmp/fd1000") - $(cat "$tmp/fd100")))
grows() { [ "$2" -gt $(($1 + $1 / 20)) ]; }
! grows "$first" "$last" || fail "$last kB after 1,000 trials, $first kB after 100"
[ "$files" -le 4 ] && [ "$files" -ge -4 ] || fail "$files more open files after 1,000 trials than after 100"
grows "$first" $((first + 4 * 900)) || fail "a page a trial would go unseen: this proves nothing"
echo "SUMMARY trials in one runner: $first kB after 100, $last kB after 1,000, open files the same"
