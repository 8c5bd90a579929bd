/* scatter.c - data of train against validation accuracy, see chart.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sweep/base/csv.h"
#include "sweep/report/marks.h"

enum { MAX_BOXES = 400 };

/* All cells with figures, in percent, to p as well; returns how many, and the window that they need. */
static int write_cells(FILE *csv, const struct summary *s, struct point *p, struct window *w)
{
	const struct study *st = s->results->study;
	struct csv_row row = {.out = csv};
	int n = 0;

	fputs("cell,label,optimizer,train_acc,val_acc,feasible,mark\n", csv);
	for (int i = 0; i < st->n_cells; i++) {
		const struct cell_summary *c = &s->cell[i];
		double x = 100 * c->metric[METRIC_train_eval_acc].mean;
		double y = 100 * c->metric[METRIC_val_acc].mean;
		char label[CELL_LABEL_MAX];
		char word[32];

		if (!c->n || isnan(x) || isnan(y))
			continue;
		p[n++] = (struct point){i, x, y};
		*w = (struct window){fmin(w->x0, x), fmax(w->x1, x), fmin(w->y0, y), fmax(w->y1, y)};
		csv_int(&row, i);
		csv_text(&row, cell_label(label, st, i));
		csv_text(&row, optimizer_word(word, st->cell[i].setting.hyper.optimizer));
		csv_num(&row, x);
		csv_num(&row, y);
		csv_int(&row, st->n_constraints && c->feasible);
		csv_int(&row, i == s->best || i == s->baseline);
		csv_end(&row);
	}
	return n;
}

/* The constraints as seen in this plane: those on other figures (losses) are left out and counted. */
struct probe {
	double train, val;
	bool other;
};

static double probe_value(void *ctx, int slot)
{
	struct probe *p = ctx;

	if (slot == METRIC_train_eval_acc)
		return p->train;
	if (slot == METRIC_val_acc)
		return p->val;
	if (slot == METRIC_gap)
		return p->train - p->val;
	p->other = true;
	return NAN;
}

static bool in_plane(const struct constraint *c)
{
	struct probe p = {0.5, 0.5, false};

	expr_eval(c->expr, probe_value, &p);
	return !p.other;
}

static bool allowed(const struct study *st, double train, double val)
{
	struct probe p = {train, val, false};

	for (int i = 0; i < st->n_constraints; i++)
		if (in_plane(&st->constraint[i]) && !expr_true(st->constraint[i].expr, probe_value, &p))
			return false;
	return true;
}

struct boxes {
	int n;
	double x0[MAX_BOXES], x1[MAX_BOXES], y0[MAX_BOXES], y1[MAX_BOXES];
};

/* A strip that continues one below it makes that taller; limits given in tenths of a percent come out exactly. */
static void add_strip(struct boxes *b, double x0, double x1, double y0, double y1)
{
	for (int i = 0; i < b->n; i++) {
		if (b->x0[i] == x0 && b->x1[i] == x1 && fabs(b->y1[i] - y0) < 1e-9) {
			b->y1[i] = y1;
			return;
		}
	}
	if (b->n < MAX_BOXES) {
		b->x0[b->n] = x0;
		b->x1[b->n] = x1;
		b->y0[b->n] = y0;
		b->y1[b->n++] = y1;
	}
}

/* The allowed region as rectangles, by trying the middle of every tenth of a percent. */
static void find_region(struct boxes *b, const struct study *st, const struct window *w)
{
	for (int y = (int)lround(10 * w->y0); y < lround(10 * w->y1); y++) {
		int from = -1;

		for (int x = (int)lround(10 * w->x0); x <= lround(10 * w->x1); x++) {
			bool in = x < lround(10 * w->x1) && allowed(st, (x + 0.5) / 1000, (y + 0.5) / 1000);

			if (in && from < 0)
				from = x;
			if (!in && from >= 0) {
				add_strip(b, from / 10.0, x / 10.0, y / 10.0, (y + 1) / 10.0);
				from = -1;
			}
		}
	}
}

/* The region's rectangles, and the constraints it shows as text ("" if none). */
static void write_region(FILE *f, const struct study *st, const struct window *w)
{
	struct boxes b = {0};
	char text[400] = "";
	size_t n = 0;

	for (int i = 0; i < st->n_constraints && n < sizeof(text); i++)
		if (in_plane(&st->constraint[i]))
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", n ? ", " : "",
					      st->constraint[i].text);
	if (n)
		find_region(&b, st, w);
	fact_text(f, "CONSTRAINTS", text);
	fact_numbers(f, "REGION_X0", b.x0, b.n);
	fact_numbers(f, "REGION_X1", b.x1, b.n);
	fact_numbers(f, "REGION_Y0", b.y0, b.n);
	fact_numbers(f, "REGION_Y1", b.y1, b.n);
}

/* Lines of equal gap from edge to edge of the window. */
static void write_iso_gaps(FILE *f, const struct window *w)
{
	static const double step[] = {1, 2, 5, 10, 20};
	double most = w->x1 - w->y0;
	double end[4][16];
	char text[16][32];
	const char *label[16];
	double by = 20;
	int n = 0;

	for (int i = 4; i >= 0; i--)
		if (most / step[i] <= 7)
			by = step[i];
	for (double g = 0; g < most && n < 16; g += by) {
		end[0][n] = fmax(w->x0, w->y0 + g);
		end[1][n] = end[0][n] - g;
		end[2][n] = fmin(w->x1, w->y1 + g);
		end[3][n] = end[2][n] - g;
		if (end[2][n] - end[0][n] < 0.05 * (w->x1 - w->x0))
			continue;
		snprintf(text[n], sizeof(text[n]), "gap %g", g);
		label[n] = text[n];
		n++;
	}
	fact_numbers(f, "ISO_X0", end[0], n);
	fact_numbers(f, "ISO_Y0", end[1], n);
	fact_numbers(f, "ISO_X1", end[2], n);
	fact_numbers(f, "ISO_Y1", end[3], n);
	fact_texts(f, "ISO_TEXT", label, n);
}

static void widen(struct window *w)
{
	double dx = fmax(0.06 * (w->x1 - w->x0), 1);
	double dy = fmax(0.06 * (w->y1 - w->y0), 1);

	w->x0 = floor(w->x0 - dx);
	w->y0 = floor(w->y0 - dy);
	w->x1 = fmin(ceil(w->x1 + dx), 101);
	w->y1 = fmin(ceil(w->y1 + dy), 101);
}

static void write_facts(FILE *f, const struct summary *s, const struct chart *c, const struct point *p, int n,
			const struct window *w)
{
	char repeats[64];
	char text[256];

	repeats_text(repeats, s);
	snprintf(text, sizeof(text), "a mark a cell; %s, last epoch", repeats);
	fact_text(f, "TITLE", c->title);
	fact_text(f, "SUBTITLE", text);
	fact_number(f, "WIDTH", 600);
	fact_number(f, "HEIGHT", 530);
	fact_number(f, "X_LOW", w->x0);
	fact_number(f, "X_HIGH", w->x1);
	fact_number(f, "Y_LOW", w->y0);
	fact_number(f, "Y_HIGH", w->y1);
	write_region(f, s->results->study, w);
	write_iso_gaps(f, w);
	notes_write(f, s, p, n, w);
	marks_write(f, s->results->study);
}

bool scatter_data(struct chart_out *out, const struct summary *s, const struct chart *c)
{
	struct point *p = calloc((size_t)s->results->study->n_cells + 1, sizeof(*p));
	struct window w = {INFINITY, -INFINITY, INFINITY, -INFINITY};
	int n = p ? write_cells(out->csv, s, p, &w) : 0;

	if (n) {
		widen(&w);
		write_facts(out->facts, s, c, p, n, &w);
	} else {
		snprintf(out->note, sizeof(out->note), "%s", p ? "no trial has completed" : "out of memory");
	}
	free(p);
	return n > 0;
}
