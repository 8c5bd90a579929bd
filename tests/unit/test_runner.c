/*
 * test_runner.c - what the runner makes of trials that end in every way. The trials are made up: this file defines
 * engine.h's trial_* itself, so that the linker leaves the real ones out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sweep/run/runner.h"

/* Three cells by two seeds; the classifier's rate says how a trial behaves: 1 diverges, 2 fails in epoch 2, else fine. */
static const char grid_text[] = "data:\n"
				"  train: {fake: {n: 8, shape: [1, 2, 2], classes: 2}}\n"
				"  val: {fake: {n: 9, shape: [1, 2, 2], classes: 2}}\n"
				"model: {arch: mlp}\n"
				"epochs: 3\n"
				"repeats: 2\n"
				"parameters:\n"
				"  backbone_lr: 0.5\n"
				"  classifier_lr: [0.5, 1, 2]\n";

static atomic_int alive, most_alive, refuse_states, stop_at_epoch;
static atomic_bool stop;

struct trial {
	double rate;
	int epoch;
};

size_t trial_checkpoint_bytes(const struct trial_spec *spec, struct err *e)
{
	(void)spec;
	(void)e;
	return sizeof(int);
}

static atomic_int unequal;

size_t trial_bytes(const struct trial_spec *spec, struct err *e)
{
	(void)spec;
	(void)e;
	return 100;
}

int trial_new(struct trial **t, const struct trial_spec *spec, struct err *e)
{
	int now = atomic_fetch_add(&alive, 1) + 1;

	(void)e;
	if (now > most_alive)
		atomic_store(&most_alive, now);
	*t = calloc(1, sizeof(**t));
	assert_non_null(*t);
	(*t)->rate = spec->group_lr[1];
	return 0;
}

void trial_set_team(struct trial *t, struct team *team)
{
	assert_true(t && team);
}

int trial_new_sharing(struct trial **t, const struct trial_spec *spec, struct trial *with, struct err *e)
{
	assert_non_null(with);
	return trial_new(t, spec, e);
}

size_t trial_bytes_sharing(const struct trial_spec *spec, struct err *e)
{
	return trial_bytes(spec, e);
}

size_t trial_features_bytes(const struct trial_spec *spec)
{
	(void)spec;
	return 0;
}

int trial_macs(const struct trial_spec *spec, int first, int end, double *all, double *frozen, uint64_t *features,
	       struct err *e)
{
	(void)e;
	*all = unequal ? spec->group_lr[1] : end - first;
	*frozen = 0;
	*features = 0;
	return 0;
}

int trial_state_position(const void *block, size_t bytes, int *epochs, int64_t *step)
{
	if (bytes != sizeof(*epochs))
		return -1;
	memcpy(epochs, block, bytes);
	*step = 0;
	return 0;
}

void trial_free(struct trial *t)
{
	if (t)
		atomic_fetch_sub(&alive, 1);
	free(t);
}

int trial_epoch(struct trial *t, struct epoch_row *row, enum trial_status *status, const atomic_bool *stopped,
		struct err *e)
{
	if (stop_at_epoch && t->epoch + 1 == stop_at_epoch)
		atomic_store(&stop, true);
	if (atomic_load(stopped)) {
		*status = TRIAL_STOPPED;
		return 0;
	}
	t->epoch++;
	if (t->rate == 2 && t->epoch == 2)
		return err_set(e, ERR_SOFTWARE, "group 'backbone' did not move");
	*row = (struct epoch_row){.epoch = t->epoch, .val_acc = t->epoch / 3.0, .train_s = 1};
	*status = t->rate == 1 ? TRIAL_DIVERGED : t->epoch == 3 ? TRIAL_COMPLETE : TRIAL_RUNNING;
	return 0;
}

void bundle_epoch(struct bundle_member *m, int n, const atomic_bool *stopped)
{
	for (int i = 0; i < n; i++)
		assert_int_equal(m[i].trial->epoch,
				 m[0].trial->epoch); /* only what stands at one position runs in step */
	for (int i = 0; i < n; i++)
		m[i].rc = trial_epoch(m[i].trial, &m[i].row, &m[i].status, stopped, &m[i].err);
}

void trial_position(const struct trial *t, int *epochs, int64_t *step)
{
	*epochs = t->epoch;
	*step = 0;
}

void trial_divergence(struct divergence *d, const struct trial *t)
{
	*d = (struct divergence){.epoch = t->epoch, .step = 2, .loss = 1e7, .group = 1};
}

uint64_t trial_share_key(const struct trial_spec *spec, struct err *e)
{
	e->code = ERR_NONE;
	return spec->seed + 1; /* all of a seed */
}

const uint8_t *trial_correct(const struct trial *t)
{
	(void)t;
	return (const uint8_t *)"\xff\x01";
}

size_t trial_state_bytes(const struct trial *t)
{
	return sizeof(t->epoch);
}

void trial_get_state(const struct trial *t, void *block)
{
	memcpy(block, &t->epoch, sizeof(t->epoch));
}

int trial_set_state(struct trial *t, const void *block, size_t bytes, struct err *e)
{
	if (refuse_states || bytes != sizeof(t->epoch))
		return err_set(e, ERR_DATA, "of another build");
	memcpy(&t->epoch, block, bytes);
	return 0;
}

void trial_weights_hash(const struct trial *t, char out[TRIAL_WEIGHTS_HASH])
{
	snprintf(out, TRIAL_WEIGHTS_HASH, "%016x", t->epoch);
}

int trial_save(const struct trial *t, const char *path, struct err *e)
{
	(void)t;
	return err_set(e, ERR_IO, "%s", path);
}

void trial_group_size(const struct trial *t, int g, int *tensors, int64_t *elements)
{
	(void)t;
	*tensors = g;
	*elements = 0;
}

static struct study study;
static struct plan plan;
static struct store store = {.lock_fd = -1};
static char dir[] = "/tmp/gapsweep-test-XXXXXX";
static int heard[6], started[6], n_started;
static int together; /* runner_options.most_together of the next run */

static void on_finished(void *ctx, int trial, const struct trial_end *end, const struct epoch_row *last)
{
	(void)ctx;
	(void)last;
	heard[trial] = (int)end->state;
}

static void on_started(void *ctx, int trial)
{
	(void)ctx;
	started[n_started++] = trial; /* asked for with one worker only */
}

static size_t memory; /* runner_options.memory of the next run */

static struct runner_result run(int workers, int want_rc)
{
	struct runner_listener l = {.finished = on_finished, .started = workers == 1 ? on_started : NULL};
	const struct runner_options o = {.workers = workers, .most_together = together, .memory = memory};
	struct runner_result result;
	struct err e = {0};
	int damaged;

	assert_int_equal(plan_look(&plan, &store, NULL, &damaged, &e), 0);
	assert_int_equal(damaged, 0);
	n_started = 0;
	if (runner_run(&plan, &store, &o, &stop, &l, &result, &e) != want_rc)
		fail_msg("%s", e.msg);
	assert_int_equal(alive, 0);
	return result;
}

static struct trial_record record(int trial)
{
	struct trial_record r;
	struct err e = {0};

	if (store_read_trial(&store, &study, plan.trial[trial].key, &r, &e))
		fail_msg("%s", e.msg);
	trial_record_release(&r); /* its end is asked for, not its rows */
	return r;
}

static void a_failed_trial_stops_no_other(void **state)
{
	struct runner_result result = run(2, 0);
	struct trial_record r;

	(void)state;
	assert_int_equal(result.ran, 6);
	assert_int_equal(result.complete, 2);
	assert_int_equal(result.diverged, 2);
	assert_int_equal(result.failed, 2);
	assert_string_equal(result.reason, "group 'backbone' did not move");
	for (int t = 0; t < 6; t++)
		assert_int_equal(heard[t], t < 2 ? STATE_COMPLETE : t < 4 ? STATE_DIVERGED : STATE_FAIL);
	r = record(4);
	assert_int_equal(r.end.state, STATE_FAIL);
	assert_int_equal(r.end.epochs, 1);
	assert_int_equal(r.end.attempt, 1);
	assert_string_equal(r.end.reason, "group 'backbone' did not move");
	r = record(2);
	assert_int_equal(r.end.state, STATE_DIVERGED);
	assert_string_equal(r.end.reason,
			    "a loss of 1e+07 is out of bounds in step 2 of epoch 1; group 'classifier' left first");
	assert_int_equal(r.end.diverged_epoch, 1);
	assert_int_equal(r.end.diverged_step, 2);
	assert_string_equal(r.end.diverged_group, "classifier");
	assert_int_equal(r.end.last_finite_epoch, 1);
	assert_in_range(most_alive, 1, 2);

	result = run(2, 0); /* again: the failed ones only */
	assert_int_equal(result.ran, 2);
	assert_int_equal(result.failed, 2);
	assert_int_equal(record(4).end.attempt, 2);
}

static void a_stopped_trial_goes_on_from_its_checkpoint(void **state)
{
	struct runner_result result;

	(void)state;
	atomic_store(&stop_at_epoch, 3); /* the first to get there stops the sweep */
	result = run(1, 0);
	assert_int_equal(result.ran, 1);
	assert_int_equal(result.stopped, 1);
	assert_int_equal(record(0).end.state, STATE_RUNNING);
	assert_int_equal(plan.n_todo, 6);
	atomic_store(&stop_at_epoch, 0);
	atomic_store(&stop, false);
	result = run(1, 0);
	assert_int_equal(result.complete, 2);
	assert_int_equal(record(0).end.epochs, 3);
	assert_true(record(0).end.train_s == 1); /* one epoch in this process, two before */
	assert_true(record(1).end.train_s == 3);
	assert_int_equal(record(0).end.attempt, 2);
}

static void a_checkpoint_of_another_build_means_anew(void **state)
{
	(void)state;
	atomic_store(&stop_at_epoch, 3);
	run(1, 0);
	atomic_store(&stop_at_epoch, 0);
	atomic_store(&stop, false);
	atomic_store(&refuse_states, 1);
	assert_int_equal(run(1, 0).complete, 2);
	assert_int_equal(record(0).end.epochs, 3);
	assert_true(record(0).end.train_s == 3);
}

/* One trial has a checkpoint when bundles of all that share are made: it goes on apart (bundle_epoch() above checks). */
static void bundles_go_on_from_different_places(void **state)
{
	struct runner_result result;

	(void)state;
	atomic_store(&stop_at_epoch, 3);
	run(1, 0);
	atomic_store(&stop_at_epoch, 0);
	atomic_store(&stop, false);
	together = 6;
	result = run(1, 0);
	together = 0;
	assert_int_equal(result.ran, 6);
	assert_int_equal(result.complete, 2);
	assert_int_equal(result.diverged, 2);
	assert_int_equal(result.failed, 2);
	assert_int_equal(record(0).end.epochs, 3);
	assert_true(most_alive == 3); /* a bundle of each seed */
}

/* Every cell once before any twice; in each round what takes longest first. */
static void longest_first(void **state)
{
	static const int want[] = {4, 2, 0, 5, 3, 1};

	(void)state;
	atomic_store(&unequal, 1);
	assert_int_equal(run(1, 0).ran, 6);
	atomic_store(&unequal, 0);
	assert_memory_equal(started, want, sizeof(want));
}

/* As many at a time as fit; a trial that never will is refused before anything begins. */
static void memory_admits(void **state)
{
	struct err e;
	size_t need = trial_bytes(NULL, &e) + trial_checkpoint_bytes(NULL, &e) + 1;

	(void)state;
	most_alive = 0;
	memory = 2 * need;
	assert_int_equal(run(4, 0).ran, 6);
	assert_in_range(most_alive, 1, 2);
	memory = need - 1;
	assert_int_equal(run(4, ERR_NOMEM).ran, 0);
	memory = 0;
}

static void a_run_directory_that_fails_stops_the_sweep(void **state)
{
	char path[5000];

	(void)state;
	snprintf(path, sizeof(path), "%s/trials/%s", store.dir, plan.trial[plan.todo[0]].key);
	assert_int_equal(mkdir(path, 0755), 0);
	strcat(path, "/attempts"); /* where a file must stand */
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(run(1, ERR_CANTCREAT).ran, 1);
	assert_true(atomic_load(&stop));
}

static void without_room_for_every_trial_none_begins(void **state)
{
	char path[5000];
	FILE *f;

	(void)state;
	snprintf(path, sizeof(path), "%s/trials/%s", store.dir, plan.trial[plan.todo[plan.n_todo - 1]].key);
	f = fopen(path, "w"); /* where a trial's directory must stand */
	assert_non_null(f);
	fclose(f);
	assert_int_equal(run(1, ERR_CANTCREAT).ran, 0);
}

static int fresh_store(void **state)
{
	static int serial;
	struct manifest m = {0};
	char path[64];
	char note[1024];
	struct err e = {0};

	(void)state;
	atomic_store(&stop, false);
	atomic_store(&stop_at_epoch, 0);
	atomic_store(&refuse_states, 0);
	snprintf(path, sizeof(path), "%s/%d", dir, serial++);
	store_close(&store);
	return store_open(&store, path, &study, &m, note, &e);
}

static int set_up(void **state)
{
	struct err e = {0};

	(void)state;
	if (!mkdtemp(dir) || engine_init(&e) ||
	    study_parse(&study, grid_text, strlen(grid_text), "grid.yaml", NULL, 0, &e) ||
	    plan_open(&plan, &study, &e)) {
		fprintf(stderr, "%s\n", e.msg);
		return -1;
	}
	return 0;
}

static int tear_down(void **state)
{
	char command[64];

	(void)state;
	store_close(&store);
	plan_release(&plan);
	study_release(&study);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_failed_trial_stops_no_other, fresh_store),
		cmocka_unit_test_setup(a_stopped_trial_goes_on_from_its_checkpoint, fresh_store),
		cmocka_unit_test_setup(a_checkpoint_of_another_build_means_anew, fresh_store),
		cmocka_unit_test_setup(bundles_go_on_from_different_places, fresh_store),
		cmocka_unit_test_setup(a_run_directory_that_fails_stops_the_sweep, fresh_store),
		cmocka_unit_test_setup(without_room_for_every_trial_none_begins, fresh_store),
		cmocka_unit_test_setup(longest_first, fresh_store),
		cmocka_unit_test_setup(memory_admits, fresh_store),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
