#!/bin/sh
# many.sh - one runner has no more memory and no more open files between 2,000 and 3,000 trials than between 100 and 1,000,
# when all its threads have had work. The control sees a leak of a page a trial.
set -eu
. tests/tiny.sh
. tests/disturb.sh
many_grid "$tmp/grid.yaml" 750 1

# Large blocks by themselves: how much of a heap's free ones is resident depends on where they happen to lie.
MALLOC_MMAP_THRESHOLD_=131072 "$GAPSWEEP" run -q --json -j2 --no-report -o "$tmp/run" "$tmp/grid.yaml" >"$tmp/out" 2>"$tmp/err" &
pid=$!
# Trials that have ended, memory (kB) and open files of the runner, again and again.
while kill -0 "$pid" 2>/dev/null; do
	ended=$(grep -c . "$tmp/out") || ended=0
	runner=$(cat "/proc/$pid/task/$pid/children" 2>/dev/null) || break
	runner=${runner%% *}
	memory=$(awk '/^VmRSS/ { print $2 }' "/proc/$runner/status" 2>/dev/null) || continue
	files=$(find "/proc/$runner/fd" -type l 2>/dev/null | wc -l)
	[ "$ended" -ge 3000 ] || echo "$ended ${memory:-0} $files" >>"$tmp/looks"
done
got=0
wait "$pid" || got=$?
[ "$got" -eq 0 ] || fail "exit $got: $(cat "$tmp/err")"
[ "$(grep -c ',COMPLETE,' "$tmp/run/trials.csv")" -eq 3000 ] || fail "not 3,000 trials"

# most COLUMN FROM TO - the most of a column while so many trials had ended: what trials under way have taken comes and goes.
most() {
	awk -v c="$1" -v from="$2" -v to="$3" '$1 >= from && $1 < to { n++; if ($c > m) m = $c }
		END { if (n < 5) exit 1; print m }' "$tmp/looks" || fail "too few looks between $2 and $3 trials"
}
first=$(most 2 100 1000) last=$(most 2 2000 3000)
files=$(($(most 3 2000 3000) - $(most 3 100 1000)))
grows() { [ "$2" -gt $(($1 + $1 / 20)) ]; }
! grows "$first" "$last" || fail "$last kB after 2,000 trials, $first kB before 1,000"
[ "$files" -le 4 ] && [ "$files" -ge -4 ] || fail "$files more open files after 2,000 trials than before 1,000"
grows "$first" $((first + 4 * 1000)) || fail "a page a trial would go unseen: this proves nothing"
echo "SUMMARY trials in one runner: $first kB before 1,000, $last kB after 2,000, open files the same"
