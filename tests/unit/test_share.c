/*
 * test_share.c - a sweep whose trials share a trunk, features, first epochs and the end of shorter runs, on four workers, and
 * each on its own: the same rows, weights and right images. Under ThreadSanitizer too (make tsan).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/train/features.h"
#include "sweep/run/runner.h"
#include "sweep/run/share.h"
#include "sweep/run/stages.h"

static const char grid_text[] =
	"data:\n"
	"  train: {fake: {n: 13, shape: [1, 8, 8], classes: 3}}\n"
	"  val: {fake: {n: 9, shape: [1, 8, 8], classes: 3, seed: 1}}\n"
	"model: {arch: resnet-slim, width: 4, stages: 2}\n"
	"batch_size: 4\n"
	"epochs: 3\n"
	"keep: final\n"
	"groups: {backbone: [\"*\"], stem: [\"conv1.*\", \"bn1.*\"], classifier: [\"fc.*\"]}\n"
	"repeats: 2\n"
	"parameters:\n"
	"  - {backbone_lr: 0, stem_lr: 0, classifier_lr: [1e-3, 1e-2], optimizer: [sgd, adam], freeze_bn: [true, "
	"false]}\n"
	"  - {backbone_lr: [1e-3, 1e-2], stem_lr: 1e-3, classifier_lr: 1e-2, optimizer: [sgd, nadam], freeze_epochs: "
	"1}\n"
	"  - {backbone_lr: 1e-3, stem_lr: 1e-3, classifier_lr: 1e-2, epochs: [2, 4], weight_decay: 0.1}\n";
enum { N = 28 };

static char base[] = "/tmp/gapsweep-test-XXXXXX";
static atomic_bool stop;

struct sweep {
	struct study study;
	struct plan plan;
	struct store store;
};

static void open_sweep(struct sweep *w, const char *name, const char *sets)
{
	const char *list[] = {sets};
	struct manifest m = {0};
	char note[1024];
	char dir[128];
	struct err e = {0};
	int damaged;

	snprintf(dir, sizeof(dir), "%s/%s", base, name);
	if (engine_init(&e) || study_parse(&w->study, grid_text, strlen(grid_text), "g.yaml", list, sets != NULL, &e) ||
	    plan_open(&w->plan, &w->study, &e) || store_open(&w->store, dir, &w->study, &m, note, &e) ||
	    plan_look(&w->plan, &w->store, NULL, &damaged, &e))
		fail_msg("%s", e.msg);
}

static void close_sweep(struct sweep *w)
{
	store_close(&w->store);
	plan_release(&w->plan);
	study_release(&w->study);
}

static void run(struct sweep *w, struct features *features, bool shared)
{
	const struct runner_listener nobody = {0};
	const struct runner_options o = {.workers = shared ? 4 : 1,
					 .most_together = shared ? 64 : 1,
					 .features = features,
					 .kept = (size_t)1 << 24};
	struct runner_result result;
	struct err e = {0};

	if (runner_run(&w->plan, &w->store, &o, &stop, &nobody, &result, &e))
		fail_msg("%s", e.msg);
	assert_int_equal(result.complete, w->plan.n_todo);
}

/* Returns how many trials of b had their first epochs from another. */
static int compare(struct sweep *a, struct sweep *b)
{
	int forks = 0;

	assert_int_equal(a->plan.n_trials, b->plan.n_trials);
	for (int t = 0; t < a->plan.n_trials; t++) {
		const char *key = a->plan.trial[t].key;
		struct trial_end x, y;
		struct err e = {0};
		size_t n, m;
		char *rows, *same;

		assert_int_equal(store_trial_state(&a->store, key, &x, &e), 0);
		assert_int_equal(store_trial_state(&b->store, key, &y, &e), 0);
		rows = store_read_rows(&a->store, &a->study, key, x.epochs, &n);
		same = store_read_rows(&b->store, &b->study, key, y.epochs, &m);
		assert_non_null(rows);
		assert_non_null(same);
		assert_string_equal(rows, same);
		assert_string_equal(x.weights, y.weights);
		assert_true(x.macs > 0 &&
			    x.macs == y.macs); /* what a trial takes alone is the same, however it was had */
		assert_true(x.macs_reused == 0 && y.macs_reused < y.macs);
		forks += y.epochs_reused > 0;
		free(rows);
		free(same);
	}
	return forks;
}

static void all_ways_at_once(void **state)
{
	struct sweep alone = {.store.lock_fd = -1};
	struct sweep shared = {.store.lock_fd = -1};
	struct features *features;
	struct share_sum sum;
	struct share share;
	struct err e = {0};

	(void)state;
	assert_int_equal(features_new(&features, (size_t)1 << 20, &e), 0);
	open_sweep(&alone, "alone", NULL);
	open_sweep(&shared, "shared", NULL);
	assert_int_equal(alone.plan.n_trials, N);
	assert_int_equal(share_init(&share, &shared.plan, shared.plan.todo, N, 0, 64, 1, 1, &e), 0);
	assert_int_equal(share_count(&sum, &share, &shared.plan, &e), 0);
	assert_int_equal(sum.bundles, 4);      /* by seed and freeze_bn ... */
	assert_int_equal(sum.in_bundles, 16);  /* ... of four heads each */
	assert_int_equal(sum.feature_sets, 2); /* random start weights: a set a seed */
	assert_int_equal(
		sum.forks,
		2 * 4); /* a seed: both of sgd behind one that stays frozen, one of nadam, one of two lengths */
	share_release(&share);
	run(&alone, NULL, false);
	run(&shared, features, true);
	assert_true(features_held(features) == 0); /* the last bundle of each seed takes its set with it */
	assert_int_equal(compare(&alone, &shared), 8);
	close_sweep(&alone);
	close_sweep(&shared);
	features_free(features);
}

struct waiter {
	struct stages *stages;
	int trial;
	const void *got;
};

static void *take(void *ctx)
{
	struct waiter *w = ctx;
	size_t bytes;

	w->got = stages_take(w->stages, w->trial, &bytes);
	return NULL;
}

/* A trial waits for its parent's state, also while the thread that has claimed the parent has not begun it. */
static void waits_for_parent(void **state)
{
	struct sweep w = {.store.lock_fd = -1};
	struct share share;
	struct waiter left = {.trial = -1};
	struct err e = {0};
	pthread_t thread;
	void *block;

	(void)state;
	open_sweep(&w, "waits", NULL);
	assert_int_equal(share_init(&share, &w.plan, w.plan.todo, N, 0, 64, 1, 1, &e), 0);
	for (int t = 0; t < N && left.trial < 0; t++)
		left.trial = share.fork[t].parent >= 0 ? t : -1;
	assert_true(left.trial >= 0);
	for (int ends = 0; ends < 2; ends++) { /* it leaves the state; it ends without */
		const struct fork *f = &share.fork[left.trial];

		assert_int_equal(stages_new(&left.stages, &share, &w.plan, 100, &e), 0);
		assert_int_equal(pthread_create(&thread, NULL, take, &left), 0);
		usleep(50000);
		block = malloc(100);
		if (ends) {
			stages_end(left.stages, f->parent);
			free(block);
		} else {
			stages_leave(left.stages, f->parent, f->epochs, block, 100);
		}
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_true(left.got == (ends ? NULL : block));
		stages_free(left.stages);
	}
	share_release(&share);
	close_sweep(&w);
}

/* How many bundles the trials of these parameters, with two seeds, become. */
static int bundles(const char *parameters, int workers, int threads)
{
	struct sweep w = {.store.lock_fd = -1};
	struct share share;
	struct err e = {0};
	int n;

	open_sweep(&w, "bundles", parameters);
	assert_int_equal(share_init(&share, &w.plan, w.plan.todo, w.plan.n_todo, 0, 64, workers, threads, &e), 0);
	n = share.n_bundles;
	share_release(&share);
	close_sweep(&w);
	return n;
}

static void bundles_for_threads(void **state)
{
	static const char heads[] = "parameters={stem_lr: 0, backbone_lr: 0, classifier_lr: [1e-3, 2e-3, 3e-3, 4e-3]}";
	static const char nets[] =
		"parameters={stem_lr: 0, backbone_lr: 1e-3, classifier_lr: [1e-3, 2e-3, 3e-3, 4e-3]}";

	(void)state;
	assert_int_equal(bundles(heads, 1, 1), 2); /* a seed */
	assert_int_equal(bundles(heads, 4, 4), 2); /* the frozen layers twice would take longer than two threads do */
	assert_int_equal(bundles(nets, 1, 1), 2);
	assert_int_equal(bundles(nets, 4, 4), 4); /* little is shared: a thread each */
}

/* More epochs: what was kept is gone on from, on four workers again. */
static void longer(void **state)
{
	struct sweep alone = {.store.lock_fd = -1};
	struct sweep shared = {.store.lock_fd = -1};
	struct features *features;
	struct err e = {0};

	(void)state;
	assert_int_equal(features_new(&features, 1000, &e), 0); /* no room: the layers are run */
	open_sweep(&alone, "alone5", "epochs=5");
	open_sweep(&shared, "shared", "epochs=5");
	assert_int_equal(shared.plan.n_todo, N - 4); /* those of 2 and 4 epochs stand */
	assert_int_equal(shared.plan.n_extended, N - 4);
	run(&alone, NULL, false);
	run(&shared, features, true);
	compare(&alone, &shared);
	close_sweep(&alone);
	close_sweep(&shared);
	features_free(features);
}

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(base) ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[80];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", base);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_ways_at_once),
		cmocka_unit_test(waits_for_parent),
		cmocka_unit_test(bundles_for_threads),
		cmocka_unit_test(longer),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
