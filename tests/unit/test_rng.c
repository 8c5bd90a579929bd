/* test_rng.c - engine/base/rng: the published vectors, and numbers that depend on nothing but their key. */
#include "engine/base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

/* Random123's kat_vectors, "philox 4x32 10". */
static void published_vectors(void **state)
{
	static const uint32_t counter[3][4] = {
		{0, 0, 0, 0},
		{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
		{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
	};
	static const uint32_t key[3][2] = {{0, 0}, {0xffffffff, 0xffffffff}, {0xa4093822, 0x299f31d0}};
	static const uint32_t expect[3][4] = {
		{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
		{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
		{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1},
	};
	uint32_t out[4];

	(void)state;
	for (int i = 0; i < 3; i++) {
		rng_philox(out, counter[i], key[i]);
		assert_memory_equal(out, expect[i], sizeof(out));
	}
}

static void permutation_holds_each_once(void **state)
{
	uint32_t order[480];
	uint32_t again[480];
	uint8_t seen[480] = {0};

	(void)state;
	rng_permutation(order, 480, 3, RNG_ORDER, 7);
	for (int i = 0; i < 480; i++) {
		assert_true(order[i] < 480 && !seen[order[i]]);
		seen[order[i]] = 1;
	}
	rng_permutation(again, 480, 3, RNG_ORDER, 7);
	assert_memory_equal(order, again, sizeof(order));
	rng_permutation(again, 480, 3, RNG_ORDER, 8);
	assert_memory_not_equal(order, again, sizeof(order));
	rng_permutation(again, 480, 4, RNG_ORDER, 7);
	assert_memory_not_equal(order, again, sizeof(order));
}

/* Chi-squared over the 24 orders of four things: 23 degrees of freedom, 99.99 % quantile 58.6. */
static void permutations_are_uniform(void **state)
{
	int count[256] = {0};
	double chi2 = 0;
	int orders = 0;
	uint32_t p[4];

	(void)state;
	for (uint64_t i = 0; i < 24000; i++) {
		rng_permutation(p, 4, 1, RNG_ORDER, i);
		count[p[0] * 64 + p[1] * 16 + p[2] * 4 + p[3]]++;
	}
	for (int i = 0; i < 256; i++) {
		if (!count[i])
			continue;
		orders++;
		chi2 += (count[i] - 1000.0) * (count[i] - 1000.0) / 1000.0;
	}
	assert_int_equal(orders, 24);
	assert_true(chi2 < 58.6);
}

static void check_moments(const float *x, int n, double mean, double var)
{
	double sum = 0;
	double sum2 = 0;

	for (int i = 0; i < n; i++)
		sum += (double)x[i];
	for (int i = 0; i < n; i++)
		sum2 += ((double)x[i] - sum / n) * ((double)x[i] - sum / n);
	assert_true(fabs(sum / n - mean) < 5 * sqrt(var / n));
	assert_true(fabs(sum2 / n - var) < 0.03 * var);
}

static void moments(void **state)
{
	static float x[100000];

	(void)state;
	rng_normal(x, 100000, 5, RNG_INIT, 2);
	check_moments(x, 100000, 0, 1);
	rng_uniform(x, 100000, -2, 4, 5, RNG_INIT, 2);
	check_moments(x, 100000, 1, 3);
	for (int i = 0; i < 100000; i++)
		assert_true(x[i] >= -2 && x[i] < 4);
}

static void mask_keeps_its_share(void **state)
{
	static uint8_t mask[100000];
	int kept = 0;

	(void)state;
	rng_mask(mask, 100000, 0.3, 9, RNG_DROPOUT, 1ull << 32 | 5);
	for (int i = 0; i < 100000; i++)
		kept += mask[i];
	assert_true(abs(kept - 70000) < 5 * 145); /* sd = sqrt(n p q) = 145 */
}

/* A shorter draw is the head of a longer one: nothing depends on how many were asked for. */
static void prefix(void **state)
{
	float a[101];
	float b[7];

	(void)state;
	rng_normal(a, 101, 5, RNG_INIT, 2);
	rng_normal(b, 7, 5, RNG_INIT, 2);
	assert_memory_equal(a, b, sizeof(b));
	rng_normal(b, 7, 5, RNG_FAKE_IMAGE, 2);
	assert_memory_not_equal(a, b, sizeof(b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_vectors),        cmocka_unit_test(permutation_holds_each_once),
		cmocka_unit_test(permutations_are_uniform), cmocka_unit_test(moments),
		cmocka_unit_test(mask_keeps_its_share),     cmocka_unit_test(prefix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
