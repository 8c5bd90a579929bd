#!/bin/sh
# images.sh - folders of pictures: the same tables from memory and from the cache, after an interruption, and refusals.
set -eu
. tests/tiny.sh
pictures=tests/parity/fixtures/images
export XDG_CACHE_HOME="$tmp/cache"

for split in train val; do
	mkdir -p "$tmp/$split/a" "$tmp/$split/b"
	cp $pictures/*.jpg "$tmp/$split/a"
	cp $pictures/*.png "$tmp/$split/b"
done
cat >"$tmp/grid.yaml" <<'END'
data:
  train: {folder: train, augment: {random_resized_crop: {size: 8, scale: [0.3, 1]}, hflip: true}}
  val: {folder: val, resize: 9, center_crop: 8}
  normalize: imagenet
model: {arch: mlp, hidden: 8}
epochs: 3
batch_size: 4
repeats: 2
parameters: {optimizer: [sgd, adam]}
END
sed 's/^  normalize.*/&\n  cache: disk/' "$tmp/grid.yaml" >"$tmp/disk.yaml"

status 0 "$GAPSWEEP" plan "$tmp/grid.yaml"
said "$tmp/out" "22 images of 3x8x8, 2 classes"
[ ! -e "$tmp/cache" ] || fail "a cache for a few pictures"
status 0 "$GAPSWEEP" run -q --no-report -j 1 -o "$tmp/memory" "$tmp/grid.yaml"
status 0 "$GAPSWEEP" run -q --no-report -j 2 -o "$tmp/disk" "$tmp/disk.yaml"
same_tables "$tmp/memory" "$tmp/disk"
status 0 "$GAPSWEEP" plan "$tmp/disk.yaml"
said "$tmp/out" "in the cache"
[ "$(ls "$tmp/cache/gapsweep" | wc -l)" -eq 2 ] || fail "the cache holds: $(ls "$tmp/cache/gapsweep")"
status 0 env -u XDG_CACHE_HOME HOME="$tmp/home" "$GAPSWEEP" plan "$tmp/disk.yaml"
[ -d "$tmp/home/.cache/gapsweep" ] || fail "no cache in ~/.cache"
status 78 env -u XDG_CACHE_HOME -u HOME "$GAPSWEEP" plan "$tmp/disk.yaml"

# Another augmentation is another data set, so another trial: nothing is taken over.
status 0 "$GAPSWEEP" plan -o "$tmp/memory" --set data.train.augment.hflip=0.25 "$tmp/grid.yaml"
said "$tmp/out" "0 finished"
status 0 "$GAPSWEEP" plan -o "$tmp/memory" "$tmp/grid.yaml"
said "$tmp/out" "4 finished"

head -c 300 $pictures/baseline.jpg >"$tmp/train/a/cut.jpg"
status 65 "$GAPSWEEP" plan "$tmp/grid.yaml"
said "$tmp/err" "train/a/cut.jpg: damaged JPEG: the file is cut short"
status 0 "$GAPSWEEP" plan --set data.train.bad_images=skip "$tmp/grid.yaml"
said "$tmp/out" "1 bad image skipped"
rm "$tmp/train/a/cut.jpg"
mv "$tmp/val/b" "$tmp/val/c"
status 65 "$GAPSWEEP" plan "$tmp/grid.yaml"
said "$tmp/err" "class 1 is 'b' in train, but 'c' in val"
