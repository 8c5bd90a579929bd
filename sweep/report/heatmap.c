/* heatmap.c - data of the two heat maps, see chart.h: a panel an optimizer, a rectangle a pair of rates. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sweep/base/csv.h"
#include "sweep/report/marks.h"
#include "sweep/report/palette.h"

enum { MAX_PANELS = 8, MAX_TICS = 40, WIDTH = 600, PLOT_W = 420, ROW_H = 52, CELL_MIN_W = 36, CELL_MIN_H = 18 };
enum kind { KIND_ABSENT, KIND_OPEN, KIND_DIVERGED, KIND_VALUE };

/* What is drawn at one pair of rates: the mean over the cells that share it. */
struct tile {
	int n_cells, n_values;
	bool feasible, best, baseline, some_diverged, open;
	double sum;
};

struct panel {
	int optimizer; /* of hyper.def */
	struct axis x, y;
	struct tile *tile; /* y.n rows of x.n */
	int plot_h;
};

struct heatmap {
	const struct summary *s;
	int metric;
	int n_panels;
	struct panel panel[MAX_PANELS];
	double low, high;
	enum palette palette;
	bool shared; /* several cells at one pair of rates */
	bool has[KIND_VALUE + 1];
	bool some_diverged, feasible;
};

static double x_rate(const struct setting *set)
{
	return set->group_lr[0];
}

static double y_rate(const struct study *st, const struct setting *set)
{
	return st->n_groups > 1 ? set->group_lr[1] : 0;
}

static int panel_of(const struct heatmap *h, int optimizer)
{
	for (int i = 0; i < h->n_panels; i++)
		if (h->panel[i].optimizer == optimizer)
			return i;
	return -1;
}

static void find_panels(struct heatmap *h)
{
	const struct study *st = h->s->results->study;

	for (int i = 0; i < st->n_cells; i++) {
		int optimizer = st->cell[i].setting.hyper.optimizer;

		if (panel_of(h, optimizer) < 0 && h->n_panels < MAX_PANELS)
			h->panel[h->n_panels++].optimizer = optimizer;
	}
}

static int panel_height(int rows)
{
	int h = rows * ROW_H;

	return h < 110 ? 110 : h > 320 ? 320 : h;
}

static bool place_panel(struct panel *p, const struct study *st)
{
	double *x = calloc((size_t)st->n_cells * 2 + 1, sizeof(double));
	double *y = x ? x + st->n_cells : NULL;
	int n = 0;
	bool ok = false;

	for (int i = 0; x && i < st->n_cells; i++) {
		if (st->cell[i].setting.hyper.optimizer != p->optimizer)
			continue;
		x[n] = x_rate(&st->cell[i].setting);
		y[n++] = y_rate(st, &st->cell[i].setting);
	}
	if (x && axis_init(&p->x, x, n, (double)CELL_MIN_W / PLOT_W) && axis_init(&p->y, y, n, 0)) {
		int rows = p->y.n;

		p->plot_h = panel_height(rows);
		axis_release(&p->y);
		ok = axis_init(&p->y, y, n, (double)CELL_MIN_H / p->plot_h);
	}
	free(x);
	if (ok)
		p->tile = calloc((size_t)p->x.n * (size_t)p->y.n, sizeof(*p->tile));
	return ok && p->tile;
}

static void add_cell(struct heatmap *h, int cell)
{
	const struct study *st = h->s->results->study;
	const struct setting *set = &st->cell[cell].setting;
	const struct cell_summary *c = &h->s->cell[cell];
	int at = panel_of(h, set->hyper.optimizer);
	struct panel *p;
	struct tile *t;

	if (at < 0)
		return;
	p = &h->panel[at];
	t = &p->tile[axis_find(&p->y, y_rate(st, set)) * p->x.n + axis_find(&p->x, x_rate(set))];
	h->shared |= t->n_cells++ > 0;
	t->some_diverged |= c->n_diverged > 0;
	t->open |= c->n_open > 0;
	t->feasible |= st->n_constraints && c->feasible;
	t->best |= cell == h->s->best;
	t->baseline |= cell == h->s->baseline;
	if (c->n && !isnan(c->metric[h->metric].mean)) {
		t->sum += 100 * c->metric[h->metric].mean;
		t->n_values++;
	}
}

static enum kind kind_of(const struct tile *t)
{
	if (t->n_values)
		return KIND_VALUE;
	if (t->n_cells == 0)
		return KIND_ABSENT;
	return t->some_diverged && !t->open ? KIND_DIVERGED : KIND_OPEN;
}

static double value_of(const struct tile *t)
{
	return t->sum / t->n_values;
}

static void look_at_tiles(struct heatmap *h)
{
	h->low = INFINITY;
	h->high = -INFINITY;
	for (int p = 0; p < h->n_panels; p++) {
		for (int i = 0; i < h->panel[p].x.n * h->panel[p].y.n; i++) {
			const struct tile *t = &h->panel[p].tile[i];
			enum kind kind = kind_of(t);

			h->has[kind] = true;
			h->feasible |= t->feasible;
			h->some_diverged |= kind == KIND_VALUE && t->some_diverged;
			if (kind != KIND_VALUE)
				continue;
			h->low = fmin(h->low, value_of(t));
			h->high = fmax(h->high, value_of(t));
		}
	}
}

/* A signed gap needs a palette whose middle is 0; an unsigned one starts there. */
static void choose_range(struct heatmap *h)
{
	if (h->metric != METRIC_gap) {
		h->palette = PALETTE_ACC;
		if (h->high - h->low < 1)
			h->low = h->high - 1;
		return;
	}
	h->palette = h->low < 0 ? PALETTE_SIGNED : PALETTE_GAP;
	h->high = fmax(fmax(h->high, -h->low), 1);
	h->low = h->palette == PALETTE_SIGNED ? -h->high : 0;
}

static void tile_row(struct csv_row *row, const struct heatmap *h, int panel, int xi, int yi)
{
	static const char *const word[] = {"absent", "open", "diverged", "value"};
	const struct panel *p = &h->panel[panel];
	const struct tile *t = &p->tile[yi * p->x.n + xi];
	enum kind kind = kind_of(t);
	double value = kind == KIND_VALUE ? value_of(t) : NAN;
	unsigned ink = kind == KIND_VALUE ? palette_ink(palette_rgb(h->palette, (value - h->low) / (h->high - h->low)))
					  : 0x202020;
	const double place[] = {p->x.value[xi], p->y.value[yi], p->x.at[xi], p->y.at[yi],
				p->x.lo[xi],    p->x.hi[xi],    p->y.lo[yi], p->y.hi[yi]};
	char text[48] = " ";
	char name[32];

	optimizer_word(name, p->optimizer);
	if (kind == KIND_VALUE)
		snprintf(text, sizeof(text), "%s%.1f%s",
			 t->best       ? "★ "
			 : t->baseline ? "▲ "
				       : "",
			 value, t->some_diverged ? "†" : "");
	if (kind == KIND_OPEN)
		strcpy(text, "…");
	csv_int(row, panel + 1);
	csv_text(row, name);
	for (int i = 0; i < 8; i++)
		csv_num(row, place[i]);
	csv_text(row, word[kind]);
	csv_maybe(row, value);
	csv_text(row, text);
	csv_int(row, ink);
	csv_int(row, t->feasible);
	csv_int(row, t->best);
	csv_int(row, t->baseline);
	csv_end(row);
}

static void write_tiles(FILE *csv, const struct heatmap *h)
{
	struct csv_row row = {.out = csv};

	fputs("panel,optimizer,x_rate,y_rate,x,y,x0,x1,y0,y1,kind,value,text,text_rgb,feasible,best,baseline\n", csv);
	for (int p = 0; p < h->n_panels; p++)
		for (int y = 0; y < h->panel[p].y.n; y++)
			for (int x = 0; x < h->panel[p].x.n; x++)
				tile_row(&row, h, p, x, y);
}

/* Tic labels of all panels, one after the other; where rates are many, only some get one. */
static void write_tics(FILE *f, const struct heatmap *h, bool of_x)
{
	char text[MAX_PANELS * MAX_TICS][NUM_MAX];
	const char *label[MAX_PANELS * MAX_TICS];
	double at[MAX_PANELS * MAX_TICS];
	double panel[MAX_PANELS * MAX_TICS];
	int n = 0;

	for (int p = 0; p < h->n_panels; p++) {
		const struct axis *a = of_x ? &h->panel[p].x : &h->panel[p].y;
		int room = of_x ? PLOT_W / 40 : h->panel[p].plot_h / 14;
		int step = (a->n + room - 1) / room;

		for (int i = 0; i < a->n; i += step) {
			label[n] = rate_text(text[n], a->value[i]);
			at[n] = a->at[i];
			panel[n++] = p + 1;
		}
	}
	if (!of_x && h->s->results->study->n_groups < 2)
		label[0] = "";
	fact_texts(f, of_x ? "X_TIC" : "Y_TIC", label, n);
	fact_numbers(f, of_x ? "X_TIC_AT" : "Y_TIC_AT", at, n);
	fact_numbers(f, of_x ? "X_TIC_PANEL" : "Y_TIC_PANEL", panel, n);
}

static void write_axis_label(FILE *f, const struct heatmap *h, bool of_x)
{
	const struct study *st = h->s->results->study;
	char text[ENGINE_NAME_MAX + 64] = "";
	bool even = false;

	for (int p = 0; p < h->n_panels; p++)
		even |= of_x ? h->panel[p].x.even : h->panel[p].y.even;
	if (of_x || st->n_groups > 1)
		snprintf(text, sizeof(text), "%s learning rate%s", st->group[!of_x].name,
			 even ? " (not to scale)" : "");
	fact_text(f, of_x ? "X_LABEL" : "Y_LABEL", text);
}

static void write_key(FILE *f, const struct heatmap *h)
{
	const char *sign[8];
	const char *text[8];
	int n = 0;

#define KEY(condition, a, b) \
	if (condition)       \
	sign[n] = a, text[n++] = b
	KEY(h->feasible, "feasible", h->shared ? "a cell here meets all constraints" : "mean meets all constraints");
	KEY(h->s->best >= 0, "best", h->s->none_meets ? "best (no cell meets the constraints)" : "best");
	KEY(h->s->baseline >= 0, "baseline", "baseline");
	KEY(h->has[KIND_DIVERGED], "diverged", "diverged");
	KEY(h->some_diverged, "dagger", "some repeats diverged");
	KEY(h->has[KIND_OPEN], "open", "not finished");
	KEY(h->has[KIND_ABSENT], "absent", "not in the grid");
#undef KEY
	fact_texts(f, "KEY_SIGN", sign, n);
	fact_texts(f, "KEY_TEXT", text, n);
}

/* "mean of 5 repeats and over momentum, batch_size" */
static void write_subtitle(FILE *f, const struct heatmap *h)
{
	const struct study *st = h->s->results->study;
	char repeats[64];
	char text[512];
	int n;

	repeats_text(repeats, h->s);
	n = snprintf(text, sizeof(text), "%s of %s, last epoch; %s", h->metric == METRIC_gap ? "points" : "percent",
		     h->metric == METRIC_gap ? "train − validation accuracy" : "the validation set", repeats);
	for (int i = 0, first = 1; h->shared && i < st->n_columns && n < 400; i++) {
		const struct column *c = &st->column[i];

		if ((!c->field && !c->is_weight_decay && c->group < 2) ||
		    (c->field && !strcmp(c->field->name, "optimizer")) || !column_varies(st, i))
			continue;
		n += snprintf(text + n, sizeof(text) - (size_t)n, "%s%s", first ? ", and over " : ", ", c->name);
		first = 0;
	}
	fact_text(f, "SUBTITLE", text);
}

static void write_panels(FILE *f, const struct heatmap *h)
{
	char word[MAX_PANELS][32];
	const char *name[MAX_PANELS];
	double edge[4][MAX_PANELS];
	static const char *const fact[] = {"X_LOW", "X_HIGH", "Y_LOW", "Y_HIGH"};
	double narrow = 1;
	int tallest = 0;

	for (int i = 0; i < h->n_panels; i++) {
		const struct panel *p = &h->panel[i];

		optimizer_word(word[i], p->optimizer);
		name[i] = word[i];
		edge[0][i] = p->x.low;
		edge[1][i] = p->x.high;
		edge[2][i] = p->y.low;
		edge[3][i] = p->y.high;
		narrow = fmin(narrow, axis_narrowest(&p->x));
		tallest = p->plot_h > tallest ? p->plot_h : tallest;
	}
	fact_number(f, "N_PANELS", h->n_panels);
	fact_texts(f, "PANEL", name, h->n_panels);
	for (int i = 0; i < 4; i++)
		fact_numbers(f, fact[i], edge[i], h->n_panels);
	fact_number(f, "PANEL_H", tallest);
	fact_number(f, "WIDTH", WIDTH);
	fact_number(f, "HEIGHT", 50 + h->n_panels * (tallest + 78) + 44);
	fact_number(f, "CELL_FONT", narrow * PLOT_W > 48 ? 9.5 : narrow * PLOT_W > 40 ? 8.5 : 7.5);
}

static bool build(struct heatmap *h)
{
	const struct study *st = h->s->results->study;

	find_panels(h);
	for (int i = 0; i < h->n_panels; i++)
		if (!place_panel(&h->panel[i], st))
			return false;
	for (int i = 0; i < st->n_cells; i++)
		add_cell(h, i);
	look_at_tiles(h);
	return true;
}

static const char *unfit(const struct heatmap *h)
{
	bool varied = false;

	for (int i = 0; i < h->n_panels; i++) {
		const struct panel *p = &h->panel[i];

		varied |= p->x.n > 1 || p->y.n > 1;
		if (p->x.n > MAX_TICS || p->y.n > MAX_TICS)
			return "more than 40 rates on an axis";
	}
	if (!varied)
		return "the learning rates are not varied";
	return h->has[KIND_VALUE] ? NULL : "no trial has completed";
}

bool heatmap_data(struct chart_out *out, const struct summary *s, const struct chart *c)
{
	struct heatmap h = {.s = s, .metric = c == &charts[CHART_gap_heatmap] ? METRIC_gap : METRIC_val_acc};
	const char *why = build(&h) ? unfit(&h) : "out of memory";

	if (why) {
		snprintf(out->note, sizeof(out->note), "%s", why);
	} else {
		choose_range(&h);
		write_tiles(out->csv, &h);
		fact_text(out->facts, "TITLE", c->title);
		write_subtitle(out->facts, &h);
		write_panels(out->facts, &h);
		write_axis_label(out->facts, &h, true);
		write_axis_label(out->facts, &h, false);
		write_tics(out->facts, &h, true);
		write_tics(out->facts, &h, false);
		write_key(out->facts, &h);
		palette_write(out->facts, h.palette);
		fact_number(out->facts, "CB_LOW", h.low);
		fact_number(out->facts, "CB_HIGH", h.high);
		fact_text(out->facts, "CB_LABEL",
			  h.metric == METRIC_gap ? "gap (percentage points)" : "validation accuracy (%)");
	}
	for (int i = 0; i < h.n_panels; i++) {
		axis_release(&h.panel[i].x);
		axis_release(&h.panel[i].y);
		free(h.panel[i].tile);
	}
	return !why;
}
