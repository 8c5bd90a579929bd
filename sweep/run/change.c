/* change.c - see change.h */
#include "sweep/run/change.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Keys in their order, each with the trial of a study that has it; -1: only a directory has. */
struct key_list {
	int n;
	struct known {
		char key[TRIAL_KEY_MAX];
		int trial;
	} * known;
};

static int by_key(const void *a, const void *b)
{
	const struct known *x = a;
	const struct known *y = b;
	int order = strcmp(x->key, y->key);

	return order ? order : (x->trial > y->trial) - (x->trial < y->trial);
}

static bool in_list(const struct key_list *l, const char *key)
{
	int lo = 0;
	int hi = l->n;

	while (lo < hi) {
		int mid = lo + (hi - lo) / 2;
		int order = strcmp(key, l->known[mid].key);

		if (!order)
			return true;
		if (order < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return false;
}

static void sort_list(struct key_list *l)
{
	int n = 0;

	if (l->n)
		qsort(l->known, (size_t)l->n, sizeof(*l->known), by_key);
	for (int i = 0; i < l->n; i++) /* a seed listed twice is one trial */
		if (!n || strcmp(l->known[n - 1].key, l->known[i].key) != 0)
			l->known[n++] = l->known[i];
	l->n = n;
}

static int study_keys(struct key_list *l, const struct study *s, const struct key_context *kc, struct err *e)
{
	size_t n = (size_t)s->n_cells * (size_t)s->n_seeds;

	l->known = calloc(n + 1, sizeof(*l->known));
	if (!l->known)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (size_t i = 0; i < n; i++) {
		int cell = (int)(i / (size_t)s->n_seeds);
		int seed = (int)(i % (size_t)s->n_seeds);

		trial_key(l->known[i].key, s, &s->cell[cell].setting, s->seed[seed], kc);
		l->known[i].trial = (int)i;
	}
	l->n = (int)n;
	sort_list(l);
	return 0;
}

static bool is_key(const char *name)
{
	return strlen(name) == TRIAL_KEY_MAX - 1 && strspn(name, "0123456789abcdef") == TRIAL_KEY_MAX - 1;
}

static int directory_keys(struct key_list *l, const struct store *st, struct err *e)
{
	struct dirent *entry;
	char path[4096];
	int rc = store_path(st, path, sizeof(path), "trials", e);
	DIR *d = rc ? NULL : opendir(path);

	while (d && !rc && (entry = readdir(d))) {
		struct known *more = l->known;

		if (!is_key(entry->d_name))
			continue;
		if ((l->n & (l->n - 1)) == 0) /* room doubles */
			more = realloc(l->known, (2 * (size_t)l->n + 1) * sizeof(*more));
		if (!more) {
			rc = err_set(e, ERR_NOMEM, "out of memory");
			break;
		}
		l->known = more;
		memcpy(more[l->n].key, entry->d_name, TRIAL_KEY_MAX);
		more[l->n++].trial = -1;
	}
	if (d)
		closedir(d);
	sort_list(l);
	return rc;
}

static bool has_ended(const char *dir, const char *key)
{
	char path[4096 + 64];

	return snprintf(path, sizeof(path), "%s/trials/%s/result.json", dir, key) < (int)sizeof(path) &&
	       !access(path, F_OK);
}

static void describe(char out[200], const struct study *s, int trial)
{
	size_t n = 0;

	out[0] = 0;
	for (int i = 0; i < s->n_columns && n < 150; i++) {
		char text[COLUMN_TEXT_MAX];

		setting_text(s, &s->cell[trial / s->n_seeds].setting, i, text);
		if (*text)
			n += (size_t)snprintf(out + n, 200 - n, "%.48s=%.40s ", s->column[i].name, text);
	}
	snprintf(out + n, 200 - n, "seed %llu", (unsigned long long)s->seed[trial % s->n_seeds]);
}

/* Those of `list` that are neither in a nor in b (NULL: no such list). */
static int difference(struct change_trial **out, int *n, const struct key_list *list, const struct key_list *a,
		      const struct key_list *b, const struct study *s, const char *dir, struct err *e)
{
	*n = 0;
	*out = calloc((size_t)list->n + 1, sizeof(**out));
	if (!*out)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (int i = 0; i < list->n; i++) {
		const struct known *k = &list->known[i];
		struct change_trial *t = &(*out)[*n];

		if (in_list(a, k->key) || (b && in_list(b, k->key)))
			continue;
		memcpy(t->key, k->key, sizeof(t->key));
		t->ended = has_ended(dir, k->key);
		if (k->trial >= 0)
			describe(t->settings, s, k->trial);
		++*n;
	}
	return 0;
}

static int compare(struct change *c, const struct plan *p, const struct store *was, const struct study *old,
		   struct err *e)
{
	const struct manifest *m = &was->manifest;
	const struct key_context kc = {m->train_hash, m->val_hash, m->weights_hash};
	struct key_list now = {0}, before = {0}, there = {0};
	bool same_numerics = m->numerics == ENGINE_NUMERICS_VERSION;
	int rc = study_keys(&now, p->study, &p->src.keys, e);

	if (!rc && same_numerics)
		rc = study_keys(&before, old, &kc, e);
	if (!rc)
		rc = directory_keys(&there, was, e);
	if (!rc)
		rc = difference(&c->new, &c->n_new, &now, &before, &there, p->study, was->dir, e);
	if (!rc)
		rc = difference(&c->left, &c->n_left, same_numerics ? &before : &there, &now, NULL, old, was->dir, e);
	c->n_reused = now.n - c->n_new;
	for (int i = 0; i < now.n && !rc; i++)
		c->n_reused_ended += has_ended(was->dir, now.known[i].key);
	c->grid_before = !rc;
	free(now.known);
	free(before.known);
	free(there.known);
	return rc;
}

int change_look(struct change *c, const struct plan *p, const char *dir, struct err *e)
{
	struct store was = {.lock_fd = -1};
	struct study old = {0};
	struct err none; /* no run directory yet, or a damaged one: store_open() tells */
	int rc;

	*c = (struct change){0};
	rc = store_read(&was, &old, dir, &none);
	if (rc) {
		study_release(&old);
		return 0;
	}
	rc = compare(c, p, &was, &old, e);
	study_release(&old);
	store_close(&was);
	if (rc)
		change_release(c);
	return rc;
}

void change_release(struct change *c)
{
	free(c->new);
	free(c->left);
	*c = (struct change){0};
}

bool change_any(const struct change *c)
{
	return c->grid_before && (c->n_new || c->n_left);
}

static void print_trials(FILE *out, const char *word, const struct change_trial *t, int n, int most)
{
	for (int i = 0; i < n && i < most; i++)
		fprintf(out, "  %-5s %s  %s%s\n", word, t[i].key, t[i].settings, t[i].ended ? "  (has ended)" : "");
	if (n > most)
		fprintf(out, "  %-5s and %d more\n", word, n - most);
}

void change_print(FILE *out, const struct change *c, const char *dir, int most)
{
	int ended = 0;

	for (int i = 0; i < c->n_left; i++)
		ended += c->left[i].ended;
	fprintf(out,
		"%s: the grid has changed: %d new trial%s, %d of before (%d ended), %d left the grid (%d ended; their "
		"files stay)\n",
		dir, c->n_new, c->n_new == 1 ? "" : "s", c->n_reused, c->n_reused_ended, c->n_left, ended);
	print_trials(out, "new", c->new, c->n_new, most);
	print_trials(out, "left", c->left, c->n_left, most);
}

/* ---- data, weights, engine ---- */

static void add(char note[1024], const char *what, const char *path, const char *was, const char *is)
{
	size_t n = strlen(note);

	if (strcmp(was, is) != 0)
		snprintf(note + n, 1024 - n, "%s%s%s%.200s (%.12s, now %.12s)", n ? ", " : "", what, *path ? " " : "",
			 path, *was ? was : "none", *is ? is : "none");
}

static void data_name(char out[200], const struct data_spec *d)
{
	out[0] = 0;
	if (d->folder)
		snprintf(out, 200, "%s", d->folder);
	else if (d->images)
		snprintf(out, 200, "%.95s and %.95s", d->images, d->labels ? d->labels : "");
	else if (d->n_files)
		snprintf(out, 200, "%.180s%s", d->files[0], d->n_files > 1 ? " ..." : "");
}

void change_sources(char note[1024], const struct manifest *was, const struct manifest *is, const struct study *s)
{
	char name[200];
	char old[16];
	char new[16];
	bool other_keys;

	note[0] = 0;
	data_name(name, &s->train);
	add(note, "training data", name, was->train_hash, is->train_hash);
	data_name(name, &s->val);
	add(note, "validation data", name, was->val_hash, is->val_hash);
	add(note, "start weights", s->weights_path ? s->weights_path : "", was->weights_hash, is->weights_hash);
	snprintf(old, sizeof(old), "%d", was->numerics);
	snprintf(new, sizeof(new), "%d", is->numerics);
	add(note, "numerics version", "", old, new);
	other_keys = *note;
	add(note, "kernels", "", was->kernels, is->kernels);
	if (other_keys)
		snprintf(note + strlen(note), 1024 - strlen(note),
			 "; trials have other keys now, those of before stay as they are");
}
