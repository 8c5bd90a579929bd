/* features.c - see features.h */
#include "engine/train/features.h"

#include <pthread.h>
#include <stdlib.h>

struct features {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	size_t limit, held;
	struct feature_set *first;
};

int features_new(struct features **out, size_t limit, struct err *e)
{
	struct features *f = calloc(1, sizeof(*f));

	*out = f;
	if (!f)
		return err_set(e, ERR_NOMEM, "out of memory");
	f->limit = limit;
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->changed, NULL);
	return 0;
}

static void set_free(struct feature_set *s)
{
	for (int i = 0; s && i < N_FEATURE_PARTS; i++)
		free(s->part[i]);
	free(s);
}

void features_free(struct features *f)
{
	if (!f)
		return;
	while (f->first) {
		struct feature_set *s = f->first;

		f->first = s->next;
		set_free(s);
	}
	pthread_mutex_destroy(&f->lock);
	pthread_cond_destroy(&f->changed);
	free(f);
}

/* ---- under the lock ---- */

static struct feature_set *find(const struct features *f, uint64_t key)
{
	for (struct feature_set *s = f->first; s; s = s->next)
		if (s->key == key)
			return s;
	return NULL;
}

static void drop(struct features *f, struct feature_set **at)
{
	struct feature_set *s = *at;

	*at = s->next;
	f->held -= s->bytes;
	set_free(s);
}

/* Sets that nobody reads make room, the oldest first (they stand last). */
static bool make_room(struct features *f, size_t bytes)
{
	while (bytes > f->limit - f->held) {
		struct feature_set **idle = NULL;

		for (struct feature_set **at = &f->first; *at; at = &(*at)->next)
			if (!(*at)->users)
				idle = at;
		if (!idle)
			return false;
		drop(f, idle);
	}
	return true;
}

static struct feature_set *add(struct features *f, uint64_t key, const size_t floats[N_FEATURE_PARTS])
{
	struct feature_set *s;
	size_t bytes = 0;
	bool whole = true;

	for (int i = 0; i < N_FEATURE_PARTS; i++)
		bytes += floats[i] * sizeof(float);
	if (bytes > f->limit || !make_room(f, bytes))
		return NULL;
	s = calloc(1, sizeof(*s));
	for (int i = 0; s && i < N_FEATURE_PARTS; i++) {
		s->part[i] = malloc(floats[i] * sizeof(float));
		whole = whole && s->part[i];
	}
	if (!s || !whole) {
		set_free(s);
		return NULL;
	}
	s->key = key;
	s->bytes = bytes;
	s->next = f->first;
	f->first = s;
	f->held += bytes;
	return s;
}

static void leave(struct features *f, struct feature_set *s)
{
	if (--s->users || !(s->failed || s->last))
		return;
	for (struct feature_set **at = &f->first; *at; at = &(*at)->next)
		if (*at == s) {
			drop(f, at);
			return;
		}
}

/* ---- outside ---- */

struct feature_set *features_take(struct features *f, uint64_t key, const size_t floats[N_FEATURE_PARTS], bool last,
				  feature_maker make, void *ctx, bool *made)
{
	struct feature_set *s;
	struct err ignored;

	*made = false;
	pthread_mutex_lock(&f->lock);
	s = find(f, key);
	if (!s) {
		s = add(f, key, floats);
		*made = s != NULL;
	}
	if (s) {
		s->users++;
		s->last = s->last || last;
	}
	if (*made) {
		pthread_mutex_unlock(&f->lock);
		s->failed = make(ctx, s, &ignored) != 0; /* nobody else looks before it is ready */
		pthread_mutex_lock(&f->lock);
		s->ready = true;
		pthread_cond_broadcast(&f->changed);
	}
	while (s && !s->ready)
		pthread_cond_wait(&f->changed, &f->lock);
	if (s && s->failed) {
		leave(f, s);
		s = NULL;
		*made = false;
	}
	pthread_mutex_unlock(&f->lock);
	return s;
}

void features_leave(struct features *f, struct feature_set *s)
{
	pthread_mutex_lock(&f->lock);
	leave(f, s);
	pthread_mutex_unlock(&f->lock);
}

size_t features_held(struct features *f)
{
	size_t held;

	pthread_mutex_lock(&f->lock);
	held = f->held;
	pthread_mutex_unlock(&f->lock);
	return held;
}
