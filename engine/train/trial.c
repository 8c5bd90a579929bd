/* trial.c - a trial: a net, its optimizer and its place in the run, all in one block (see engine.h, trial.h) */
#include "engine/train/trial.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "engine/data/data.h"
#include "engine/train/groups.h"

struct net *trial_net(struct trial *t)
{
	return &t->net;
}

/* ---- making one ---- */

static double group_lr(const struct trial_spec *s, int g)
{
	return isnan(s->group_lr[g]) ? hyper_group_lr(&s->hyper, g, s->n_groups) : s->group_lr[g];
}

static int check_data(const struct trial_spec *s, int classes, struct err *e)
{
	const struct dataset_info *train = dataset_info(s->train);
	const struct dataset_info *val = dataset_info(s->val);

	if (train->c != val->c || train->h != val->h || train->w != val->w)
		return err_set(e, ERR_DATA, "data: train images are %dx%dx%d, val images %dx%dx%d", train->c, train->h,
			       train->w, val->c, val->h, val->w);
	if (train->classes > classes || val->classes > classes)
		return err_set(e, ERR_DATA, "data: labels go up to %d, but the model has %d classes",
			       (train->classes > val->classes ? train->classes : val->classes) - 1, classes);
	if (train->n > UINT32_MAX || val->n > UINT32_MAX)
		return err_set(e, ERR_DATA, "data: more than 2^32 samples");
	return dataset_same_classes(s->train, s->val, e);
}

int trial_prepare(struct trial *t, const struct trial_spec *s, struct err *e)
{
	const struct dataset_info *train = dataset_info(s->train);
	int classes = s->model->classes ? s->model->classes : train->classes;
	int rc;

	memset(t, 0, offsetof(struct trial, net));
	t->spec = *s;
	t->model = *s->model;
	t->spec.model = &t->model;
	hyper_resolve(&t->spec.hyper);
	rc = hyper_check(&t->spec.hyper, e);
	if (!rc)
		rc = check_data(s, classes, e);
	if (!rc)
		rc = net_build(&t->net, &t->model, train->c, train->h, train->w, classes, (float)t->spec.hyper.dropout,
			       e);
	if (!rc)
		rc = groups_assign(&t->net, s, e);
	if (rc)
		return rc;
	net_choose_conv(&t->net, (enum conv_choice)t->spec.hyper.conv);
	t->net.freeze_bn = t->spec.hyper.freeze_bn;
	groups_scale_layers(&t->net, t->spec.hyper.layer_decay);
	t->optim.hyper = &t->spec.hyper;
	for (int g = 0; g < s->n_groups; g++) {
		double decay = s->group_weight_decay[g];

		t->lr[g] = group_lr(&t->spec, g);
		t->optim.weight_decay[g] = isnan(decay) ? t->spec.hyper.weight_decay : decay;
		/* once: memory is laid out for all that will ever be trained */
		t->trained[g] = t->lr[g] > 0 && hyper_thaw_epoch(&t->spec.hyper, g, s->n_groups) < t->spec.hyper.epochs;
	}
	net_set_trained(&t->net, t->trained);
	plateau_start(&t->position.plateau, t->lr);
	return 0;
}

int trial_batch(const struct trial *t)
{
	int64_t n = dataset_info(t->spec.train)->n;

	return n < t->spec.hyper.batch_size ? (int)n : t->spec.hyper.batch_size;
}

/* Floats of the running statistics that lie in the trunk. */
static size_t trunk_statistics(const struct net *net)
{
	size_t n = 0;

	for (int i = 0; i < net->n_params; i++)
		if (net->param[i].is_buffer && !net->param[i].own)
			n += (size_t)net->param[i].n;
	return n;
}

/* All but the trunk. Returns the bytes up to the threads' workspaces, which no thread touches before it works. */
static size_t lay_out(struct trial *t, struct arena *a)
{
	const size_t n_val = (size_t)dataset_info(t->spec.val)->n;
	const int runs = optim_runs(&t->spec.hyper);
	struct net *net = &t->net;
	size_t most, ours;

	net_place(net, a, trial_batch(t), net_trunk_end(net), net->n_nodes);
	for (int i = 0; i < OPTIM_MAX_RUNS; i++)
		t->optim.state[i] = i < runs ? arena_floats(a, net->n_trainable) : NULL;
	t->optim.piece = arena_take(a, (size_t)optim_pieces(net) * sizeof(*t->optim.piece));
	t->start = arena_floats(a, net->n_trainable);
	most = (size_t)(net->batch > net->eval_batch ? net->batch : net->eval_batch);
	t->sample_loss = arena_take(a, most * sizeof(*t->sample_loss));
	t->sample_right = arena_take(a, most);
	t->correct = arena_take(a, (n_val + 7) / 8);
	t->left = arena_floats(a, trunk_statistics(net));
	ours = a->used;
	net_place_crew(net, a, t->spec.threads > 1 ? t->spec.threads : 1);
	return ours;
}

int trial_load(struct net *net, const struct trial *t, struct err *e)
{
	net_init_random(net, t->spec.seed);
	if (!t->spec.weights)
		return 0;
	return net_load(net, t->spec.weights, t->model.head_keep ? NULL : model_head(t->model.arch), e);
}

void trial_leave_trunk(struct trial *t)
{
	float *at = t->left;

	for (int i = 0; i < t->net.n_params; i++) {
		struct param *p = &t->net.param[i];

		if (!p->is_buffer || p->own)
			continue;
		memcpy(at, p->w, (size_t)p->n * sizeof(float));
		p->w = at;
		at += p->n;
	}
}

static int load_start(struct trial *t, struct err *e)
{
	int rc = trial_load(&t->net, t, e);

	memcpy(t->start, t->net.w, t->net.n_trainable * sizeof(float));
	optim_start(&t->optim, t->net.n_trainable);
	return rc;
}

static int place(struct trial *t, struct err *e)
{
	struct arena a = {0};
	size_t ours = lay_out(t, &a);

	t->block = a.base = arena_block(a.used);
	if (!a.base)
		return err_set(e, ERR_NOMEM, "out of memory: a trial needs %zu bytes", a.used);
	memset(a.base, 0, ours);
	a.used = 0;
	lay_out(t, &a);
	net_attach(&t->net, &t->trunk->net);
	return load_start(t, e);
}

/* with: a trial whose trunk is to be this one's too; NULL: it gets its own. */
static int make(struct trial **out, const struct trial_spec *spec, struct trial *with, struct err *e)
{
	struct trial *t = malloc(sizeof(*t));
	int rc;

	*out = NULL;
	if (!t)
		return err_set(e, ERR_NOMEM, "out of memory: a trial needs %zu bytes", sizeof(*t));
	rc = trial_prepare(t, spec, e);
	if (!rc && with) {
		assert(net_trunk_end(&t->net) == with->net.first);
		t->trunk = with->trunk;
		t->trunk->users++;
	} else if (!rc) {
		rc = trunk_new(&t->trunk, t, e);
	}
	if (!rc)
		rc = place(t, e);
	if (rc)
		trial_free(t);
	else
		*out = t;
	return rc;
}

void trial_set_team(struct trial *t, struct team *team)
{
	net_set_team(&t->net, team);
	net_set_team(&t->trunk->net, team);
}

int trial_new(struct trial **out, const struct trial_spec *spec, struct err *e)
{
	return make(out, spec, NULL, e);
}

int trial_new_sharing(struct trial **out, const struct trial_spec *spec, struct trial *with, struct err *e)
{
	return make(out, spec, with, e);
}

void trial_free(struct trial *t)
{
	if (!t)
		return;
	trunk_leave(t->trunk);
	free(t->block);
	free(t);
}

/* A trial without its memory: *a tells how much it would be. To be freed; NULL and e filled in on a bad spec. */
static struct trial *measured(const struct trial_spec *spec, struct arena *a, struct err *e)
{
	struct trial *t = malloc(sizeof(*t));

	if (!t) {
		err_set(e, ERR_NOMEM, "out of memory");
		return NULL;
	}
	if (trial_prepare(t, spec, e)) {
		free(t);
		return NULL;
	}
	lay_out(t, a);
	return t;
}

size_t trial_bytes_sharing(const struct trial_spec *spec, struct err *e)
{
	struct arena a = {0};
	struct trial *t = measured(spec, &a, e);
	size_t bytes = t ? a.used + sizeof(*t) : 0;

	free(t);
	return bytes;
}

size_t trial_bytes(const struct trial_spec *spec, struct err *e)
{
	struct arena a = {0};
	struct trial *t = measured(spec, &a, e);
	size_t bytes = t ? trunk_bytes(t) + a.used + sizeof(*t) : 0;

	free(t);
	return bytes;
}

size_t trial_checkpoint_bytes(const struct trial_spec *spec, struct err *e)
{
	struct arena a = {0};
	struct trial *t = measured(spec, &a, e);
	size_t bytes = t ? trial_state_bytes(t) : 0;

	free(t);
	return bytes;
}

size_t trial_features_bytes(const struct trial_spec *spec)
{
	struct trial *t = malloc(sizeof(*t));
	struct err ignored;
	size_t bytes = t && !trial_prepare(t, spec, &ignored) ? trunk_features_bytes(t) : 0;

	free(t);
	return bytes;
}

void trial_group_size(const struct trial *t, int g, int *tensors, int64_t *elements)
{
	*tensors = 0;
	*elements = 0;
	for (int i = 0; i < t->net.n_params; i++) {
		if (t->net.param[i].group != g)
			continue;
		*tensors += 1;
		*elements += t->net.param[i].n;
	}
}

int trial_tensors(const struct trial *t)
{
	return t->net.n_params;
}

void trial_tensor(struct trial_tensor *out, const struct trial *t, int i)
{
	const struct param *p = &t->net.param[i];

	*out = (struct trial_tensor){p->name, p->rank, p->shape, p->n, p->group};
}

const uint8_t *trial_correct(const struct trial *t)
{
	return t->correct;
}

int trial_save(const struct trial *t, const char *path, struct err *e)
{
	return net_save(&t->net, path, e);
}

/* The values are taken as they lie inside: equal weights, equal hash, on one build. 0 (out of memory) equals no hash. */
void trial_weights_hash(const struct trial *t, char out[TRIAL_WEIGHTS_HASH])
{
	XXH3_state_t *s = XXH3_createState();

	if (s)
		XXH3_64bits_reset(s);
	for (int i = 0; s && i < t->net.n_params; i++) {
		const struct param *p = &t->net.param[i];
		uint64_t values = p->own || p->is_buffer ? XXH3_64bits(p->w, (size_t)p->n * sizeof(float))
							 : trunk_tensor_hash(t->trunk, i);

		XXH3_64bits_update(s, p->name, strlen(p->name));
		XXH3_64bits_update(s, &values, sizeof(values));
	}
	snprintf(out, TRIAL_WEIGHTS_HASH, "%016llx", s ? (unsigned long long)XXH3_64bits_digest(s) : 0ull);
	XXH3_freeState(s);
}

/* ---- state ---- */

#define STATE_MAGIC 0x34657461745370ull

enum kept { KEPT_NOT, KEPT_VALUES, KEPT_ALL };

/* kept[]: what of each tensor follows, in the net's order. The bits of who was right come last. */
struct state_head {
	uint64_t magic, bytes;
	int64_t n_params, runs;
	struct position position;
	struct optim_group group[ENGINE_MAX_GROUPS];
	uint8_t kept[NET_MAX_TENSORS];
};

/* Frozen tensors of the trunk stay as they started, so that only its running statistics are part of the state. */
static enum kept keeps(const struct trial *t, int i)
{
	const struct param *p = &t->net.param[i];

	if (p->is_buffer)
		return KEPT_VALUES;
	return p->own ? KEPT_ALL : KEPT_NOT;
}

static size_t kept_floats(int64_t n, int kept, int64_t runs)
{
	return kept == KEPT_NOT ? 0 : (size_t)n * (size_t)(kept == KEPT_ALL ? 1 + runs : 1);
}

static size_t correct_bytes(const struct trial *t)
{
	return ((size_t)dataset_info(t->spec.val)->n + 7) / 8;
}

size_t trial_state_bytes(const struct trial *t)
{
	size_t floats = 0;

	for (int i = 0; i < t->net.n_params; i++)
		floats += kept_floats(t->net.param[i].n, keeps(t, i), optim_runs(&t->spec.hyper));
	return sizeof(struct state_head) + floats * sizeof(float) + correct_bytes(t);
}

static char *put(char *at, const float *values, int64_t n)
{
	memcpy(at, values, (size_t)n * sizeof(float));
	return at + (size_t)n * sizeof(float);
}

void trial_get_state(const struct trial *t, void *block)
{
	const int runs = optim_runs(&t->spec.hyper);
	struct state_head head = {.magic = STATE_MAGIC,
				  .bytes = trial_state_bytes(t),
				  .n_params = t->net.n_params,
				  .runs = runs,
				  .position = t->position};
	char *at = (char *)block + sizeof(head);

	memcpy(head.group, t->optim.group, sizeof(head.group));
	for (int i = 0; i < t->net.n_params; i++) {
		const struct param *p = &t->net.param[i];

		head.kept[i] = (uint8_t)keeps(t, i);
		if (head.kept[i] == KEPT_NOT)
			continue;
		at = put(at, p->w, p->n);
		for (int r = 0; r < runs && head.kept[i] == KEPT_ALL; r++)
			at = put(at, t->optim.state[r] + p->at, p->n);
	}
	memcpy(at, t->correct, correct_bytes(t));
	memcpy(block, &head, sizeof(head));
}

/* Does the block hold what its head says, and could this trial have left it? */
static bool fits(const struct trial *t, const struct state_head *head, size_t bytes)
{
	size_t floats = 0;

	if (head->magic != STATE_MAGIC || head->bytes != bytes || head->n_params != t->net.n_params ||
	    head->runs != optim_runs(&t->spec.hyper) || head->position.epoch < 0 || head->position.step < 0 ||
	    head->position.epoch > t->spec.hyper.epochs)
		return false;
	for (int i = 0; i < t->net.n_params; i++) {
		if (head->kept[i] > KEPT_ALL || (t->net.param[i].is_buffer && head->kept[i] != KEPT_VALUES))
			return false;
		floats += kept_floats(t->net.param[i].n, head->kept[i], head->runs);
	}
	return bytes == sizeof(*head) + floats * sizeof(float) + correct_bytes(t);
}

static void take_tensor(struct trial *t, int i, enum kept kept, const float *at)
{
	struct param *p = &t->net.param[i];

	if (kept == KEPT_NOT || keeps(t, i) == KEPT_NOT)
		return;
	memcpy(p->w, at, (size_t)p->n * sizeof(float));
	for (int r = 0; r < optim_runs(&t->spec.hyper) && kept == KEPT_ALL; r++)
		memcpy(t->optim.state[r] + p->at, at + (size_t)(r + 1) * (size_t)p->n, (size_t)p->n * sizeof(float));
}

int trial_set_state(struct trial *t, const void *block, size_t bytes, struct err *e)
{
	const struct plateau own = t->position.plateau;
	struct state_head head;
	const float *at = (const float *)(const void *)((const char *)block + sizeof(head));

	if (bytes < sizeof(head))
		return err_set(e, ERR_DATA, "checkpoint of %zu bytes; this trial's has %zu", bytes,
			       trial_state_bytes(t));
	memcpy(&head, block, sizeof(head));
	if (!fits(t, &head, bytes))
		return err_set(e, ERR_DATA, "checkpoint does not belong to this trial");
	t->position = head.position;
	if (t->spec.hyper.schedule != SCHEDULE_PLATEAU) /* another trial's rates, where it was another's state */
		t->position.plateau = own;
	memcpy(t->optim.group, head.group, sizeof(head.group));
	for (int i = 0; i < t->net.n_params; i++) {
		take_tensor(t, i, head.kept[i], at);
		at += kept_floats(t->net.param[i].n, head.kept[i], head.runs);
	}
	memcpy(t->correct, at, correct_bytes(t));
	return 0;
}

int trial_state_position(const void *block, size_t bytes, int *epochs, int64_t *step)
{
	struct state_head head;

	if (bytes < sizeof(head))
		return -1;
	memcpy(&head, block, sizeof(head));
	*epochs = (int)head.position.epoch;
	*step = head.position.step;
	return head.magic == STATE_MAGIC ? 0 : -1;
}
