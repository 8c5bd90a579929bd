/*
 * features.h - what the frozen layers make of every image, kept where it is the same in every epoch (struct features of
 * engine.h): any number of threads ask for sets; the first to ask makes one, the others wait for it.
 */
#ifndef ENGINE_TRAIN_FEATURES_H
#define ENGINE_TRAIN_FEATURES_H

#include "engine/engine.h"

enum feature_part { FEATURE_TRAIN, FEATURE_TRAIN_EVAL, FEATURE_VAL, N_FEATURE_PARTS };

/* One set: for each part the maps that are read of it, image by image. */
struct feature_set {
	uint64_t key;
	int users;
	bool ready, failed;
	bool last; /* who reads it now is the last to */
	size_t bytes;
	float *part[N_FEATURE_PARTS]; /* [images][floats of an image] */
	struct feature_set *next;
};

/* Fills the parts, which are allocated. May fail: its error is the caller's own to meet again without features. */
typedef int (*feature_maker)(void *ctx, struct feature_set *set, struct err *e);

/*
 * The set of that key, made if need be (*made then): floats[] of each part. NULL if there is no room for it under the
 * limit, or it could not be made. Give it back with features_leave(), which drops it if nobody reads it any more and
 * one who did came as the last.
 */
struct feature_set *features_take(struct features *f, uint64_t key, const size_t floats[N_FEATURE_PARTS], bool last,
				  feature_maker make, void *ctx, bool *made);
void features_leave(struct features *f, struct feature_set *set);
size_t features_held(struct features *f); /* bytes in all sets */

#endif
