#!/bin/sh
# run.sh BUILD - runs every test program and script; the last line counts them.
set -u
build=$1
passed=0 failed=0 skipped=0
export GAPSWEEP="${GAPSWEEP:-$PWD/$build/gapsweep}" LC_ALL=C
log=$build/test.log

run() {
	name=$1
	shift
	start=$(date +%s)
	"$@" >"$log" 2>&1
	rc=$?
	took=$(($(date +%s) - start))
	case $rc in
	0) passed=$((passed + 1)); echo "ok    $name (${took} s)" ;;
	77) skipped=$((skipped + 1)); echo "skip  $name: $(tail -n 1 "$log")" ;;
	*) failed=$((failed + 1)); echo "FAIL  $name (exit $rc, ${took} s)"; sed 's/^/      /' "$log" | tail -n 60 ;;
	esac
}

for t in "$build"/tests/unit/test_* "$build"/tests/parity/test_*; do
	case $t in *.o | *.d | *\**) continue ;; esac
	run "${t#"$build"/tests/}" "$t"
done
for t in tests/cli/*.sh tests/parity/*.sh; do
	[ -f "$t" ] && run "${t#tests/}" sh "$t"
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
