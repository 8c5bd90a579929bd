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
echo "SUMMARY $points kills before and after each of $(wc -l <"$tmp/labels") kinds of file calls: 0 lost or changed, tables equal"
[ "$points" -ge 60 ] || fail "only $points points: this proves little"

# The control: killed between half a result and the whole.
got=0
GAPSWEEP_FAULT="torn;kill=before:torn result.json:3" run -o "$tmp/run" "$tmp/grid.yaml" || got=$?
[ "$got" -eq 137 ] || fail "the torn point was not reached: exit $got: $(cat "$tmp/err")"
remember "$tmp/run"
run -o "$tmp/run" "$tmp/grid.yaml" || true
if (unchanged "$tmp/run") 2>/dev/null; then
	fail "half a result went unseen: this proves nothing"
fi
echo "SUMMARY control: killed behind half a published result: seen as changed"
