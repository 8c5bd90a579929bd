/* weigh.c - see weigh.h */
#include "sweep/run/weigh.h"

#include <stdlib.h>

#include "sweep/base/num.h"

/* Of a cell's trials; bytes 0: not asked yet. */
struct forecast {
	size_t bytes;
	double macs;
};

struct weight {
	struct bundle bundle;
	int round, depth;
	bool baseline;
	size_t bytes;
	double macs;
	uint64_t features; /* that its members may read */
	int place;         /* in launch order */
};

/* Of a bad spec 1 byte: it fails when it runs. */
static const struct forecast *forecast(struct forecast *cell, const struct plan *p, int trial, int threads)
{
	struct forecast *f = &cell[trial / p->study->n_seeds];
	struct trial_spec spec;
	uint64_t features;
	double frozen;
	struct err bad;

	if (f->bytes)
		return f;
	plan_spec(&spec, p, trial);
	spec.threads = threads;
	f->bytes = trial_bytes(&spec, &bad) + trial_checkpoint_bytes(&spec, &bad) + 1;
	if (trial_macs(&spec, 0, spec.hyper.epochs, &f->macs, &frozen, &features, &bad))
		f->macs = 0;
	return f;
}

/* Which set of features a trial may read; 0: none. */
static uint64_t features_read(const struct plan *p, int trial)
{
	struct trial_spec spec;
	uint64_t features;
	double all, frozen;
	struct err bad;

	plan_spec(&spec, p, trial);
	return trial_macs(&spec, 0, 0, &all, &frozen, &features, &bad) ? 0 : features;
}

static void weigh(struct weight *w, struct forecast *cell, const struct share *s, const struct plan *p, int threads)
{
	const int first = s->order[w->bundle.first];

	w->round = first % p->study->n_seeds;
	w->depth = s->fork[first].depth;
	w->baseline = plan_cell(p, first)->baseline;
	w->features = features_read(p, first);
	for (int k = 0; k < w->bundle.n; k++) {
		const struct forecast *f = forecast(cell, p, s->order[w->bundle.first + k], threads);

		w->bytes += k ? p->sharing_bytes + p->state_bytes : f->bytes;
		w->macs += f->macs;
	}
}

static int by_launch(const void *a, const void *b)
{
	const struct weight *x = a, *y = b;

	if (x->round != y->round)
		return x->round < y->round ? -1 : 1;
	if (x->depth != y->depth)
		return x->depth < y->depth ? -1 : 1;
	if (x->baseline != y->baseline)
		return x->baseline ? -1 : 1;
	if (x->macs != y->macs)
		return x->macs > y->macs ? -1 : 1;
	return x->bundle.first < y->bundle.first ? -1 : 1;
}

static int by_features(const void *a, const void *b)
{
	const struct weight *x = a, *y = b;

	if (x->features != y->features)
		return x->features < y->features ? -1 : 1;
	return x->place < y->place ? -1 : 1;
}

/* Who reads a set last, of weights in launch order (which is lost). */
static void mark_last(struct share *s, struct weight *w)
{
	for (int i = 0; i < s->n_bundles; i++)
		w[i].place = i;
	qsort(w, (size_t)s->n_bundles, sizeof(*w), by_features);
	for (int i = 0; i < s->n_bundles; i++)
		s->bundle[w[i].place].features_last = i + 1 == s->n_bundles || w[i + 1].features != w[i].features;
}

static int check_fit(const struct weight *w, const struct share *s, size_t memory, struct err *e)
{
	char need[NUM_MAX], have[NUM_MAX];

	if (!memory || w->bytes <= memory)
		return 0;
	return err_set(e, ERR_NOMEM,
		       "trial %d needs %s of memory, and there are %s for it; a smaller batch_size needs less",
		       s->order[w->bundle.first], num_bytes(need, (double)w->bytes), num_bytes(have, (double)memory));
}

int weigh_bundles(struct share *s, size_t *bytes, const struct plan *p, int threads, size_t memory, struct err *e)
{
	struct forecast *cell = calloc((size_t)p->study->n_cells + 1, sizeof(*cell));
	struct weight *w = calloc((size_t)s->n_bundles + 1, sizeof(*w));
	int rc = cell && w ? 0 : err_set(e, ERR_NOMEM, "out of memory");

	for (int i = 0; i < s->n_bundles && !rc; i++) {
		w[i].bundle = s->bundle[i];
		weigh(&w[i], cell, s, p, threads);
		rc = check_fit(&w[i], s, memory, e);
	}
	if (!rc)
		qsort(w + s->n_alone, (size_t)(s->n_bundles - s->n_alone), sizeof(*w), by_launch);
	for (int i = 0; i < s->n_bundles && !rc; i++) {
		s->bundle[i] = w[i].bundle;
		bytes[i] = w[i].bytes;
	}
	if (!rc)
		mark_last(s, w);
	free(cell);
	free(w);
	return rc;
}
