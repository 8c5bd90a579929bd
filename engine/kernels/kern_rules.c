/* kern_rules.c - steps of RMSprop, Adagrad, Adadelta, Adamax, NAdam and RAdam, see kernels.h */
#include "engine/kernels/kern_step.h"
#include "engine/kernels/kern_table.h"

/* The numbers of one step; each rule says which it reads and what they are to it. */
struct step {
	float l2, lr, lr2, keep, fresh, keep2, fresh2, eps, div;
};

/* The new w of one vector; s are its vectors of state, in and out. */
typedef vf (*rule_fn)(const struct step *o, vf w, vf g, vf s[3]);

/* Lanes from n on do not count: there w, g and the state are 0, and what a rule divides may be no number. */
KERN_INLINE vf first_lanes(vf x, int n)
{
	vi lane = {0};

	for (int i = 0; i < VL; i++)
		lane[i] = i < n ? -1 : 0;
	return vf_and(x, lane);
}

KERN_INLINE void step_rest(float *w, float *const state[3], int runs, const float *g, int n, const struct step *o,
			   struct sums *sums, rule_fn rule)
{
	vf s[3] = {{0}}, old = vf_load_n(w, n), grad = vf_load_n(g, n);

	for (int r = 0; r < runs; r++)
		s[r] = vf_load_n(state[r], n);
	vf_store_n(w, count_step(sums, old, first_lanes(rule(o, old, grad, s), n), grad), n);
	for (int r = 0; r < runs; r++)
		vf_store_n(state[r], s[r], n);
}

KERN_INLINE void step_block(float *w, float *const state[3], int runs, const float *g, int64_t n, const struct step *o,
			    struct step_sums *to, rule_fn rule)
{
	struct sums sums = {0};
	int64_t i = 0;

	for (; i + VL <= n; i += VL) {
		vf s[3] = {{0}}, old = vf_load(w + i), grad = vf_load(g + i);

		KERN_UNROLL
		for (int r = 0; r < runs; r++)
			s[r] = vf_load(state[r] + i);
		vf_store(w + i, count_step(&sums, old, rule(o, old, grad, s), grad));
		KERN_UNROLL
		for (int r = 0; r < runs; r++)
			vf_store(state[r] + i, s[r]);
	}
	if (i < n) {
		float *const rest[3] = {state[0] + i, runs > 1 ? state[1] + i : NULL, runs > 2 ? state[2] + i : NULL};

		step_rest(w + i, rest, runs, g + i, (int)(n - i), o, &sums, rule);
	}
	add_sums(to, &sums);
}

/* runs and rule are constants where this is called, so that each call becomes a loop of its own. */
KERN_INLINE void step_all(float *w, float *s0, float *s1, float *s2, int runs, const float *g, int64_t n,
			  const struct step *o, struct step_sums *sums, rule_fn rule)
{
	*sums = (struct step_sums){0};
	for (int64_t i = 0; i < n; i += BLOCK) {
		float *const state[3] = {s0 + i, runs > 1 ? s1 + i : NULL, runs > 2 ? s2 + i : NULL};

		step_block(w + i, state, runs, g + i, n - i < BLOCK ? n - i : BLOCK, o, sums, rule);
	}
}

/* ---- torch/optim/rmsprop.py: keep is alpha, keep2 the momentum ---- */

KERN_INLINE vf rmsprop_grad(const struct step *o, vf w, vf g, vf *v)
{
	vf d = g + o->l2 * w;

	*v = *v * o->keep + o->fresh * (d * d);
	return d;
}

KERN_INLINE vf rmsprop_plain(const struct step *o, vf w, vf g, vf s[3])
{
	vf d = rmsprop_grad(o, w, g, &s[0]);

	return w - o->lr * d / (vf_sqrt(s[0]) + o->eps);
}

KERN_INLINE vf rmsprop_momentum(const struct step *o, vf w, vf g, vf s[3])
{
	vf d = rmsprop_grad(o, w, g, &s[0]);

	s[1] = s[1] * o->keep2 + d / (vf_sqrt(s[0]) + o->eps);
	return w - o->lr * s[1];
}

KERN_INLINE vf rmsprop_centered(const struct step *o, vf w, vf g, vf s[3])
{
	vf d = rmsprop_grad(o, w, g, &s[0]);

	s[1] = s[1] * o->keep + o->fresh * d;
	return w - o->lr * d / (vf_sqrt(s[0] - s[1] * s[1]) + o->eps);
}

KERN_INLINE vf rmsprop_both(const struct step *o, vf w, vf g, vf s[3])
{
	vf d = rmsprop_grad(o, w, g, &s[0]);

	s[1] = s[1] * o->keep + o->fresh * d;
	s[2] = s[2] * o->keep2 + d / (vf_sqrt(s[0] - s[1] * s[1]) + o->eps);
	return w - o->lr * s[2];
}

static void rmsprop(float *w, float *v, float *mean, float *buf, const float *g, int64_t n, double lr, double alpha,
		    double eps, double momentum, double weight_decay, struct step_sums *sums)
{
	const struct step o = {
		.l2 = (float)weight_decay,
		.lr = (float)lr,
		.keep = (float)alpha,
		.fresh = (float)(1 - alpha),
		.keep2 = (float)momentum,
		.eps = (float)eps,
	};

	if (mean && buf)
		step_all(w, v, mean, buf, 3, g, n, &o, sums, rmsprop_both);
	else if (mean)
		step_all(w, v, mean, NULL, 2, g, n, &o, sums, rmsprop_centered);
	else if (buf)
		step_all(w, v, buf, NULL, 2, g, n, &o, sums, rmsprop_momentum);
	else
		step_all(w, v, NULL, NULL, 1, g, n, &o, sums, rmsprop_plain);
}

/* ---- torch/optim/adagrad.py ---- */

KERN_INLINE vf adagrad_rule(const struct step *o, vf w, vf g, vf s[3])
{
	vf d = g + o->l2 * w;

	s[0] += d * d;
	return w - o->lr * d / (vf_sqrt(s[0]) + o->eps);
}

static void adagrad(float *w, float *sum, const float *g, int64_t n, double lr, double eps, double weight_decay,
		    struct step_sums *sums)
{
	const struct step o = {.l2 = (float)weight_decay, .lr = (float)lr, .eps = (float)eps};

	step_all(w, sum, NULL, NULL, 1, g, n, &o, sums, adagrad_rule);
}

/* ---- torch/optim/adadelta.py: keep is rho ---- */

KERN_INLINE vf adadelta_rule(const struct step *o, vf w, vf g, vf s[3])
{
	vf d = g + o->l2 * w;
	vf delta;

	s[0] = s[0] * o->keep + o->fresh * (d * d);
	delta = vf_sqrt(s[1] + o->eps) / vf_sqrt(s[0] + o->eps) * d;
	s[1] = s[1] * o->keep + o->fresh * (delta * delta);
	return w - o->lr * delta;
}

static void adadelta(float *w, float *v, float *moved, const float *g, int64_t n, double lr, double rho, double eps,
		     double weight_decay, struct step_sums *sums)
{
	const struct step o = {
		.l2 = (float)weight_decay,
		.lr = (float)lr,
		.keep = (float)rho,
		.fresh = (float)(1 - rho),
		.eps = (float)eps,
	};

	step_all(w, v, moved, NULL, 2, g, n, &o, sums, adadelta_rule);
}

/* ---- torch/optim/adamax.py: lr is after bias correction ---- */

KERN_INLINE vf vf_abs(vf x)
{
	return (vf)((vi)x & 0x7fffffff);
}

KERN_INLINE vf adamax_rule(const struct step *o, vf w, vf g, vf s[3])
{
	vf d = g + o->l2 * w;

	s[0] = s[0] * o->keep + o->fresh * d;
	s[1] = vf_max_nan(s[1] * o->keep2, vf_abs(d) + o->eps);
	return w - o->lr * s[0] / s[1];
}

static struct step moments(double beta1, double beta2, double eps, double weight_decay)
{
	return (struct step){
		.l2 = (float)weight_decay,
		.keep = (float)beta1,
		.fresh = (float)(1 - beta1),
		.keep2 = (float)beta2,
		.fresh2 = (float)(1 - beta2),
		.eps = (float)eps,
	};
}

static void adamax(float *w, float *m, float *top, const float *g, int64_t n, double lr, double beta1, double beta2,
		   double eps, double weight_decay, int64_t step, struct step_sums *sums)
{
	struct step o = moments(beta1, beta2, eps, weight_decay);

	o.lr = (float)(lr / (1 - pow(beta1, (double)step)));
	step_all(w, m, top, NULL, 2, g, n, &o, sums, adamax_rule);
}

/* ---- torch/optim/nadam.py: lr for the gradient, lr2 for m, div the second bias correction ---- */

KERN_INLINE vf moments_grad(const struct step *o, vf w, vf g, vf s[3])
{
	vf d = g + o->l2 * w;

	s[0] = s[0] * o->keep + o->fresh * d;
	s[1] = s[1] * o->keep2 + o->fresh2 * (d * d);
	return d;
}

KERN_INLINE vf nadam_rule(const struct step *o, vf w, vf g, vf s[3])
{
	vf d = moments_grad(o, w, g, s);
	vf root = vf_sqrt(s[1] / o->div) + o->eps;

	return w - o->lr * d / root - o->lr2 * s[0] / root;
}

static void nadam(float *w, float *m, float *v, const float *g, int64_t n, double lr_g, double lr_m, double beta1,
		  double beta2, double eps, double weight_decay, int64_t step, struct step_sums *sums)
{
	struct step o = moments(beta1, beta2, eps, weight_decay);

	o.lr = (float)lr_g;
	o.lr2 = (float)lr_m;
	o.div = (float)(1 - pow(beta2, (double)step));
	step_all(w, m, v, NULL, 2, g, n, &o, sums, nadam_rule);
}

/* ---- torch/optim/radam.py: lr after bias correction, lr2 its product with the rectification ---- */

KERN_INLINE vf radam_plain(const struct step *o, vf w, vf g, vf s[3])
{
	moments_grad(o, w, g, s);
	return w - o->lr * s[0];
}

KERN_INLINE vf radam_rectified(const struct step *o, vf w, vf g, vf s[3])
{
	moments_grad(o, w, g, s);
	return w - o->lr2 * s[0] / (vf_sqrt(s[1]) + o->eps);
}

static void radam(float *w, float *m, float *v, const float *g, int64_t n, double lr, double beta1, double beta2,
		  double eps, double weight_decay, int64_t step, struct step_sums *sums)
{
	const double bc1 = 1 - pow(beta1, (double)step), power = pow(beta2, (double)step), bc2 = 1 - power;
	const double end = 2 / (1 - beta2) - 1, rho = end - 2 * (double)step * power / bc2;
	struct step o = moments(beta1, beta2, eps, weight_decay);

	o.lr = (float)(lr / bc1);
	if (rho > 5) {
		double rect = sqrt((rho - 4) * (rho - 2) * end / ((end - 4) * (end - 2) * rho));

		o.lr2 = (float)(lr / bc1 * sqrt(bc2) * rect);
		step_all(w, m, v, NULL, 2, g, n, &o, sums, radam_rectified);
	} else {
		step_all(w, m, v, NULL, 2, g, n, &o, sums, radam_plain);
	}
}

const struct kern_rules_table KERN_NAME(kern_rules_) = {rmsprop, adagrad, adadelta, adamax, nadam, radam};
