#!/bin/sh
# share.sh - trials that share their frozen layers leave the tables they would have left alone.
set -eu
. tests/tiny.sh

cat >"$tmp/grid.yaml" <<'END'
name: share
data:
  train: {fake: {n: 37, shape: [2, 12, 12], classes: 4}}
  val: {fake: {n: 21, shape: [2, 12, 12], classes: 4, seed: 1}}
model: {arch: resnet-slim, width: 4}
epochs: 4
batch_size: 8
repeats: 2
parameters:
  backbone_lr: [0, 1e-3]
  classifier_lr: [1e-3, 1e6]
  classifier_weight_decay: [0, 1e3]
  optimizer: [sgd, adam]
  freeze_bn: [true, false]
END

sweep() {
	out=$1
	shift
	status 0 "$GAPSWEEP" run "$tmp/grid.yaml" -o "$tmp/$out" --quiet --no-report "$@"
}
sweep alone -j1 --no-share
sweep one -j1
sweep two -j2
same_tables "$tmp/alone" "$tmp/one"
same_tables "$tmp/alone" "$tmp/two"
for key in $(ls "$tmp/alone/trials"); do
	cmp "$tmp/alone/trials/$key/correct.bits" "$tmp/one/trials/$key/correct.bits" || fail "$key: other images right"
done
grep -q DIVERGED "$tmp/one/trials.csv" || fail "no trial diverged: the test has lost its point"

# Interrupted again and again, now and then without sharing, so that trials that could share stand at different steps.
sweep calm -j2 --set epochs=30
stops=0
while :; do
	got=0
	alone=--no-share
	[ $((stops % 2)) -eq 0 ] || alone=
	# shellcheck disable=SC2086
	timeout -s INT 0.4 "$GAPSWEEP" run "$tmp/grid.yaml" -o "$tmp/stormy" --quiet --no-report -j2 --set epochs=30 $alone \
		>/dev/null 2>&1 || got=$?
	[ "$got" -ne 0 ] || break
	stops=$((stops + 1))
	[ "$stops" -lt 500 ] || fail "never ends"
done
same_tables "$tmp/calm" "$tmp/stormy"
echo "stopped $stops times"
