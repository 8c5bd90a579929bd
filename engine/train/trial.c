/* trial.c - a trial: a net, its optimizer and its place in the run, all in one block (see engine.h, trial.h) */
#include "engine/train/trial.h"

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

	*t = (struct trial){.spec = *s, .model = *s->model};
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

static int batch_of(const struct trial *t)
{
	int64_t n = dataset_info(t->spec.train)->n;

	return n < t->spec.hyper.batch_size ? (int)n : t->spec.hyper.batch_size;
}

/* Returns the bytes up to the threads' workspaces, which no thread touches before it works. */
static size_t lay_out(struct trial *t, struct arena *a)
{
	const size_t n_train = (size_t)dataset_info(t->spec.train)->n;
	const size_t n_val = (size_t)dataset_info(t->spec.val)->n;
	const int runs = optim_runs(&t->spec.hyper);
	struct net *net = &t->net;
	size_t most, ours;

	net_place(net, a, batch_of(t));
	for (int i = 0; i < OPTIM_MAX_RUNS; i++)
		t->optim.state[i] = i < runs ? arena_floats(a, net->n_trainable) : NULL;
	t->optim.piece = arena_take(a, (size_t)optim_pieces(net) * sizeof(*t->optim.piece));
	t->start = arena_floats(a, net->n_trainable);
	t->order = arena_take(a, n_train * sizeof(*t->order));
	most = (size_t)(net->batch > net->eval_batch ? net->batch : net->eval_batch);
	t->label = arena_take(a, most * sizeof(*t->label));
	t->sample_loss = arena_take(a, most * sizeof(*t->sample_loss));
	t->sample_right = arena_take(a, most);
	t->scratch = arena_take(a, dataset_scratch(t->spec.train));
	t->correct = arena_take(a, (n_val + 7) / 8);
	ours = a->used;
	net_place_crew(net, a, t->spec.threads > 1 ? t->spec.threads : 1);
	return ours;
}

static int load_start(struct trial *t, struct err *e)
{
	int rc = 0;

	net_init_random(&t->net, t->spec.seed);
	if (t->spec.weights)
		rc = net_load(&t->net, t->spec.weights, t->model.head_keep ? NULL : model_head(t->model.arch), e);
	memcpy(t->start, t->net.w, t->net.n_trainable * sizeof(float));
	optim_start(&t->optim, t->net.n_trainable);
	return rc;
}

int trial_new(struct trial **out, const struct trial_spec *spec, struct err *e)
{
	struct trial *t = calloc(1, sizeof(*t));
	struct arena a = {0};
	size_t ours;
	int rc;

	*out = NULL;
	if (!t)
		return err_set(e, ERR_NOMEM, "out of memory: a trial needs %zu bytes", sizeof(*t));
	rc = trial_prepare(t, spec, e);
	if (rc)
		goto failed;
	ours = lay_out(t, &a);
	t->block = a.base = arena_block(a.used);
	if (!a.base) {
		rc = err_set(e, ERR_NOMEM, "out of memory: a trial needs %zu bytes", a.used);
		goto failed;
	}
	memset(a.base, 0, ours);
	a.used = 0;
	lay_out(t, &a);
	rc = load_start(t, e);
	if (rc)
		goto failed;
	*out = t;
	return 0;
failed:
	trial_free(t);
	return rc;
}

void trial_set_team(struct trial *t, struct team *team)
{
	net_set_team(&t->net, team);
}

void trial_free(struct trial *t)
{
	if (!t)
		return;
	free(t->block);
	free(t);
}

/* A trial without its memory: *a tells how much it would be. To be freed; NULL and e filled in on a bad spec. */
static struct trial *measured(const struct trial_spec *spec, struct arena *a, struct err *e)
{
	struct trial *t = calloc(1, sizeof(*t));

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

size_t trial_bytes(const struct trial_spec *spec, struct err *e)
{
	struct arena a = {0};
	struct trial *t = measured(spec, &a, e);
	size_t bytes = t ? a.used + sizeof(*t) : 0;

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

		XXH3_64bits_update(s, p->name, strlen(p->name));
		XXH3_64bits_update(s, t->net.w + p->at, (size_t)p->n * sizeof(float));
	}
	snprintf(out, TRIAL_WEIGHTS_HASH, "%016llx", s ? (unsigned long long)XXH3_64bits_digest(s) : 0ull);
	XXH3_freeState(s);
}

/* ---- state ---- */

#define STATE_MAGIC 0x33657461745370ull

struct state_head {
	uint64_t magic, floats;
	struct position position;
	struct optim_group group[ENGINE_MAX_GROUPS];
};

/* Weights and buffers first, then the optimizer's runs: copied piece by piece. */
static size_t state_floats(const struct trial *t)
{
	return t->net.n_weights + (size_t)optim_runs(&t->spec.hyper) * t->net.n_trainable;
}

size_t trial_state_bytes(const struct trial *t)
{
	return sizeof(struct state_head) + state_floats(t) * sizeof(float);
}

void trial_get_state(const struct trial *t, void *block)
{
	struct state_head head = {STATE_MAGIC, state_floats(t), t->position, {{0}}};
	char *at = block;

	memcpy(head.group, t->optim.group, sizeof(head.group));
	memcpy(at, &head, sizeof(head));
	at += sizeof(head);
	memcpy(at, t->net.w, t->net.n_weights * sizeof(float));
	at += t->net.n_weights * sizeof(float);
	for (int i = 0; i < optim_runs(&t->spec.hyper); i++, at += t->net.n_trainable * sizeof(float))
		memcpy(at, t->optim.state[i], t->net.n_trainable * sizeof(float));
}

int trial_set_state(struct trial *t, const void *block, size_t bytes, struct err *e)
{
	struct state_head head;
	const char *at = block;

	if (bytes != trial_state_bytes(t))
		return err_set(e, ERR_DATA, "checkpoint of %zu bytes; this trial's has %zu", bytes,
			       trial_state_bytes(t));
	memcpy(&head, at, sizeof(head));
	if (head.magic != STATE_MAGIC || head.floats != state_floats(t) || head.position.epoch < 0 ||
	    head.position.step < 0 || head.position.epoch > t->spec.hyper.epochs)
		return err_set(e, ERR_DATA, "checkpoint does not belong to this trial");
	t->position = head.position;
	memcpy(t->optim.group, head.group, sizeof(head.group));
	at += sizeof(head);
	memcpy(t->net.w, at, t->net.n_weights * sizeof(float));
	at += t->net.n_weights * sizeof(float);
	for (int i = 0; i < optim_runs(&t->spec.hyper); i++, at += t->net.n_trainable * sizeof(float))
		memcpy(t->optim.state[i], at, t->net.n_trainable * sizeof(float));
	return 0;
}
