#!/bin/sh
# change.sh - the same command after the grid, the data or the weights changed: it says what is new, found again or gone,
# names the files, and replaces nothing; --fresh starts beside.
set -eu
. tests/tiny.sh
tiny_grid "$tmp/grid.yaml"
run="$GAPSWEEP run -q --no-report -o $tmp/run"
results() {
	find "$1/trials" -name result.json -exec cksum {} + | sort
}
status 0 $run "$tmp/grid.yaml"
results "$tmp/run" >"$tmp/before"

# Nothing changed: nothing is said.
status 0 $run "$tmp/grid.yaml"
[ ! -s "$tmp/err" ] || fail "an unchanged grid is said to be changed: $(cat "$tmp/err")"

# One rate for another: half is new, half is found, half has left and stays.
sed 's/\[0, 0.1\]/[0.05, 0.1]/' "$tmp/grid.yaml" >"$tmp/other.yaml"
status 0 "$GAPSWEEP" plan --json -o "$tmp/run" "$tmp/other.yaml"
said "$tmp/out" '"new": 4'
said "$tmp/out" '"left": 4'
status 0 "$GAPSWEEP" plan --cells -o "$tmp/run" "$tmp/other.yaml"
[ "$(grep -c '^  new .*backbone_lr=0.05' "$tmp/out")" -eq 4 ] || fail "plan names no new trials: $(cat "$tmp/out")"
[ "$(grep -c '^  left .*backbone_lr=0 .*(has ended)' "$tmp/out")" -eq 4 ] || fail "plan names no trials that left"
status 0 $run "$tmp/other.yaml"
said "$tmp/err" "4 new trials, 4 of before (4 ended), 4 left the grid (4 ended; their files stay)"
key=$(sed -n 's/^  left  *\([0-9a-f]*\) .*/\1/p' "$tmp/err" | head -1)
[ -s "$tmp/run/trials/$key/result.json" ] || fail "no trial '$key' stands: $(cat "$tmp/err")"
results "$tmp/run" >"$tmp/after"
[ -z "$(comm -23 "$tmp/before" "$tmp/after")" ] || fail "a changed grid changed results"
status 0 $run "$tmp/other.yaml"
[ ! -s "$tmp/err" ] || fail "told twice: $(cat "$tmp/err")"
status 0 $run "$tmp/grid.yaml" # what left is found again
said "$tmp/err" "0 new trials, 8 of before (8 ended), 4 left"

# A data file with other bytes: it is named, and everything runs under new keys beside the old.
idx() {
	printf '\000\000\010\003\000\000\000\010\000\000\000\004\000\000\000\004' >"$tmp/$1-images"
	seq "$2" 900 | tr -d '\n' | head -c 128 >>"$tmp/$1-images"
	printf '\000\000\010\001\000\000\000\010\000\001\000\001\000\001\000\001' >"$tmp/$1-labels"
}
idx train 100
idx val 200
cat >"$tmp/files.yaml" <<'END'
data: {train: {idx: [train-images, train-labels]}, val: {idx: [val-images, val-labels]}}
model: {arch: mlp, hidden: 4}
epochs: 1
parameters: {lr: [0.1, 0.2]}
END
run="$GAPSWEEP run -q --no-report -o $tmp/files"
status 0 $run "$tmp/files.yaml"
results "$tmp/files" >"$tmp/before"
idx train 300
status 0 $run "$tmp/files.yaml"
said "$tmp/err" "not as before: training data $tmp/train-images and $tmp/train-labels ("
said "$tmp/err" "2 new trials, 0 of before (0 ended), 2 left the grid (2 ended"
if grep -q 'validation data' "$tmp/err"; then
	fail "the validation data is the same"
fi
results "$tmp/files" >"$tmp/after"
[ -z "$(comm -23 "$tmp/before" "$tmp/after")" ] || fail "changed data changed results"
[ "$(wc -l <"$tmp/after")" -eq 4 ] || fail "changed data did not run"

# Start weights, the same.
sed -i 's/hidden: 4}/hidden: 4, weights: w.safetensors, head: keep}/' "$tmp/files.yaml"
sed 's/, weights.*keep}/}/' "$tmp/files.yaml" >"$tmp/train.yaml"
status 0 "$GAPSWEEP" train --cell 0 --save "$tmp/w.safetensors" "$tmp/train.yaml"
status 0 $run "$tmp/files.yaml"
status 0 "$GAPSWEEP" train --cell 1 --save "$tmp/w.safetensors" "$tmp/train.yaml"
status 0 $run "$tmp/files.yaml"
said "$tmp/err" "not as before: start weights $tmp/w.safetensors ("

# --fresh: beside, and the command that goes on is said without it.
status 0 "$GAPSWEEP" run --fresh -q --no-report -o "$tmp/new" "$tmp/grid.yaml"
status 0 "$GAPSWEEP" run -q --no-report --fresh -o "$tmp/new/" -- "$tmp/grid.yaml"
results "$tmp/new" >"$tmp/before"
status 0 "$GAPSWEEP" run --fresh -q --no-report -o "$tmp/new" "$tmp/grid.yaml"
results "$tmp/new" | cmp - "$tmp/before" || fail "--fresh changed what was there"
same_tables "$tmp/new" "$tmp/new-2"
same_tables "$tmp/new" "$tmp/new-3"
status 75 "$GAPSWEEP" run --fresh -q --no-report --budget 0.5s -o "$tmp/new" --set epochs=200000 "$tmp/grid.yaml"
said "$tmp/err" "go on with: gapsweep run -q --no-report --budget 0.5s -o $tmp/new --set epochs=200000 -o $tmp/new-4 $tmp/grid.yaml"
(cd "$tmp" && status 0 "$GAPSWEEP" run -q --no-report --fresh grid.yaml && status 0 "$GAPSWEEP" run -q --no-report --fresh grid.yaml)
same_tables "$tmp/new" "$tmp/results/grid-2"

# Another numerics version: told, and what stands belongs to no trial of today's.
sed -i 's/"numerics": [0-9]*/"numerics": 1/' "$tmp/new/manifest.json"
status 0 "$GAPSWEEP" run -q --no-report -o "$tmp/new" "$tmp/grid.yaml"
said "$tmp/err" "not as before: numerics version (1, now "
