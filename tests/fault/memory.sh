#!/bin/sh
# memory.sh - the Nth allocation fails, once and from there on: 71, or 1 with that trial failed; never a signal, and a
# clean run afterwards has the same tables. Every N up to FAULT_MALLOCS (150), then 40 spread over the rest.
set -eu
. tests/tiny.sh
. tests/disturb.sh
lib=$PWD/${GAPSWEEP_BUILD:-build/release}/tests/fault/failing_malloc.so
[ -f "$lib" ] || fail "no $lib: make test-faults builds it"
tiny_grid "$tmp/grid.yaml" 1 16
sed -i 's/^repeats: .*/repeats: 1/; s/\[0, 0.1\]/[0.1]/' "$tmp/grid.yaml"
run_quietly -o "$reference" "$tmp/grid.yaml"
FAIL_COUNT="$tmp/count" LD_PRELOAD="$lib" run_quietly -j1 -o "$tmp/run" "$tmp/grid.yaml"
rm -rf "$tmp/run"
total=$(sort -n "$tmp/count" | tail -1) # the runner's: its supervisor has a dozen
dense=${FAULT_MALLOCS:-150}

# one N - one run with the Nth allocation failing, then a clean one.
one() {
	got=0
	FAIL_AT=$1 LD_PRELOAD="$lib" run_quietly -j1 -o "$tmp/run" "$tmp/grid.yaml" || got=$?
	case $got in
	0 | 1 | 71) ;;
	*) fail "allocation $1${FAIL_ON:+ and all after it} gave exit $got: $(cat "$tmp/err")" ;;
	esac
	! grep -q 'the runner was killed' "$tmp/err" || fail "allocation $1 killed the runner: $(cat "$tmp/err")"
	[ "$got" -eq 0 ] || bad=$((bad + 1))
	runs=$((runs + 1))
	case $((runs % 10)) in
	0) resumes "$tmp/run" "$tmp/grid.yaml" && rm -rf "$tmp/run" ;;
	esac
}

runs=0 bad=0
for mode in once on; do
	[ "$mode" = once ] || export FAIL_ON=1
	n=1
	while [ "$n" -le "$total" ]; do
		one "$n"
		[ "$n" -lt "$dense" ] && n=$((n + 1)) || n=$((n + 1 + (total - dense) / 40))
	done
done
unset FAIL_ON
[ "$bad" -gt 50 ] || fail "only $bad of $runs failures were felt: this proves nothing"
echo "$runs failed allocations of $total, $bad felt, 0 crashes"
