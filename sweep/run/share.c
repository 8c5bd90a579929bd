/* share.c - see share.h */
#include "sweep/run/share.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- stages ---- */

/* Numbers of epochs after which a trial may fork from another: where a group thaws, and where a trial ends. */
#define MOST_POINTS 64
struct points {
	int n, epochs[MOST_POINTS]; /* ascending */
};

static void add_point(struct points *p, int epochs)
{
	int at = p->n;

	for (int i = 0; i < p->n; i++)
		if (p->epochs[i] == epochs)
			return;
	if (p->n == MOST_POINTS)
		return; /* some sharing is missed */
	for (p->n++; at && p->epochs[at - 1] > epochs; at--)
		p->epochs[at] = p->epochs[at - 1];
	p->epochs[at] = epochs;
}

static void find_points(struct points *points, const struct plan *p, const int *order, int n)
{
	struct points ends = {0};

	for (int i = 0; i < n; i++) {
		const struct setting *set = &plan_cell(p, order[i])->setting;

		add_point(&ends, set->hyper.epochs);
		for (int g = 0; g < p->study->n_groups; g++) {
			int thaw = hyper_thaw_epoch(&set->hyper, g, p->study->n_groups);

			if (set->group_lr[g] > 0 && thaw > 0 && thaw < set->hyper.epochs)
				add_point(points, thaw);
		}
	}
	for (int i = 0; i < ends.n && (ends.n > 1 || points->n); i++)
		add_point(points, ends.epochs[i]);
}

/* From a stage's key to the first trial that goes through it. */
struct table {
	size_t size; /* a power of two */
	struct entry {
		uint64_t key;
		int trial; /* + 1; 0: free */
	} * entry;
};

static struct entry *look(const struct table *t, uint64_t key)
{
	size_t at = (size_t)key & (t->size - 1);

	while (t->entry[at].trial && t->entry[at].key != key)
		at = (at + 1) & (t->size - 1);
	return &t->entry[at];
}

/* Where this trial can start: behind the longest stage that one before it goes through, or where a run on disk ended. */
static void find_fork(struct share *s, const struct plan *p, const struct points *points, const struct table *t,
		      int trial)
{
	const struct setting *set = &plan_cell(p, trial)->setting;
	struct fork *f = &s->fork[trial];

	for (int i = points->n - 1; i >= 0; i--) {
		int epochs = points->epochs[i];
		const struct entry *x;

		if (epochs > set->hyper.epochs)
			continue;
		if (epochs <= p->trial[trial].from_epochs)
			break;
		x = look(t, trial_stage_key(p->study, set, plan_seed(p, trial), &p->src.keys, epochs));
		if (!x->trial)
			continue;
		*f = (struct fork){x->trial - 1, epochs, s->fork[x->trial - 1].depth + 1};
		return;
	}
}

/* The stages that it goes through itself: those behind its start. One that was begun before stands nobody knows where. */
static void offer(const struct share *s, const struct plan *p, const struct points *points, const struct table *t,
		  int trial)
{
	const struct setting *set = &plan_cell(p, trial)->setting;
	int start = s->fork[trial].parent < 0 ? p->trial[trial].from_epochs : s->fork[trial].epochs;

	if (p->trial[trial].state == STATE_RUNNING)
		return;
	for (int i = 0; i < points->n; i++) {
		int epochs = points->epochs[i];
		uint64_t key;
		struct entry *x;

		if (epochs <= start || epochs > set->hyper.epochs)
			continue;
		key = trial_stage_key(p->study, set, plan_seed(p, trial), &p->src.keys, epochs);
		x = look(t, key);
		if (!x->trial)
			*x = (struct entry){key, trial + 1};
	}
}

static int find_forks(struct share *s, const struct plan *p, struct err *e)
{
	struct points points = {0};
	struct table t = {.size = 16};

	find_points(&points, p, s->order + s->n_alone, s->n - s->n_alone);
	if (!points.n)
		return 0;
	while (t.size < 2 * (size_t)s->n * (size_t)points.n)
		t.size *= 2;
	t.entry = calloc(t.size, sizeof(*t.entry));
	if (!t.entry)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (int i = s->n_alone; i < s->n; i++) {
		find_fork(s, p, &points, &t, s->order[i]);
		offer(s, p, &points, &t, s->order[i]);
	}
	free(t.entry);
	return 0;
}

/* Within a seed, what starts from others comes behind; else the order stays. */
struct place {
	int round, depth, at, trial;
};

static int by_place(const void *a, const void *b)
{
	const struct place *x = a;
	const struct place *y = b;

	if (x->round != y->round)
		return x->round < y->round ? -1 : 1;
	if (x->depth != y->depth)
		return x->depth < y->depth ? -1 : 1;
	return (x->at > y->at) - (x->at < y->at);
}

static int sort_forks(struct share *s, const struct plan *p, struct err *e)
{
	int n = s->n - s->n_alone;
	struct place *place = calloc((size_t)n + 1, sizeof(*place));

	if (!place)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (int i = 0; i < n; i++) {
		int trial = s->order[s->n_alone + i];

		place[i] = (struct place){trial % p->study->n_seeds, s->fork[trial].depth, i, trial};
	}
	qsort(place, (size_t)n, sizeof(*place), by_place);
	for (int i = 0; i < n; i++)
		s->order[s->n_alone + i] = place[i].trial;
	free(place);
	return 0;
}

/* ---- bundles ---- */

/* Moves the trials behind number `at` of the order that share with it up to it; at most `most` stay together. */
static int gather(int *order, uint64_t *key, int at, int n, int most)
{
	int end = at + 1;

	for (int i = end; key[at] && i < n && end - at < most; i++) {
		int trial = order[i];

		if (key[i] != key[at])
			continue;
		memmove(order + end + 1, order + end, (size_t)(i - end) * sizeof(*order));
		memmove(key + end + 1, key + end, (size_t)(i - end) * sizeof(*key));
		order[end] = trial;
		key[end++] = key[at];
	}
	return end - at;
}

/* In launch order of their first ones; those before n_alone are bundles of their own. */
static void make_bundles(struct share *s, uint64_t *key, int most)
{
	s->n_bundles = 0;
	for (int at = 0; at < s->n; s->n_bundles++) {
		struct bundle *b = &s->bundle[s->n_bundles];

		*b = (struct bundle){.first = at, .n = at < s->n_alone ? 1 : gather(s->order, key, at, s->n, most)};
		at += b->n;
	}
}

/* Multiply-adds of a trial from where it starts: its own, and those of the layers that its bundle runs once. */
struct work {
	double own, shared;
};

static struct work work_of(const struct share *s, const struct plan *p, int trial, const struct trial_spec *spec)
{
	const struct fork *f = &s->fork[trial];
	const int epochs = spec->hyper.epochs, start = f->parent >= 0 ? f->epochs : p->trial[trial].from_epochs;
	double all, frozen;
	uint64_t features;
	struct err bad;

	if (start >= epochs || trial_macs(spec, start, epochs, &all, &frozen, &features, &bad))
		return (struct work){0};
	return (struct work){all - frozen, features ? frozen / (epochs - start) : frozen};
}

/* What may share with what: trials of one depth only, as a member must never wait for another of its bundle. */
static void share_keys(const struct share *s, const struct plan *p, uint64_t *key, struct work *work)
{
	for (int i = s->n_alone; i < s->n; i++) {
		const int trial = s->order[i];
		struct trial_spec spec;
		struct err bad; /* a bad spec shares nothing, and fails when it runs */

		plan_spec(&spec, p, trial);
		key[i] = trial_share_key(&spec, &bad);
		if (key[i])
			key[i] += (uint64_t)s->fork[trial].depth;
		work[trial] = work_of(s, p, trial, &spec);
	}
}

/* What a job gains by each thread beside its first (make bench: 1.65 times as fast on two). */
#define THREAD_WORTH 0.65

/* How long the bundles will take, in multiply-adds of one thread, if threads without a bundle help with others'. */
static double expected_time(const struct share *s, const struct work *work, int workers, int threads)
{
	const int running = s->n_bundles < workers ? s->n_bundles : workers;
	const double team = running ? 1 + THREAD_WORTH * ((double)threads / running - 1) : 1;
	double longest = 0, sum = 0;

	for (int i = 0; i < s->n_bundles; i++) {
		const struct bundle *b = &s->bundle[i];
		double own = 0, shared = 0;

		for (int k = b->first; k < b->first + b->n; k++) {
			own += work[s->order[k]].own;
			shared = fmax(shared, work[s->order[k]].shared);
		}
		sum += own + shared;
		longest = fmax(longest, own + shared);
	}
	return running ? fmax(longest, sum / running) / team : 0;
}

/*
 * A bundle for all threads together computes what is shared once, smaller ones a thread each share their own work out
 * better: of most, most / 2, ... members, up to as many bundles as workers, the number that will be done first.
 */
static void choose_bundles(struct share *s, uint64_t *key, const struct work *work, int most, int workers, int threads)
{
	double least = INFINITY;
	int best = most;

	for (;; most /= 2) {
		double time;

		make_bundles(s, key, most);
		time = expected_time(s, work, workers, threads);
		if (time < least) {
			least = time;
			best = most;
		}
		if (s->n_bundles >= workers || most <= 1)
			break;
	}
	if (best != most)
		make_bundles(s, key, best);
}

int share_init(struct share *s, const struct plan *p, const int *order, int n, int n_alone, int most, int workers,
	       int threads, struct err *e)
{
	uint64_t *key = calloc((size_t)n + 1, sizeof(*key));
	struct work *work = calloc((size_t)p->n_trials + 1, sizeof(*work));
	int rc = 0;

	*s = (struct share){.n = n, .n_alone = n_alone};
	s->order = calloc((size_t)n + 1, sizeof(*s->order));
	s->bundle = calloc((size_t)n + 1, sizeof(*s->bundle));
	s->fork = calloc((size_t)p->n_trials + 1, sizeof(*s->fork));
	if (!key || !work || !s->order || !s->bundle || !s->fork)
		rc = err_set(e, ERR_NOMEM, "out of memory");
	for (int t = 0; t < p->n_trials && !rc; t++)
		s->fork[t].parent = -1;
	if (!rc) {
		memcpy(s->order, order, (size_t)n * sizeof(*order));
		if (most > 1)
			rc = find_forks(s, p, e);
	}
	if (!rc && most > 1)
		rc = sort_forks(s, p, e);
	if (!rc && most > 1)
		share_keys(s, p, key, work);
	if (!rc)
		choose_bundles(s, key, work, most, workers, threads);
	free(key);
	free(work);
	return rc;
}

/* Trials of a bundle stand in memory side by side; beyond this many there is little left to share. */
#define MOST_TOGETHER 64

int share_most(const struct plan *p, int workers, size_t memory)
{
	size_t room = memory / 2 / (size_t)workers;
	size_t fit = MOST_TOGETHER;

	if (p->sharing_bytes)
		fit = room > p->trial_bytes ? 1 + (room - p->trial_bytes) / p->sharing_bytes : 1;
	return fit < MOST_TOGETHER ? (int)fit : MOST_TOGETHER;
}

/* ---- how much it is ---- */

#define MOST_SETS 1024

/* Sets of features seen so far. */
struct sets {
	int n;
	uint64_t key[MOST_SETS];
};

static bool is_new(struct sets *sets, uint64_t key)
{
	for (int i = 0; i < sets->n; i++)
		if (sets->key[i] == key)
			return false;
	if (sets->n < MOST_SETS)
		sets->key[sets->n++] = key;
	return true;
}

/* Trial number `member` of its bundle. */
static int count_trial(struct share_sum *sum, struct sets *sets, const struct share *s, const struct plan *p, int trial,
		       int member, struct err *e)
{
	const struct fork *f = &s->fork[trial];
	const int epochs = plan_cell(p, trial)->setting.hyper.epochs;
	const int start = f->parent >= 0 ? f->epochs : p->trial[trial].from_epochs;
	double before, all, frozen, ignored;
	struct trial_spec spec;
	uint64_t features;
	int rc;

	plan_spec(&spec, p, trial);
	rc = trial_macs(&spec, 0, start, &before, &ignored, &features, e);
	if (!rc)
		rc = trial_macs(&spec, start, epochs, &all, &frozen, &features, e);
	if (rc)
		return rc;
	sum->macs += before + all;
	sum->reused += before;
	sum->forks += f->parent >= 0;
	sum->extended += f->parent < 0 && start;
	if (features && is_new(sets, features)) {
		sum->feature_sets++;
		sum->feature_bytes += trial_features_bytes(&spec);
		sum->reused += start < epochs ? frozen * (epochs - start - 1) / (epochs - start) : 0;
	} else if (features || member) {
		sum->reused += frozen;
	}
	return 0;
}

int share_count(struct share_sum *sum, const struct share *s, const struct plan *p, struct err *e)
{
	struct sets *sets = calloc(1, sizeof(*sets));
	int rc = sets ? 0 : err_set(e, ERR_NOMEM, "out of memory");

	*sum = (struct share_sum){0};
	for (int i = 0; i < s->n_bundles && !rc; i++) {
		const struct bundle *b = &s->bundle[i];

		sum->bundles += b->n > 1;
		sum->in_bundles += b->n > 1 ? b->n : 0;
		for (int k = 0; k < b->n && !rc; k++)
			rc = count_trial(sum, sets, s, p, s->order[b->first + k], k, e);
	}
	free(sets);
	return rc;
}

void share_release(struct share *s)
{
	free(s->order);
	free(s->bundle);
	free(s->fork);
	*s = (struct share){0};
}
