/* test_norm_pool.c - BatchNorm whose map only a max pooling reads against one after the other, all instruction sets */
#include "tests/unit/ref.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/kernels/split.h"

struct problem {
	struct pool_shape ps;
	int n;
	size_t map_n, z_n;
	float *y, *map, *z, *dz, *dmap, *dy, *want;
	float *mean, *rstd, *gamma, *beta, *grads; /* grads: dgamma, dbeta; those wanted behind them */
	uint8_t *arg, *want_arg;
	struct crew crew;
};

static void setup(struct problem *t, const struct pool_shape *ps, int n)
{
	const size_t c = (size_t)ps->c;
	size_t most = bn_pool_workspace(ps);

	*t = (struct problem){.ps = *ps, .n = n};
	t->map_n = (size_t)(n * ps->h * ps->w) * c;
	t->z_n = (size_t)(n * ps->p * ps->q) * c;
	t->y = ref_random(t->map_n);
	t->map = ref_alloc(t->map_n);
	t->dmap = ref_alloc(t->map_n);
	t->dy = ref_alloc(t->map_n);
	t->want = ref_alloc(t->map_n);
	t->z = ref_alloc(t->z_n);
	t->dz = ref_random(t->z_n);
	t->mean = ref_random(c);
	t->rstd = ref_random(c);
	t->gamma = ref_random(c);
	t->beta = ref_random(c);
	t->grads = ref_alloc(4 * c);
	t->arg = malloc(t->z_n);
	t->want_arg = malloc(t->z_n);
	for (size_t k = 0; k < c; k++)
		t->rstd[k] = fabsf(t->rstd[k]) + 0.5f;
	t->gamma[1] = 0;
	t->crew.threads = 1;
	t->crew.ws_floats = most;
	t->crew.ws = ref_alloc(most);
	assert_true(bn_maxpool_fits(ps));
}

static void teardown(struct problem *t)
{
	void *all[] = {t->y,    t->map,   t->z,    t->dz,    t->dmap, t->dy,       t->want,   t->mean,
		       t->rstd, t->gamma, t->beta, t->grads, t->arg,  t->want_arg, t->crew.ws};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		free(all[i]);
}

static void check_forward(struct problem *t, bool relu)
{
	const int64_t m = (int64_t)t->n * t->ps.h * t->ps.w;
	float *z = ref_alloc(t->z_n);

	bn_forward_eval(t->map, t->y, t->mean, t->rstd, t->gamma, t->beta, NULL, false, m, t->ps.c);
	maxpool_forward(z, t->want_arg, t->map, &t->ps, t->n);
	if (relu)
		relu_forward(z, z, (int64_t)t->z_n);
	bn_pool_forward(&t->crew, t->z, t->arg, t->y, t->mean, t->rstd, t->gamma, t->beta, relu, &t->ps, t->n);
	ref_same("pooled", t->z, z, t->z_n);
	assert_memory_equal(t->arg, t->want_arg, t->z_n);
	free(z);
}

static void near(const char *what, const float *got, const float *want, size_t n)
{
	double *wide = ref_widen(want, n);

	ref_near(what, got, wide, n, 2e-6);
	free(wide);
}

/* own: are gamma and beta trained; below: does the input need a gradient */
static void check_backward(struct problem *t, bool batch, bool own, bool below)
{
	const int c = t->ps.c;
	const int64_t m = (int64_t)t->n * t->ps.h * t->ps.w;
	float *grads = own ? t->grads : NULL, *wanted = own ? t->grads + 2 * c : NULL;

	maxpool_backward(t->dmap, t->dz, t->arg, &t->ps, t->n);
	bn_backward(&t->crew, below ? t->want : NULL, wanted, wanted ? wanted + c : NULL, NULL, t->dmap, NULL, t->y,
		    t->mean, t->rstd, t->gamma, false, batch, false, m, c);
	bn_pool_backward(&t->crew, below ? t->dy : NULL, grads, grads ? grads + c : NULL, t->dz, t->arg, t->y, t->mean,
			 t->rstd, t->gamma, batch, &t->ps, t->n);
	if (below)
		near("dy through the pool", t->dy, t->want, t->map_n);
	if (own)
		near("dgamma, dbeta through the pool", grads, wanted, 2 * (size_t)c);
}

static void check(const struct pool_shape *ps, int n)
{
	struct problem t;

	setup(&t, ps, n);
	for (int variant = 0; variant < 8; variant++) {
		check_forward(&t, variant & 1);
		check_backward(&t, variant & 1, variant & 2, variant & 4);
	}
	teardown(&t);
}

/* The stem's window and others; more images than strips; a map of several blocks of rows. */
static void shapes(void)
{
	static const int shape[][7] = {/* h, w, c, r, stride, pad, n */
				       {8, 8, 16, 3, 2, 1, 2},  {7, 9, 64, 3, 2, 1, 3},   {5, 6, 48, 2, 2, 0, 40},
				       {6, 5, 16, 3, 1, 1, 2},  {40, 30, 32, 3, 2, 1, 2}, {9, 7, 16, 2, 3, 1, 33},
				       {4, 4, 256, 3, 3, 0, 1}, {30, 40, 64, 3, 2, 0, 1}};

	for (size_t i = 0; i < sizeof(shape) / sizeof(shape[0]); i++) {
		const int *s = shape[i];
		struct pool_shape ps = {.h = s[0], .w = s[1], .c = s[2], .r = s[3], .stride = s[4], .pad = s[5]};

		ps.p = (ps.h + 2 * ps.pad - ps.r) / ps.stride + 1;
		ps.q = (ps.w + 2 * ps.pad - ps.r) / ps.stride + 1;
		check(&ps, s[6]);
	}
}

/* Equal pixels, a NaN and infinities: as one after the other. */
static void ties_and_nan(void)
{
	const struct pool_shape ps = {.h = 8, .w = 8, .c = 16, .r = 3, .stride = 2, .pad = 1, .p = 4, .q = 4};
	struct problem t;

	setup(&t, &ps, 1);
	for (size_t i = 0; i < t.map_n / 2; i++)
		t.y[i] = 0.25f;
	t.y[t.map_n - 100] = NAN;
	t.y[t.map_n - 3] = INFINITY;
	t.y[t.map_n - 7] = -INFINITY;
	check_forward(&t, false);
	check_forward(&t, true);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_shapes),
		cmocka_unit_test(all_ties),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
