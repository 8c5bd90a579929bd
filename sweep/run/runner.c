/* runner.c - see runner.h */
#include "sweep/run/runner.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sweep/run/clock.h"
#include "sweep/run/fault.h"
#include "sweep/run/sched.h"

/* A crash costs at most this much of a trial, beside the epoch under way. */
#define CHECKPOINT_EVERY_S 60.0

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
	struct slot *slot;
	atomic_bool *stop;
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
	return store_trial_checkpoint(&run->log, run->block, bytes, e);
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
		if (!rc && status == TRIAL_RUNNING && clock_s() - run->checkpointed_s > CHECKPOINT_EVERY_S)
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

static int run_trial(struct run *run, struct err *e)
{
	struct trial_spec spec;
	struct err why;
	void *state = NULL;
	size_t bytes = 0;
	int epochs = 0;
	double began_s = clock_s();
	int rc = begin_log(run, &state, &bytes, &epochs, e);

	if (!rc) {
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

static void job(void *ctx, int i, int worker)
{
	struct runner *r = ctx;
	struct slot *slot = &r->slot[worker];
	struct run run = {.r = r, .slot = slot, .number = i, .log.fd = -1};

	*slot = (struct slot){.end = {.state = STATE_RUNNING, .worker = worker}};
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

static void done(void *ctx, int i, int worker)
{
	struct runner *r = ctx;
	struct slot *slot = &r->slot[worker];
	enum trial_state state = slot->end.state;

	if (state == STATE_FAIL && !r->result->failed) {
		r->result->first_failed = i;
		memcpy(r->result->reason, slot->end.reason, sizeof(r->result->reason));
	}
	r->result->ran++;
	r->result->complete += state == STATE_COMPLETE;
	r->result->diverged += state == STATE_DIVERGED;
	r->result->failed += state == STATE_FAIL;
	r->result->stopped += state == STATE_RUNNING;
	if (slot->store_rc && !r->rc) {
		r->rc = slot->store_rc;
		*r->e = slot->store_err;
	}
	if (r->listener->finished)
		r->listener->finished(r->listener->ctx, i, &slot->end, slot->last.epoch ? &slot->last : NULL);
}

int runner_run(const struct plan *p, const struct store *st, int workers, atomic_bool *stop,
	       const struct runner_listener *l, struct runner_result *result, struct err *e)
{
	struct runner r = {.plan = p, .store = st, .listener = l, .result = result, .stop = stop, .e = e, .rc = 0};

	*result = (struct runner_result){0};
	if (workers < 1)
		workers = 1;
	r.slot = calloc((size_t)workers, sizeof(*r.slot));
	if (!r.slot)
		return err_set(e, ERR_NOMEM, "out of memory");
	sched_run(p->n_todo, p->todo, workers, job, done, &r, stop);
	free(r.slot);
	return r.rc;
}
