/* plan.c - see plan.h */
#include "sweep/run/plan.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sweep/run/machine.h"

/* How many cells are measured: enough to see every kind of axis, few enough for a million cells. */
#define CELLS_MEASURED 2000

/* Where decoded images go that need more than this share of the free memory: the XDG base directory specification's. */
#define MEMORY_SHARE 4

static const char *cache_directory(char path[PATH_MAX])
{
	const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	int n = -1;

	if (xdg && *xdg == '/')
		n = snprintf(path, PATH_MAX, "%s/gapsweep", xdg);
	else if (home && *home == '/')
		n = snprintf(path, PATH_MAX, "%s/.cache/gapsweep", home);
	return n < 0 || n >= PATH_MAX ? NULL : path;
}

static int open_data(struct dataset **d, const struct data_spec *spec, struct err *e)
{
	struct data_spec here = *spec;
	char path[PATH_MAX];

	here.cache_dir = cache_directory(path);
	here.cache_above = machine_memory() / MEMORY_SHARE;
	return dataset_open(d, &here, e);
}

int sources_open(struct sources *src, const struct study *s, struct err *e)
{
	int rc;

	*src = (struct sources){0};
	rc = open_data(&src->train, &s->train, e);
	if (!rc)
		rc = open_data(&src->val, &s->val, e);
	if (!rc)
		rc = dataset_same_classes(src->train, src->val, e);
	if (!rc && s->weights_path)
		rc = weights_open(&src->weights, s->weights_path, e);
	if (rc) {
		sources_release(src);
		return rc;
	}
	src->keys = (struct key_context){.train_hash = dataset_info(src->train)->hash,
					 .val_hash = dataset_info(src->val)->hash,
					 .weights_hash = src->weights ? weights_hash(src->weights) : ""};
	return 0;
}

void sources_release(struct sources *src)
{
	dataset_free(src->train);
	dataset_free(src->val);
	weights_free(src->weights);
	*src = (struct sources){0};
}

const struct cell *plan_cell(const struct plan *p, int trial)
{
	return &p->study->cell[trial / p->study->n_seeds];
}

uint64_t plan_seed(const struct plan *p, int trial)
{
	return p->study->seed[trial % p->study->n_seeds];
}

void plan_spec(struct trial_spec *ts, const struct plan *p, int trial)
{
	study_trial_spec(ts, p->study, &plan_cell(p, trial)->setting, plan_seed(p, trial), p->src.train, p->src.val,
			 p->src.weights);
}

static int measure(struct plan *p, struct err *e)
{
	int step = p->study->n_cells / CELLS_MEASURED + 1;

	for (int c = 0; c < p->study->n_cells; c += step) {
		struct trial_spec ts;
		size_t state_bytes;
		size_t bytes;

		plan_spec(&ts, p, c * p->study->n_seeds);
		bytes = trial_bytes(&ts, e);
		state_bytes = trial_checkpoint_bytes(&ts, e);
		if (!bytes || !state_bytes)
			return e->code;
		if (bytes > p->trial_bytes)
			p->trial_bytes = bytes;
		if (state_bytes > p->state_bytes)
			p->state_bytes = state_bytes;
		if (!trial_share_key(&ts, e))
			continue;
		bytes = trial_bytes_sharing(&ts, e);
		if (bytes > p->sharing_bytes)
			p->sharing_bytes = bytes;
	}
	return 0;
}

static int by_key(const void *a, const void *b, void *trials)
{
	const struct plan_trial *t = trials;
	int x = *(const int *)a;
	int y = *(const int *)b;
	int order = strcmp(t[x].key, t[y].key);

	return order ? order : (x > y) - (x < y);
}

/* Two trials that are one (a seed listed twice) must not write one directory at the same time. */
static void mark_twins(struct plan *p, int *scratch)
{
	for (int i = 0; i < p->n_trials; i++)
		scratch[i] = i;
	qsort_r(scratch, (size_t)p->n_trials, sizeof(*scratch), by_key, p->trial);
	for (int i = 1; i < p->n_trials; i++)
		p->trial[scratch[i]].twin = !strcmp(p->trial[scratch[i]].key, p->trial[scratch[i - 1]].key);
}

/* Trial number `round` of every cell, the baseline's first, for all rounds. */
static void order_todo(struct plan *p, const bool *wanted)
{
	const struct study *s = p->study;

	p->n_todo = 0;
	for (int round = 0; round < s->n_seeds; round++)
		for (int pass = 0; pass < 2; pass++)
			for (int c = 0; c < s->n_cells; c++) {
				int t = c * s->n_seeds + round;
				enum trial_state state = p->trial[t].state;
				bool ended =
					state == STATE_COMPLETE || state == STATE_PRUNED || state == STATE_DIVERGED;

				if (s->cell[c].baseline == !pass && !ended && !p->trial[t].twin &&
				    (!wanted || wanted[t]))
					p->todo[p->n_todo++] = t;
			}
}

int plan_open(struct plan *p, const struct study *s, struct err *e)
{
	int64_t n = (int64_t)s->n_cells * s->n_seeds;
	int rc;

	*p = (struct plan){.study = s};
	if (n > INT_MAX / 2)
		return err_set(e, ERR_CONFIG, "%s: %d cells x %d seeds are too many trials", s->path, s->n_cells,
			       s->n_seeds);
	p->n_trials = (int)n;
	p->trial = calloc((size_t)n + 1, sizeof(*p->trial));
	p->todo = calloc((size_t)n + 1, sizeof(*p->todo));
	rc = p->trial && p->todo ? sources_open(&p->src, s, e) : err_set(e, ERR_NOMEM, "out of memory");
	if (!rc)
		rc = measure(p, e);
	if (rc) {
		plan_release(p);
		return rc;
	}
	for (int t = 0; t < p->n_trials; t++)
		trial_key(p->trial[t].key, s, &plan_cell(p, t)->setting, plan_seed(p, t), &p->src.keys);
	mark_twins(p, p->todo);
	order_todo(p, NULL);
	return 0;
}

void plan_release(struct plan *p)
{
	sources_release(&p->src);
	free(p->trial);
	free(p->todo);
	*p = (struct plan){0};
}

/* ---- longer runs ---- */

static void key_of(char out[TRIAL_KEY_MAX], uint64_t key)
{
	snprintf(out, TRIAL_KEY_MAX, "%016llx", (unsigned long long)key);
}

/* The longest kept run that this trial's first epochs are; epochs[]: n_epochs lengths that are kept, ascending. */
static void find_shorter(struct plan *p, int trial, const struct store_final *list, int n, const int *epochs,
			 int n_epochs)
{
	const struct setting *set = &plan_cell(p, trial)->setting;
	struct plan_trial *t = &p->trial[trial];
	bool matters = hyper_epochs_matter(&set->hyper);

	for (int i = n_epochs - 1; i >= 0 && !t->from_epochs; i--) {
		const struct store_final *f;

		if (epochs[i] >= set->hyper.epochs)
			continue;
		if (matters) {
			struct setting shorter = *set;

			shorter.hyper.epochs = epochs[i];
			trial_key(t->from, p->study, &shorter, plan_seed(p, trial), &p->src.keys);
		} else {
			key_of(t->from, trial_stage_key(p->study, set, plan_seed(p, trial), &p->src.keys, epochs[i]));
		}
		f = store_find_final(list, n, t->from);
		if (!f || f->epochs != epochs[i])
			continue;
		if (matters) {
			p->n_anew++;
			return;
		}
		t->from_epochs = epochs[i];
		p->n_extended++;
	}
}

/* The different lengths in a list, ascending; returns how many. epochs: room for n. */
static int lengths(int *epochs, const struct store_final *list, int n)
{
	int count = 0;

	for (int i = 0; i < n; i++) {
		int at = count;

		while (at && epochs[at - 1] > list[i].epochs)
			at--;
		if (at && epochs[at - 1] == list[i].epochs)
			continue;
		memmove(epochs + at + 1, epochs + at, (size_t)(count - at) * sizeof(*epochs));
		epochs[at] = list[i].epochs;
		count++;
	}
	return count;
}

static int find_all_shorter(struct plan *p, const struct store *st, struct err *e)
{
	struct store_final *list;
	int *epochs;
	int n;
	int n_epochs;
	int rc = store_finals(st, &list, &n, e);

	p->n_extended = p->n_anew = 0;
	epochs = calloc((size_t)n + 1, sizeof(*epochs));
	if (!rc && !epochs)
		rc = err_set(e, ERR_NOMEM, "out of memory");
	n_epochs = rc ? 0 : lengths(epochs, list, n);
	for (int i = 0; i < p->n_todo && n_epochs; i++)
		if (p->trial[p->todo[i]].state == STATE_WAITING)
			find_shorter(p, p->todo[i], list, n, epochs, n_epochs);
	free(epochs);
	free(list);
	return rc;
}

int plan_look(struct plan *p, const struct store *st, const bool *wanted, int *damaged, struct err *e)
{
	*damaged = 0;
	p->n_finished = 0;
	for (int t = 0; t < p->n_trials; t++) {
		struct trial_end end;
		int rc = store_trial_state(st, p->trial[t].key, &end, e);

		if (rc && rc != ERR_DATA)
			return rc;
		p->trial[t].damaged = rc == ERR_DATA;
		*damaged += rc == ERR_DATA;
		p->trial[t].state = end.state;
		p->n_finished +=
			end.state == STATE_COMPLETE || end.state == STATE_PRUNED || end.state == STATE_DIVERGED;
	}
	order_todo(p, wanted);
	return find_all_shorter(p, st, e);
}

/* "7" or "3-9" at *list; moves *list behind it and its comma. */
static bool read_range(const char **list, long *from, long *to)
{
	char *end;

	if (**list < '0' || **list > '9')
		return false;
	*from = *to = strtol(*list, &end, 10);
	if (*end == '-') {
		if (end[1] < '0' || end[1] > '9')
			return false;
		*to = strtol(end + 1, &end, 10);
	}
	if (*end == ',' && end[1])
		end++;
	else if (*end)
		return false;
	*list = end;
	return true;
}

int plan_select(bool **wanted, const struct plan *p, const char *list, struct err *e)
{
	const char *at = list;
	bool *flags = calloc((size_t)p->n_trials + 1, sizeof(*flags));
	long from;
	long to;

	*wanted = NULL;
	if (!flags)
		return err_set(e, ERR_NOMEM, "out of memory");
	do {
		if (!read_range(&at, &from, &to) || from > to || to >= p->n_trials) {
			free(flags);
			return err_set(e, ERR_USAGE,
				       "--trials '%.60s': expected numbers or ranges of 0 to %d, like 3,7-12", list,
				       p->n_trials - 1);
		}
		for (long t = from; t <= to; t++)
			flags[t] = true;
	} while (*at);
	*wanted = flags;
	return 0;
}
