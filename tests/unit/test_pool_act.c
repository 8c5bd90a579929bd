/* test_pool_act.c - pools, ReLU, addition, dropout against plain loops, with every instruction set */
#include "tests/unit/ref.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct pool_shape shape_of(int h, int w, int c, int r, int stride, int pad)
{
	struct pool_shape ps = {.h = h, .w = w, .c = c, .r = r, .stride = stride, .pad = pad};

	ps.p = (h + 2 * pad - r) / stride + 1;
	ps.q = (w + 2 * pad - r) / stride + 1;
	return ps;
}

struct problem {
	struct pool_shape ps;
	int n;
	bool max;
	size_t x_n, y_n;
	float *x, *y, *dy, *dx;
	double *xd, *yd, *want;
	uint8_t *arg;
};

static void setup(struct problem *t, const struct pool_shape *ps, int n, bool max)
{
	t->ps = *ps;
	t->n = n;
	t->max = max;
	t->x_n = (size_t)(n * ps->h * ps->w * ps->c);
	t->y_n = (size_t)(n * ps->p * ps->q * ps->c);
	t->x = ref_random(t->x_n);
	t->y = ref_alloc(t->y_n);
	t->dy = ref_random(t->y_n);
	t->dx = ref_random(t->x_n);
	t->xd = ref_widen(t->x, t->x_n);
	t->yd = calloc(t->y_n, sizeof(double));
	t->want = calloc(t->x_n, sizeof(double));
	t->arg = malloc(t->y_n);
}

static void teardown(struct problem *t)
{
	void *all[] = {t->x, t->y, t->dy, t->dx, t->xd, t->yd, t->want, t->arg};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		free(all[i]);
}

static double loss(void *ctx)
{
	struct problem *t = ctx;

	ref_pool(t->yd, t->xd, &t->ps, t->n, t->max);
	return ref_dot(t->yd, t->dy, t->y_n);
}

static void check_pool(const struct pool_shape *ps, int n, bool max)
{
	struct problem t;

	setup(&t, ps, n, max);
	if (max)
		maxpool_forward(t.y, t.arg, t.x, ps, n);
	else
		avgpool_forward(t.y, t.x, ps, n);
	ref_pool(t.yd, t.xd, ps, n, max);
	ref_near(max ? "max" : "avg", t.y, t.yd, t.y_n, 1e-6);
	if (max)
		maxpool_backward(t.dx, t.dy, t.arg, ps, n);
	else
		avgpool_backward(t.dx, t.dy, ps, n);
	for (size_t i = 0; i < t.x_n; i++)
		t.want[i] = ref_slope(loss, &t, &t.xd[i], 1e-8);
	ref_near("pool dx by slope", t.dx, t.want, t.x_n, 1e-5);
	teardown(&t);
}

static void pools(void)
{
	for (int r = 1; r <= 3; r++)
		for (int stride = 1; stride <= 3; stride++)
			for (int pad = 0; pad <= r / 2; pad++)
				for (int c = 1; c <= 19; c += 9) {
					struct pool_shape ps = shape_of(5, 7, c, r, stride, pad);

					check_pool(&ps, 2, true);
					check_pool(&ps, 2, false);
				}
}

/* Whole vectors of channels; windows that tile the map, that leave some of it, that overlap, that stick out. */
static void pools_of_whole_vectors(void)
{
	const struct pool_shape shapes[] = {
		shape_of(4, 6, 32, 2, 2, 0), shape_of(5, 6, 16, 2, 2, 0), shape_of(4, 7, 16, 2, 2, 0),
		shape_of(5, 5, 16, 2, 1, 0), shape_of(4, 4, 16, 2, 2, 1), shape_of(6, 6, 16, 3, 3, 0),
		shape_of(7, 6, 32, 3, 2, 1),
	};

	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		check_pool(&shapes[i], 3, true);
}

/* A window of 2 x 2 with c channels, of which the first nine differ. */
static void check_ties_and_nan(int c)
{
	struct pool_shape ps = shape_of(2, 2, c, 2, 2, 0);
	float x[4 * 17], y[17], dy[17], dx[4 * 17];
	uint8_t arg[17];

	for (int i = 0; i < 4 * c; i++)
		x[i] = -1;
	x[2 * c + 5] = 3, x[3 * c + 5] = 3; /* a tie: the first wins */
	x[1 * c + 6] = NAN, x[3 * c + 6] = 9;
	x[7] = NAN;
	x[8] = -INFINITY, x[c + 8] = -INFINITY, x[2 * c + 8] = -INFINITY, x[3 * c + 8] = -INFINITY;
	maxpool_forward(y, arg, x, &ps, 1);
	assert_int_equal(arg[5], 2);
	assert_true(isnan(y[6]) && isnan(y[7]));
	assert_int_equal(arg[6], 1);
	assert_int_equal(arg[7], 0);
	assert_true(y[8] == -INFINITY && arg[8] == 0);
	assert_true(y[0] == -1 && arg[0] == 0);
	for (int k = 0; k < c; k++)
		dy[k] = k == 4 ? NAN : 2;
	maxpool_backward(dx, dy, arg, &ps, 1);
	for (int i = 0; i < 4; i++)
		for (int k = 0; k < c; k++)
			assert_true(i == arg[k] ? k == 4 ? isnan(dx[i * c + k]) : dx[i * c + k] == 2
						: dx[i * c + k] == 0);
}

static void maxpool_ties_and_nan(void)
{
	check_ties_and_nan(16);
	check_ties_and_nan(17);
}

static void check_global(int n, int hw, int c)
{
	size_t x_n = (size_t)(n * hw * c), y_n = (size_t)(n * c);
	float *x = ref_random(x_n), *y = ref_alloc(y_n), *dy = ref_random(y_n), *dx = ref_alloc(x_n);
	double *want = calloc(x_n, sizeof(double));

	for (size_t i = 0; i < x_n; i++)
		want[i / (size_t)(hw * c) * (size_t)c + i % (size_t)c] += (double)x[i] / hw;
	global_avgpool_forward(y, x, n, hw, c);
	ref_near("global", y, want, y_n, 1e-6);
	global_avgpool_backward(dx, dy, n, hw, c);
	for (size_t i = 0; i < x_n; i++)
		want[i] = (double)dy[i / (size_t)(hw * c) * (size_t)c + i % (size_t)c] / hw;
	ref_near("global dx", dx, want, x_n, 1e-6);
	free(x), free(y), free(dy), free(dx), free(want);
}

static void global_pools(void)
{
	check_global(3, 16, 32);
	check_global(2, 49, 17);
	check_global(1, 1, 1);
	check_global(2, 7, 70);
}

static const float special[] = {-1, -0.0f, 0, 1, NAN, INFINITY, -INFINITY, 1e-40f, -1e-40f};
enum { N_SPECIAL = 9, LONG = 99 };

/* The value at every position of a vector and in the tail. */
static void relu(void)
{
	for (int n = 1; n <= LONG; n += 7) {
		float *x = ref_alloc((size_t)n), *y = ref_alloc((size_t)n), *dy = ref_random((size_t)n);
		float *dx = ref_alloc((size_t)n);

		for (int i = 0; i < n; i++)
			x[i] = special[i % N_SPECIAL];
		relu_forward(y, x, n);
		relu_backward(dx, dy, y, n);
		for (int i = 0; i < n; i++) {
			assert_true(isnan(x[i]) ? isnan(y[i]) : y[i] == (x[i] > 0 ? x[i] : 0));
			if (!isnan(x[i]))
				assert_true(dx[i] == (x[i] > 0 ? dy[i] : 0));
		}
		relu_forward(x, x, n);
		ref_same("relu in place", x, y, (size_t)n);
		relu_backward(dy, dy, y, n);
		ref_same("relu gradient in place", dy, dx, (size_t)n);
		free(x), free(y), free(dy), free(dx);
	}
}

static void add(void)
{
	for (size_t n = 1; n <= LONG; n += 7) {
		float *a = ref_random(n), *b = ref_random(n), *y = ref_alloc(n);

		add_forward(y, a, b, (int64_t)n);
		for (size_t i = 0; i < n; i++)
			assert_true(y[i] == a[i] + b[i]);
		add_forward(a, a, b, (int64_t)n);
		ref_same("add in place", a, y, n);
		free(a), free(b), free(y);
	}
}

static void dropout(void)
{
	for (size_t n = 1; n <= LONG; n += 7) {
		float *x = ref_random(n), *y = ref_alloc(n);
		uint8_t *mask = malloc(n);

		for (size_t i = 0; i < n; i++)
			mask[i] = ref_uniform() < 0.7;
		mask[0] = 0;
		x[n - 1] = INFINITY;
		mask[n - 1] = 0;
		dropout_apply(y, x, mask, 0.3f, (int64_t)n);
		for (size_t i = 0; i + 1 < n; i++)
			assert_true(fabsf(y[i] - (mask[i] ? x[i] / 0.7f : 0)) < 1e-6f);
		assert_true(isnan(y[n - 1])); /* Inf * 0, as in torch */
		dropout_apply(x, x, mask, 0.3f, (int64_t)n);
		for (size_t i = 0; i + 1 < n; i++)
			assert_true(x[i] == y[i]);
		free(x), free(y), free(mask);
	}
}

/* The layers without a double twin: gradient against the central difference of the forward pass itself. */
enum { G_IMAGES = 3, G_HW = 5, G_C = 17, G_IN = G_IMAGES * G_HW * G_C };

static void forward_relu(float *y, const float *x, const uint8_t *mask)
{
	(void)mask;
	relu_forward(y, x, G_IN);
}

static void backward_relu(float *dx, const float *dy, const float *y, const uint8_t *mask)
{
	(void)mask;
	relu_backward(dx, dy, y, G_IN);
}

static void forward_dropout(float *y, const float *x, const uint8_t *mask)
{
	dropout_apply(y, x, mask, 0.3f, G_IN);
}

static void backward_dropout(float *dx, const float *dy, const float *y, const uint8_t *mask)
{
	(void)y;
	dropout_apply(dx, dy, mask, 0.3f, G_IN);
}

static void forward_global(float *y, const float *x, const uint8_t *mask)
{
	(void)mask;
	global_avgpool_forward(y, x, G_IMAGES, G_HW, G_C);
}

static void backward_global(float *dx, const float *dy, const float *y, const uint8_t *mask)
{
	(void)y;
	(void)mask;
	global_avgpool_backward(dx, dy, G_IMAGES, G_HW, G_C);
}

static const struct layer {
	const char *name;
	int outputs;
	void (*forward)(float *y, const float *x, const uint8_t *mask);
	void (*backward)(float *dx, const float *dy, const float *y, const uint8_t *mask);
} layers[] = {
	{"relu by slope", G_IN, forward_relu, backward_relu},
	{"dropout by slope", G_IN, forward_dropout, backward_dropout},
	{"global average by slope", G_IMAGES *G_C, forward_global, backward_global},
};

static double dot_of_forward(const struct layer *l, float *y, const float *x, const float *dy, const uint8_t *mask)
{
	double sum = 0;

	l->forward(y, x, mask);
	for (int i = 0; i < l->outputs; i++)
		sum += (double)y[i] * (double)dy[i];
	return sum;
}

static void check_slope(const struct layer *l)
{
	const float h = 1.0f / 64;
	float *x = ref_random(G_IN), *dy = ref_random(G_IN), *y = ref_alloc(G_IN), *dx = ref_alloc(G_IN);
	double want[G_IN];
	uint8_t mask[G_IN];

	for (int i = 0; i < G_IN; i++) {
		mask[i] = ref_uniform() < 0.7;
		x[i] = fabsf(x[i]) < 2 * h ? 0.5f : x[i]; /* away from the ReLU's corner */
	}
	l->forward(y, x, mask);
	l->backward(dx, dy, y, mask);
	for (int i = 0; i < G_IN; i++) {
		float at = x[i];
		double up, down;

		x[i] = at + h;
		up = dot_of_forward(l, y, x, dy, mask);
		x[i] = at - h;
		down = dot_of_forward(l, y, x, dy, mask);
		want[i] = (up - down) / (2 * (double)h);
		x[i] = at;
	}
	ref_near(l->name, dx, want, G_IN, 2e-5); /* float outputs near 1 over a step of 1/64 */
	free(x), free(dy), free(y), free(dx);
}

static void slopes(void)
{
	for (size_t i = 0; i < sizeof(layers) / sizeof(layers[0]); i++)
		check_slope(&layers[i]);
}

#define EACH_ISA(test)                        \
	static void test_##test(void **state) \
	{                                     \
		(void)state;                  \
		ref_each_isa(test);           \
	}
EACH_ISA(pools)
EACH_ISA(pools_of_whole_vectors)
EACH_ISA(maxpool_ties_and_nan)
EACH_ISA(global_pools)
EACH_ISA(relu)
EACH_ISA(add)
EACH_ISA(dropout)
EACH_ISA(slopes)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pools),
		cmocka_unit_test(test_pools_of_whole_vectors),
		cmocka_unit_test(test_maxpool_ties_and_nan),
		cmocka_unit_test(test_global_pools),
		cmocka_unit_test(test_relu),
		cmocka_unit_test(test_add),
		cmocka_unit_test(test_dropout),
		cmocka_unit_test(test_slopes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
