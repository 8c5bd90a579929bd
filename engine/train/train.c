/*
 * train.c - a trial: a net, its optimizer and its place in the run, all in one block; epochs in, figures out.
 */
#include "engine/train/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xxhash.h>

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

/*
 * What a batch costs beyond the layers that `leader` has already run for it: forward from `prefix` on, loss, backward.
 * The leader of a trial on its own is itself.
 */
static void finish_gradients(struct trial *t, const struct trial *leader, int prefix, const uint32_t *index, int n,
			     double *loss)
{
	struct net *net = &t->net;
	const struct batch_id id = {.seed = t->spec.seed, .epoch = (uint32_t)t->position.epoch, .sample = index};

	net_forward_nodes(net, prefix, net->n_nodes, n, &id);
	cross_entropy(t->sample_loss, t->sample_right, net_logits_grad(net), net_logits_out(net), leader->label, n,
		      net->classes, (float)t->spec.hyper.label_smoothing);
	*loss = 0;
	for (int i = 0; i < n; i++)
		*loss += t->sample_loss[i] / n;
	net_backward(net, n);
}

/* The batch itself and the layers below `prefix`. */
static int begin_gradients(struct trial *t, int prefix, const uint32_t *index, int n, struct err *e)
{
	const struct batch_id id = {.seed = t->spec.seed, .epoch = (uint32_t)t->position.epoch, .sample = index};
	const struct augment_draw draw = {t->spec.seed, (uint64_t)t->position.epoch, t->scratch};
	int rc = check_batch(t, n, e);

	if (!rc)
		rc = dataset_gather(t->spec.train, net_input(&t->net), t->label, index, 0, n, &draw, e);
	if (!rc)
		net_forward_nodes(&t->net, 1, prefix, n, &id);
	return rc;
}

static void update(struct trial *t)
{
	t->position.steps++;
	optim_step(&t->optim, &t->net, t->position.grad_norm, t->position.update_ratio);
	for (int g = 0; g < t->spec.n_groups; g++)
		t->position.rated[g] += trial_rate(t, g) > 0;
}

int trial_gradients(struct trial *t, const uint32_t *index, int n, double *loss, struct err *e)
{
	int rc;

	set_rates(t, t->position.steps);
	rc = begin_gradients(t, 1, index, n, e);
	if (!rc)
		finish_gradients(t, t, 1, index, n, loss);
	return rc;
}

int trial_step(struct trial *t, const uint32_t *index, int n, double *loss, struct err *e)
{
	int rc = trial_gradients(t, index, n, loss, e);

	if (!rc)
		update(t);
	return rc;
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

/* The first of these trials that goes on: it runs the layers that all of them share. NULL if none does. */
static struct trial *leader_of(const struct bundle_member *m, int n)
{
	for (int i = 0; i < n; i++)
		if (m[i].status == TRIAL_RUNNING)
			return m[i].trial;
	return NULL;
}

/* How many leading nodes are trained by none of them. The last node is always a trial's own. */
static int common_prefix(const struct bundle_member *m, int n)
{
	int prefix = m[0].trial->net.n_nodes - 1;

	for (int i = 0; i < n; i++)
		if (m[i].trial->net.first_trained < prefix)
			prefix = m[i].trial->net.first_trained;
	return prefix > 1 ? prefix : 1;
}

/* One batch for all that go on. The leader comes last: its own pass may lie over the maps that the others read. */
static int step_all(struct bundle_member *m, int n, struct trial *leader, int prefix, const uint32_t *index, int now,
		    struct err *e)
{
	int rc;

	for (int i = 0; i < n; i++)
		if (m[i].status == TRIAL_RUNNING)
			set_rates(m[i].trial, m[i].trial->position.steps);
	rc = begin_gradients(leader, prefix, index, now, e);
	for (int k = 0; k < n && !rc; k++) {
		struct bundle_member *x = &m[n - 1 - k]; /* the leader is the first that ran at the epoch's start */
		struct position *p = &x->trial->position;
		double loss;

		if (x->status != TRIAL_RUNNING)
			continue;
		finish_gradients(x->trial, leader, prefix, index, now, &loss);
		update(x->trial);
		p->loss += loss * now;
		p->right += count_right(x->trial, now);
		if (!isfinite(loss))
			x->status = TRIAL_DIVERGED;
	}
	return rc;
}

/* Goes on from the current step to the epoch's end or a stop. */
static int train_steps(struct bundle_member *m, int n, struct trial *leader, int prefix, const atomic_bool *stop,
		       struct err *e)
{
	const int64_t samples = dataset_info(leader->spec.train)->n;
	const int batch = leader->net.batch;
	const int64_t first = leader->position.step;

	order_samples(leader);
	for (int64_t step = first; step * batch < samples && leader_of(m, n); step++) {
		int64_t at = step * batch;
		int now = samples - at < batch ? (int)(samples - at) : batch;
		int rc;

		if (stop && atomic_load_explicit(stop, memory_order_relaxed)) {
			for (int i = 0; i < n; i++)
				if (m[i].status == TRIAL_RUNNING)
					m[i].status = TRIAL_STOPPED;
			return 0;
		}
		for (int i = 0; i < n; i++)
			m[i].trial->position.step += m[i].status == TRIAL_RUNNING;
		rc = step_all(m, n, leader, prefix, leader->order + at, now, e);
		if (rc)
			return rc;
	}
	return 0;
}

static void score(struct trial *t, const struct trial *leader, int now, int64_t at, double *loss, double *acc,
		  uint8_t *correct)
{
	cross_entropy(t->sample_loss, t->sample_right, NULL, net_eval_logits_out(&t->net), leader->label, now,
		      t->net.classes, 0);
	for (int i = 0; i < now; i++) {
		*loss += t->sample_loss[i];
		*acc += t->sample_right[i];
		if (correct && t->sample_right[i])
			correct[(at + i) / 8] |= (uint8_t)(1u << (at + i) % 8);
	}
}

/* Loss and accuracy of all that go on, over a whole data set in eval mode; for the validation set also who was right. */
static int evaluate(struct bundle_member *m, int n, struct trial *leader, int prefix, const struct dataset *d, bool val,
		    struct err *e)
{
	const int64_t samples = dataset_info(d)->n;
	const int batch = leader->net.eval_batch;

	for (int64_t at = 0; at < samples; at += batch) {
		int now = samples - at < batch ? (int)(samples - at) : batch;

		int rc = dataset_gather(d, net_eval_input(&leader->net), leader->label, NULL, at, now, NULL, e);

		if (rc)
			return rc;
		net_forward_eval_nodes(&leader->net, 1, prefix, now);
		for (int k = 0; k < n; k++) {
			struct bundle_member *x = &m[n - 1 - k];
			struct epoch_row *row = &x->row;

			if (x->status != TRIAL_RUNNING)
				continue;
			net_forward_eval_nodes(&x->trial->net, prefix, x->trial->net.n_nodes, now);
			score(x->trial, leader, now, at, val ? &row->val_loss : &row->train_eval_loss,
			      val ? &row->val_acc : &row->train_eval_acc, val ? x->trial->correct : NULL);
		}
	}
	return 0;
}

static int evaluate_both(struct bundle_member *m, int n, struct trial *leader, int prefix, struct err *e)
{
	const struct trial_spec *s = &leader->spec;
	const double n_train = (double)dataset_info(s->train)->n;
	const double n_val = (double)dataset_info(s->val)->n;
	int rc;

	net_fold(&leader->net);
	for (int i = 0; i < n; i++) {
		struct bundle_member *x = &m[i];

		if (x->status != TRIAL_RUNNING)
			continue;
		if (x->trial != leader)
			net_fold(&x->trial->net);
		memset(x->trial->correct, 0, ((size_t)dataset_info(s->val)->n + 7) / 8);
		x->row.train_eval_loss = x->row.train_eval_acc = x->row.val_loss = x->row.val_acc = 0;
	}
	rc = evaluate(m, n, leader, prefix, s->train, false, e);
	if (!rc)
		rc = evaluate(m, n, leader, prefix, s->val, true, e);
	for (int i = 0; i < n; i++) {
		struct epoch_row *row = &m[i].row;

		row->train_eval_loss /= n_train;
		row->train_eval_acc /= n_train;
		row->val_loss /= n_val;
		row->val_acc /= n_val;
	}
	return rc;
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

/* Row of an epoch whose steps are done; evaluation's figures are still unknown. */
static void fill_row(struct bundle_member *m)
{
	const struct trial *t = m->trial;
	const double n = (double)dataset_info(t->spec.train)->n;

	m->row = (struct epoch_row){
		.epoch = (int)t->position.epoch + 1,
		.train_loss = t->position.loss / n,
		.train_acc = (double)t->position.right / n,
		.train_eval_loss = NAN,
		.train_eval_acc = NAN,
		.val_loss = NAN,
		.val_acc = NAN,
	};
	fill_groups(t, &m->row);
}

static void end_epoch(struct bundle_member *m)
{
	struct trial *t = m->trial;
	struct position *p = &t->position;

	if (m->status == TRIAL_RUNNING) {
		m->rc = check_movement(t, &m->row, &m->err);
		if (!m->rc && !all_finite(t, &m->row))
			m->status = TRIAL_DIVERGED;
	}
	if (m->status == TRIAL_RUNNING && p->epoch >= t->spec.hyper.warmup)
		plateau_epoch(&p->plateau, &t->spec.hyper, m->row.val_loss);
	next_epoch(p);
	if (m->status == TRIAL_RUNNING && p->epoch >= t->spec.hyper.epochs)
		m->status = TRIAL_COMPLETE;
}

/* Share of the arithmetic of an epoch that lies below `prefix`: multiply-adds, a backward pass counted as two forward. */
static double prefix_share(const struct trial *t, int prefix)
{
	const double n_train = (double)dataset_info(t->spec.train)->n;
	const double n_eval = n_train + (double)dataset_info(t->spec.val)->n;
	double below = 0;
	double all = 0;

	for (int i = 1; i < t->net.n_nodes; i++) {
		double macs = net_node_macs(&t->net, i);

		all += macs * (n_train + n_eval);
		if (i < prefix)
			below += macs * (n_train + n_eval);
		if (t->net.node[i].needs_grad)
			all += 2 * macs * n_train;
	}
	return all > 0 ? below / all : 0;
}

static void fail_all(struct bundle_member *m, int n, int rc, const struct err *e)
{
	for (int i = 0; i < n; i++) {
		m[i].rc = rc;
		m[i].err = *e;
	}
}

static void share_times(struct bundle_member *m, int n, const struct trial *leader, int prefix, double train_s,
			double eval_s)
{
	for (int i = 0; i < n; i++) {
		m[i].row.train_s = train_s / n;
		m[i].row.eval_s = eval_s / n;
		m[i].reused = m[i].trial == leader ? 0 : prefix_share(m[i].trial, prefix);
	}
}

void bundle_epoch(struct bundle_member *m, int n, const atomic_bool *stop)
{
	struct trial *leader = m[0].trial;
	double began = seconds();
	double trained;
	int prefix;
	struct err e;
	int rc;

	for (int i = 0; i < n; i++) {
		m[i].status = TRIAL_RUNNING;
		m[i].rc = 0;
		set_rates(m[i].trial, m[i].trial->position.steps);
	}
	prefix = common_prefix(m, n);
	for (int i = 1; i < n; i++)
		net_borrow(&m[i].trial->net, &leader->net, prefix);
	rc = train_steps(m, n, leader, prefix, stop, &e);
	for (int i = 1; i < n; i++)
		net_copy_statistics(&m[i].trial->net, &leader->net, prefix);
	trained = seconds();
	for (int i = 0; i < n && !rc; i++)
		if (m[i].status != TRIAL_STOPPED)
			fill_row(&m[i]);
	if (!rc && leader_of(m, n))
		rc = evaluate_both(m, n, leader, prefix, &e);
	if (rc)
		fail_all(m, n, rc, &e);
	share_times(m, n, leader, prefix, trained - began, seconds() - trained);
	for (int i = 0; i < n; i++) {
		net_give_back(&m[i].trial->net);
		if (!rc && m[i].status != TRIAL_STOPPED)
			end_epoch(&m[i]);
	}
}

int trial_epoch(struct trial *t, struct epoch_row *row, enum trial_status *status, const atomic_bool *stop,
		struct err *e)
{
	struct bundle_member m = {.trial = t};

	bundle_epoch(&m, 1, stop);
	*status = m.status;
	if (m.status != TRIAL_STOPPED)
		*row = m.row;
	if (m.rc)
		*e = m.err;
	return m.rc;
}

void trial_position(const struct trial *t, int *epochs, int64_t *step)
{
	*epochs = (int)t->position.epoch;
	*step = t->position.step;
}

/* Settings that decide what a frozen layer sees and does, beside the data, the model and the start weights. */
static uint64_t share_hash(const struct trial *t)
{
	const struct hyper *h = &t->spec.hyper;
	const struct dataset_info *train = dataset_info(t->spec.train);
	const struct dataset_info *val = dataset_info(t->spec.val);
	XXH3_state_t *s = XXH3_createState();
	uint64_t hash;

	if (!s)
		return 0;
	XXH3_64bits_reset(s);
	XXH3_64bits_update(s, &t->spec.seed, sizeof(t->spec.seed));
	XXH3_64bits_update(s, train->hash, sizeof(train->hash));
	XXH3_64bits_update(s, val->hash, sizeof(val->hash));
	XXH3_64bits_update(s, &h->batch_size, sizeof(h->batch_size));
	XXH3_64bits_update(s, &h->shuffle, sizeof(h->shuffle));
	XXH3_64bits_update(s, &h->dropout, sizeof(h->dropout));
	XXH3_64bits_update(s, &h->freeze_bn, sizeof(h->freeze_bn));
	XXH3_64bits_update(s, &h->conv, sizeof(h->conv));
	XXH3_64bits_update(s, &t->net.first_trained, sizeof(t->net.first_trained));
	hash = XXH3_64bits_digest(s);
	XXH3_freeState(s);
	return hash ? hash : 1;
}

uint64_t trial_share_key(const struct trial_spec *spec, struct err *e)
{
	struct trial *t = calloc(1, sizeof(*t));
	uint64_t hash = 0;

	if (!t) {
		err_set(e, ERR_NOMEM, "out of memory");
		return 0;
	}
	e->code = ERR_NONE;
	if (!prepare(t, spec, e) && t->net.first_trained > 1)
		hash = share_hash(t);
	free(t);
	return hash;
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
	at += sizeof(head);
	memcpy(t->net.w, at, t->net.n_weights * sizeof(float));
	at += t->net.n_weights * sizeof(float);
	for (int i = 0; i < optim_runs(&t->spec.hyper); i++, at += t->net.n_trainable * sizeof(float))
		memcpy(t->optim.state[i], at, t->net.n_trainable * sizeof(float));
	return 0;
}
