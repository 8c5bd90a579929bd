#!/bin/sh
# memory.sh - the Nth allocation fails, once and from there on, in a plan (grid, data and start weights are read), in an
# inspection of a weights file, in a sweep of one epoch, in its tables: 71, or 1 with a trial failed, or a lesser complaint;
# never a signal, and a clean run afterwards has the same tables. Every N up to FAULT_MALLOCS (150; 2000 are all), then 40.
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
dense=${FAULT_MALLOCS:-150}

command() {
	case $what in
	plan) "$GAPSWEEP" plan -o "$tmp/none" "$tmp/grid.yaml" ;;
	weights) "$GAPSWEEP" inspect "$tmp/w.safetensors" ;;
	sweep) "$GAPSWEEP" run -q -j1 --no-report -o "$tmp/run" "$tmp/grid.yaml" ;;
	report) "$GAPSWEEP" report --tables "$tmp/reported" ;;
	esac >"$tmp/out" 2>"$tmp/err"
}

# one N - the Nth allocation of the command fails; every tenth sweep is then finished without.
one() {
	got=0
	FAIL_AT=$1 LD_PRELOAD="$lib" command || got=$?
	case $got in
	0 | 1 | 71) ;;
	*) fail "$what: allocation $1${FAIL_ON:+ and all after it} gave exit $got: $(cat "$tmp/err")" ;;
	esac
	! grep -q 'the runner was killed' "$tmp/err" || fail "allocation $1 killed the runner: $(cat "$tmp/err")"
	[ "$got" -eq 0 ] || bad=$((bad + 1))
	runs=$((runs + 1))
	case $what$((runs % 10)) in
	sweep0) resumes "$tmp/run" "$tmp/grid.yaml" && rm -rf "$tmp/run" ;;
	esac
}

all() {
	n=1
	while [ "$n" -le "$total" ]; do
		one "$n"
		if [ "$n" -lt "$dense" ] || [ "$total" -le "$((dense + 40))" ]; then
			n=$((n + 1))
		else
			n=$((n + 1 + (total - dense) / 40))
		fi
	done
}

for what in plan weights sweep report; do
	rm -rf "$tmp/count" "$tmp/run" "$tmp/reported"
	cp -R "$reference" "$tmp/reported"
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
same_tables "$reference" "$tmp/reported"

# The control: an address where nothing is, as of a program without checks, must be seen as a crash.
what=plan crashed=0
for n in 20 40 60 80 100; do
	(FAIL_BAD=1 one "$n") >"$tmp/why" 2>&1 || crashed=$((crashed + 1))
done
[ "$crashed" -gt 0 ] || fail "a crash went unseen: this proves nothing"
echo "SUMMARY control: without a check: $crashed of 5 crash"
