/*
 * schedule.h - rates over a run: torch.optim.lr_scheduler's classes, each as a function of the step alone.
 *
 * A run's steps are numbered from 0; per_epoch of them make an epoch. Warmup comes first, then the schedule's own clock
 * starts at 0 and counts epochs or steps (schedule_unit). Nothing here knows which groups are frozen: as in torch, a
 * group's schedule runs whether it is trained or not. docs/training.md has the formulas.
 */
#ifndef ENGINE_TRAIN_SCHEDULE_H
#define ENGINE_TRAIN_SCHEDULE_H

#include "engine/engine.h"

/* Rate in that step of a group whose own rate is base (plateau: its rate as reduced so far). */
double schedule_lr(const struct hyper *h, double base, int64_t step, int64_t per_epoch);
/* Momentum, or the first beta, in that step. */
double schedule_momentum(const struct hyper *h, int64_t step, int64_t per_epoch);

/* ReduceLROnPlateau, mode min, over val_loss. Part of a trial's state: fixed-width members only. */
struct plateau {
	double best;
	int64_t bad, cooldown;
	double lr[ENGINE_MAX_GROUPS];
};
void plateau_start(struct plateau *p, const double lr[ENGINE_MAX_GROUPS]);
/* After an epoch: what the next one's rates are. */
void plateau_epoch(struct plateau *p, const struct hyper *h, double val_loss);

#endif
