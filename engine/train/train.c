/*
 * train.c - a trial: a net, its optimizer and its place in the run, all in one block; epochs in, figures out.
 */
#include "engine/train/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/base/rng.h"
#include "engine/data/data.h"
#include "engine/train/groups.h"
#include "engine/train/optim.h"
#include "engine/train/schedule.h"

/* Where a run stands between two steps. Part of the state block: fixed-width members only. */
struct position {
	int64_t epoch; /* whole epochs done */
	int64_t step;  /* steps done in the current one */
	int64_t steps; /* optimizer steps done in all */
	int64_t right; /* running sums of the current epoch */
	double loss;
	double grad_norm[ENGINE_MAX_GROUPS], update_ratio[ENGINE_MAX_GROUPS];
	int64_t rated[ENGINE_MAX_GROUPS]; /* optimizer steps with a rate above 0, in all */
	struct plateau plateau;
};

#define STATE_MAGIC 0x32657461745370ull

struct state_head {
	uint64_t magic, floats;
	struct position position;
	struct optim_group group[ENGINE_MAX_GROUPS];
};

struct trial {
	struct trial_spec spec;
	struct model_spec model;
	struct net net;
	struct optim optim;
	struct position position;
	double lr[ENGINE_MAX_GROUPS];    /* each group's own, before schedules; 0: never trained */
	bool trained[ENGINE_MAX_GROUPS]; /* now */
	float *start;                    /* trainable tensors as they began, for drift */
	uint32_t *order;                 /* this epoch's order of the training samples */
	int64_t ordered;                 /* for which epoch (+1) order stands; 0: none */
	int32_t *label;                  /* of a batch */
	double *sample_loss;
	uint8_t *sample_right;
	void *scratch;    /* for augmentation */
	uint8_t *correct; /* one bit a validation sample */
	void *block;
};

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

/* The net and the optimizer as far as they need no memory. */
static int prepare(struct trial *t, const struct trial_spec *s, struct err *e)
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

static void lay_out(struct trial *t, struct arena *a)
{
	const size_t n_train = (size_t)dataset_info(t->spec.train)->n;
	const size_t n_val = (size_t)dataset_info(t->spec.val)->n;
	const int runs = optim_runs(&t->spec.hyper);
	struct net *net = &t->net;
	size_t most;

	net_place(net, a, batch_of(t));
	for (int i = 0; i < OPTIM_MAX_RUNS; i++)
		t->optim.state[i] = i < runs ? arena_floats(a, net->n_trainable) : NULL;
	t->start = arena_floats(a, net->n_trainable);
	t->order = arena_take(a, n_train * sizeof(*t->order));
	most = (size_t)(net->batch > net->eval_batch ? net->batch : net->eval_batch);
	t->label = arena_take(a, most * sizeof(*t->label));
	t->sample_loss = arena_take(a, most * sizeof(*t->sample_loss));
	t->sample_right = arena_take(a, most);
	t->scratch = arena_take(a, dataset_scratch(t->spec.train));
	t->correct = arena_take(a, (n_val + 7) / 8);
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
	int rc;

	*out = NULL;
	if (!t)
		return err_set(e, ERR_NOMEM, "out of memory: a trial needs %zu bytes", sizeof(*t));
	rc = prepare(t, spec, e);
	if (rc)
		goto failed;
	lay_out(t, &a);
	t->block = a.base = arena_block(a.used);
	if (!a.base) {
		rc = err_set(e, ERR_NOMEM, "out of memory: a trial needs %zu bytes", a.used);
		goto failed;
	}
	memset(a.base, 0, a.used);
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

void trial_free(struct trial *t)
{
	if (!t)
		return;
	free(t->block);
	free(t);
}

size_t trial_bytes(const struct trial_spec *spec, struct err *e)
{
	struct trial *t = calloc(1, sizeof(*t));
	struct arena a = {0};
	size_t bytes = 0;

	if (!t) {
		err_set(e, ERR_NOMEM, "out of memory");
		return 0;
	}
	if (!prepare(t, spec, e)) {
		lay_out(t, &a);
		bytes = a.used + sizeof(*t);
	}
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

/* ---- one step ---- */

/* torch.nn.BatchNorm2d refuses to normalise a single value per channel in train mode. */
static int check_batch(const struct trial *t, int n, struct err *e)
{
	const struct net *net = &t->net;

	if (n > 1 || net->freeze_bn)
		return 0;
	for (int i = 0; i < net->n_nodes; i++)
		if (net->node[i].op == OP_BN && net->node[i].h * net->node[i].w == 1)
			return err_set(e, ERR_DATA,
				       "a batch of one image leaves BatchNorm one value a channel; "
				       "choose a batch_size that leaves no single sample over");
	return 0;
}

static int64_t steps_per_epoch(const struct trial *t)
{
	return (dataset_info(t->spec.train)->n + t->net.batch - 1) / t->net.batch;
}

/* The groups that are trained in that step of the run, and their rates. */
static void set_rates(struct trial *t, int64_t step)
{
	const struct hyper *h = &t->spec.hyper;
	const int64_t per_epoch = steps_per_epoch(t);
	bool trained[ENGINE_MAX_GROUPS] = {false};

	for (int g = 0; g < t->spec.n_groups; g++) {
		double base = h->schedule == SCHEDULE_PLATEAU ? t->position.plateau.lr[g] : t->lr[g];

		trained[g] = t->lr[g] > 0 && step / per_epoch >= hyper_thaw_epoch(h, g, t->spec.n_groups);
		t->optim.lr[g] = schedule_lr(h, base, step, per_epoch);
	}
	t->optim.momentum = schedule_momentum(h, step, per_epoch);
	if (!memcmp(trained, t->trained, sizeof(trained)))
		return;
	memcpy(t->trained, trained, sizeof(trained));
	net_change_trained(&t->net, trained);
}

double trial_rate(const struct trial *t, int g)
{
	return t->trained[g] ? t->optim.lr[g] : 0;
}

double trial_momentum(const struct trial *t)
{
	return t->optim.momentum;
}

int trial_gradients(struct trial *t, const uint32_t *index, int n, double *loss, struct err *e)
{
	struct net *net = &t->net;
	const struct batch_id id = {.seed = t->spec.seed, .epoch = (uint32_t)t->position.epoch, .sample = index};
	const struct augment_draw draw = {t->spec.seed, (uint64_t)t->position.epoch, t->scratch};
	const float *logits;
	int rc = check_batch(t, n, e);

	if (!rc)
		rc = dataset_gather(t->spec.train, net_input(net), t->label, index, 0, n, &draw, e);
	if (rc)
		return rc;
	set_rates(t, t->position.steps);
	logits = net_forward_train(net, n, &id);
	cross_entropy(t->sample_loss, t->sample_right, net_logits_grad(net), logits, t->label, n, net->classes,
		      (float)t->spec.hyper.label_smoothing);
	*loss = 0;
	for (int i = 0; i < n; i++)
		*loss += t->sample_loss[i] / n;
	net_backward(net, n);
	return 0;
}

int trial_step(struct trial *t, const uint32_t *index, int n, double *loss, struct err *e)
{
	int rc = trial_gradients(t, index, n, loss, e);

	if (rc)
		return rc;
	t->position.steps++;
	optim_step(&t->optim, &t->net, t->position.grad_norm, t->position.update_ratio);
	for (int g = 0; g < t->spec.n_groups; g++)
		t->position.rated[g] += trial_rate(t, g) > 0;
	return 0;
}

/* ---- one epoch ---- */

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static void order_samples(struct trial *t)
{
	uint32_t n = (uint32_t)dataset_info(t->spec.train)->n;

	if (t->ordered == t->position.epoch + 1)
		return;
	if (t->spec.hyper.shuffle)
		rng_permutation(t->order, n, t->spec.seed, RNG_ORDER, (uint64_t)t->position.epoch);
	for (uint32_t i = 0; i < n && !t->spec.hyper.shuffle; i++)
		t->order[i] = i;
	t->ordered = t->position.epoch + 1;
}

static int count_right(const struct trial *t, int n)
{
	int right = 0;

	for (int i = 0; i < n; i++)
		right += t->sample_right[i];
	return right;
}

/* Goes on from the current step to the epoch's end, a stop, or a loss that is no number. */
static int train_steps(struct trial *t, enum trial_status *status, const atomic_bool *stop, struct err *e)
{
	struct position *p = &t->position;
	const int64_t n = dataset_info(t->spec.train)->n;
	const int batch = t->net.batch;

	order_samples(t);
	for (int64_t at = p->step * batch; at < n; at = p->step * batch) {
		int now = n - at < batch ? (int)(n - at) : batch;
		double loss;
		int rc;

		if (stop && atomic_load_explicit(stop, memory_order_relaxed)) {
			*status = TRIAL_STOPPED;
			return 0;
		}
		rc = trial_step(t, t->order + at, now, &loss, e);
		if (rc)
			return rc;
		p->step++;
		p->loss += loss * now;
		p->right += count_right(t, now);
		if (!isfinite(loss)) {
			*status = TRIAL_DIVERGED;
			return 0;
		}
	}
	return 0;
}

/* Loss and accuracy over a whole data set in eval mode; correct (may be NULL) gets a bit a sample. */
static int evaluate(struct trial *t, const struct dataset *d, double *loss, double *acc, uint8_t *correct,
		    struct err *e)
{
	const int64_t n = dataset_info(d)->n;
	struct net *net = &t->net;
	double sum = 0;
	int64_t right = 0;

	for (int64_t at = 0; at < n; at += net->eval_batch) {
		int now = n - at < net->eval_batch ? (int)(n - at) : net->eval_batch;
		int rc = dataset_gather(d, net_eval_input(net), t->label, NULL, at, now, NULL, e);

		if (rc)
			return rc;
		cross_entropy(t->sample_loss, t->sample_right, NULL, net_forward_eval(net, now), t->label, now,
			      net->classes, 0);
		for (int i = 0; i < now; i++) {
			sum += t->sample_loss[i];
			right += t->sample_right[i];
			if (correct && t->sample_right[i])
				correct[(at + i) / 8] |= (uint8_t)(1u << (at + i) % 8);
		}
	}
	*loss = sum / (double)n;
	*acc = (double)right / (double)n;
	return 0;
}

static int evaluate_both(struct trial *t, struct epoch_row *row, struct err *e)
{
	int rc;

	memset(t->correct, 0, ((size_t)dataset_info(t->spec.val)->n + 7) / 8);
	net_fold(&t->net);
	rc = evaluate(t, t->spec.train, &row->train_eval_loss, &row->train_eval_acc, NULL, e);
	return rc ? rc : evaluate(t, t->spec.val, &row->val_loss, &row->val_acc, t->correct, e);
}

/* |w - start| / |start| of group g; absolute where the start was all zero. */
static double drift(const struct trial *t, int g)
{
	double moved = 0;
	double norm = 0;

	for (int i = 0; i < t->net.n_params; i++) {
		const struct param *p = &t->net.param[i];
		double diff2, norm2;

		if (p->group != g)
			continue;
		distance_sums(&diff2, &norm2, t->net.w + p->at, t->start + p->at, p->n);
		moved += diff2;
		norm += norm2;
	}
	return norm > 0 ? sqrt(moved / norm) : sqrt(moved);
}

static void fill_groups(const struct trial *t, struct epoch_row *row)
{
	const struct position *p = &t->position;

	for (int g = 0; g < t->spec.n_groups; g++) {
		row->group[g] = (struct group_row){
			.lr = trial_rate(t, g),
			.grad_norm = t->trained[g] ? p->grad_norm[g] / (double)p->step : NAN,
			.update_ratio = p->update_ratio[g] / (double)p->step,
			.drift = drift(t, g),
		};
	}
}

/* The proof that each group got its rate: one that has had one has moved, one that was frozen so far has not. */
static int check_movement(const struct trial *t, const struct epoch_row *row, struct err *e)
{
	for (int g = 0; g < t->spec.n_groups; g++) {
		const struct group_row *r = &row->group[g];
		const char *name = t->spec.groups[g].name;

		if (t->position.rated[g] && r->drift == 0)
			return err_set(e, ERR_SOFTWARE,
				       "group '%s' has learning rate %g, but no weight moved in epoch %d", name,
				       t->lr[g], row->epoch);
		if (!t->position.rated[g] && r->drift != 0)
			return err_set(e, ERR_SOFTWARE, "group '%s' is frozen, but its weights moved in epoch %d", name,
				       row->epoch);
	}
	return 0;
}

static bool all_finite(const struct trial *t, const struct epoch_row *row)
{
	bool ok = isfinite(row->train_loss) && isfinite(row->train_eval_loss) && isfinite(row->val_loss);

	for (int g = 0; g < t->spec.n_groups; g++)
		ok = ok && isfinite(row->group[g].drift);
	return ok;
}

static void next_epoch(struct position *p)
{
	p->epoch++;
	p->step = 0;
	p->right = 0;
	p->loss = 0;
	memset(p->grad_norm, 0, sizeof(p->grad_norm));
	memset(p->update_ratio, 0, sizeof(p->update_ratio));
}

int trial_epoch(struct trial *t, struct epoch_row *row, enum trial_status *status, const atomic_bool *stop,
		struct err *e)
{
	struct position *p = &t->position;
	const double n = (double)dataset_info(t->spec.train)->n;
	double began = seconds();
	int rc;

	*status = TRIAL_RUNNING;
	rc = train_steps(t, status, stop, e);
	if (rc || *status == TRIAL_STOPPED)
		return rc;
	*row = (struct epoch_row){
		.epoch = (int)p->epoch + 1,
		.train_loss = p->loss / n,
		.train_acc = (double)p->right / n,
		.train_eval_loss = NAN,
		.train_eval_acc = NAN,
		.val_loss = NAN,
		.val_acc = NAN,
		.train_s = seconds() - began,
	};
	fill_groups(t, row);
	if (*status != TRIAL_DIVERGED) {
		rc = evaluate_both(t, row, e);
		row->eval_s = seconds() - began - row->train_s;
		if (!rc)
			rc = check_movement(t, row, e);
		if (!rc && !all_finite(t, row))
			*status = TRIAL_DIVERGED;
	}
	if (*status == TRIAL_RUNNING && p->epoch >= t->spec.hyper.warmup)
		plateau_epoch(&p->plateau, &t->spec.hyper, row->val_loss);
	next_epoch(p);
	if (*status == TRIAL_RUNNING && p->epoch >= t->spec.hyper.epochs)
		*status = TRIAL_COMPLETE;
	return rc;
}

const uint8_t *trial_correct(const struct trial *t)
{
	return t->correct;
}

int trial_save(const struct trial *t, const char *path, struct err *e)
{
	return net_save(&t->net, path, e);
}

/* ---- state ---- */

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
	set_rates(t, t->position.steps ? t->position.steps - 1 : 0);
	at += sizeof(head);
	memcpy(t->net.w, at, t->net.n_weights * sizeof(float));
	at += t->net.n_weights * sizeof(float);
	for (int i = 0; i < optim_runs(&t->spec.hyper); i++, at += t->net.n_trainable * sizeof(float))
		memcpy(t->optim.state[i], at, t->net.n_trainable * sizeof(float));
	return 0;
}
