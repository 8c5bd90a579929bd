/* test_optim_step.c - optimizer steps against torch.optim's formulas in double, and the sums they report */
#include "tests/unit/ref.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const size_t lengths[] = {1, 7, 16, 100, 9001};
enum { N_LENGTHS = 5, STEPS = 4 };

static void near(const char *what, double got, double want)
{
	if (!(fabs(got - want) <= 1e-5 * fabs(want) + 1e-12))
		fail_msg("%s (%s): got %.9g, want %.9g", what, kernels_isa(), got, want);
}

static void check_sums(const struct step_sums *s, const float *old, const float *new, const float *g, size_t n)
{
	double g2 = 0, u2 = 0, w2 = 0;

	for (size_t i = 0; i < n; i++) {
		double u = (double)new[i] - (double)old[i];

		g2 += (double)g[i] * (double)g[i];
		u2 += u * u;
		w2 += (double)old[i] * (double)old[i];
	}
	near("grad2", s->grad2, g2);
	near("update2", s->update2, u2);
	near("weight2", s->weight2, w2);
}

struct sgd {
	float lr, momentum, dampening, weight_decay;
	bool nesterov;
};

/* torch/optim/sgd.py */
static void sgd_plain(double *w, double *buf, const float *g, size_t n, const struct sgd *o, bool first)
{
	for (size_t i = 0; i < n; i++) {
		double d = (double)g[i] + (double)o->weight_decay * w[i];

		if (o->momentum != 0) {
			buf[i] = first ? d : (double)o->momentum * buf[i] + (1 - (double)o->dampening) * d;
			d = o->nesterov ? d + (double)o->momentum * buf[i] : buf[i];
		}
		w[i] -= (double)o->lr * d;
	}
}

static void check_sgd(const struct sgd *o, size_t n)
{
	float *w = ref_random(n), *buf = o->momentum != 0 ? ref_random(n) : NULL;
	double *wd = ref_widen(w, n), *bufd = calloc(n, sizeof(double));

	for (int step = 0; step < STEPS; step++) {
		float *g = ref_random(n), *old = ref_copy(w, n);
		struct step_sums sums = {1, 1, 1};

		sgd_step(w, buf, g, (int64_t)n, o->lr, o->momentum, o->dampening, o->nesterov, o->weight_decay,
			 step == 0, &sums);
		sgd_plain(wd, bufd, g, n, o, step == 0);
		ref_near("sgd w", w, wd, n, 1e-6);
		if (buf)
			ref_near("sgd buf", buf, bufd, n, 1e-6);
		check_sums(&sums, old, w, g, n);
		free(g), free(old);
	}
	free(w), free(buf), free(wd), free(bufd);
}

static void sgd(void)
{
	static const struct sgd kinds[] = {
		{0.1f, 0, 0, 0, false},       {0.1f, 0, 0, 0.01f, false},   {0.1f, 0.9f, 0, 0, false},
		{0.1f, 0.9f, 0.5f, 0, false}, {0.1f, 0.9f, 0, 0.01f, true}, {1, 0.5f, 0.25f, 0.1f, false},
	};

	for (int k = 0; k < 6; k++)
		for (int i = 0; i < N_LENGTHS; i++)
			check_sgd(&kinds[k], lengths[i]);
}

struct adam {
	double lr, beta1, beta2, eps, weight_decay;
	bool decoupled, amsgrad;
};

/* torch/optim/adam.py, adamw.py */
static void adam_plain(double *w, double *m, double *v, double *top, const float *g, size_t n, const struct adam *o,
		       int step)
{
	double bc1 = 1 - pow(o->beta1, step), bc2 = 1 - pow(o->beta2, step);

	for (size_t i = 0; i < n; i++) {
		double d = (double)g[i] + (o->decoupled ? 0 : o->weight_decay * w[i]), root;

		w[i] *= o->decoupled ? 1 - o->lr * o->weight_decay : 1;
		m[i] = o->beta1 * m[i] + (1 - o->beta1) * d;
		v[i] = o->beta2 * v[i] + (1 - o->beta2) * d * d;
		top[i] = fmax(top[i], v[i]);
		root = sqrt(o->amsgrad ? top[i] : v[i]) / sqrt(bc2) + o->eps;
		w[i] -= o->lr / bc1 * m[i] / root;
	}
}

static float *zeros(size_t n)
{
	return memset(ref_alloc(n), 0, n * sizeof(float));
}

static void check_adam(const struct adam *o, size_t n)
{
	float *w = ref_random(n), *m = zeros(n), *v = zeros(n), *top = o->amsgrad ? zeros(n) : NULL;
	double *wd = ref_widen(w, n), *md = calloc(n, 8), *vd = calloc(n, 8), *topd = calloc(n, 8);

	for (int step = 1; step <= STEPS; step++) {
		float *g = ref_random(n), *old = ref_copy(w, n);
		struct step_sums sums = {1, 1, 1};

		for (size_t i = 0; i < n; i++)
			g[i] = step == 3 ? 0.01f * g[i] : g[i]; /* so that amsgrad's maximum differs from v */
		adam_step(w, m, v, top, g, (int64_t)n, o->lr, o->beta1, o->beta2, o->eps, o->weight_decay, o->decoupled,
			  step, &sums);
		adam_plain(wd, md, vd, topd, g, n, o, step);
		ref_near("adam w", w, wd, n, 1e-5);
		ref_near("adam m", m, md, n, 1e-6);
		ref_near("adam v", v, vd, n, 1e-6);
		if (top)
			ref_near("adam vmax", top, topd, n, 1e-6);
		check_sums(&sums, old, w, g, n);
		free(g), free(old);
	}
	free(w), free(m), free(v), free(top), free(wd), free(md), free(vd), free(topd);
}

static void adam(void)
{
	static const struct adam kinds[] = {
		{1e-3, 0.9, 0.999, 1e-8, 0, false, false}, {1e-2, 0.9, 0.99, 1e-8, 0.1, false, false},
		{1e-2, 0.5, 0.9, 1e-3, 0.1, true, false},  {1e-2, 0.9, 0.5, 1e-8, 0, false, true},
		{1e-2, 0.9, 0.999, 0, 0.01, true, true},
	};

	for (int k = 0; k < 5; k++)
		for (int i = 0; i < N_LENGTHS; i++)
			check_adam(&kinds[k], lengths[i]);
}

/* The first step of Adam is lr * sign(g), whatever g's size. */
static void adam_first_step(void)
{
	float w[3] = {0, 0, 0}, m[3] = {0}, v[3] = {0}, g[3] = {1e-3f, -5, 100};
	struct step_sums sums;

	adam_step(w, m, v, NULL, g, 3, 0.25, 0.9, 0.999, 0, 0, false, 1, &sums);
	for (int i = 0; i < 3; i++)
		assert_true(fabsf(w[i] - (g[i] > 0 ? -0.25f : 0.25f)) < 1e-6f);
}

/* Rate 0 moves nothing, bit for bit; a NaN gradient shows in the weight and in the sums. */
static void frozen_and_nan(void)
{
	float *w = ref_random(33), *old = ref_copy(w, 33), *g = ref_random(33), *buf = ref_random(33);
	struct step_sums sums;

	sgd_step(w, buf, g, 33, 0, 0.9f, 0, false, 0.1f, false, &sums);
	ref_same("frozen", w, old, 33);
	assert_true(sums.update2 == 0);
	g[32] = NAN;
	sgd_step(w, buf, g, 33, 0.1f, 0.9f, 0, false, 0, false, &sums);
	assert_true(isnan(w[32]) && !isnan(w[31]) && isnan(sums.grad2) && isnan(sums.update2));
	free(w), free(old), free(g), free(buf);
}

static void distances(void)
{
	for (int i = 0; i < N_LENGTHS; i++) {
		size_t n = lengths[i];
		float *a = ref_random(n), *b = ref_random(n);
		double d2, n2, want_d = 0, want_n = 0;

		for (size_t j = 0; j < n; j++) {
			want_d += ((double)a[j] - (double)b[j]) * ((double)a[j] - (double)b[j]);
			want_n += (double)b[j] * (double)b[j];
		}
		distance_sums(&d2, &n2, a, b, (int64_t)n);
		near("diff2", d2, want_d);
		near("norm2", n2, want_n);
		distance_sums(&d2, &n2, a, a, (int64_t)n);
		assert_true(d2 == 0);
		free(a), free(b);
	}
}

#define EACH_ISA(test)                        \
	static void test_##test(void **state) \
	{                                     \
		(void)state;                  \
		ref_each_isa(test);           \
	}
EACH_ISA(sgd)
EACH_ISA(adam)
EACH_ISA(adam_first_step)
EACH_ISA(frozen_and_nan)
EACH_ISA(distances)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sgd),
		cmocka_unit_test(test_adam),
		cmocka_unit_test(test_adam_first_step),
		cmocka_unit_test(test_frozen_and_nan),
		cmocka_unit_test(test_distances),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
