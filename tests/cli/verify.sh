#!/bin/sh
# verify.sh - finished trials run again: equal as they are, and every kind of tampering is found and named.
set -eu
. tests/tiny.sh

mkdir "$tmp/grids"
tiny_grid "$tmp/grids/pre.yaml" 1
status 0 "$GAPSWEEP" train "$tmp/grids/pre.yaml" --save "$tmp/grids/w.safetensors"
tiny_grid "$tmp/grids/grid.yaml" 3
sed -i 's/model: {arch: mlp, hidden: 16}/model: {arch: mlp, hidden: 16, weights: w.safetensors}/' "$tmp/grids/grid.yaml"
d=$tmp/run
status 0 "$GAPSWEEP" run "$tmp/grids/grid.yaml" -o "$d" --quiet --no-report

status 0 "$GAPSWEEP" verify "$d" -j2
said "$tmp/out" "8 trials equal"
[ "$(grep -c 'equal, 3 epochs' "$tmp/out")" -eq 8 ] || fail "not a line a trial"
status 0 "$GAPSWEEP" verify "$d" --trials 2-3 --json
[ "$(wc -l <"$tmp/out")" -eq 2 ] || fail "not two objects"
said "$tmp/out" '"equal":true'
status 64 "$GAPSWEEP" verify "$d" --trials 8

key() { awk -F, -v t="$1" '$1 == t {print $2}' "$d/trials.csv"; }
k0=$(key 0) k6=$(key 6)

# Another trial's figures in its place, consistent in themselves: only a second run can tell.
mv "$d/trials/$k0" "$tmp/whole"
cp -r "$d/trials/$k6" "$d/trials/$k0"
sed -i "s/$k6/$k0/" "$d/trials/$k0/result.json"
status 1 "$GAPSWEEP" verify "$d" --trials 0-1
said "$tmp/out" "trial 0     $k0  DIFFERS: epoch 1: train_loss was "
said "$tmp/out" "trial 1     $(key 1)  equal"
status 1 "$GAPSWEEP" verify "$d" --trials 0 --json
said "$tmp/out" '"epoch":1,"column":"train_loss","was":'
rm -r "$d/trials/$k0"
mv "$tmp/whole" "$d/trials/$k0"

# A changed digit of a later epoch, other weights, other images.
cp -r "$d" "$tmp/digit"
sed -i '3s/.$/&1/' "$tmp/digit/trials/$k0/epochs.csv"
status 1 "$GAPSWEEP" verify "$tmp/digit"
said "$tmp/out" "damaged"
said "$tmp/err" "1 of 8 trials differ"
cp -r "$d" "$tmp/weights"
sed -i 's/"weights": "\(....\)/"weights": "0000/' "$tmp/weights/trials/$k0/result.json"
status 1 "$GAPSWEEP" verify "$tmp/weights" --trials 0
said "$tmp/out" "weights: the hash was 0000"
cp -r "$d" "$tmp/bits"
printf '\000\000\000\000' >"$tmp/bits/trials/$k0/correct.bits"
status 1 "$GAPSWEEP" verify "$tmp/bits" --trials 0
said "$tmp/out" "correct.bits is missing or damaged"
sed -i '/"correct_bits_xxh3"/d' "$tmp/bits/trials/$k0/result.json"
status 1 "$GAPSWEEP" verify "$tmp/bits" --trials 0
said "$tmp/out" "other images were right"

# A result of a version that kept no hash of the weights is compared as far as it goes; what is not finished is counted.
sed -i '/"weights"/d' "$d/trials/$k0/result.json"
rm "$d/trials/$k6/result.json"
status 0 "$GAPSWEEP" verify "$d"
said "$tmp/out" "no hash of its weights was kept"
said "$tmp/out" "7 trials equal, 1 not finished"

# Other data, other weights: told before anything runs.
cp -r "$d" "$tmp/data"
sed -i 's/seed: 2/seed: 3/' "$tmp/data/grid.yaml"
status 65 "$GAPSWEEP" verify "$tmp/data"
said "$tmp/err" "not the same validation data"
status 0 "$GAPSWEEP" train "$tmp/grids/pre.yaml" --seed 9 --save "$tmp/grids/w.safetensors"
status 65 "$GAPSWEEP" verify "$d"
said "$tmp/err" "not the same start weights"
mv "$tmp/grids" "$tmp/elsewhere"
status 66 "$GAPSWEEP" verify "$d"
status 65 "$GAPSWEEP" verify "$d" --grid-dir "$tmp/elsewhere"
echo "verify ok"
