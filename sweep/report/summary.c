/* summary.c - see summary.h */
#include "sweep/report/summary.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* t_quantile(0.975, n - 1), computed once for each n of a sweep. */
struct quantiles {
	double *of_n;
	double *x; /* room for the values of one estimate */
};

static double quantile_for(struct quantiles *q, int n)
{
	if (n < 2)
		return NAN;
	if (q->of_n[n] == 0)
		q->of_n[n] = t_quantile(0.975, n - 1);
	return q->of_n[n];
}

static struct estimate estimate(struct quantiles *q, int n)
{
	return estimate_of(q->x, n, quantile_for(q, n));
}

static const struct result_trial *trials_of(const struct results *r, int cell)
{
	return r->trial + (size_t)cell * (size_t)r->study->n_seeds;
}

static double last_metric(const struct results *r, const struct result_trial *t, int metric)
{
	return results_metric(r, (int)(t - r->trial), t->n_rows - 1, metric);
}

static void note_divergence(struct cell_summary *c, int epoch)
{
	if (!c->n_diverged++ || epoch < c->diverged_from)
		c->diverged_from = epoch;
	if (epoch > c->diverged_to)
		c->diverged_to = epoch;
}

static void count_states(struct cell_summary *c, const struct result_trial *t, int n)
{
	int met = 0;

	for (int i = 0; i < n; i++) {
		enum trial_state state = t[i].end.state;

		c->n += result_complete(&t[i]);
		met += result_complete(&t[i]) && t[i].met;
		if (state == STATE_DIVERGED)
			note_divergence(c, t[i].end.diverged_epoch);
		c->n_failed += state == STATE_FAIL || (state == STATE_COMPLETE && !t[i].n_rows);
		c->n_pruned += state == STATE_PRUNED;
		c->n_open += state == STATE_WAITING || state == STATE_RUNNING;
	}
	c->met_share = c->n + c->n_diverged ? (double)met / (c->n + c->n_diverged) : NAN;
	c->met_ci = wilson95(met, c->n + c->n_diverged);
}

static struct estimate gap_at_best(const struct results *r, int cell, struct quantiles *q)
{
	const struct result_trial *t = trials_of(r, cell);
	int n = 0;

	for (int i = 0; i < r->study->n_seeds; i++)
		if (result_complete(&t[i]) && t[i].best >= 0)
			q->x[n++] = results_metric(r, (int)(&t[i] - r->trial), t[i].best, METRIC_gap);
	return estimate(q, n);
}

static void at_equal_accuracy(struct cell_summary *c, const struct results *r, int cell, struct quantiles *q)
{
	const struct result_trial *t = trials_of(r, cell);

	for (int figure = 0; figure < 2; figure++) {
		int n = 0;

		for (int i = 0; i < r->study->n_seeds; i++) {
			struct at_acc at = {NAN, NAN, NAN};

			if (result_complete(&t[i]))
				at = results_at_train_acc(r, (int)(&t[i] - r->trial), r->study->at_train_acc);
			if (!isnan(at.gap))
				q->x[n++] = figure ? at.val_acc : at.gap;
		}
		*(figure ? &c->at_val_acc : &c->at_gap) = estimate(q, n);
	}
}

static void summarize_cell(struct cell_summary *c, const struct results *r, int cell, struct quantiles *q)
{
	const struct result_trial *t = trials_of(r, cell);
	int n_seeds = r->study->n_seeds;
	double mean[N_METRICS];

	count_states(c, t, n_seeds);
	for (int m = 0; m < N_METRICS; m++) {
		int n = 0;

		for (int i = 0; i < n_seeds; i++)
			if (result_complete(&t[i]))
				q->x[n++] = last_metric(r, &t[i], m);
		c->metric[m] = estimate(q, n);
		mean[m] = c->metric[m].mean;
	}
	c->best_gap = gap_at_best(r, cell, q);
	at_equal_accuracy(c, r, cell, q);
	c->feasible = c->n > 0 && c->n_diverged == 0 && results_meet(r->study, mean);
}

static struct difference paired(const struct results *r, int a, int b, int metric, struct quantiles *q)
{
	struct difference diff = {.holm = NAN};
	int n = 0;

	for (int i = 0; a >= 0 && b >= 0 && i < r->study->n_seeds; i++) {
		const struct result_trial *ta = trials_of(r, a) + i;
		const struct result_trial *tb = trials_of(r, b) + i;

		if (result_complete(ta) && result_complete(tb))
			q->x[n++] = last_metric(r, ta, metric) - last_metric(r, tb, metric);
	}
	diff.d = estimate(q, n);
	diff.p = a == b ? NAN : paired_p(&diff.d); /* with itself there is nothing to test */
	return diff;
}

/* Holm's correction over one difference of every cell; p and adjusted have room for all cells. */
static int correct(struct summary *s, size_t offset, double *p, double *adjusted)
{
	int n = s->results->study->n_cells;
	char *first = (char *)s->cell + offset;

	for (int i = 0; i < n; i++)
		p[i] = ((struct difference *)(void *)(first + (size_t)i * sizeof(*s->cell)))->p;
	if (holm(adjusted, p, n))
		return -1;
	for (int i = 0; i < n; i++)
		((struct difference *)(void *)(first + (size_t)i * sizeof(*s->cell)))->holm = adjusted[i];
	return 0;
}

static int correct_all(struct summary *s)
{
	double *p = calloc((size_t)s->results->study->n_cells * 2 + 1, sizeof(*p));
	double *adjusted = p ? p + s->results->study->n_cells : NULL;
	int rc = p ? 0 : -1;

	for (size_t d = 0; d < N_DIFFS && !rc; d++) {
		rc = correct(s, offsetof(struct cell_summary, to_baseline) + d * sizeof(struct difference), p,
			     adjusted);
		if (!rc)
			rc = correct(s, offsetof(struct cell_summary, to_best) + d * sizeof(struct difference), p,
				     adjusted);
	}
	if (!rc)
		rc = correct(s, offsetof(struct cell_summary, metric_to_best), p, adjusted);
	free(p);
	return rc;
}

static int pair_cells(struct summary *s, struct quantiles *q)
{
	static const int metric[N_DIFFS] = {[DIFF_GAP] = METRIC_gap, [DIFF_VAL_ACC] = METRIC_val_acc};

	for (int i = 0; i < s->results->study->n_cells; i++) {
		struct cell_summary *c = &s->cell[i];

		for (int d = 0; d < N_DIFFS; d++) {
			c->to_baseline[d] = paired(s->results, i, s->baseline, metric[d], q);
			c->to_best[d] = paired(s->results, i, s->best, metric[d], q);
		}
		c->metric_to_best = paired(s->results, i, s->best, s->metric, q);
	}
	for (int d = 0; d < N_DIFFS; d++) {
		s->best_to_single[d] = paired(s->results, s->best, s->single, metric[d], q);
		s->best_to_single[d].holm = s->best_to_single[d].p;
	}
	if (correct_all(s))
		return -1;
	for (int i = 0; i < s->results->study->n_cells; i++)
		s->cell[i].like_best = i == s->best || s->cell[i].metric_to_best.holm > 0.05;
	return 0;
}

static bool is_single(const struct study *st, int cell)
{
	const double *lr = st->cell[cell].setting.group_lr;

	for (int g = 1; g < st->n_groups; g++)
		if (lr[g] != lr[0])
			return false;
	return st->n_groups > 1 && lr[0] > 0;
}

/* The best cell of a rank: 2 feasible, 1 complete and never diverged, 0 some repeat complete. */
static int best_of_rank(const struct summary *s, int rank, bool single)
{
	int best = -1;

	for (int i = 0; i < s->results->study->n_cells; i++) {
		const struct cell_summary *c = &s->cell[i];
		double value = c->metric[s->metric].mean;
		double top = best < 0 ? NAN : s->cell[best].metric[s->metric].mean;

		if (single && !is_single(s->results->study, i))
			continue;
		if (c->n == 0 || isnan(value) || (rank == 2 && !c->feasible) || (rank == 1 && c->n_diverged))
			continue;
		if (best < 0 || (s->maximize ? value > top : value < top))
			best = i;
	}
	return best;
}

static void choose(struct summary *s)
{
	const struct study *st = s->results->study;

	s->baseline = s->best = s->single = -1;
	for (int i = 0; i < st->n_cells && s->baseline < 0; i++)
		if (st->cell[i].baseline)
			s->baseline = i;
	for (int rank = 2; rank >= 0 && s->best < 0; rank--)
		s->best = best_of_rank(s, rank, false);
	for (int rank = 2; rank >= 0 && s->single < 0; rank--)
		s->single = best_of_rank(s, rank, true);
	s->none_meets = st->n_constraints && s->best >= 0 && !s->cell[s->best].feasible;
}

int summary_init(struct summary *s, const struct results *r, struct err *e)
{
	const struct study *st = r->study;
	struct quantiles q = {calloc((size_t)st->n_seeds + 1, sizeof(double)),
			      calloc((size_t)st->n_seeds + 1, sizeof(double))};
	int metric = metric_find(st->metric);
	bool done = false;

	*s = (struct summary){
		.results = r, .baseline = -1, .best = -1, .single = -1, .maximize = st->goal == GOAL_MAXIMIZE};
	s->metric = metric < 0 ? METRIC_val_acc : metric;
	s->cell = calloc((size_t)st->n_cells + 1, sizeof(*s->cell));
	if (s->cell && q.of_n && q.x) {
		for (int i = 0; i < st->n_cells; i++)
			summarize_cell(&s->cell[i], r, i, &q);
		choose(s);
		done = !pair_cells(s, &q);
		for (int i = 0; i < r->n_trials; i++)
			s->by_state[r->trial[i].end.state]++;
	}
	free(q.of_n);
	free(q.x);
	if (done)
		return 0;
	summary_release(s);
	return err_set(e, ERR_NOMEM, "out of memory for %d cells", st->n_cells);
}

void summary_release(struct summary *s)
{
	free(s->cell);
	*s = (struct summary){0};
}

/* A loss that has run away would take twenty digits. */
static int put_figure(char *out, size_t size, double v, int digits)
{
	return fabs(v) < 10000 ? snprintf(out, size, "%.*f", digits, v) : snprintf(out, size, "%.2e", v);
}

const char *estimate_text(char out[ESTIMATE_MAX], const struct estimate *v, double scale, int digits)
{
	int n;

	if (v->n == 0 || isnan(v->mean))
		return strcpy(out, "–");
	n = put_figure(out, ESTIMATE_MAX, scale * v->mean, digits);
	if (v->n > 1) {
		n += snprintf(out + n, ESTIMATE_MAX - (size_t)n, " ± ");
		put_figure(out + n, ESTIMATE_MAX - (size_t)n, scale * v->sd, digits);
	}
	return out;
}

static double percent(const struct summary *s, int cell, int metric)
{
	return 100 * s->cell[cell].metric[metric].mean;
}

static void name_constraints(char *out, size_t size, const struct study *st)
{
	size_t n = 0;

	*out = 0;
	for (int i = 0; i < st->n_constraints && n < size; i++)
		n += (size_t)snprintf(out + n, size - n, "%s%s", i ? ", " : "", st->constraint[i].text);
}

void summary_sentence(char out[SENTENCE_MAX], const struct summary *s)
{
	const struct study *st = s->results->study;
	char label[CELL_LABEL_MAX];
	char limits[300];
	char from[80] = "";
	char sure[120] = "";
	int n = 0;

	if (s->best < 0) {
		snprintf(out, SENTENCE_MAX, "No trial has completed yet.");
		return;
	}
	name_constraints(limits, sizeof(limits), st);
	cell_label(label, st, s->best);
	if (s->none_meets)
		n = snprintf(out, SENTENCE_MAX, "No cell meets the constraints (%s); best %s: ", limits, st->metric);
	if (s->baseline >= 0 && s->baseline != s->best && s->cell[s->baseline].n)
		snprintf(from, sizeof(from), "from %.1f ", percent(s, s->baseline, METRIC_gap));
	if (*from && s->cell[s->best].to_baseline[DIFF_GAP].d.n > 1)
		snprintf(sure, sizeof(sure), " (difference %.1f, 95 %% interval %.1f to %.1f)",
			 100 * s->cell[s->best].to_baseline[DIFF_GAP].d.mean,
			 100 * s->cell[s->best].to_baseline[DIFF_GAP].d.lo,
			 100 * s->cell[s->best].to_baseline[DIFF_GAP].d.hi);
	snprintf(out + n, SENTENCE_MAX - (size_t)n,
		 "%s brings the train/validation gap %sto %.1f points%s, at %.1f %% train and %.1f %% validation "
		 "accuracy (mean of %d repeat%s%s).",
		 label, from, percent(s, s->best, METRIC_gap), sure, percent(s, s->best, METRIC_train_eval_acc),
		 percent(s, s->best, METRIC_val_acc), s->cell[s->best].n, s->cell[s->best].n == 1 ? "" : "s",
		 st->n_constraints && !s->none_meets ? "; all constraints met" : "");
}

static const char *paired_text(char out[80], const struct estimate *d)
{
	if (d->n < 2)
		snprintf(out, 80, "%+.1f", 100 * d->mean);
	else
		snprintf(out, 80, "%+.1f [%+.1f, %+.1f]", 100 * d->mean, 100 * d->lo, 100 * d->hi);
	return out;
}

void summary_single_sentence(char out[SENTENCE_MAX], const struct summary *s)
{
	const struct estimate *gap = &s->best_to_single[DIFF_GAP].d;
	const struct estimate *val = &s->best_to_single[DIFF_VAL_ACC].d;
	char label[CELL_LABEL_MAX];
	char text[2][80];

	*out = 0;
	if (s->single < 0 || s->best < 0 || s->single == s->best || !gap->n || !val->n)
		return;
	snprintf(out, SENTENCE_MAX,
		 "Against the best single rate of this grid (%s, gap %.1f): gap %s, validation accuracy %s points%s.",
		 cell_label(label, s->results->study, s->single), percent(s, s->single, METRIC_gap),
		 paired_text(text[0], gap), paired_text(text[1], val), gap->n > 1 ? " (95 % intervals)" : "");
}
