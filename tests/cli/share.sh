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
epochs: 2
batch_size: 8
repeats: 2
parameters:
  - {backbone_lr: [0, 1e-3], classifier_lr: [1e-3, 1e6], freeze_bn: [true, false],
     optimizer: [sgd, adam, adamw, rmsprop, adagrad, adadelta, adamax, nadam, radam]}
  - {backbone_lr: 0, classifier_lr: [1e-3, 1e-2], classifier_weight_decay: [1e-2, 1e3], dropout: [0, 0.5]}
END

sweep() {
	out=$1
	shift
	status 0 "$GAPSWEEP" run "$tmp/grid.yaml" -o "$tmp/$out" --quiet --no-report "$@"
}

# reused DIR TEXT WANT - so many results say what.
reused() {
	got=$(grep -l "$2" "$tmp/$1"/trials/*/result.json | wc -l)
	[ "$got" -eq "$3" ] || fail "$1: $got results with $2, expected $3"
}

sweep alone -j1 --threads 1 --no-share
sweep one -j1 --threads 1
sweep two -j2
sweep threads -j1 --threads 2
for other in one two threads; do same_tables "$tmp/alone" "$tmp/$other"; done
trials=$(ls "$tmp/alone/trials" | wc -l)
for key in $(ls "$tmp/alone/trials"); do
	cmp "$tmp/alone/trials/$key/correct.bits" "$tmp/one/trials/$key/correct.bits" || fail "$key: other images right"
	[ "$(grep '"weights"' "$tmp/alone/trials/$key/result.json")" = "$(grep '"weights"' "$tmp/one/trials/$key/result.json")" ] ||
		fail "$key: other weights at the end"
done
grep -q DIVERGED "$tmp/one/trials.csv" || fail "no trial diverged: the test has lost its point"
reused alone '"macs_reused": 0.0' "$trials"
[ "$(grep -l '"macs_reused": 0.0' "$tmp"/one/trials/*/result.json | wc -l)" -lt $((trials * 2 / 3)) ] || fail "little was shared"

# Augmented images are other ones in every epoch: nothing is kept, and all is equal still.
sweep plain --no-share --set 'data.train.augment={hflip: 0.5, crop_pad: 2}' --set epochs=2
sweep augmented -j2 --set 'data.train.augment={hflip: 0.5, crop_pad: 2}' --set epochs=2
same_tables "$tmp/plain" "$tmp/augmented"

# Interrupted again and again, now and then without sharing, so that trials that could share stand at different steps.
sed -i 's/optimizer: .*/optimizer: [sgd, adam, nadam]}/' "$tmp/grid.yaml"
sweep calm -j2 --set epochs=10
stops=0
while :; do
	got=0
	alone=--no-share
	[ $((stops % 2)) -eq 0 ] || alone=
	# shellcheck disable=SC2086
	# each a little later than the one before, so that a slow machine gets on
	timeout -s INT "$((stops / 5)).$((2 + stops % 5))" "$GAPSWEEP" run "$tmp/grid.yaml" -o "$tmp/stormy" --quiet --no-report -j2 --set epochs=10 $alone \
		>/dev/null 2>&1 || got=$?
	[ "$got" -ne 0 ] || break
	stops=$((stops + 1))
	[ "$stops" -lt 500 ] || fail "never ends"
done
same_tables "$tmp/calm" "$tmp/stormy"
echo "stopped $stops times"
