/* test_store.c - a run directory through damage, two writers, and resume. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "sweep/run/epochs.h"
#include "sweep/run/store.h"

#define KEY "0123456789abcdef"

static const char grid_text[] = "data:\n"
				"  train: {idx: [a.gz, b.gz]}\n"
				"  val: {idx: [c.gz, d.gz]}\n"
				"model: {arch: mlp, classes: 10}\n"
				"epochs: 3\n"
				"parameters:\n"
				"  backbone_lr: [0.001, 0.01]\n";

static char root[] = "/tmp/gapsweep-test-XXXXXX";
static char dir[256];
static struct study study;
static char *sets[] = {"epochs=3", "data.train.limit=10"};
static struct manifest manifest = {
	.version = "0.1.0",
	.numerics = 1,
	.kernels = "avx2",
	.blas = "OpenBLAS",
	.cpu = "a \"quoted\" CPU",
	.host = "host",
	.created = "2026-01-31T23:59:59Z",
	.workers = 2,
	.train_hash = "aa",
	.val_hash = "bb",
	.n_train = 600,
	.n_val = 100,
	.n_sets = 2,
	.set = sets,
};

static char *in_dir(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static char *in_trial(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/trials/" KEY "/%s", dir, name);
	return path;
}

static void put(const char *path, const char *bytes, size_t n)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static void add(const char *path, const char *text)
{
	FILE *f = fopen(path, "a");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static char *slurp(const char *path, size_t *n)
{
	struct err e;
	char *bytes;

	assert_int_equal(file_read(&bytes, n, path, 1 << 20, &e), 0);
	return bytes;
}

static void flip(const char *path, size_t at)
{
	size_t n;
	char *bytes = slurp(path, &n);

	assert_true(at < n);
	bytes[at] ^= 1;
	put(path, bytes, n);
	free(bytes);
}

static void open_store(struct store *st)
{
	char note[1024];
	struct err e = {0};

	if (store_open(st, dir, &study, &manifest, note, &e))
		fail_msg("%s", e.msg);
	assert_string_equal(note, "");
}

static void begin(struct trial_log *log, const struct store *st, int keep)
{
	struct err e = {0};

	if (store_trial_make(st, KEY, &e) || store_trials_made(st, &e) ||
	    store_trial_begin(log, st, &study, KEY, keep, &e))
		fail_msg("%s", e.msg);
}

/* Figures with long tails, infinities and the awkward corners of a double. */
static struct epoch_row make_row(int epoch)
{
	struct epoch_row r = {.epoch = epoch,
			      .train_loss = 1.0 / 3 / epoch,
			      .train_acc = 0.1,
			      .train_eval_loss = epoch == 2 ? NAN : 5e-324,
			      .train_eval_acc = 1.0 - 0x1p-53,
			      .val_loss = epoch == 2 ? INFINITY : 1.7976931348623157e308,
			      .val_acc = -0.0};

	for (int g = 0; g < 2; g++)
		r.group[g] = (struct group_row){g ? 1e-4 : 0, g ? M_PI * epoch : NAN, 1e-17, -INFINITY};
	return r;
}

static void add_rows(struct trial_log *log, int from, int to)
{
	struct err e;

	for (int i = from; i <= to; i++) {
		struct epoch_row r = make_row(i);

		assert_int_equal(store_trial_epoch(log, &r, &e), 0);
	}
}

static struct trial_end make_end(enum trial_state state, int epochs, const char *reason)
{
	struct trial_end end = {.state = state,
				.epochs = epochs,
				.train_s = 1.0 / 3,
				.eval_s = 0.25,
				.wall_s = 2,
				.host = "h\xf6st",
				.started = "2026-01-31T23:59:59Z",
				.ended = "2026-02-01T00:00:09Z",
				.attempt = 1,
				.worker = 1};

	snprintf(end.reason, sizeof(end.reason), "%s", reason);
	return end;
}

static void finish(struct trial_log *log, enum trial_state state, const char *reason)
{
	struct trial_end end = make_end(state, log->epochs_done, reason);
	struct err e = {0};

	if (store_trial_finish(log, &end, (const uint8_t *)"\x5a\x01", 9, &e))
		fail_msg("%s", e.msg);
	store_trial_close(log);
}

static void whole_trial(struct store *st)
{
	struct trial_log log;

	begin(&log, st, 0);
	add_rows(&log, 1, 3);
	finish(&log, STATE_COMPLETE, "");
}

static bool same_bits(double a, double b)
{
	return (isnan(a) && isnan(b)) || !memcmp(&a, &b, sizeof(a));
}

static void check_row(const struct epoch_row *got, int epoch)
{
	struct epoch_row want = make_row(epoch);
	const double *a = &got->train_loss;
	const double *b = &want.train_loss;

	assert_int_equal(got->epoch, epoch);
	for (int i = 0; i < 6; i++)
		assert_true(same_bits(a[i], b[i]));
	for (int g = 0; g < 2; g++)
		for (int i = 0; i < 4; i++)
			assert_true(same_bits((&got->group[g].lr)[i], (&want.group[g].lr)[i]));
}

static void a_record_reads_back_to_the_bit(void **state)
{
	struct store st;
	struct store reader;
	struct study copy;
	struct trial_record r;
	struct err e = {0};
	size_t n;
	char *bits;

	(void)state;
	open_store(&st);
	whole_trial(&st);
	if (store_read(&reader, &copy, dir, &e))
		fail_msg("%s", e.msg);
	assert_int_equal(copy.n_groups, 2);
	assert_string_equal(reader.manifest.cpu, manifest.cpu);
	assert_int_equal(reader.manifest.n_val, 100);
	assert_int_equal(reader.manifest.n_sets, 2);
	assert_string_equal(reader.manifest.set[1], sets[1]);
	assert_int_equal(store_read_trial(&reader, &copy, KEY, &r, &e), 0);
	assert_int_equal(r.end.state, STATE_COMPLETE);
	assert_int_equal(r.n_rows, 3);
	for (int i = 0; i < 3; i++)
		check_row(&r.row[i], i + 1);
	assert_true(same_bits(r.end.train_s, 1.0 / 3));
	assert_string_equal(r.end.host, "h?st"); /* not UTF-8: JSON cannot hold it */
	assert_string_equal(r.end.ended, "2026-02-01T00:00:09Z");
	bits = slurp(in_trial("correct.bits"), &n);
	assert_int_equal(n, 2);
	assert_memory_equal(bits, "\x5a\x01", 2);
	free(bits);
	trial_record_release(&r);
	assert_int_equal(store_read_trial(&reader, &copy, "fedcba9876543210", &r, &e), 0);
	assert_int_equal(r.end.state, STATE_WAITING);
	study_release(&copy);
	store_close(&reader);
	store_close(&st);
}

static void damaged_bits_are_not_believed(void **state)
{
	struct store st;
	struct trial_end end;
	struct err e = {0};
	uint8_t *bits;

	(void)state;
	open_store(&st);
	whole_trial(&st);
	assert_int_equal(store_trial_state(&st, KEY, &end, &e), 0);
	bits = store_read_bits(&st, KEY, &end, 9, &e);
	assert_non_null(bits);
	assert_memory_equal(bits, "\x5a\x01", 2);
	free(bits);
	put(in_trial("correct.bits"), "\x5b\x01", 2);
	assert_null(store_read_bits(&st, KEY, &end, 9, &e));
	assert_int_equal(e.code, ERR_DATA);
	assert_non_null(strstr(e.msg, "not the bits that result.json was published with"));
	*end.correct_bits_xxh3 = 0; /* a version that kept no hash */
	bits = store_read_bits(&st, KEY, &end, 9, &e);
	assert_non_null(bits);
	free(bits);
	assert_null(store_read_bits(&st, KEY, &end, 17, &e)); /* of another number of images */
	assert_int_equal(e.code, ERR_DATA);
	store_close(&st);
}

static void a_torn_last_row_is_not_there(void **state)
{
	struct store st;
	struct trial_log log;
	struct trial_record r;
	struct err e = {0};

	(void)state;
	open_store(&st);
	begin(&log, &st, 0);
	add_rows(&log, 1, 2);
	store_trial_close(&log);
	add(in_trial("epochs.csv"), "3,0.1,0.2");
	assert_int_equal(store_read_trial(&st, &study, KEY, &r, &e), 0);
	assert_int_equal(r.end.state, STATE_RUNNING);
	assert_int_equal(r.n_rows, 2);
	trial_record_release(&r);
	begin(&log, &st, 2); /* cuts it, so that the next row does not join it */
	assert_int_equal(log.epochs_done, 2);
	assert_int_equal(log.attempt, 2);
	add_rows(&log, 3, 3);
	finish(&log, STATE_COMPLETE, "");
	assert_int_equal(store_read_trial(&st, &study, KEY, &r, &e), 0);
	assert_int_equal(r.n_rows, 3);
	check_row(&r.row[2], 3);
	trial_record_release(&r);
	store_close(&st);
}

/* Any bits; only the nan that stands in a table. */
static double any_double(uint64_t *x)
{
	double value;

	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	memcpy(&value, x, sizeof(value));
	return isnan(value) ? NAN : *x % 4 ? (double)(*x >> 11) / 9007199254740992.0 : value;
}

static void any_rows(struct epoch_row *row, int n, char **text, size_t *bytes)
{
	uint64_t x = 88172645463325252u;
	FILE *f = open_memstream(text, bytes);

	epochs_header(f, &study);
	for (int i = 0; i < n; i++) {
		row[i] = (struct epoch_row){.epoch = i + 1,
					    .train_loss = any_double(&x),
					    .train_acc = any_double(&x),
					    .train_eval_loss = any_double(&x),
					    .train_eval_acc = any_double(&x),
					    .val_loss = any_double(&x),
					    .val_acc = any_double(&x)};
		for (int g = 0; g < study.n_groups; g++)
			row[i].group[g] = (struct group_row){any_double(&x), any_double(&x), any_double(&x),
							     x % 5 ? any_double(&x) : NAN};
		epochs_row(f, &row[i], study.n_groups);
	}
	fclose(f);
}

static void check_rows(const struct epoch_row *want, int n, const char *text, size_t bytes)
{
	size_t first = offsetof(struct epoch_row, train_loss);
	size_t end = offsetof(struct epoch_row, group) + (size_t)study.n_groups * sizeof(struct group_row);
	struct epoch_row *row;
	struct err e = {0};
	int rows;

	if (epochs_parse(&row, &rows, text, bytes, &study, "epochs.csv", &e))
		fail_msg("%s", e.msg);
	assert_int_equal(rows, n);
	for (int i = 0; i < n; i++) {
		assert_true(row[i].epoch == i + 1 && row[i].train_s == 0 && row[i].eval_s == 0);
		assert_memory_equal((char *)&row[i] + first, (const char *)&want[i] + first, end - first);
	}
	free(row);
}

/* As they were written, and as another program may write them again: the short way and the way by a table. */
static void rows_are_the_same_read_either_way(void **state)
{
	enum { ROWS = 3000 };
	static struct epoch_row row[ROWS];
	struct epoch_row *none;
	struct err e = {0};
	size_t n;
	char *text;
	char *other;
	int rows;

	(void)state;
	any_rows(row, ROWS, &text, &n);
	other = malloc(n + 2);
	check_rows(row, ROWS, text, n);
	check_rows(row, ROWS - 1, text, n - 1); /* torn */
	memcpy(other, "\"epoch\"", 7);
	memcpy(other + 7, text + 5, n - 5);
	check_rows(row, ROWS, other, n + 2);
	*strstr(text, "\n2000,") = 'x'; /* behind the number that it follows */
	assert_int_equal(epochs_parse(&none, &rows, text, n, &study, "epochs.csv", &e), ERR_DATA);
	assert_non_null(strstr(e.msg, "epochs.csv:2000: "));
	assert_null(none);
	free(text);
	free(other);
}

static void resume_keeps_the_rows_of_the_checkpoint(void **state)
{
	struct store st;
	struct trial_log log;
	struct err e = {0};
	void *block;
	size_t bytes;
	int epochs;

	(void)state;
	open_store(&st);
	assert_int_equal(store_load_checkpoint(&st, KEY, &block, &bytes, &epochs, &e), 0);
	assert_null(block);
	begin(&log, &st, 0);
	add_rows(&log, 1, 1);
	assert_int_equal(store_trial_checkpoint(&log, "old", 3, &e), 0);
	add_rows(&log, 2, 2);
	assert_int_equal(store_trial_checkpoint(&log, "state", 5, &e), 0);
	add_rows(&log, 3, 3); /* an epoch that the checkpoint does not know */
	store_trial_close(&log);
	assert_int_equal(store_load_checkpoint(&st, KEY, &block, &bytes, &epochs, &e), 0);
	assert_non_null(block);
	assert_int_equal(bytes, 5);
	assert_memory_equal(block, "state", 5);
	assert_int_equal(epochs, 2);
	free(block);
	begin(&log, &st, epochs);
	assert_int_equal(log.epochs_done, 2);
	add_rows(&log, 3, 3);
	finish(&log, STATE_COMPLETE, "");
	assert_int_not_equal(access(in_trial("checkpoint"), F_OK), 0);
	store_close(&st);
}

static void an_ended_trial_is_not_begun_again(void **state)
{
	struct store st;
	struct trial_log log;
	struct err e = {0};

	(void)state;
	open_store(&st);
	whole_trial(&st);
	assert_int_equal(store_trial_begin(&log, &st, &study, KEY, 0, &e), ERR_CANTCREAT);
	assert_non_null(strstr(e.msg, KEY));
	store_close(&st);
}

static void a_damaged_checkpoint_is_none(void **state)
{
	struct store st;
	struct trial_log log;
	struct stat s;
	struct err e = {0};
	void *block;
	size_t bytes;
	int epochs;

	(void)state;
	open_store(&st);
	begin(&log, &st, 0);
	add_rows(&log, 1, 2);
	assert_int_equal(store_trial_checkpoint(&log, "state", 5, &e), 0);
	assert_int_equal(stat(in_trial("checkpoint"), &s), 0);
	for (off_t at = 0; at < s.st_size; at++) {
		flip(in_trial("checkpoint"), (size_t)at);
		assert_int_equal(store_load_checkpoint(&st, KEY, &block, &bytes, &epochs, &e), 0);
		assert_null(block);
		flip(in_trial("checkpoint"), (size_t)at);
	}
	flip(in_trial("epochs.csv"), 300); /* its rows are not the ones it was written with */
	assert_int_equal(store_load_checkpoint(&st, KEY, &block, &bytes, &epochs, &e), 0);
	assert_null(block);
	flip(in_trial("epochs.csv"), 300);
	assert_int_equal(store_load_checkpoint(&st, KEY, &block, &bytes, &epochs, &e), 0);
	assert_non_null(block);
	free(block);
	assert_int_equal(truncate(in_trial("checkpoint"), s.st_size - 1), 0);
	assert_int_equal(store_load_checkpoint(&st, KEY, &block, &bytes, &epochs, &e), 0);
	assert_null(block);
	store_trial_close(&log);
	store_close(&st);
}

static void the_first_result_stays(void **state)
{
	struct store st;
	struct trial_log first;
	struct trial_log second;
	struct trial_record r;
	struct err e = {0};

	(void)state;
	open_store(&st);
	begin(&first, &st, 0);
	begin(&second, &st, 0);
	add_rows(&first, 1, 3);
	finish(&first, STATE_DIVERGED, "first");
	finish(&second, STATE_COMPLETE, "second");
	assert_int_equal(store_read_trial(&st, &study, KEY, &r, &e), 0);
	assert_int_equal(r.end.state, STATE_DIVERGED);
	assert_string_equal(r.end.reason, "first");
	assert_int_equal(r.n_rows, 3);
	trial_record_release(&r);
	store_close(&st);
}

static void a_failed_trial_may_be_begun_again(void **state)
{
	struct store st;
	struct trial_log log;
	struct trial_record r;
	struct err e = {0};

	(void)state;
	open_store(&st);
	begin(&log, &st, 0);
	finish(&log, STATE_FAIL, "out of memory");
	assert_int_equal(store_read_trial(&st, &study, KEY, &r, &e), 0);
	assert_int_equal(r.end.state, STATE_FAIL);
	assert_string_equal(r.end.reason, "out of memory");
	assert_int_equal(r.n_rows, 0);
	whole_trial(&st);
	assert_int_equal(store_read_trial(&st, &study, KEY, &r, &e), 0);
	assert_int_equal(r.end.state, STATE_COMPLETE);
	assert_int_equal(r.n_rows, 3);
	trial_record_release(&r);
	store_close(&st);
}

static void check_damaged(struct store *st, const char *file)
{
	struct trial_record r;
	struct trial_end end;
	struct err e = {0};

	assert_int_equal(store_read_trial(st, &study, KEY, &r, &e), ERR_DATA);
	assert_non_null(strstr(e.msg, file));
	assert_int_equal(r.end.state, STATE_FAIL);
	assert_non_null(strstr(r.end.reason, file));
	assert_null(r.row);
	assert_int_equal(store_trial_state(st, KEY, &end, &e), ERR_DATA);
	assert_int_equal(end.state, STATE_FAIL);
}

static void damage_is_told_and_named(void **state)
{
	struct store st;
	struct trial_log log;
	struct trial_record r;
	struct err e = {0};
	size_t n;
	char *whole;

	(void)state;
	open_store(&st);
	whole_trial(&st);
	whole = slurp(in_trial("result.json"), &n);
	for (size_t cut = 0; cut + 2 < n; cut += 7) {
		put(in_trial("result.json"), whole, cut);
		check_damaged(&st, "result.json");
	}
	for (size_t at = 0; at < n; at++) { /* any flipped bit: read or refused, but never a crash */
		put(in_trial("result.json"), whole, n);
		flip(in_trial("result.json"), at);
		store_read_trial(&st, &study, KEY, &r, &e);
		trial_record_release(&r);
	}
	put(in_trial("result.json"), whole, n);
	free(whole);
	flip(in_trial("epochs.csv"), 300);
	check_damaged(&st, "epochs.csv");
	flip(in_trial("epochs.csv"), 300);
	add(in_trial("epochs.csv"), "4,");
	check_damaged(&st, "epochs.csv");
	begin(&log, &st, 0); /* a damaged trial may run again */
	add_rows(&log, 1, 3);
	finish(&log, STATE_COMPLETE, "");
	assert_int_equal(store_read_trial(&st, &study, KEY, &r, &e), 0);
	trial_record_release(&r);
	store_close(&st);
}

static void a_result_of_another_trial_is_refused(void **state)
{
	struct store st;
	struct err e = {0};
	struct trial_end end;
	char copy[512];
	size_t n;
	char *text;

	(void)state;
	open_store(&st);
	whole_trial(&st);
	text = slurp(in_trial("result.json"), &n);
	snprintf(copy, sizeof(copy), "%s/trials/fedcba9876543210", dir);
	assert_int_equal(mkdir(copy, 0755), 0);
	strcat(copy, "/result.json");
	put(copy, text, n);
	free(text);
	assert_int_equal(store_trial_state(&st, "fedcba9876543210", &end, &e), ERR_DATA);
	assert_non_null(strstr(e.msg, "belongs to"));
	store_close(&st);
}

static void a_damaged_manifest_is_told_and_mended(void **state)
{
	struct store st;
	struct study copy;
	struct err e = {0};
	char note[1024];

	(void)state;
	open_store(&st);
	store_close(&st);
	put(in_dir("manifest.json"), "{\"version\": 7}", 14);
	assert_int_equal(store_read(&st, &copy, dir, &e), ERR_DATA);
	assert_non_null(strstr(e.msg, "manifest.json"));
	assert_int_equal(store_open(&st, dir, &study, &manifest, note, &e), 0);
	assert_non_null(strstr(note, "manifest.json"));
	store_close(&st);
	assert_int_equal(store_read(&st, &copy, dir, &e), 0);
	study_release(&copy);
	store_close(&st);
}

static void what_changed_is_noted(void **state)
{
	struct manifest other = manifest;
	struct store st;
	struct err e = {0};
	char note[1024];

	(void)state;
	open_store(&st);
	store_close(&st);
	strcpy(other.train_hash, "cc");
	strcpy(other.kernels, "avx512");
	strcpy(other.created, "2027-01-01T00:00:00Z");
	assert_int_equal(store_open(&st, dir, &study, &other, note, &e), 0);
	assert_non_null(strstr(note, "training data a.gz and b.gz (aa, now cc)"));
	assert_non_null(strstr(note, "kernels (avx2, now avx512)"));
	assert_null(strstr(note, "validation"));
	assert_null(strchr(note, '\n'));
	assert_string_equal(st.manifest.created, manifest.created);
	store_close(&st);
}

static void one_process_at_a_time(void **state)
{
	int to_child[2];
	int to_parent[2];
	char byte = 0;
	char want[64];
	char note[1024];
	struct store st;
	struct err e = {0};
	pid_t child;
	int status;

	(void)state;
	assert_int_equal(pipe(to_child) | pipe(to_parent), 0);
	child = fork();
	if (!child) {
		close(to_child[1]);
		if (store_open(&st, dir, &study, &manifest, note, &e) || write(to_parent[1], "x", 1) != 1 ||
		    read(to_child[0], &byte, 1))
			_exit(1);
		_exit(0); /* without store_close: as if it was killed */
	}
	close(to_child[0]);
	assert_int_equal(read(to_parent[0], &byte, 1), 1);
	assert_int_equal(store_open(&st, dir, &study, &manifest, note, &e), ERR_CANTCREAT);
	snprintf(want, sizeof(want), "is in use by process %ld", (long)child);
	assert_non_null(strstr(e.msg, want));
	close(to_child[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(to_parent[0]);
	close(to_parent[1]);
	open_store(&st); /* the lock went with its holder */
	store_close(&st);
}

static void stray_files_go_and_foreign_ones_stay(void **state)
{
	struct store st;
	struct err e = {0};
	char note[1024];

	(void)state;
	assert_int_equal(mkdir(dir, 0755), 0);
	put(in_dir("grid.yaml"), "mine", 4);
	assert_int_equal(store_open(&st, dir, &study, &manifest, note, &e), ERR_CANTCREAT);
	assert_non_null(strstr(e.msg, "grid.yaml"));
	assert_int_equal(unlink(in_dir("grid.yaml")), 0);
	open_store(&st);
	whole_trial(&st);
	store_close(&st);
	put(in_dir("manifest.json.77-0.tmp"), "x", 1);
	put(in_trial("checkpoint.77-1.tmp"), "x", 1);
	open_store(&st);
	assert_int_not_equal(access(in_dir("manifest.json.77-0.tmp"), F_OK), 0);
	assert_int_not_equal(access(in_trial("checkpoint.77-1.tmp"), F_OK), 0);
	assert_int_equal(access(in_trial("result.json"), F_OK), 0);
	store_close(&st);
}

static void links_are_not_followed(void **state)
{
	struct store st;
	struct err e = {0};

	(void)state;
	open_store(&st);
	assert_int_equal(symlink(root, in_dir("trials/" KEY)), 0);
	assert_int_equal(store_trial_make(&st, KEY, &e), ERR_CANTCREAT);
	store_close(&st);
}

static void impossible_directories_are_refused(void **state)
{
	struct store st;
	struct err e = {0};
	char note[1024];

	(void)state;
	put(dir, "a file", 6);
	assert_int_equal(store_open(&st, dir, &study, &manifest, note, &e), ERR_CANTCREAT);
	assert_non_null(strstr(e.msg, dir));
	assert_int_equal(store_open(&st, in_dir("below"), &study, &manifest, note, &e), ERR_CANTCREAT);
	assert_int_equal(store_open(&st, "/proc/nowhere/x", &study, &manifest, note, &e), ERR_CANTCREAT);
	assert_int_equal(store_open(&st, "", &study, &manifest, note, &e), ERR_CANTCREAT);
	assert_int_equal(unlink(dir), 0);
}

static int fresh_directory(void **state)
{
	static int serial;

	(void)state;
	snprintf(dir, sizeof(dir), "%s/run%d", root, serial++);
	return 0;
}

static int load_study(void **state)
{
	struct err e = {0};

	(void)state;
	if (!mkdtemp(root))
		return -1;
	if (study_parse(&study, grid_text, strlen(grid_text), "grid.yaml", NULL, 0, &e))
		return fprintf(stderr, "%s\n", e.msg), -1;
	return 0;
}

static int remove_root(void **state)
{
	char command[64];

	(void)state;
	study_release(&study);
	snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}

#define IN_FRESH_DIRECTORY(test) cmocka_unit_test_setup(test, fresh_directory)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FRESH_DIRECTORY(a_record_reads_back_to_the_bit),
		IN_FRESH_DIRECTORY(damaged_bits_are_not_believed),
		IN_FRESH_DIRECTORY(a_torn_last_row_is_not_there),
		cmocka_unit_test(rows_are_the_same_read_either_way),
		IN_FRESH_DIRECTORY(resume_keeps_the_rows_of_the_checkpoint),
		IN_FRESH_DIRECTORY(an_ended_trial_is_not_begun_again),
		IN_FRESH_DIRECTORY(a_damaged_checkpoint_is_none),
		IN_FRESH_DIRECTORY(the_first_result_stays),
		IN_FRESH_DIRECTORY(a_failed_trial_may_be_begun_again),
		IN_FRESH_DIRECTORY(damage_is_told_and_named),
		IN_FRESH_DIRECTORY(a_result_of_another_trial_is_refused),
		IN_FRESH_DIRECTORY(a_damaged_manifest_is_told_and_mended),
		IN_FRESH_DIRECTORY(what_changed_is_noted),
		IN_FRESH_DIRECTORY(one_process_at_a_time),
		IN_FRESH_DIRECTORY(stray_files_go_and_foreign_ones_stay),
		IN_FRESH_DIRECTORY(links_are_not_followed),
		IN_FRESH_DIRECTORY(impossible_directories_are_refused),
	};

	return cmocka_run_group_tests(tests, load_study, remove_root);
}
