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
	size_t most = bn_pool_workspace(ps, NULL);

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
		    t->mean, t->rstd, t->gamma, t->beta, false, batch, false, m, c);
	bn_pool_backward(&t->crew, below ? t->dy : NULL, NULL, grads, grads ? grads + c : NULL, t->dz, t->arg, t->y,
			 t->mean, t->rstd, t->gamma, batch, &t->ps, t->n);
	if (below)
		near("dy through the pool", t->dy, t->want, t->map_n);
	if (own)
		near("dgamma, dbeta through the pool", grads, wanted, 2 * (size_t)c);
}

/* A team of one thread, which does the parts from the last to the first. */
static void backwards(struct team *team, int most, team_part part, void *ctx)
{
	(void)team;
	for (int i = most - 1; i >= 0; i--)
		part(ctx, i, most);
}

/* The map's gradient used up by the convolution that made it, against the same by way of memory; cs fits the map. */
static void check_used_up(struct problem *t, const struct conv_shape *cs, int threads, bool batch)
{
	const size_t c = (size_t)cs->k, x_n = (size_t)(t->n * cs->h * cs->w * cs->c);
	const size_t w_n = (size_t)(cs->r * cs->s * cs->c) * c, ws = bn_pool_workspace(&t->ps, cs);
	float *x = ref_random(x_n), *dw = ref_alloc(w_n), *one = ref_alloc(w_n);
	struct team team = {backwards};
	struct crew crew = {.threads = threads, .ws_floats = ws, .ws = ref_alloc((size_t)threads * ws), .eager = true};
	const struct conv_use use = {dw, x, cs}, alone = {one, x, cs};
	double *want = calloc(w_n, sizeof(*want)), *xd = ref_widen(x, x_n), *dyd;

	memset(crew.ws, 0xff, (size_t)threads * ws * sizeof(float)); /* NaNs: nothing may leak into a result */
	bn_pool_backward(&t->crew, t->dy, NULL, t->grads, t->grads + c, t->dz, t->arg, t->y, t->mean, t->rstd, t->gamma,
			 batch, &t->ps, t->n);
	dyd = ref_widen(t->dy, t->map_n);
	ref_conv_backward_weights(want, dyd, xd, cs, t->n);
	bn_pool_backward(&crew, NULL, &alone, t->grads + 2 * c, t->grads + 3 * c, t->dz, t->arg, t->y, t->mean, t->rstd,
			 t->gamma, batch, &t->ps, t->n);
	ref_near("dw of a map that is never there", one, want, w_n, 6e-6);
	ref_same("its dgamma, dbeta", t->grads + 2 * c, t->grads, 2 * c);
	crew.team = &team;
	bn_pool_backward(&crew, NULL, &use, NULL, NULL, t->dz, t->arg, t->y, t->mean, t->rstd, t->gamma, batch, &t->ps,
			 t->n);
	ref_same("dw by a team", dw, one, w_n);
	free(x);
	free(dw);
	free(one);
	free(crew.ws);
	free(want);
	free(xd);
	free(dyd);
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

/* Stems; more images than strips, a batch that ends in the middle of a group of images. */
static void used_up(void)
{
	static const int shape[][5] = {/* kernel, stride, c, side of the map, n */
				       {7, 2, 3, 13, 3},
				       {3, 1, 2, 9, 5},
				       {3, 2, 1, 8, 2},
				       {7, 2, 3, 64, 7},
				       {3, 1, 3, 48, 37}};

	for (size_t i = 0; i < sizeof(shape) / sizeof(shape[0]); i++) {
		const int *s = shape[i], side = s[3];
		const struct pool_shape ps = {.h = side,
					      .w = side,
					      .c = 64,
					      .r = 3,
					      .stride = 2,
					      .pad = 1,
					      .p = (side - 1) / 2 + 1,
					      .q = (side - 1) / 2 + 1};
		struct conv_shape cs = {.h = side * s[1],
					.w = side * s[1],
					.c = s[2],
					.k = 64,
					.r = s[0],
					.s = s[0],
					.stride = s[1],
					.pad = s[0] / 2,
					.p = side,
					.q = side};
		struct problem t;

		cs.algo = conv_faster(&cs);
		setup(&t, &ps, s[4]);
		check_forward(&t, false); /* arg */
		check_used_up(&t, &cs, 3, i % 2);
		teardown(&t);
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

static void all_used_up(void **state)
{
	(void)state;
	ref_each_isa(used_up);
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
		cmocka_unit_test(all_used_up),
		cmocka_unit_test(all_ties),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
