/*
 * train.h - inside the engine: a trial's parts, for tests that replay single steps. The public face is in engine.h.
 */
#ifndef ENGINE_TRAIN_TRAIN_H
#define ENGINE_TRAIN_TRAIN_H

#include "engine/engine.h"
#include "engine/net/net.h"

struct net *trial_net(struct trial *t);
/* Gradients of the mean loss over training samples index[0..n-1] (n <= batch_size), without an update; *loss is that
 * mean. */
int trial_gradients(struct trial *t, const uint32_t *index, int n, double *loss, struct err *e);
/* The same and one optimizer step. ERR_DATA if BatchNorm cannot normalise one value a channel. */
int trial_step(struct trial *t, const uint32_t *index, int n, double *loss, struct err *e);

/* The rate of group g and the momentum (or first beta) in the last step; rate 0 where the group was frozen. */
double trial_rate(const struct trial *t, int g);
double trial_momentum(const struct trial *t);

#endif
