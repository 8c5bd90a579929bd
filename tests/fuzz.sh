#!/bin/sh
# run.sh BUILD TARGET SECONDS - replays what was found before (tests/fuzz/found/TARGET/), then fuzzes for so long.
set -eu
build=$1 target=$2 seconds=$3
corpus=$build/corpus/$target
mkdir -p "$corpus"
dictionary=tests/fuzz/${target#fuzz_}.dict
for known in tests/fuzz/found/"$target"/*; do
	[ ! -f "$known" ] || "$build/tests/fuzz/$target" "$known" >"$build/$target.log" 2>&1 || {
		cat "$build/$target.log"
		echo "$target: $known is back"
		exit 1
	}
done
options="-max_total_time=$seconds -timeout=10 -rss_limit_mb=4096 -print_final_stats=1 -artifact_prefix=$build/$target-"
[ ! -f "$dictionary" ] || options="$options -dict=$dictionary"
# shellcheck disable=SC2086
"$build/tests/fuzz/$target" $options "$corpus" >"$build/$target.log" 2>&1 || {
	tail -n 60 "$build/$target.log"
	exit 1
}
awk -v t="$target" '/number_of_executed_units/ { print t ": " $2 " executions, no finding" }' "$build/$target.log"
