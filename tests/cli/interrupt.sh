#!/bin/sh
# interrupt.sh - Ctrl-C, kill -9 and a second runner: what goes on afterwards ends with the same tables.
set -eu
. tests/tiny.sh
tiny_grid "$tmp/grid.yaml" 100 3000
status 0 "$GAPSWEEP" run -q -j2 --no-report -o "$tmp/whole" "$tmp/grid.yaml"

# started - waits until the run in the background, $pid, has added a row to a trial that is not finished.
started() {
	while kill -0 "$pid" 2>/dev/null; do
		for file in $(find "$tmp/cut/trials" -name epochs.csv -newer "$tmp/marker" 2>/dev/null); do
			[ ! -f "${file%/*}/result.json" ] && [ "$(wc -l <"$file")" -gt 2 ] && return
		done
		sleep 0.02
	done
	fail "the run ended before it could be disturbed: $(cat "$tmp/err")"
}

ended() {
	got=0
	wait "$pid" || got=$?
}

background() {
	touch "$tmp/marker"
	"$GAPSWEEP" run -j2 --no-report -o "$tmp/cut" "$tmp/grid.yaml" >"$tmp/out" 2>"$tmp/err" &
	pid=$!
}

# Each signal: 75, the resume command, and a checkpoint in every trial that began and did not end.
checkpoints=0
signals="INT TERM HUP"
[ $((0x$(sed -n 's/^SigIgn:\s*//p' /proc/self/status) & 1)) -eq 0 ] || signals="INT TERM" # under nohup
for signal in $signals; do
	background
	started
	kill -"$signal" "$pid"
	ended
	[ "$got" -eq 75 ] || fail "SIG$signal gave exit $got: $(cat "$tmp/err")"
	said "$tmp/err" "stopping after this step"
	said "$tmp/err" "go on with: gapsweep run -j2"
	for trial in "$tmp"/cut/trials/*; do
		[ -f "$trial/attempts" ] && [ ! -f "$trial/result.json" ] || continue
		[ -s "$trial/checkpoint" ] || fail "SIG$signal left no checkpoint in $trial"
		checkpoints=$((checkpoints + 1))
	done
done
[ "$checkpoints" -gt 0 ] || fail "no trial was ever under way: this proves nothing"

# A second runner is refused while the first lives.
background
until [ -n "$(find "$tmp/cut/trials" -name result.json)" ]; do
	sleep 0.02
done
started
got=0
"$GAPSWEEP" run --no-report -o "$tmp/cut" "$tmp/grid.yaml" 2>"$tmp/second" || got=$?
[ "$got" -eq 73 ] || fail "a second runner got exit $got"
said "$tmp/second" "in use by process $pid"

# kill -9: nothing is said, nothing that was finished is lost.
kill -9 "$pid"
ended
find "$tmp/cut/trials" -name result.json -exec cksum {} + >"$tmp/finished"
[ -s "$tmp/finished" ] || fail "nothing was finished yet: this proves nothing"
status 0 "$GAPSWEEP" run -j2 --no-report -o "$tmp/cut" "$tmp/grid.yaml"
while read -r sum size file; do
	[ "$(cksum "$file")" = "$sum $size $file" ] || fail "a finished result changed: $file"
done <"$tmp/finished"
same_tables "$tmp/whole" "$tmp/cut"
[ -z "$(find "$tmp/cut" -name '*.tmp' -o -name checkpoint)" ] || fail "temp files or checkpoints are left"

# A second Ctrl-C ends at once.
cat >"$tmp/slow.yaml" <<'END'
data:
  train: {fake: {n: 4096, shape: [3, 32, 32], classes: 10}}
  val: {fake: {n: 16, shape: [3, 32, 32], classes: 10, seed: 1}}
model: {arch: cnn}
epochs: 1000
batch_size: 4096
parameters: {lr: 0.01}
END
"$GAPSWEEP" run -j1 --no-report -o "$tmp/slow" "$tmp/slow.yaml" >"$tmp/out" 2>"$tmp/err" &
pid=$!
until [ -n "$(find "$tmp/slow/trials" -name epochs.csv 2>/dev/null)" ]; do
	kill -0 "$pid" 2>/dev/null || fail "the slow run ended: $(cat "$tmp/err")"
	sleep 0.05
done
sleep 0.2
runner=$(tr -d ' ' <"/proc/$pid/task/$pid/children")
kill -STOP "$runner" # so that it finds both at once, with no time to end in between
while sed -n 's/^State:\s*//p' "/proc/$runner"/task/*/status | grep -qv '^T'; do
	sleep 0.02
done
kill -TERM "$pid"
kill -INT "$pid"
pending() { # SIGINT and SIGTERM: bits 1 and 14
	mask=$(sed -n 's/^ShdPnd:\s*//p' "/proc/$runner/status")
	[ $((0x$mask & 0x4002)) -eq $((0x4002)) ]
}
until pending; do
	kill -0 "$pid" 2>/dev/null || fail "the run ended before its runner had both signals: $(cat "$tmp/err")"
	sleep 0.02
done
kill -CONT "$runner"
ended
[ "$got" -eq 130 ] || fail "a second signal gave exit $got: $(cat "$tmp/err")"
