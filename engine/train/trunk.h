/*
 * trunk.h - the frozen first layers of one or more trials, with their batches: what all of them see alike.
 *
 * A trial always has a trunk, if only for its input. Trials on one trunk belong to one thread and stand at one position,
 * as the trunk's running statistics do. Where nothing in it changes from epoch to epoch its maps are computed once a sweep
 * (features.h) and only copied here.
 */
#ifndef ENGINE_TRAIN_TRUNK_H
#define ENGINE_TRAIN_TRUNK_H

#include "engine/net/net.h"
#include "engine/train/features.h"

struct trial;

struct trunk {
	int users;
	const struct dataset *train, *val;
	uint64_t seed;
	bool shuffle;
	int32_t *label;  /* of the batch at hand */
	uint32_t *order; /* this epoch's order of the training samples */
	int64_t ordered; /* for which epoch (+1) order stands; 0: none */
	void *scratch;   /* for augmentation */
	struct features *features;
	struct feature_set *set;               /* NULL: its layers are run for every batch */
	bool made_set;                         /* by this trunk, and no epoch has told of it yet */
	uint64_t tensor_hash[NET_MAX_TENSORS]; /* of those that never change; 0: not asked for yet */
	void *block;
	struct net net; /* nodes 0 .. net.end-1; last: most of it is never touched */
};

/* For a prepared trial (trial_prepare()). A second user counts itself in users. */
int trunk_new(struct trunk **out, const struct trial *t, struct err *e);
void trunk_leave(struct trunk *k); /* the last one frees it; accepts NULL */
/*
 * Before an epoch of t, which stands on it: finds or makes its features if it is to have some. *moved: there is no room
 * for them, and maps and tensors have a new place.
 */
int trunk_begin(struct trunk *k, const struct trial *t, bool *moved, struct err *e);
/* Bytes that trunk_new() allocates, but for features; and those. */
size_t trunk_bytes(const struct trial *t);
size_t trunk_features_bytes(const struct trial *t);
uint64_t trunk_features_key(const struct trial *t); /* 0: none are kept */

/* XXH3-64 of the values of tensor i, no running statistic. */
uint64_t trunk_tensor_hash(struct trunk *k, int i);

/* The training samples' order in that epoch. */
const uint32_t *trunk_order(struct trunk *k, int64_t epoch);
/* Maps and labels of training samples index[0..n-1] in train mode. */
int trunk_batch(struct trunk *k, int64_t epoch, const uint32_t *index, int n, struct err *e);
/* Evaluation: first trunk_fold(), then batches of n samples from number `first` on. */
void trunk_fold(struct trunk *k);
int trunk_eval_batch(struct trunk *k, bool val, int64_t first, int n, struct err *e);

#endif
