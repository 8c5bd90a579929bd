/* duckdb.cjs FOLDER - the csv export and the tables of a tiny run (x.csv, r/*.csv) as DuckDB's own reader types them. */
const assert = require("assert");
const { DuckDBInstance } = require("@duckdb/node-api");

const folder = process.argv[2];

(async () => {
	const db = await (await DuckDBInstance.create(":memory:")).connect();
	const rows = async (sql) => (await db.runAndReadAll(sql)).getRowObjects();
	const table = (name) => `read_csv('${folder}/${name}.csv', header = true, sample_size = -1)`;

	/* Types are DuckDB's guess: numbers must look like numbers, times like times. */
	const types = Object.fromEntries((await rows(`DESCRIBE SELECT * FROM ${table("x")}`)).map((r) => [r.column_name, r.column_type]));
	assert.strictEqual(types.number, "BIGINT");
	assert.strictEqual(types.value, "DOUBLE");
	assert.strictEqual(types.params_backbone_lr, "DOUBLE");
	assert.strictEqual(types.state, "VARCHAR");
	assert(/^TIMESTAMP/.test(types.datetime_start), types.datetime_start);

	const [same] = await rows(`SELECT count(*) AS n, max(abs(x.value - t.val_acc)) AS off
		FROM ${table("x")} x JOIN ${table("r/trials")} t ON x.number = t.trial AND x.params_classifier_lr = t.params_classifier_lr`);
	assert.strictEqual(Number(same.n), 8);
	assert.strictEqual(same.off, 0);

	/* A cell's mean is the mean of its trials. */
	const [mean] = await rows(`SELECT max(abs(c.gap_mean - t.gap)) AS off FROM ${table("r/cells")} c
		JOIN (SELECT cell, avg(gap) AS gap FROM ${table("r/trials")} GROUP BY cell) t USING (cell)`);
	assert(mean.off < 1e-12, `cells.csv and trials.csv differ by ${mean.off}`);
	const [epochs] = await rows(`SELECT count(*) AS n FROM ${table("r/epochs")}`);
	assert.strictEqual(Number(epochs.n), 16);
})().catch((e) => {
	console.error(e.message || e);
	process.exit(1);
});
