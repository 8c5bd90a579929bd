/*
 * epoch.c - epochs of trials in step: their batches, their evaluation, their figures. A trial alone is a bundle of one.
 */
#include "engine/train/trial.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xxhash.h>

#include "engine/data/data.h"

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static int count_right(const struct trial *t, int n)
{
	int right = 0;

	for (int i = 0; i < n; i++)
		right += t->sample_right[i];
	return right;
}

static bool any_goes_on(const struct bundle_member *m, int n)
{
	for (int i = 0; i < n; i++)
		if (m[i].status == TRIAL_RUNNING)
			return true;
	return false;
}

/* ---- what members do on their own, with the batch that their trunk has run ---- */

struct batch {
	const uint32_t *index; /* of training samples; evaluation: NULL ... */
	bool val;              /* ... of which set, */
	int64_t at;            /* from where */
	int n;
};

typedef void (*member_work)(struct bundle_member *m, const struct batch *b);

struct members {
	struct bundle_member *m;
	int n;
	member_work work;
	const struct batch *batch;
};

static void members_part(void *ctx, int i, int n)
{
	const struct members *all = ctx;

	for (ptrdiff_t k = team_share(all->n, 1, i, n); k < team_share(all->n, 1, i + 1, n); k++)
		if (all->m[k].status == TRIAL_RUNNING)
			all->work(&all->m[k], all->batch);
}

/* Side by side, a thread each, where there are as many as threads; else one by one, each on all threads. Same bits. */
static void each_member(struct bundle_member *m, int n, member_work work, const struct batch *b)
{
	struct members all = {m, n, work, b};
	struct team *team = m[0].trial->net.crew.team;
	const bool side_by_side = team && n > 1 && n >= m[0].trial->spec.threads;

	for (int i = 0; i < n && side_by_side; i++)
		net_set_team(&m[i].trial->net, NULL); /* calls of a team do not nest */
	team_run(side_by_side ? team : NULL, n, members_part, &all);
	for (int i = 0; i < n && side_by_side; i++)
		net_set_team(&m[i].trial->net, team);
}

static void finish_step(struct bundle_member *m, const struct batch *b)
{
	struct trial *t = m->trial;
	double loss;

	trial_finish_batch(t, b->index, b->n, &loss);
	trial_update(t);
	t->position.loss += loss * b->n;
	t->position.right += count_right(t, b->n);
	if (trial_diverges(t, loss, t->position.step)) {
		m->status = TRIAL_DIVERGED;
		trial_leave_trunk(t);
	}
}

/* One batch for all that go on. */
static int step_all(struct bundle_member *m, int n, const uint32_t *index, int now, struct err *e)
{
	const struct batch b = {.index = index, .n = now};
	int rc;

	for (int i = 0; i < n; i++)
		if (m[i].status == TRIAL_RUNNING)
			trial_set_rates(m[i].trial, m[i].trial->position.steps);
	rc = trial_begin_batch(m[0].trial, index, now, e);
	if (!rc)
		each_member(m, n, finish_step, &b);
	return rc;
}

/* Goes on from the current step to the epoch's end or a stop. */
static int train_steps(struct bundle_member *m, int n, const atomic_bool *stop, struct err *e)
{
	struct trial *first = m[0].trial;
	const int64_t samples = dataset_info(first->spec.train)->n;
	const int batch = first->net.batch;
	const uint32_t *order = trunk_order(first->trunk, first->position.epoch);

	for (int64_t step = first->position.step; step * batch < samples && any_goes_on(m, n); step++) {
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
		rc = step_all(m, n, order + at, now, e);
		if (rc)
			return rc;
	}
	return 0;
}

static void score(struct trial *t, int now, int64_t at, double *loss, double *acc, uint8_t *correct)
{
	cross_entropy(t->sample_loss, t->sample_right, NULL, net_eval_logits_out(&t->net), t->trunk->label, now,
		      t->net.classes, 0);
	for (int i = 0; i < now; i++) {
		*loss += t->sample_loss[i];
		*acc += t->sample_right[i];
		if (correct && t->sample_right[i])
			correct[(at + i) / 8] |= (uint8_t)(1u << (at + i) % 8);
	}
}

static void finish_evaluation(struct bundle_member *m, const struct batch *b)
{
	struct trial *t = m->trial;
	struct epoch_row *row = &m->row;

	net_forward_eval_nodes(&t->net, t->net.first, t->net.n_nodes, b->n);
	score(t, b->n, b->at, b->val ? &row->val_loss : &row->train_eval_loss,
	      b->val ? &row->val_acc : &row->train_eval_acc, b->val ? t->correct : NULL);
}

/* Loss and accuracy of all that go on, over a whole data set in eval mode; for the validation set also who was right. */
static int evaluate(struct bundle_member *m, int n, bool val, struct err *e)
{
	const struct trial *first = m[0].trial;
	const int64_t samples = dataset_info(val ? first->spec.val : first->spec.train)->n;
	const int batch = first->net.eval_batch;

	for (int64_t at = 0; at < samples; at += batch) {
		int now = samples - at < batch ? (int)(samples - at) : batch;
		int rc = trunk_eval_batch(first->trunk, val, at, now, e);

		if (rc)
			return rc;
		each_member(m, n, finish_evaluation, &(struct batch){.val = val, .at = at, .n = now});
	}
	return 0;
}

static int evaluate_both(struct bundle_member *m, int n, struct err *e)
{
	const struct trial_spec *s = &m[0].trial->spec;
	const double n_train = (double)dataset_info(s->train)->n;
	const double n_val = (double)dataset_info(s->val)->n;
	int rc;

	trunk_fold(m[0].trial->trunk);
	for (int i = 0; i < n; i++) {
		struct bundle_member *x = &m[i];

		if (x->status != TRIAL_RUNNING)
			continue;
		net_fold(&x->trial->net);
		memset(x->trial->correct, 0, ((size_t)dataset_info(s->val)->n + 7) / 8);
		x->row.train_eval_loss = x->row.train_eval_acc = x->row.val_loss = x->row.val_acc = 0;
	}
	rc = evaluate(m, n, false, e);
	if (!rc)
		rc = evaluate(m, n, true, e);
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

		if (p->group != g || !p->own) /* the trunk's stay where they are */
			continue;
		distance_sums(&diff2, &norm2, p->w, t->start + p->at, p->n);
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

/* By the losses of a whole epoch, or by weights that are no numbers and yet gave a loss. */
static bool diverges(struct trial *t, const struct epoch_row *row)
{
	bool yes = trial_diverges(t, row->train_eval_loss, 0) || trial_diverges(t, row->val_loss, 0) ||
		   trial_diverges(t, row->train_loss, 0);

	for (int g = 0; g < t->spec.n_groups && !yes; g++)
		yes = !isfinite(row->group[g].drift) && trial_diverges(t, NAN, 0);
	return yes;
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

/* Samples that the epoch has seen: all, unless the trial diverged on the way. */
static double seen(const struct trial *t)
{
	const int64_t all = dataset_info(t->spec.train)->n;
	const int64_t steps = t->position.step * t->net.batch;

	return (double)(steps < all ? steps : all);
}

/* Row of an epoch whose steps are done; evaluation's figures are still unknown. */
static void fill_row(struct bundle_member *m)
{
	const struct trial *t = m->trial;
	const double n = seen(t);

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
		if (!m->rc && diverges(t, &m->row))
			m->status = TRIAL_DIVERGED;
	}
	if (m->status == TRIAL_RUNNING && t->spec.hyper.schedule == SCHEDULE_PLATEAU &&
	    p->epoch >= t->spec.hyper.warmup)
		plateau_epoch(&p->plateau, &t->spec.hyper, m->row.val_loss);
	next_epoch(p);
	if (m->status == TRIAL_RUNNING && p->epoch >= t->spec.hyper.epochs)
		m->status = TRIAL_COMPLETE;
}

/* Multiply-adds of an epoch, a backward pass counted as two forward: of the trial alone, and of that in its trunk. */
static void count_macs(const struct trial *t, double *all, double *trunk)
{
	const double n_train = (double)dataset_info(t->spec.train)->n;
	const double n_both = 2 * n_train + (double)dataset_info(t->spec.val)->n;

	*all = *trunk = 0;
	for (int i = 1; i < t->net.n_nodes; i++) {
		double macs = net_node_macs(&t->net, i);

		*all += macs * n_both;
		if (i < t->net.first)
			*trunk += macs * n_both;
		if (t->net.node[i].needs_grad)
			*all += 2 * macs * n_train;
	}
}

static void fail_all(struct bundle_member *m, int n, int rc, const struct err *e)
{
	for (int i = 0; i < n; i++) {
		m[i].rc = rc;
		m[i].err = *e;
	}
}

/* The first of them stands for what is done for all: nothing, if the trunk's maps were made before. */
static void share_costs(struct bundle_member *m, int n, double train_s, double eval_s)
{
	struct trunk *k = m[0].trial->trunk;

	for (int i = 0; i < n; i++) {
		double trunk;

		m[i].row.train_s = train_s / n;
		m[i].row.eval_s = eval_s / n;
		count_macs(m[i].trial, &m[i].macs, &trunk);
		m[i].macs_reused = i || (k->set && !k->made_set) ? trunk : 0;
	}
	k->made_set = false;
}

static int begin_trunk(struct bundle_member *m, int n, struct err *e)
{
	struct trunk *k = m[0].trial->trunk;
	bool moved;
	int rc = trunk_begin(k, m[0].trial, &moved, e);

	for (int i = 0; i < n && moved && !rc; i++)
		net_attach(&m[i].trial->net, &k->net);
	return rc;
}

void bundle_epoch(struct bundle_member *m, int n, const atomic_bool *stop)
{
	double began = seconds();
	double trained;
	struct err e;
	int rc;

	for (int i = 0; i < n; i++) {
		assert(m[i].trial->trunk == m[0].trial->trunk);
		m[i].status = TRIAL_RUNNING;
		m[i].rc = 0;
		trial_set_rates(m[i].trial, m[i].trial->position.steps);
	}
	rc = begin_trunk(m, n, &e);
	if (!rc)
		rc = train_steps(m, n, stop, &e);
	trained = seconds();
	for (int i = 0; i < n && !rc; i++)
		if (m[i].status != TRIAL_STOPPED)
			fill_row(&m[i]);
	if (!rc && any_goes_on(m, n))
		rc = evaluate_both(m, n, &e);
	if (rc)
		fail_all(m, n, rc, &e);
	share_costs(m, n, trained - began, seconds() - trained);
	for (int i = 0; i < n; i++)
		if (!rc && m[i].status != TRIAL_STOPPED)
			end_epoch(&m[i]);
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
	const int end = net_trunk_end(&t->net);
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
	XXH3_64bits_update(s, &h->freeze_bn, sizeof(h->freeze_bn));
	XXH3_64bits_update(s, &h->conv, sizeof(h->conv));
	XXH3_64bits_update(s, &end, sizeof(end));
	hash = XXH3_64bits_digest(s);
	XXH3_freeState(s);
	return hash ? hash : 1;
}

uint64_t trial_share_key(const struct trial_spec *spec, struct err *e)
{
	struct trial *t = malloc(sizeof(*t));
	uint64_t hash = 0;

	if (!t) {
		err_set(e, ERR_NOMEM, "out of memory");
		return 0;
	}
	e->code = ERR_NONE;
	if (!trial_prepare(t, spec, e) && net_trunk_end(&t->net) > 1)
		hash = share_hash(t);
	free(t);
	return hash;
}

int trial_macs(const struct trial_spec *spec, int first, int end, double *all, double *frozen, uint64_t *features,
	       struct err *e)
{
	struct trial *t = malloc(sizeof(*t));
	int rc = t ? trial_prepare(t, spec, e) : err_set(e, ERR_NOMEM, "out of memory");

	*all = *frozen = 0;
	*features = 0;
	if (!rc) {
		t->net.first = net_trunk_end(&t->net);
		*features = trunk_features_key(t);
	}
	for (int epoch = first, next; epoch < end && !rc; epoch = next) {
		bool trained[ENGINE_MAX_GROUPS] = {false};
		double whole, trunk;

		next = end; /* what is trained changes where a group thaws */
		for (int g = 0; g < spec->n_groups; g++) {
			int thaw = hyper_thaw_epoch(&t->spec.hyper, g, spec->n_groups);

			trained[g] = t->lr[g] > 0 && epoch >= thaw;
			if (epoch < thaw && thaw < next)
				next = thaw;
		}
		net_set_trained(&t->net, trained);
		count_macs(t, &whole, &trunk);
		*all += whole * (next - epoch);
		*frozen += trunk * (next - epoch);
	}
	free(t);
	return rc;
}
