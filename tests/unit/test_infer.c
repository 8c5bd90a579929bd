/* test_infer.c - p values, intervals and the analysis of variance against scipy (infer_fixture.h), and their edges. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "sweep/report/anova.h"
#include "sweep/report/infer.h"
#include "sweep/report/trend.h"
#include "tests/unit/infer_fixture.h"

#define COUNT(list) (int)(sizeof(list) / sizeof((list)[0]))

static void near(double got, double want)
{
	if (!(fabs(got - want) <= 1e-9 * fabs(want)) && !(want == 0 && fabs(got) < 1e-300))
		fail_msg("got %.17g, expected %.17g", got, want);
}

static void tails_agree_with_scipy(void **state)
{
	(void)state;
	for (int i = 0; i < COUNT(t_cases); i++)
		near(t_two_sided(t_cases[i][0], t_cases[i][1]), t_cases[i][2]);
	for (int i = 0; i < COUNT(f_cases); i++)
		near(f_upper(f_cases[i][0], f_cases[i][1], f_cases[i][2]), f_cases[i][3]);
	assert_true(isnan(t_two_sided(NAN, 3)) && isnan(t_two_sided(1, 0)) && isnan(f_upper(1, 0, 3)));
	assert_true(t_two_sided(INFINITY, 3) == 0);
}

static void paired_tests_agree_with_scipy(void **state)
{
	struct estimate same = {.n = 3, .mean = 0, .sd = 0};
	struct estimate shifted = {.n = 3, .mean = 0.1, .sd = 0};
	struct estimate one = {.n = 1, .mean = 0.1, .sd = NAN};

	(void)state;
	for (int i = 0; i < COUNT(paired_cases); i++) {
		const double *c = paired_cases[i];
		struct estimate d = {.n = (int)c[0], .mean = c[1], .sd = c[2]};

		near(paired_p(&d), c[3]);
	}
	assert_true(paired_p(&same) == 1 && paired_p(&shifted) == 0 && isnan(paired_p(&one)));
}

static void estimates_agree_with_scipy(void **state)
{
	(void)state;
	for (int i = 0; i < COUNT(estimate_cases); i++) {
		const double *c = estimate_cases[i];
		struct estimate e = estimate_of(c + 5, (int)c[0], t_quantile(0.975, c[0] - 1));

		near(e.mean, c[1]);
		near(e.sd, c[2]);
		near(e.lo, c[3]);
		near(e.hi, c[4]);
	}
}

static void slopes_agree_with_least_squares(void **state)
{
	enum { N = COUNT(trend_data) };
	double u[N];
	double v[N];
	double y[N];
	struct trend t;

	(void)state;
	for (int i = 0; i < N; i++) {
		u[i] = trend_data[i][0];
		v[i] = trend_data[i][1];
		y[i] = trend_data[i][2];
	}
	t = trend_of(u, v, y, N);
	for (int k = 0; k < N_TRENDS; k++) {
		near(t.slope[k], trend_case[k][0]);
		near(t.ci[k].lo, trend_case[k][1]);
		near(t.ci[k].hi, trend_case[k][2]);
	}
	for (int i = 0; i < N; i++)
		v[i] = -2; /* a rate that is not varied has no slope */
	assert_true(isnan(trend_of(u, v, y, N).slope[TREND_U]));
}

static void shares_agree_with_scipy(void **state)
{
	(void)state;
	for (int i = 0; i < COUNT(wilson_cases); i++) {
		struct interval v = wilson95((int)wilson_cases[i][0], (int)wilson_cases[i][1]);

		near(v.lo, wilson_cases[i][2]);
		near(v.hi, wilson_cases[i][3]);
	}
	assert_true(isnan(wilson95(0, 0).lo));
}

static void mcnemar_agrees_with_scipy(void **state)
{
	struct agreement none = {.both = 5, .neither = 4};

	(void)state;
	for (int i = 0; i < COUNT(mcnemar_cases); i++) {
		struct agreement g = {.only_a = (int64_t)mcnemar_cases[i][0], .only_b = (int64_t)mcnemar_cases[i][1]};

		near(mcnemar_exact(&g), mcnemar_cases[i][2]);
	}
	assert_true(mcnemar_exact(&none) == 1);
}

static void holm_steps_down_and_leaves_out_what_is_no_test(void **state)
{
	double p[COUNT(holm_case) + 1];
	double adjusted[COUNT(holm_case) + 1];

	(void)state;
	for (int i = 0; i < COUNT(holm_case); i++)
		p[i + (i > 2)] = holm_case[i][0];
	p[3] = NAN;
	assert_int_equal(holm(adjusted, p, COUNT(p)), 0);
	for (int i = 0; i < COUNT(holm_case); i++)
		near(adjusted[i + (i > 2)], holm_case[i][1]);
	assert_true(isnan(adjusted[3]));
}

static void bits_are_counted_in_the_files_order(void **state)
{
	const uint8_t a[] = {0x0f, 0x01};
	const uint8_t b[] = {0x3c, 0x03};
	struct agreement g = agreement_of(a, b, 10);

	(void)state;
	assert_int_equal(g.both, 3);
	assert_int_equal(g.only_a, 2);
	assert_int_equal(g.only_b, 3);
	assert_int_equal(g.neither, 2);
}

/* The resampled difference has mean (b - c) / n and the multinomial's variance: the interval is near the normal one. */
static void bootstrap_is_near_the_normal_interval_and_repeatable(void **state)
{
	struct agreement g = {.both = 1500, .only_a = 260, .only_b = 100, .neither = 140};
	struct agreement equal = {.both = 7};
	struct interval v = bootstrap95(&g, 1);
	struct interval again = bootstrap95(&g, 1);
	double d = 160 / 2000.0;
	double half = 1.959963984540054 * sqrt((360 / 2000.0 - d * d) / 2000);

	(void)state;
	assert_memory_equal(&v, &again, sizeof(v));
	assert_true(fabs(v.lo - (d - half)) < 0.05 * half && fabs(v.hi - (d + half)) < 0.05 * half);
	again = bootstrap95(&g, 2);
	assert_true(again.lo != v.lo || again.hi != v.hi);
	v = bootstrap95(&equal, 1);
	assert_true(v.lo == 0 && v.hi == 0);
	assert_true(isnan(bootstrap95(&(struct agreement){0}, 1).lo));
}

static void check_anova(const double (*cells)[3], int n, const int *levels, int n_factors, const double (*want)[5])
{
	struct anova_cell cell[12];
	struct anova a;

	for (int i = 0; i < n; i++)
		cell[i] = (struct anova_cell){(int)cells[i][0], cells[i][1], cells[i][2]};
	a = anova_of(cell, levels, n_factors);
	assert_int_equal(a.n_effects, (1 << n_factors) - 1);
	for (int i = 0; i < a.n_effects; i++) {
		assert_int_equal(a.effect[i].factors, (int)want[i][0]);
		assert_int_equal(a.effect[i].df, (int)want[i][1]);
		near(a.effect[i].ss, want[i][2]);
		near(a.effect[i].f, want[i][3]);
		near(a.effect[i].p, want[i][4]);
	}
}

static void analysis_of_variance_agrees_with_least_squares(void **state)
{
	(void)state;
	check_anova(two_way_cells, 12, (const int[]){3, 4}, 2, two_way_effects);
	check_anova(uneven_cells, 6, (const int[]){2, 3}, 2, uneven_effects);
	check_anova(three_way_cells, 12, (const int[]){2, 3, 2}, 3, three_way_effects);
}

static void without_repeats_there_is_no_test(void **state)
{
	const struct anova_cell cell[] = {{1, 1, 0}, {1, 2, 0}, {1, 3, 0}, {1, 5, 0}};
	struct anova a = anova_of(cell, (const int[]){2, 2}, 2);

	(void)state;
	assert_true(isnan(a.effect[0].f) && isnan(a.effect[0].p));
	assert_true(fabs(a.effect[0].ss - 6.25) < 1e-12 && fabs(a.effect[2].ss - 0.25) < 1e-12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tails_agree_with_scipy),
		cmocka_unit_test(paired_tests_agree_with_scipy),
		cmocka_unit_test(estimates_agree_with_scipy),
		cmocka_unit_test(slopes_agree_with_least_squares),
		cmocka_unit_test(shares_agree_with_scipy),
		cmocka_unit_test(mcnemar_agrees_with_scipy),
		cmocka_unit_test(holm_steps_down_and_leaves_out_what_is_no_test),
		cmocka_unit_test(bits_are_counted_in_the_files_order),
		cmocka_unit_test(bootstrap_is_near_the_normal_interval_and_repeatable),
		cmocka_unit_test(analysis_of_variance_agrees_with_least_squares),
		cmocka_unit_test(without_repeats_there_is_no_test),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
