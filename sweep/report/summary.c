/* summary.c - see summary.h */
#include "sweep/report/summary.h"

#include <math.h>
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

static void count_states(struct cell_summary *c, const struct result_trial *t, int n)
{
	int met = 0;

	for (int i = 0; i < n; i++) {
		enum trial_state state = t[i].end.state;

		c->n += result_complete(&t[i]);
		met += result_complete(&t[i]) && t[i].met;
		c->n_diverged += state == STATE_DIVERGED;
		c->n_failed += state == STATE_FAIL || (state == STATE_COMPLETE && !t[i].n_rows);
		c->n_pruned += state == STATE_PRUNED;
		c->n_open += state == STATE_WAITING || state == STATE_RUNNING;
	}
	c->met_share = c->n + c->n_diverged ? (double)met / (c->n + c->n_diverged) : NAN;
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
	c->feasible = c->n > 0 && c->n_diverged == 0 && results_meet(r->study, mean);
}

static struct estimate paired(const struct results *r, int a, int b, int metric, struct quantiles *q)
{
	const struct result_trial *ta = trials_of(r, a);
	const struct result_trial *tb = trials_of(r, b);
	int n = 0;

	for (int i = 0; i < r->study->n_seeds; i++)
		if (result_complete(&ta[i]) && result_complete(&tb[i]))
			q->x[n++] = last_metric(r, &ta[i], metric) - last_metric(r, &tb[i], metric);
	return estimate(q, n);
}

static void pair_cells(struct summary *s, struct quantiles *q)
{
	static const int metric[N_DIFFS] = {[DIFF_GAP] = METRIC_gap, [DIFF_VAL_ACC] = METRIC_val_acc};
	const struct estimate none = estimate_of(NULL, 0, NAN);

	for (int i = 0; i < s->results->study->n_cells; i++) {
		struct cell_summary *c = &s->cell[i];

		for (int d = 0; d < N_DIFFS; d++) {
			c->to_baseline[d] = s->baseline < 0 ? none : paired(s->results, i, s->baseline, metric[d], q);
			c->to_best[d] = s->best < 0 ? none : paired(s->results, i, s->best, metric[d], q);
		}
	}
}

/* The best cell of a rank: 2 feasible, 1 complete and never diverged, 0 some repeat complete. */
static int best_of_rank(const struct summary *s, int rank)
{
	int best = -1;

	for (int i = 0; i < s->results->study->n_cells; i++) {
		const struct cell_summary *c = &s->cell[i];
		double value = c->metric[s->metric].mean;
		double top = best < 0 ? NAN : s->cell[best].metric[s->metric].mean;

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
	int rank = 2;

	s->baseline = s->best = -1;
	for (int i = 0; i < st->n_cells && s->baseline < 0; i++)
		if (st->cell[i].baseline)
			s->baseline = i;
	while (rank >= 0 && s->best < 0)
		s->best = best_of_rank(s, rank--);
	s->none_meets = st->n_constraints && s->best >= 0 && !s->cell[s->best].feasible;
}

int summary_init(struct summary *s, const struct results *r, struct err *e)
{
	const struct study *st = r->study;
	struct quantiles q = {calloc((size_t)st->n_seeds + 1, sizeof(double)),
			      calloc((size_t)st->n_seeds + 1, sizeof(double))};
	int metric = metric_find(st->metric);

	*s = (struct summary){.results = r, .baseline = -1, .best = -1, .maximize = st->goal == GOAL_MAXIMIZE};
	s->metric = metric < 0 ? METRIC_val_acc : metric;
	s->cell = calloc((size_t)st->n_cells + 1, sizeof(*s->cell));
	if (s->cell && q.of_n && q.x) {
		for (int i = 0; i < st->n_cells; i++)
			summarize_cell(&s->cell[i], r, i, &q);
		choose(s);
		pair_cells(s, &q);
		for (int i = 0; i < r->n_trials; i++)
			s->by_state[r->trial[i].end.state]++;
	}
	free(q.of_n);
	free(q.x);
	if (s->cell && q.of_n && q.x)
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
	snprintf(out + n, SENTENCE_MAX - (size_t)n,
		 "%s brings the train/validation gap %sto %.1f points, at %.1f %% train and %.1f %% validation "
		 "accuracy (mean of %d repeat%s%s).",
		 label, from, percent(s, s->best, METRIC_gap), percent(s, s->best, METRIC_train_eval_acc),
		 percent(s, s->best, METRIC_val_acc), s->cell[s->best].n, s->cell[s->best].n == 1 ? "" : "s",
		 st->n_constraints && !s->none_meets ? "; all constraints met" : "");
}
