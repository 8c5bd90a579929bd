/*
 * optim.h - one optimizer step over all trained tensors of a net, group by group (torch.optim's first-order rules).
 */
#ifndef ENGINE_TRAIN_OPTIM_H
#define ENGINE_TRAIN_OPTIM_H

#include "engine/net/net.h"

#define OPTIM_MAX_RUNS 3

/* What an optimizer keeps of a group beside its runs. Part of a trial's state: fixed-width members only. */
struct optim_group {
	int64_t steps;     /* taken by this group: fewer than others where it was frozen at first */
	double mu_product; /* NAdam's, after those steps */
};

struct optim {
	const struct hyper *hyper;
	double momentum;              /* in force: momentum, or the first beta */
	double lr[ENGINE_MAX_GROUPS]; /* in force; a tensor's is this times its lr_scale */
	double weight_decay[ENGINE_MAX_GROUPS];
	struct optim_group group[ENGINE_MAX_GROUPS];
	float *state[OPTIM_MAX_RUNS]; /* flat runs beside net->w, see optim.c; NULL if unused */
	struct step_sums *piece;      /* room for optim_pieces() of them */
};

/* How many flat runs of n_trainable floats the optimizer keeps (0 .. OPTIM_MAX_RUNS). */
int optim_runs(const struct hyper *h);
/* Into how many pieces a step cuts the net's parameters at most. */
int optim_pieces(const struct net *net);
/* Start values of all that the optimizer keeps: n_trainable floats a run. */
void optim_start(struct optim *o, size_t n_trainable);

/*
 * One step. Adds each group's |gradient| (before clipping) to grad_norm[] and |update| / |weights| to update_ratio[] (L2
 * over the group's trained tensors; frozen groups are left alone). With clip_grad_norm the gradients are scaled first.
 */
void optim_step(struct optim *o, struct net *net, double *grad_norm, double *update_ratio);

#endif
