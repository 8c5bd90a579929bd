#!/bin/sh
# many.sh - 1,000 trials in one runner need no more memory and no more open files at the end than after ten. The control
# sees a leak of a page a trial.
set -eu
. tests/tiny.sh
. tests/disturb.sh
many_grid "$tmp/grid.yaml" 250 1

# measure N - memory (kB) and open files of the runner when so many have ended.
measure() {
	until [ "$(find "$tmp/run/trials" -name result.json 2>/dev/null | wc -l)" -ge "$1" ]; do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.02
	done
	runner=$(cat "/proc/$pid/task/$pid/children")
	runner=${runner%% *}
	# What a trial under way has taken comes and goes: the least of five looks is what stays.
	for look in 1 2 3 4 5; do
		awk '/^VmRSS/ { print $2 }' "/proc/$runner/status" >>"$tmp/all$1"
		sleep 0.02
	done
	sort -n "$tmp/all$1" | head -1 >"$tmp/rss$1"
	find "/proc/$runner/fd" -type l | wc -l >"$tmp/fd$1"
}
"$GAPSWEEP" run -q -j2 --no-report -o "$tmp/run" "$tmp/grid.yaml" >"$tmp/out" 2>"$tmp/err" &
pid=$!
measure 10
measure 900
got=0
wait "$pid" || got=$?
[ "$got" -eq 0 ] || fail "exit $got: $(cat "$tmp/err")"
[ "$(grep -c ',COMPLETE,' "$tmp/run/trials.csv")" -eq 1000 ] || fail "not 1,000 trials"
first=$(cat "$tmp/rss10") last=$(cat "$tmp/rss900")
# A trial's two files may be open in either worker at either moment.
files=$(($(cat "$tmp/fd900") - $(cat "$tmp/fd10")))
grows() { [ "$2" -gt $(($1 + $1 / 20)) ]; }
! grows "$first" "$last" || fail "$last kB after 900 trials, $first kB after 10"
[ "$files" -le 4 ] && [ "$files" -ge -4 ] || fail "$files more open files after 900 trials than after 10"
grows "$first" $((first + 4 * 890)) || fail "a page a trial would go unseen: this proves nothing"
echo "SUMMARY 1,000 trials in one runner: $first kB after 10, $last kB after 900, open files the same"
