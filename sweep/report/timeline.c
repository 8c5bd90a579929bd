/* timeline.c - data of the workers' time line, see chart.h: a row a worker, a bar a trial. Never the same twice. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sweep/base/csv.h"
#include "sweep/report/chart.h"

enum { WIDTH = 600, PLOT_W = 440, MAX_ROWS = 64, ROW_H = 26 };

struct bar {
	const struct trial_end *end;
	int trial, row, shade;
	double from, to; /* seconds since 1970 */
};

/* Seconds since 1970 of an ISO 8601 stamp in UTC, or NAN. */
static double stamp(const char *text)
{
	struct tm tm = {0};
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);

	return rest && !*rest ? (double)timegm(&tm) : NAN;
}

static int by_worker(const void *a, const void *b)
{
	const struct bar *x = a;
	const struct bar *y = b;
	int hosts = strcmp(x->end->host, y->end->host);

	if (hosts)
		return hosts;
	if (x->end->worker != y->end->worker)
		return x->end->worker < y->end->worker ? -1 : 1;
	return (x->from > y->from) - (x->from < y->from);
}

static int collect(struct bar *bar, const struct results *r)
{
	int n = 0;

	for (int i = 0; i < r->n_trials; i++) {
		const struct trial_end *end = &r->trial[i].end;
		double to = stamp(end->ended);

		if (isnan(to) || !(end->wall_s >= 0))
			continue;
		bar[n++] = (struct bar){.end = end, .trial = i, .from = to - end->wall_s, .to = to};
	}
	qsort(bar, (size_t)n, sizeof(*bar), by_worker);
	return n;
}

static int number_rows(struct bar *bar, int n)
{
	int row = 0;

	for (int i = 0; i < n; i++) {
		bool same = i && !strcmp(bar[i].end->host, bar[i - 1].end->host) &&
			    bar[i].end->worker == bar[i - 1].end->worker;

		row += !same;
		bar[i].row = row;
		bar[i].shade = same ? !bar[i - 1].shade : 0;
	}
	return row;
}

static const char *kind(const struct bar *b)
{
	return b->end->state == STATE_COMPLETE ? (b->shade ? "odd" : "even")
	       : b->end->state == STATE_FAIL   ? "failed"
					       : "other";
}

/* Bars less than a pixel apart, and of the same kind but for the shade, become one: a picture has no more to show. */
static void write_bars(FILE *csv, const struct bar *bar, int n, double start, double unit, double pixel)
{
	struct csv_row row = {.out = csv};

	fputs("row,trial,kind,from,to\n", csv);
	for (int i = 0; i < n; i++) {
		double from = bar[i].from;
		int first = i;

		while (i + 1 < n && bar[i + 1].row == bar[i].row && bar[i + 1].to - from < pixel &&
		       bar[i + 1].end->state == bar[i].end->state)
			i++;
		csv_int(&row, bar[i].row);
		csv_int(&row, bar[first].trial);
		csv_text(&row, kind(&bar[first]));
		csv_num(&row, (from - start) / unit);
		csv_num(&row, (bar[i].to - start) / unit);
		csv_end(&row);
	}
}

static void write_names(FILE *f, const struct bar *bar, int n)
{
	char text[MAX_ROWS][96];
	const char *label[MAX_ROWS];
	int rows = 0;

	for (int i = 0; i < n; i++)
		if (bar[i].row > rows) {
			snprintf(text[rows], sizeof(text[rows]), "%.16s %d", bar[i].end->host, bar[i].end->worker);
			label[rows] = text[rows];
			rows++;
		}
	fact_texts(f, "LABELS", label, rows);
}

static void write_key(FILE *f, const struct bar *bar, int n)
{
	bool failed = false;
	bool other = false;
	const char *word[3] = {"complete"};
	const char *sign[3] = {"even"};
	int k = 1;

	for (int i = 0; i < n; i++) {
		failed |= !strcmp(kind(&bar[i]), "failed");
		other |= !strcmp(kind(&bar[i]), "other");
	}
	if (other) {
		word[k] = "diverged or pruned";
		sign[k++] = "other";
	}
	if (failed) {
		word[k] = "failed";
		sign[k++] = "failed";
	}
	fact_texts(f, "KEY_TEXT", word, k);
	fact_texts(f, "KEY_SIGN", sign, k);
}

/* Time that the workers had something to do: trials that share frozen layers run in step, and count once. bar[] is in
 * order of row and start. */
static double busy_time(const struct bar *bar, int n)
{
	double covered = -INFINITY;
	double busy = 0;

	for (int i = 0; i < n; i++) {
		if (!i || bar[i].row != bar[i - 1].row)
			covered = -INFINITY;
		busy += fmax(0, bar[i].to - fmax(bar[i].from, covered));
		covered = fmax(covered, bar[i].to);
	}
	return busy;
}

static void write_facts(FILE *f, const struct bar *bar, int n, int rows, double length, const char *unit)
{
	double busy = busy_time(bar, n);
	double first = INFINITY;
	double last = -INFINITY;
	char text[200];
	char label[64];

	for (int i = 0; i < n; i++) {
		first = fmin(first, bar[i].from);
		last = fmax(last, bar[i].to);
	}
	snprintf(text, sizeof(text), "a bar a trial (what ran in step lies together); workers busy %.0f %% of the time",
		 fmin(100, 100 * busy / (rows * fmax(last - first, 1e-9))));
	snprintf(label, sizeof(label), "time since the first trial (%s)", unit);
	fact_text(f, "TITLE", charts[CHART_timeline].title);
	fact_text(f, "SUBTITLE", text);
	fact_text(f, "X_LABEL", label);
	fact_number(f, "X_HIGH", length > 0 ? length * 1.01 : 1);
	fact_number(f, "N_ROWS", rows);
	fact_number(f, "ROW_H", ROW_H);
	fact_number(f, "WIDTH", WIDTH);
	fact_number(f, "HEIGHT", 52 + rows * ROW_H + 74);
	write_names(f, bar, n);
	write_key(f, bar, n);
}

bool timeline_data(struct chart_out *out, const struct summary *s, const struct chart *c)
{
	const struct results *r = s->results;
	struct bar *bar = calloc((size_t)r->n_trials + 1, sizeof(*bar));
	int n = bar ? collect(bar, r) : 0;
	int rows = number_rows(bar, n);
	double start = INFINITY;
	double end = -INFINITY;
	double unit = 1;

	(void)c;
	if (!n || rows > MAX_ROWS) {
		snprintf(out->note, sizeof(out->note), "%s",
			 !bar ? "out of memory"
			 : n  ? "more than 64 workers"
			      : "no trial has ended with its times");
		free(bar);
		return false;
	}
	for (int i = 0; i < n; i++) {
		start = fmin(start, bar[i].from);
		end = fmax(end, bar[i].to);
	}
	unit = end - start > 7200 ? 3600 : end - start > 180 ? 60 : 1;
	write_bars(out->csv, bar, n, start, unit, (end - start) / PLOT_W);
	write_facts(out->facts, bar, n, rows, (end - start) / unit, unit == 3600 ? "h" : unit == 60 ? "min" : "s");
	free(bar);
	return true;
}
