#!/bin/sh
# points.sh - kill -9 before and after every kind of call that changes the disk, the first and the third of it.
set -eu
. tests/tiny.sh
. tests/disturb.sh
tiny_grid "$tmp/grid.yaml" 4
run() {
	run_quietly --checkpoint-every 2e "$@"
}
reference=$tmp/whole/run # its parent is made, and synced, too
GAPSWEEP_FAULT="trace=$tmp/trace" run -o "$reference" "$tmp/grid.yaml"
grep -v ' whole$' "$tmp/trace" | sort | uniq -c >"$tmp/labels"
points=0
while read -r count label; do
	for point in "before:$label" "after:$label"; do
		for nth in 1 3; do
			[ "$nth" -le "$count" ] || continue
			got=0
			GAPSWEEP_FAULT="kill=$point:$nth" run -o "$tmp/run" "$tmp/grid.yaml" || got=$?
			[ "$got" -eq 137 ] || fail "$point:$nth was not reached: exit $got: $(cat "$tmp/err")"
			remember "$tmp/run"
			run -o "$tmp/run" "$tmp/grid.yaml" || fail "after $point:$nth: exit $?: $(cat "$tmp/err")"
			unchanged "$tmp/run"
			same_tables "$reference" "$tmp/run"
			clean "$tmp/run"
			rm -rf "$tmp/run"
			points=$((points + 1))
		done
	done
done <"$tmp/labels"
echo "$(wc -l <"$tmp/labels") kinds of calls, $points kills"
[ "$points" -ge 60 ] || fail "only $points points: this proves little"
