/* test_pace.c - how many trials at a time: what is measured, when it is not, and what is chosen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "sweep/run/pace.h"

static const char grid_text[] = "data:\n"
				"  train: {fake: {n: 64, shape: [3, 32, 32], classes: 3}}\n"
				"  val: {fake: {n: 8, shape: [3, 32, 32], classes: 3, seed: 1}}\n"
				"model: {arch: mlp, hidden: 512}\n"
				"batch_size: 8\n"
				"epochs: 1\n"
				"schedule: onecycle\n"
				"parameters: {backbone_lr: 1e-3, classifier_lr: [1e-3, 1e-2]}\n";

struct sweep {
	struct study study;
	struct plan plan;
};

static void open_sweep(struct sweep *w, const char *set)
{
	struct err e = {0};

	if (engine_init(&e) || study_parse(&w->study, grid_text, strlen(grid_text), "g.yaml", &set, set != NULL, &e) ||
	    plan_open(&w->plan, &w->study, &e))
		fail_msg("%s", e.msg);
	w->plan.n_todo = 2;
	w->plan.todo[0] = 0;
	w->plan.todo[1] = 1;
}

static void close_sweep(struct sweep *w)
{
	plan_release(&w->plan);
	study_release(&w->study);
}

static int measured(const char *set, const atomic_bool *stop, struct pace pace[PACE_MOST])
{
	struct sweep w = {0};
	struct err e = {0};
	int n;

	open_sweep(&w, set);
	assert_int_equal(pace_measure(pace, &n, &w.plan, 5, 5, stop, &e), 0);
	close_sweep(&w);
	return n;
}

/* A million epochs are worth it, one is not; the steps that are tried are more than a schedule of one epoch has. */
static void long_sweeps_are_measured(void **state)
{
	static const int workers[] = {5, 2, 1};
	struct pace pace[PACE_MOST];
	atomic_bool stop = false;

	(void)state;
	assert_int_equal(measured(NULL, &stop, pace), 0);
	assert_int_equal(measured("epochs=1000000", &stop, pace), 3);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(pace[i].workers, workers[i]);
		assert_true(pace[i].images > 0);
	}
	stop = true;
	assert_int_equal(measured("epochs=1000000", &stop, pace), 0);
}

static void what_fails_is_told(void **state)
{
	struct sweep w = {0};
	struct pace pace[PACE_MOST];
	struct err e = {0};
	int n;

	(void)state;
	open_sweep(&w, "model={arch: resnet18}");
	for (int i = 0; i < 2; i++) {
		w.study.cell[i].setting.hyper.batch_size = 1;
		w.study.cell[i].setting.hyper.epochs = 1000000;
	}
	assert_int_not_equal(pace_measure(pace, &n, &w.plan, 2, 2, NULL, &e), 0);
	assert_non_null(strstr(e.msg, "BatchNorm"));
	close_sweep(&w);
}

static void fewer_only_if_clearly_faster(void **state)
{
	const struct pace level[] = {{4, 100}, {2, 102}, {1, 90}};
	const struct pace fewer[] = {{4, 100}, {2, 104}, {1, 106}};

	(void)state;
	assert_int_equal(pace_best(level, 3)->workers, 4);
	assert_int_equal(pace_best(fewer, 3)->workers, 1);
	assert_int_equal(pace_best(fewer, 1)->workers, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(long_sweeps_are_measured),
		cmocka_unit_test(what_fails_is_told),
		cmocka_unit_test(fewer_only_if_clearly_faster),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
