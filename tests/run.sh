#!/bin/sh
# run.sh BUILD FOLDER... - runs every test program and script of these folders of tests/ (or one, as unit/test_store); the
# last line counts them, below the lines of their output that begin with SUMMARY.
# One that ends with 77 lacks a program and is skipped; with GAPSWEEP_NO_SKIP, where all are installed, it fails.
set -u
build=$1
shift
passed=0 failed=0 skipped=0
export GAPSWEEP="${GAPSWEEP:-$PWD/$build/gapsweep}" LC_ALL=C
log=$build/test.log
summary=$build/test.summary
: >"$summary"

run() {
	name=$1
	shift
	start=$(date +%s)
	"$@" >"$log" 2>&1
	rc=$?
	[ $rc -eq 77 ] && [ -n "${GAPSWEEP_NO_SKIP:-}" ] && rc='77: skipped'
	took=$(($(date +%s) - start))
	sed -n 's/^SUMMARY /  /p' "$log" >>"$summary"
	case $rc in
	0) passed=$((passed + 1)); echo "ok    $name (${took} s)" ;;
	77) skipped=$((skipped + 1)); echo "skip  $name: $(tail -n 1 "$log")" ;;
	*) failed=$((failed + 1)); echo "FAIL  $name (exit $rc, ${took} s)"; sed 's/^/      /' "$log" | tail -n 60 ;;
	esac
}

for folder in "$@"; do
	for t in "$build/tests/$folder"/test_* "tests/$folder"/*.sh "$build/tests/$folder"; do
		[ -f "$t" ] || continue
		case $t in
		*.o | *.d | *.gcno | *.gcda | *\**) ;;
		*.sh) run "${t#tests/}" sh "$t" ;;
		*) run "${t#"$build"/tests/}" "$t" ;;
		esac
	done
done
cat "$summary"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
