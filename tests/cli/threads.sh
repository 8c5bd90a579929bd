#!/bin/sh
# threads.sh - threads and memory: the same tables on any number, and no more than there is of either.
set -eu
. tests/tiny.sh
cat >"$tmp/grid.yaml" <<-END
	data:
	  train: {fake: {n: 40, shape: [3, 48, 48], classes: 4, seed: 1}, augment: {hflip: 0.5, crop_pad: 2}}
	  val: {fake: {n: 20, shape: [3, 48, 48], classes: 4, seed: 2}}
	model: {arch: resnet-slim, width: 32}
		epochs: 1
	batch_size: 32
	metric: {name: val_acc, goal: maximize}
	constraints: [train_eval_acc < 2]
	baseline: {backbone_lr: 0.01, optimizer: sgd}
	repeats: 1
	parameters:
	  backbone_lr: [0, 0.01]
	  classifier_lr: 0.05
	  optimizer: [sgd, adam]
END
[ "$(nproc)" -ge 2 ] || {
	echo "one CPU: nothing to see"
	exit 0
}

status 0 "$GAPSWEEP" run -j1 --threads 1 --no-report -o "$tmp/one" "$tmp/grid.yaml"
said "$tmp/err" "1 at a time on 1 thread,"
n=0
for how in "-j2 --threads 1" "-j1 --threads 2" "-j1" "--threads 2 --no-share" "-j2 --no-share"; do
	n=$((n + 1))
	# shellcheck disable=SC2086
	status 0 "$GAPSWEEP" run $how --no-report -o "$tmp/run$n" "$tmp/grid.yaml"
	same_tables "$tmp/one" "$tmp/run$n"
done
said "$tmp/run3/manifest.json" '"workers": 1'
grep -q '"threads": 1[,\n]*$' "$tmp/run3/manifest.json" && fail "idle CPUs do not join: $(cat "$tmp/run3/manifest.json")"

# One trial in the foreground.
status 0 "$GAPSWEEP" train --threads 1 --epochs-csv "$tmp/1.csv" --save "$tmp/1.safetensors" "$tmp/grid.yaml"
status 0 "$GAPSWEEP" train --threads 2 --epochs-csv "$tmp/2.csv" --save "$tmp/2.safetensors" "$tmp/grid.yaml"
cmp "$tmp/1.csv" "$tmp/2.csv" || fail "two threads give other rows"
cmp "$tmp/1.safetensors" "$tmp/2.safetensors" || fail "two threads give other weights"

# No more than there are.
status 0 "$GAPSWEEP" run -j4000 --no-report --no-share -o "$tmp/many" "$tmp/grid.yaml"
said "$tmp/err" "--workers 4000: this process may use $(nproc) CPUs: using $(nproc)"
same_tables "$tmp/one" "$tmp/many"
status 0 env OMP_NUM_THREADS=1 "$GAPSWEEP" run --no-report -o "$tmp/omp" "$tmp/grid.yaml"
said "$tmp/err" "1 at a time on 1 thread,"
same_tables "$tmp/one" "$tmp/omp"

# Memory: fewer at a time; a trial that never fits is refused before the start, and nothing is left half-done.
status 0 "$GAPSWEEP" plan --json -o "$tmp/none" "$tmp/grid.yaml"
need=$(sed -n 's/.*"trial_bytes": *\([0-9]*\).*/\1/p' "$tmp/out" | head -n 1)
status 0 "$GAPSWEEP" run --memory $((need * 3 / 2)) --no-report -o "$tmp/tight" "$tmp/grid.yaml"
said "$tmp/err" "of memory: running 1"
same_tables "$tmp/one" "$tmp/tight"
status 71 "$GAPSWEEP" run --memory 1M --no-report -o "$tmp/none" "$tmp/grid.yaml"
said "$tmp/err" "of memory, and there are "
[ -z "$(find "$tmp/none" -name epochs.csv)" ] || fail "a trial began that does not fit"
for bad in 0 -1G 8Q G ''; do
	status 64 "$GAPSWEEP" run --memory "$bad" -o "$tmp/none" "$tmp/grid.yaml"
	said "$tmp/err" "expected a size like 8G or 512M"
done
