/* stages.c - see stages.h */
#include "sweep/run/stages.h"

#include <pthread.h>
#include <stdlib.h>

/* One state: that of trial `parent` after `epochs` epochs. */
struct stage {
	int parent, epochs;
	int takers; /* that have not had it yet */
	int next;   /* of the same parent, or -1 */
	bool gone;  /* it was not left, and will not be */
	void *block;
	size_t bytes;
};

struct stages {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int n;
	struct stage *stage;
	int *of, *left_by; /* [trials] the stage that it starts from, the first that it leaves; or -1 */
	bool *over;        /* [trials] ended */
	size_t limit, held;
};

/* Number of that stage, or -1. */
static int find(const struct stages *st, int parent, int epochs)
{
	int i = st->left_by[parent];

	while (i >= 0 && st->stage[i].epochs != epochs)
		i = st->stage[i].next;
	return i;
}

static int find_or_add(struct stages *st, const struct fork *f)
{
	int i = find(st, f->parent, f->epochs);

	if (i >= 0)
		return i;
	st->stage[st->n] = (struct stage){.parent = f->parent, .epochs = f->epochs, .next = st->left_by[f->parent]};
	st->left_by[f->parent] = st->n;
	return st->n++;
}

int stages_new(struct stages **out, const struct share *s, const struct plan *p, size_t limit, struct err *e)
{
	const size_t n = (size_t)p->n_trials + 1;
	struct stages *st = calloc(1, sizeof(*st));

	*out = st;
	if (!st)
		return err_set(e, ERR_NOMEM, "out of memory");
	pthread_mutex_init(&st->lock, NULL);
	pthread_cond_init(&st->changed, NULL);
	st->limit = limit;
	st->stage = calloc((size_t)s->n + 1, sizeof(*st->stage));
	st->of = malloc(n * sizeof(*st->of));
	st->left_by = malloc(n * sizeof(*st->left_by));
	st->over = calloc(n, sizeof(*st->over));
	if (!st->stage || !st->of || !st->left_by || !st->over) {
		stages_free(st);
		*out = NULL;
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	for (int t = 0; t < p->n_trials; t++)
		st->of[t] = st->left_by[t] = -1;
	for (int i = 0; i < s->n; i++) {
		const struct fork *f = &s->fork[s->order[i]];

		if (f->parent < 0)
			continue;
		st->of[s->order[i]] = find_or_add(st, f);
		st->stage[st->of[s->order[i]]].takers++;
	}
	return 0;
}

void stages_free(struct stages *st)
{
	if (!st)
		return;
	for (int i = 0; i < st->n; i++)
		free(st->stage[i].block);
	free(st->stage);
	free(st->of);
	free(st->left_by);
	free(st->over);
	pthread_mutex_destroy(&st->lock);
	pthread_cond_destroy(&st->changed);
	free(st);
}

void stages_end(struct stages *st, int trial)
{
	pthread_mutex_lock(&st->lock);
	st->over[trial] = true;
	pthread_cond_broadcast(&st->changed);
	pthread_mutex_unlock(&st->lock);
}

bool stages_wanted(struct stages *st, int trial, int epochs)
{
	bool wanted;
	int i;

	pthread_mutex_lock(&st->lock);
	i = find(st, trial, epochs);
	wanted = i >= 0 && st->stage[i].takers && !st->stage[i].block;
	pthread_mutex_unlock(&st->lock);
	return wanted;
}

void stages_leave(struct stages *st, int trial, int epochs, void *block, size_t bytes)
{
	int i;

	pthread_mutex_lock(&st->lock);
	i = find(st, trial, epochs);
	if (i >= 0 && block && st->stage[i].takers && !st->stage[i].block && bytes <= st->limit - st->held) {
		st->stage[i].block = block;
		st->stage[i].bytes = bytes;
		st->held += bytes;
		block = NULL;
	} else if (i >= 0 && !st->stage[i].block) {
		st->stage[i].gone = true;
	}
	pthread_cond_broadcast(&st->changed);
	pthread_mutex_unlock(&st->lock);
	free(block);
}

const void *stages_take(struct stages *st, int trial, size_t *bytes)
{
	const struct stage *s = st->of[trial] < 0 ? NULL : &st->stage[st->of[trial]];
	const void *block;

	if (!s)
		return NULL;
	pthread_mutex_lock(&st->lock);
	while (!s->block && !s->gone && !st->over[s->parent])
		pthread_cond_wait(&st->changed, &st->lock);
	block = s->block;
	*bytes = s->bytes;
	pthread_mutex_unlock(&st->lock);
	return block;
}

void stages_taken(struct stages *st, int trial)
{
	struct stage *s;

	if (st->of[trial] < 0)
		return;
	pthread_mutex_lock(&st->lock);
	s = &st->stage[st->of[trial]];
	st->of[trial] = -1;
	if (!--s->takers && s->block) {
		free(s->block);
		s->block = NULL;
		st->held -= s->bytes;
	}
	pthread_mutex_unlock(&st->lock);
}
