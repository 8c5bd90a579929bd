#!/bin/sh
# powercut.sh - ext4 in a file, cut off without its journal at random times (EXT4_IOC_SHUTDOWN), FAULT_CUTS times (40): what
# was visible before is there, unchanged, once the directory is opened again. The control does the same without fsync and must lose something.
set -eu
. tests/tiny.sh
. tests/disturb.sh
needs_root
mkdir "$tmp/disk"
truncate -s 64M "$tmp/image"
mkfs.ext4 -q -F "$tmp/image"
attach() {
	mount -o loop "$tmp/image" "$tmp/disk" 2>"$tmp/why"
}
if ! attach; then
	echo "no loop mounts here: $(cat "$tmp/why")"
	exit 77
fi
trap 'umount "$tmp/disk" 2>/dev/null; rm -rf "$tmp"' EXIT
many_grid "$tmp/grid.yaml" 50
run_quietly -o "$reference" "$tmp/grid.yaml"

# cut_once RESULTS - a sweep under way on the disk, the power gone at a random time after so many of its results are
# visible, and the disk back.
cut_once() {
	setsid "$GAPSWEEP" run -q -j2 --no-report -o "$tmp/disk/run" "$tmp/grid.yaml" >"$tmp/out" 2>"$tmp/err" &
	pid=$!
	until [ "$(find "$tmp/disk/run/trials" -name result.json 2>/dev/null | wc -l)" -ge "$1" ]; do
		kill -0 "$pid" || fail "ended before $1 results: $(cat "$tmp/err")"
		sleep 0.01
	done
	nap 40 300
	remember "$tmp/disk/run"
	perl -e 'open F, "<", $ARGV[0] or die; my $how = pack("L", 2); ioctl(F, 0x8004587d, $how) or die "$!"' "$tmp/disk"
	kill -s KILL -- "-$pid" 2>/dev/null || true
	wait "$pid" 2>/dev/null || true
	until umount "$tmp/disk" 2>"$tmp/why"; do # the runner is still going
		sleep 0.05
	done
	attach
	# Opens the directory as the next run does: what a cut left of a name that was seen is put right. Runs one trial at most.
	run_quietly --trials 0 -o "$tmp/disk/run" "$tmp/grid.yaml" || fail "after a cut: exit $?: $(cat "$tmp/err")"
}

cuts=0 sweeps=0
while [ "$cuts" -lt "${FAULT_CUTS:-40}" ]; do
	cut_once 0
	cuts=$((cuts + 1))
	unchanged "$tmp/disk/run"
	if [ "$(wc -l <"$tmp/visible")" -gt 150 ]; then
		resumes "$tmp/disk/run" "$tmp/grid.yaml"
		rm -rf "$tmp/disk/run"
		sweeps=$((sweeps + 1))
	fi
done
resumes "$tmp/disk/run" "$tmp/grid.yaml"
echo "SUMMARY $cuts power cuts of an ext4 disk, $((sweeps + 1)) sweeps to the end: 0 results lost or changed, tables equal"

losses=0
export GAPSWEEP_FAULT=nosync
for i in 1 2 3 4 5 6; do
	rm -rf "$tmp/disk/run"
	cut_once 4
	(unchanged "$tmp/disk/run") 2>/dev/null || losses=$((losses + 1))
done
unset GAPSWEEP_FAULT
[ "$losses" -gt 0 ] || fail "without fsync nothing was lost in 6 cuts: this proves nothing"
echo "SUMMARY control: without fsync: losses in $losses of 6 cuts"
