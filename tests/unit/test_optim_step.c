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

/* ---- the other rules: what kernels.h does to floats, and torch/optim's formulas in double ---- */

struct rule {
	const char *name;
	double lr, weight_decay, a, b, eps; /* a, b: the rule's two decays */
	void (*fast)(const struct rule *o, float *w, float *s[3], const float *g, int64_t n, int step,
		     struct step_sums *sums);
	/* one element: the update to subtract, given the gradient with weight decay */
	double (*plain)(const struct rule *o, double s[3], double d, int step);
};

static void rmsprop_fast(const struct rule *o, float *w, float *s[3], const float *g, int64_t n, int step,
			 struct step_sums *sums)
{
	bool centered = strstr(o->name, "centered") != NULL;

	(void)step;
	rmsprop_step(w, s[0], centered ? s[1] : NULL, o->b > 0 ? s[2] : NULL, g, n, o->lr, o->a, o->eps, o->b,
		     o->weight_decay, sums);
}

static double rmsprop_plain(const struct rule *o, double s[3], double d, int step)
{
	bool centered = strstr(o->name, "centered") != NULL;

	(void)step;
	s[0] = o->a * s[0] + (1 - o->a) * d * d;
	s[1] = centered ? o->a * s[1] + (1 - o->a) * d : 0;
	d /= sqrt(s[0] - s[1] * s[1]) + o->eps;
	s[2] = o->b * s[2] + d;
	return o->lr * (o->b > 0 ? s[2] : d);
}

static void adagrad_fast(const struct rule *o, float *w, float *s[3], const float *g, int64_t n, int step,
			 struct step_sums *sums)
{
	(void)step;
	adagrad_step(w, s[0], g, n, o->lr, o->eps, o->weight_decay, sums);
}

static double adagrad_plain(const struct rule *o, double s[3], double d, int step)
{
	(void)step;
	s[0] += d * d;
	return o->lr * d / (sqrt(s[0]) + o->eps);
}

static void adadelta_fast(const struct rule *o, float *w, float *s[3], const float *g, int64_t n, int step,
			  struct step_sums *sums)
{
	(void)step;
	adadelta_step(w, s[0], s[1], g, n, o->lr, o->a, o->eps, o->weight_decay, sums);
}

static double adadelta_plain(const struct rule *o, double s[3], double d, int step)
{
	(void)step;
	s[0] = o->a * s[0] + (1 - o->a) * d * d;
	d *= sqrt(s[1] + o->eps) / sqrt(s[0] + o->eps);
	s[1] = o->a * s[1] + (1 - o->a) * d * d;
	return o->lr * d;
}

static void adamax_fast(const struct rule *o, float *w, float *s[3], const float *g, int64_t n, int step,
			struct step_sums *sums)
{
	adamax_step(w, s[0], s[1], g, n, o->lr, o->a, o->b, o->eps, o->weight_decay, step, sums);
}

static double adamax_plain(const struct rule *o, double s[3], double d, int step)
{
	s[0] = o->a * s[0] + (1 - o->a) * d;
	s[1] = fmax(o->b * s[1], fabs(d) + o->eps);
	return o->lr / (1 - pow(o->a, step)) * s[0] / s[1];
}

static void nadam_fast(const struct rule *o, float *w, float *s[3], const float *g, int64_t n, int step,
		       struct step_sums *sums)
{
	nadam_step(w, s[0], s[1], g, n, o->lr, 0.5 * o->lr, o->a, o->b, o->eps, o->weight_decay, step, sums);
}

static double nadam_plain(const struct rule *o, double s[3], double d, int step)
{
	double root;

	s[0] = o->a * s[0] + (1 - o->a) * d;
	s[1] = o->b * s[1] + (1 - o->b) * d * d;
	root = sqrt(s[1] / (1 - pow(o->b, step))) + o->eps;
	return o->lr * d / root + 0.5 * o->lr * s[0] / root;
}

static void radam_fast(const struct rule *o, float *w, float *s[3], const float *g, int64_t n, int step,
		       struct step_sums *sums)
{
	radam_step(w, s[0], s[1], g, n, o->lr, o->a, o->b, o->eps, o->weight_decay, step, sums);
}

static double radam_plain(const struct rule *o, double s[3], double d, int step)
{
	double bc2 = 1 - pow(o->b, step), end = 2 / (1 - o->b) - 1, rho = end - 2 * step * pow(o->b, step) / bc2, m;

	s[0] = o->a * s[0] + (1 - o->a) * d;
	s[1] = o->b * s[1] + (1 - o->b) * d * d;
	m = s[0] / (1 - pow(o->a, step));
	if (rho <= 5)
		return o->lr * m;
	return o->lr * m * sqrt(bc2) / (sqrt(s[1]) + o->eps) *
	       sqrt((rho - 4) * (rho - 2) * end / ((end - 4) * (end - 2) * rho));
}

static const struct rule rule_kinds[] = {
	{"rmsprop", 1e-2, 0.1, 0.9, 0, 1e-8, rmsprop_fast, rmsprop_plain},
	{"rmsprop momentum", 1e-2, 0, 0.9, 0.8, 1e-8, rmsprop_fast, rmsprop_plain},
	{"rmsprop centered", 1e-2, 0, 0.9, 0, 1e-3, rmsprop_fast, rmsprop_plain},
	{"rmsprop centered momentum", 1e-2, 0.1, 0.9, 0.5, 1e-3, rmsprop_fast, rmsprop_plain},
	{"adagrad", 1e-2, 0.1, 0, 0, 1e-10, adagrad_fast, adagrad_plain},
	{"adagrad without eps", 1e-2, 0, 0, 0, 0, adagrad_fast, adagrad_plain}, /* 0 / 0 beyond the end */
	{"adadelta", 1, 0.1, 0.9, 0, 1e-6, adadelta_fast, adadelta_plain},
	{"adamax", 1e-2, 0.1, 0.9, 0.99, 1e-8, adamax_fast, adamax_plain},
	{"nadam", 1e-2, 0.1, 0.9, 0.99, 1e-8, nadam_fast, nadam_plain},
	{"radam", 1e-2, 0.1, 0.9, 0.99, 1e-8, radam_fast, radam_plain},
};

static void check_rule(const struct rule *o, size_t n)
{
	float *w = ref_random(n), *s[3] = {zeros(n), zeros(n), zeros(n)};
	double *wd = ref_widen(w, n), *sd = calloc(3 * n, sizeof(double));

	for (int step = 1; step <= 9; step++) {
		float *g = ref_random(n), *old = ref_copy(w, n);
		struct step_sums sums = {1, 1, 1};

		o->fast(o, w, s, g, (int64_t)n, step, &sums);
		for (size_t i = 0; i < n; i++)
			wd[i] -= o->plain(o, sd + 3 * i, (double)g[i] + o->weight_decay * wd[i], step);
		ref_near(o->name, w, wd, n, 1e-5);
		check_sums(&sums, old, w, g, n);
		free(g), free(old);
	}
	free(w), free(s[0]), free(s[1]), free(s[2]), free(wd), free(sd);
}

static void rules(void)
{
	for (size_t k = 0; k < sizeof(rule_kinds) / sizeof(rule_kinds[0]); k++)
		for (int i = 0; i < N_LENGTHS; i++)
			check_rule(&rule_kinds[k], lengths[i]);
}

/* A NaN gradient spoils its own weight and shows in the sums, whatever the rule. */
static void rules_and_nan(void)
{
	for (size_t k = 0; k < sizeof(rule_kinds) / sizeof(rule_kinds[0]); k++) {
		float *w = ref_random(33), *g = ref_random(33), *s[3] = {zeros(33), zeros(33), zeros(33)};
		struct step_sums sums;

		g[3] = g[32] = NAN;
		rule_kinds[k].fast(&rule_kinds[k], w, s, g, 33, 1, &sums);
		assert_true(isnan(w[3]) && isnan(w[32]) && !isnan(w[31]));
		assert_true(isnan(sums.grad2) && isnan(sums.update2));
		free(w), free(g), free(s[0]), free(s[1]), free(s[2]);
	}
}

static void scales(void)
{
	float *x = ref_random(37), *old = ref_copy(x, 37);

	scale_floats(x, 0.25f, 37);
	for (int i = 0; i < 37; i++)
		assert_true(x[i] == old[i] * 0.25f);
	free(x), free(old);
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
EACH_ISA(rules)
EACH_ISA(rules_and_nan)
EACH_ISA(scales)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sgd),
		cmocka_unit_test(test_adam),
		cmocka_unit_test(test_adam_first_step),
		cmocka_unit_test(test_frozen_and_nan),
		cmocka_unit_test(test_distances),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_rules_and_nan),
		cmocka_unit_test(test_scales),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
