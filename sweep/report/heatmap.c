/* heatmap.c - data of the two heat maps, see chart.h: a panel an optimizer, a rectangle a pair of rates. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sweep/base/csv.h"
#include "sweep/report/marks.h"
#include "sweep/report/palette.h"

enum { MAX_PANELS = 8, MAX_TICS = 40, WIDTH = 600, PLOT_W = 420, ROW_H = 52, CELL_MIN_W = 38, CELL_MIN_H = 18 };
#define SPREAD_POINTS 7.0
enum kind { KIND_ABSENT, KIND_OPEN, KIND_FAILED, KIND_PRUNED, KIND_DIVERGED, KIND_VALUE, N_KINDS };
/* What stands in a rectangle without a figure, and in the legend. */
static const struct {
	const char *word, *sign, *meaning;
} kinds[N_KINDS] = {
	[KIND_ABSENT] = {"absent", " ", "not in the grid"}, [KIND_OPEN] = {"open", "…", "not finished"},
	[KIND_FAILED] = {"failed", "×", "failed"},          [KIND_PRUNED] = {"pruned", "–", "stopped early"},
	[KIND_DIVERGED] = {"diverged", " ", "diverged"},    [KIND_VALUE] = {"value", " ", ""},
};

/* What is drawn at one pair of rates: the mean over the cells that share it. */
struct tile {
	int n_cells, n_values;
	bool feasible, best, baseline, diverged, pruned, failed, open;
	int diverged_from, diverged_to; /* epochs */
	double sum;
	const struct estimate *value; /* the last one's; the only one's, if there is one */
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
	bool has[N_KINDS];
	bool some_diverged, feasible, repeated;
	double points; /* size of the figures in the rectangles; 0: they do not fit, only marks are set */
	bool spread;   /* room for the standard deviation below the figure */
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

static void add_divergence(struct tile *t, const struct cell_summary *c)
{
	if (!t->diverged || c->diverged_from < t->diverged_from)
		t->diverged_from = c->diverged_from;
	if (c->diverged_to > t->diverged_to)
		t->diverged_to = c->diverged_to;
	t->diverged = true;
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
	if (c->n_diverged)
		add_divergence(t, c);
	t->pruned |= c->n_pruned > 0;
	t->failed |= c->n_failed > 0;
	t->open |= c->n_open > 0;
	t->feasible |= st->n_constraints && c->feasible;
	t->best |= cell == h->s->best;
	t->baseline |= cell == h->s->baseline;
	if (c->n && !isnan(c->metric[h->metric].mean)) {
		t->value = &c->metric[h->metric];
		t->sum += 100 * t->value->mean;
		t->n_values++;
	}
}

static enum kind kind_of(const struct tile *t)
{
	if (t->n_values)
		return KIND_VALUE;
	if (t->n_cells == 0)
		return KIND_ABSENT;
	if (t->open)
		return KIND_OPEN;
	return t->diverged ? KIND_DIVERGED : t->pruned ? KIND_PRUNED : t->failed ? KIND_FAILED : KIND_OPEN;
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
			h->some_diverged |= kind == KIND_VALUE && t->diverged;
			if (kind != KIND_VALUE)
				continue;
			h->repeated |= t->value->n > 1;
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

/* In which epochs the repeats diverged: "e3", "e3–7". */
static void epochs_text(char out[48], const struct tile *t, const char *mark)
{
	int n = snprintf(out, 48, "%s%se%d", mark, *mark ? " " : "", t->diverged_from);

	if (t->diverged_to > t->diverged_from)
		snprintf(out + n, 48 - (size_t)n, "–%d", t->diverged_to);
}

/* points: the size of the figures; 0: none, only marks. */
static const char *tile_text(char out[48], const struct tile *t, double points)
{
	double value = t->n_values ? value_of(t) : NAN;
	const char *mark = t->best ? "★" : t->baseline ? "▲" : "";

	if (kind_of(t) == KIND_DIVERGED && points > 0)
		epochs_text(out, t, mark);
	else if (!t->n_values)
		snprintf(out, 48, "%s%s", mark, kinds[kind_of(t)].sign);
	else if (points > 0)
		snprintf(out, 48, "%s%s%.1f%s", mark, *mark && points > 8 ? " " : "", value, t->diverged ? "†" : "");
	else
		snprintf(out, 48, "%s%s%s", mark, value < 0 && !*mark ? "−" : "", t->diverged ? "†" : "");
	return *out ? out : strcpy(out, " ");
}

static const char *spread_text(char out[48], const struct tile *t)
{
	snprintf(out, 48, "±%.1f", t->value && t->value->n > 1 ? 100 * t->value->sd : 0);
	return out;
}

/* Pixels across tile i within its frame. */
static double tile_room(const struct panel *p, int i)
{
	const struct axis *x = &p->x;

	return (x->hi[i % x->n] - x->lo[i % x->n]) / (x->high - x->low) * PLOT_W - 10;
}

/* Whether every tile's figure, at that size, and what stands below it keep clear of its frame. */
static bool text_fits(const struct heatmap *h, double points, bool spread)
{
	for (int p = 0; p < h->n_panels; p++)
		for (int i = 0; i < h->panel[p].x.n * h->panel[p].y.n; i++) {
			const struct axis *y = &h->panel[p].y;
			const int row = i / h->panel[p].x.n;
			const struct tile *t = &h->panel[p].tile[i];
			double wide = tile_room(&h->panel[p], i);
			double high = (y->hi[row] - y->lo[row]) / (y->high - y->low) * h->panel[p].plot_h;
			char text[48];

			if (!t->n_values)
				continue;
			if (high < (spread ? 38 : points * 1.5) || text_px(tile_text(text, t, points), points) > wide)
				return false;
			if (spread && text_px(spread_text(text, t), SPREAD_POINTS) > wide)
				return false;
		}
	return true;
}

static void choose_text(struct heatmap *h)
{
	static const double size[] = {9.5, 8.5, 7.5, 7};

	for (int i = 0; i < 4 && !h->points; i++)
		if (text_fits(h, size[i], false))
			h->points = size[i];
	h->spread = h->points && !h->shared && h->repeated && text_fits(h, h->points, true);
}

static void tile_row(struct csv_row *row, const struct heatmap *h, int panel, int xi, int yi)
{
	const struct panel *p = &h->panel[panel];
	const struct tile *t = &p->tile[yi * p->x.n + xi];
	enum kind kind = kind_of(t);
	double value = kind == KIND_VALUE ? value_of(t) : NAN;
	unsigned ink = kind == KIND_VALUE ? palette_ink(palette_rgb(h->palette, (value - h->low) / (h->high - h->low)))
					  : 0x202020;
	const double place[] = {p->x.value[xi], p->y.value[yi], p->x.at[xi], p->y.at[yi],
				p->x.lo[xi],    p->x.hi[xi],    p->y.lo[yi], p->y.hi[yi]};
	const char *shown;
	char text[48];
	char below[48];
	char name[32];

	shown = tile_text(text, t, h->points);
	if (kind == KIND_DIVERGED && text_px(shown, h->points) > tile_room(p, yi * p->x.n + xi))
		shown = tile_text(text, t, 0); /* no room for the epochs */
	optimizer_word(name, p->optimizer);
	csv_int(row, panel + 1);
	csv_text(row, name);
	for (int i = 0; i < 8; i++)
		csv_num(row, place[i]);
	csv_text(row, kinds[kind].word);
	csv_maybe(row, value);
	csv_maybe(row, kind == KIND_VALUE && !h->shared && t->value->n > 1 ? 100 * t->value->sd : NAN);
	csv_text(row, shown);
	csv_text(row, h->spread && t->value && t->value->n > 1 ? spread_text(below, t) : " ");
	csv_int(row, ink);
	csv_int(row, t->feasible);
	csv_int(row, t->best);
	csv_int(row, t->baseline);
	csv_end(row);
}

static void write_tiles(FILE *csv, const struct heatmap *h)
{
	struct csv_row row = {.out = csv};

	fputs("panel,optimizer,x_rate,y_rate,x,y,x0,x1,y0,y1,kind,value,sd,text,below,text_rgb,feasible,best,"
	      "baseline\n",
	      csv);
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
		bool shown[MAX_TICS];

		rates_shown(shown, a, of_x ? PLOT_W : h->panel[p].plot_h, of_x);
		for (int i = 0; i < a->n; i++) {
			if (!shown[i])
				continue;
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

/* Rows that the legend's entries take, by the template's rule. */
static int rows_of(const char *const *text, int n)
{
	double x = 20;
	int rows = 1;

	for (int i = 0; i < n; i++) {
		double w = 34 + 6.4 * (double)strlen(text[i]);

		if (x > 20 && x + w > WIDTH) {
			x = 20;
			rows++;
		}
		x += w;
	}
	return rows;
}

/* What occurs and how it is drawn; returns the rows it takes. */
static int write_key(FILE *f, const struct heatmap *h)
{
	const char *sign[16];
	const char *text[16];
	const char *mark[16];
	int n = 0;

#define KEY(condition, a, b, c) \
	if (condition)          \
	sign[n] = a, mark[n] = b, text[n++] = c
	KEY(h->feasible, "feasible", " ",
	    h->shared ? "a cell here meets all constraints" : "mean meets all constraints");
	KEY(h->s->best >= 0, "mark", "★", h->s->none_meets ? "best (no cell meets the constraints)" : "best");
	KEY(h->s->baseline >= 0, "mark", "▲", "baseline");
	KEY(h->has[KIND_DIVERGED] && h->points, "mark", "e", "diverged in epoch");
	KEY(h->some_diverged, "mark", "†", "some repeats diverged");
	KEY(!h->points && h->low < 0 && h->metric == METRIC_gap, "mark", "−", "below 0");
	for (int k = 0; k < KIND_VALUE; k++)
		KEY(h->has[k], kinds[k].word, kinds[k].sign, kinds[k].meaning);
#undef KEY
	fact_texts(f, "KEY_SIGN", sign, n);
	fact_texts(f, "KEY_MARK", mark, n);
	fact_texts(f, "KEY_TEXT", text, n);
	return rows_of(text, n);
}

/* "mean of 5 repeats and over momentum, batch_size" */
static void write_subtitle(FILE *f, const struct heatmap *h)
{
	const struct study *st = h->s->results->study;
	char repeats[64];
	char text[512];
	int n;

	repeats_text(repeats, h->s);
	n = snprintf(text, sizeof(text), "%s, last epoch; %s%s",
		     h->metric == METRIC_gap ? "clean gap: train − validation, eval mode" : "percent, eval mode",
		     repeats, h->spread ? ", ± standard deviation" : "");
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

static void write_panels(FILE *f, const struct heatmap *h, int legend_rows)
{
	char word[MAX_PANELS][32];
	const char *name[MAX_PANELS];
	double edge[4][MAX_PANELS];
	static const char *const fact[] = {"X_LOW", "X_HIGH", "Y_LOW", "Y_HIGH"};
	double narrow = PLOT_W;
	int tallest = 0;

	for (int i = 0; i < h->n_panels; i++) {
		const struct panel *p = &h->panel[i];

		optimizer_word(word[i], p->optimizer);
		name[i] = word[i];
		edge[0][i] = p->x.low;
		edge[1][i] = p->x.high;
		edge[2][i] = p->y.low;
		edge[3][i] = p->y.high;
		narrow = fmin(narrow, fmin(axis_narrowest(&p->x) * PLOT_W, axis_narrowest(&p->y) * p->plot_h));
		tallest = p->plot_h > tallest ? p->plot_h : tallest;
	}
	fact_number(f, "N_PANELS", h->n_panels);
	fact_texts(f, "PANEL", name, h->n_panels);
	for (int i = 0; i < 4; i++)
		fact_numbers(f, fact[i], edge[i], h->n_panels);
	fact_number(f, "PANEL_H", tallest);
	fact_number(f, "WIDTH", WIDTH);
	fact_number(f, "FRAME", narrow < 16 ? 1 : 2);
	fact_number(f, "HEIGHT", 50 + h->n_panels * (tallest + 78) + 24 + 20 * legend_rows);
	fact_number(f, "CELL_FONT", h->points ? h->points : 7.5);
	fact_number(f, "BELOW_FONT", SPREAD_POINTS);
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
		choose_text(&h);
		write_tiles(out->csv, &h);
		fact_text(out->facts, "TITLE", c->title);
		write_subtitle(out->facts, &h);
		write_panels(out->facts, &h, write_key(out->facts, &h));
		write_axis_label(out->facts, &h, true);
		write_axis_label(out->facts, &h, false);
		write_tics(out->facts, &h, true);
		write_tics(out->facts, &h, false);
		palette_write(out->facts, h.palette);
		fact_number(out->facts, "CB_LOW", h.low);
		fact_number(out->facts, "CB_HIGH", h.high);
		fact_text(out->facts, "CB_LABEL",
			  h.metric == METRIC_gap ? "clean gap (percentage points)" : "validation accuracy (%)");
	}
	for (int i = 0; i < h.n_panels; i++) {
		axis_release(&h.panel[i].x);
		axis_release(&h.panel[i].y);
		free(h.panel[i].tile);
	}
	return !why;
}
