#!/bin/sh
# inspect.sh - what gapsweep inspect says of weights files and grids, and the picture it draws.
set -eu
. tests/tiny.sh

backbone=grids/fashion/backbone.safetensors
status 0 "$GAPSWEEP" inspect "$backbone"
said "$tmp/out" "format    safetensors"
said "$tmp/out" "tensors   47 with 20080 values"
said "$tmp/out" "network   resnet-slim, width 8, stages 3, blocks 1; input: 1 channel; 8 classes"
grep -q '^conv1.weight  *F32  *8x1x3x3  *72  *-0.0618  *0.3582  *-0.791  *0.7432$' "$tmp/out" || fail "conv1.weight: $(cat "$tmp/out")"
[ ! -s "$tmp/err" ] || fail "inspect wrote to stderr"

# The same tensors as PyTorch saved them: all lines but those of the file and its format.
status 0 "$GAPSWEEP" inspect tests/unit/pth/slim.pth
said "$tmp/out" "format    PyTorch zip"
said "$tmp/out" "; 9 of integers not read"
sed '1,3d' "$tmp/out" >"$tmp/pth"
status 0 "$GAPSWEEP" inspect "$backbone"
sed '1,3d' "$tmp/out" | cmp - "$tmp/pth" || fail "a .pth and a safetensors of the same tensors differ"

status 0 "$GAPSWEEP" inspect tests/unit/pth/kinds.pth
grep -q '^special .* 2 not finite$' "$tmp/out" || fail "values that are not finite: $(cat "$tmp/out")"
status 0 "$GAPSWEEP" inspect tests/unit/pth/checkpoint.pth
said "$tmp/out" "the state dict under 'state_dict'"
said "$tmp/out" "none that is known"
status 0 "$GAPSWEEP" inspect --json tests/unit/pth/checkpoint.pth
said "$tmp/out" '"under": "state_dict"'
said "$tmp/out" '"network": null'
status 0 "$GAPSWEEP" inspect --json "$backbone"
for text in '"values": 20080' '"arch": "resnet-slim"' '"width": 8' '"under": null' '"name": "fc.weight"' '"not_finite": 0'; do
	said "$tmp/out" "$text"
done

# What our own networks save is known again.
tiny_grid "$tmp/grid.yaml" 1
for arch in mlp cnn resnet18 resnet-slim; do
	status 0 "$GAPSWEEP" train --set "model={arch: $arch}" --save "$tmp/w.safetensors" "$tmp/grid.yaml"
	status 0 "$GAPSWEEP" inspect "$tmp/w.safetensors"
	grep -q "^network  *$arch.*; 4 classes$" "$tmp/out" || fail "a saved $arch: $(grep ^network "$tmp/out")"
done

# One tensor by its header's length, header and four bytes.
tensor() {
	header="{\"$1\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}"
	printf "\\$(printf %o ${#header})\\0\\0\\0\\0\\0\\0\\0%s\\0\\0\\0\\0" "$header"
}
tensor conv1.weight >"$tmp/one.safetensors"
status 0 "$GAPSWEEP" inspect "$tmp/one.safetensors"
said "$tmp/out" "none that is known"
tensor resnet.embedder.embedder.convolution.weight >"$tmp/face.safetensors"
status 0 "$GAPSWEEP" inspect "$tmp/face.safetensors"
said "$tmp/out" "Hugging Face"
status 65 "$GAPSWEEP" train --set "model={arch: resnet18, weights: $tmp/face.safetensors}" "$tmp/grid.yaml"
said "$tmp/err" "Hugging Face's ResNets (embedder, encoder.stages); expected torchvision's"

# A grid: classes, channels before and after normalisation, groups with the baseline's rates.
status 0 "$GAPSWEEP" inspect grids/differential-lr.yaml
said "$tmp/out" "480 images of 1x28x28, 10 classes"
grep -qx '    9          48         200' "$tmp/out" || fail "counts of class 9: $(cat "$tmp/out")"
grep -q '^training  *0  *0.2929  *0.3568  *0.0000  *1.0000 ' "$tmp/out" || fail "channel 0: $(cat "$tmp/out")"
said "$tmp/out" "Learning rates of the baseline"
grep -q '^conv1.weight .* backbone  *0.1$' "$tmp/out" || fail "conv1.weight's group"
grep -q '^fc.bias .* classifier  *0.1$' "$tmp/out" || fail "fc.bias's group"
status 0 "$GAPSWEEP" inspect --json "$tmp/grid.yaml"
for text in '"rates_of": "the baseline"' '"group": "classifier"' '"normalised_mean"'; do
	said "$tmp/out" "$text"
done

# The sheet: a PNG of ten rows and five columns of images enlarged to 56, 4 pixels apart.
status 0 "$GAPSWEEP" inspect --sheet "$tmp/sheet.png" --per-class 5 --split val grids/differential-lr.yaml
said "$tmp/err" "sheet.png: 304x604, a row for each of classes 0 to 9"
size=$(od -An -tu1 -j16 -N8 "$tmp/sheet.png" | tr -s ' ')
[ "$size" = " 0 0 1 48 0 0 2 92" ] || fail "the sheet's size: $size"
cp "$tmp/sheet.png" "$tmp/first.png"
status 0 "$GAPSWEEP" inspect --sheet "$tmp/sheet.png" --per-class 5 grids/differential-lr.yaml
! cmp -s "$tmp/sheet.png" "$tmp/first.png" || fail "--split val drew the training set"
status 0 "$GAPSWEEP" inspect --sheet "$tmp/rgb.png" --set 'data.train.fake.shape=[3, 8, 8]' --set 'data.val.fake.shape=[3, 8, 8]' "$tmp/grid.yaml"
[ "$(od -An -tu1 -j25 -N1 "$tmp/rgb.png" | tr -d ' ')" -eq 2 ] || fail "three channels are not in colour"

status 66 "$GAPSWEEP" inspect "$tmp/none.pth"
said "$tmp/err" "none.pth"
status 65 "$GAPSWEEP" inspect tests/unit/pth/legacy.pth
said "$tmp/err" "_use_new_zipfile_serialization=True"
status 65 "$GAPSWEEP" inspect tests/cli/inspect.sh
status 78 "$GAPSWEEP" inspect --set epochs=x "$tmp/grid.yaml"
status 64 "$GAPSWEEP" inspect --split test "$tmp/grid.yaml"
said "$tmp/err" "expected train or val"
status 64 "$GAPSWEEP" inspect --per-class 0 "$tmp/grid.yaml"
status 64 "$GAPSWEEP" inspect --sheet "$tmp/x.png" "$backbone"
status 64 "$GAPSWEEP" inspect --sheet "$tmp/x.png" --per-class 1000 "$tmp/grid.yaml"
said "$tmp/err" "at most 16384 a side"
status 73 "$GAPSWEEP" inspect --sheet "$tmp/no/where.png" "$tmp/grid.yaml"
