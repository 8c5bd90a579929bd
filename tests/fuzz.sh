#!/bin/sh
# fuzz.sh BUILD TARGET SECONDS [RUNS] - replays what was found before (tests/fuzz/found/TARGET/), then fuzzes for so long,
# or so many runs, from the seeds and the ready files of that kind.
set -eu
build=$1 target=$2 seconds=$3 name=${2#fuzz_}
corpus=$build/corpus/$target
mkdir -p "$corpus"
for known in tests/fuzz/found/"$name"/*; do
	[ ! -f "$known" ] || "$build/tests/fuzz/$target" "$known" >"$build/$target.log" 2>&1 || {
		cat "$build/$target.log"
		echo "$target: $known is back"
		exit 1
	}
done

# What is ready elsewhere in the sources, as the target takes it: some read a byte of choices first.
ready=$build/corpus/ready-$name
mkdir -p "$ready"
case $name in
study) cp grids/*.yaml "$ready" ;;
image) cp tests/parity/fixtures/images/*.jpg tests/parity/fixtures/images/*.png "$ready" ;;
pth) for f in tests/unit/pth/*.pth; do { printf '\0'; cat "$f"; } >"$ready/${f##*/}"; done ;;
esac
seeds=
[ ! -d "tests/fuzz/seeds/$name" ] || seeds=tests/fuzz/seeds/$name

# Short inputs are fast ones; where a file has headers before its bytes they must have room.
case $name in
image | pth) most=16384 ;;
expr) most=512 ;;
*) most=2048 ;;
esac
export ASAN_OPTIONS="quarantine_size_mb=8:allocator_release_to_os_interval_ms=-1:malloc_context_size=6"
options="-max_total_time=$seconds -runs=${4:--1} -max_len=${FUZZ_MAX_LEN:-$most} -timeout=60 -rss_limit_mb=4096
	-entropic=0 -print_final_stats=1 -artifact_prefix=$build/$target-"
[ ! -f "tests/fuzz/$name.dict" ] || options="$options -dict=tests/fuzz/$name.dict"
# shellcheck disable=SC2086
"$build/tests/fuzz/$target" $options "$corpus" "$ready" $seeds >"$build/$target.log" 2>&1 || {
	tail -n 60 "$build/$target.log"
	exit 1
}
awk -v t="$target" '/number_of_executed_units/ { print t ": " $2 " executions, no finding" }' "$build/$target.log"
