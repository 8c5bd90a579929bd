#!/bin/sh
# opt-levels.sh GAPSWEEP... - these builds of the program make the same tables, for a multilayer perceptron and a small
# convolutional net with three optimizers. With the baseline kernels: the others may fuse a multiplication and an addition into
# one rounding, which is left to the compiler's optimizer (-ffp-contract=fast), so that -O0 has other bits there.
set -eu
export GAPSWEEP_ISA=baseline
. tests/tiny.sh
tiny_grid "$tmp/mlp.yaml"
cat >"$tmp/cnn.yaml" <<'END'
data:
  train: {fake: {n: 48, shape: [3, 16, 16], classes: 4, seed: 1}}
  val: {fake: {n: 32, shape: [3, 16, 16], classes: 4, seed: 2}}
model: {arch: resnet-slim, width: 8}
epochs: 2
batch_size: 16
parameters: {lr: [0.01], momentum: [0, 0.9], optimizer: [sgd, adam, rmsprop]}
END
first=
for program in "$@"; do
	for grid in mlp cnn; do
		dir=$tmp/$grid-$(echo "$program" | tr / _)
		status 0 "$program" run -q -j2 --no-report -o "$dir" "$tmp/$grid.yaml"
		[ -z "$first" ] || same_tables "$tmp/$grid-$first" "$dir"
	done
	[ -n "$first" ] || first=$(echo "$program" | tr / _)
done
echo "the same tables from: $*"
