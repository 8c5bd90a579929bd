/* test_conv_pool.c - a convolution and its max pooling at once against one after the other, with every instruction set */
#include "tests/unit/ref.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/kernels/split.h"

struct problem {
	struct conv_shape cs;
	struct pool_shape ps;
	int n;
	bool relu, biased;
	size_t x_n, w_n, map_n, y_n;
	float *x, *w, *bias, *map, *y, *dy, *dmap, *dw, *db;
	uint8_t *arg;
	struct crew crew;
};

static void setup(struct problem *t, int h, int w, int c, int k, int pad, int n)
{
	struct conv_shape cs = {.h = h, .w = w, .c = c, .k = k, .r = 3, .s = 3, .stride = 1, .pad = pad};

	cs.p = h + 2 * pad - 2;
	cs.q = w + 2 * pad - 2;
	*t = (struct problem){.cs = cs, .n = n};
	t->ps = (struct pool_shape){.h = cs.p, .w = cs.q, .c = k, .r = 2, .stride = 2, .p = cs.p / 2, .q = cs.q / 2};
	t->x_n = (size_t)(n * h * w * c);
	t->w_n = (size_t)(9 * c * k);
	t->map_n = (size_t)(n * cs.p * cs.q * k);
	t->y_n = (size_t)(n * t->ps.p * t->ps.q * k);
	t->x = ref_random(t->x_n);
	t->w = ref_random(t->w_n);
	t->bias = ref_random((size_t)k);
	t->map = ref_alloc(t->map_n);
	t->y = ref_alloc(t->y_n);
	t->dy = ref_random(t->y_n);
	t->dmap = ref_alloc(t->map_n);
	t->dw = ref_alloc(t->w_n);
	t->db = ref_alloc((size_t)k);
	t->arg = malloc(t->y_n);
	t->crew.threads = 1;
	t->crew.ws_floats = split_conv_pool_workspace(&cs);
	t->crew.ws = ref_alloc(t->crew.ws_floats);
	assert_true(conv_pool_fits(&t->cs, &t->ps));
}

static void teardown(struct problem *t)
{
	void *all[] = {t->x, t->w, t->bias, t->map, t->y, t->dy, t->dmap, t->dw, t->db, t->arg, t->crew.ws};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		free(all[i]);
}

/* The convolution, the pooling and ReLU by their own kernels: to the bit. */
static void check_forward(struct problem *t)
{
	const struct conv_tail tail = {.bias = t->biased ? t->bias : NULL};
	float *ws = ref_alloc(conv_workspace(&t->cs, t->n)), *y = ref_alloc(t->y_n);
	uint8_t *arg = malloc(t->y_n);

	conv_forward(t->map, t->x, t->w, &t->cs, t->n, &tail, ws);
	maxpool_forward(y, arg, t->map, &t->ps, t->n);
	if (t->relu)
		relu_forward(y, y, (int64_t)t->y_n);
	split_conv_pool_forward(&t->crew, t->y, t->arg, t->x, t->w, tail.bias, &t->cs, &t->ps, t->relu, t->n);
	ref_same("conv and pool", t->y, y, t->y_n);
	assert_memory_equal(t->arg, arg, t->y_n);
	free(ws);
	free(y);
	free(arg);
}

static void check_backward(struct problem *t)
{
	double *dw = calloc(t->w_n, sizeof(double)), *db = calloc((size_t)t->cs.k, sizeof(double)), *dmap, *x;
	float *stopped = ref_copy(t->dy, t->y_n);

	if (t->relu)
		relu_backward(stopped, stopped, t->y, (int64_t)t->y_n);
	maxpool_backward(t->dmap, stopped, t->arg, &t->ps, t->n);
	dmap = ref_widen(t->dmap, t->map_n);
	x = ref_widen(t->x, t->x_n);
	ref_conv_backward_weights(dw, dmap, x, &t->cs, t->n);
	for (size_t i = 0; i < t->map_n; i++)
		db[i % (size_t)t->cs.k] += dmap[i];
	split_conv_pool_backward_weights(&t->crew, t->dw, t->biased ? t->db : NULL, t->dy, t->relu ? t->y : NULL,
					 t->arg, t->x, &t->cs, &t->ps, t->n);
	ref_near("dw through the pool", t->dw, dw, t->w_n, 1e-5);
	if (t->biased)
		ref_near("db through the pool", t->db, db, (size_t)t->cs.k, 1e-5);
	free(dw);
	free(db);
	free(dmap);
	free(x);
	free(stopped);
}

/* Odd maps leave a row or column out; more images than strips; windows that do not fill a tile. */
static void shapes(void)
{
	static const int shape[][6] = {/* h, w, c, k, pad, n */
				       {4, 4, 1, 16, 1, 1},   {5, 7, 1, 16, 1, 2},    {6, 11, 3, 32, 0, 3},
				       {9, 20, 1, 48, 2, 33}, {28, 28, 1, 32, 1, 70}, {13, 12, 3, 16, 1, 5}};

	for (size_t i = 0; i < sizeof(shape) / sizeof(shape[0]); i++) {
		for (int variant = 0; variant < 4; variant++) {
			const int *s = shape[i];
			struct problem t;

			setup(&t, s[0], s[1], s[2], s[3], s[4], s[5]);
			t.relu = variant & 1;
			t.biased = variant & 2;
			check_forward(&t);
			check_backward(&t);
			teardown(&t);
		}
	}
}

/* A NaN wins and is passed on, the first of equals wins; all is as the kernels one by one have it. */
static void ties_and_nan(void)
{
	struct problem t;

	setup(&t, 8, 10, 1, 16, 1, 2);
	t.relu = t.biased = true;
	for (size_t i = 0; i < t.x_n / 2; i++)
		t.x[i] = 0.5f;
	t.x[t.x_n - 13] = NAN;
	check_forward(&t);
	split_conv_pool_backward_weights(&t.crew, t.dw, t.db, t.dy, t.y, t.arg, t.x, &t.cs, &t.ps, t.n);
	assert_true(isnan(t.dw[4 * 16]));
	teardown(&t);
}

static void all_shapes(void **state)
{
	(void)state;
	ref_each_isa(shapes);
}

static void all_ties(void **state)
{
	(void)state;
	ref_each_isa(ties_and_nan);
}

static void fits_what_it_says(void **state)
{
	struct conv_shape cs = {.h = 8, .w = 8, .c = 1, .k = 32, .r = 3, .s = 3, .stride = 1, .pad = 1, .p = 8, .q = 8};
	struct pool_shape ps = {.h = 8, .w = 8, .c = 32, .r = 2, .stride = 2, .p = 4, .q = 4};

	(void)state;
	assert_true(conv_pool_fits(&cs, &ps));
	cs.k = 24;
	assert_false(conv_pool_fits(&cs, &ps));
	cs.k = 32, cs.c = 2;
	assert_false(conv_pool_fits(&cs, &ps));
	cs.c = 3, cs.algo = CONV_WINOGRAD;
	assert_false(conv_pool_fits(&cs, &ps));
	cs.algo = CONV_DIRECT, ps.r = 3;
	assert_false(conv_pool_fits(&cs, &ps));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_shapes),
		cmocka_unit_test(all_ties),
		cmocka_unit_test(fits_what_it_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
