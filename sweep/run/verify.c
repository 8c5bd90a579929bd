/* verify.c - see verify.h */
#include "sweep/run/verify.h"

#include <stdlib.h>
#include <string.h>

#include "sweep/base/csv.h"
#include "sweep/base/text.h"
#include "sweep/run/epochs.h"
#include "sweep/run/sched.h"

struct verifier {
	const struct plan *p;
	const struct store *st;
	const struct verify_options *o;
	struct verify_counts *counts;
	int *trial;              /* those to run */
	struct verdict *verdict; /* a worker's, from job() to done() */
};

int verify_sources(const struct plan *p, const struct store *st, struct err *e)
{
	const struct manifest *m = &st->manifest;
	const struct key_context *now = &p->src.keys;
	const struct {
		const char *what, *was, *is;
	} source[] = {
		{"training data", m->train_hash, now->train_hash},
		{"validation data", m->val_hash, now->val_hash},
		{"start weights", m->weights_hash, now->weights_hash},
	};

	for (size_t i = 0; i < sizeof(source) / sizeof(*source); i++)
		if (strcmp(source[i].was, source[i].is))
			return err_set(e, ERR_DATA, "%s: not the same %s as when it ran (%.32s, now %.32s)", st->dir,
				       source[i].what, *source[i].was ? source[i].was : "none",
				       *source[i].is ? source[i].is : "none");
	if (m->numerics != ENGINE_NUMERICS_VERSION)
		return err_set(e, ERR_DATA, "%s: its figures are of numerics version %d; this program computes %d",
			       st->dir, m->numerics, ENGINE_NUMERICS_VERSION);
	return 0;
}

/* ---- one trial ---- */

/* Header and one row as a table. */
static int table_of(struct csv_table *t, const struct study *s, const struct epoch_row *row, const char *line,
		    size_t n_line, struct err *e)
{
	struct text text;
	int rc = text_open(&text, e);

	if (rc)
		return rc;
	epochs_header(text.f, s);
	if (row)
		epochs_row(text.f, row, s->n_groups);
	else
		fwrite(line, 1, n_line, text.f);
	rc = text_close(&text, e);
	if (!rc)
		rc = csv_parse(t, text.bytes, text.n, "epochs.csv", e);
	text_release(&text);
	return rc;
}

static void note_column(struct verdict *v, const struct csv_table *was, const struct csv_table *is)
{
	for (int c = 0; c < was->cols && c < is->cols; c++) {
		if (!strcmp(was->cell[c], is->cell[c]))
			continue;
		snprintf(v->column, sizeof(v->column), "%s", was->head[c]);
		snprintf(v->was, sizeof(v->was), "%s", was->cell[c]);
		snprintf(v->is, sizeof(v->is), "%s", is->cell[c]);
		break;
	}
}

/* The row as it would be written, against the line that was: equal text is equal bits (num_text()). */
static int compare_row(struct verdict *v, const struct study *s, const struct epoch_row *row, const char *line,
		       size_t n, struct err *e)
{
	struct csv_table was = {0};
	struct csv_table is = {0};
	int rc = table_of(&was, s, NULL, line, n, e);

	if (!rc)
		rc = table_of(&is, s, row, NULL, 0, e);
	if (!rc)
		note_column(v, &was, &is);
	if (!rc && *v->column) {
		v->epoch = row->epoch;
		snprintf(v->why, sizeof(v->why), "epoch %d: %s was %s, is %s", v->epoch, v->column, v->was, v->is);
	}
	csv_release(&was);
	csv_release(&is);
	return rc;
}

/* What the rows do not tell: the images that were right, and the weights. */
static void compare_end(struct verdict *v, const struct verifier *w, const struct trial *t, const struct trial_end *end)
{
	const int64_t n = dataset_info(w->p->src.val)->n;
	struct err ignored;
	uint8_t *bits = store_read_bits(w->st, v->key, end, n, &ignored);
	char hash[TRIAL_WEIGHTS_HASH];

	trial_weights_hash(t, hash);
	v->no_hash = !*end->weights;
	if (!bits || memcmp(bits, trial_correct(t), (size_t)(n + 7) / 8))
		snprintf(v->why, sizeof(v->why),
			 bits ? "correct.bits: other images were right" : "correct.bits is missing or damaged");
	else if (!v->no_hash && strcmp(end->weights, hash))
		snprintf(v->why, sizeof(v->why), "weights: the hash was %.16s, is %s", end->weights, hash);
	free(bits);
}

/* Epoch by epoch as long as they are equal. rows: the text of its end->epochs rows. */
static int run_again(struct verdict *v, const struct verifier *w, struct trial *t, const struct trial_end *end,
		     const char *rows, struct err *e)
{
	enum trial_status status = TRIAL_RUNNING;
	int rc = 0;

	for (v->epochs = 0; v->epochs < end->epochs && status == TRIAL_RUNNING && !rc; v->epochs++) {
		const char *next = strchr(rows, '\n') + 1;
		struct epoch_row row;

		rc = trial_epoch(t, &row, &status, w->o->stop, e);
		if (!rc && status == TRIAL_STOPPED)
			return 0;
		if (!rc)
			rc = compare_row(v, w->p->study, &row, rows, (size_t)(next - rows), e);
		if (*v->why)
			break;
		rows = next;
	}
	if (rc)
		return rc;
	v->done = true;
	if (!*v->why && (v->epochs < end->epochs || (status == TRIAL_DIVERGED) != (end->state == STATE_DIVERGED)))
		snprintf(v->why, sizeof(v->why), "%s after %d epochs, was %s after %d",
			 status == TRIAL_DIVERGED ? "DIVERGED" : "not ended", v->epochs, trial_state_word(end->state),
			 end->epochs);
	if (!*v->why)
		compare_end(v, w, t, end);
	v->equal = !*v->why;
	return 0;
}

static int verify_one(struct verdict *v, const struct verifier *w, struct team *team, struct err *e)
{
	const struct plan *p = w->p;
	struct trial *t = NULL;
	struct trial_end end;
	struct trial_spec spec;
	char *rows;
	size_t n;
	int rc;

	if (store_trial_state(w->st, v->key, &end, e)) { /* damage is a difference */
		v->done = true;
		snprintf(v->why, sizeof(v->why), "%.250s", e->msg);
		return 0;
	}
	rows = store_read_rows(w->st, p->study, v->key, end.epochs, &n);
	if (!rows) {
		v->done = true;
		snprintf(v->why, sizeof(v->why), "epochs.csv: not %d rows of these columns", end.epochs);
		return 0;
	}
	plan_spec(&spec, p, v->trial);
	spec.threads = w->o->workers;
	rc = trial_new(&t, &spec, e);
	if (!rc) {
		trial_set_team(t, team);
		rc = run_again(v, w, t, &end, rows, e);
	}
	trial_free(t);
	free(rows);
	return rc;
}

/* ---- all ---- */

static void job(void *ctx, int i, int worker, struct team *team)
{
	struct verifier *w = ctx;
	struct verdict *v = &w->verdict[worker];
	struct err e;

	*v = (struct verdict){.trial = w->trial[i], .key = w->p->trial[w->trial[i]].key};
	if (verify_one(v, w, team, &e))
		snprintf(v->why, sizeof(v->why), "cannot be run again: %.200s", e.msg);
}

static void done(void *ctx, int i, int worker)
{
	struct verifier *w = ctx;
	const struct verdict *v = &w->verdict[worker];

	(void)i;
	w->counts->equal += v->equal;
	w->counts->differ += v->done && !v->equal;
	w->counts->failed += !v->done && *v->why;
	w->counts->stopped += !v->done && !*v->why;
	if (w->o->said)
		w->o->said(w->o->ctx, v);
}

/* The finished trials, each key once; the rest that was asked for is counted. */
static int choose(struct verifier *w)
{
	int n = 0;

	for (int t = 0; t < w->p->n_trials; t++) {
		enum trial_state s = w->p->trial[t].state;

		if (w->p->trial[t].twin || (w->o->wanted && !w->o->wanted[t]))
			continue;
		if (s == STATE_COMPLETE || s == STATE_DIVERGED || s == STATE_PRUNED || w->p->trial[t].damaged)
			w->trial[n++] = t;
		else
			w->counts->unfinished++;
	}
	return n;
}

int verify_trials(const struct plan *p, const struct store *st, const struct verify_options *o,
		  struct verify_counts *counts, struct err *e)
{
	struct verifier w = {.p = p, .st = st, .o = o, .counts = counts};
	int n, ran = -1;

	*counts = (struct verify_counts){0};
	w.trial = calloc((size_t)p->n_trials + 1, sizeof(*w.trial));
	w.verdict = calloc((size_t)o->workers, sizeof(*w.verdict));
	if (w.trial && w.verdict) {
		n = choose(&w);
		ran = sched_run(&(struct sched){.n = n,
						.workers = o->workers,
						.threads = o->workers,
						.job = job,
						.done = done,
						.ctx = &w,
						.stop = o->stop});
		counts->stopped += ran < 0 ? 0 : n - ran;
	}
	free(w.trial);
	free(w.verdict);
	return ran >= 0 ? 0 : err_set(e, ERR_NOMEM, "out of memory");
}
