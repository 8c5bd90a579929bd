/*
 * test_winograd.c - Winograd's convolutions, 3x3 of stride 1 and 2 and 7x7 of stride 2: each pass against plain loops in
 * double, over odd shapes and every instruction set
 *
 * Yardstick: relative error in the 2-norm, with sums of up to 80 terms a transform's own: 1.5e-6 (the points of the paper
 * would have 2.5e-6), growing with the root of longer sums. A single element may be off by 6e-6 of the largest.
 */
#include "tests/unit/ref.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NORM_TOL    1.5e-6
#define ELEMENT_TOL 6e-6

struct problem {
	struct conv_shape cs;
	int n;
	size_t x_n, w_n, y_n;
	float *x, *w, *dy, *ws, *bias, *add; /* add: like y */
	double *xd, *wd, *dyd, *want;
	char what[96];
};

static int stride = 1, kernel = 3; /* of the shapes to come */

static struct conv_shape shape_of(int h, int w, int c, int k, int pad)
{
	return (struct conv_shape){.h = h,
				   .w = w,
				   .c = c,
				   .k = k,
				   .r = kernel,
				   .s = kernel,
				   .stride = stride,
				   .pad = pad,
				   .p = (h + 2 * pad - kernel) / stride + 1,
				   .q = (w + 2 * pad - kernel) / stride + 1,
				   .algo = CONV_WINOGRAD};
}

static void setup(struct problem *t, const struct conv_shape *cs, int n)
{
	size_t ws = conv_workspace(cs, n);
	size_t most;

	t->cs = *cs;
	t->n = n;
	t->x_n = (size_t)(n * cs->h * cs->w * cs->c);
	t->w_n = (size_t)(cs->r * cs->s * cs->c * cs->k);
	t->y_n = (size_t)(n * cs->p * cs->q * cs->k);
	most = t->x_n > t->w_n ? t->x_n : t->w_n;
	most = most > t->y_n ? most : t->y_n;
	t->x = ref_random(t->x_n);
	t->w = ref_random(t->w_n);
	t->dy = ref_random(t->y_n);
	t->bias = ref_random((size_t)cs->k);
	t->add = ref_random(t->y_n);
	t->ws = ref_alloc(ws);
	memset(t->ws, 0xff, ws * sizeof(float)); /* NaNs: nothing may leak into a result */
	t->xd = ref_widen(t->x, t->x_n);
	t->wd = ref_widen(t->w, t->w_n);
	t->dyd = ref_widen(t->dy, t->y_n);
	t->want = calloc(most, sizeof(*t->want));
	snprintf(t->what, sizeof(t->what), "%dx %dx%dx%d -> %d %dx%d stride %d pad %d", n, cs->h, cs->w, cs->c, cs->k,
		 cs->r, cs->s, cs->stride, cs->pad);
}

static void teardown(struct problem *t)
{
	void *all[] = {t->x, t->w, t->dy, t->ws, t->bias, t->add, t->xd, t->wd, t->dyd, t->want};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		free(all[i]);
}

static float *nans(size_t n)
{
	return memset(ref_alloc(n), 0xff, n * sizeof(float));
}

/* Checks got (n floats) against t->want and frees it. */
static void check(const struct problem *t, const char *pass, float *got, size_t n)
{
	const int terms = t->cs.c > t->cs.k ? t->cs.c : t->cs.k;
	const double tol = NORM_TOL * sqrt(terms > 80 ? terms / 80.0 : 1);
	double off = 0, norm = 0;
	char what[128];

	snprintf(what, sizeof(what), "%s %s", pass, t->what);
	ref_near(what, got, t->want, n, ELEMENT_TOL);
	for (size_t i = 0; i < n; i++) {
		off += ((double)got[i] - t->want[i]) * ((double)got[i] - t->want[i]);
		norm += t->want[i] * t->want[i];
	}
	if (!(sqrt(off / norm) <= tol))
		fail_msg("%s (%s): relative error %.3g", what, kernels_isa(), sqrt(off / norm));
	free(got);
}

static void check_forward(struct problem *t, bool bias, bool add, bool relu)
{
	const struct conv_tail tail = {bias ? t->bias : NULL, add ? t->add : NULL, relu};
	float *got = nans(t->y_n);

	conv_forward(got, t->x, t->w, &t->cs, t->n, bias || add || relu ? &tail : NULL, t->ws);
	ref_conv_forward(t->want, t->xd, t->wd, &t->cs, t->n);
	for (size_t i = 0; i < t->y_n; i++) {
		t->want[i] += bias ? (double)t->bias[i % (size_t)t->cs.k] : 0;
		t->want[i] += add ? (double)t->add[i] : 0;
		if (relu && t->want[i] < 0)
			t->want[i] = 0;
	}
	check(t, "forward", got, t->y_n);
}

static void check_backward_data(struct problem *t)
{
	float *got = nans(t->x_n), *added = ref_copy(t->x, t->x_n);

	conv_backward_data(got, t->dy, t->w, &t->cs, t->n, false, t->ws);
	ref_conv_backward_data(t->want, t->dyd, t->wd, &t->cs, t->n);
	check(t, "backward-data", got, t->x_n);
	conv_backward_data(added, t->dy, t->w, &t->cs, t->n, true, t->ws);
	for (size_t i = 0; i < t->x_n; i++)
		t->want[i] += t->xd[i];
	check(t, "backward-data added", added, t->x_n);
}

static void check_backward_weights(struct problem *t)
{
	size_t k = (size_t)t->cs.k;
	float *got = nans(t->w_n), *again = nans(t->w_n), *db = nans(k);
	double *db_want = calloc(k, sizeof(*db_want));

	conv_backward_weights(again, db, t->dy, t->x, &t->cs, t->n, t->ws);
	conv_backward_weights(got, NULL, t->dy, t->x, &t->cs, t->n, t->ws);
	ref_same("with and without db", again, got, t->w_n);
	ref_conv_backward_weights(t->want, t->dyd, t->xd, &t->cs, t->n);
	check(t, "backward-weights", got, t->w_n);
	for (size_t i = 0; i < t->y_n; i++)
		db_want[i % k] += t->dyd[i];
	ref_near("db", db, db_want, k, 2e-6);
	free(again);
	free(db);
	free(db_want);
}

static void check_all(int h, int w, int c, int k, int pad, int n)
{
	struct conv_shape cs = shape_of(h, w, c, k, pad);
	struct problem t;

	setup(&t, &cs, n);
	check_forward(&t, false, false, false);
	check_backward_data(&t);
	check_backward_weights(&t);
	teardown(&t);
}

static void channels(void)
{
	static const int count[] = {16, 32, 33, 48, 64, 80};

	for (int i = 0; i < 6; i++)
		for (int j = 0; j < 6; j++)
			check_all(5, 6, count[i], count[j], 1, 1 + 2 * (i == j));
	check_all(6, 5, 1, 3, 1, 3);
	check_all(6, 5, 3, 1, 1, 1);
}

/* Tiles of 4 and of 3, tiles that hang over the edge, maps smaller than a tile, every padding. */
static void geometry(void)
{
	static const int maps[][2] = {{7, 7}, {5, 9}, {14, 14}, {3, 3}, {4, 4}, {1, 8}, {8, 2}, {1, 1}, {16, 27}};

	for (int m = 0; m < 9; m++)
		for (int pad = 0; pad <= 2; pad++)
			if (maps[m][0] + 2 * pad >= 3 && maps[m][1] + 2 * pad >= 3)
				check_all(maps[m][0], maps[m][1], 32, 33, pad, 1 + 2 * (pad & 1));
}

/* More tiles than a block has, more outputs than a chunk (which has 1200 << 10 floats: 36 x 400 x 85), with V of all tiles
 * kept and not. */
static void blocks(void)
{
	check_all(17, 20, 32, 48, 1, 3);
	check_all(14, 11, 32, 48, 1, 9);
	check_all(7, 7, 32, 48, 1, 33);
	check_all(23, 16, 32, 48, 1, 9);
	check_all(5, 4, 400, 100, 1, 2);
	check_all(5, 4, 100, 400, 1, 2);
}

static void tails(void)
{
	for (int bits = 1; bits < 8; bits++) {
		struct conv_shape a = shape_of(7, 5, 32, 32, 1), b = shape_of(4, 9, 32, 37, 0);
		struct problem t;

		setup(&t, &a, 3);
		check_forward(&t, bits & 1, bits & 2, bits & 4);
		teardown(&t);
		setup(&t, &b, 1);
		check_forward(&t, bits & 1, bits & 2, bits & 4);
		teardown(&t);
	}
}

/* Results must not depend on which images share a call, so neither on where in a block a tile comes to lie. */
static void forward_alone(const struct problem *t)
{
	size_t y_1 = t->y_n / (size_t)t->n, x_1 = t->x_n / (size_t)t->n;
	float *all = nans(t->y_n), *one = nans(y_1);

	conv_forward(all, t->x, t->w, &t->cs, t->n, NULL, t->ws);
	for (size_t i = 0; i < (size_t)t->n; i++) {
		conv_forward(one, t->x + i * x_1, t->w, &t->cs, 1, NULL, t->ws);
		ref_same("forward alone", one, all + i * y_1, y_1);
	}
	free(all);
	free(one);
}

static void backward_alone(const struct problem *t)
{
	size_t y_1 = t->y_n / (size_t)t->n, x_1 = t->x_n / (size_t)t->n;
	float *all = nans(t->x_n), *one = nans(x_1);

	conv_backward_data(all, t->dy, t->w, &t->cs, t->n, false, t->ws);
	for (size_t i = 0; i < (size_t)t->n; i++) {
		conv_backward_data(one, t->dy + i * y_1, t->w, &t->cs, 1, false, t->ws);
		ref_same("backward alone", one, all + i * x_1, x_1);
	}
	free(all);
	free(one);
}

static void batch_of_one(void)
{
	struct conv_shape cs = shape_of(9, 6, 32, 48, 1);
	struct problem t;

	setup(&t, &cs, 9);
	forward_alone(&t);
	backward_alone(&t);
	teardown(&t);
}

/* The same bits where a call computes a part of the channels only; these end in the middle of a chunk, too. */
static void parts_of(int c, int k)
{
	const struct conv_shape cs = shape_of(9, 6, c, k, 1);
	const int ends[][3] = {{32, 48, k}, {16, 64, c}};
	float *whole, *got;
	struct problem t;

	setup(&t, &cs, 2);
	for (int pass = 0; pass < 3; pass++) {
		size_t n = pass == 0 ? t.y_n : pass == 1 ? t.x_n : t.w_n;

		whole = nans(n);
		got = nans(n);
		t.cs.from = t.cs.to = 0;
		for (int part = -1; part < 3; part++) {
			float *out = part < 0 ? whole : got;

			if (part >= 0) {
				t.cs.from = part ? t.cs.to : 0;
				t.cs.to = ends[pass == 1][part];
			}
			if (pass == 0)
				conv_forward(out, t.x, t.w, &t.cs, 2, NULL, t.ws);
			else if (pass == 1)
				conv_backward_data(out, t.dy, t.w, &t.cs, 2, false, t.ws);
			else
				conv_backward_weights(out, NULL, t.dy, t.x, &t.cs, 2, t.ws);
		}
		ref_same("in parts", got, whole, n);
		free(whole);
		free(got);
	}
	teardown(&t);
}

static void parts(void)
{
	parts_of(80, 53);
	parts_of(400, 112);
}

/* One workspace serves fewer images as well. */
static void workspace_grows(void)
{
	for (int side = 4; side <= 9; side++) {
		struct conv_shape cs = shape_of(side, 7, 32, 32, 1);

		for (int n = 1; n < 60; n++)
			assert_true(conv_workspace(&cs, n) <= conv_workspace(&cs, n + 1));
	}
}

/* A NaN reaches the outputs that see it, perhaps the rest of their tiles, and no other image. */
static void nan_stays_in_its_image(void)
{
	struct conv_shape cs = shape_of(12, 12, 32, 32, 1);
	const struct conv_tail tail = {.relu = true};
	struct problem t;
	float *got;

	setup(&t, &cs, 3);
	got = nans(t.y_n);
	/* pixel 5, 5 of image 1: seen by pixels of the middle tile alone, or (stride 2) by those in the middle of four */
	t.x[t.x_n / 3 + (5 * 12 + 5) * 32 + 7] = NAN;
	conv_forward(got, t.x, t.w, &cs, 3, &tail, t.ws);
	for (int i = 0; i < 3 * cs.p * cs.q; i++) {
		int image = i / (cs.p * cs.q), row = i / cs.q % cs.p, col = i % cs.q;
		int first = stride == 1 ? 4 : 2, last = stride == 1 ? 6 : 3;
		bool sees = image == 1 && row >= first && row <= last && col >= first && col <= last;
		bool tile = image == 1 &&
			    (stride == 2 || (row >= first && row <= first + 3 && col >= first && col <= first + 3));

		for (int k = 0; k < 32; k++) {
			assert_true(!sees || isnan(got[i * 32 + k]));
			assert_true(tile || !isnan(got[i * 32 + k]));
		}
	}
	free(got);
	teardown(&t);
}

/* ---- 7x7 of stride 2 ---- */

static void stem_channels(void)
{
	static const int outputs[] = {1, 16, 33, 64, 70};

	for (int c = 1; c <= 4; c++)
		for (int i = 0; i < 5; i++)
			check_all(19, 22, c, outputs[i], 3, 1 + i % 2);
}

/* Tiles that hang over the edge, images of one tile, lines that no output reads, every padding; more tiles than a block. */
static void stem_geometry(void)
{
	static const int maps[][2] = {{7, 7}, {8, 7}, {9, 12}, {1, 11}, {12, 2}, {20, 21}, {33, 32}};

	for (int m = 0; m < 7; m++)
		for (int pad = 0; pad <= 6; pad++)
			if (maps[m][0] + 2 * pad >= 7 && maps[m][1] + 2 * pad >= 7)
				check_all(maps[m][0], maps[m][1], 3, 33, pad, 2);
	check_all(64, 60, 3, 64, 3, 2);
}

static void stem_tails(void)
{
	for (int bits = 1; bits < 8; bits++) {
		struct conv_shape cs = shape_of(17, 15, 3, 37, 3);
		struct problem t;

		setup(&t, &cs, 3);
		check_forward(&t, bits & 1, bits & 2, bits & 4);
		teardown(&t);
	}
}

static void stem_alone(void)
{
	struct conv_shape cs = shape_of(19, 16, 3, 48, 3);
	struct problem t;

	setup(&t, &cs, 4);
	forward_alone(&t);
	teardown(&t);
}

/* A NaN in the middle of an image reaches the outputs that see it, and no other image. */
static void stem_nan(void)
{
	struct conv_shape cs = shape_of(20, 20, 3, 16, 3);
	struct problem t;
	float *clean, *got;
	size_t y_1;

	setup(&t, &cs, 3);
	y_1 = t.y_n / 3;
	clean = nans(t.y_n);
	got = nans(t.y_n);
	conv_forward(clean, t.x, t.w, &cs, 3, NULL, t.ws);
	t.x[t.x_n / 3 + (9 * 20 + 9) * 3] = NAN; /* seen by outputs 3 .. 6 of both directions */
	conv_forward(got, t.x, t.w, &cs, 3, NULL, t.ws);
	ref_same("the image before", got, clean, y_1);
	ref_same("the image behind", got + 2 * y_1, clean + 2 * y_1, y_1);
	for (int row = 3; row <= 6; row++)
		for (int col = 3; col <= 6; col++)
			assert_true(isnan(got[y_1 + (size_t)(row * cs.q + col) * 16]));
	free(clean);
	free(got);
	teardown(&t);
}

static void stem_parts(void)
{
	parts_of(3, 53);
}

#define EACH_ISA(test)                                  \
	static void test_##test(void **state)           \
	{                                               \
		(void)state;                            \
		kernel = 3;                             \
		for (stride = 1; stride <= 2; stride++) \
			ref_each_isa(test);             \
	}
#define STEM_EACH_ISA(test)                   \
	static void test_##test(void **state) \
	{                                     \
		(void)state;                  \
		kernel = 7;                   \
		stride = 2;                   \
		ref_each_isa(test);           \
	}
EACH_ISA(channels)
EACH_ISA(geometry)
EACH_ISA(blocks)
EACH_ISA(tails)
EACH_ISA(batch_of_one)
EACH_ISA(parts)
EACH_ISA(workspace_grows)
EACH_ISA(nan_stays_in_its_image)
STEM_EACH_ISA(stem_channels)
STEM_EACH_ISA(stem_geometry)
STEM_EACH_ISA(stem_tails)
STEM_EACH_ISA(stem_alone)
STEM_EACH_ISA(stem_parts)
STEM_EACH_ISA(stem_nan)

static void test_choice(void **state)
{
	struct conv_shape cs;

	(void)state;
	kernel = 3;
	stride = 1;
	cs = shape_of(14, 14, 64, 64, 1);
	assert_int_equal(conv_faster(&cs), CONV_WINOGRAD);
	cs.stride = 3;
	assert_false(conv_winograd_fits(&cs));
	assert_int_equal(conv_faster(&cs), CONV_DIRECT);
	cs = shape_of(14, 14, 8, 64, 1);
	assert_true(conv_winograd_fits(&cs));
	assert_int_equal(conv_faster(&cs), CONV_DIRECT);
	cs = shape_of(2, 2, 64, 64, 1);
	assert_int_equal(conv_faster(&cs), CONV_DIRECT);
	cs = shape_of(14, 14, 64, 64, 3);
	assert_false(conv_winograd_fits(&cs));
	cs = shape_of(14, 14, 64, 64, 1);
	cs.r = 1;
	assert_false(conv_winograd_fits(&cs));
	stride = 2;
	cs = shape_of(14, 14, 32, 32, 1);
	assert_true(conv_winograd_fits(&cs));
	assert_int_equal(conv_faster(&cs), CONV_WINOGRAD);
	cs = shape_of(14, 14, 16, 32, 1);
	assert_int_equal(conv_faster(&cs), CONV_DIRECT);
	cs = shape_of(4, 4, 256, 512, 1);
	assert_int_equal(conv_faster(&cs), CONV_DIRECT);
	kernel = 7;
	cs = shape_of(224, 224, 3, 64, 3);
	assert_int_equal(conv_faster(&cs), CONV_WINOGRAD);
	cs = shape_of(224, 224, 5, 64, 3);
	assert_false(conv_winograd_fits(&cs));
	cs.c = 3;
	cs.stride = 1;
	assert_false(conv_winograd_fits(&cs));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_channels),        cmocka_unit_test(test_geometry),
		cmocka_unit_test(test_blocks),          cmocka_unit_test(test_tails),
		cmocka_unit_test(test_batch_of_one),    cmocka_unit_test(test_nan_stays_in_its_image),
		cmocka_unit_test(test_workspace_grows), cmocka_unit_test(test_parts),
		cmocka_unit_test(test_stem_channels),   cmocka_unit_test(test_stem_geometry),
		cmocka_unit_test(test_stem_tails),      cmocka_unit_test(test_stem_alone),
		cmocka_unit_test(test_stem_parts),      cmocka_unit_test(test_stem_nan),
		cmocka_unit_test(test_choice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
