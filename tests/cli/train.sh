#!/bin/sh
# train.sh - one configuration: the epoch lines, JSON, the table, the weights.
set -eu
. tests/tiny.sh
tiny_grid "$tmp/grid.yaml" 3

line='Epoch [0-9]*: Train Acc: [0-9]*\.[0-9][0-9]%, Train Loss: [0-9]*\.[0-9][0-9][0-9], Val Acc: [0-9]*\.[0-9][0-9]%, Val Loss: [0-9]*\.[0-9][0-9][0-9]'
status 0 "$GAPSWEEP" train "$tmp/grid.yaml"
[ "$(grep -cx "$line" "$tmp/out")" -eq 3 ] || fail "epoch lines: $(cat "$tmp/out")"
[ "$(wc -l <"$tmp/out")" -eq 3 ] || fail "something else is on stdout"
said "$tmp/err" "the baseline"
cp "$tmp/out" "$tmp/first"
status 0 "$GAPSWEEP" train "$tmp/grid.yaml"
cmp "$tmp/out" "$tmp/first" || fail "two equal runs differ"
status 0 "$GAPSWEEP" train --seed 7 "$tmp/grid.yaml"
! cmp -s "$tmp/out" "$tmp/first" || fail "another seed gave the same figures"

status 0 "$GAPSWEEP" train --cell 1 --json --set epochs=2 --epochs-csv "$tmp/epochs.csv" "$tmp/grid.yaml"
said "$tmp/err" "cell 1 of 4"
[ "$(wc -l <"$tmp/out")" -eq 2 ] || fail "--json: $(cat "$tmp/out")"
for key in epoch train_loss train_acc train_eval_loss train_eval_acc val_loss val_acc train_s eval_s images_per_s; do
	said "$tmp/out" "\"$key\":"
done
[ "$(wc -l <"$tmp/epochs.csv")" -eq 3 ] || fail "epochs.csv has not 2 rows"
head -n 1 "$tmp/epochs.csv" | grep -q '^epoch,train_loss,.*,lr_backbone,.*,drift_classifier$' || fail "epochs.csv's header"

# A sweep's trial and the same configuration in the foreground give the same rows.
status 0 "$GAPSWEEP" run -q --no-report -o "$tmp/sweep" "$tmp/grid.yaml"
status 0 "$GAPSWEEP" train --cell 2 --seed 1 --epochs-csv "$tmp/epochs.csv" "$tmp/grid.yaml"
found=
for rows in "$tmp"/sweep/trials/*/epochs.csv; do
	cmp -s "$rows" "$tmp/epochs.csv" && found=yes
done
[ "$found" ] || fail "no trial of the sweep has the rows of train --cell 2 --seed 1"

# Saved weights are a start: the first epoch begins where the last one ended, not from noise.
status 0 "$GAPSWEEP" train --save "$tmp/w.safetensors" "$tmp/grid.yaml"
[ -s "$tmp/w.safetensors" ] || fail "no weights were saved"
sed "s|^model:.*|model: {arch: mlp, hidden: 16, weights: $tmp/w.safetensors}|" "$tmp/grid.yaml" >"$tmp/tuned.yaml"
status 0 "$GAPSWEEP" train "$tmp/tuned.yaml"
! cmp -s "$tmp/out" "$tmp/first" || fail "start weights changed nothing"
status 65 "$GAPSWEEP" train --set "model.weights=$tmp/grid.yaml" "$tmp/grid.yaml"
status 66 "$GAPSWEEP" train --set "model.weights=$tmp/none.safetensors" "$tmp/grid.yaml"
said "$tmp/err" "none.safetensors"
status 73 "$GAPSWEEP" train --epochs-csv "$tmp/no/where.csv" "$tmp/grid.yaml"
