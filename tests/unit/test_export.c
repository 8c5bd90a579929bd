/* test_export.c - what other tools get: fields, escapes, event records and their checksums. */
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "engine/base/file.h"
#include "sweep/base/csv.h"
#include "sweep/report/export.h"
#include "tests/unit/made_up.h"

static char dir[] = "/tmp/gapsweep-export-XXXXXX";

/* 0: complete; 1: diverged; 2: waiting; 3: under way. */
static void made_run(struct made_up *m)
{
	struct epoch_row row[2] = {made_row(1, 0.7, 0.6), made_row(2, 0.9, 0.85)};
	struct epoch_row lost[1] = {made_row(1, NAN, NAN)};

	row[0].group[0].grad_norm = NAN; /* frozen */
	made_study(m, 1);
	made_cell(m, OPTIM_SGD, 1e-4, 1e-2, true);
	made_cell(m, OPTIM_ADAM, 0, 1e-2, false);
	made_cell(m, OPTIM_ADAM, 0, 1e-1, false);
	made_cell(m, OPTIM_ADAM, 0, 1, false);
	made_trial(m, 0, 0, STATE_COMPLETE, row, 2);
	made_trial(m, 1, 0, STATE_DIVERGED, lost, 1);
	made_trial(m, 3, 0, STATE_RUNNING, row, 1);
	strcpy(m->results.trial[0].end.started, "2026-01-02T03:04:05Z");
	strcpy(m->results.trial[0].end.ended, "2026-01-03T03:04:06Z");
	m->results.trial[0].end.wall_s = 86401.25;
	made_summary(m);
}

static char *text_of(const struct made_up *m, int format)
{
	char *bytes = NULL;
	size_t n;
	FILE *f = open_memstream(&bytes, &n);

	export_text(f, format, &m->summary);
	fclose(f);
	return bytes;
}

static void csv_has_optunas_columns(void **state)
{
	struct made_up m;
	struct csv_table t;
	struct err e;
	char *text;

	(void)state;
	made_run(&m);
	text = text_of(&m, EXPORT_CSV);
	if (csv_parse(&t, text, strlen(text), "export", &e))
		fail_msg("%s", e.msg);
	assert_int_equal(t.rows, 4);
	assert_string_equal(t.head[0], "number");
	assert_string_equal(t.head[t.cols - 1], "state");
	assert_true(csv_number(&t, 0, csv_column(&t, "value")) == 0.85);
	assert_string_equal(t.cell[csv_column(&t, "datetime_start")], "2026-01-02 03:04:05");
	assert_string_equal(t.cell[csv_column(&t, "duration")], "1 days 00:00:01.250000");
	assert_string_equal(t.cell[csv_column(&t, "params_backbone_lr")], "0.0001");
	assert_string_equal(t.cell[t.cols + csv_column(&t, "value")], "");
	assert_string_equal(t.cell[3 * t.cols + csv_column(&t, "value")], ""); /* not its last epoch yet */
	assert_string_equal(t.cell[2 * t.cols - 1], "DIVERGED");
	assert_string_equal(t.cell[3 * t.cols - 1], "WAITING");
	csv_release(&t);
	free(text);
	made_release(&m);
}

static void json_parses_and_has_no_nan(void **state)
{
	struct made_up m;
	json_error_t why;
	json_t *list;
	char *text;

	(void)state;
	made_run(&m);
	strcpy(m.column[0].name, "a\"\\b\x01");
	text = text_of(&m, EXPORT_JSON);
	list = json_loads(text, 0, &why);
	if (!list)
		fail_msg("%s: %s", why.text, text);
	assert_int_equal(json_array_size(list), 4);
	assert_true(json_number_value(json_object_get(json_array_get(list, 0), "value")) == 0.85);
	assert_true(json_is_null(json_object_get(json_array_get(list, 1), "value")));
	assert_true(json_number_value(json_object_get(json_array_get(list, 0), "params_a\"\\b\x01")) == 1e-4);
	json_decref(list);
	free(text);
	made_release(&m);
}

static void tables_escape_what_would_be_code(void **state)
{
	struct made_up m;
	char *text;

	(void)state;
	made_run(&m);
	m.study.n_columns = 4;
	m.column[3].field = field_find(hyper_fields, n_hyper_fields, "momentum");
	strcpy(m.column[3].name, "a_b&%$#{}~^\\|<c");
	m.cell[0].setting.hyper.momentum = 0.5;
	text = text_of(&m, EXPORT_LATEX);
	assert_non_null(
		strstr(text, "a\\_b\\&\\%\\$\\#\\{\\}\\textasciitilde{}\\textasciicircum{}\\textbackslash{}|<c"));
	assert_non_null(strstr(text, "\\toprule"));
	free(text);
	text = text_of(&m, EXPORT_MARKDOWN);
	assert_non_null(strstr(text, "a\\_b\\&%$\\#{}~^\\\\\\|\\<c"));
	free(text);
	made_release(&m);
}

static void checksums_are_the_published_ones(void **state)
{
	const uint8_t zeros[32] = {0};

	(void)state;
	assert_int_equal(crc32c("123456789", 9), 0xe3069283);
	assert_int_equal(crc32c(zeros, 32), 0x8a9136aa); /* RFC 3720, B.4 */
	assert_int_equal(crc32c_masked(0), 0xa282ead8);
	assert_int_equal(crc32c_masked(0x00008001), 0xa284ead9); /* 0x00020001 + the mask's constant, by hand */
}

static uint64_t little(const char *at, int bytes)
{
	uint64_t v = 0;

	for (int i = 0; i < bytes; i++)
		v |= (uint64_t)(uint8_t)at[i] << 8 * i;
	return v;
}

static void event_files_are_whole_records(void **state)
{
	struct made_up m;
	char path[PATH_MAX];
	char *bytes;
	size_t n;
	size_t at = 0;
	int records = 0;
	const char *tag;
	float value;
	struct err e;

	(void)state;
	made_run(&m);
	if (export_tensorboard(dir, &m.summary, &e))
		fail_msg("%s", e.msg);
	snprintf(path, sizeof(path), "%s/0-sgd_1e-4___1e-2-seed0/events.out.tfevents.0.gapsweep", dir);
	if (file_read(&bytes, &n, path, 1 << 20, &e))
		fail_msg("%s", e.msg);
	while (at < n) {
		size_t length = (size_t)little(bytes + at, 8);

		assert_true(at + 16 + length <= n);
		assert_int_equal(little(bytes + at + 8, 4), crc32c_masked(crc32c(bytes + at, 8)));
		assert_int_equal(little(bytes + at + 12 + length, 4), crc32c_masked(crc32c(bytes + at + 12, length)));
		assert_int_equal(bytes[at + 12], 1 << 3 | 1); /* wall_time first */
		at += 16 + length;
		records++;
	}
	assert_int_equal(records, 3);
	assert_non_null(memmem(bytes, n, "brain.Event:2", 13));
	tag = memmem(bytes, n, "\007val_acc", 8); /* of epoch 1, with its length before it; then simple_value */
	assert_non_null(tag++);
	assert_int_equal(tag[7], 2 << 3 | 5);
	memcpy(&value, tag + 8, 4);
	assert_true(value == 0.6f);
	free(bytes);
	made_release(&m);
}

static void a_database_reads_back(void **state)
{
	struct made_up m;
	char path[PATH_MAX];
	sqlite3 *db;
	sqlite3_stmt *st;
	struct err e = {0};

	(void)state;
	made_run(&m);
	strcpy(m.column[0].name, "a\"b");
	snprintf(path, sizeof(path), "%s/run.db", dir);
	for (int i = 0; i < 2; i++) /* the second replaces the first */
		if (export_sqlite(path, &m.summary, &e))
			fail_msg("%s", e.msg);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db,
					    "SELECT value, \"params_a\"\"b\", (SELECT count(*) FROM epochs), "
					    "(SELECT count(*) FROM trials), (SELECT grad_norm_backbone FROM epochs) "
					    "FROM trials WHERE state = 'COMPLETE'",
					    -1, &st, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	assert_true(sqlite3_column_double(st, 0) == 0.85 && sqlite3_column_double(st, 1) == 1e-4);
	assert_int_equal(sqlite3_column_int(st, 2), 4);
	assert_int_equal(sqlite3_column_int(st, 3), 4);
	assert_int_equal(sqlite3_column_type(st, 4), SQLITE_NULL);
	sqlite3_finalize(st);
	sqlite3_close(db);
	assert_int_not_equal(export_sqlite("/nonexistent/x.db", &m.summary, &e), 0);
	made_release(&m);
}

static int enter(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int leave(void **state)
{
	char command[PATH_MAX];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(csv_has_optunas_columns),          cmocka_unit_test(json_parses_and_has_no_nan),
		cmocka_unit_test(tables_escape_what_would_be_code), cmocka_unit_test(checksums_are_the_published_ones),
		cmocka_unit_test(event_files_are_whole_records),    cmocka_unit_test(a_database_reads_back),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
