#!/bin/sh
# stages.sh - trials that have their first epochs in common run them once, longer runs go on from shorter ones: the tables
# are those of runs from the start.
set -eu
. tests/tiny.sh

cat >"$tmp/grid.yaml" <<'END'
name: stages
data:
  train: {fake: {n: 37, shape: [2, 12, 12], classes: 4}}
  val: {fake: {n: 21, shape: [2, 12, 12], classes: 4, seed: 1}}
model: {arch: resnet-slim, width: 4}
groups: {backbone: ["*"], late: ["layer3.*", "layer4.*"], classifier: ["fc.*"]}
batch_size: 8
momentum: 0.9
epochs: 5
repeats: 2
parameters:
  - {backbone_lr: [0, 1e-3], late_lr: [1e-4, 1e-2], classifier_lr: [1e-3, 1e6], freeze_epochs: [2, 3],
     optimizer: [sgd, nadam], schedule: cosine}
  - {backbone_lr: [1e-3, 1e-2], late_lr: 1e-3, classifier_lr: [1e-3, 1e-2], unfreeze_every: 2, epochs: [2, 3, 6]}
  - {backbone_lr: [1e-3, 1e-2], late_lr: 1e-3, classifier_lr: 1e-3, freeze_epochs: 1, schedule: plateau,
     plateau_patience: 0, plateau_threshold: 0.9}
END

sweep() {
	out=$1
	shift
	status 0 "$GAPSWEEP" run "$tmp/grid.yaml" -o "$tmp/$out" --quiet --no-report "$@"
}
reused() { grep -l '"epochs_reused": [1-9]' "$tmp/$1"/trials/*/result.json | wc -l; }

sweep alone -j1 --threads 1 --no-share
sweep one -j1 --threads 1
sweep two -j2
sweep threads -j1 --threads 2
for other in one two threads; do same_tables "$tmp/alone" "$tmp/$other"; done
[ "$(reused alone)" -eq 0 ] || fail "--no-share shares"
# All but the first of those with equal heads, seeds and optimizers fork; plateau looks at every rate.
[ "$(reused one)" -ge 48 ] || fail "only $(reused one) trials forked"
for key in $(ls "$tmp/alone/trials"); do
	cmp "$tmp/alone/trials/$key/correct.bits" "$tmp/one/trials/$key/correct.bits" || fail "$key: other images right"
done
status 0 "$GAPSWEEP" verify "$tmp/two" --trials 0-9

stops=0
while :; do
	got=0
	# each a little later than the one before, so that a slow machine gets on
	timeout -s INT "$((stops / 5)).$((2 + stops % 5))" "$GAPSWEEP" run "$tmp/grid.yaml" -o "$tmp/stormy" --quiet --no-report -j2 >/dev/null 2>&1 || got=$?
	[ "$got" -ne 0 ] || break
	stops=$((stops + 1))
	[ "$stops" -lt 500 ] || fail "never ends"
done
same_tables "$tmp/alone" "$tmp/stormy"

# More epochs in the grid: from the states that were kept, with the bytes of a run from the start.
cat >"$tmp/grid.yaml" <<'END'
name: longer
data:
  train: {fake: {n: 37, shape: [2, 12, 12], classes: 4}}
  val: {fake: {n: 21, shape: [2, 12, 12], classes: 4, seed: 1}}
model: {arch: resnet-slim, width: 4}
batch_size: 8
momentum: 0.9
epochs: 3
keep: final
repeats: 2
parameters:
  - {backbone_lr: [0, 1e-3], classifier_lr: 1e-2, optimizer: [sgd, adam], schedule: step, step_size: 2}
  - {backbone_lr: [0, 1e-3], classifier_lr: 1e-2, schedule: cosine}
END
sweep start --set epochs=5 --no-share
sweep more
[ "$(ls "$tmp"/more/trials/*/final | wc -l)" -eq 12 ] || fail "not every trial's state was kept"
sweep more --set epochs=5 -j2
said "$tmp/err" "8 trials go on from the end of shorter runs that were kept"
said "$tmp/err" "4 trials start anew although a shorter run was kept"
same_tables "$tmp/start" "$tmp/more"
[ "$(reused more)" -eq 8 ] || fail "$(reused more) trials went on from shorter runs"
status 0 "$GAPSWEEP" verify "$tmp/more"

# A kept state that is damaged is none.
sweep damaged
for f in "$tmp"/damaged/trials/*/final; do
	printf X | dd of="$f" bs=1 seek=100 conv=notrunc 2>/dev/null
done
sweep damaged --set epochs=5
same_tables "$tmp/start" "$tmp/damaged"
[ "$(reused damaged)" -eq 0 ] || fail "a damaged state was used"
echo "stopped $stops times"
