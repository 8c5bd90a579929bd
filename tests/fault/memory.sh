#!/bin/sh
# memory.sh - the Nth allocation fails, once and from there on, in a plan (grid, data and start weights are read), in an
# inspection of a weights file, in a sweep of one epoch, in its tables: 71, or 1 with a trial failed, or a lesser complaint;
# never a signal, and a clean run afterwards has the same tables. Every N up to FAULT_MALLOCS (150; 2000 are all), 40 more,
# and the last 40.
# Then 20 sizes of address space: a sweep, or one line that says why not, and the same command without the limit goes on.
set -eu
. tests/tiny.sh
. tests/disturb.sh
lib=$PWD/${GAPSWEEP_BUILD:-build/release}/tests/fault/failing_malloc.so
[ -f "$lib" ] || fail "no $lib: make test-faults builds it"
tiny_grid "$tmp/plain.yaml" 1 16
sed -i 's/^repeats: .*/repeats: 1/; s/\[0, 0.1\]/[0.1]/' "$tmp/plain.yaml"
status 0 "$GAPSWEEP" train --cell 0 --save "$tmp/w.safetensors" "$tmp/plain.yaml"
sed 's/hidden: 16}/hidden: 16, weights: w.safetensors, head: keep}/' "$tmp/plain.yaml" >"$tmp/grid.yaml"
run_quietly -o "$reference" "$tmp/grid.yaml"
tiny_grid "$tmp/crossed.yaml" 1 16
run_quietly -o "$tmp/crossed" "$tmp/crossed.yaml" # rates that are crossed: every table has rows
dense=${FAULT_MALLOCS:-150}

command() {
	case $what in
	plan) "$GAPSWEEP" plan -o "$tmp/none" "$tmp/grid.yaml" ;;
	weights) "$GAPSWEEP" inspect "$tmp/w.safetensors" ;;
	sweep) "$GAPSWEEP" run -q -j1 --no-report -o "$tmp/run" "$tmp/grid.yaml" ;;
	report) "$GAPSWEEP" report --tables "$tmp/reported" ;;
	esac >"$tmp/out" 2>"$tmp/err"
}

# one N - the Nth allocation of the command fails. If it says that all went well, the tables are whole; every tenth sweep is
# then finished without. Each sweep starts anew: one that goes on would have less to do, and other allocations.
one() {
	got=0
	rm -rf "$tmp/run"
	FAIL_AT=$1 LD_PRELOAD="$lib" command || got=$?
	case $got in
	0 | 1 | 71) ;;
	*) fail "$what: allocation $1${FAIL_ON:+ and all after it} gave exit $got: $(cat "$tmp/err")" ;;
	esac
	! grep -q 'the runner was killed' "$tmp/err" || fail "allocation $1 killed the runner: $(cat "$tmp/err")"
	case $what$got in
	sweep0) same_tables "$reference" "$tmp/run" ;;
	report0) same_tables "$tmp/crossed" "$tmp/reported" ;;
	esac
	[ "$got" -eq 0 ] || bad=$((bad + 1))
	runs=$((runs + 1))
	case $what$((runs % 10)) in
	sweep0) resumes "$tmp/run" "$tmp/grid.yaml" ;;
	esac
}

all() {
	n=1
	while [ "$n" -le "$total" ]; do
		one "$n"
		if [ "$n" -lt "$dense" ] || [ "$n" -gt "$((total - 40))" ] || [ "$total" -le "$((dense + 40))" ]; then
			n=$((n + 1))
		else
			n=$((n + 1 + (total - dense) / 40))
		fi
	done
}

for what in plan weights sweep report; do
	rm -rf "$tmp/count" "$tmp/run" "$tmp/reported"
	cp -R "$tmp/crossed" "$tmp/reported"
	FAIL_COUNT="$tmp/count" LD_PRELOAD="$lib" command
	rm -rf "$tmp/run"
	total=$(sort -n "$tmp/count" | tail -1) # the runner's: its supervisor has a dozen
	runs=0 bad=0
	all
	export FAIL_ON=1
	all
	unset FAIL_ON
	[ "$bad" -gt "$((runs / 4))" ] || fail "$what: only $bad of $runs failures were felt: this proves nothing"
	echo "SUMMARY $runs Nth mallocs of $total in a $what, once and on: 0 crashes, $bad felt and said"
done
status 0 "$GAPSWEEP" report --tables "$tmp/reported"
same_tables "$tmp/crossed" "$tmp/reported"

# The control: an address where nothing is, as of a program without checks, must be seen as a crash.
what=plan crashed=0
for n in 20 40 60 80 100; do
	(FAIL_BAD=1 one "$n") >"$tmp/why" 2>&1 || crashed=$((crashed + 1))
done
[ "$crashed" -gt 0 ] || fail "a crash went unseen: this proves nothing"
echo "SUMMARY control: without a check: $crashed of 5 crash"

# limited KB COMMAND... - its exit code in $got, 137 if it hangs. Two threads for OpenBLAS and us, whatever the machine.
limited() {
	kb=$1
	shift
	got=0
	(ulimit -v "$kb" && OMP_NUM_THREADS=2 exec timeout -s KILL 30 "$@") >"$tmp/out" 2>"$tmp/err" || got=$?
}

# Does the last limited command say in one line, warnings and the count of failed trials aside, what it lacked?
told_why() {
	case $got in
	1) tail -n 1 "$tmp/err" | grep -q '^gapsweep: .*out of memory' ;;
	71) [ "$(grep -c -v '^gapsweep: warning: ' "$tmp/err")" -eq 1 ] && grep -q '^gapsweep: .*\(memory\|threads\)' "$tmp/err" ;;
	127) grep -q 'loading shared libraries' "$tmp/err" ;; # the loader's own
	*) false ;;
	esac
}

completed=0 told=0
for kb in $(seq 60000 30000 630000); do
	limited "$kb" "$GAPSWEEP" status "$reference"
	[ "$got" -eq 0 ] || told_why || fail "status with $kb kB of address space gave exit $got: $(cat "$tmp/err")"
	limited "$kb" "$GAPSWEEP" run -q -j2 --no-report -o "$tmp/run" "$tmp/grid.yaml"
	if [ "$got" -eq 0 ]; then
		same_tables "$reference" "$tmp/run"
		completed=$((completed + 1))
	else
		told_why || fail "a run with $kb kB of address space gave exit $got: $(cat "$tmp/err")"
		told=$((told + 1))
		resumes "$tmp/run" "$tmp/grid.yaml"
	fi
	rm -rf "$tmp/run"
done
[ "$completed" -gt 0 ] && [ "$told" -gt 0 ] || fail "$completed completed, $told did not: this proves nothing"
echo "SUMMARY $((completed + told)) sizes of address space: 0 hang, $completed complete, $told say why not and are gone on with"

# The control: a program that loads OpenBLAS and does not look first.
(ulimit -v 150000 && exec timeout -s KILL 3 "${GAPSWEEP_BUILD:-build/release}/tests/unit/test_faults") >"$tmp/out" 2>&1 && got=0 || got=$?
[ "$got" -eq 137 ] || fail "without looking first it gives exit $got: this proves nothing"
echo "SUMMARY control: without looking first: hangs at 150 MB"
