/*
 * trial.h - inside engine/train: what a trial is, and the steps that trial.c, step.c and epoch.c share.
 */
#ifndef ENGINE_TRAIN_TRIAL_H
#define ENGINE_TRAIN_TRIAL_H

#include "engine/train/optim.h"
#include "engine/train/schedule.h"
#include "engine/train/train.h"
#include "engine/train/trunk.h"

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
	struct optim optim;
	struct position position;
	double lr[ENGINE_MAX_GROUPS];    /* each group's own, before schedules; 0: never trained */
	bool trained[ENGINE_MAX_GROUPS]; /* now */
	struct trunk *trunk;             /* the layers that it never trains, and its batches; may be others' too */
	float *start;                    /* own trainable tensors as they began, for drift */
	double *sample_loss;
	uint8_t *sample_right;
	struct divergence divergence;
	float *left;      /* the trunk's running statistics as they were when it diverged */
	uint8_t *correct; /* one bit a validation sample */
	void *block;
	struct net net; /* last: most of it is never touched */
};

/* The net and the optimizer as far as they need no memory (trial.c). *t may hold anything before. */
int trial_prepare(struct trial *t, const struct trial_spec *s, struct err *e);

/* The groups that are trained in that step of the run, and their rates (step.c). */
void trial_set_rates(struct trial *t, int64_t step);
/* Images of a training batch: batch_size, or all that there are. */
int trial_batch(const struct trial *t);
/* Start values of the own tensors of a net like the trial's. */
int trial_load(struct net *net, const struct trial *t, struct err *e);
/* A batch in the trial's trunk, in train mode; ERR_DATA if BatchNorm cannot normalise so few values. */
int trial_begin_batch(struct trial *t, const uint32_t *index, int n, struct err *e);
/* The rest of what the batch costs: forward from the trunk on, loss (the mean before any update), gradients. */
void trial_finish_batch(struct trial *t, const uint32_t *index, int n, double *loss);
/* It has diverged: keeps the trunk's running statistics as they are, while others go on. */
void trial_leave_trunk(struct trial *t);
/* One optimizer step with the gradients of trial_finish_batch(). */
void trial_update(struct trial *t);
/* Is this loss out of bounds? Then it is written down, for trial_divergence(), with the step (0: an evaluation). */
bool trial_diverges(struct trial *t, double loss, int64_t step);

#endif
