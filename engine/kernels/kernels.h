/*
 * kernels.h - the arithmetic of a network: forward and backward of every layer kind, on plain arrays.
 *
 * Layout: activations are NHWC float32 ([n][h][w][c], c fastest); convolution weights [r][s][c][k] (k = output channels
 * fastest); linear weights [out][in] as in PyTorch; gradients like what they are gradients of. Names: N images, H W C
 * input, K output channels, R S kernel rows and columns, P Q output rows and columns, M = N*H*W rows of a channel.
 *
 * No function here allocates, fails, or keeps state: workspace comes from the caller, sized by *_workspace() (floats;
 * 0 is possible). Outputs before inputs. Results are a function of the arguments alone: fixed order of every sum, the
 * calling thread's work; split.h shares them out. Pointers are 64-byte aligned at the start of each tensor; ws likewise. NaN and Inf propagate as IEEE says.
 * Files kern_*.c are compiled once per instruction set (see kernels.c) and chosen at run time.
 */
#ifndef ENGINE_KERNELS_KERNELS_H
#define ENGINE_KERNELS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

/* Picks the instruction set: the best the machine has, or GAPSWEEP_ISA=avx512|avx2|baseline (ERR_USAGE if the machine
 * lacks it or the word is unknown). Sets BLAS to one thread. Called by engine_init(); tests call it again. */
int kernels_init(struct err *e);
const char *kernels_isa(void);
const char *kernels_blas(void);

/* ---- convolution (torch.nn.functional.conv2d, groups 1, dilation 1) ---- */

enum conv_algo { CONV_DIRECT, CONV_WINOGRAD };

struct conv_shape {
	int h, w, c; /* input map */
	int k, r, s; /* output channels, kernel */
	int stride, pad;
	int p, q; /* output map: (h + 2 pad - r) / stride + 1, ... */
	enum conv_algo algo;
	/*
	 * Only these channels of what a call computes (k: forward, backward-weights; c: backward-data): from .. to - 1,
	 * both multiples of 16 or the end; to 0: all. The direct forward and backward-data do not know it.
	 */
	int from, to;
};
/*
 * Winograd's F(4x4,3x3), or for stride 2 F(4,2) on the even phase of lines: 3x3, pad 0..2, any channels; F(3x3,4x4) on
 * squares of 2x2 pixels: 7x7 of stride 2, pad 0..6, up to four channels (backward to the data stays direct). Relative error
 * about 1.2e-6 of the result's norm, where the direct sum has 4e-7; a NaN or Inf reaches all of the tiles of outputs that
 * see it. No image sees another either way.
 */
bool conv_winograd_fits(const struct conv_shape *cs);
/* The faster one for this shape: what it was measured to be, a function of the shape alone. */
enum conv_algo conv_faster(const struct conv_shape *cs);
/* What follows the sum, in this order; used in evaluation, where BatchNorm is folded into w and bias. */
struct conv_tail {
	const float *bias; /* [k] or NULL */
	const float *add;  /* [n][p][q][k] or NULL: residual */
	bool relu;
};
size_t conv_workspace(const struct conv_shape *cs, int n); /* floats, enough for each of the three for up to n images */
/* y [n][p][q][k]; tail may be NULL */
void conv_forward(float *y, const float *x, const float *w, const struct conv_shape *cs, int n,
		  const struct conv_tail *tail, float *ws);
/* dx [n][h][w][c]: overwritten, or added to where accumulate */
void conv_backward_data(float *dx, const float *dy, const float *w, const struct conv_shape *cs, int n, bool accumulate,
			float *ws);
/* dw [r][s][c][k] overwritten; db [k] overwritten, may be NULL */
void conv_backward_weights(float *dw, float *db, const float *dy, const float *x, const struct conv_shape *cs, int n,
			   float *ws);

/* ---- the parts of BatchNorm2d, on M rows of C channels; split.h has the whole ---- */

/* mean [c], and the sum of squared deviations from it m2 [c] */
void bn_moments(double *mean, double *m2, const float *y, int64_t m, int c);
/* z = act(gamma * (y - mean) * rstd + beta [+ add]), act = ReLU where relu */
void bn_forward_eval(float *z, const float *y, const float *mean, const float *rstd, const float *gamma,
		     const float *beta, const float *add, bool relu, int64_t m, int c);
/*
 * The ReLU behind it, for the backward pass: dz counts only where its output z is greater than 0 or NaN (as in torch). z NULL:
 * it is computed again as bn_forward_eval() did without `add`, to the same bits, with the mean given beside it; for that alone
 * are the others, [c] each.
 */
struct bn_gate {
	const float *z, *rstd, *gamma, *beta;
};
/* d [c] = sum of dz, d_y [c] = sum of dz * (y - mean), over rows that count; relu NULL: all do */
void bn_sums(double *d, double *d_y, const float *dz, const struct bn_gate *relu, const float *y, const float *mean,
	     int64_t m, int c);
/* With that dz, else 0: dy = dz * a - (y - mean) * b - c0 (batch_stats; else dz * a), factors [3][c] = a, b, c0; dadd (+)= dz.
 * Either of dy, dadd may be NULL, and one alias dz. */
void bn_spread(float *dy, float *dadd, const float *dz, const struct bn_gate *relu, const float *y, const float *mean,
	       const float *factors, bool batch_stats, bool accumulate_add, int64_t m, int c);

/* ---- linear (torch.nn.functional.linear): y [n][o] = x [n][d] w^T [o][d] + b ---- */

/*
 * By OpenBLAS (gemm.c) or by kern_linear.c? A function of the weights' shape and of the instruction set alone, so that in
 * our own kernel a row's bits do not depend on its neighbours. Measured against OpenBLAS 0.3.21 with its kernels for the
 * same instruction set: 784-256 at batches of 64 and 16, AVX-512 forward 1.3 and 1.9 times as fast, backward 1.1 and
 * 1.3 .. 1.5, AVX2 0.9 and 1.3, 1.0 and 1.2; 2048-1000 at 32, AVX-512 1.1 .. 1.7, AVX2 0.6 .. 1.0.
 */
bool linear_by_blas(int d, int o);
void linear_forward(float *y, const float *x, const float *w, const float *b, int n, int d, int o);
/* dx [n][d], may be NULL; dw [o][d], db [o], may both be NULL; all overwritten */
void linear_backward(float *dx, float *dw, float *db, const float *dy, const float *x, const float *w, int n, int d,
		     int o);

/* ---- pooling, on [n][h][w][c] ---- */

struct pool_shape {
	int h, w, c;
	int r, stride, pad; /* square window */
	int p, q;           /* output map, floor mode */
};
/* torch max_pool2d: padding counts as -inf, the first largest wins, a NaN wins; arg [n][p][q][c] = window index */
void maxpool_forward(float *y, uint8_t *arg, const float *x, const struct pool_shape *ps, int n);
void maxpool_backward(float *dx, const float *dy, const uint8_t *arg, const struct pool_shape *ps, int n);
/* Rows from .. to - 1 of one image's dx, of which dx is the first. */
void maxpool_backward_rows(float *dx, const float *dy, const uint8_t *arg, const struct pool_shape *ps, int from,
			   int to);
/*
 * maxpool_forward() of bn_forward_eval()'s map (without `add`), the same bits, but that map is never written. Where it rounds
 * different x to one value the largest x wins (gamma < 0: the smallest). c: what bn_maxpool_fits() takes.
 */
enum { BN_POOL_CHANNELS = 256 };
bool bn_maxpool_fits(const struct pool_shape *ps);
void bn_maxpool_forward(float *y, uint8_t *arg, const float *x, const float *mean, const float *rstd,
			const float *gamma, const float *beta, bool relu, const struct pool_shape *ps, int n);
/* bn_sums() of that map, by the gradient dz of its pooling, 0 where ReLU stopped it */
void bn_maxpool_sums(double *d, double *d_y, const float *dz, const uint8_t *arg, const float *y, const float *mean,
		     const struct pool_shape *ps, int n);
/*
 * A direct convolution, the max pooling of its map and (relu; y not NULL) ReLU, without the map: 3x3, stride 1, images of 1
 * or 3 channels, outputs a multiple of 16; windows of 2x2 that do not overlap. Forward has the bits of one call after the
 * other. dw, db are overwritten; an image's sums are added up one by one.
 */
bool conv_pool_fits(const struct conv_shape *cs, const struct pool_shape *ps);
size_t conv_pool_workspace(const struct conv_shape *cs); /* floats */
void conv_pool_forward(float *y, uint8_t *arg, const float *x, const float *w, const float *bias,
		       const struct conv_shape *cs, const struct pool_shape *ps, bool relu, int n, float *ws);
void conv_pool_backward_weights(float *dw, float *db, const float *dy, const float *y, const uint8_t *arg,
				const float *x, const struct conv_shape *cs, const struct pool_shape *ps, int n,
				float *ws);
/* torch avg_pool2d with count_include_pad=True */
void avgpool_forward(float *y, const float *x, const struct pool_shape *ps, int n);
void avgpool_backward(float *dx, const float *dy, const struct pool_shape *ps, int n);
/* adaptive_avg_pool2d(1): y [n][c] = mean over hw */
void global_avgpool_forward(float *y, const float *x, int n, int hw, int c);
void global_avgpool_backward(float *dx, const float *dy, int n, int hw, int c);

/* ---- elementwise ---- */

void relu_forward(float *y, const float *x, int64_t n);                    /* y may alias x */
void relu_backward(float *dx, const float *dy, const float *y, int64_t n); /* dx may alias dy; passes unless y <= 0 */
void add_forward(float *y, const float *a, const float *b, int64_t n);     /* y may alias a */
/* y = x * mask / (1-p) (torch dropout in train mode): mask[i] 0 or 1 is the caller's; p < 1; y may alias x.
 * The backward pass is the same call on the gradient. */
void dropout_apply(float *y, const float *x, const uint8_t *mask, float p, int64_t n);

/* ---- cross-entropy on logits (torch.nn.functional.cross_entropy) ---- */

/*
 * Rows of `classes` logits, labels in 0..classes-1. loss[i] = the sample's cross-entropy with label_smoothing;
 * correct[i] = 1 if the first largest logit is the label's (0 if any logit is NaN). If dlogits is not NULL it gets the
 * gradient of the mean loss over n. Log-sum-exp shifted by the maximum.
 */
void cross_entropy(double *loss, uint8_t *correct, float *dlogits, const float *logits, const int32_t *label, int n,
		   int classes, float label_smoothing);

/* ---- optimizer steps on one tensor of n elements ---- */

/* Sums over the tensor that the caller adds up into a group's figures. */
struct step_sums {
	double grad2, update2, weight2; /* sum of g^2 (before weight decay), of (w_new - w_old)^2, of w_old^2 */
};
/* torch.optim.SGD: buf is the momentum buffer (NULL if momentum is 0); first: buf starts as the gradient itself */
void sgd_step(float *w, float *buf, const float *g, int64_t n, float lr, float momentum, float dampening, bool nesterov,
	      float weight_decay, bool first, struct step_sums *sums);
/* torch.optim.Adam / AdamW (decoupled): m, v and, for amsgrad, vmax (else NULL); step counts from 1. Bias corrections
 * are computed in double from betas as PyTorch's single-tensor code does; eps is added after sqrt(v)/sqrt(bc2). */
void adam_step(float *w, float *m, float *v, float *vmax, const float *g, int64_t n, double lr, double beta1,
	       double beta2, double eps, double weight_decay, bool decoupled, int64_t step, struct step_sums *sums);
/* torch.optim.RMSprop: v the average square, mean the average gradient (NULL unless centered), buf the momentum's buffer
 * (NULL without). */
void rmsprop_step(float *w, float *v, float *mean, float *buf, const float *g, int64_t n, double lr, double alpha,
		  double eps, double momentum, double weight_decay, struct step_sums *sums);
/* torch.optim.Adagrad: lr is after lr_decay. */
void adagrad_step(float *w, float *sum, const float *g, int64_t n, double lr, double eps, double weight_decay,
		  struct step_sums *sums);
/* torch.optim.Adadelta: v and moved are the average squares of gradients and of updates. */
void adadelta_step(float *w, float *v, float *moved, const float *g, int64_t n, double lr, double rho, double eps,
		   double weight_decay, struct step_sums *sums);
/* torch.optim.Adamax: top is the decayed maximum of |g| + eps. */
void adamax_step(float *w, float *m, float *top, const float *g, int64_t n, double lr, double beta1, double beta2,
		 double eps, double weight_decay, int64_t step, struct step_sums *sums);
/* torch.optim.NAdam: lr_g and lr_m are the two rates that its momentum schedule gives to the gradient and to m. */
void nadam_step(float *w, float *m, float *v, const float *g, int64_t n, double lr_g, double lr_m, double beta1,
		double beta2, double eps, double weight_decay, int64_t step, struct step_sums *sums);
/* torch.optim.RAdam */
void radam_step(float *w, float *m, float *v, const float *g, int64_t n, double lr, double beta1, double beta2,
		double eps, double weight_decay, int64_t step, struct step_sums *sums);
/* x *= by */
void scale_floats(float *x, float by, int64_t n);
/* Sum of (a - b)^2, and of b^2, in double. */
void distance_sums(double *diff2, double *norm2, const float *a, const float *b, int64_t n);

#endif
