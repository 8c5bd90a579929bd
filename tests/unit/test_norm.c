/* test_norm.c - BatchNorm against plain double loops and finite differences, with every instruction set */
#include "engine/kernels/split.h"
#include "tests/unit/ref.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EPS 1e-5f

static float room[64 << 10] __attribute__((aligned(64)));
static const struct crew alone = {.threads = 1, .ws = room};

struct problem {
	int64_t m;
	int c;
	bool relu, with_add, batch;
	size_t n;
	float *y, *add, *gamma, *beta, *dz, *z, *mean, *rstd, *running_mean, *running_var;
	double *yd, *addd, *gammad, *betad, *zd, *meand, *vard;
	char what[96];
};

static void setup(struct problem *t, int64_t m, int c, bool relu, bool with_add, bool batch)
{
	size_t k = (size_t)c;

	*t = (struct problem){.m = m, .c = c, .relu = relu, .with_add = with_add, .batch = batch};
	t->n = (size_t)m * k;
	t->y = ref_random(t->n);
	for (size_t i = 0; i < t->n; i++)
		t->y[i] = 3 * t->y[i] + (float)(i % k % 7);
	t->add = ref_random(t->n);
	t->dz = ref_random(t->n);
	t->gamma = ref_random(k);
	t->beta = ref_random(k);
	t->mean = ref_random(k);
	t->rstd = ref_random(k);
	for (size_t i = 0; i < k; i++)
		t->rstd[i] = 1 + t->rstd[i] * t->rstd[i];
	t->running_mean = ref_random(k);
	t->running_var = ref_random(k);
	t->z = ref_alloc(t->n);
	t->yd = ref_widen(t->y, t->n);
	t->addd = ref_widen(t->add, t->n);
	t->gammad = ref_widen(t->gamma, k);
	t->betad = ref_widen(t->beta, k);
	t->meand = ref_widen(t->mean, k);
	t->vard = ref_widen(t->rstd, k);
	for (size_t i = 0; i < k; i++)
		t->vard[i] = 1 / (t->vard[i] * t->vard[i]) - (double)EPS; /* the variance that this rstd stands for */
	t->zd = calloc(t->n, sizeof(double));
	snprintf(t->what, sizeof(t->what), "m %d c %d relu %d add %d batch %d", (int)m, c, relu, with_add, batch);
}

static void teardown(struct problem *t)
{
	void *all[] = {t->y,  t->add,  t->gamma,  t->beta,  t->dz, t->z,     t->mean, t->rstd,       t->running_mean,
		       t->yd, t->addd, t->gammad, t->betad, t->zd, t->meand, t->vard, t->running_var};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		free(all[i]);
}

static void forward(struct problem *t)
{
	const float *add = t->with_add ? t->add : NULL;

	if (t->batch)
		bn_forward_train(&alone, t->z, t->mean, t->rstd, t->running_mean, t->running_var, t->y, t->gamma,
				 t->beta, add, t->relu, t->m, t->c, EPS, 0.1f);
	else
		bn_forward_eval(t->z, t->y, t->mean, t->rstd, t->gamma, t->beta, add, t->relu, t->m, t->c);
}

static void reference(struct problem *t)
{
	ref_bn(t->zd, t->meand, t->vard, t->yd, t->gammad, t->betad, t->with_add ? t->addd : NULL, t->relu, t->batch,
	       t->m, t->c, (double)EPS);
}

static const int64_t rows[] = {2, 3, 37, 1000, 3001};
static const int channels[] = {1, 3, 8, 10, 16, 31, 40, 64, 65, 127, 128, 130, 300};
enum { N_ROWS = 5, N_CHANNELS = 13 };

static void check_statistics(struct problem *t, const float *old_mean, const float *old_var)
{
	size_t k = (size_t)t->c;
	double want[4][300];

	for (size_t i = 0; i < k; i++) {
		want[0][i] = t->meand[i];
		want[1][i] = 1 / sqrt(t->vard[i] + (double)EPS);
		want[2][i] = 0.9 * (double)old_mean[i] + 0.1 * t->meand[i];
		want[3][i] = 0.9 * (double)old_var[i] + 0.1 * t->vard[i] * (double)t->m / (double)(t->m - 1);
	}
	ref_near("mean", t->mean, want[0], k, 1e-6);
	ref_near("rstd", t->rstd, want[1], k, 2e-5);
	ref_near("running_mean", t->running_mean, want[2], k, 1e-6);
	ref_near("running_var", t->running_var, want[3], k, 2e-6);
}

static void forward_all(void)
{
	for (int a = 0; a < N_ROWS; a++)
		for (int b = 0; b < N_CHANNELS; b++)
			for (int bits = 0; bits < 8; bits++) {
				struct problem t;
				float *old_mean, *old_var;

				setup(&t, rows[a], channels[b], bits & 1, bits & 2, bits & 4);
				old_mean = ref_copy(t.running_mean, (size_t)t.c);
				old_var = ref_copy(t.running_var, (size_t)t.c);
				forward(&t);
				reference(&t);
				if (t.batch)
					check_statistics(&t, old_mean, old_var);
				ref_near(t.what, t.z, t.zd, t.n, t.m < 10 ? 3e-4 : 1e-5);
				free(old_mean);
				free(old_var);
				teardown(&t);
			}
}

/* E[x^2] - m^2 in float would give noise here, and a first block unlike the rest must not matter. */
static void large_mean(void)
{
	struct problem t;

	setup(&t, 5000, 8, false, false, true);
	for (size_t i = 0; i < t.n; i++) {
		t.y[i] = (i / 8 < 2048 ? 0 : 1e4f) + (i / 8 % 2 ? 0.25f : -0.25f);
		t.yd[i] = (double)t.y[i];
	}
	forward(&t);
	reference(&t);
	ref_near("z", t.z, t.zd, t.n, 1e-5);
	for (size_t i = 0; i < t.n; i++)
		t.yd[i] = (double)(t.y[i] = 1e4f + (i / 8 % 2 ? 0.25f : -0.25f));
	forward(&t);
	reference(&t);
	ref_near("z of a large mean", t.z, t.zd, t.n, 1e-5);
	teardown(&t);
}

/* ---- backward: the plain formulas of PyTorch, in double ---- */

struct grads {
	double *dy, *dadd, *dgamma, *dbeta;
};

static void reference_backward(struct grads *g, const struct problem *t)
{
	size_t k = (size_t)t->c;

	g->dy = calloc(t->n, sizeof(double));
	g->dadd = calloc(t->n, sizeof(double));
	g->dgamma = calloc(k, sizeof(double));
	g->dbeta = calloc(k, sizeof(double));
	for (size_t i = 0; i < t->n; i++) {
		size_t ch = i % k;
		double xhat = ((double)t->y[i] - (double)t->mean[ch]) * (double)t->rstd[ch];

		g->dadd[i] = t->relu && t->z[i] <= 0 ? 0 : (double)t->dz[i];
		g->dgamma[ch] += g->dadd[i] * xhat;
		g->dbeta[ch] += g->dadd[i];
	}
	for (size_t i = 0; i < t->n; i++) {
		size_t ch = i % k;
		double scale = (double)t->gamma[ch] * (double)t->rstd[ch];
		double xhat = ((double)t->y[i] - (double)t->mean[ch]) * (double)t->rstd[ch];

		g->dy[i] = scale * g->dadd[i];
		if (t->batch)
			g->dy[i] -= scale * (g->dbeta[ch] + xhat * g->dgamma[ch]) / (double)t->m;
	}
}

static void free_grads(struct grads *g)
{
	free(g->dy);
	free(g->dadd);
	free(g->dgamma);
	free(g->dbeta);
}

static void check_backward(const struct problem *t, bool accumulate)
{
	size_t k = (size_t)t->c;
	float *dy = ref_random(t->n), *dadd = ref_copy(t->add, t->n), *dgamma = ref_random(k), *dbeta = ref_random(k);
	struct grads g;

	reference_backward(&g, t);
	if (accumulate)
		for (size_t i = 0; i < t->n; i++)
			g.dadd[i] += (double)t->add[i];
	bn_backward(&alone, dy, dgamma, dbeta, t->with_add ? dadd : NULL, t->dz, t->relu ? t->z : NULL, t->y, t->mean,
		    t->rstd, t->gamma, t->beta, t->relu, t->batch, accumulate, t->m, t->c);
	ref_near(t->what, dy, g.dy, t->n, 1e-5);
	ref_near("dgamma", dgamma, g.dgamma, k, 1e-5);
	ref_near("dbeta", dbeta, g.dbeta, k, 1e-5);
	if (t->with_add)
		ref_near("dadd", dadd, g.dadd, t->n, 1e-6);
	free(dy);
	free(dadd);
	free(dgamma);
	free(dbeta);
	free_grads(&g);
}

static void backward_all(void)
{
	for (int a = 0; a < N_ROWS; a++)
		for (int b = 0; b < N_CHANNELS; b++)
			for (int bits = 0; bits < 16; bits++) {
				struct problem t;

				setup(&t, rows[a], channels[b], bits & 1, bits & 2, bits & 4);
				forward(&t);
				check_backward(&t, bits & 8);
				teardown(&t);
			}
}

/* The parts one may leave out, and the aliases that the header allows, give the same bits. */
static void aliases(void)
{
	for (int bits = 0; bits < 4; bits++) {
		struct problem t;
		float *dy, *dadd, *dg, *db, *mine;

		setup(&t, 101, 24, bits & 1, true, bits & 2);
		forward(&t);
		dy = ref_alloc(t.n), dadd = ref_alloc(t.n), dg = ref_alloc(24), db = ref_alloc(24);
		bn_backward(&alone, dy, dg, db, dadd, t.dz, t.z, t.y, t.mean, t.rstd, t.gamma, t.beta, t.relu, t.batch,
			    false, t.m, 24);

		mine = ref_copy(t.dz, t.n); /* dy is dz */
		memset(t.add, 0, t.n * sizeof(float));
		bn_backward(&alone, mine, NULL, NULL, t.add, mine, t.z, t.y, t.mean, t.rstd, t.gamma, t.beta, t.relu,
			    t.batch, true, t.m, 24);
		ref_same("dy over dz", mine, dy, t.n);
		ref_same("dadd from zero", t.add, dadd, t.n);
		memcpy(mine, t.dz, t.n * sizeof(float)); /* dadd is dz */
		bn_backward(&alone, t.add, NULL, NULL, mine, mine, t.z, t.y, t.mean, t.rstd, t.gamma, t.beta, t.relu,
			    t.batch, false, t.m, 24);
		ref_same("dadd over dz", mine, dadd, t.n);
		ref_same("dy beside it", t.add, dy, t.n);
		memset(mine, 0, t.n * sizeof(float)); /* only the gradients of gamma and beta, then only dadd */
		bn_backward(&alone, NULL, mine, mine + 32, NULL, t.dz, t.z, t.y, t.mean, t.rstd, t.gamma, t.beta,
			    t.relu, t.batch, false, t.m, 24);
		ref_same("dgamma alone", mine, dg, 24);
		ref_same("dbeta alone", mine + 32, db, 24);
		bn_backward(&alone, NULL, NULL, NULL, mine, t.dz, t.z, t.y, t.mean, t.rstd, t.gamma, t.beta, t.relu,
			    t.batch, false, t.m, 24);
		ref_same("dadd alone", mine, dadd, t.n);
		free(dy), free(dadd), free(dg), free(db), free(mine);
		teardown(&t);
	}
}

/* Values at which the gate's two ways might differ: z exactly 0, either of its zeros, NaN, and a hair from 0. */
static void plant_edges(struct problem *t)
{
	for (int ch = 0; ch < t->c; ch++)
		if (ch % 3)
			t->beta[ch] = ch % 3 == 1 ? 0.0f : -0.0f;
	for (size_t i = 0; i < t->n; i += 5) {
		int ch = (int)(i % (size_t)t->c);

		t->y[i] = i % 2 ? t->mean[ch] : t->mean[ch] - t->beta[ch] / (t->gamma[ch] * t->rstd[ch]);
	}
	t->y[t->n / 2] = NAN;
}

static void check_gate_by_input(struct problem *t, bool with_dadd)
{
	size_t k = (size_t)t->c;
	float *by_z = ref_alloc(2 * t->n + 2 * k), *by_y = ref_alloc(2 * t->n + 2 * k);
	float *out[2] = {by_z, by_y};

	memcpy(by_y, by_z, (2 * t->n + 2 * k) * sizeof(float)); /* where there is no dadd */
	for (int i = 0; i < 2; i++)
		bn_backward(&alone, out[i], out[i] + 2 * t->n, out[i] + 2 * t->n + k, with_dadd ? out[i] + t->n : NULL,
			    t->dz, i ? NULL : t->z, t->y, t->mean, t->rstd, t->gamma, t->beta, true, t->batch, false,
			    t->m, t->c);
	for (size_t i = 0; i < 2 * t->n + 2 * k; i++) /* any NaN is as good as another, and as nothing else */
		by_z[i] = isnan(by_z[i]) ? 1e30f : by_z[i], by_y[i] = isnan(by_y[i]) ? 1e30f : by_y[i];
	ref_same(t->what, by_y, by_z, 2 * t->n + 2 * k);
	free(by_z), free(by_y);
}

/* Without z the gate opens for the same values, to the bit. */
static void gate_by_input(void)
{
	for (int a = 0; a < N_ROWS; a++)
		for (int b = 0; b < N_CHANNELS; b++)
			for (int bits = 0; bits < 4; bits++) {
				struct problem t;

				setup(&t, rows[a], channels[b], true, false, bits & 1);
				if (!t.batch)
					plant_edges(&t);
				forward(&t);
				check_gate_by_input(&t, bits & 2);
				teardown(&t);
			}
}

static double loss(void *ctx)
{
	struct problem *t = ctx;

	reference(t);
	return ref_dot(t->zd, t->dz, t->n);
}

static void check_slopes(bool relu, bool with_add, bool batch)
{
	struct problem t;
	float *dy, *dadd, dg[10], db[10];
	double want[170], want_g[10], want_b[10];

	setup(&t, 17, 10, relu, with_add, batch);
	forward(&t);
	dy = ref_alloc(t.n), dadd = ref_alloc(t.n);
	bn_backward(&alone, dy, dg, db, with_add ? dadd : NULL, t.dz, t.z, t.y, t.mean, t.rstd, t.gamma, t.beta, relu,
		    batch, false, t.m, t.c);
	for (size_t i = 0; i < t.n; i++)
		want[i] = ref_slope(loss, &t, &t.yd[i], 1e-6);
	ref_near("dy by slope", dy, want, t.n, 1e-5);
	for (size_t i = 0; with_add && i < t.n; i++)
		want[i] = ref_slope(loss, &t, &t.addd[i], 1e-6);
	if (with_add)
		ref_near("dadd by slope", dadd, want, t.n, 1e-5);
	for (int i = 0; i < 10; i++) {
		want_g[i] = ref_slope(loss, &t, &t.gammad[i], 1e-6);
		want_b[i] = ref_slope(loss, &t, &t.betad[i], 1e-6);
	}
	ref_near("dgamma by slope", dg, want_g, 10, 1e-5);
	ref_near("dbeta by slope", db, want_b, 10, 1e-5);
	free(dy), free(dadd);
	teardown(&t);
}

static void finite_differences(void)
{
	for (int bits = 0; bits < 8; bits++)
		check_slopes(bits & 1, bits & 2, bits & 4);
}

/* ReLU must not hide a NaN, nor may one channel's NaN reach another. */
static void nan_is_seen(void)
{
	struct problem t;

	setup(&t, 50, 10, true, false, true);
	t.y[20 * 10 + 3] = NAN;
	forward(&t);
	for (size_t i = 0; i < t.n; i++)
		assert_int_equal(isnan(t.z[i]) != 0, i % 10 == 3);
	assert_true(isnan(t.running_mean[3]) && !isnan(t.running_mean[4]));
	teardown(&t);
}

#define EACH_ISA(test)                        \
	static void test_##test(void **state) \
	{                                     \
		(void)state;                  \
		ref_each_isa(test);           \
	}
EACH_ISA(forward_all)
EACH_ISA(large_mean)
EACH_ISA(backward_all)
EACH_ISA(aliases)
EACH_ISA(gate_by_input)
EACH_ISA(finite_differences)
EACH_ISA(nan_is_seen)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forward_all),   cmocka_unit_test(test_large_mean),
		cmocka_unit_test(test_backward_all),  cmocka_unit_test(test_aliases),
		cmocka_unit_test(test_gate_by_input), cmocka_unit_test(test_finite_differences),
		cmocka_unit_test(test_nan_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
