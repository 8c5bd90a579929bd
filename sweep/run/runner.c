/* runner.c - see runner.h */
#include "sweep/run/runner.h"

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

/* What a worker hands from job() to done(). */
struct slot {
	struct trial_end end;
	struct epoch_row last; /* epoch 0: none */
	int store_rc;          /* the run directory failed ... */
	struct err store_err;  /* ... and why */
};

struct runner {
	const struct plan *plan;
	const struct store *store;
	const struct runner_listener *listener;
	struct runner_result *result;
	const struct runner_options *o;
	const struct watch *watch;
	struct slot *slot;
	atomic_bool *stop;
	atomic_bool no_more;    /* what runs ends, nothing else begins */
	_Atomic double epoch_s; /* the longest so far */
	struct suspect streak;  /* failures in a row */
	int rc;
	struct err *e;
};

/* One trial under way. */
struct run {
	struct runner *r;
	struct slot *slot;
	struct trial *trial;
	struct trial_log log;
	int number;
	void *block; /* room for a checkpoint, made when first needed */
	double checkpointed_s;
	int checkpointed; /* epochs that stood then */
};

static void fail_trial(struct run *run, const struct err *why)
{
	run->slot->end.state = STATE_FAIL;
	snprintf(run->slot->end.reason, sizeof(run->slot->end.reason), "%.*s", (int)sizeof(run->slot->end.reason) - 1,
		 why->msg);
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
	struct trial_end *end = &run->slot->end;

	end->train_s += row->train_s;
	end->eval_s += row->eval_s;
	run->slot->last = *row;
	if (row->train_s + row->eval_s > run->r->epoch_s) /* a race here loses one of two figures */
		run->r->epoch_s = row->train_s + row->eval_s;
	watch_say(run->r->watch, "epoch %s", run->log.key);
	if (l->epoch)
		l->epoch(l->ctx, run->number, row);
	return store_trial_epoch(&run->log, row, e);
}

/* Epochs until the trial ends, fails or is stopped. Returns an error of the store's only. */
static int train(struct run *run, struct err *e)
{
	struct trial_end *end = &run->slot->end;
	enum trial_status status = TRIAL_RUNNING;
	int rc = 0;

	run->checkpointed_s = clock_s();
	run->checkpointed = run->log.epochs_done;
	while (!rc && status == TRIAL_RUNNING) {
		struct epoch_row row = {0};
		struct err why;

		if (trial_epoch(run->trial, &row, &status, run->r->stop, &why)) {
			fail_trial(run, &why);
			return 0;
		}
		if (status == TRIAL_STOPPED)
			return checkpoint(run, e);
		rc = store_row(run, &row, e);
		if (!rc && status == TRIAL_RUNNING && checkpoint_due(run))
			rc = checkpoint(run, e);
	}
	if (status == TRIAL_COMPLETE)
		end->state = STATE_COMPLETE;
	if (status == TRIAL_DIVERGED) {
		end->state = STATE_DIVERGED;
		snprintf(end->reason, sizeof(end->reason), "a loss or weight became nan or infinite in epoch %d",
			 run->slot->last.epoch);
	}
	return rc;
}

static int publish(struct run *run, double began_s, struct err *e)
{
	struct trial_end *end = &run->slot->end;
	bool has_bits = run->trial && end->state != STATE_FAIL && run->log.epochs_done;

	if (end->state == STATE_RUNNING)
		return 0;
	end->epochs = run->log.epochs_done;
	end->attempt = run->log.attempt;
	end->wall_s = clock_s() - began_s;
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

static int run_trial(struct run *run, struct err *e)
{
	const struct suspect *suspect = watch_suspect(run->r->watch, run->r->plan->trial[run->number].key);
	struct trial_spec spec;
	struct err why;
	void *state = NULL;
	size_t bytes = 0;
	int epochs = 0;
	double began_s = clock_s();
	int rc = begin_log(run, &state, &bytes, &epochs, e);

	if (!rc && suspect)
		rc = store_trial_note_death(&run->log, suspect->reason, e);
	if (!rc && !given_up(run, suspect)) {
		fault_trial(run->log.key);
		plan_spec(&spec, run->r->plan, run->number);
		if (trial_new(&run->trial, &spec, &why)) {
			fail_trial(run, &why);
		} else {
			rc = resume(run, state, bytes, epochs, e);
			free(state);
			state = NULL;
			if (!rc)
				rc = train(run, e);
		}
	}
	free(state);
	if (!rc)
		rc = publish(run, began_s, e);
	store_trial_close(&run->log);
	trial_free(run->trial);
	free(run->block);
	return rc;
}

/* An epoch that would not end before all must be reported is not begun. */
static bool too_late(const struct runner *r)
{
	return r->watch->deadline_s > 0 && clock_s() + r->epoch_s > r->watch->deadline_s;
}

static void job(void *ctx, int i, int worker)
{
	struct runner *r = ctx;
	struct slot *slot = &r->slot[worker];
	struct run run = {.r = r, .slot = slot, .number = i, .log.fd = -1};

	*slot = (struct slot){.end = {.state = STATE_WAITING, .worker = worker}};
	if (atomic_load(&r->no_more) || too_late(r))
		return;
	slot->end.state = STATE_RUNNING;
	watch_say(r->watch, "begin %s", r->plan->trial[i].key);
	gethostname(slot->end.host, sizeof(slot->end.host) - 1);
	clock_utc(slot->end.started);
	if (r->listener->started)
		r->listener->started(r->listener->ctx, i);
	slot->store_rc = run_trial(&run, &slot->store_err);
	if (slot->store_rc) { /* a full disk does not get better with the next trial */
		slot->end.state = STATE_RUNNING;
		atomic_store(r->stop, true);
	}
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

static void done(void *ctx, int i, int worker)
{
	struct runner *r = ctx;
	struct slot *slot = &r->slot[worker];
	enum trial_state state = slot->end.state;

	if (state == STATE_WAITING)
		return;
	if (state == STATE_FAIL)
		count_failure(r, i, slot->end.reason);
	if (state != STATE_RUNNING) {
		count_streak(r, &slot->end);
		watch_say(r->watch, "end %s %s %d %s", r->plan->trial[i].key, trial_state_word(state), r->streak.deaths,
			  *slot->end.reason ? slot->end.reason : "-");
	} else {
		watch_say(r->watch, "stop %s", r->plan->trial[i].key);
	}
	r->result->ran++;
	r->result->complete += state == STATE_COMPLETE;
	r->result->diverged += state == STATE_DIVERGED;
	r->result->stopped += state == STATE_RUNNING;
	if (slot->store_rc && !r->rc) {
		r->rc = slot->store_rc;
		*r->e = slot->store_err;
	}
	if (r->listener->finished)
		r->listener->finished(r->listener->ctx, i, &slot->end, slot->last.epoch ? &slot->last : NULL);
}

/* The trials to run in launch order, sorted by what is known of them; returns how many of them must run alone, first. */
static int order_launch(struct runner *r, int *order, int *n)
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
				order[(*n)++] = p->todo[i];
		}
		if (!pass)
			alone = *n;
	}
	return alone;
}

int runner_run(const struct plan *p, const struct store *st, const struct runner_options *o, atomic_bool *stop,
	       const struct runner_listener *l, struct runner_result *result, struct err *e)
{
	static const struct watch nobody = {.fd = -1};
	struct runner r = {
		.plan = p, .store = st, .listener = l, .result = result, .o = o, .stop = stop, .e = e, .rc = 0};
	int workers = o->workers < 1 ? 1 : o->workers;
	int *order = calloc((size_t)p->n_todo + 1, sizeof(*order));
	int alone, n;

	*result = (struct runner_result){0};
	r.watch = o->watch ? o->watch : &nobody;
	r.streak = r.watch->streak;
	r.slot = calloc((size_t)workers, sizeof(*r.slot));
	if (!order || !r.slot) {
		free(order);
		free(r.slot);
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	watch_say(r.watch, "workers %d", workers);
	alone = order_launch(&r, order, &n);
	sched_run(alone, order, 1, job, done, &r, stop);
	sched_run(n - alone, order + alone, workers, job, done, &r, stop);
	free(order);
	free(r.slot);
	return r.rc;
}
