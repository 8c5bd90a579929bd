/* bars.c - data of the gap bars, see chart.h: a bar a cell, smallest gap first. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sweep/base/csv.h"
#include "sweep/report/chart.h"

enum { MAX_BARS = 60, WIDTH = 600 };

/* A cell's gap, in points where it stands alone; v has it as a fraction with its interval. */
struct bar {
	int cell;
	double gap;
	const struct estimate *v;
};

static int by_gap(const void *a, const void *b)
{
	const struct bar *x = a;
	const struct bar *y = b;

	if (x->gap != y->gap)
		return x->gap < y->gap ? -1 : 1;
	return (x->cell > y->cell) - (x->cell < y->cell);
}

static int collect(struct bar *bar, const struct summary *s, bool at_equal)
{
	int n = 0;

	for (int i = 0; i < s->results->study->n_cells; i++) {
		const struct estimate *v = at_equal ? &s->cell[i].at_gap : &s->cell[i].metric[METRIC_gap];

		if (v->n && !isnan(v->mean))
			bar[n++] = (struct bar){i, 100 * v->mean, v};
	}
	qsort(bar, (size_t)n, sizeof(*bar), by_gap);
	return n;
}

/* Of too many, the ones with the smallest gaps stay; best and baseline always do. */
static int thin_out(struct bar *bar, int n, const struct summary *s)
{
	int kept = 0;
	int reserved = 2;

	if (n <= MAX_BARS)
		return n;
	for (int i = 0; i < n; i++) {
		bool marked = bar[i].cell == s->best || bar[i].cell == s->baseline;

		reserved -= marked;
		if (marked || kept < MAX_BARS - reserved)
			bar[kept++] = bar[i];
	}
	return kept;
}

static const char *kind(const struct summary *s, int cell)
{
	if (cell == s->baseline)
		return "baseline";
	return s->results->study->n_constraints && s->cell[cell].feasible ? "feasible" : "other";
}

static void write_bars(FILE *csv, const struct bar *bar, int n, const struct summary *s)
{
	struct csv_row row = {.out = csv};

	fputs("row,cell,label,kind,gap,lo,hi,note,note_at\n", csv);
	for (int i = 0; i < n; i++) {
		const struct estimate *v = bar[i].v;
		char label[CELL_LABEL_MAX];
		double hi = v->n > 1 ? 100 * v->hi : bar[i].gap;

		csv_int(&row, i + 1);
		csv_int(&row, bar[i].cell);
		csv_text(&row, cell_label(label, s->results->study, bar[i].cell));
		csv_text(&row, kind(s, bar[i].cell));
		csv_num(&row, bar[i].gap);
		csv_num(&row, v->n > 1 ? 100 * v->lo : bar[i].gap);
		csv_num(&row, hi);
		csv_text(&row, bar[i].cell == s->best ? "★ best" : bar[i].cell == s->baseline ? "▲ baseline" : " ");
		csv_num(&row, fmax(fmax(hi, bar[i].gap), 0));
		csv_end(&row);
	}
}

/* The axis ends at round figures with room for the words behind the bars. */
static void write_range(FILE *f, const struct bar *bar, int n)
{
	double low = 0;
	double high = 1;

	for (int i = 0; i < n; i++) {
		const struct estimate *v = bar[i].v;

		low = fmin(low, v->n > 1 ? fmax(100 * v->lo, bar[i].gap - 10) : bar[i].gap);
		high = fmax(high, v->n > 1 ? fmin(100 * v->hi, bar[i].gap + 20) : bar[i].gap);
	}
	fact_number(f, "GAP_LOW", low < 0 ? low - 0.04 * (high - low) : 0);
	fact_number(f, "GAP_HIGH", high + 0.22 * (high - low));
}

static void write_labels(FILE *f, const struct bar *bar, int n, const struct summary *s)
{
	char text[MAX_BARS][CELL_LABEL_MAX];
	const char *label[MAX_BARS];
	size_t longest = 0;

	for (int i = 0; i < n; i++) {
		label[i] = cell_label(text[i], s->results->study, bar[i].cell);
		longest = strlen(label[i]) > longest ? strlen(label[i]) : longest;
	}
	fact_texts(f, "LABELS", label, n);
	fact_number(f, "LABEL_W", fmin(7.0 * (double)longest + 10, 300));
}

static void write_key(FILE *f, const struct summary *s)
{
	const char *text[3];
	const char *colour[3];
	int n = 0;

	if (s->results->study->n_constraints) {
		colour[n] = "#0072b2";
		text[n++] = "mean meets all constraints";
		colour[n] = "#b8b8b8";
		text[n++] = "does not";
	}
	if (s->baseline >= 0) {
		colour[n] = "#d55e00";
		text[n++] = "baseline";
	}
	fact_texts(f, "KEY_TEXT", text, n);
	fact_texts(f, "KEY_COLOUR", colour, n);
}

static void write_subtitle(FILE *f, const struct summary *s, int shown, int all, bool at_equal)
{
	const struct study *st = s->results->study;
	char place[120] = "last epoch";
	char repeats[64];
	char text[400];
	int complete = 0;
	int n = 0;

	for (int i = 0; i < st->n_cells; i++)
		complete += s->cell[i].n > 0;
	repeats_text(repeats, s);
	if (at_equal && all < complete)
		snprintf(place, sizeof(place), "where clean train accuracy passes %g %%; %d of %d cells never do",
			 100 * st->at_train_acc, complete - all, complete);
	else if (at_equal)
		snprintf(place, sizeof(place), "where clean train accuracy passes %g %%", 100 * st->at_train_acc);
	if (shown < all)
		n = snprintf(text, sizeof(text), "the %d smallest of %d cells; ", shown, all);
	if (at_equal)
		snprintf(text + n, sizeof(text) - (size_t)n, "%s; 95 %% t interval", place);
	else
		snprintf(text + n, sizeof(text) - (size_t)n, "%s, %s; whiskers: 95 %% t interval", repeats, place);
	fact_text(f, "SUBTITLE", text);
}

bool bars_data(struct chart_out *out, const struct summary *s, const struct chart *c)
{
	bool at_equal = c == &charts[CHART_gap_at_train_acc];
	struct bar *bar = calloc((size_t)s->results->study->n_cells + 1, sizeof(*bar));
	int all = bar ? collect(bar, s, at_equal) : 0;
	int n = bar ? thin_out(bar, all, s) : 0;

	if (!n) {
		if (at_equal && s->best >= 0)
			snprintf(out->note, sizeof(out->note),
				 "no trial passes %g %% clean train accuracy between two epochs",
				 100 * s->results->study->at_train_acc);
		else
			snprintf(out->note, sizeof(out->note), "%s", bar ? "no trial has completed" : "out of memory");
		free(bar);
		return false;
	}
	write_bars(out->csv, bar, n, s);
	fact_text(out->facts, "TITLE", c->title);
	write_subtitle(out->facts, s, n, all, at_equal);
	write_key(out->facts, s);
	write_labels(out->facts, bar, n, s);
	write_range(out->facts, bar, n);
	fact_number(out->facts, "N_ROWS", n);
	fact_number(out->facts, "ROW_H", 17);
	fact_number(out->facts, "WIDTH", WIDTH);
	fact_number(out->facts, "HEIGHT", 48 + n * 17 + 74);
	free(bar);
	return true;
}
