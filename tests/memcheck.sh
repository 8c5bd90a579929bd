#!/bin/sh
# memcheck.sh GAPSWEEP - a tiny sweep, stopped, gone on with and reported under valgrind: no error, nothing lost for good.
set -eu
GAPSWEEP=$1
. tests/tiny.sh
tiny_grid "$tmp/grid.yaml"
# The runner alone: valgrind cannot follow the supervisor, which starts it by way of /proc/self/exe.
export GAPSWEEP_RUNNER=-1
check() {
	OMP_WAIT_POLICY=passive valgrind -q --error-exitcode=99 --leak-check=full \
		--errors-for-leak-kinds=definite "$GAPSWEEP" "$@" >"$tmp/out" 2>"$tmp/err" || {
		rc=$?
		cat "$tmp/err" >&2
		fail "gapsweep $1: exit $rc under valgrind"
	}
}
check run -q -j2 --no-report --trials 0-2 -o "$tmp/run" "$tmp/grid.yaml"
check run -q -j2 --no-report -o "$tmp/run" "$tmp/grid.yaml"
check report --tables "$tmp/run"
check status --json "$tmp/run"
[ "$(grep -c ',COMPLETE,' "$tmp/run/trials.csv")" -eq 8 ] || fail "not 8 trials under valgrind"
! grep -q '^==' "$tmp/err" || fail "valgrind: $(cat "$tmp/err")"
echo "memcheck: a sweep, its resume, its report: no errors, no leaks"
