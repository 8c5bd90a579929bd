/* along.c - data of the gap along each learning rate, see chart.h: the other rate stays at the optimizer's best cell. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sweep/base/csv.h"
#include "sweep/report/marks.h"

enum { WIDTH = 600, PLOT_W = 514, MAX_LINES = 8 };

/* The best complete cell of one optimizer: feasible before not, then by the study's metric; -1 if none. */
static int best_of(const struct summary *s, int optimizer)
{
	const struct study *st = s->results->study;
	int best = -1;

	for (int i = 0; i < st->n_cells; i++) {
		const struct cell_summary *c = &s->cell[i];
		double v = c->metric[s->metric].mean;

		if (st->cell[i].setting.hyper.optimizer != optimizer || !c->n || isnan(v))
			continue;
		if (best < 0 || c->feasible > s->cell[best].feasible ||
		    (c->feasible == s->cell[best].feasible && (s->maximize ? v > s->cell[best].metric[s->metric].mean
									   : v < s->cell[best].metric[s->metric].mean)))
			best = i;
	}
	return best;
}

/* Whether two cells differ in nothing but the rate of one group. */
static bool differ_only_in(const struct study *st, int a, int b, int group)
{
	const struct setting *x = &st->cell[a].setting;
	const struct setting *y = &st->cell[b].setting;
	char text[2][COLUMN_TEXT_MAX];

	for (int g = 0; g < st->n_groups; g++)
		if (g != group && x->group_lr[g] != y->group_lr[g])
			return false;
	if (x->hyper.optimizer != y->hyper.optimizer)
		return false;
	for (int i = 0; i < st->n_columns; i++) {
		const struct column *c = &st->column[i];

		if (!c->field && c->group == group)
			continue;
		setting_text(st, x, i, text[0]);
		setting_text(st, y, i, text[1]);
		if (strcmp(text[0], text[1]))
			return false;
	}
	return true;
}

struct along {
	const struct summary *s;
	int n_lines, line[MAX_LINES]; /* each optimizer's best cell */
	int n_panels;
	struct axis axis[2];
	double low, high;
};

static bool on_line(const struct along *a, int line, int group, int cell)
{
	const struct estimate *v = &a->s->cell[cell].metric[METRIC_gap];

	return v->n && !isnan(v->mean) && differ_only_in(a->s->results->study, a->line[line], cell, group);
}

static bool place(struct along *a, int group)
{
	const struct study *st = a->s->results->study;
	double *rate = calloc((size_t)st->n_cells * (size_t)(a->n_lines + 1) + 1, sizeof(*rate));
	int n = 0;
	bool ok;

	for (int k = 0; rate && k < a->n_lines; k++)
		for (int i = 0; i < st->n_cells; i++)
			if (on_line(a, k, group, i))
				rate[n++] = st->cell[i].setting.group_lr[group];
	ok = rate && axis_init(&a->axis[group], rate, n, 0.01);
	free(rate);
	return ok;
}

/* Intervals of two repeats would flatten everything else: they are cut at 20 points from the mean. */
static void point_row(struct csv_row *row, struct along *a, int group, int line, int cell)
{
	const struct study *st = a->s->results->study;
	const struct estimate *v = &a->s->cell[cell].metric[METRIC_gap];
	const struct axis *x = &a->axis[group];
	double rate = st->cell[cell].setting.group_lr[group];
	double gap = 100 * v->mean;
	double lo = v->n > 1 ? fmax(100 * v->lo, gap - 20) : gap;
	double hi = v->n > 1 ? fmin(100 * v->hi, gap + 20) : gap;
	double beside = (line - (a->n_lines - 1) / 2.0) * 0.012 * (x->high - x->low);
	char word[32];

	a->low = fmin(a->low, lo);
	a->high = fmax(a->high, hi);
	csv_int(row, group + 1);
	csv_text(row, optimizer_word(word, st->cell[cell].setting.hyper.optimizer));
	csv_int(row, cell);
	csv_num(row, rate);
	csv_num(row, x->at[axis_find(x, rate)] + beside);
	csv_num(row, gap);
	csv_num(row, lo);
	csv_num(row, hi);
	csv_int(row, cell == a->s->best);
	csv_end(row);
}

/* In the order of the rate, so that the line does not run back. */
static void write_line(struct csv_row *row, struct along *a, int group, int line)
{
	const struct study *st = a->s->results->study;
	const struct axis *x = &a->axis[group];

	for (int k = 0; k < x->n; k++)
		for (int i = 0; i < st->n_cells; i++)
			if (st->cell[i].setting.group_lr[group] == x->value[k] && on_line(a, line, group, i)) {
				point_row(row, a, group, line, i);
				break;
			}
}

static void write_labels(FILE *f, const struct along *a)
{
	const struct study *st = a->s->results->study;
	char x[2][ENGINE_NAME_MAX + 32];
	char fixed[2 * MAX_LINES][160];
	const char *label[2 * MAX_LINES];
	int n = 0;

	for (int g = 0; g < a->n_panels; g++) {
		snprintf(x[g], sizeof(x[g]), "%s learning rate%s", st->group[g].name,
			 a->axis[g].even ? " (not to scale)" : "");
		for (int k = 0; k < a->n_lines; k++) {
			char rate[NUM_MAX];
			char word[32];
			const struct setting *set = &st->cell[a->line[k]].setting;

			optimizer_word(word, set->hyper.optimizer);
			if (st->n_groups > 1)
				snprintf(fixed[n], sizeof(fixed[n]), "%s, %s at %s", word, st->group[!g].name,
					 rate_text(rate, set->group_lr[!g]));
			else
				snprintf(fixed[n], sizeof(fixed[n]), "%s", word);
			label[n] = fixed[n];
			n++;
		}
	}
	fact_texts(f, "X_LABEL", (const char *[]){x[0], x[1]}, a->n_panels);
	fact_texts(f, "LABELS", label, n);
}

static void write_facts(FILE *f, const struct along *a, const struct chart *c)
{
	double low[2] = {a->axis[0].low, a->axis[1].low};
	double high[2] = {a->axis[0].high, a->axis[1].high};
	double room = fmax(0.06 * (a->high - a->low), 0.5);
	char repeats[64];
	char text[256];

	repeats_text(repeats, a->s);
	snprintf(text, sizeof(text),
		 "the other rate at the optimizer's best cell; last epoch, %s; bars: 95 %% t interval", repeats);
	fact_text(f, "TITLE", c->title);
	fact_text(f, "SUBTITLE", text);
	marks_write(f, a->s->results->study);
	write_labels(f, a);
	rate_tics_of(f, a->axis, a->n_panels, PLOT_W);
	fact_numbers(f, "X_LOW", low, a->n_panels);
	fact_numbers(f, "X_HIGH", high, a->n_panels);
	fact_number(f, "Y_LOW", fmin(a->low - room, 0));
	fact_number(f, "Y_HIGH", a->high + room);
	fact_number(f, "N_PANELS", a->n_panels);
	fact_number(f, "N_LINES", a->n_lines);
	fact_number(f, "PANEL_STEP", 250 + 62 + 18 * a->n_lines);
	fact_number(f, "WIDTH", WIDTH);
	fact_number(f, "HEIGHT", 52 + a->n_panels * (250 + 62 + 18 * a->n_lines) + 6);
}

static const char *build(struct along *a, FILE *csv)
{
	const struct study *st = a->s->results->study;
	struct csv_row row = {.out = csv};

	for (int k = 0; k < 64 && a->n_lines < MAX_LINES; k++)
		if (optimizer_used(st, k) && best_of(a->s, k) >= 0)
			a->line[a->n_lines++] = best_of(a->s, k);
	if (!a->n_lines)
		return "no trial has completed";
	a->n_panels = st->n_groups > 1 ? 2 : 1;
	for (int g = 0; g < a->n_panels; g++)
		if (!place(a, g))
			return "out of memory";
	if (a->axis[0].n < 2 && a->axis[1].n < 2)
		return "the learning rates are not varied";
	fputs("panel,optimizer,cell,rate,x,gap,lo,hi,best\n", csv);
	for (int g = 0; g < a->n_panels; g++)
		for (int k = 0; k < a->n_lines; k++)
			write_line(&row, a, g, k);
	return NULL;
}

bool along_data(struct chart_out *out, const struct summary *s, const struct chart *c)
{
	struct along a = {.s = s, .low = INFINITY, .high = -INFINITY};
	const char *why = build(&a, out->csv);

	if (why)
		snprintf(out->note, sizeof(out->note), "%s", why);
	else
		write_facts(out->facts, &a, c);
	axis_release(&a.axis[0]);
	axis_release(&a.axis[1]);
	return !why;
}
