/* trunk.c - see trunk.h */
#include "engine/train/trunk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "engine/base/rng.h"
#include "engine/data/data.h"
#include "engine/train/trial.h"

/* ---- memory ---- */

/* The trial's net once more, of which this part is run here. */
static void copy_net(struct net *net, const struct trial *t)
{
	static const bool nothing[ENGINE_MAX_GROUPS];

	net_copy(net, &t->net);
	net_set_trained(net, nothing);
	net->freeze_bn = t->spec.hyper.freeze_bn;
}

static void lay_out(struct trunk *k, const struct trial *t, struct arena *a)
{
	size_t most;

	net_place(&k->net, a, trial_batch(t), 0, k->net.end);
	most = (size_t)(k->net.batch > k->net.eval_batch ? k->net.batch : k->net.eval_batch);
	k->label = arena_take(a, most * sizeof(*k->label));
	k->order = arena_take(a, (size_t)dataset_info(k->train)->n * sizeof(*k->order));
	k->scratch = arena_take(a, dataset_scratch(k->train));
	if (!k->net.filled)
		net_place_crew(&k->net, a, t->spec.threads > 1 ? t->spec.threads : 1);
}

static void set_up(struct trunk *k, const struct trial *t, bool filled)
{
	const struct trial_spec *s = &t->spec;

	memset(k, 0, offsetof(struct trunk, net));
	k->users = 1;
	k->train = s->train;
	k->val = s->val;
	k->seed = s->seed;
	k->shuffle = s->hyper.shuffle != 0;
	copy_net(&k->net, t);
	k->net.filled = filled;
	k->net.batch = trial_batch(t);
	k->net.end = t->net.first ? t->net.first : net_trunk_end(&t->net); /* placed: as it was then */
}

/* from: a trunk like this one, whose tensors are copied; NULL: start values. */
static int place(struct trunk *k, const struct trial *t, const struct trunk *from, struct err *e)
{
	struct arena a = {0};

	lay_out(k, t, &a);
	k->block = a.base = arena_block(a.used);
	if (!a.base)
		return err_set(e, ERR_NOMEM, "out of memory: a trial's frozen layers need %zu bytes", a.used);
	memset(a.base, 0, a.used);
	a.used = 0;
	lay_out(k, t, &a);
	if (!from)
		return trial_load(&k->net, t, e);
	memcpy(k->net.w, from->net.w, k->net.n_weights * sizeof(float));
	return 0;
}

size_t trunk_bytes(const struct trial *t)
{
	struct trunk *k = malloc(sizeof(*k));
	struct arena a = {0};

	if (!k)
		return 0;
	set_up(k, t, false);
	lay_out(k, t, &a);
	free(k);
	return a.used + sizeof(*k);
}

/* ---- features ---- */

/* Floats of an image in all maps that are read of the trunk. */
static size_t floats_read(const struct net *net)
{
	size_t n = 0;

	for (int i = 0; i < net->end; i++)
		if (net_read_outside(net, i))
			n += (size_t)net->node[i].h * (size_t)net->node[i].w * (size_t)net->node[i].c;
	return n;
}

/* A BLAS chooses its kernel by the shape of the product: an image's bits may depend on how many there are. */
static bool by_blas(const struct net *net, int i)
{
	const struct node *n = &net->node[i], *x = &net->node[n->in];

	return n->op == OP_LINEAR && linear_by_blas(x->h * x->w * x->c, n->c);
}

/*
 * Is an image's map the same in every epoch and beside any other image? Not where BatchNorm looks at the batch, the image
 * is augmented, or BLAS multiplies a whole batch.
 */
static bool always_the_same(const struct trunk *k)
{
	const struct net *net = &k->net;

	if (net->end <= 1 || dataset_augments(k->train))
		return false;
	for (int i = 1; i < net->end; i++)
		if (by_blas(net, i) || (net->node[i].op == OP_BN && !net->freeze_bn))
			return false;
	return true;
}

/* Between the maps and a set: image i of the batch, all maps of it side by side. */
static void copy_image(struct net *net, bool eval, int i, float *kept, bool keep)
{
	for (int j = 0; j < net->end; j++) {
		const struct node *n = &net->node[j];
		size_t floats = (size_t)n->h * (size_t)n->w * (size_t)n->c;
		float *map = eval ? n->eval_out : n->out;

		if (!net_read_outside(net, j))
			continue;
		if (keep)
			memcpy(kept, map + (size_t)i * floats, floats * sizeof(float));
		else
			memcpy(map + (size_t)i * floats, kept, floats * sizeof(float));
		kept += floats;
	}
}

static int keep_part(struct trunk *k, float *kept, enum feature_part part, struct err *e)
{
	const bool eval = part != FEATURE_TRAIN;
	const int64_t n = dataset_info(part == FEATURE_VAL ? k->val : k->train)->n;
	const int batch = eval ? k->net.eval_batch : k->net.batch;
	const size_t floats = floats_read(&k->net);
	int rc = 0;

	for (int64_t at = 0; at < n && !rc; at += batch) {
		int now = n - at < batch ? (int)(n - at) : batch;

		rc = eval ? trunk_eval_batch(k, part == FEATURE_VAL, at, now, e)
			  : trunk_batch(k, 0, trunk_order(k, 0) + at, now, e);
		for (int i = 0; i < now && !rc; i++)
			copy_image(&k->net, eval, i, kept + (size_t)(at + i) * floats, true);
	}
	return rc;
}

static int make_features(void *ctx, struct feature_set *set, struct err *e)
{
	const struct trial *t = ctx;
	struct trunk *k = malloc(sizeof(*k));
	int rc;

	if (!k)
		return err_set(e, ERR_NOMEM, "out of memory");
	set_up(k, t, false);
	k->shuffle = false;
	rc = place(k, t, t->trunk, e);
	net_set_team(&k->net, t->net.crew.team);
	if (!rc)
		trunk_fold(k);
	/* evaluation's maps lie over training's, so one part after the other */
	for (int part = 0; part < N_FEATURE_PARTS && !rc; part++)
		rc = keep_part(k, set->part[part], part, e);
	free(k->block);
	free(k);
	return rc;
}

/* All that decides them, beside the model and the start weights. */
static uint64_t features_key(const struct trunk *k, const struct trial *t)
{
	char text[160];
	int n = snprintf(text, sizeof(text), "%s %s %llu %d %d %d", dataset_info(k->train)->hash,
			 dataset_info(k->val)->hash, t->spec.weights ? 0ull : (unsigned long long)k->seed, k->net.end,
			 t->spec.hyper.conv, k->net.batch);

	return XXH3_64bits(text, (size_t)n);
}

static void features_sizes(const struct trunk *k, size_t sizes[N_FEATURE_PARTS])
{
	const size_t floats = floats_read(&k->net);

	sizes[FEATURE_TRAIN] = sizes[FEATURE_TRAIN_EVAL] = (size_t)dataset_info(k->train)->n * floats;
	sizes[FEATURE_VAL] = (size_t)dataset_info(k->val)->n * floats;
}

size_t trunk_features_bytes(const struct trial *t)
{
	struct trunk *k = malloc(sizeof(*k));
	size_t sizes[N_FEATURE_PARTS] = {0};

	if (!k)
		return 0;
	set_up(k, t, false);
	if (always_the_same(k))
		features_sizes(k, sizes);
	free(k);
	return (sizes[0] + sizes[1] + sizes[2]) * sizeof(float);
}

uint64_t trunk_features_key(const struct trial *t)
{
	struct trunk *k = malloc(sizeof(*k));
	uint64_t key = 0;

	if (!k)
		return 0;
	set_up(k, t, false);
	if (always_the_same(k))
		key = features_key(k, t);
	free(k);
	return key;
}

/* ---- making one ---- */

int trunk_new(struct trunk **out, const struct trial *t, struct err *e)
{
	struct trunk *k = malloc(sizeof(*k));
	int rc;

	*out = k;
	if (!k)
		return err_set(e, ERR_NOMEM, "out of memory");
	set_up(k, t, false);
	k->features = t->spec.features;
	k->net.filled = k->features && always_the_same(k);
	rc = place(k, t, NULL, e);
	if (rc) {
		trunk_leave(k);
		*out = NULL;
	}
	return rc;
}

int trunk_begin(struct trunk *k, const struct trial *t, bool *moved, struct err *e)
{
	size_t sizes[N_FEATURE_PARTS];
	void *old = k->block;
	int rc;

	*moved = false;
	if (!k->net.filled || k->set)
		return 0;
	features_sizes(k, sizes);
	k->set = features_take(k->features, features_key(k, t), sizes, t->spec.features_last, make_features, (void *)t,
			       &k->made_set);
	if (k->set)
		return 0;
	k->net.filled = false; /* no room: its layers are run; nothing in them has moved yet, or ever will */
	k->ordered = 0;
	rc = place(k, t, NULL, e);
	*moved = true;
	free(old);
	return rc;
}

void trunk_leave(struct trunk *k)
{
	if (!k || --k->users)
		return;
	if (k->set)
		features_leave(k->features, k->set);
	free(k->block);
	free(k);
}

uint64_t trunk_tensor_hash(struct trunk *k, int i)
{
	const struct param *p = &k->net.param[i];

	if (!k->tensor_hash[i])
		k->tensor_hash[i] = XXH3_64bits(p->w, (size_t)p->n * sizeof(float));
	return k->tensor_hash[i];
}

/* ---- batches ---- */

const uint32_t *trunk_order(struct trunk *k, int64_t epoch)
{
	uint32_t n = (uint32_t)dataset_info(k->train)->n;

	if (k->ordered == epoch + 1)
		return k->order;
	if (k->shuffle)
		rng_permutation(k->order, n, k->seed, RNG_ORDER, (uint64_t)epoch);
	for (uint32_t i = 0; i < n && !k->shuffle; i++)
		k->order[i] = i;
	k->ordered = epoch + 1;
	return k->order;
}

/* Samples index[] (or from `first` on) of a part of the set into the maps. */
static void fill(struct trunk *k, enum feature_part part, const uint32_t *index, int64_t first, int n)
{
	const size_t floats = floats_read(&k->net);

	for (int i = 0; i < n; i++) {
		size_t at = index ? index[i] : (size_t)first + (size_t)i;

		copy_image(&k->net, part != FEATURE_TRAIN, i, k->set->part[part] + at * floats, false);
	}
}

int trunk_batch(struct trunk *k, int64_t epoch, const uint32_t *index, int n, struct err *e)
{
	const struct augment_draw draw = {k->seed, (uint64_t)epoch, k->scratch};
	const struct batch_id id = {.seed = k->seed, .epoch = (uint32_t)epoch, .sample = index};
	int rc;

	if (k->set) {
		dataset_labels(k->train, k->label, index, 0, n);
		fill(k, FEATURE_TRAIN, index, 0, n);
		return 0;
	}
	rc = dataset_gather(k->train, net_input(&k->net), k->label, index, 0, n, &draw, e);
	if (!rc)
		net_forward_nodes(&k->net, 1, k->net.end, n, &id);
	return rc;
}

void trunk_fold(struct trunk *k)
{
	if (!k->set)
		net_fold(&k->net);
}

int trunk_eval_batch(struct trunk *k, bool val, int64_t first, int n, struct err *e)
{
	const struct dataset *d = val ? k->val : k->train;
	int rc;

	if (k->set) {
		dataset_labels(d, k->label, NULL, first, n);
		fill(k, val ? FEATURE_VAL : FEATURE_TRAIN_EVAL, NULL, first, n);
		return 0;
	}
	rc = dataset_gather(d, net_eval_input(&k->net), k->label, NULL, first, n, NULL, e);
	if (!rc)
		net_forward_eval_nodes(&k->net, 1, k->net.end, n);
	return rc;
}
