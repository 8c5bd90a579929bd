/* test_linear.c - the linear layer against plain loops, finite differences, and from inside a parallel region */
#include "tests/unit/ref.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct problem {
	int n, d, o;
	size_t x_n, w_n, y_n;
	float *x, *w, *b, *y, *dy, *dx, *dw, *db;
	double *xd, *wd, *bd, *yd, *want;
};

static void setup(struct problem *t, int n, int d, int o)
{
	*t = (struct problem){.n = n, .d = d, .o = o};
	t->x_n = (size_t)(n * d), t->w_n = (size_t)(o * d), t->y_n = (size_t)(n * o);
	t->x = ref_random(t->x_n), t->w = ref_random(t->w_n), t->b = ref_random((size_t)o);
	t->y = ref_alloc(t->y_n), t->dy = ref_random(t->y_n);
	t->dx = ref_random(t->x_n), t->dw = ref_random(t->w_n), t->db = ref_random((size_t)o);
	t->xd = ref_widen(t->x, t->x_n), t->wd = ref_widen(t->w, t->w_n), t->bd = ref_widen(t->b, (size_t)o);
	t->yd = calloc(t->y_n, sizeof(double));
	t->want = calloc(t->x_n + t->w_n + (size_t)o, sizeof(double));
}

static void teardown(struct problem *t)
{
	void *all[] = {t->x, t->w, t->b, t->y, t->dy, t->dx, t->dw, t->db, t->xd, t->wd, t->bd, t->yd, t->want};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		free(all[i]);
}

static double loss(void *ctx)
{
	struct problem *t = ctx;

	ref_linear(t->yd, t->xd, t->wd, t->bd, t->n, t->d, t->o);
	return ref_dot(t->yd, t->dy, t->y_n);
}

static void check_sums(struct problem *t)
{
	double *dy = ref_widen(t->dy, t->y_n), *dx = t->want, *dw = dx + t->x_n, *db = dw + t->w_n;

	ref_linear_backward(dx, dw, db, dy, t->xd, t->wd, t->n, t->d, t->o);
	ref_near("dx", t->dx, dx, t->x_n, 3e-6);
	ref_near("dw", t->dw, dw, t->w_n, 3e-6);
	ref_near("db", t->db, db, (size_t)t->o, 3e-6);
	free(dy);
}

static void check_slopes(const char *what, struct problem *t, const float *got, double *at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		t->want[i] = ref_slope(loss, t, &at[i], 0.5);
	ref_near(what, got, t->want, n, 3e-6);
}

static void check(int n, int d, int o)
{
	struct problem t;
	float *dx;

	setup(&t, n, d, o);
	linear_forward(t.y, t.x, t.w, t.b, n, d, o);
	ref_linear(t.yd, t.xd, t.wd, t.bd, n, d, o);
	ref_near("y", t.y, t.yd, t.y_n, 3e-6);
	linear_backward(t.dx, t.dw, t.db, t.dy, t.x, t.w, n, d, o);
	check_sums(&t);
	if (n * d * o < 20000) {
		check_slopes("dx by slope", &t, t.dx, t.xd, t.x_n);
		check_slopes("dw by slope", &t, t.dw, t.wd, t.w_n);
		check_slopes("db by slope", &t, t.db, t.bd, (size_t)o);
	}
	dx = ref_copy(t.dx, t.x_n);
	linear_backward(NULL, t.w, t.b, t.dy, t.x, t.w, 0, d, o); /* no rows: gradients are 0 */
	for (size_t i = 0; i < t.w_n; i++)
		assert_true(t.w[i] == 0);
	for (size_t i = 0; i < t.w_n; i++)
		t.w[i] = (float)t.wd[i];
	memset(t.dx, 0, t.x_n * sizeof(float));
	linear_backward(t.dx, NULL, NULL, t.dy, t.x, t.w, n, d, o);
	ref_same("dx alone", t.dx, dx, t.x_n);
	free(dx);
	teardown(&t);
}

static void shapes(void)
{
	check(1, 1, 1);
	check(3, 5, 2);
	check(32, 32, 10);
	check(7, 33, 17);
	check(1, 32, 10);
	check(64, 784, 256);
	check(5, 65, 64); /* a lane more than vectors hold; neither tiles' rows nor columns fill up */
	check(13, 127, 9);
	check(66, 2051, 7);   /* more than a block of rows and a run */
	check(2, 2100, 2000); /* by OpenBLAS */
	assert_true(linear_by_blas(2100, 2000) && !linear_by_blas(784, 256));
}

/* A row's result is the same alone and among others. */
static void rows_do_not_meet(void)
{
	struct problem t;
	float *y;

	setup(&t, 71, 1100, 11);
	y = ref_alloc(t.y_n);
	linear_forward(t.y, t.x, t.w, t.b, 71, 1100, 11);
	for (size_t i = 0; i < 71; i++)
		linear_forward(y + i * 11, t.x + i * 1100, t.w, t.b, 1, 1100, 11);
	ref_same("rows one by one", y, t.y, t.y_n);
	free(y);
	teardown(&t);
}

static void nan_is_seen(void)
{
	struct problem t;

	setup(&t, 4, 32, 10);
	t.x[2 * 32 + 7] = NAN;
	t.w[3 * 32 + 5] = 0;
	linear_forward(t.y, t.x, t.w, t.b, 4, 32, 10);
	for (int i = 0; i < 4; i++)
		for (int j = 0; j < 10; j++)
			assert_int_equal(isnan(t.y[i * 10 + j]) != 0, i == 2);
	memset(t.dy, 0, t.y_n * sizeof(float)); /* 0 * NaN counts too */
	linear_backward(t.dx, t.dw, t.db, t.dy, t.x, t.w, 4, 32, 10);
	assert_true(isnan(t.dw[7]) && !isnan(t.dw[8]));
	teardown(&t);
}

static void same_bits_in_parallel(void)
{
	struct problem t;
	float *ys;

	setup(&t, 48, 300, 70);
	ys = ref_alloc(4 * t.y_n);
	linear_forward(t.y, t.x, t.w, t.b, 48, 300, 70);
#pragma omp parallel for num_threads(4)
	for (int i = 0; i < 4; i++)
		linear_forward(ys + (size_t)i * t.y_n, t.x, t.w, t.b, 48, 300, 70);
	for (size_t i = 0; i < 4; i++)
		ref_same("y in a parallel region", ys + i * t.y_n, t.y, t.y_n);
	free(ys);
	teardown(&t);
}

#define EACH_ISA(test)                        \
	static void test_##test(void **state) \
	{                                     \
		(void)state;                  \
		ref_each_isa(test);           \
	}
EACH_ISA(shapes)
EACH_ISA(rows_do_not_meet)
EACH_ISA(nan_is_seen)
EACH_ISA(same_bits_in_parallel)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_rows_do_not_meet),
		cmocka_unit_test(test_nan_is_seen),
		cmocka_unit_test(test_same_bits_in_parallel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
