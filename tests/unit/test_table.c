/* test_table.c - the tables and the summary on made-up results: states, means, pairs, the best cell, order. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sweep/base/csv.h"
#include "sweep/report/effects.h"
#include "sweep/report/before_after.h"
#include "sweep/report/table.h"
#include "tests/unit/made_up.h"

typedef void (*writer)(FILE *out, const struct results *r);

static char *written(const struct made_up *m, writer w)
{
	char *bytes = NULL;
	size_t n;
	FILE *f = open_memstream(&bytes, &n);

	if (w)
		w(f, &m->results);
	else
		table_cells(f, &m->summary);
	fclose(f);
	return bytes;
}

static struct csv_table parsed(const struct made_up *m, writer w)
{
	struct csv_table t;
	struct err e;
	char *bytes = written(m, w);

	if (csv_parse(&t, bytes, strlen(bytes), "test", &e))
		fail_msg("%s", e.msg);
	free(bytes);
	return t;
}

static const char *at(const struct csv_table *t, long row, const char *name)
{
	int col = csv_column(t, name);

	if (col < 0)
		fail_msg("no column %s", name);
	return t->cell[row * t->cols + col];
}

static double num(const struct csv_table *t, long row, const char *name)
{
	at(t, row, name);
	return csv_number(t, row, csv_column(t, name));
}

static void complete(struct made_up *m, int cell, int repeat, double train, double val)
{
	struct epoch_row row[2] = {made_row(1, train - 0.2, val - 0.1), made_row(2, train, val)};

	made_trial(m, cell, repeat, STATE_COMPLETE, row, 2);
}

/* 0: baseline, high gap; 1: feasible; 2: feasible and better; 3: best val but train too high; 4: one repeat diverged. */
static void made_sweep(struct made_up *m)
{
	struct epoch_row lost[2] = {made_row(1, 0.3, 0.2), made_row(2, NAN, NAN)};

	made_study(m, 3);
	made_cell(m, OPTIM_SGD, 0.1, 0.1, true);
	made_cell(m, OPTIM_SGD, 0, 1e-2, false);
	made_cell(m, OPTIM_SGD, 3e-4, 3e-2, false);
	made_cell(m, OPTIM_ADAM, 1e-4, 1e-2, false);
	made_cell(m, OPTIM_ADAM, 1e-5, 1e-2, false);
	made_cell(m, OPTIM_ADAM, 1e-2, 1e-2, false);
	for (int i = 0; i < 3; i++) {
		complete(m, 0, i, 0.98 + 0.001 * i, 0.78 + 0.002 * i);
		complete(m, 1, i, 0.86, 0.855);
		complete(m, 2, i, 0.90 + 0.001 * i, 0.87 + 0.003 * i);
		complete(m, 3, i, 0.95, 0.89);
		complete(m, 4, i, 0.90, 0.88);
	}
	made_trial(m, 4, 1, STATE_DIVERGED, lost, 2);
	m->results.trial[13].end.diverged_epoch = 2;
	strcpy(m->results.trial[13].end.diverged_group, "backbone");
	made_trial(m, 5, 0, STATE_RUNNING, lost, 1);
	made_trial(m, 5, 1, STATE_FAIL, NULL, 0);
	made_summary(m);
}

static void trials_tell_state_and_figures(void **state)
{
	struct made_up m;
	struct csv_table t;

	(void)state;
	made_sweep(&m);
	t = parsed(&m, table_trials);
	assert_int_equal(t.rows, 18);
	assert_string_equal(at(&t, 0, "state"), "COMPLETE");
	assert_string_equal(at(&t, 0, "params_optimizer"), "sgd");
	assert_string_equal(at(&t, 6, "params_backbone_lr"), "0.0003");
	assert_true(num(&t, 0, "train_eval_acc") == 0.98);
	assert_true(fabs(num(&t, 0, "gap") - 0.2) < 1e-12);
	assert_true(num(&t, 0, "constraints_met") == 0 && num(&t, 3, "constraints_met") == 1);
	assert_string_equal(at(&t, 13, "state"), "DIVERGED");
	assert_string_equal(at(&t, 13, "val_acc"), "nan");
	assert_string_equal(at(&t, 13, "best_epoch"), "1");
	assert_string_equal(at(&t, 13, "diverged_epoch"), "2");
	assert_string_equal(at(&t, 13, "diverged_group"), "backbone");
	assert_string_equal(at(&t, 13, "last_finite_epoch"), "1");
	assert_string_equal(at(&t, 0, "diverged_epoch"), "");
	assert_string_equal(at(&t, 13, "constraints_met"), "0");
	assert_string_equal(at(&t, 15, "state"), "RUNNING");
	assert_string_equal(at(&t, 15, "epochs"), "1");
	assert_string_equal(at(&t, 15, "val_acc"), "");
	assert_string_equal(at(&t, 15, "constraints_met"), "");
	assert_string_equal(at(&t, 16, "state"), "FAIL");
	assert_string_equal(at(&t, 17, "state"), "WAITING");
	csv_release(&t);
	made_release(&m);
}

static void the_first_of_equal_epochs_is_best(void **state)
{
	const struct epoch_row row[] = {made_row(1, 0.7, 0.6), made_row(2, 0.8, 0.7), made_row(3, 0.9, 0.7),
					made_row(4, 0.9, 0.65)};
	struct made_up m;
	struct csv_table t;

	(void)state;
	made_study(&m, 1);
	made_cell(&m, OPTIM_SGD, 0.1, 0.1, false);
	made_trial(&m, 0, 0, STATE_COMPLETE, row, 4);
	made_summary(&m);
	t = parsed(&m, table_trials);
	assert_string_equal(at(&t, 0, "best_epoch"), "2");
	assert_true(num(&t, 0, "best_train_eval_acc") == 0.8);
	assert_true(num(&t, 0, "val_acc") == 0.65);
	csv_release(&t);
	made_release(&m);
}

static void cells_tell_means_and_pairs(void **state)
{
	struct made_up m;
	struct csv_table t;

	(void)state;
	made_sweep(&m);
	t = parsed(&m, NULL);
	assert_int_equal(t.rows, 6);
	assert_true(fabs(num(&t, 2, "val_acc_mean") - 0.873) < 1e-12);
	assert_true(fabs(num(&t, 2, "val_acc_sd") - 0.003) < 1e-12);
	assert_true(fabs(num(&t, 2, "val_acc_ci95_hi") - 0.873 - 4.302652729696142 * 0.003 / sqrt(3)) < 1e-12);
	/* Seed by seed .09 .091 .092: far narrower than the two cells' own spreads would suggest. */
	assert_true(fabs(num(&t, 2, "val_acc_minus_baseline_mean") - 0.091) < 1e-12);
	assert_true(fabs(num(&t, 2, "val_acc_minus_baseline_ci95_lo") - 0.091 + 4.302652729696142 * 0.001 / sqrt(3)) <
		    1e-12);
	assert_true(num(&t, 2, "gap_minus_best_mean") == 0);
	assert_string_equal(at(&t, 0, "baseline"), "1");
	assert_string_equal(at(&t, 2, "best"), "1");
	assert_string_equal(at(&t, 1, "feasible"), "1");
	assert_string_equal(at(&t, 3, "feasible"), "0");
	csv_release(&t);
	made_release(&m);
}

static void a_cell_that_diverged_once_is_not_feasible(void **state)
{
	struct made_up m;
	struct csv_table t;

	(void)state;
	made_sweep(&m);
	t = parsed(&m, NULL);
	assert_string_equal(at(&t, 4, "n"), "2");
	assert_string_equal(at(&t, 4, "n_diverged"), "1");
	assert_true(fabs(num(&t, 4, "val_acc_mean") - 0.88) < 1e-12);
	assert_true(fabs(num(&t, 4, "constraints_met_share") - 2.0 / 3) < 1e-12);
	assert_string_equal(at(&t, 4, "feasible"), "0");
	assert_string_equal(at(&t, 5, "n"), "0");
	assert_string_equal(at(&t, 5, "val_acc_mean"), "");
	assert_string_equal(at(&t, 5, "constraints_met_share"), "");
	csv_release(&t);
	made_release(&m);
}

static void without_a_feasible_cell_the_best_metric_is_named_so(void **state)
{
	char sentence[SENTENCE_MAX];
	struct made_up m;

	(void)state;
	made_study(&m, 1);
	made_cell(&m, OPTIM_SGD, 0.1, 0.1, true);
	made_cell(&m, OPTIM_SGD, 0.01, 0.1, false);
	complete(&m, 0, 0, 0.98, 0.78);
	complete(&m, 1, 0, 0.98, 0.80);
	made_summary(&m);
	assert_int_equal(m.summary.best, 1);
	assert_true(m.summary.none_meets);
	summary_sentence(sentence, &m.summary);
	assert_non_null(strstr(sentence, "No cell meets the constraints (val_acc > 0.85, train_eval_acc < 0.92)"));
	assert_non_null(strstr(sentence, "sgd 1e-2 / 0.1"));
	made_release(&m);
}

static void nothing_finished_is_said(void **state)
{
	char sentence[SENTENCE_MAX];
	struct made_up m;

	(void)state;
	made_study(&m, 2);
	made_cell(&m, OPTIM_SGD, 0.1, 0.1, true);
	made_trial(&m, 0, 0, STATE_RUNNING, NULL, 0);
	made_summary(&m);
	assert_int_equal(m.summary.best, -1);
	summary_sentence(sentence, &m.summary);
	assert_string_equal(sentence, "No trial has completed yet.");
	made_release(&m);
}

static void epochs_stand_in_order_with_each_groups_figures(void **state)
{
	struct made_up m;
	struct csv_table t;

	(void)state;
	made_sweep(&m);
	m.results.trial[0].row[7 + 1] = NAN; /* backbone's grad_norm in the first row: frozen */
	t = parsed(&m, table_epochs);
	assert_int_equal(t.rows, 15 * 2 + 1);
	for (long i = 1; i < t.rows; i++)
		assert_true(num(&t, i, "trial") * 100 + num(&t, i, "epoch") >
			    num(&t, i - 1, "trial") * 100 + num(&t, i - 1, "epoch"));
	assert_string_equal(at(&t, 0, "grad_norm_backbone"), "");
	assert_string_equal(at(&t, 0, "lr_classifier"), "0.002");
	assert_string_equal(at(&t, 1, "drift_backbone"), "0.01");
	csv_release(&t);
	made_release(&m);
}

static void times_and_hosts_stay_out_of_the_compared_tables(void **state)
{
	struct made_up a;
	struct made_up b;

	(void)state;
	made_sweep(&a);
	made_sweep(&b);
	for (int i = 0; i < b.results.n_trials; i++) {
		struct trial_end *end = &b.results.trial[i].end;

		end->train_s = 1.5 * i;
		end->worker = i;
		end->attempt = 3;
		strcpy(end->host, "elsewhere");
		strcpy(end->started, "2030-01-01T00:00:00Z");
	}
	for (int i = 0; i < 3; i++) {
		const writer w = i == 0 ? table_trials : i == 1 ? table_epochs : NULL;
		char *x = written(&a, w);
		char *y = written(&b, w);

		assert_string_equal(x, y);
		free(x);
		free(y);
	}
	made_release(&a);
	made_release(&b);
}

static void differences_are_tested_and_corrected(void **state)
{
	struct made_up m;
	struct csv_table t;
	double p;

	(void)state;
	made_sweep(&m);
	t = parsed(&m, NULL);
	p = num(&t, 2,
		"val_acc_minus_baseline_p"); /* .09 .091 .092: t = .091 / (.001 / sqrt 3), 2 degrees of freedom */
	assert_true(fabs(p - t_two_sided(0.091 / (0.001 / sqrt(3)), 2)) < 1e-9);
	assert_true(num(&t, 2, "val_acc_minus_baseline_p_holm") >= p);
	assert_string_equal(at(&t, 0, "val_acc_minus_baseline_p"), "");
	assert_string_equal(at(&t, 2, "like_best"), "1");
	assert_string_equal(at(&t, 0, "like_best"), "0");
	assert_string_equal(at(&t, 5, "like_best"), "0"); /* nothing is known of it */
	assert_true(fabs(num(&t, 2, "constraints_met_ci95_lo") - wilson95(3, 3).lo) < 1e-12);
	csv_release(&t);
	made_release(&m);
}

static void gaps_are_told_at_three_places(void **state)
{
	struct epoch_row row[3] = {made_row(1, 0.7, 0.66), made_row(2, 0.9, 0.76), made_row(3, 0.95, 0.75)};
	struct epoch_row above[1] = {made_row(1, 0.9, 0.7)};
	struct epoch_row never[1] = {made_row(1, 0.79, 0.7)};
	struct epoch_row exact[1] = {made_row(1, 0.8, 0.7)};
	struct made_up m;
	struct csv_table t;

	(void)state;
	made_study(&m, 1);
	for (int i = 0; i < 4; i++)
		made_cell(&m, OPTIM_SGD, 0.1, 0.1 + i, false);
	made_trial(&m, 0, 0, STATE_COMPLETE, row, 3);
	made_trial(&m, 1, 0, STATE_COMPLETE, above, 1);
	made_trial(&m, 2, 0, STATE_COMPLETE, never, 1);
	made_trial(&m, 3, 0, STATE_COMPLETE, exact, 1);
	made_summary(&m);
	t = parsed(&m, NULL);
	assert_true(fabs(num(&t, 0, "gap_mean") - 0.2) < 1e-12);
	assert_true(fabs(num(&t, 0, "best_gap_mean") - 0.14) < 1e-12);
	assert_true(fabs(num(&t, 0, "at_train_acc_gap_mean") - 0.09) < 1e-12); /* 0.8 is half way from .7 to .9 */
	assert_string_equal(at(&t, 1, "at_train_acc_gap_mean"), "");
	assert_string_equal(at(&t, 2, "at_train_acc_n"), "0");
	assert_true(fabs(num(&t, 3, "at_train_acc_gap_mean") - 0.1) < 1e-12);
	csv_release(&t);
	t = parsed(&m, table_trials);
	assert_true(fabs(num(&t, 0, "at_train_acc_epoch") - 1.5) < 1e-12);
	assert_true(fabs(num(&t, 0, "at_train_acc_val_acc") - 0.71) < 1e-12);
	assert_true(num(&t, 3, "at_train_acc_epoch") == 1);
	csv_release(&t);
	made_release(&m);
}

/* sgd: 2 x 3 rates, of which 0.3 has a hole; adam: one rate each way. */
static void effects_leave_out_rates_with_holes(void **state)
{
	const double x[] = {0, 0.1};
	const double y[] = {0.01, 0.1, 0.3};
	struct effects f[EFFECTS_MAX];
	char name[EFFECT_NAME_MAX];
	struct made_up m;

	(void)state;
	made_study(&m, 2);
	for (int i = 0; i < 6; i++)
		made_cell(&m, OPTIM_SGD, x[i / 3], y[i % 3], false);
	made_cell(&m, OPTIM_ADAM, 0, 0.01, false);
	for (int i = 0; i < 7; i++)
		for (int k = 0; k < 2 && i != 5; k++)
			complete(&m, i, k, 0.9, 0.8 - 0.1 * (i / 3) - 0.03 * (i % 3 == 1) + 0.01 * k);
	made_summary(&m);
	assert_int_equal(effects_of(f, &m.summary), 2);
	assert_int_equal(f[0].metric, METRIC_gap);
	assert_int_equal(f[0].dropped, 1);
	assert_true(f[0].n_x == 2 && f[0].n_y == 2 && f[0].anova.error_df == 4);
	/* 4 cells of 2: the backbone's rate moves the gap by .1, the classifier's by .03, nothing together */
	assert_true(fabs(f[0].anova.effect[0].ss - 8 * 0.05 * 0.05) < 1e-12);
	assert_true(fabs(f[0].anova.effect[1].ss - 8 * 0.015 * 0.015) < 1e-12);
	assert_true(f[0].anova.effect[2].ss < 1e-12);
	assert_true(fabs(f[0].anova.error_ss - 4 * 2 * 0.005 * 0.005) < 1e-12);
	assert_string_equal(effect_name(name, &m.study, 3), "backbone_lr x classifier_lr");
	made_release(&m);
}

static void hostile_names_are_quoted_in_the_header(void **state)
{
	struct made_up m;
	struct csv_table t;

	(void)state;
	made_study(&m, 1);
	strcpy(m.column[0].name, "a,\"b\nlr");
	strcpy(m.study.group[0].name, "a,\"b\n");
	made_cell(&m, OPTIM_SGD, 0.1, 0.1, true);
	complete(&m, 0, 0, 0.9, 0.8);
	made_summary(&m);
	t = parsed(&m, table_trials);
	assert_true(csv_column(&t, "params_a,\"b\nlr") == 6);
	csv_release(&t);
	t = parsed(&m, table_epochs);
	assert_true(csv_column(&t, "lr_a,\"b\n") > 0);
	csv_release(&t);
	made_release(&m);
}

static void rates_read_as_people_write_them(void **state)
{
	static const struct {
		double rate;
		const char *text;
	} known[] = {{0, "0"},         {1e-4, "1e-4"}, {3e-4, "3e-4"},     {0.03, "3e-2"},
		     {0.1, "0.1"},     {1, "1"},       {2.5e-3, "2.5e-3"}, {12, "12"},
		     {1e-10, "1e-10"}, {1e5, "1e5"},   {0.25, "0.25"},     {1.23456e-4, "1.23e-4"}};
	char text[NUM_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		assert_string_equal(rate_text(text, known[i].rate), known[i].text);
}

static void the_best_single_rate_is_compared_with_the_best(void **state)
{
	char sentence[SENTENCE_MAX];
	struct made_up m;

	(void)state;
	made_study(&m, 3);
	made_cell(&m, OPTIM_SGD, 0.1, 0.1, true);
	made_cell(&m, OPTIM_SGD, 1e-2, 1e-2, false);
	made_cell(&m, OPTIM_SGD, 3e-4, 3e-2, false);
	made_cell(&m, OPTIM_SGD, 0, 0, false); /* frozen altogether: no rate at all */
	for (int i = 0; i < 3; i++) {
		complete(&m, 0, i, 0.98, 0.78);
		complete(&m, 1, i, 0.99 + 0.001 * i, 0.85);
		complete(&m, 2, i, 0.90, 0.87);
		complete(&m, 3, i, 0.90, 0.89);
	}
	made_summary(&m);
	assert_int_equal(m.summary.single, 1);
	assert_int_equal(m.summary.best, 3);
	/* Gaps .14, .141, .142 against .01: mean difference -13.1 points. */
	assert_true(fabs(m.summary.best_to_single[DIFF_GAP].d.mean + 0.131) < 1e-12);
	summary_single_sentence(sentence, &m.summary);
	assert_non_null(strstr(sentence, "best single rate of this grid (sgd 1e-2 / 1e-2, gap 14.1): gap -13.1 ["));
	assert_non_null(strstr(sentence, "validation accuracy +4.0 ["));
	made_release(&m);
}

static void the_terminal_table_has_the_exercises_form(void **state)
{
	struct made_up m;
	char *bytes = NULL;
	size_t n;
	FILE *f = open_memstream(&bytes, &n);

	(void)state;
	made_sweep(&m);
	table_before_after(f, &m.summary, 0);
	fclose(f);
	assert_non_null(strstr(bytes, "before  sgd 0.1 / 0.1"));
	assert_non_null(strstr(bytes, "after   sgd 3e-4 / 3e-2"));
	assert_non_null(strstr(bytes, "87.3 ± 0.3"));
	assert_non_null(strstr(bytes, "from 19.9 to 2.8 points"));
	free(bytes);
	for (int columns = 80; columns >= 40; columns -= 40) {
		int line = 0;

		f = open_memstream(&bytes, &n);
		table_before_after(f, &m.summary, columns);
		fclose(f);
		assert_non_null(strstr(bytes, "Train Acc %"));
		for (const char *c = bytes; *c; c++) {
			line = *c == '\n' ? 0 : line + ((*c & 0xc0) != 0x80);
			if (line > columns)
				fail_msg("a line is wider than %d columns:\n%s", columns, bytes);
		}
		free(bytes);
	}
	made_release(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trials_tell_state_and_figures),
		cmocka_unit_test(the_first_of_equal_epochs_is_best),
		cmocka_unit_test(cells_tell_means_and_pairs),
		cmocka_unit_test(a_cell_that_diverged_once_is_not_feasible),
		cmocka_unit_test(without_a_feasible_cell_the_best_metric_is_named_so),
		cmocka_unit_test(nothing_finished_is_said),
		cmocka_unit_test(epochs_stand_in_order_with_each_groups_figures),
		cmocka_unit_test(times_and_hosts_stay_out_of_the_compared_tables),
		cmocka_unit_test(differences_are_tested_and_corrected),
		cmocka_unit_test(gaps_are_told_at_three_places),
		cmocka_unit_test(effects_leave_out_rates_with_holes),
		cmocka_unit_test(hostile_names_are_quoted_in_the_header),
		cmocka_unit_test(rates_read_as_people_write_them),
		cmocka_unit_test(the_best_single_rate_is_compared_with_the_best),
		cmocka_unit_test(the_terminal_table_has_the_exercises_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
