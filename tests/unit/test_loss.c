/* test_loss.c - cross-entropy: values, gradient, who counts as correct, and numbers that overflow */
#include "tests/unit/ref.h"

#include <math.h>
#include <stdlib.h>

static void check(int n, int classes, float smooth)
{
	size_t size = (size_t)(n * classes);
	float *x = ref_random(size), *d = ref_alloc(size);
	double *xd = ref_widen(x, size), *loss = calloc((size_t)n, sizeof(double));
	int32_t *label = calloc((size_t)n, sizeof(*label));
	uint8_t *correct = calloc((size_t)n, 1);

	for (int i = 0; i < n; i++)
		label[i] = i % classes;
	cross_entropy(loss, correct, d, x, label, n, classes, smooth);
	for (int i = 0; i < n; i++) {
		double *row = xd + i * classes, *best = row;

		assert_true(fabs(loss[i] - ref_cross_entropy(row, label[i], classes, (double)smooth)) < 1e-12);
		for (int j = 0; j < classes; j++) {
			double step = 1e-6, old = row[j], up, down;

			best = row[j] > *best ? row + j : best;
			row[j] = old + step;
			up = ref_cross_entropy(row, label[i], classes, (double)smooth);
			row[j] = old - step;
			down = ref_cross_entropy(row, label[i], classes, (double)smooth);
			row[j] = old;
			assert_true(fabs((double)d[i * classes + j] - (up - down) / (2 * step) / n) < 1e-7);
		}
		assert_int_equal(correct[i], best - row == label[i]);
	}
	cross_entropy(loss, correct, NULL, x, label, n, classes, smooth);
	free(x), free(d), free(xd), free(loss), free(label), free(correct);
}

static void test_values_and_slopes(void **state)
{
	(void)state;
	check(1, 1, 0);
	check(3, 2, 0);
	check(32, 10, 0);
	check(32, 10, 0.1f);
	check(5, 37, 1);
}

static void test_large_logits(void **state)
{
	float x[6] = {1e4f, 0, -1e4f, -1e4f, 0, 1e4f}, d[6];
	int32_t label[2] = {0, 0};
	uint8_t correct[2];
	double loss[2];

	(void)state;
	cross_entropy(loss, correct, d, x, label, 2, 3, 0);
	assert_true(loss[0] == 0 && loss[1] == 2e4);
	assert_true(d[0] == 0 && d[3] == -0.5f && d[5] == 0.5f);
	assert_int_equal(correct[0], 1);
	assert_int_equal(correct[1], 0);
}

static void test_ties_and_nan(void **state)
{
	float x[9] = {2, 2, 1, 2, 2, 1, 3, NAN, 1}, d[9];
	int32_t label[3] = {0, 1, 0};
	uint8_t correct[3];
	double loss[3];

	(void)state;
	cross_entropy(loss, correct, d, x, label, 3, 3, 0.1f);
	assert_int_equal(correct[0], 1); /* the first largest */
	assert_int_equal(correct[1], 0);
	assert_int_equal(correct[2], 0);
	assert_true(isnan(loss[2]) && isnan(d[6]) && !isnan(loss[1]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_and_slopes),
		cmocka_unit_test(test_large_logits),
		cmocka_unit_test(test_ties_and_nan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
