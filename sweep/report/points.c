/* points.c - data of the two charts with a mark a cell, see chart.h: the Pareto front, and the gap against the drift. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sweep/base/csv.h"
#include "sweep/report/marks.h"

enum { WIDTH = 600, PLOT_W = 500, PLOT_H = 370, MAX_FRONT = 12 };

struct points {
	const struct summary *s;
	bool pareto;
	int n;
	struct point *p; /* y in points or percent */
	int n_front;
	double front_x[2 * MAX_FRONT], front_y[2 * MAX_FRONT];
	int front[MAX_FRONT];
	struct window w;
	double zero; /* where a distance of 0 is drawn, apart from the others; NAN if none is 0 */
};

/* Mean over the complete repeats of the first group's distance from its start weights, after the last epoch. */
static double drift_of(const struct results *r, int cell)
{
	double sum = 0;
	int n = 0;

	for (int i = 0; i < r->study->n_seeds; i++) {
		int trial = cell * r->study->n_seeds + i;
		struct epoch_row row;

		if (!result_complete(&r->trial[trial]))
			continue;
		results_row(r, trial, r->trial[trial].n_rows - 1, &row);
		sum += row.group[0].drift;
		n++;
	}
	return n ? sum / n : NAN;
}

/* Distances at their logarithm; 0 has none and stands well apart. */
static void place_drift(struct points *a, const struct axis *axis)
{
	if (axis->n > 1 && axis->value[0] <= 0)
		a->zero = axis->at[1] - fmax(0.15 * (axis->at[axis->n - 1] - axis->at[1]), 0.3);
	for (int i = 0; i < a->n; i++)
		a->p[i].x = a->p[i].x > 0 ? axis->at[axis_find(axis, a->p[i].x)] : a->zero;
}

static bool collect(struct points *a, struct axis *axis)
{
	const struct study *st = a->s->results->study;
	double *drift = calloc((size_t)st->n_cells + 1, sizeof(*drift));
	bool ok;

	a->p = calloc((size_t)st->n_cells + 1, sizeof(*a->p));
	for (int i = 0; drift && a->p && i < st->n_cells; i++) {
		const struct cell_summary *c = &a->s->cell[i];
		struct point p = {i, 100 * c->metric[METRIC_gap].mean, 100 * c->metric[METRIC_val_acc].mean};

		if (!a->pareto)
			p = (struct point){i, c->n ? drift_of(a->s->results, i) : NAN, p.x};
		if (!c->n || !isfinite(p.x) || !isfinite(p.y))
			continue;
		drift[a->n] = p.x;
		a->p[a->n++] = p;
	}
	ok = drift && a->p && (a->pareto || axis_init(axis, drift, a->n, 0));
	if (ok && !a->pareto)
		place_drift(a, axis);
	free(drift);
	return ok;
}

static int by_gap(const void *a, const void *b)
{
	const struct point *x = a;
	const struct point *y = b;

	if (x->x != y->x)
		return x->x < y->x ? -1 : 1;
	if (x->y != y->y)
		return x->y > y->y ? -1 : 1;
	return (x->cell > y->cell) - (x->cell < y->cell);
}

/* From the smallest gap on, every cell whose accuracy is above all before it: nothing is better in both. */
static void find_front(struct points *a)
{
	double top = -INFINITY;
	int n = 0;

	qsort(a->p, (size_t)a->n, sizeof(*a->p), by_gap);
	for (int i = 0; i < a->n && a->n_front < MAX_FRONT; i++) {
		if (a->p[i].y <= top)
			continue;
		if (a->n_front) { /* a step: along at the old accuracy, then up */
			a->front_x[n] = a->p[i].x;
			a->front_y[n++] = top;
		}
		top = a->p[i].y;
		a->front_x[n] = a->p[i].x;
		a->front_y[n++] = top;
		a->front[a->n_front++] = i;
	}
}

static void find_window(struct points *a)
{
	double room;

	a->w.x0 = a->w.y0 = INFINITY;
	a->w.x1 = a->w.y1 = -INFINITY;
	for (int i = 0; i < a->n; i++) {
		a->w.x0 = fmin(a->w.x0, a->p[i].x);
		a->w.x1 = fmax(a->w.x1, a->p[i].x);
		a->w.y0 = fmin(a->w.y0, a->p[i].y);
		a->w.y1 = fmax(a->w.y1, a->p[i].y);
	}
	room = fmax(0.07 * (a->w.x1 - a->w.x0), 0.5);
	a->w.x0 -= room;
	a->w.x1 += room;
	room = fmax(0.09 * (a->w.y1 - a->w.y0), 0.5);
	a->w.y0 -= room;
	a->w.y1 += room;
}

static void write_points(FILE *csv, const struct points *a)
{
	const struct study *st = a->s->results->study;
	struct csv_row row = {.out = csv};

	fputs("cell,label,optimizer,x,y,feasible,mark\n", csv);
	for (int i = 0; i < a->n; i++) {
		int cell = a->p[i].cell;
		char label[CELL_LABEL_MAX];
		char word[32];

		csv_int(&row, cell);
		csv_text(&row, cell_label(label, st, cell));
		csv_text(&row, optimizer_word(word, st->cell[cell].setting.hyper.optimizer));
		csv_num(&row, a->p[i].x);
		csv_num(&row, a->p[i].y);
		csv_int(&row, st->n_constraints && a->s->cell[cell].feasible);
		csv_int(&row, cell == a->s->best || cell == a->s->baseline);
		csv_end(&row);
	}
}

/* Numbers beside the front's marks (where there is room) and what they are, below the chart. */
static void write_front(FILE *f, const struct points *a)
{
	char text[MAX_FRONT][CELL_LABEL_MAX + 64];
	char digit[MAX_FRONT][16];
	const char *list[MAX_FRONT];
	const char *number[MAX_FRONT];
	double x[MAX_FRONT];
	double y[MAX_FRONT];
	int n = 0;

	for (int i = 0; i < a->n_front; i++) {
		const struct point *p = &a->p[a->front[i]];
		char label[CELL_LABEL_MAX];
		bool room = true;

		snprintf(text[i], sizeof(text[i]), "%d  %s: gap %.1f, validation %.1f %%%s", i + 1,
			 cell_label(label, a->s->results->study, p->cell), p->x, p->y,
			 p->cell == a->s->best ? " (best)" : "");
		list[i] = text[i];
		room = p->cell != a->s->best && p->cell != a->s->baseline; /* their words stand there */
		for (int k = 0; k < n; k++)
			room &= fabs(p->x - x[k]) > 0.03 * (a->w.x1 - a->w.x0) ||
				fabs(p->y - y[k]) > 0.04 * (a->w.y1 - a->w.y0);
		if (!room)
			continue;
		snprintf(digit[n], sizeof(digit[n]), "%d", i + 1);
		number[n] = digit[n];
		x[n] = p->x;
		y[n++] = p->y;
	}
	fact_texts(f, "LIST", list, a->n_front);
	fact_texts(f, "NUMBER", number, n);
	fact_numbers(f, "NUMBER_X", x, n);
	fact_numbers(f, "NUMBER_Y", y, n);
	fact_numbers(f, "FRONT_X", a->front_x, a->n_front ? 2 * a->n_front - 1 : 0);
	fact_numbers(f, "FRONT_Y", a->front_y, a->n_front ? 2 * a->n_front - 1 : 0);
}

/* A distance from the start has no round values: a tic a decade (or a half or third of one), and 0 where it stands. */
static void write_drift_tics(FILE *f, const struct points *a, const struct axis *axis)
{
	static const double step[] = {1, 2, 5};
	char text[40][NUM_MAX];
	const char *label[40];
	double at[40];
	int least = axis->value[0] > 0 ? 0 : 1;
	int n = 0;

	if (least) {
		strcpy(text[0], "0");
		label[0] = text[0];
		at[n++] = a->zero;
	}
	for (int e = -12; e < 6; e++)
		for (int k = 0; k < 3 && n < 40; k++) {
			double v = step[k] * pow(10, e);

			if (axis->n <= least || log10(v) < (least ? axis->at[least] - 0.1 : a->w.x0) ||
			    log10(v) > a->w.x1 || (k && a->w.x1 - a->w.x0 > 3))
				continue;
			label[n] = rate_text(text[n], v);
			at[n++] = log10(v);
		}
	fact_texts(f, "TIC", label, n);
	fact_numbers(f, "TIC_AT", at, n);
}

static void write_facts(FILE *f, const struct points *a, const struct chart *c)
{
	const struct study *st = a->s->results->study;
	char repeats[64];
	char text[200];

	repeats_text(repeats, a->s);
	snprintf(text, sizeof(text), "a mark a cell; %s, last epoch%s", repeats,
		 a->pareto ? "; line: no cell is better in both" : "");
	fact_text(f, "TITLE", c->title);
	fact_text(f, "SUBTITLE", text);
	snprintf(text, sizeof(text), "%s: distance from the start weights over their norm", st->group[0].name);
	fact_text(f, "X_LABEL", a->pareto ? "clean gap: train − validation accuracy (points)" : text);
	fact_text(f, "Y_LABEL", a->pareto ? "validation accuracy (%)" : "clean gap: train − validation (points)");
	fact_text(f, "FILLED", st->n_constraints ? "filled: mean meets all constraints" : "");
	fact_number(f, "X_LOW", a->w.x0);
	fact_number(f, "ZERO", a->zero);
	fact_number(f, "X_HIGH", a->w.x1);
	fact_number(f, "Y_LOW", a->w.y0);
	fact_number(f, "Y_HIGH", a->w.y1);
	fact_number(f, "WIDTH", WIDTH);
	fact_number(f, "HEIGHT", 520 + 17 * a->n_front);
	marks_write(f, st);
	notes_write(f, a->s, a->p, a->n, &a->w);
	write_front(f, a);
}

bool points_data(struct chart_out *out, const struct summary *s, const struct chart *c)
{
	struct points a = {.s = s, .pareto = c == &charts[CHART_pareto], .zero = NAN};
	struct axis axis = {0};
	const char *why = collect(&a, &axis) ? (a.n ? NULL : "no trial has completed") : "out of memory";

	if (!why && !a.pareto && axis.n < 2)
		why = "all cells are equally far from their start weights";
	if (why) {
		snprintf(out->note, sizeof(out->note), "%s", why);
	} else {
		if (a.pareto)
			find_front(&a);
		find_window(&a);
		write_points(out->csv, &a);
		write_facts(out->facts, &a, c);
		if (a.pareto)
			fact_texts(out->facts, "TIC", NULL, 0);
		else
			write_drift_tics(out->facts, &a, &axis);
	}
	axis_release(&axis);
	free(a.p);
	return !why;
}
