/* test_stats.c - the statistics against published constants and against sums done by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sweep/report/stats.h"

static void near(double got, double want, double tolerance)
{
	if (!(fabs(got - want) <= tolerance * fmax(1, fabs(want))))
		fail_msg("got %.17g, expected %.17g", got, want);
}

static void quantiles_are_the_published_ones(void **state)
{
	(void)state;
	near(t_quantile(0.975, 1), 12.706204736432095, 1e-9); /* tan(0.475 pi) */
	near(t_quantile(0.975, 2), 4.302652729696142, 1e-9);
	near(t_quantile(0.975, 4), 2.7764451051977934, 1e-9);
	near(t_quantile(0.975, 9), 2.2621571627409915, 1e-9);
	near(t_quantile(0.975, 29), 2.045229642132703, 1e-9);
	near(t_quantile(0.95, 4), 2.13184678632665, 1e-9);
	near(t_quantile(0.995, 4), 4.604094871415897, 1e-9);
	near(t_quantile(0.975, 1e7), 1.959964222106, 1e-9); /* near the normal's 1.959963985 */
	near(t_quantile(0.025, 4), -2.7764451051977934, 1e-9);
	near(t_quantile(0.5, 3), 0, 1e-12);
}

static void quantiles_agree_with_closed_forms(void **state)
{
	(void)state;
	for (double p = 0.51; p < 1; p += 0.0371) {
		double c = 2 * p - 1;

		near(t_quantile(p, 1), tan(M_PI * (p - 0.5)), 1e-11);
		near(t_quantile(p, 2), c * sqrt(2 / (1 - c * c)), 1e-11);
	}
}

static void bad_arguments_give_nan(void **state)
{
	(void)state;
	assert_true(isnan(t_quantile(0.975, 0)));
	assert_true(isnan(t_quantile(0, 3)));
	assert_true(isnan(t_quantile(1, 3)));
	assert_true(isnan(t_quantile(NAN, 3)));
}

static void beta_agrees_with_polynomials(void **state)
{
	(void)state;
	for (double x = 0.05; x < 1; x += 0.09) {
		near(incomplete_beta(x, 1, 1), x, 1e-13);
		near(incomplete_beta(x, 3, 1), x * x * x, 1e-13);
		near(incomplete_beta(x, 2, 2), x * x * (3 - 2 * x), 1e-13);
		near(incomplete_beta(x, 0.5, 0.5), 2 / M_PI * asin(sqrt(x)), 1e-13);
	}
}

static void an_estimate_by_hand(void **state)
{
	const double x[] = {2, 4, 4, 4, 5, 5, 7, 9};
	struct estimate e = estimate_of(x, 8, t_quantile(0.975, 7));

	(void)state;
	near(e.mean, 5, 0);
	near(e.sd, sqrt(32.0 / 7), 1e-15);
	near(e.hi - e.mean, 2.364624251592785 * sqrt(32.0 / 7 / 8), 1e-9);
	near(e.mean - e.lo, e.hi - e.mean, 1e-12);
}

static void few_values_have_no_interval(void **state)
{
	const double one = 3;
	struct estimate e = estimate_of(&one, 1, NAN);

	(void)state;
	assert_true(e.mean == 3 && isnan(e.sd) && isnan(e.lo) && isnan(e.hi));
	e = estimate_of(NULL, 0, NAN);
	assert_true(e.n == 0 && isnan(e.mean));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quantiles_are_the_published_ones),
		cmocka_unit_test(quantiles_agree_with_closed_forms),
		cmocka_unit_test(bad_arguments_give_nan),
		cmocka_unit_test(beta_agrees_with_polynomials),
		cmocka_unit_test(an_estimate_by_hand),
		cmocka_unit_test(few_values_have_no_interval),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
