/* images.c - see images.h */
#include "sweep/report/images.h"

#include <stdlib.h>

#include "sweep/base/csv.h"

/* 1: compared, 0: the files are not there, -1: out of memory. */
static int compare_trials(struct image_pair *p, const struct results *r, const struct result_trial *a,
			  const struct result_trial *b)
{
	int64_t n = r->manifest->n_val;
	struct err of_a = {0};
	struct err of_b = {0};
	uint8_t *bits_a = store_read_bits(r->store, a->key, &a->end, n, &of_a);
	uint8_t *bits_b = store_read_bits(r->store, b->key, &b->end, n, &of_b);

	if (bits_a && bits_b) {
		p->seed = a->seed;
		p->g = agreement_of(bits_a, bits_b, n);
		p->mcnemar = mcnemar_exact(&p->g);
		p->ci = bootstrap95(&p->g, a->seed);
	}
	free(bits_a);
	free(bits_b);
	if (of_a.code == ERR_NOMEM || of_b.code == ERR_NOMEM)
		return -1;
	return bits_a && bits_b;
}

int images_compare(struct image_pair out[IMAGES_MAX_SEEDS], const struct results *r, int a, int b)
{
	int n = 0;

	for (int i = 0; r->store && r->manifest && i < r->study->n_seeds && n < IMAGES_MAX_SEEDS; i++) {
		const struct result_trial *ta = &r->trial[(size_t)a * (size_t)r->study->n_seeds + (size_t)i];
		const struct result_trial *tb = &r->trial[(size_t)b * (size_t)r->study->n_seeds + (size_t)i];

		int got = result_complete(ta) && result_complete(tb) ? compare_trials(&out[n], r, ta, tb) : 0;

		if (got < 0)
			return got;
		n += got;
	}
	return n;
}

int table_images(FILE *out, const struct summary *s, struct err *e)
{
	struct csv_row row = {.out = out};
	struct image_pair p[IMAGES_MAX_SEEDS];
	int n = 0;

	if (s->best >= 0 && s->baseline >= 0 && s->best != s->baseline)
		n = images_compare(p, s->results, s->best, s->baseline);
	fputs("seed,cell_best,cell_baseline,both,only_best,only_baseline,neither,mcnemar_p,val_acc_difference,"
	      "bootstrap95_lo,bootstrap95_hi\n",
	      out);
	for (int i = 0; i < n; i++) {
		const struct agreement *g = &p[i].g;
		double images = (double)(g->both + g->only_a + g->only_b + g->neither);

		csv_int(&row, (long long)p[i].seed);
		csv_int(&row, s->best);
		csv_int(&row, s->baseline);
		csv_int(&row, g->both);
		csv_int(&row, g->only_a);
		csv_int(&row, g->only_b);
		csv_int(&row, g->neither);
		csv_num(&row, p[i].mcnemar);
		csv_num(&row, (double)(g->only_a - g->only_b) / images);
		csv_maybe(&row, p[i].ci.lo);
		csv_maybe(&row, p[i].ci.hi);
		csv_end(&row);
	}
	return n < 0 ? err_set(e, ERR_NOMEM, "images.csv: out of memory") : 0;
}
