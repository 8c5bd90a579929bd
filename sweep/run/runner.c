/* runner.c - which trials run, and when: see runner.h; how those of a bundle do is runner_run.c */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sweep/run/clock.h"
#include "sweep/run/runner_run.h"
#include "sweep/run/sched.h"
#include "sweep/run/weigh.h"

/* Two reasons are one if so many words are the same: figures and names come behind. */
#define CAUSE_WORDS 3

/* An epoch that would not end before all must be reported is not begun. */
static bool too_late(const struct runner *r)
{
	return r->watch->deadline_s > 0 && clock_s() + r->epoch_s > r->watch->deadline_s;
}

static void begin(struct run *run, struct runner *r, const struct bundle *b, int number, int worker, struct team *team)
{
	run->r = r;
	run->bundle = b;
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

/* Nobody need wait for what is not begun. */
static void not_begun(struct runner *r, const struct bundle *b)
{
	for (int k = 0; r->stages && k < b->n; k++)
		stages_end(r->stages, r->share.order[b->first + k]);
}

static void job(void *ctx, int i, int worker, struct team *team)
{
	struct runner *r = ctx;
	const struct bundle *b = &r->share.bundle[r->first + i];

	r->run[worker] = NULL;
	if (!atomic_load(&r->no_more) && !too_late(r)) {
		r->run[worker] = calloc((size_t)b->n, sizeof(**r->run));
		if (!r->run[worker])
			atomic_store(&r->no_memory, true);
	}
	if (!r->run[worker]) { /* as if it had not been claimed: the same command goes on with it */
		not_begun(r, b);
		return;
	}
	for (int k = 0; k < b->n; k++)
		begin(&r->run[worker][k], r, b, r->share.order[b->first + k], worker, team);
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

	for (int k = 0; r->run[worker] && k < r->share.bundle[r->first + i].n; k++)
		conclude(&r->run[worker][k]);
	free(r->run[worker]);
	r->run[worker] = NULL;
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

/* The directories of all that is to begin, to stay: one sync for all of them costs less than one for each. */
static int make_directories(const struct runner *r, const int *order, int n)
{
	int rc = 0;

	for (int i = 0; i < n && !rc; i++)
		rc = store_trial_make(r->store, r->plan->trial[order[i]].key, r->e);
	return rc ? rc : store_trials_made(r->store, r->e);
}

static void run_jobs(struct runner *r, int n, int workers)
{
	int ran = sched_run(&(struct sched){.n = n,
					    .workers = workers,
					    .threads = r->threads,
					    .bytes = r->bytes + r->first,
					    .memory = r->o->memory ? r->o->memory - 2 * r->o->kept : 0,
					    .job = job,
					    .done = done,
					    .ctx = r,
					    .stop = r->stop});

	if (ran < 0)
		atomic_store(&r->no_memory, true);
}

static void launch(struct runner *r, int workers)
{
	const int alone = r->share.n_alone;

	watch_say(r->watch, "workers %d", workers);
	run_jobs(r, alone, 1);
	r->first = alone;
	run_jobs(r, r->share.n_bundles - alone, workers);
}

/* What a bundle may have while as many run as there can be. */
static int threads_each(const struct runner *r, int workers)
{
	const int running = r->share.n_bundles < workers ? r->share.n_bundles : workers;

	return running ? (r->threads + running - 1) / running : r->threads;
}

int runner_run(const struct plan *p, const struct store *st, const struct runner_options *o, atomic_bool *stop,
	       const struct runner_listener *l, struct runner_result *result, struct err *e)
{
	static const struct watch nobody = {.fd = -1};
	struct runner r = {.plan = p, .store = st, .listener = l, .result = result, .o = o, .stop = stop, .e = e};
	int workers = o->workers < 1 ? 1 : o->workers;
	int *order = calloc((size_t)p->n_todo + 1, sizeof(*order));
	int n = 0;

	*result = (struct runner_result){0};
	r.threads = o->threads > workers ? o->threads : workers;
	r.watch = o->watch ? o->watch : &nobody;
	r.streak = r.watch->streak;
	r.run = calloc((size_t)workers, sizeof(*r.run));
	r.bytes = calloc((size_t)p->n_todo + 1, sizeof(*r.bytes));
	if (order && r.run && r.bytes) {
		int alone = order_launch(&r, order, &n);

		r.rc = share_init(&r.share, p, order, n, alone, o->most_together, workers, r.threads, e);
		if (!r.rc)
			r.rc = weigh_bundles(&r.share, r.bytes, p, threads_each(&r, workers), o->memory, e);
	} else {
		r.rc = err_set(e, ERR_NOMEM, "out of memory");
	}
	if (!r.rc && o->most_together > 1)
		r.rc = stages_new(&r.stages, &r.share, p, o->kept, e);
	if (!r.rc)
		r.rc = make_directories(&r, order, n);
	if (!r.rc)
		launch(&r, workers);
	if (!r.rc && atomic_load(&r.no_memory))
		r.rc = err_set(e, ERR_NOMEM, "out of memory: some trials could not begin; the same command goes on");
	stages_free(r.stages);
	share_release(&r.share);
	free(order);
	free(r.bytes);
	free(r.run);
	return r.rc;
}
