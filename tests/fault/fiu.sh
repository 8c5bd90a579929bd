#!/bin/sh
# fiu.sh - libfiu: every file and memory call of the C library fails with 5 %, FAULT_FIU runs (200): an error of ours or
# success, never a crash; a clean run behind it has the reference's tables. The control sees it fail at all.
set -eu
. tests/tiny.sh
. tests/disturb.sh
command -v fiu-run >/dev/null || {
	echo "fiu-run (fiu-utils) is not installed"
	exit 77
}
tiny_grid "$tmp/grid.yaml"
run_quietly -o "$reference" "$tmp/grid.yaml"
runs=0 felt=0
while [ "$runs" -lt "${FAULT_FIU:-200}" ]; do
	got=0
	timeout 60 fiu-run -x -c 'enable_random name=posix/io/*,probability=0.05' \
		"$GAPSWEEP" run -q -j2 --no-report -o "$tmp/run" "$tmp/grid.yaml" >"$tmp/out" 2>"$tmp/err" || got=$?
	case $got in
	0 | 1 | 6[4-9] | 7[0134578]) ;;
	*) fail "run $runs gave exit $got: $(cat "$tmp/err")" ;;
	esac
	! grep -q 'the runner was killed' "$tmp/err" || fail "run $runs: $(cat "$tmp/err")"
	[ "$got" -eq 0 ] || felt=$((felt + 1))
	runs=$((runs + 1))
	case $((runs % 5)) in
	0)
		remember "$tmp/run"
		resumes "$tmp/run" "$tmp/grid.yaml"
		unchanged "$tmp/run"
		rm -rf "$tmp/run"
		;;
	esac
done
[ "$felt" -gt $((runs / 10)) ] || fail "only $felt of $runs runs failed: this proves nothing"
echo "SUMMARY $runs runs with 5 % of all file calls failing (libfiu): 0 crashes, 0 lost, tables equal; control: $felt runs felt it"
