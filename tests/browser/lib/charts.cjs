/*
 * charts.cjs FOLDER - FOLDER/N/NAME.svg as Chromium sets them: no word lies on another, none is cut off at the edge.
 */
const fs = require("fs");
const { chromium } = require("playwright-core");

/* In the page: pairs of words that overlap by more than a hair, and words beyond the picture. */
function look() {
	const svg = document.querySelector("svg");
	const frame = svg.getBoundingClientRect();
	const words = [...svg.querySelectorAll("text")]
		.filter((t) => t.textContent.trim())
		.map((t) => ({ word: t.textContent.trim(), box: t.getBoundingClientRect() }))
		.map(({ word, box }) => ({ word, x0: box.left, x1: box.right, y0: box.top + box.height * 0.2, y1: box.bottom - box.height * 0.2 }));
	const bad = words.filter((w) => w.x0 < frame.left - 1 || w.x1 > frame.right + 1 || w.y0 < frame.top - 1 || w.y1 > frame.bottom + 1);
	const told = bad.map((w) => `'${w.word}' is cut off`);
	for (let i = 0; i < words.length; i++)
		for (let k = i + 1; k < words.length; k++) {
			const a = words[i], b = words[k];
			if (Math.min(a.x1, b.x1) - Math.max(a.x0, b.x0) > 1 && Math.min(a.y1, b.y1) - Math.max(a.y0, b.y0) > 1)
				told.push(`'${a.word}' lies on '${b.word}'`);
		}
	return { told, n: words.length };
}

(async () => {
	const folder = process.argv[2];
	const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
	const page = await browser.newPage({ viewport: { width: 700, height: 2000 } });
	let bad = 0;
	let seen = 0;
	for (const size of fs.readdirSync(folder))
		for (const name of fs.readdirSync(`${folder}/${size}`).filter((f) => f.endsWith(".svg"))) {
			await page.setContent(fs.readFileSync(`${folder}/${size}/${name}`, "utf8").replace(/^<\?xml[^>]*>/, ""));
			const { told, n } = await page.evaluate(look);
			seen += n;
			for (const t of told.slice(0, 8)) console.log(`${size}/${name}: ${t}`);
			bad += told.length;
		}
	await browser.close();
	console.log(`${seen} words, ${bad} faults`);
	process.exit(bad || seen < 500 ? 1 : 0);
})();
