/*
 * test_faults.c - a small sweep with every single file call failing, and every state of the disk that a power cut at any
 * moment of it may leave. Real trials, so that a checkpoint is one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "engine/base/io.h"
#include "sweep/run/fault.h"
#include "sweep/run/runner.h"

enum { TRIALS = 3, EPOCHS = 2 };

static const char grid_text[] = "data:\n"
				"  train: {fake: {n: 16, shape: [1, 2, 2], classes: 2, seed: 1}}\n"
				"  val: {fake: {n: 8, shape: [1, 2, 2], classes: 2, seed: 2}}\n"
				"model: {arch: mlp, hidden: 4}\n"
				"epochs: 2\n"
				"batch_size: 8\n"
				"parameters: {classifier_lr: [0.01, 0.02, 0.03], backbone_lr: 0.01}\n";

static char root[] = "/dev/shm/gapsweep-test-XXXXXX"; /* memory: thousands of fsyncs cost nothing there */
static struct study study;
static struct plan plan;
/* What stands beside a result, and what was in it in an undisturbed run. */
enum { ROWS, BITS, N_BESIDE };
static const char *const beside[N_BESIDE] = {"epochs.csv", "correct.bits"};
static char *want[TRIALS][N_BESIDE];
static size_t want_bytes[TRIALS][N_BESIDE];

/* ---- a night: begun, stopped in its first epoch, gone on with ---- */

static atomic_bool stop;
static bool stop_early;

static void on_epoch(void *ctx, int trial, const struct epoch_row *row)
{
	(void)ctx;
	(void)trial;
	(void)row;
	if (stop_early)
		atomic_store(&stop, true);
}

static void (*on_ack)(int trial); /* a trial's result was published */

static void on_finished(void *ctx, int trial, const struct trial_end *end, const struct epoch_row *last)
{
	(void)ctx;
	(void)last;
	if (on_ack && end->state == STATE_COMPLETE)
		on_ack(trial);
}

static int half_night(const char *dir, bool stopped, struct err *e)
{
	const struct runner_listener l = {.epoch = on_epoch, .finished = on_finished};
	const struct manifest m = {.n_train = 16};
	struct runner_result result;
	struct store st;
	char note[1024];
	int damaged;
	int rc = store_open(&st, dir, &study, &m, note, e);

	stop_early = stopped;
	atomic_store(&stop, false);
	if (!rc)
		rc = plan_look(&plan, &st, NULL, &damaged, e);
	if (!rc)
		rc = runner_run(&plan, &st, &(struct runner_options){.workers = 1}, &stop, &l, &result, e);
	store_close(&st);
	return rc;
}

static void (*between)(const char *dir); /* the two halves */

static int night(const char *dir, struct err *e)
{
	int rc = half_night(dir, true, e);

	if (!rc && between)
		between(dir);
	return rc ? rc : half_night(dir, false, e);
}

static char *file_of(const char *dir, int trial, int which, size_t *n)
{
	char path[600];
	struct err e;
	char *text;

	snprintf(path, sizeof(path), "%s/trials/%s/%s", dir, plan.trial[trial].key, beside[which]);
	return file_read(&text, n, path, 1 << 20, &e) ? NULL : text;
}

/* Is the trial COMPLETE, with what should stand beside its result? */
static bool right(const char *dir, int trial)
{
	struct store st = {.lock_fd = -1};
	struct trial_end end;
	struct err e;
	bool same = true;

	for (int i = 0; i < N_BESIDE; i++) {
		size_t n = 0;
		char *text = file_of(dir, trial, i, &n);

		same = same && text && n == want_bytes[trial][i] && !memcmp(text, want[trial][i], n);
		free(text);
	}
	snprintf(st.dir, sizeof(st.dir), "%s", dir);
	return !store_trial_state(&st, plan.trial[trial].key, &end, &e) && end.state == STATE_COMPLETE && same;
}

static bool visible(const char *dir, int trial)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/trials/%s/result.json", dir, plan.trial[trial].key);
	return !access(path, F_OK);
}

static void remove_tree(const char *dir)
{
	char command[700];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	assert_int_equal(system(command), 0);
}

/* ---- every Nth call fails ---- */

static bool expected_failure(int rc)
{
	return rc == ERR_IO || rc == ERR_CANTCREAT;
}

/* What went wrong in a night with one fault, and in the next without; NULL if nothing. *reached: the fault was. */
static const char *disturbed(const char *dir, const char *spec, int n, bool invisible, bool *reached)
{
	static char what[2000];
	struct err e = {0};
	int rc;

	*what = 0;
	assert_int_equal(fault_install(spec, &e), 0);
	rc = night(dir, &e);
	*reached = fault_calls() >= n;
	fault_install(NULL, &e);
	if (rc && (invisible || !expected_failure(rc)))
		snprintf(what, sizeof(what), "%s: rc %d: %s", spec, rc, e.msg);
	for (int t = 0; t < TRIALS; t++)
		if (!right(dir, t) && (visible(dir, t) || !rc))
			snprintf(what, sizeof(what), "%s: trial %d: a wrong result, or none and no error", spec, t);
	if (night(dir, &e)) /* without a fault: goes on with what is missing */
		snprintf(what, sizeof(what), "%s, then again: %s", spec, e.msg);
	for (int t = 0; t < TRIALS; t++)
		if (!right(dir, t))
			snprintf(what, sizeof(what), "%s: trial %d is wrong after going on", spec, t);
	return *what ? what : NULL;
}

/* All N of one kind of fault; how many there were, and of those how many did harm (the first is in what). */
static int every_call(const char *kind, bool invisible, int stride, int *harm, char what[2000])
{
	int runs = 0;

	for (int n = 1;; n += stride, runs++) {
		char dir[300];
		char spec[64];
		const char *why;
		bool reached;

		snprintf(dir, sizeof(dir), "%s/fail", root);
		snprintf(spec, sizeof(spec), kind, n);
		why = disturbed(dir, spec, n, invisible, &reached);
		remove_tree(dir);
		if (why && !(*harm)++)
			snprintf(what, 2000, "%s", why);
		if (!reached)
			return runs;
	}
}

static void any_call_may_fail(void **state)
{
	static const struct {
		const char *kind;
		bool invisible;
	} fault[] = {
		{"fail=%d:EIO", false},       {"fail=%d:EIO:on", false},  {"fail=%d:ENOSPC", false},
		{"fail=%d:ENOSPC:on", false}, {"fail=%d:EINTR", true},    {"fail=%d:EINTR:on", true},
		{"fail=%d:SHORT", true},      {"fail=%d:SHORT:on", true},
	};
	char what[2000] = "";
	int harm = 0;
	int runs = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(fault) / sizeof(*fault); i++)
		runs += every_call(fault[i].kind, fault[i].invisible, 1, &harm, what);
	print_message("SUMMARY %d Nth I/O calls (4 errors, once and on), %d did harm\n", runs, harm);
	if (harm)
		fail_msg("%s", what);
	assert_true(runs > 500);
}

/* The control: the same where a failed call is taken for done. */
static void a_store_that_ignores_failures_is_found_out(void **state)
{
	char what[2000] = "";
	int harm = 0;
	int runs = every_call("lie;fail=%d:EIO", false, 3, &harm, what);

	(void)state;
	runs += every_call("lie;fail=%d:ENOSPC:on", false, 7, &harm, what);
	print_message("SUMMARY control: failed calls ignored: %d of %d did harm\n", harm, runs);
	assert_true(harm > 0);
}

/* ---- the disk after a power cut ---- */

enum { MAX_OPS = 2000, MAX_FILES = 200 };
enum op_kind { OP_CREATE, OP_WRITE, OP_CUT, OP_SYNC, OP_SYNC_DIR, OP_RENAME, OP_LINK, OP_UNLINK, OP_MKDIR, OP_ACK };

static struct op {
	enum op_kind kind;
	char path[256], to[256]; /* below the run's parent */
	char *bytes;
	size_t n;
	int trial;
} ops[MAX_OPS];
static int n_ops;
static char recorded[300]; /* the directory whose calls are written down */
static bool drop_sync;

static struct op *note(enum op_kind kind, const char *path)
{
	struct op *op = &ops[n_ops++];

	assert_true(n_ops < MAX_OPS);
	*op = (struct op){.kind = kind};
	snprintf(op->path, sizeof(op->path), "%.255s", path + strlen(recorded));
	return op;
}

static bool path_of(int fd, char path[512])
{
	char name[64];
	ssize_t n;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	n = readlink(name, path, 511);
	path[n > 0 ? n : 0] = 0;
	return !strncmp(path, recorded, strlen(recorded));
}

static int r_open(const char *path, int flags, mode_t mode)
{
	bool is_new = (flags & O_CREAT) && access(path, F_OK);
	int fd = io_system.open(path, flags, mode);

	if (fd >= 0 && is_new)
		note(OP_CREATE, path);
	return fd;
}

static ssize_t r_write(int fd, const void *bytes, size_t n)
{
	ssize_t w = io_system.write(fd, bytes, n);
	char path[512];

	if (w > 0 && path_of(fd, path)) {
		struct op *op = note(OP_WRITE, path);

		op->bytes = malloc((size_t)w);
		op->n = (size_t)w;
		memcpy(op->bytes, bytes, op->n);
	}
	return w;
}

static int r_ftruncate(int fd, off_t n)
{
	char path[512];

	if (path_of(fd, path))
		note(OP_CUT, path)->n = (size_t)n;
	return io_system.ftruncate(fd, n);
}

static int r_fsync(int fd)
{
	char path[512];
	struct stat s;

	if (!drop_sync && path_of(fd, path) && !fstat(fd, &s))
		note(S_ISDIR(s.st_mode) ? OP_SYNC_DIR : OP_SYNC, path);
	return 0;
}

static int two_names(enum op_kind kind, int (*call)(const char *, const char *), const char *from, const char *to)
{
	int rc = call(from, to);

	if (!rc)
		snprintf(note(kind, from)->to, 256, "%.255s", to + strlen(recorded));
	return rc;
}

static int r_rename(const char *from, const char *to)
{
	return two_names(OP_RENAME, io_system.rename, from, to);
}

static int r_link(const char *from, const char *to)
{
	return two_names(OP_LINK, io_system.link, from, to);
}

static int r_unlink(const char *path)
{
	int rc = io_system.unlink(path);

	if (!rc)
		note(OP_UNLINK, path);
	return rc;
}

static int r_mkdir(const char *path, mode_t mode)
{
	int rc = io_system.mkdir(path, mode);

	if (!rc)
		note(OP_MKDIR, path);
	return rc;
}

static void note_ack(int trial)
{
	note(OP_ACK, recorded)->trial = trial;
}

/* A file's bytes: as they are now, and as they were when last synced. */
struct content {
	char now[8192], synced[8192];
	size_t n, n_synced;
};

/* A name: a directory (file -1) or a content. */
struct name {
	char path[256];
	int file;
};

struct disk {
	struct content file[MAX_FILES];
	int n_files;
	struct name now[MAX_FILES],
		synced[MAX_FILES]; /* names as they are, and as they were when their directory was synced */
	int n_now, n_synced;
};

static int find(const struct name *list, int n, const char *path)
{
	for (int i = 0; i < n; i++)
		if (!strcmp(list[i].path, path))
			return i;
	return -1;
}

static void put_name(struct name *list, int *n, const char *path, int file)
{
	int at = find(list, *n, path);

	if (at < 0)
		at = (*n)++;
	assert_true(*n < MAX_FILES);
	snprintf(list[at].path, sizeof(list[at].path), "%s", path);
	list[at].file = file;
}

static void drop_name(struct name *list, int *n, const char *path)
{
	int at = find(list, *n, path);

	if (at >= 0)
		list[at] = list[--*n];
}

/* Is the path a direct child of dir? */
static bool child_of(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return !strncmp(path, dir, n) && path[n] == '/' && !strchr(path + n + 1, '/');
}

static void sync_names(struct disk *d, const char *dir)
{
	for (int i = d->n_synced - 1; i >= 0; i--)
		if (child_of(d->synced[i].path, dir))
			d->synced[i] = d->synced[--d->n_synced];
	for (int i = 0; i < d->n_now; i++)
		if (child_of(d->now[i].path, dir))
			put_name(d->synced, &d->n_synced, d->now[i].path, d->now[i].file);
}

static void apply_to_file(struct content *f, const struct op *op)
{
	if (op->kind == OP_WRITE) {
		assert_true(f->n + op->n <= sizeof(f->now));
		memcpy(f->now + f->n, op->bytes, op->n);
		f->n += op->n;
	} else if (op->kind == OP_CUT) {
		f->n = op->n;
	} else {
		memcpy(f->synced, f->now, f->n);
		f->n_synced = f->n;
	}
}

static void apply(struct disk *d, const struct op *op)
{
	int at = find(d->now, d->n_now, op->path);
	int file = at < 0 ? -1 : d->now[at].file;

	if (op->kind == OP_CREATE) {
		d->file[d->n_files] = (struct content){0};
		put_name(d->now, &d->n_now, op->path, d->n_files++);
		assert_true(d->n_files < MAX_FILES);
	} else if (op->kind == OP_WRITE || op->kind == OP_CUT || op->kind == OP_SYNC) {
		apply_to_file(&d->file[file], op);
	} else if (op->kind == OP_SYNC_DIR) {
		sync_names(d, op->path);
	} else if (op->kind == OP_MKDIR) {
		put_name(d->now, &d->n_now, op->path, -1);
	} else if (op->kind == OP_LINK || op->kind == OP_RENAME) {
		put_name(d->now, &d->n_now, op->to, file);
	}
	if (op->kind == OP_RENAME || op->kind == OP_UNLINK)
		drop_name(d->now, &d->n_now, op->path);
}

/* What a power cut leaves of what was not synced. */
enum loss {
	KEEP_ALL,
	DROP_DATA,
	CUT_TO_ONE,
	CUT_TO_HALF,
	ZERO_DATA, /* the size was kept, the bytes were not */
	DROP_DATA_ODD,
	DROP_DATA_EVEN, /* of every other file */
	DROP_NAMES,
	DROP_BOTH,
	DROP_ODD,
	DROP_EVEN, /* every other name */
	N_LOSSES
};

static bool data_kept(enum loss loss, int file)
{
	if (loss == DROP_DATA_ODD || loss == DROP_DATA_EVEN)
		return file % 2 == (loss == DROP_DATA_EVEN);
	return loss == KEEP_ALL || loss == DROP_NAMES || loss == DROP_ODD || loss == DROP_EVEN;
}

/* Its bytes behind the cut; how many. */
static size_t left_of(char out[8192], const struct content *f, enum loss loss)
{
	size_t loose = f->n > f->n_synced ? f->n - f->n_synced : 0;

	memcpy(out, f->n >= f->n_synced ? f->now : f->synced, sizeof(f->now));
	if (loss == ZERO_DATA)
		memset(out + f->n_synced, 0, loose);
	return f->n_synced + (loss == CUT_TO_ONE    ? loose > 0
			      : loss == CUT_TO_HALF ? loose / 2
			      : loss == ZERO_DATA   ? loose
						    : 0);
}

static void build_file(const char *path, const struct disk *d, int file, enum loss loss)
{
	const struct content *f = &d->file[file];
	FILE *out = fopen(path, "w");
	char left[8192];

	if (!out)
		return; /* its directory was lost, and it with it */
	if (data_kept(loss, file))
		fwrite(f->now, 1, f->n, out);
	else
		fwrite(left, 1, left_of(left, f, loss), out);
	fclose(out);
}

static int depth_of(const char *path)
{
	int slashes = 0;

	for (; *path; path++)
		slashes += *path == '/';
	return slashes;
}

static void build_names(const struct disk *d, const struct name *list, int n, enum loss loss, const char *dir)
{
	for (int depth = 1; depth <= 4; depth++) /* directories before what is in them */
		for (int i = 0; i < n; i++) {
			char path[600];

			if (depth_of(list[i].path) != depth)
				continue;
			snprintf(path, sizeof(path), "%.299s%.299s", dir, list[i].path);
			if (list[i].file < 0)
				mkdir(path, 0755);
			else
				build_file(path, d, list[i].file, loss);
		}
}

/* The names where every other change since they were synced is lost: the odd ones or the even ones. */
static int mixed_names(struct name list[MAX_FILES], const struct disk *d, int kept)
{
	int n = 0;

	for (int i = 0; i < d->n_now; i++) {
		int old = find(d->synced, d->n_synced, d->now[i].path);

		if (i % 2 == kept || (old >= 0 && d->synced[old].file == d->now[i].file))
			put_name(list, &n, d->now[i].path, d->now[i].file);
		else if (old >= 0)
			put_name(list, &n, d->synced[old].path, d->synced[old].file);
	}
	for (int i = 0; i < d->n_synced; i++)
		if (i % 2 != kept && find(d->now, d->n_now, d->synced[i].path) < 0)
			put_name(list, &n, d->synced[i].path, d->synced[i].file);
	return n;
}

static void build_disk(const struct disk *d, enum loss loss, const char *dir)
{
	static struct name mixed[MAX_FILES];

	if (loss == DROP_ODD || loss == DROP_EVEN)
		build_names(d, mixed, mixed_names(mixed, d, loss == DROP_EVEN), loss, dir);
	else if (loss == DROP_NAMES || loss == DROP_BOTH)
		build_names(d, d->synced, d->n_synced, loss, dir);
	else
		build_names(d, d->now, d->n_now, loss, dir);
}

static int violations;

static void blame(int at, enum loss loss, int trial, const char *what)
{
	if (!violations++ && !drop_sync)
		print_message("after %d calls (of %d), loss %d, trial %d: %s\n", at, n_ops, loss, trial, what);
}

/* Where a trial's result was visible at the moment of the cut, the same bytes are there once the sweep went on. */
static bool kept(const struct disk *d, const char *dir, int trial)
{
	char path[700];
	struct err e;
	char *bytes = NULL;
	size_t n = 0;
	int at;
	bool same;

	snprintf(path, sizeof(path), "/run/trials/%s/result.json", plan.trial[trial].key);
	at = find(d->now, d->n_now, path);
	if (at < 0)
		return true;
	snprintf(path, sizeof(path), "%s/trials/%s/result.json", dir, plan.trial[trial].key);
	same = !file_read(&bytes, &n, path, 1 << 20, &e) && n == d->file[d->now[at].file].n &&
	       !memcmp(bytes, d->file[d->now[at].file].now, n);
	free(bytes);
	return same;
}

/* The disk after the first `at` calls: what was acknowledged stands, what is visible is right, and it can go on; what was
 * visible at the cut is there then. */
static void check_state(const struct disk *d, int at, enum loss loss, const bool *acked)
{
	char top[300];
	char dir[400];
	struct err e;

	snprintf(top, sizeof(top), "%s/state", root);
	snprintf(dir, sizeof(dir), "%s/run", top);
	mkdir(top, 0755);
	build_disk(d, loss, top);
	for (int t = 0; t < TRIALS; t++) {
		if (acked[t] && !right(dir, t))
			blame(at, loss, t, "acknowledged, and lost");
		else if (visible(dir, t) && !right(dir, t))
			blame(at, loss, t, "half a result is visible");
	}
	if (half_night(dir, false, &e))
		blame(at, loss, -1, e.msg);
	for (int t = 0; t < TRIALS; t++)
		if (!right(dir, t))
			blame(at, loss, t, "wrong after going on");
		else if (!kept(d, dir, t))
			blame(at, loss, t, "visible before the cut, and another one now");
	remove_tree(top);
}

static void record(void)
{
	static const struct io_ops recording = {
		.open = r_open,
		.close = close,
		.read = read,
		.pread = pread,
		.write = r_write,
		.ftruncate = r_ftruncate,
		.fsync = r_fsync,
		.rename = r_rename,
		.link = r_link,
		.unlink = r_unlink,
		.mkdir = r_mkdir,
	};
	char dir[400];
	struct err e;

	snprintf(recorded, sizeof(recorded), "%s/recorded", root);
	assert_int_equal(mkdir(recorded, 0755), 0);
	snprintf(dir, sizeof(dir), "%s/run", recorded);
	n_ops = 0;
	on_ack = note_ack;
	io = &recording;
	if (between)
		io->mkdir(dir, 0755);
	if (night(dir, &e))
		fail_msg("%s", e.msg);
	io = &io_system;
	on_ack = NULL;
	remove_tree(recorded);
}

static int replay(void)
{
	struct disk *d = calloc(1, sizeof(*d));
	bool acked[TRIALS] = {false};
	int states = 0;
	struct err e;

	assert_non_null(d);
	violations = 0;
	fault_install("nosync", &e); /* the states are small; what is checked is what was synced when they came about */
	for (int at = 0; at <= n_ops; at++) {
		for (int loss = 0; loss < N_LOSSES; loss++, states++)
			check_state(d, at, loss, acked);
		if (at < n_ops && ops[at].kind == OP_ACK)
			acked[ops[at].trial] = true;
		else if (at < n_ops)
			apply(d, &ops[at]);
	}
	fault_install(NULL, &e);
	free(d);
	for (int i = 0; i < n_ops; i++)
		free(ops[i].bytes);
	return states;
}

static void a_power_cut_at_any_call_loses_nothing(void **state)
{
	int states;

	(void)state;
	drop_sync = false;
	record();
	states = replay();
	print_message("SUMMARY %d states of the disk behind %d calls, %d lost\n", states, n_ops, violations);
	assert_int_equal(violations, 0);
}

/* As of a process that was killed right behind mkdir(); the run's own directory is from another. */
static void leave_directories(const char *dir)
{
	for (int t = 0; t < TRIALS; t++) {
		char path[700];

		snprintf(path, sizeof(path), "%s/trials/%s", dir, plan.trial[t].key);
		io->mkdir(path, 0755);
	}
}

/* The names of directories that were made by another, and never synced, last as well. */
static void nor_behind_a_process_killed_in_between(void **state)
{
	int states;

	(void)state;
	between = leave_directories;
	record();
	between = NULL;
	states = replay();
	print_message("SUMMARY %d states of the disk where directories were left, %d lost\n", states, violations);
	assert_int_equal(violations, 0);
}

/* The control: without fsync the same states must show losses, or the test above proves nothing. */
static void without_fsync_the_test_fails(void **state)
{
	(void)state;
	drop_sync = true;
	record();
	replay();
	drop_sync = false;
	print_message("SUMMARY control: without fsync: %d states lost something\n", violations);
	assert_true(violations > 0);
}

/* ---- damage ---- */

static uint64_t dice = 1;

static uint64_t roll(uint64_t below)
{
	dice = dice * 6364136223846793005u + 1442695040888963407u;
	return (dice >> 33) % below;
}

/* Cuts the file or flips some bits of it. */
static void mutate(const char *path)
{
	struct err e;
	size_t n = 0;
	char *bytes = NULL;
	FILE *f;

	if (file_read_maybe(&bytes, &n, path, 1 << 20, &e) || !bytes)
		return;
	if (!roll(3))
		n = roll(n + 1);
	else
		for (uint64_t flips = 1 + roll(4); flips && n; flips--)
			bytes[roll(n)] ^= (char)(1 << roll(8));
	f = fopen(path, "w");
	assert_non_null(f);
	fwrite(bytes, 1, n, f);
	fclose(f);
	free(bytes);
}

/* Trial 0 has a damaged file: it is right, or said to be damaged, or begun; the others are as they were. */
static bool damage_told(const char *dir)
{
	struct study copy = {0};
	struct trial_record r;
	struct store st = {.lock_fd = -1};
	struct err e = {0};
	bool good;
	int rc;

	snprintf(st.dir, sizeof(st.dir), "%s", dir);
	rc = store_read_trial(&st, &study, plan.trial[0].key, &r, &e);
	good = !rc || (rc == ERR_DATA && r.end.state == STATE_FAIL && *r.end.reason);
	trial_record_release(&r);
	for (int t = 1; t < TRIALS; t++)
		good = good && right(dir, t);
	rc = store_read(&st, &copy, dir, &e);
	good = good && (!rc || rc == ERR_DATA);
	study_release(&copy);
	store_close(&st);
	return good;
}

/* A fresh copy of the reference run; unfinished: trial 0 has a row and a checkpoint and no result. */
static void fresh_copy(const char *dir, bool unfinished)
{
	static struct store st = {.lock_fd = -1};
	static char block[4096];
	char command[1000];
	struct trial_log log;
	struct err e;

	snprintf(command, sizeof(command), "rm -rf %s && cp -R %s/reference %s", dir, root, dir);
	assert_int_equal(system(command), 0);
	if (!unfinished)
		return;
	snprintf(command, sizeof(command), "rm %s/trials/%s/result.json", dir, plan.trial[0].key);
	assert_int_equal(system(command), 0);
	snprintf(st.dir, sizeof(st.dir), "%s", dir);
	if (store_trial_begin(&log, &st, &study, plan.trial[0].key, 1, &e) ||
	    store_trial_checkpoint(&log, block, sizeof(block), &e))
		fail_msg("%s", e.msg);
	store_trial_close(&log);
}

/* `n` mutations; every 20 the sweep goes on, and then starts from a fresh copy. How many were not told or did harm. */
static int mutations(int n, int victim)
{
	static const char *const file[] = {"result.json",  "epochs.csv", "attempts",
					   "correct.bits", "checkpoint", "../../manifest.json"};
	char path[700];
	char dir[300];
	int harm = 0;
	struct err e;

	snprintf(dir, sizeof(dir), "%s/damaged", root);
	fault_install("nosync", &e);
	for (int i = 0; i < n; i++) {
		if (i % 20 == 0)
			fresh_copy(dir, i % 40 == 0);
		snprintf(path, sizeof(path), "%s/trials/%s/%s", dir, plan.trial[victim].key, file[roll(6)]);
		mutate(path);
		harm += !damage_told(dir);
		if (i % 20 != 19)
			continue;
		harm += half_night(dir, false, &e) != 0;
		for (int t = 1; t < TRIALS; t++)
			harm += !right(dir, t);
	}
	fault_install(NULL, &e);
	remove_tree(dir);
	return harm;
}

static void damage_stays_where_it_is(void **state)
{
	int harm = mutations(2000, 0);

	(void)state;
	print_message(
		"SUMMARY 2000 mutations of result.json, epochs.csv, checkpoint, manifest.json, ...: %d did harm\n",
		harm);
	assert_int_equal(harm, 0);
}

/* The control: damage of another trial than the one that may be damaged. */
static void damage_elsewhere_is_seen(void **state)
{
	int harm = mutations(100, 1);

	(void)state;
	print_message("SUMMARY control: damage of a trial that should be whole: seen %d times in 100\n", harm);
	assert_true(harm > 0);
}

static int set_up(void **state)
{
	char dir[300];
	struct err e = {0};

	(void)state;
	if (access("/dev/shm", W_OK))
		strcpy(root, "/tmp/gapsweep-test-XXXXXX");
	if (!mkdtemp(root) || engine_init(&e) ||
	    study_parse(&study, grid_text, strlen(grid_text), "grid.yaml", NULL, 0, &e) ||
	    plan_open(&plan, &study, &e) || plan.n_trials != TRIALS)
		return fprintf(stderr, "%s\n", e.msg), -1;
	snprintf(dir, sizeof(dir), "%s/reference", root);
	if (half_night(dir, false, &e))
		return fprintf(stderr, "%s\n", e.msg), -1;
	for (int t = 0; t < TRIALS; t++)
		for (int i = 0; i < N_BESIDE; i++)
			want[t][i] = file_of(dir, t, i, &want_bytes[t][i]);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (int t = 0; t < TRIALS; t++)
		for (int i = 0; i < N_BESIDE; i++)
			free(want[t][i]);
	plan_release(&plan);
	study_release(&study);
	remove_tree(root);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_call_may_fail),
		cmocka_unit_test(a_store_that_ignores_failures_is_found_out),
		cmocka_unit_test(a_power_cut_at_any_call_loses_nothing),
		cmocka_unit_test(nor_behind_a_process_killed_in_between),
		cmocka_unit_test(without_fsync_the_test_fails),
		cmocka_unit_test(damage_stays_where_it_is),
		cmocka_unit_test(damage_elsewhere_is_seen),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
