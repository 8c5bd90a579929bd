/*
 * augment.h - inside data/: the random part of augmentation, drawn as torchvision's transforms draw it but from our own
 * streams: a pick is a function of (seed, epoch, sample) alone.
 */
#ifndef ENGINE_DATA_AUGMENT_H
#define ENGINE_DATA_AUGMENT_H

#include "engine/engine.h"

/* Which window of an image is taken; top and left may be negative, and the window may reach over the edge. */
struct augment_pick {
	int top, left, h, w;
	bool flip;
};

bool augment_any(const struct augment_spec *a);
/* 0, or ERR_CONFIG in words that name the setting. */
int augment_check(const struct augment_spec *a, struct err *e);
/* For an image of h x w. */
struct augment_pick augment_pick(const struct augment_spec *a, int h, int w, uint64_t seed, uint64_t epoch,
				 uint64_t sample);

#endif
