/* marks.c - see marks.h */
#include "sweep/report/marks.h"

#include <math.h>
#include <string.h>

enum { MAX_TICS = 100 };

double text_px(const char *text, double points)
{
	double em = 0;

	for (const char *c = text; *c; c++) {
		if ((*c & 0xc0) == 0x80) /* a later byte of a character */
			continue;
		em += *c == ' ' || *c == '.' ? 0.32 : *c & 0x80 ? 0.84 : 0.64;
	}
	return em * points * 96 / 72;
}

const char *optimizer_word(char out[32], int optimizer)
{
	const struct field *f = field_find(hyper_fields, n_hyper_fields, "optimizer");

	*out = 0;
	if (f)
		field_enum_word(f, optimizer, out, 32);
	return out;
}

bool optimizer_used(const struct study *st, int optimizer)
{
	for (int i = 0; i < st->n_cells; i++)
		if (st->cell[i].setting.hyper.optimizer == optimizer)
			return true;
	return false;
}

void marks_write(FILE *f, const struct study *st)
{
	static const char *const colour[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
					     "#e69f00", "#56b4e9", "#202020", "#999999"};
	static const double hollow[] = {6, 8, 4, 10, 12, 14, 6, 8};
	char word[MAX_MARKS][32];
	const char *name[MAX_MARKS];
	const char *mark[MAX_MARKS];
	double pt[2][MAX_MARKS];
	int n = 0;

	for (int k = 0; k < 64 && n < MAX_MARKS; k++) {
		if (!optimizer_used(st, k))
			continue;
		name[n] = optimizer_word(word[n], k);
		mark[n] = colour[n];
		pt[0][n] = hollow[n];
		pt[1][n] = hollow[n] + 1;
		n++;
	}
	fact_texts(f, "OPTIMIZERS", name, n);
	fact_texts(f, "MARK", mark, n);
	fact_numbers(f, "HOLLOW", pt[0], n);
	fact_numbers(f, "SOLID", pt[1], n);
}

/* Marks where the word above (up = 1) or below (-1) mark m would stand. */
static int in_the_way(const struct point *p, int n, const struct window *w, const struct point *m, int up)
{
	double y = m->y + up * 0.05 * (w->y1 - w->y0);
	int count = 0;

	for (int i = 0; i < n; i++)
		count += fabs(p[i].x - m->x) < 0.07 * (w->x1 - w->x0) && fabs(p[i].y - y) < 0.03 * (w->y1 - w->y0);
	return count;
}

void notes_write(FILE *f, const struct summary *s, const struct point *p, int n, const struct window *w)
{
	const char *word[2];
	double x[2];
	double y[2];
	double up[2];
	int k = 0;

	for (int i = 0; i < n && k < 2; i++) {
		bool best = p[i].cell == s->best;

		if (!best && p[i].cell != s->baseline)
			continue;
		word[k] = best ? "best" : "baseline";
		x[k] = p[i].x;
		y[k] = p[i].y;
		up[k] = in_the_way(p, n, w, &p[i], 1) > in_the_way(p, n, w, &p[i], -1) ? -1.1 : 1.1;
		if (k && fabs(x[0] - x[1]) < 0.15 * (w->x1 - w->x0) && fabs(y[0] - y[1]) < 0.12 * (w->y1 - w->y0)) {
			up[0] = y[0] > y[1] ? 1.1 : -1.1; /* side by side: away from each other */
			up[1] = -up[0];
		}
		k++;
	}
	fact_texts(f, "NOTE", word, k);
	fact_numbers(f, "NOTE_X", x, k);
	fact_numbers(f, "NOTE_Y", y, k);
	fact_numbers(f, "NOTE_UP", up, k);
}

/* Whether the words of rates i < k keep clear of each other. */
static bool clear_of(const struct axis *a, int i, int k, int pixels, bool of_x)
{
	double apart = (a->at[k] - a->at[i]) * pixels / (a->high - a->low);
	char text[NUM_MAX];
	double width = text_px(rate_text(text, a->value[i]), TIC_POINTS);

	width += text_px(rate_text(text, a->value[k]), TIC_POINTS);
	return apart >= (of_x ? width / 2 + 7 : 14);
}

static int every(bool *shown, const struct axis *a, int step)
{
	int n = 0;

	for (int i = 0; i < a->n; i++)
		n += shown[i] = i % step == 0;
	return n;
}

/* Powers of ten (and 0), if there are three that fit; else 0. */
static int decades(bool *shown, const struct axis *a, int pixels, bool of_x)
{
	int last = -1;
	int n = 0;

	for (int i = 0; i < a->n; i++) {
		double e = a->value[i] > 0 ? log10(a->value[i]) : 0;

		shown[i] = fabs(e - round(e)) < 1e-9;
		if (!shown[i])
			continue;
		if (last >= 0 && !clear_of(a, last, i, pixels, of_x))
			return 0;
		last = i;
		n++;
	}
	return n < 3 ? 0 : n;
}

/* From the left whatever fits: what uneven rates need. */
static int greedy(bool *shown, const struct axis *a, int pixels, bool of_x)
{
	int last = -1;
	int n = 0;

	for (int i = 0; i < a->n; i++) {
		shown[i] = last < 0 || clear_of(a, last, i, pixels, of_x);
		last = shown[i] ? i : last;
		n += shown[i];
	}
	return n;
}

static bool step_fits(const struct axis *a, int step, int pixels, bool of_x)
{
	for (int i = step; i < a->n; i += step)
		if (!clear_of(a, i - step, i, pixels, of_x))
			return false;
	return true;
}

int rates_shown(bool *shown, const struct axis *a, int pixels, bool of_x)
{
	int step = 1;

	if (3 * greedy(shown, a, pixels, of_x) >= 2 * a->n)
		return greedy(shown, a, pixels, of_x);
	if (decades(shown, a, pixels, of_x))
		return decades(shown, a, pixels, of_x);
	while (step < a->n && !step_fits(a, step, pixels, of_x))
		step++;
	return every(shown, a, step);
}

void rate_tics_of(FILE *f, const struct axis *a, int n_axes, int pixels)
{
	char text[MAX_TICS][NUM_MAX];
	const char *label[MAX_TICS];
	double at[MAX_TICS];
	double panel[MAX_TICS];
	int n = 0;

	for (int p = 0; p < n_axes; p++) {
		bool shown[RATES_MAX];

		if (a[p].n > RATES_MAX)
			continue;
		rates_shown(shown, &a[p], pixels, true);
		for (int i = 0; i < a[p].n && n < MAX_TICS; i++) {
			if (!shown[i])
				continue;
			label[n] = rate_text(text[n], a[p].value[i]);
			panel[n] = p + 1;
			at[n++] = a[p].at[i];
		}
	}
	fact_texts(f, "TIC", label, n);
	fact_numbers(f, "TIC_AT", at, n);
	fact_numbers(f, "TIC_PANEL", panel, n);
}
