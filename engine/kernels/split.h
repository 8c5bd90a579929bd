/*
 * split.h - the kernels of kernels.h on the threads of a team: the same bits for any number of threads.
 *
 * Work is cut where no sum is: convolutions and their gradients into images or output channels, the rest into images or
 * rows. BatchNorm's sums over rows are taken in strips whose number depends on the shape alone, and joined in order.
 * What is too small to be worth a team's call runs on the calling thread.
 */
#ifndef ENGINE_KERNELS_SPLIT_H
#define ENGINE_KERNELS_SPLIT_H

#include "engine/base/team.h"
#include "engine/kernels/kernels.h"

/* Who works on a net, and where: thread i has the workspace at ws + i * ws_floats. */
struct crew {
	struct team *team; /* NULL: the calling thread alone */
	int threads;       /* how many have a workspace: no more ever work */
	float *ws;
	size_t ws_floats; /* a multiple of 16; enough for each call's conv_workspace() or bn_workspace() */
	bool eager;       /* for tests: a team is worth its call for whatever work */
};

void split_conv_forward(const struct crew *crew, float *y, const float *x, const float *w, const struct conv_shape *cs,
			int n, const struct conv_tail *tail);
void split_conv_backward_data(const struct crew *crew, float *dx, const float *dy, const float *w,
			      const struct conv_shape *cs, int n, bool accumulate);
void split_conv_backward_weights(const struct crew *crew, float *dw, float *db, const float *dy, const float *x,
				 const struct conv_shape *cs, int n);

/* ---- BatchNorm2d, with the residual add and the ReLU that follow it in a ResNet (both optional) ---- */

size_t bn_workspace(int c); /* floats, in all */
/*
 * z = act(gamma * (y - mean) * rstd + beta [+ add]), M rows of C channels, act = ReLU where relu.
 * Train mode: mean, rstd [c] are written (batch mean; 1 / sqrt(biased variance + eps)) and running_mean, running_var
 * move by momentum towards the batch's (unbiased variance), as torch.nn.BatchNorm2d. Variance by a second pass or by
 * blocks combined in double (Chan et al. 1979), never E[x^2] - m^2 in float. M == 1 in train mode: caller refuses.
 * z may be NULL: the statistics alone.
 */
void bn_forward_train(const struct crew *crew, float *z, float *mean, float *rstd, float *running_mean,
		      float *running_var, const float *y, const float *gamma, const float *beta, const float *add,
		      bool relu, int64_t m, int c, float eps, float momentum);
/* bn_forward_eval() */
void split_bn_forward_eval(const struct crew *crew, float *z, const float *y, const float *mean, const float *rstd,
			   const float *gamma, const float *beta, const float *add, bool relu, int64_t m, int c);
/*
 * dz -> dy, dgamma, dbeta, and dadd (the residual's gradient; NULL where there was no add). With relu, dz counts only
 * where z > 0 or z is NaN (as in torch); z NULL, where there was no add: it is computed again (struct bn_gate), and only then
 * is beta read. Without relu neither is. batch_stats: mean and rstd were the batch's own (train mode), else constants. dy may be NULL (frozen below); dgamma and dbeta may both be NULL (frozen).
 * dy may alias dz. dadd may alias dz only if dy does not. dy and dadd are overwritten; where accumulate_add, dadd is
 * added to.
 */
void bn_backward(const struct crew *crew, float *dy, float *dgamma, float *dbeta, float *dadd, const float *dz,
		 const float *z, const float *y, const float *mean, const float *rstd, const float *gamma,
		 const float *beta, bool relu, bool batch_stats, bool accumulate_add, int64_t m, int c);

/* ---- the same where a max pooling alone reads the map, which is never in memory; see bn_maxpool_fits() ---- */

/* A convolution without bias that alone makes the map that is normalised (cs->p, q, k: the map's h, w, c), and whose weights
 * alone want that map's gradient. All are the caller's. */
struct conv_use {
	float *dw;      /* [r][s][c][k], overwritten */
	const float *x; /* [n][h][w][c] */
	const struct conv_shape *cs;
};

/* Floats, of each thread; cs: of a conv_use, or NULL. */
size_t bn_pool_workspace(const struct pool_shape *ps, const struct conv_shape *cs);
void bn_pool_forward(const struct crew *crew, float *z, uint8_t *arg, const float *y, const float *mean,
		     const float *rstd, const float *gamma, const float *beta, bool relu, const struct pool_shape *ps,
		     int n);
/*
 * dz: the pooling's gradient, 0 where ReLU stopped it. dy must not alias dz; else as bn_backward(). With conv (or NULL) dy
 * is NULL: it is never in memory, but made for some images and used up for conv's dw. The sums of strips of images, whose
 * number depends on n and the shape alone, are joined in order.
 */
void bn_pool_backward(const struct crew *crew, float *dy, const struct conv_use *conv, float *dgamma, float *dbeta,
		      const float *dz, const uint8_t *arg, const float *y, const float *mean, const float *rstd,
		      const float *gamma, bool batch_stats, const struct pool_shape *ps, int n);

/* ---- a convolution whose map only a max pooling reads, see conv_pool_fits() ---- */

size_t split_conv_pool_workspace(const struct conv_shape *cs); /* floats, of each thread */
void split_conv_pool_forward(const struct crew *crew, float *y, uint8_t *arg, const float *x, const float *w,
			     const float *bias, const struct conv_shape *cs, const struct pool_shape *ps, bool relu,
			     int n);
/* db may be NULL. The sums of strips of images, whose number depends on n alone, are joined in order. */
void split_conv_pool_backward_weights(const struct crew *crew, float *dw, float *db, const float *dy, const float *y,
				      const uint8_t *arg, const float *x, const struct conv_shape *cs,
				      const struct pool_shape *ps, int n);

/* ---- the rest of kernels.h ---- */

void split_maxpool_forward(const struct crew *crew, float *y, uint8_t *arg, const float *x, const struct pool_shape *ps,
			   int n);
void split_maxpool_backward(const struct crew *crew, float *dx, const float *dy, const uint8_t *arg,
			    const struct pool_shape *ps, int n);
void split_global_avgpool_forward(const struct crew *crew, float *y, const float *x, int n, int hw, int c);
void split_global_avgpool_backward(const struct crew *crew, float *dx, const float *dy, int n, int hw, int c);
void split_relu_forward(const struct crew *crew, float *y, const float *x, int64_t n);
void split_relu_backward(const struct crew *crew, float *dx, const float *dy, const float *y, int64_t n);
void split_dropout_apply(const struct crew *crew, float *y, const float *x, const uint8_t *mask, float p, int64_t n);

/* part(ctx, i, n) on as many threads as `work` elements of plain arithmetic are worth. */
void split_run(const struct crew *crew, double work, team_part part, void *ctx);

#endif
