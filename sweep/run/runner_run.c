/* runner_run.c - the trials of one bundle under way, from log to result; see runner_run.h */
#include "sweep/run/runner_run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sweep/run/clock.h"
#include "sweep/run/fault.h"

/* A crash costs at most this much of a trial, beside the epoch under way, unless asked otherwise. */
#define CHECKPOINT_EVERY_S 60.0

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

static bool shares(const struct run *run)
{
	return run->r->stages != NULL;
}

static void drop_state(struct run *run)
{
	if (run->from_stage)
		stages_taken(run->r->stages, run->number);
	else
		free(run->state);
	run->state = NULL;
	run->from_stage = false;
}

/* The rows and the state of the trial of that key, after so many epochs. */
static int adopt(struct run *run, const char *key, int epochs, struct err *e)
{
	int rc = store_trial_adopt(&run->log, run->r->plan->study, key, epochs, e);

	if (!rc && run->log.epochs_done == epochs) {
		run->end.epochs_reused = epochs;
		snprintf(run->end.reused_from, sizeof(run->end.reused_from), "%s", key);
	} else {
		drop_state(run);
	}
	return rc;
}

/* A trial that begins does so where another one was or ended, if it can. */
static int begin_from_other(struct run *run, struct err *e)
{
	const struct plan *p = run->r->plan;
	const struct plan_trial *t = &p->trial[run->number];
	const struct fork *f = &run->r->share.fork[run->number];
	int epochs = t->from_epochs;
	int rc;

	if (f->parent >= 0) {
		run->state = (void *)stages_take(run->r->stages, run->number, &run->state_bytes);
		run->from_stage = true;
		if (run->state)
			return adopt(run, p->trial[f->parent].key, f->epochs, e);
		drop_state(run);
	}
	if (!t->from_epochs)
		return 0;
	rc = store_load_final(run->r->store, t->from, &run->state, &run->state_bytes, &epochs, e);
	return rc || !run->state ? rc : adopt(run, t->from, epochs, e);
}

/* Opens the trial's log where it goes on: at its checkpoint, in another's tracks, or at the start. */
static int begin_log(struct run *run, struct err *e)
{
	const struct plan *p = run->r->plan;
	const char *key = p->trial[run->number].key;
	int epochs = 0;
	int rc = store_load_checkpoint(run->r->store, key, &run->state, &run->state_bytes, &epochs, e);

	if (!rc)
		rc = store_trial_begin(&run->log, run->r->store, p->study, key, epochs, e);
	if (!rc && run->state && run->log.epochs_done != epochs) /* its rows are gone */
		drop_state(run);
	if (!rc && !run->state && shares(run))
		rc = begin_from_other(run, e);
	return rc;
}

/* A state that the engine does not take (another build's) is as good as none: the log starts anew. */
static int start_anew(struct run *run, struct err *e)
{
	const struct plan *p = run->r->plan;

	drop_state(run);
	run->end.epochs_reused = 0;
	*run->end.reused_from = 0;
	run->end.macs = run->end.macs_reused = 0;
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

/* Opens its log. An error is the store's. */
static int make_ready(struct run *run, struct err *e)
{
	const struct suspect *suspect = watch_suspect(run->r->watch, run->r->plan->trial[run->number].key);
	int rc = begin_log(run, e);

	if (!rc && suspect && !suspect->noted)
		rc = store_trial_note_death(&run->log, suspect->reason, e);
	if (!rc && !given_up(run, suspect))
		fault_trial(run->log.key);
	run->checkpointed_s = clock_s();
	run->checkpointed = run->log.epochs_done;
	return rc;
}

/* The epochs that another trial has run for it. */
static void count_reused(struct run *run, const struct trial_spec *spec)
{
	double frozen;
	uint64_t features;
	struct err ignored; /* a trial could be made of the spec */

	if (run->end.epochs_reused)
		trial_macs(spec, 0, run->end.epochs_reused, &run->end.macs, &frozen, &features, &ignored);
	run->end.macs_reused = run->end.macs;
}

/*
 * Makes its trial, on the layers of one that it shares with (or NULL), and puts it where its state says. It has none if it
 * failed, or - its state was refused - does not stand where `with` does. An error is the store's.
 */
static int make_trial(struct run *run, struct run *with, struct err *e)
{
	struct trial_spec spec;
	struct err why;
	int rc;

	plan_spec(&spec, run->r->plan, run->number);
	spec.features = run->r->o->features;
	spec.features_last = run->bundle->features_last;
	spec.threads = run->r->threads;
	rc = with ? trial_new_sharing(&run->trial, &spec, with->trial, &why) : trial_new(&run->trial, &spec, &why);
	if (rc) {
		fail_trial(run, &why);
		return 0;
	}
	trial_set_team(run->trial, run->team);
	if (!run->state)
		return 0;
	rc = 0;
	count_reused(run, &spec);
	if (trial_set_state(run->trial, run->state, run->state_bytes, &why)) {
		rc = start_anew(run, e);
		if (with) {
			trial_free(run->trial);
			run->trial = NULL;
		}
	}
	drop_state(run);
	return rc;
}

/* Its state, for those that start from here. */
static void leave_stage(struct run *run)
{
	size_t bytes = trial_state_bytes(run->trial);
	void *block = malloc(bytes);

	if (block)
		trial_get_state(run->trial, block);
	stages_leave(run->r->stages, run->number, run->log.epochs_done, block, bytes);
}

/* The state at the end stays on disk if the grid says so. */
static int keep_final(struct run *run, struct err *e)
{
	size_t bytes = trial_state_bytes(run->trial);
	int rc;

	if (!run->block)
		run->block = malloc(bytes);
	if (!run->block)
		return err_set(e, ERR_NOMEM, "out of memory for the final state (%zu bytes)", bytes);
	trial_get_state(run->trial, run->block);
	rc = store_trial_keep(&run->log, run->block, bytes, e);
	return rc;
}

static int complete(struct run *run, int rc, struct err *e)
{
	run->end.state = STATE_COMPLETE;
	return rc || !run->r->plan->study->keep_final ? rc : keep_final(run, e);
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
	end->macs += m->macs;
	end->macs_reused += m->macs_reused;
	rc = store_row(run, &m->row, e);
	if (!rc && shares(run) && stages_wanted(run->r->stages, run->number, run->log.epochs_done))
		leave_stage(run);
	if (!rc && m->status == TRIAL_RUNNING && checkpoint_due(run))
		rc = checkpoint(run, e);
	if (m->status == TRIAL_COMPLETE)
		rc = complete(run, rc, e);
	if (m->status == TRIAL_DIVERGED)
		tell_divergence(run);
	return rc;
}

static void release(struct run *run)
{
	drop_state(run);
	if (shares(run)) {
		stages_taken(run->r->stages, run->number);
		stages_end(run->r->stages, run->number);
	}
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

static bool same_position(const struct run *run, const struct trial *t)
{
	int64_t step, own_step = 0;
	int epochs, own_epochs = 0;

	trial_position(t, &epochs, &step);
	if (run->state && trial_state_position(run->state, run->state_bytes, &own_epochs, &own_step))
		return false;
	return epochs == own_epochs && step == own_step;
}

/* It begins where it ends: another trial went all the way. */
static bool is_whole(const struct run *run)
{
	return run->log.epochs_done >= plan_cell(run->r->plan, run->number)->setting.hyper.epochs;
}

/* The first of the n that waits, and those that stand where it does: they become trials and members. Returns how many. */
static int begin_together(struct run **member, struct run *run, int n)
{
	int count = 0;

	for (int i = 0; i < n; i++) {
		struct err e;
		int rc;

		if (!run[i].waits || (count && !same_position(&run[i], member[0]->trial)))
			continue;
		rc = make_trial(&run[i], count ? member[0] : NULL, &e);
		if (!rc && !run[i].trial && run[i].end.state == STATE_RUNNING)
			continue; /* for another round */
		run[i].waits = false;
		if (!rc && run[i].trial && is_whole(&run[i]))
			rc = complete(&run[i], 0, &e);
		if (rc || run[i].end.state != STATE_RUNNING)
			leave(&run[i], rc, &e);
		else
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

static bool any_waits(const struct run *run, int n)
{
	for (int i = 0; i < n; i++)
		if (run[i].waits)
			return true;
	return false;
}

void run_bundle(struct run *run, int n)
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
		run[i].waits = !rc && run[i].end.state == STATE_RUNNING;
		if (!run[i].waits)
			leave(&run[i], rc, &e);
	}
	while (member && m && any_waits(run, n)) {
		together = begin_together(member, run, n);
		if (together)
			train(member, m, together);
	}
	free(member);
	free(m);
}
