/*
 * trial.h - inside engine/train: what a trial is, and the steps that trial.c, step.c and epoch.c share.
 */
#ifndef ENGINE_TRAIN_TRIAL_H
#define ENGINE_TRAIN_TRIAL_H

#include "engine/train/optim.h"
#include "engine/train/schedule.h"
#include "engine/train/train.h"

/* Where a run stands between two steps. Part of the state block: fixed-width members only. */
struct position {
	int64_t epoch; /* whole epochs done */
	int64_t step;  /* steps done in the current one */
	int64_t steps; /* optimizer steps done in all */
	int64_t right; /* running sums of the current epoch */
	double loss;
	double grad_norm[ENGINE_MAX_GROUPS], update_ratio[ENGINE_MAX_GROUPS];
	int64_t rated[ENGINE_MAX_GROUPS]; /* optimizer steps with a rate above 0, in all */
	int64_t wild[ENGINE_MAX_GROUPS];  /* steps in a row, to the last, whose update was as long as the weights ... */
	double ratio[ENGINE_MAX_GROUPS];  /* ... and the last finite ratio of the two */
	struct plateau plateau;
};

struct trial {
	struct trial_spec spec;
	struct model_spec model;
	struct net net;
	struct optim optim;
	struct position position;
	double lr[ENGINE_MAX_GROUPS];    /* each group's own, before schedules; 0: never trained */
	bool trained[ENGINE_MAX_GROUPS]; /* now */
	float *start;                    /* trainable tensors as they began, for drift */
	uint32_t *order;                 /* this epoch's order of the training samples */
	int64_t ordered;                 /* for which epoch (+1) order stands; 0: none */
	int32_t *label;                  /* of a batch */
	double *sample_loss;
	uint8_t *sample_right;
	struct divergence divergence;
	void *scratch;    /* for augmentation */
	uint8_t *correct; /* one bit a validation sample */
	void *block;
};

/* The net and the optimizer as far as they need no memory (trial.c). */
int trial_prepare(struct trial *t, const struct trial_spec *s, struct err *e);

/* The groups that are trained in that step of the run, and their rates (step.c). */
void trial_set_rates(struct trial *t, int64_t step);
/* A batch and the layers below node `prefix`, in train mode; ERR_DATA if BatchNorm cannot normalise so few values. */
int trial_begin_batch(struct trial *t, int prefix, const uint32_t *index, int n, struct err *e);
/*
 * What the batch costs beyond the layers that `leader` has run for it: forward from `prefix` on, loss (the mean before any
 * update), gradients. A trial on its own leads itself.
 */
void trial_finish_batch(struct trial *t, const struct trial *leader, int prefix, const uint32_t *index, int n,
			double *loss);
/* One optimizer step with the gradients of trial_finish_batch(). */
void trial_update(struct trial *t);
/* Is this loss out of bounds? Then it is written down, for trial_divergence(), with the step (0: an evaluation). */
bool trial_diverges(struct trial *t, double loss, int64_t step);

#endif
