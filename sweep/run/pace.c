/* pace.c - see pace.h */
#include "sweep/run/pace.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "sweep/run/sched.h"

enum { ROUNDS = 3, MOST_STEPS = 1000 };
#define TURN_S 0.3  /* what a turn should take, at least */
#define PART   0.01 /* of the sweep's time, at most */
#define NOISE  1.03
/* Multiply-adds a second that a thread does at most, or nearly: ResNet-18 on a Zen 5 has 1.75e11. */
#define FASTEST 2e11

struct rehearsal {
	struct trial_spec spec;
	struct trial **trial; /* [workers] */
	int steps;            /* a turn; the first makes the trial too */
	pthread_mutex_t lock;
	struct err e; /* the first failure */
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void note(struct rehearsal *r, const struct err *why)
{
	pthread_mutex_lock(&r->lock);
	if (!r->e.code)
		r->e = *why;
	pthread_mutex_unlock(&r->lock);
}

static void job(void *ctx, int i, int worker, struct team *team)
{
	struct rehearsal *r = ctx;
	struct err why;

	(void)worker;
	if (!r->trial[i] && trial_new(&r->trial[i], &r->spec, &why)) {
		note(r, &why);
		return;
	}
	trial_set_team(r->trial[i], team);
	if (trial_rehearse(r->trial[i], r->steps, &why))
		note(r, &why);
	trial_set_team(r->trial[i], NULL);
}

/* Seconds of one turn; NAN if it did not come about. */
static double turn(struct rehearsal *r, int workers, const atomic_bool *stop)
{
	const double began = now();
	const int ran = sched_run(&(struct sched){
		.n = workers, .workers = workers, .threads = r->spec.threads, .job = job, .ctx = r, .stop = stop});

	if (ran < 0)
		note(r, &(struct err){.code = ERR_NOMEM, .msg = "out of memory"});
	return ran == workers && !r->e.code ? now() - began : NAN;
}

/* Of the cells that are to run, the one with *most multiply-adds an epoch: its first trial. */
static int widest_trial(double *most, const struct plan *p)
{
	int widest = p->todo[0], cell = -1;

	*most = 0;
	for (int i = 0; i < p->n_todo; i++) {
		struct trial_spec spec;
		uint64_t features;
		double all, frozen;
		struct err bad;

		if (p->todo[i] / p->study->n_seeds == cell)
			continue;
		cell = p->todo[i] / p->study->n_seeds;
		plan_spec(&spec, p, p->todo[i]);
		if (trial_macs(&spec, 0, 1, &all, &frozen, &features, &bad) || all <= *most)
			continue;
		*most = all;
		widest = p->todo[i];
	}
	return widest;
}

static int batch_of(const struct trial_spec *s)
{
	const int64_t n = dataset_info(s->train)->n;

	return s->hyper.batch_size < n ? s->hyper.batch_size : (int)n;
}

/* Training steps of all trials, were they all as this one. */
static double steps_of(const struct plan *p, const struct trial_spec *s)
{
	return (double)p->n_todo * s->hyper.epochs * ceil((double)dataset_info(s->train)->n / batch_of(s));
}

/* Ways to share `workers` threads out: all, a half, ... and 1. */
static int ways(struct pace pace[PACE_MOST], int workers)
{
	int n = 0;

	for (; workers && n < PACE_MOST; workers /= 2)
		pace[n++].workers = workers;
	return n;
}

static int by_size(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Returns 0 if some turn did not come about. */
static int measure(struct pace *pace, int n, struct rehearsal *r, const atomic_bool *stop)
{
	double s[PACE_MOST][ROUNDS];

	for (int k = 0; k < ROUNDS; k++)
		for (int i = 0; i < n; i++) {
			s[i][k] = turn(r, pace[i].workers, stop);
			if (isnan(s[i][k]))
				return 0;
		}
	for (int i = 0; i < n; i++) {
		qsort(s[i], ROUNDS, sizeof(double), by_size);
		pace[i].images = pace[i].workers * (double)r->steps * batch_of(&r->spec) / s[i][ROUNDS / 2];
	}
	return n;
}

int pace_measure(struct pace pace[PACE_MOST], int *n, const struct plan *p, int workers, int threads,
		 const atomic_bool *stop, struct err *e)
{
	struct rehearsal r = {.steps = 1, .lock = PTHREAD_MUTEX_INITIALIZER};
	const int all = ways(pace, workers);
	double macs, step;

	*n = 0;
	plan_spec(&r.spec, p, widest_trial(&macs, p));
	macs *= (double)p->n_todo * r.spec.hyper.epochs;
	if (ROUNDS * all * TURN_S > PART * macs / (FASTEST * workers))
		return 0; /* not even a trial is made for it */
	r.spec.threads = threads;
	r.trial = calloc((size_t)workers, sizeof(*r.trial));
	if (!r.trial)
		return err_set(e, ERR_NOMEM, "out of memory");
	turn(&r, workers, stop); /* makes them, and touches their memory */
	step = turn(&r, workers, stop);
	if (step > 0) {
		r.steps = (int)fmin(fmax(ceil(TURN_S / step), 1), MOST_STEPS);
		if (ROUNDS * all * r.steps * step <= PART * steps_of(p, &r.spec) * step / workers)
			*n = measure(pace, all, &r, stop);
	}
	for (int i = 0; i < workers; i++)
		trial_free(r.trial[i]);
	free(r.trial);
	if (r.e.code)
		*e = r.e;
	return r.e.code;
}

const struct pace *pace_best(const struct pace *pace, int n)
{
	const struct pace *best = pace;

	for (int i = 1; i < n; i++)
		if (pace[i].images > NOISE * pace->images && pace[i].images > best->images)
			best = &pace[i];
	return best;
}
