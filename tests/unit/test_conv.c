/* test_conv.c - convolution: each pass against plain loops in double, over odd shapes and every instruction set */
#include "tests/unit/ref.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <math.h>

static struct conv_shape shape_of(int h, int w, int c, int k, int r, int s, int stride, int pad)
{
	struct conv_shape cs = {.h = h, .w = w, .c = c, .k = k, .r = r, .s = s, .stride = stride, .pad = pad};

	cs.p = h + 2 * pad < r ? 0 : (h + 2 * pad - r) / stride + 1;
	cs.q = w + 2 * pad < s ? 0 : (w + 2 * pad - s) / stride + 1;
	return cs;
}

struct problem {
	struct conv_shape cs;
	int n;
	size_t x_n, w_n, y_n;
	float *x, *w, *dy, *ws, *bias, *add; /* add: like y */
	double *xd, *wd, *dyd;
	double *want; /* as long as the longest */
	float *got;
	char what[160];
};

static size_t longest(size_t a, size_t b, size_t c)
{
	size_t m = a > b ? a : b;

	return m > c ? m : c;
}

static void setup(struct problem *t, const struct conv_shape *cs, int n)
{
	size_t most;

	t->cs = *cs;
	t->n = n;
	t->x_n = (size_t)(n * cs->h * cs->w * cs->c);
	t->w_n = (size_t)(cs->r * cs->s * cs->c * cs->k);
	t->y_n = (size_t)(n * cs->p * cs->q * cs->k);
	most = longest(t->x_n, t->w_n, t->y_n);
	t->x = ref_random(t->x_n);
	t->w = ref_random(t->w_n);
	t->dy = ref_random(t->y_n);
	t->bias = ref_random((size_t)cs->k);
	t->add = ref_random(t->y_n);
	t->ws = ref_alloc(conv_workspace(cs, n));
	memset(t->ws, 0xff, conv_workspace(cs, n) * sizeof(float)); /* NaNs: nothing may leak into a result */
	t->xd = ref_widen(t->x, t->x_n);
	t->wd = ref_widen(t->w, t->w_n);
	t->dyd = ref_widen(t->dy, t->y_n);
	t->want = calloc(most, sizeof(*t->want));
	t->got = ref_alloc(most);
	memset(t->got, 0xff, most * sizeof(float));
	snprintf(t->what, sizeof(t->what), "%dx %dx%dx%d -> %d, %dx%d/%d pad %d", n, cs->h, cs->w, cs->c, cs->k, cs->r,
		 cs->s, cs->stride, cs->pad);
}

static void teardown(struct problem *t)
{
	void *all[] = {t->x, t->w, t->dy, t->ws, t->bias, t->add, t->xd, t->wd, t->dyd, t->want, t->got};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		free(all[i]);
}

static void check_exact_size(struct problem *t, size_t n)
{
	free(t->got);
	t->got = ref_alloc(n);
	memset(t->got, 0xff, n * sizeof(float));
}

static void check_forward(struct problem *t)
{
	check_exact_size(t, t->y_n);
	conv_forward(t->got, t->x, t->w, &t->cs, t->n, NULL, t->ws);
	ref_conv_forward(t->want, t->xd, t->wd, &t->cs, t->n);
	ref_near(t->what, t->got, t->want, t->y_n, 2e-6);
}

static void check_tail(struct problem *t, bool bias, bool add, bool relu)
{
	struct conv_tail tail = {bias ? t->bias : NULL, add ? t->add : NULL, relu};

	check_exact_size(t, t->y_n);
	conv_forward(t->got, t->x, t->w, &t->cs, t->n, &tail, t->ws);
	ref_conv_forward(t->want, t->xd, t->wd, &t->cs, t->n);
	for (size_t i = 0; i < t->y_n; i++) {
		t->want[i] += bias ? (double)t->bias[i % (size_t)t->cs.k] : 0;
		t->want[i] += add ? (double)t->add[i] : 0;
		if (relu && t->want[i] < 0)
			t->want[i] = 0;
	}
	ref_near(t->what, t->got, t->want, t->y_n, 2e-6);
}

static void check_backward_data(struct problem *t)
{
	check_exact_size(t, t->x_n);
	conv_backward_data(t->got, t->dy, t->w, &t->cs, t->n, false, t->ws);
	ref_conv_backward_data(t->want, t->dyd, t->wd, &t->cs, t->n);
	ref_near(t->what, t->got, t->want, t->x_n, 2e-6);

	memcpy(t->got, t->x, t->x_n * sizeof(float));
	conv_backward_data(t->got, t->dy, t->w, &t->cs, t->n, true, t->ws);
	for (size_t i = 0; i < t->x_n; i++)
		t->want[i] += t->xd[i];
	ref_near(t->what, t->got, t->want, t->x_n, 2e-6);
}

static void check_backward_weights(struct problem *t)
{
	size_t k = (size_t)t->cs.k;
	float *db = ref_alloc(k);
	double *db_want = calloc(k, sizeof(*db_want));

	check_exact_size(t, t->w_n);
	conv_backward_weights(t->got, db, t->dy, t->x, &t->cs, t->n, t->ws);
	ref_conv_backward_weights(t->want, t->dyd, t->xd, &t->cs, t->n);
	ref_near(t->what, t->got, t->want, t->w_n, 3e-6);
	for (size_t i = 0; i < t->y_n; i++)
		db_want[i % k] += t->dyd[i];
	ref_near("db", db, db_want, k, 2e-6);

	memset(t->got, 0xff, t->w_n * sizeof(float));
	conv_backward_weights(t->got, NULL, t->dy, t->x, &t->cs, t->n, t->ws);
	ref_near(t->what, t->got, t->want, t->w_n, 3e-6);
	free(db);
	free(db_want);
}

static void check_all(const struct conv_shape *cs, int n)
{
	struct problem t;

	setup(&t, cs, n);
	check_forward(&t);
	check_backward_data(&t);
	check_backward_weights(&t);
	teardown(&t);
}

static void channels(void)
{
	static const int cs[] = {1, 2, 3, 5, 8, 17, 33}, ks[] = {1, 3, 8, 10, 16, 24, 40};

	for (size_t i = 0; i < sizeof(cs) / sizeof(cs[0]); i++)
		for (size_t j = 0; j < sizeof(ks) / sizeof(ks[0]); j++) {
			struct conv_shape a = shape_of(7, 7, cs[i], ks[j], 3, 3, 1, 1);
			struct conv_shape b = shape_of(5, 9, cs[i], ks[j], 3, 3, 2, 1);
			struct conv_shape d = shape_of(1, 1, cs[i], ks[j], 1, 1, 1, 0);

			check_all(&a, 3);
			check_all(&b, 1);
			check_all(&d, 3);
		}
}

/* Every kernel, stride and padding on square, oblong and one-pixel maps, where there is an output at all. */
static void geometry(void)
{
	static const int kernels[] = {1, 2, 3, 5, 7}, maps[][2] = {{7, 7}, {5, 9}, {1, 1}, {4, 4}, {14, 13}};

	for (int m = 0; m < 5; m++)
		for (int i = 0; i < 5; i++)
			for (int stride = 1; stride <= 3; stride++)
				for (int pad = 0; pad <= 3; pad++) {
					struct conv_shape s = shape_of(maps[m][0], maps[m][1], 3, 10, kernels[i],
								       kernels[i], stride, pad);

					if (s.p > 0 && s.q > 0)
						check_all(&s, 1 + 2 * (pad & 1));
				}
}

static void oblong_kernels(void)
{
	struct conv_shape a = shape_of(6, 11, 5, 8, 1, 4, 1, 2), b = shape_of(9, 5, 2, 17, 5, 2, 3, 0);

	check_all(&a, 2);
	check_all(&b, 2);
}

/* Wide panels, more images than a block of the workspace holds, and images of more rows. */
static void blocks(void)
{
	struct conv_shape a = shape_of(28, 28, 8, 32, 3, 3, 1, 1), b = shape_of(14, 14, 64, 96, 3, 3, 2, 1);
	struct conv_shape c = shape_of(61, 50, 24, 72, 3, 3, 1, 1), d = shape_of(128, 128, 3, 64, 7, 7, 2, 3);

	check_all(&a, 17);
	check_all(&b, 7);
	check_all(&c, 2);
	check_all(&d, 2);
}

static void tails(void)
{
	static const int ks[] = {3, 8, 16, 40};

	for (int i = 0; i < 4; i++)
		for (int bits = 0; bits < 8; bits++) {
			struct conv_shape cs = shape_of(7, 5, 3, ks[i], 3, 3, 1, 1);
			struct problem t;

			setup(&t, &cs, 3);
			check_tail(&t, bits & 1, bits & 2, bits & 4);
			teardown(&t);
		}
}

/* Results must not depend on which images share a call. */
static void batch_of_one(void)
{
	struct conv_shape cs = shape_of(9, 6, 5, 16, 3, 3, 2, 1);
	struct problem t;
	size_t y_1, x_1;
	float *one;

	setup(&t, &cs, 5);
	y_1 = t.y_n / 5;
	x_1 = t.x_n / 5;
	one = ref_alloc(y_1 > x_1 ? y_1 : x_1);
	conv_forward(t.got, t.x, t.w, &cs, 5, NULL, t.ws);
	for (size_t i = 0; i < 5; i++) {
		conv_forward(one, t.x + i * x_1, t.w, &cs, 1, NULL, t.ws);
		ref_same("forward alone", one, t.got + i * y_1, y_1);
	}
	conv_backward_data(t.got, t.dy, t.w, &cs, 5, false, t.ws);
	for (size_t i = 0; i < 5; i++) {
		conv_backward_data(one, t.dy + i * y_1, t.w, &cs, 1, false, t.ws);
		ref_same("backward alone", one, t.got + i * x_1, x_1);
	}
	free(one);
	teardown(&t);
}

/* A NaN reaches the outputs that see it, and no other image. */
static void nan_stays_in_its_image(void)
{
	struct conv_shape cs = shape_of(7, 7, 3, 8, 3, 3, 1, 1);
	struct conv_tail tail = {NULL, NULL, true};
	struct problem t;
	size_t y_1, nans = 0;

	setup(&t, &cs, 3);
	y_1 = t.y_n / 3;
	t.x[t.x_n / 3 + 24 * 3] = NAN; /* the middle of image 1 */
	conv_forward(t.got, t.x, t.w, &cs, 3, &tail, t.ws);
	for (size_t i = 0; i < t.y_n; i++) {
		nans += isnan(t.got[i]) != 0;
		assert_true(!isnan(t.got[i]) || i / y_1 == 1);
	}
	assert_int_equal(nans, 9 * 8);
	teardown(&t);
}

struct slope {
	struct problem *t;
	double *y;
};

static double loss(void *ctx)
{
	struct slope *s = ctx;

	ref_conv_forward(s->y, s->t->xd, s->t->wd, &s->t->cs, s->t->n);
	return ref_dot(s->y, s->t->dy, s->t->y_n);
}

static void finite_differences(void)
{
	struct conv_shape cs = shape_of(5, 4, 3, 5, 3, 2, 2, 1);
	struct problem t;
	struct slope s = {.t = &t};

	setup(&t, &cs, 2);
	s.y = calloc(t.y_n, sizeof(double));
	conv_backward_data(t.got, t.dy, t.w, &cs, 2, false, t.ws);
	for (size_t i = 0; i < t.x_n; i++)
		t.want[i] = ref_slope(loss, &s, &t.xd[i], 0.5);
	ref_near("dx by slope", t.got, t.want, t.x_n, 2e-6);
	conv_backward_weights(t.got, NULL, t.dy, t.x, &cs, 2, t.ws);
	for (size_t i = 0; i < t.w_n; i++)
		t.want[i] = ref_slope(loss, &s, &t.wd[i], 0.5);
	ref_near("dw by slope", t.got, t.want, t.w_n, 2e-6);
	free(s.y);
	teardown(&t);
}

#define EACH_ISA(test)                        \
	static void test_##test(void **state) \
	{                                     \
		(void)state;                  \
		ref_each_isa(test);           \
	}
EACH_ISA(channels)
EACH_ISA(geometry)
EACH_ISA(oblong_kernels)
EACH_ISA(blocks)
EACH_ISA(tails)
EACH_ISA(batch_of_one)
EACH_ISA(nan_stays_in_its_image)
EACH_ISA(finite_differences)

static void test_unknown_isa(void **state)
{
	struct err e;

	(void)state;
	setenv("GAPSWEEP_ISA", "mmx", 1);
	assert_int_equal(kernels_init(&e), ERR_USAGE);
	assert_non_null(strstr(e.msg, "mmx"));
	unsetenv("GAPSWEEP_ISA");
	assert_int_equal(kernels_init(&e), 0);
	assert_non_null(strstr(kernels_blas(), "OpenBLAS"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_channels),
		cmocka_unit_test(test_geometry),
		cmocka_unit_test(test_oblong_kernels),
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_tails),
		cmocka_unit_test(test_batch_of_one),
		cmocka_unit_test(test_nan_stays_in_its_image),
		cmocka_unit_test(test_finite_differences),
		cmocka_unit_test(test_unknown_isa),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
