/*
 * epoch.c - epochs of trials in step: their batches, their evaluation, their figures. A trial alone is a bundle of one.
 */
#include "engine/train/trial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xxhash.h>

#include "engine/base/rng.h"
#include "engine/data/data.h"

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
			trial_set_rates(m[i].trial, m[i].trial->position.steps);
	rc = trial_begin_batch(leader, prefix, index, now, e);
	for (int k = 0; k < n && !rc; k++) {
		struct bundle_member *x = &m[n - 1 - k]; /* the leader is the first that ran at the epoch's start */
		struct position *p = &x->trial->position;
		double loss;

		if (x->status != TRIAL_RUNNING)
			continue;
		trial_finish_batch(x->trial, leader, prefix, index, now, &loss);
		trial_update(x->trial);
		p->loss += loss * now;
		p->right += count_right(x->trial, now);
		if (trial_diverges(x->trial, loss, p->step)) {
			x->status = TRIAL_DIVERGED;
			if (x->trial != leader) /* those of its last step: the leader goes on */
				net_copy_statistics(&x->trial->net, &leader->net, prefix);
		}
	}
	return rc;
}

/* The leader has diverged, others go on: the first of them leads from here, and the old one stays as it is. */
static struct trial *hand_over(struct bundle_member *m, int n, const struct trial *old, int prefix)
{
	struct trial *next = leader_of(m, n);

	net_give_back(&next->net);
	net_copy_statistics(&next->net, &old->net, prefix);
	order_samples(next);
	for (int i = 0; i < n; i++) {
		if (m[i].status != TRIAL_RUNNING || m[i].trial == next)
			continue;
		net_give_back(&m[i].trial->net);
		net_borrow(&m[i].trial->net, &next->net, prefix);
	}
	return next;
}

/* Goes on from the current step to the epoch's end or a stop. *lead: who leads, at the end those that go on if any does. */
static int train_steps(struct bundle_member *m, int n, struct trial **lead, int prefix, const atomic_bool *stop,
		       struct err *e)
{
	const int64_t samples = dataset_info((*lead)->spec.train)->n;
	const int batch = (*lead)->net.batch;
	const int64_t first = (*lead)->position.step;

	order_samples(*lead);
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
		rc = step_all(m, n, *lead, prefix, (*lead)->order + at, now, e);
		if (rc)
			return rc;
		if (*lead != leader_of(m, n) && leader_of(m, n))
			*lead = hand_over(m, n, *lead, prefix);
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
		trial_set_rates(m[i].trial, m[i].trial->position.steps);
	}
	prefix = common_prefix(m, n);
	for (int i = 1; i < n; i++)
		net_borrow(&m[i].trial->net, &leader->net, prefix);
	rc = train_steps(m, n, &leader, prefix, stop, &e);
	for (int i = 0; i < n; i++)
		if (m[i].trial != leader && m[i].status != TRIAL_DIVERGED)
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
	if (!trial_prepare(t, spec, e) && t->net.first_trained > 1)
		hash = share_hash(t);
	free(t);
	return hash;
}
