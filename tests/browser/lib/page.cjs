/*
 * page.cjs PAGE MODE... - what must hold of report.html and compare.html, seen by headless Chromium:
 *   every page: no request, nothing on the console, accessible by axe's rules in light and dark, no sideways scrolling at
 *   360 pixels, whole without script, printable. MODE `report`: the cell table sorts and filters, by mouse and keyboard;
 *   `unfinished`: there is a box for loading again, off, which the address keeps.
 * GAPSWEEP_SCREENSHOTS: a folder for pictures of the page at 1280 and 360 pixels in light and dark.
 */
const assert = require("assert");
const { chromium } = require("playwright-core");
const axe = require("axe-core");

const [file, ...modes] = process.argv.slice(2);
const address = "file://" + file;

async function open(browser, options, suffix = "") {
	const page = await browser.newPage(options);
	const heard = [];
	page.on("console", (m) => heard.push("console: " + m.text()));
	page.on("pageerror", (e) => heard.push("error: " + e));
	page.on("request", (r) => {
		if (!r.url().startsWith("data:") && r.url().split("#")[0] !== address) heard.push("request: " + r.url());
	});
	await page.goto(address + suffix);
	return { page, heard };
}

async function accessible(browser, width, colorScheme) {
	const { page, heard } = await open(browser, { viewport: { width, height: 800 }, colorScheme });
	const out = process.env.GAPSWEEP_SCREENSHOTS;
	if (out) {
		await page.screenshot({ path: `${out}/${width}-${colorScheme}.png` });
		await page.screenshot({ path: `${out}/${width}-${colorScheme}-all.png`, fullPage: true });
	}
	await page.evaluate(axe.source);
	const { violations } = await page.evaluate(() => axe.run());
	const told = violations.map((v) => `${v.id}: ${v.nodes[0].html} ${v.nodes[0].failureSummary}`);
	assert.deepStrictEqual(told, [], `axe, ${width} pixels, ${colorScheme}`);
	const wide = await page.evaluate(() => document.documentElement.scrollWidth);
	assert(wide <= width, `${width} pixels wide, the page takes ${wide}`);
	assert.deepStrictEqual(heard, []);
	await page.close();
}

const column = (page, i) => page.$$eval("table.sort tbody tr:not([hidden])", (rows, k) => rows.map((r) => r.cells[k].textContent), i);
const place = (page, heading) => page.$$eval("table.sort thead th", (h, w) => h.findIndex((x) => x.textContent.trim() === w), heading);
const sorted = (list, up) => [...list].sort((a, b) => (up ? a - b : b - a));

async function sorts_and_filters(browser) {
	const { page, heard } = await open(browser, { viewport: { width: 1280, height: 800 } });
	const at = await place(page, "classifier_lr");
	const before = (await column(page, at)).map(Number);
	await page.click(`table.sort thead th:nth-child(${at + 1}) button`);
	assert.deepStrictEqual((await column(page, at)).map(Number), sorted(before, true));
	await page.focus(`table.sort thead th:nth-child(${at + 1}) button`);
	await page.keyboard.press("Enter");
	assert.deepStrictEqual((await column(page, at)).map(Number), sorted(before, false));
	assert.strictEqual(await page.getAttribute("table.sort th[aria-sort]", "aria-sort"), "descending");

	const filter = page.getByRole("searchbox", { name: "Filter" });
	await filter.fill("baseline");
	assert.strictEqual((await column(page, 0)).length, 1);
	await filter.fill("classifier_lr>=0.1 backbone_lr<0.01");
	assert.deepStrictEqual((await column(page, at)).map(Number), [0.1]);
	assert.strictEqual(await page.textContent("[role=status]"), "1 of 4");
	await filter.fill("gap<-1000");
	assert.deepStrictEqual(await column(page, 0), []);

	/* The address keeps it all. */
	const again = await open(browser, {}, "#sort=" + at + "&down=1&filter=baseline");
	assert.strictEqual(await again.page.inputValue("input[type=search]"), "baseline");
	assert.strictEqual((await column(again.page, 0)).length, 1);
	await again.page.close();

	/* A cell's number leads to its curves. */
	await filter.fill("");
	await page.click('table.sort a[href="#cell-1"]');
	assert(await page.$eval("#cell-1", (f) => f.getBoundingClientRect().top < innerHeight && f.matches(":target")));
	assert.deepStrictEqual(heard, []);
	await page.close();
}

async function offers_to_load_again(browser) {
	const { page } = await open(browser, {});
	const box = page.getByRole("checkbox", { name: "load again every minute" });
	assert.strictEqual(await box.isChecked(), false);
	await box.check();
	await page.reload();
	assert.strictEqual(await box.isChecked(), true);
	await page.close();
}

async function whole_without_script(browser) {
	const { page } = await open(browser, { javaScriptEnabled: false, viewport: { width: 360, height: 740 } });
	assert((await page.textContent("body")).includes("gap"));
	for (const id of ["cells", "grid"].filter(() => modes.includes("report"))) assert(await page.isVisible("#" + id), id);
	await page.close();
}

/* The whole width on paper: no box that scrolls, no dark ground. */
async function prints(browser) {
	const { page } = await open(browser, { colorScheme: "dark", viewport: { width: 1000, height: 800 } });
	await page.emulateMedia({ media: "print", colorScheme: "dark" });
	const bad = await page.$$eval(".scroll", (list) => list.filter((s) => getComputedStyle(s).overflowX === "auto").length);
	assert.strictEqual(bad, 0, "boxes that scroll on paper");
	assert.strictEqual(await page.$eval("body", (b) => getComputedStyle(b).backgroundColor), "rgb(255, 255, 255)");
	const pdf = await page.pdf({ format: "A4" });
	assert(pdf.length > 10000);
	if (process.env.GAPSWEEP_SCREENSHOTS) require("fs").writeFileSync(process.env.GAPSWEEP_SCREENSHOTS + "/print.pdf", pdf);
	await page.close();
}

(async () => {
	const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
	try {
		for (const scheme of ["light", "dark"]) for (const width of [1280, 360]) await accessible(browser, width, scheme);
		if (modes.includes("report")) await sorts_and_filters(browser);
		if (modes.includes("unfinished")) await offers_to_load_again(browser);
		await whole_without_script(browser);
		await prints(browser);
	} finally {
		await browser.close();
	}
})().catch((e) => {
	console.error(e.message || e);
	process.exit(1);
});
