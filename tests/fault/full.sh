#!/bin/sh
# full.sh - 20 sizes of disk, from nearly nothing to nearly enough, then one without inodes and too few descriptors: 74, no
# empty file, the file named; with room the same command goes on to the same tables.
set -eu
. tests/tiny.sh
. tests/disturb.sh
needs_root
mkdir "$tmp/disk"
if ! mount -t tmpfs -o size=100k tmpfs "$tmp/disk" 2>"$tmp/why"; then
	echo "no mounts here: $(cat "$tmp/why")"
	exit 77
fi
trap 'umount "$tmp/disk" 2>/dev/null; rm -rf "$tmp"' EXIT
many_grid "$tmp/grid.yaml" 10
run_quietly -o "$reference" "$tmp/grid.yaml"

# too_small - runs on the disk as it is, then with room.
too_small() {
	got=0
	run_quietly -o "$tmp/disk/run" "$tmp/grid.yaml" || got=$?
	case $got in
	0) fits=$((fits + 1)) ;;
	74)
		said "$tmp/err" "$tmp/disk/run"
		said "$tmp/err" "less than twice" # and it was said before the start
		full=$((full + 1))
		;;
	*) fail "$1 gave exit $got: $(cat "$tmp/err")" ;;
	esac
	[ -z "$(find "$tmp/disk" -name result.json -empty)" ] || fail "$1: an empty result"
	remember "$tmp/disk/run"
	mount -o remount,size=64M,nr_inodes=100k "$tmp/disk"
	resumes "$tmp/disk/run" "$tmp/grid.yaml"
	unchanged "$tmp/disk/run"
	rm -rf "$tmp/disk/run"
}

full=0 fits=0
for step in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	mount -o remount,size=$((step * 36))k "$tmp/disk"
	too_small "$((step * 36)) kB"
done
[ "$full" -ge 10 ] || fail "only $full sizes were too small: this proves little"
mount -o remount,size=64M,nr_inodes=60 "$tmp/disk"
before=$full
too_small "60 inodes"
[ "$full" -gt "$before" ] || fail "60 inodes were enough"
echo "SUMMARY 20 sizes of a full disk ($((full - 1)) too small, $fits fit) and one without inodes: 74, 0 lost or empty, tables equal"

# The control: a store that takes a write that failed for done leaves something behind that is no result.
export GAPSWEEP_FAULT=lie
harm=0
for size in 72 144 216 288 360; do
	mount -o remount,size=${size}k,nr_inodes=100k "$tmp/disk"
	rm -rf "$tmp/disk/run"
	got=0
	run_quietly -o "$tmp/disk/run" "$tmp/grid.yaml" || got=$?
	[ "$got" -ne 0 ] || harm=$((harm + 1))
	for result in $(find "$tmp/disk" -name result.json); do
		grep -q '"epochs_csv_xxh3"' "$result" || harm=$((harm + 1))
	done
done
unset GAPSWEEP_FAULT
[ "$harm" -gt 0 ] || fail "a store that ignores a full disk left nothing broken: this proves nothing"
echo "SUMMARY control: failed writes taken for done: $harm results broken"
mount -o remount,size=64M,nr_inodes=100k "$tmp/disk"
rm -rf "$tmp/disk/run"

# Too few descriptors: an error with a code of its own, not a crash, and nothing half written.
got=0
(ulimit -n 8 && exec "$GAPSWEEP" run -q -j2 --no-report -o "$tmp/few" "$tmp/grid.yaml") >"$tmp/out" 2>"$tmp/err" || got=$?
case $got in
0 | 1 | 6? | 7?) ;;
*) fail "8 descriptors gave exit $got" ;;
esac
resumes "$tmp/few" "$tmp/grid.yaml"
