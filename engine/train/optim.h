/*
 * optim.h - one optimizer step over all trained tensors of a net, group by group (torch.optim's SGD, Adam, AdamW).
 */
#ifndef ENGINE_TRAIN_OPTIM_H
#define ENGINE_TRAIN_OPTIM_H

#include "engine/net/net.h"

struct optim {
	const struct hyper *hyper;
	double lr[ENGINE_MAX_GROUPS]; /* in force; 0: the group is frozen */
	double weight_decay[ENGINE_MAX_GROUPS];
	float *state[3]; /* flat runs beside net->w: momentum buffer or m, v, vmax; NULL if unused */
};

/* How many flat runs of n_trainable floats the optimizer keeps (0..3). */
int optim_runs(const struct hyper *h);

/*
 * Step number `step` (from 1; the same for every group). Adds each group's |gradient| to grad_norm[] and
 * |update| / |weights| to update_ratio[] (L2 over the group's tensors; frozen groups are left alone).
 */
void optim_step(struct optim *o, struct net *net, int64_t step, double *grad_norm, double *update_ratio);

#endif
