/* runner.c - see runner.h */
#include "sweep/run/runner.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sweep/run/clock.h"
#include "sweep/run/fault.h"
#include "sweep/run/sched.h"

/* A crash costs at most this much of a trial, beside the epoch under way, unless asked otherwise. */
#define CHECKPOINT_EVERY_S 60.0
/* Two reasons are one if so many words are the same: figures and names come behind. */
#define CAUSE_WORDS 3

/* Trials number first .. first + n - 1 of the launch order: they share frozen layers and run in step. */
struct bundle {
	int first, n;
};

struct run;

struct runner {
	const struct plan *plan;
	const struct store *store;
	const struct runner_listener *listener;
	struct runner_result *result;
	const struct runner_options *o;
	const struct watch *watch;
	int *order; /* trials, bundle by bundle */
	struct bundle *bundle;
	struct run **run; /* a worker's bundle, from job() to done() */
	int threads;      /* in all */
	atomic_bool *stop;
	atomic_bool no_more;    /* what runs ends, nothing else begins */
	_Atomic double epoch_s; /* the longest so far */
	struct suspect streak;  /* failures in a row */
	int rc;
	struct err *e;
};

/* One trial under way, and what job() tells done() of it. */
struct run {
	struct runner *r;
	struct trial *trial;
	struct team *team; /* of the bundle */
	struct trial_log log;
	int number;
	double began_s;
	void *block; /* room for a checkpoint, made when first needed */
	double checkpointed_s;
	int checkpointed; /* epochs that stood then */
	struct trial_end end;
	struct epoch_row last; /* epoch 0: none */
	int store_rc;          /* the run directory failed ... */
	struct err store_err;  /* ... and why */
};

static void fail_trial(struct run *run, const struct err *why)
{
	run->end.state = STATE_FAIL;
	snprintf(run->end.reason, sizeof(run->end.reason), "%.*s", (int)sizeof(run->end.reason) - 1, why->msg);
}

static int checkpoint(struct run *run, struct err *e)
{
	size_t bytes = trial_state_bytes(run->trial);

	if (!run->block)
		run->block = malloc(bytes);
	if (!run->block)
		return err_set(e, ERR_NOMEM, "out of memory for a checkpoint (%zu bytes)", bytes);
	trial_get_state(run->trial, run->block);
	run->checkpointed_s = clock_s();
	run->checkpointed = run->log.epochs_done;
	if (store_trial_checkpoint(&run->log, run->block, bytes, e))
		return e->code;
	watch_say(run->r->watch, "checkpoint %s", run->log.key);
	return 0;
}

static bool checkpoint_due(const struct run *run)
{
	const struct runner_options *o = run->r->o;
	double every_s = o->checkpoint_s > 0 ? o->checkpoint_s : CHECKPOINT_EVERY_S;

	if (o->checkpoint_epochs)
		return run->log.epochs_done - run->checkpointed >= o->checkpoint_epochs;
	return clock_s() - run->checkpointed_s > every_s;
}

/* Opens the trial's log where its checkpoint stands, or at the start; *state is the checkpoint's block or NULL. */
static int begin_log(struct run *run, void **state, size_t *bytes, int *epochs, struct err *e)
{
	const struct plan *p = run->r->plan;
	const char *key = p->trial[run->number].key;
	int rc = store_load_checkpoint(run->r->store, key, state, bytes, epochs, e);

	if (!rc)
		rc = store_trial_begin(&run->log, run->r->store, p->study, key, *epochs, e);
	return rc;
}

/* A checkpoint that the engine does not take (another build's), or whose rows are gone, is as good as none. */
static int resume(struct run *run, const void *state, size_t bytes, int epochs, struct err *e)
{
	const struct plan *p = run->r->plan;
	struct err refused;

	if (!state || (run->log.epochs_done == epochs && !trial_set_state(run->trial, state, bytes, &refused)))
		return 0;
	store_trial_close(&run->log);
	return store_trial_begin(&run->log, run->r->store, p->study, p->trial[run->number].key, 0, e);
}

static int store_row(struct run *run, const struct epoch_row *row, struct err *e)
{
	const struct runner_listener *l = run->r->listener;
	struct trial_end *end = &run->end;

	end->train_s += row->train_s;
	end->eval_s += row->eval_s;
	run->last = *row;
	watch_say(run->r->watch, "epoch %s", run->log.key);
	if (l->epoch)
		l->epoch(l->ctx, run->number, row);
	return store_trial_epoch(&run->log, row, e);
}

static bool finite_row(const struct epoch_row *row)
{
	return isfinite(row->train_loss) && isfinite(row->train_eval_loss) && isfinite(row->val_loss);
}

/* The last good row, of this process or one before it. */
static void find_last_finite(struct run *run)
{
	const struct plan *p = run->r->plan;
	struct trial_end *end = &run->end;
	struct trial_record rec;
	struct err ignored; /* rows that cannot be read now are not told of */

	if (store_read_trial(run->r->store, p->study, p->trial[run->number].key, &rec, &ignored))
		return;
	for (int i = rec.n_rows - 1; i >= 0 && !end->last_finite_epoch; i--)
		if (finite_row(&rec.row[i])) {
			end->last_finite_epoch = rec.row[i].epoch;
			for (int m = 0; m < N_METRICS; m++)
				end->last_finite[m] = metric_value(&rec.row[i], m);
		}
	trial_record_release(&rec);
}

static void tell_divergence(struct run *run)
{
	struct trial_end *end = &run->end;
	struct divergence d;
	char what[64];
	char where[48];

	trial_divergence(&d, run->trial);
	end->state = STATE_DIVERGED;
	end->diverged_epoch = d.epoch;
	end->diverged_step = d.step;
	end->diverged_loss = d.loss;
	snprintf(end->diverged_group, sizeof(end->diverged_group), "%s", run->r->plan->study->group[d.group].name);
	if (isfinite(d.loss))
		snprintf(what, sizeof(what), "a loss of %g is out of bounds", d.loss);
	else
		snprintf(what, sizeof(what), "a loss or weight became nan or infinite");
	if (d.step)
		snprintf(where, sizeof(where), "step %lld of epoch %d", (long long)d.step, d.epoch);
	else
		snprintf(where, sizeof(where), "the evaluation after epoch %d", d.epoch);
	snprintf(end->reason, sizeof(end->reason), "%s in %s; group '%s' left first", what, where, end->diverged_group);
	find_last_finite(run);
}

static int publish(struct run *run, struct err *e)
{
	struct trial_end *end = &run->end;
	bool has_bits = run->trial && end->state != STATE_FAIL && run->log.epochs_done;

	if (end->state == STATE_RUNNING)
		return 0;
	end->epochs = run->log.epochs_done;
	end->attempt = run->log.attempt;
	end->wall_s = clock_s() - run->began_s;
	if (has_bits)
		trial_weights_hash(run->trial, end->weights);
	clock_utc(end->ended);
	return store_trial_finish(&run->log, end, has_bits ? trial_correct(run->trial) : NULL,
				  dataset_info(run->r->plan->src.val)->n, e);
}

/* Has it brought down so many runners that it is not tried again? */
static bool given_up(struct run *run, const struct suspect *s)
{
	struct err why;

	if (!s || s->deaths < DEATHS_TO_FAIL)
		return false;
	err_set(&why, ERR_FAILED, "%s, %d times in a row", s->reason, s->deaths);
	fail_trial(run, &why);
	return true;
}

/* Opens its log and makes it ready to go on; it has no trial then if it failed. An error is the store's. */
static int make_ready(struct run *run, struct err *e)
{
	const struct suspect *suspect = watch_suspect(run->r->watch, run->r->plan->trial[run->number].key);
	struct trial_spec spec;
	struct err why;
	void *state = NULL;
	size_t bytes = 0;
	int epochs = 0;
	int rc = begin_log(run, &state, &bytes, &epochs, e);

	if (!rc && suspect)
		rc = store_trial_note_death(&run->log, suspect->reason, e);
	if (!rc && !given_up(run, suspect)) {
		fault_trial(run->log.key);
		plan_spec(&spec, run->r->plan, run->number);
		spec.threads = run->r->threads;
		if (trial_new(&run->trial, &spec, &why)) {
			fail_trial(run, &why);
		} else {
			trial_set_team(run->trial, run->team);
			rc = resume(run, state, bytes, epochs, e);
		}
	}
	free(state);
	run->checkpointed_s = clock_s();
	run->checkpointed = run->log.epochs_done;
	return rc;
}

/* What one epoch in the bundle means for one of its trials. */
static int after_epoch(struct run *run, const struct bundle_member *m, struct err *e)
{
	struct trial_end *end = &run->end;
	int rc;

	if (m->rc) {
		fail_trial(run, &m->err);
		return 0;
	}
	if (m->status == TRIAL_STOPPED)
		return checkpoint(run, e);
	rc = store_row(run, &m->row, e);
	if (!rc && m->status == TRIAL_RUNNING && checkpoint_due(run))
		rc = checkpoint(run, e);
	if (m->status == TRIAL_COMPLETE)
		end->state = STATE_COMPLETE;
	if (m->status == TRIAL_DIVERGED)
		tell_divergence(run);
	return rc;
}

static void release(struct run *run)
{
	store_trial_close(&run->log);
	trial_free(run->trial);
	free(run->block);
	run->trial = NULL;
	run->block = NULL;
}

/* It ended, was stopped, or the store failed (rc): its result goes out and its memory back. */
static void leave(struct run *run, int rc, const struct err *e)
{
	if (!rc)
		rc = publish(run, &run->store_err);
	else
		run->store_err = *e;
	run->store_rc = rc;
	release(run);
	if (!rc)
		return;
	run->end.state = STATE_RUNNING;
	atomic_store(run->r->stop, true); /* a full disk does not get better with the next trial */
}

/* Those of the n that still run and stand where the first of them does, after a resume. Returns how many. */
static int in_step(struct run **member, struct run *run, int n)
{
	int count = 0;
	int64_t first_step = 0;
	int first_epochs = 0;

	for (int i = 0; i < n; i++) {
		int64_t step;
		int epochs;

		if (!run[i].trial)
			continue;
		trial_position(run[i].trial, &epochs, &step);
		if (!count) {
			first_epochs = epochs;
			first_step = step;
		}
		if (epochs == first_epochs && step == first_step)
			member[count++] = &run[i];
	}
	return count;
}

/* Epochs until all of them have ended or are stopped. m: room for n. */
static void train(struct run **member, struct bundle_member *m, int n)
{
	struct runner *r = member[0]->r;

	while (n) {
		double began_s = clock_s();
		int left = 0;

		for (int i = 0; i < n; i++)
			m[i] = (struct bundle_member){.trial = member[i]->trial};
		bundle_epoch(m, n, r->stop);
		if (clock_s() - began_s > r->epoch_s) /* a race here loses one of two figures */
			r->epoch_s = clock_s() - began_s;
		for (int i = 0; i < n; i++) {
			struct err e;
			int rc = after_epoch(member[i], &m[i], &e);

			if (rc || m[i].rc || m[i].status != TRIAL_RUNNING)
				leave(member[i], rc, &e);
			else
				member[left++] = member[i];
		}
		n = left;
	}
}

static void run_bundle(struct run *run, int n)
{
	struct run **member = calloc((size_t)n, sizeof(*member));
	struct bundle_member *m = calloc((size_t)n, sizeof(*m));
	int together;

	for (int i = 0; i < n; i++) {
		struct err e;
		int rc = 0;

		if (member && m)
			rc = make_ready(&run[i], &e);
		else
			rc = err_set(&e, ERR_NOMEM, "out of memory for a bundle of %d trials", n);
		if (rc || !run[i].trial)
			leave(&run[i], rc, &e);
	}
	while (member && m && (together = in_step(member, run, n))) {
		for (int i = 0; i < together; i++)
			member[i]->end.together = together;
		train(member, m, together);
	}
	free(member);
	free(m);
}

/* An epoch that would not end before all must be reported is not begun. */
static bool too_late(const struct runner *r)
{
	return r->watch->deadline_s > 0 && clock_s() + r->epoch_s > r->watch->deadline_s;
}

static void begin(struct run *run, struct runner *r, int number, int worker, struct team *team)
{
	run->r = r;
	run->team = team;
	run->number = number;
	run->log.fd = -1;
	run->began_s = clock_s();
	run->end.state = STATE_RUNNING;
	run->end.worker = worker;
	gethostname(run->end.host, sizeof(run->end.host) - 1);
	clock_utc(run->end.started);
	watch_say(r->watch, "begin %s", r->plan->trial[number].key);
	if (r->listener->started)
		r->listener->started(r->listener->ctx, number);
}

static void job(void *ctx, int i, int worker, struct team *team)
{
	struct runner *r = ctx;
	const struct bundle *b = &r->bundle[i];

	r->run[worker] = NULL;
	if (atomic_load(&r->no_more) || too_late(r))
		return;
	r->run[worker] = calloc((size_t)b->n, sizeof(**r->run));
	if (!r->run[worker])
		return; /* as if it had not been claimed: the same command goes on with it */
	for (int k = 0; k < b->n; k++)
		begin(&r->run[worker][k], r, r->order[b->first + k], worker, team);
	run_bundle(r->run[worker], b->n);
}

static bool same_cause(const char *a, const char *b)
{
	int words = 0;

	for (; *a && *a == *b; a++, b++)
		if (*a == ' ' && ++words == CAUSE_WORDS)
			return true;
	return *a == *b;
}

static void count_failure(struct runner *r, int trial, const char *reason)
{
	if (!r->result->failed++) {
		r->result->first_failed = trial;
		snprintf(r->result->reason, sizeof(r->result->reason), "%s", reason);
	}
}

/* A sweep whose every trial fails for one reason is not worth a night. */
static void count_streak(struct runner *r, const struct trial_end *end)
{
	struct suspect *s = &r->streak;
	bool same = end->state == STATE_FAIL && s->deaths && same_cause(s->reason, end->reason);

	s->deaths = end->state != STATE_FAIL ? 0 : same ? s->deaths + 1 : 1;
	memcpy(s->reason, end->reason, sizeof(s->reason));
	if (s->deaths < FAILURES_IN_A_ROW || r->result->gave_up)
		return;
	r->result->gave_up = true;
	atomic_store(&r->no_more, true);
	if (r->listener->gave_up)
		r->listener->gave_up(r->listener->ctx, s->deaths, s->reason);
}

static void conclude(struct run *run)
{
	struct runner *r = run->r;
	enum trial_state state = run->end.state;
	const char *key = r->plan->trial[run->number].key;

	if (state == STATE_FAIL)
		count_failure(r, run->number, run->end.reason);
	if (state != STATE_RUNNING) {
		count_streak(r, &run->end);
		watch_say(r->watch, "end %s %s %d %s", key, trial_state_word(state), r->streak.deaths,
			  *run->end.reason ? run->end.reason : "-");
	} else {
		watch_say(r->watch, "stop %s", key);
	}
	r->result->ran++;
	r->result->complete += state == STATE_COMPLETE;
	r->result->diverged += state == STATE_DIVERGED;
	r->result->stopped += state == STATE_RUNNING;
	if (run->store_rc && !r->rc) {
		r->rc = run->store_rc;
		*r->e = run->store_err;
	}
	if (r->listener->finished)
		r->listener->finished(r->listener->ctx, run->number, &run->end, run->last.epoch ? &run->last : NULL);
}

static void done(void *ctx, int i, int worker)
{
	struct runner *r = ctx;

	for (int k = 0; r->run[worker] && k < r->bundle[i].n; k++)
		conclude(&r->run[worker][k]);
	free(r->run[worker]);
	r->run[worker] = NULL;
}

/* The trials to run in launch order, sorted by what is known of them; returns how many of them must run alone, first. */
static int order_launch(struct runner *r, int *n)
{
	const struct plan *p = r->plan;
	int alone = 0;

	*n = 0;
	for (int pass = 0; pass < 2; pass++) {
		for (int i = 0; i < p->n_todo; i++) {
			const char *key = p->trial[p->todo[i]].key;
			const struct suspect *s = watch_suspect(r->watch, key);
			const struct suspect *f = watch_failed(r->watch, key);
			bool by_itself = s && s->deaths >= DEATHS_TO_FAIL - 1;

			if (f && !pass)
				count_failure(r, p->todo[i], f->reason);
			if (!f && by_itself == !pass)
				r->order[(*n)++] = p->todo[i];
		}
		if (!pass)
			alone = *n;
	}
	return alone;
}

/* Moves the trials behind number `at` of the order that share with it up to it; at most `most` stay together. */
static int gather_bundle(int *order, uint64_t *share, int at, int n, int most)
{
	int end = at + 1;

	for (int i = end; share[at] && i < n && end - at < most; i++) {
		int trial = order[i];

		if (share[i] != share[at])
			continue;
		memmove(order + end + 1, order + end, (size_t)(i - end) * sizeof(*order));
		memmove(share + end + 1, share + end, (size_t)(i - end) * sizeof(*share));
		order[end] = trial;
		share[end++] = share[at];
	}
	return end - at;
}

/* Bundles of the trials from `alone` on, in launch order of their first ones; those before are bundles of their own. */
static int make_bundles(struct runner *r, uint64_t *share, int alone, int n, int most)
{
	int bundles = 0;

	for (int at = 0; at < n; bundles++) {
		struct bundle *b = &r->bundle[bundles];

		*b = (struct bundle){at, at < alone ? 1 : gather_bundle(r->order, share, at, n, most)};
		at += b->n;
	}
	return bundles;
}

static void share_keys(const struct runner *r, uint64_t *share, int n)
{
	for (int i = 0; i < n && r->o->most_together > 1; i++) {
		struct trial_spec spec;
		struct err bad; /* a bad spec shares nothing, and fails when it runs */

		plan_spec(&spec, r->plan, r->order[i]);
		share[i] = trial_share_key(&spec, &bad);
	}
}

static void run_jobs(struct runner *r, int n, int workers)
{
	sched_run(&(struct sched){.n = n,
				  .workers = workers,
				  .threads = r->threads,
				  .job = job,
				  .done = done,
				  .ctx = r,
				  .stop = r->stop});
}

static void launch(struct runner *r, uint64_t *share, int workers)
{
	int most = r->o->most_together;
	int n;
	int alone = order_launch(r, &n);
	int bundles;

	share_keys(r, share, n);
	do { /* no worker without a bundle for the sake of large ones */
		bundles = make_bundles(r, share, alone, n, most);
		most /= 2;
	} while (bundles < workers && most > 0);
	watch_say(r->watch, "workers %d", workers);
	run_jobs(r, alone, 1);
	r->bundle += alone;
	run_jobs(r, bundles - alone, workers);
	r->bundle -= alone;
}

int runner_run(const struct plan *p, const struct store *st, const struct runner_options *o, atomic_bool *stop,
	       const struct runner_listener *l, struct runner_result *result, struct err *e)
{
	static const struct watch nobody = {.fd = -1};
	struct runner r = {
		.plan = p, .store = st, .listener = l, .result = result, .o = o, .stop = stop, .e = e, .rc = 0};
	int workers = o->workers < 1 ? 1 : o->workers;
	uint64_t *share = calloc((size_t)p->n_todo + 1, sizeof(*share));

	*result = (struct runner_result){0};
	r.threads = o->threads > workers ? o->threads : workers;
	r.watch = o->watch ? o->watch : &nobody;
	r.streak = r.watch->streak;
	r.order = calloc((size_t)p->n_todo + 1, sizeof(*r.order));
	r.bundle = calloc((size_t)p->n_todo + 1, sizeof(*r.bundle));
	r.run = calloc((size_t)workers, sizeof(*r.run));
	if (share && r.order && r.bundle && r.run)
		launch(&r, share, workers);
	else
		r.rc = err_set(e, ERR_NOMEM, "out of memory");
	free(share);
	free(r.order);
	free(r.bundle);
	free(r.run);
	return r.rc;
}
