/*
 * kern_table.h - one table of functions a kernel file and instruction set; kernels.c picks, the contract is kernels.h.
 */
#ifndef ENGINE_KERNELS_KERN_TABLE_H
#define ENGINE_KERNELS_KERN_TABLE_H

#include "engine/kernels/kernels.h"

struct kern_conv_table {
	size_t (*workspace)(const struct conv_shape *cs, int n);
	void (*forward)(float *y, const float *x, const float *w, const struct conv_shape *cs, int n,
			const struct conv_tail *tail, float *ws);
	void (*backward_data)(float *dx, const float *dy, const float *w, const struct conv_shape *cs, int n,
			      bool accumulate, float *ws);
};

struct kern_wgrad_table {
	size_t (*workspace)(const struct conv_shape *cs, int n);
	void (*backward_weights)(float *dw, float *db, const float *dy, const float *x, const struct conv_shape *cs,
				 int n, float *ws);
	void (*bias_gradient)(float *db, const float *dy, const struct conv_shape *cs, int n);
};

/* Three of them take what conv_winograd_fits() allows: kern_winograd.c 3x3 of stride 1, kern_phases.c of stride 2,
 * kern_stem.c 7x7 of stride 2, which has no backward_data. */
struct kern_winograd_table {
	size_t (*workspace)(const struct conv_shape *cs, int n);
	void (*forward)(float *y, const float *x, const float *w, const struct conv_shape *cs, int n,
			const struct conv_tail *tail, float *ws);
	void (*backward_data)(float *dx, const float *dy, const float *w, const struct conv_shape *cs, int n,
			      bool accumulate, float *ws);
	void (*backward_weights)(float *dw, const float *dy, const float *x, const struct conv_shape *cs, int n,
				 float *ws);
};

struct kern_norm_table {
	void (*moments)(double *mean, double *m2, const float *y, int64_t m, int c);
	void (*forward_eval)(float *z, const float *y, const float *mean, const float *rstd, const float *gamma,
			     const float *beta, const float *add, bool relu, int64_t m, int c);
	void (*sums)(double *d, double *d_y, const float *dz, const struct bn_gate *relu, const float *y,
		     const float *mean, int64_t m, int c);
	void (*spread)(float *dy, float *dadd, const float *dz, const struct bn_gate *relu, const float *y,
		       const float *mean, const float *factors, bool batch, bool accumulate_add, int64_t m, int c);
};

struct kern_pool_table {
	void (*max_forward)(float *y, uint8_t *arg, const float *x, const struct pool_shape *ps, int n);
	void (*max_backward)(float *dx, const float *dy, const uint8_t *arg, const struct pool_shape *ps, int n);
	void (*avg_forward)(float *y, const float *x, const struct pool_shape *ps, int n);
	void (*avg_backward)(float *dx, const float *dy, const struct pool_shape *ps, int n);
	void (*global_forward)(float *y, const float *x, int n, int hw, int c);
	void (*global_backward)(float *dx, const float *dy, int n, int hw, int c);
	void (*max_backward_rows)(float *dx, const float *dy, const uint8_t *arg, const struct pool_shape *ps, int from,
				  int to);
	void (*normal_sums)(double *d, double *d_y, const float *dz, const uint8_t *arg, const float *y,
			    const float *mean, const struct pool_shape *ps, int n);
	void (*normal_forward)(float *y, uint8_t *arg, const float *x, const float *mean, const float *rstd,
			       const float *gamma, const float *beta, bool relu, const struct pool_shape *ps, int n);
};

/* Takes what conv_pool_fits() allows. */
struct kern_conv_pool_table {
	size_t (*workspace)(const struct conv_shape *cs);
	void (*forward)(float *y, uint8_t *arg, const float *x, const float *w, const float *bias,
			const struct conv_shape *cs, const struct pool_shape *ps, bool relu, int n, float *ws);
	void (*backward_weights)(float *dw, float *db, const float *dy, const float *y, const uint8_t *arg,
				 const float *x, const struct conv_shape *cs, const struct pool_shape *ps, int n,
				 float *ws);
};

struct kern_act_table {
	void (*relu_forward)(float *y, const float *x, int64_t n);
	void (*relu_backward)(float *dx, const float *dy, const float *y, int64_t n);
	void (*add)(float *y, const float *a, const float *b, int64_t n);
	void (*dropout)(float *y, const float *x, const uint8_t *mask, float p, int64_t n);
};

struct kern_optim_table {
	void (*sgd)(float *w, float *buf, const float *g, int64_t n, float lr, float momentum, float dampening,
		    bool nesterov, float weight_decay, bool first, struct step_sums *sums);
	void (*adam)(float *w, float *m, float *v, float *vmax, const float *g, int64_t n, double lr, double beta1,
		     double beta2, double eps, double weight_decay, bool decoupled, int64_t step,
		     struct step_sums *sums);
	void (*distance)(double *diff2, double *norm2, const float *a, const float *b, int64_t n);
	void (*scale)(float *x, float by, int64_t n);
};

struct kern_linear_table {
	int64_t most; /* weights from which on OpenBLAS is faster */
	void (*forward)(float *y, const float *x, const float *w, const float *b, int n, int d, int o);
	void (*backward)(float *dx, float *dw, float *db, const float *dy, const float *x, const float *w, int n, int d,
			 int o);
};

struct kern_rules_table {
	void (*rmsprop)(float *w, float *v, float *mean, float *buf, const float *g, int64_t n, double lr, double alpha,
			double eps, double momentum, double weight_decay, struct step_sums *sums);
	void (*adagrad)(float *w, float *sum, const float *g, int64_t n, double lr, double eps, double weight_decay,
			struct step_sums *sums);
	void (*adadelta)(float *w, float *v, float *moved, const float *g, int64_t n, double lr, double rho, double eps,
			 double weight_decay, struct step_sums *sums);
	void (*adamax)(float *w, float *m, float *top, const float *g, int64_t n, double lr, double beta1, double beta2,
		       double eps, double weight_decay, int64_t step, struct step_sums *sums);
	void (*nadam)(float *w, float *m, float *v, const float *g, int64_t n, double lr_g, double lr_m, double beta1,
		      double beta2, double eps, double weight_decay, int64_t step, struct step_sums *sums);
	void (*radam)(float *w, float *m, float *v, const float *g, int64_t n, double lr, double beta1, double beta2,
		      double eps, double weight_decay, int64_t step, struct step_sums *sums);
};

#define KERN_TABLES(isa)                                               \
	extern const struct kern_conv_table kern_conv_##isa;           \
	extern const struct kern_wgrad_table kern_wgrad_##isa;         \
	extern const struct kern_winograd_table kern_winograd_##isa;   \
	extern const struct kern_winograd_table kern_phases_##isa;     \
	extern const struct kern_winograd_table kern_stem_##isa;       \
	extern const struct kern_norm_table kern_norm_##isa;           \
	extern const struct kern_linear_table kern_linear_##isa;       \
	extern const struct kern_pool_table kern_pool_##isa;           \
	extern const struct kern_conv_pool_table kern_conv_pool_##isa; \
	extern const struct kern_act_table kern_act_##isa;             \
	extern const struct kern_rules_table kern_rules_##isa;         \
	extern const struct kern_optim_table kern_optim_##isa

KERN_TABLES(baseline);
KERN_TABLES(avx2);
KERN_TABLES(avx512);

#endif
