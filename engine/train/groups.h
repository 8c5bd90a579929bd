/*
 * groups.h - which parameter group a tensor belongs to, and how deep it lies.
 */
#ifndef ENGINE_TRAIN_GROUPS_H
#define ENGINE_TRAIN_GROUPS_H

#include "engine/net/net.h"

/* Every parameter to the last group that matches it; every group must get one (else ERR_CONFIG). */
int groups_assign(struct net *net, const struct trial_spec *s, struct err *e);

/*
 * Every parameter's lr_scale: decay to the power of how many layers lie between it and the head's, as timm's layer_decay
 * has it. A layer is a residual block (layer2.0), the stem (conv1 and its bn1), or a module of its own (fc, fc1, conv2).
 */
void groups_scale_layers(struct net *net, double decay);

#endif
