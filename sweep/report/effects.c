/* effects.c - see effects.h */
#include "sweep/report/effects.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sweep/base/csv.h"
#include "sweep/report/marks.h"

enum { MAX_OPTIMIZERS = 16 };

/* The crossed table under way: cell[(x * n_y + y) * n_optimizers + optimizer]. */
struct crossing {
	const struct summary *s;
	int n_optimizers, optimizer[MAX_OPTIMIZERS];
	struct axis x, y; /* all rates; those that take part: */
	bool *x_in, *y_in;
	int n_x, n_y;
	struct anova_cell *cell; /* of all rates */
};

static struct anova_cell *at(const struct crossing *c, int x, int y, int o)
{
	return &c->cell[((size_t)x * (size_t)c->y.n + (size_t)y) * (size_t)c->n_optimizers + (size_t)o];
}

static int place_of(const struct crossing *c, int optimizer)
{
	for (int o = 0; o < c->n_optimizers; o++)
		if (c->optimizer[o] == optimizer)
			return o;
	return -1;
}

/* Adds up counts and means first, squares about the means second: what pools several cells without cancelling. */
static void add_repeats(struct crossing *c, int metric, bool squares)
{
	const struct results *r = c->s->results;

	for (int i = 0; i < r->n_trials; i++) {
		const struct result_trial *t = &r->trial[i];
		const struct setting *set = &r->study->cell[t->cell].setting;
		int o = place_of(c, set->hyper.optimizer);
		struct anova_cell *cell;
		double v;

		if (o < 0 || !result_complete(t))
			continue;
		v = results_metric(r, i, t->n_rows - 1, metric);
		cell = at(c, axis_find(&c->x, set->group_lr[0]), axis_find(&c->y, set->group_lr[1]), o);
		if (isnan(v))
			continue;
		if (squares)
			cell->squares += (v - cell->mean) * (v - cell->mean);
		else
			cell->mean += (v - cell->mean) / ++cell->n;
	}
}

/* Pairs without a complete repeat at one rate. */
static int holes(const struct crossing *c, bool along_x, int level)
{
	int n = 0;

	for (int k = 0; k < (along_x ? c->y.n : c->x.n); k++)
		for (int o = 0; o < c->n_optimizers && (along_x ? c->y_in[k] : c->x_in[k]); o++)
			n += !at(c, along_x ? level : k, along_x ? k : level, o)->n;
	return n;
}

/* Takes out the rate with the most holes; false if there are none. Of equals, the largest rate goes. */
static bool drop_worst(struct crossing *c)
{
	bool along_x = true;
	int level = -1;
	int most = 0;

	for (int side = 0; side < 2; side++)
		for (int i = 0; i < (side ? c->y.n : c->x.n); i++) {
			int n = (side ? c->y_in[i] : c->x_in[i]) ? holes(c, !side, i) : 0;

			if (n && n >= most) {
				most = n;
				level = i;
				along_x = !side;
			}
		}
	if (level < 0)
		return false;
	*(along_x ? &c->x_in[level] : &c->y_in[level]) = false;
	*(along_x ? &c->n_x : &c->n_y) -= 1;
	return true;
}

static void crossing_release(struct crossing *c)
{
	axis_release(&c->x);
	axis_release(&c->y);
	free(c->x_in);
	free(c->cell);
}

static int crossing_init(struct crossing *c, int metric)
{
	const struct study *st = c->s->results->study;
	double *rate = calloc((size_t)st->n_cells * 2 + 1, sizeof(*rate));
	int n = 0;
	bool ok;

	for (int i = 0; rate && i < st->n_cells; i++) {
		if (place_of(c, st->cell[i].setting.hyper.optimizer) < 0)
			continue;
		rate[n] = st->cell[i].setting.group_lr[0];
		rate[st->n_cells + n++] = st->cell[i].setting.group_lr[1];
	}
	ok = rate && axis_init(&c->x, rate, n, 0) && axis_init(&c->y, rate + st->n_cells, n, 0);
	free(rate);
	if (!ok)
		return -1;
	c->x_in = malloc((size_t)c->x.n + (size_t)c->y.n + 1);
	c->cell = calloc((size_t)c->x.n * (size_t)c->y.n * (size_t)c->n_optimizers + 1, sizeof(*c->cell));
	if (!c->x_in || !c->cell)
		return -1;
	c->y_in = c->x_in + c->x.n;
	memset(c->x_in, true, (size_t)c->x.n + (size_t)c->y.n);
	c->n_x = c->x.n;
	c->n_y = c->y.n;
	add_repeats(c, metric, false);
	add_repeats(c, metric, true);
	return 0;
}

/* The rates that take part, one behind the other. */
static int compact(struct anova_cell *out, const struct crossing *c)
{
	int n = 0;

	for (int x = 0; x < c->x.n; x++)
		for (int y = 0; y < c->y.n; y++)
			for (int o = 0; o < c->n_optimizers && c->x_in[x] && c->y_in[y]; o++)
				out[n++] = *at(c, x, y, o);
	return n;
}

/* The repeats at rates that take part and are not 0; u, v, y have room for all trials. */
static int rates_and_figures(double *u, double *v, double *y, const struct crossing *c, int metric)
{
	const struct results *r = c->s->results;
	int n = 0;

	for (int i = 0; i < r->n_trials; i++) {
		const struct result_trial *t = &r->trial[i];
		const struct setting *set = &r->study->cell[t->cell].setting;
		const double *lr = set->group_lr;

		if (place_of(c, set->hyper.optimizer) < 0 || !result_complete(t) || lr[0] <= 0 || lr[1] <= 0 ||
		    !c->x_in[axis_find(&c->x, lr[0])] || !c->y_in[axis_find(&c->y, lr[1])])
			continue;
		y[n] = results_metric(r, i, t->n_rows - 1, metric);
		u[n] = log10(lr[0]);
		v[n] = log10(lr[1]);
		n += !isnan(y[n]);
	}
	return n;
}

/* false: no memory. */
static bool find_trend(struct trend *t, const struct crossing *c, int metric)
{
	size_t room = (size_t)c->s->results->n_trials + 1;
	double *u = calloc(3 * room, sizeof(*u));

	*t = (struct trend){0};
	if (!u)
		return false;
	*t = trend_of(u, u + room, u + 2 * room, rates_and_figures(u, u + room, u + 2 * room, c, metric));
	free(u);
	return true;
}

double effect_slope(struct interval *ci, const struct effects *f, unsigned factors)
{
	int k = factors == 1 ? TREND_U : factors == 2 ? TREND_V : TREND_UV;

	*ci = (struct interval){NAN, NAN};
	if (!f->trend.n || factors < 1 || factors > 3)
		return NAN;
	*ci = f->trend.ci[k];
	return f->trend.slope[k];
}

/* Puts one table into *f; 0 if it cannot be made, -1 without memory. */
static int one_table(struct effects *f, struct crossing *c, int metric)
{
	struct anova_cell *cell;
	int rc = crossing_init(c, metric);
	int levels[3];

	while (!rc && drop_worst(c))
		;
	if (!rc && c->n_x > 1 && c->n_y > 1) {
		cell = malloc((size_t)c->n_x * (size_t)c->n_y * (size_t)c->n_optimizers * sizeof(*cell));
		rc = cell ? 1 : -1;
		levels[0] = c->n_x;
		levels[1] = c->n_y;
		levels[2] = c->n_optimizers;
		if (cell && compact(cell, c))
			*f = (struct effects){.optimizer = c->n_optimizers > 1 ? -1 : c->optimizer[0],
					      .metric = metric,
					      .n_x = c->n_x,
					      .n_y = c->n_y,
					      .dropped = c->x.n - c->n_x + c->y.n - c->n_y,
					      .n_optimizers = c->n_optimizers,
					      .anova = anova_of(cell, levels, c->n_optimizers > 1 ? 3 : 2)};
		free(cell);
		if (rc == 1 && !f->anova.n_effects)
			rc = -1;
		if (rc == 1 && c->n_optimizers == 1 && !find_trend(&f->trend, c, metric))
			rc = -1;
	}
	crossing_release(c);
	return rc;
}

static int optimizers_of(int list[MAX_OPTIMIZERS], const struct study *st)
{
	struct crossing c = {0};

	for (int i = 0; i < st->n_cells; i++)
		if (c.n_optimizers < MAX_OPTIMIZERS && place_of(&c, st->cell[i].setting.hyper.optimizer) < 0)
			c.optimizer[c.n_optimizers++] = st->cell[i].setting.hyper.optimizer;
	memcpy(list, c.optimizer, sizeof(c.optimizer));
	return c.n_optimizers;
}

int effects_of(struct effects out[EFFECTS_MAX], const struct summary *s)
{
	static const int metric[] = {METRIC_gap, METRIC_val_acc};
	int optimizer[MAX_OPTIMIZERS];
	int n_optimizers = optimizers_of(optimizer, s->results->study);
	int n = 0;

	for (int i = 0; s->results->study->n_groups > 1 && i <= n_optimizers; i++)
		for (int m = 0; m < 2 && n < EFFECTS_MAX && (i < n_optimizers || n_optimizers > 1); m++) {
			struct crossing c = {.s = s, .n_optimizers = i < n_optimizers ? 1 : n_optimizers};
			int rc;

			memcpy(c.optimizer, i < n_optimizers ? optimizer + i : optimizer,
			       (size_t)c.n_optimizers * sizeof(int));
			rc = one_table(&out[n], &c, metric[m]);
			if (rc < 0)
				return -1;
			n += rc;
		}
	return n;
}

const char *effect_name(char out[EFFECT_NAME_MAX], const struct study *st, unsigned factors)
{
	const char *word[3] = {st->group[0].name, st->group[1].name, "optimizer"};
	size_t n = 0;

	*out = 0;
	for (int k = 0; k < 3; k++)
		if (factors & 1u << k)
			n += (size_t)snprintf(out + n, EFFECT_NAME_MAX - n, "%s%s%s", n ? " x " : "", word[k],
					      k < 2 ? "_lr" : "");
	return out;
}

const char *effects_optimizer(char out[32], const struct effects *f)
{
	if (f->optimizer >= 0)
		return optimizer_word(out, f->optimizer);
	return strcpy(out, "all");
}

static void effect_line(struct csv_row *row, const struct effects *f, const char *name, const struct anova_effect *e)
{
	char word[32];
	struct interval ci;
	double slope = effect_slope(&ci, f, e->factors);

	csv_text(row, effects_optimizer(word, f));
	csv_text(row, metric_name(f->metric));
	csv_text(row, name);
	csv_int(row, e->df);
	csv_num(row, e->ss);
	csv_maybe(row, e->f);
	csv_maybe(row, e->p);
	csv_maybe(row, e->share);
	csv_maybe(row, slope);
	csv_maybe(row, ci.lo);
	csv_maybe(row, ci.hi);
	csv_int(row, f->n_x);
	csv_int(row, f->n_y);
	csv_int(row, f->dropped);
	csv_end(row);
}

int table_effects(FILE *out, const struct summary *s, struct err *e)
{
	struct csv_row row = {.out = out};
	struct effects *f = calloc(EFFECTS_MAX, sizeof(*f));
	int n = f ? effects_of(f, s) : -1;

	fputs("optimizer,metric,effect,df,ss,f,p,eta2,per_tenfold,per_tenfold_ci95_lo,per_tenfold_ci95_hi,levels_x,"
	      "levels_y,levels_dropped\n",
	      out);
	for (int i = 0; i < n; i++) {
		const struct anova *a = &f[i].anova;
		struct anova_effect error = {.df = a->error_df, .ss = a->error_ss, .f = NAN, .p = NAN, .share = 1};
		char name[EFFECT_NAME_MAX];

		for (int k = 0; k < a->n_effects; k++) {
			effect_line(&row, &f[i], effect_name(name, s->results->study, a->effect[k].factors),
				    &a->effect[k]);
			error.share -= a->effect[k].share;
		}
		effect_line(&row, &f[i], "error", &error);
	}
	free(f);
	return n < 0 ? err_set(e, ERR_NOMEM, "effects.csv: out of memory") : 0;
}
