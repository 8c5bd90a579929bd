/* kernels.c - see kernels.h: picks the instruction set and passes each call to its table */
#include "engine/kernels/kernels.h"

#include <stdlib.h>
#include <string.h>

#include "engine/kernels/gemm.h"
#include "engine/kernels/kern_table.h"

struct isa {
	const char *name;
	const struct kern_conv_table *conv;
	const struct kern_wgrad_table *wgrad;
	const struct kern_winograd_table *winograd, *phases, *stem;
	const struct kern_norm_table *norm;
	const struct kern_linear_table *linear;
	const struct kern_pool_table *pool;
	const struct kern_conv_pool_table *conv_pool;
	const struct kern_act_table *act;
	const struct kern_optim_table *optim;
	const struct kern_rules_table *rules;
};

#define ISA(isa)                                                                                                       \
	{                                                                                                              \
#isa, &kern_conv_##isa, &kern_wgrad_##isa, &kern_winograd_##isa, &kern_phases_##isa, &kern_stem_##isa, \
			&kern_norm_##isa, &kern_linear_##isa, &kern_pool_##isa, &kern_conv_pool_##isa,                 \
			&kern_act_##isa, &kern_optim_##isa, &kern_rules_##isa                                          \
	}
/* Best first. */
static const struct isa isas[] = {
#ifdef __x86_64__
	ISA(avx512),
	ISA(avx2),
#endif
	ISA(baseline),
};
enum { N_ISAS = sizeof(isas) / sizeof(isas[0]) };

static const struct isa *use = &isas[N_ISAS - 1];

static bool machine_has(const char *name)
{
#ifdef __x86_64__
	if (!strcmp(name, "avx512"))
		return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
		       __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
		       __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
	if (!strcmp(name, "avx2"))
		return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
	return !strcmp(name, "baseline");
}

int kernels_init(struct err *e)
{
	const char *asked = getenv("GAPSWEEP_ISA");

	gemm_init();
	if (asked && !*asked)
		asked = NULL;
	for (int i = 0; i < N_ISAS; i++) {
		if (asked ? strcmp(asked, isas[i].name) != 0 : !machine_has(isas[i].name))
			continue;
		if (!machine_has(isas[i].name))
			return err_set(e, ERR_USAGE, "GAPSWEEP_ISA=%s: this machine cannot run these kernels", asked);
		use = &isas[i];
		return 0;
	}
	return err_set(e, ERR_USAGE, "GAPSWEEP_ISA=%s: unknown; use avx512, avx2 or baseline", asked);
}

const char *kernels_isa(void)
{
	return use->name;
}

const char *kernels_blas(void)
{
	return gemm_name();
}

/* Of kern_stem.c. */
static bool is_stem(const struct conv_shape *cs)
{
	return cs->r == 7 && cs->s == 7 && cs->stride == 2 && cs->c <= 4 && cs->pad >= 0 && cs->pad <= 6;
}

bool conv_winograd_fits(const struct conv_shape *cs)
{
	return is_stem(cs) ||
	       (cs->r == 3 && cs->s == 3 && (cs->stride == 1 || cs->stride == 2) && cs->pad >= 0 && cs->pad <= 2);
}

enum conv_algo conv_faster(const struct conv_shape *cs)
{
	/*
	 * 8 channels at 14x14: 0.4 times as fast; 16: 1.2 (AVX-512), 1.5 (AVX2). Stride 2, 16-32 at 14x14: 0.75 .. 0.92;
	 * 32-32: 0.96 .. 1.24, 32-64: 1.1 .. 1.4.
	 */
	int wide = cs->stride == 1 ? 16 : 32;
	bool large = cs->p >= 3 && cs->q >= 3; /* 64 channels at 2x2: 1.6, backward-weights 0.8; at 3x3: 2.0 and 1.7.
						 Stride 2, 256-512: 1.1 .. 1.2 and 0.6; 1.6 and 1.1 */

	if (is_stem(cs)) /* at 224x224 1.4 times as fast, backward-weights 1.5; AVX2 1.7 and 1.5, without 1.9; never slower */
		return CONV_WINOGRAD;
	return conv_winograd_fits(cs) && cs->c >= wide && cs->k >= wide && large ? CONV_WINOGRAD : CONV_DIRECT;
}

static const struct kern_winograd_table *winograd_for(const struct conv_shape *cs)
{
	return is_stem(cs) ? use->stem : cs->stride == 1 ? use->winograd : use->phases;
}

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

size_t conv_workspace(const struct conv_shape *cs, int n)
{
	size_t direct = use->conv->workspace(cs, n);

	if (cs->algo == CONV_DIRECT)
		return larger(direct, use->wgrad->workspace(cs, n));
	return is_stem(cs) ? larger(direct, use->stem->workspace(cs, n)) : winograd_for(cs)->workspace(cs, n);
}

void conv_forward(float *y, const float *x, const float *w, const struct conv_shape *cs, int n,
		  const struct conv_tail *tail, float *ws)
{
	if (cs->algo == CONV_WINOGRAD)
		winograd_for(cs)->forward(y, x, w, cs, n, tail, ws);
	else
		use->conv->forward(y, x, w, cs, n, tail, ws);
}

void conv_backward_data(float *dx, const float *dy, const float *w, const struct conv_shape *cs, int n, bool accumulate,
			float *ws)
{
	if (cs->algo == CONV_WINOGRAD && !is_stem(cs))
		winograd_for(cs)->backward_data(dx, dy, w, cs, n, accumulate, ws);
	else
		use->conv->backward_data(dx, dy, w, cs, n, accumulate, ws);
}

void conv_backward_weights(float *dw, float *db, const float *dy, const float *x, const struct conv_shape *cs, int n,
			   float *ws)
{
	if (cs->algo == CONV_DIRECT) {
		use->wgrad->backward_weights(dw, db, dy, x, cs, n, ws);
		return;
	}
	winograd_for(cs)->backward_weights(dw, dy, x, cs, n, ws);
	if (db)
		use->wgrad->bias_gradient(db, dy, cs, n);
}

void bn_moments(double *mean, double *m2, const float *y, int64_t m, int c)
{
	use->norm->moments(mean, m2, y, m, c);
}

void bn_forward_eval(float *z, const float *y, const float *mean, const float *rstd, const float *gamma,
		     const float *beta, const float *add, bool relu, int64_t m, int c)
{
	use->norm->forward_eval(z, y, mean, rstd, gamma, beta, add, relu, m, c);
}

void bn_sums(double *d, double *d_y, const float *dz, const struct bn_gate *relu, const float *y, const float *mean,
	     int64_t m, int c)
{
	use->norm->sums(d, d_y, dz, relu, y, mean, m, c);
}

void bn_spread(float *dy, float *dadd, const float *dz, const struct bn_gate *relu, const float *y, const float *mean,
	       const float *factors, bool batch_stats, bool accumulate_add, int64_t m, int c)
{
	use->norm->spread(dy, dadd, dz, relu, y, mean, factors, batch_stats, accumulate_add, m, c);
}

bool linear_by_blas(int d, int o)
{
	return (int64_t)d * o > use->linear->most;
}

void linear_forward(float *y, const float *x, const float *w, const float *b, int n, int d, int o)
{
	if (linear_by_blas(d, o))
		gemm_linear_forward(y, x, w, b, n, d, o);
	else
		use->linear->forward(y, x, w, b, n, d, o);
}

void linear_backward(float *dx, float *dw, float *db, const float *dy, const float *x, const float *w, int n, int d,
		     int o)
{
	if (linear_by_blas(d, o))
		gemm_linear_backward(dx, dw, db, dy, x, w, n, d, o);
	else
		use->linear->backward(dx, dw, db, dy, x, w, n, d, o);
}

void maxpool_forward(float *y, uint8_t *arg, const float *x, const struct pool_shape *ps, int n)
{
	use->pool->max_forward(y, arg, x, ps, n);
}

void maxpool_backward(float *dx, const float *dy, const uint8_t *arg, const struct pool_shape *ps, int n)
{
	use->pool->max_backward(dx, dy, arg, ps, n);
}

void maxpool_backward_rows(float *dx, const float *dy, const uint8_t *arg, const struct pool_shape *ps, int from,
			   int to)
{
	use->pool->max_backward_rows(dx, dy, arg, ps, from, to);
}

bool bn_maxpool_fits(const struct pool_shape *ps)
{
	return ps->c % 16 == 0 && ps->c <= BN_POOL_CHANNELS;
}

void bn_maxpool_forward(float *y, uint8_t *arg, const float *x, const float *mean, const float *rstd,
			const float *gamma, const float *beta, bool relu, const struct pool_shape *ps, int n)
{
	use->pool->normal_forward(y, arg, x, mean, rstd, gamma, beta, relu, ps, n);
}

void bn_maxpool_sums(double *d, double *d_y, const float *dz, const uint8_t *arg, const float *y, const float *mean,
		     const struct pool_shape *ps, int n)
{
	use->pool->normal_sums(d, d_y, dz, arg, y, mean, ps, n);
}

bool conv_pool_fits(const struct conv_shape *cs, const struct pool_shape *ps)
{
	return cs->algo == CONV_DIRECT && cs->r == 3 && cs->s == 3 && cs->stride == 1 && (cs->c == 1 || cs->c == 3) &&
	       cs->k % 16 == 0 && ps->r == 2 && ps->stride == 2 && ps->pad == 0;
}

size_t conv_pool_workspace(const struct conv_shape *cs)
{
	return use->conv_pool->workspace(cs);
}

void conv_pool_forward(float *y, uint8_t *arg, const float *x, const float *w, const float *bias,
		       const struct conv_shape *cs, const struct pool_shape *ps, bool relu, int n, float *ws)
{
	use->conv_pool->forward(y, arg, x, w, bias, cs, ps, relu, n, ws);
}

void conv_pool_backward_weights(float *dw, float *db, const float *dy, const float *y, const uint8_t *arg,
				const float *x, const struct conv_shape *cs, const struct pool_shape *ps, int n,
				float *ws)
{
	use->conv_pool->backward_weights(dw, db, dy, y, arg, x, cs, ps, n, ws);
}

void avgpool_forward(float *y, const float *x, const struct pool_shape *ps, int n)
{
	use->pool->avg_forward(y, x, ps, n);
}

void avgpool_backward(float *dx, const float *dy, const struct pool_shape *ps, int n)
{
	use->pool->avg_backward(dx, dy, ps, n);
}

void global_avgpool_forward(float *y, const float *x, int n, int hw, int c)
{
	use->pool->global_forward(y, x, n, hw, c);
}

void global_avgpool_backward(float *dx, const float *dy, int n, int hw, int c)
{
	use->pool->global_backward(dx, dy, n, hw, c);
}

void relu_forward(float *y, const float *x, int64_t n)
{
	use->act->relu_forward(y, x, n);
}

void relu_backward(float *dx, const float *dy, const float *y, int64_t n)
{
	use->act->relu_backward(dx, dy, y, n);
}

void add_forward(float *y, const float *a, const float *b, int64_t n)
{
	use->act->add(y, a, b, n);
}

void dropout_apply(float *y, const float *x, const uint8_t *mask, float p, int64_t n)
{
	use->act->dropout(y, x, mask, p, n);
}

void sgd_step(float *w, float *buf, const float *g, int64_t n, float lr, float momentum, float dampening, bool nesterov,
	      float weight_decay, bool first, struct step_sums *sums)
{
	use->optim->sgd(w, buf, g, n, lr, momentum, dampening, nesterov, weight_decay, first, sums);
}

void adam_step(float *w, float *m, float *v, float *vmax, const float *g, int64_t n, double lr, double beta1,
	       double beta2, double eps, double weight_decay, bool decoupled, int64_t step, struct step_sums *sums)
{
	use->optim->adam(w, m, v, vmax, g, n, lr, beta1, beta2, eps, weight_decay, decoupled, step, sums);
}

void distance_sums(double *diff2, double *norm2, const float *a, const float *b, int64_t n)
{
	use->optim->distance(diff2, norm2, a, b, n);
}

void rmsprop_step(float *w, float *v, float *mean, float *buf, const float *g, int64_t n, double lr, double alpha,
		  double eps, double momentum, double weight_decay, struct step_sums *sums)
{
	use->rules->rmsprop(w, v, mean, buf, g, n, lr, alpha, eps, momentum, weight_decay, sums);
}

void adagrad_step(float *w, float *sum, const float *g, int64_t n, double lr, double eps, double weight_decay,
		  struct step_sums *sums)
{
	use->rules->adagrad(w, sum, g, n, lr, eps, weight_decay, sums);
}

void adadelta_step(float *w, float *v, float *moved, const float *g, int64_t n, double lr, double rho, double eps,
		   double weight_decay, struct step_sums *sums)
{
	use->rules->adadelta(w, v, moved, g, n, lr, rho, eps, weight_decay, sums);
}

void adamax_step(float *w, float *m, float *top, const float *g, int64_t n, double lr, double beta1, double beta2,
		 double eps, double weight_decay, int64_t step, struct step_sums *sums)
{
	use->rules->adamax(w, m, top, g, n, lr, beta1, beta2, eps, weight_decay, step, sums);
}

void nadam_step(float *w, float *m, float *v, const float *g, int64_t n, double lr_g, double lr_m, double beta1,
		double beta2, double eps, double weight_decay, int64_t step, struct step_sums *sums)
{
	use->rules->nadam(w, m, v, g, n, lr_g, lr_m, beta1, beta2, eps, weight_decay, step, sums);
}

void radam_step(float *w, float *m, float *v, const float *g, int64_t n, double lr, double beta1, double beta2,
		double eps, double weight_decay, int64_t step, struct step_sums *sums)
{
	use->rules->radam(w, m, v, g, n, lr, beta1, beta2, eps, weight_decay, step, sums);
}

void scale_floats(float *x, float by, int64_t n)
{
	use->optim->scale(x, by, n);
}
