/* ratio.c - data of the update/weight ratios by epoch, see chart.h: baseline above, best below, a line a group. */
#include <math.h>
#include <string.h>

#include "sweep/base/csv.h"
#include "sweep/report/chart.h"

enum { WIDTH = 600, MAX_LINES = 8 };

/* Mean over the complete repeats; NAN beyond the last epoch. */
static double ratio_at(const struct results *r, int cell, int group, int epoch)
{
	double sum = 0;
	int n = 0;

	for (int i = 0; i < r->study->n_seeds; i++) {
		int trial = cell * r->study->n_seeds + i;
		struct epoch_row row;

		if (!result_complete(&r->trial[trial]) || epoch >= r->trial[trial].n_rows)
			continue;
		results_row(r, trial, epoch, &row);
		sum += row.group[group].update_ratio;
		n++;
	}
	return n ? sum / n : NAN;
}

struct ratio {
	const struct summary *s;
	int n_lines; /* groups shown */
	int epochs;
	double low, high;
	bool moved[2][MAX_LINES];
};

static void write_panel(struct csv_row *row, struct ratio *a, int panel, int cell)
{
	const struct study *st = a->s->results->study;

	for (int g = 0; g < a->n_lines; g++)
		for (int epoch = 0;; epoch++) {
			double v = ratio_at(a->s->results, cell, g, epoch);

			if (isnan(v))
				break;
			a->epochs = epoch + 1 > a->epochs ? epoch + 1 : a->epochs;
			if (v > 0 && isfinite(v)) { /* a frozen group has 0, which no logarithmic axis shows */
				a->low = fmin(a->low, v);
				a->high = fmax(a->high, v);
				a->moved[panel][g] = true;
			}
			csv_int(row, panel + 1);
			csv_text(row, st->group[g].name);
			csv_int(row, g + 1);
			csv_int(row, epoch + 1);
			csv_num(row, v);
			csv_end(row);
		}
}

static void write_labels(FILE *f, const struct ratio *a, const int *cell, int n_panels)
{
	const struct study *st = a->s->results->study;
	char title[2][CELL_LABEL_MAX + 16];
	char text[2 * MAX_LINES][ENGINE_NAME_MAX + 32];
	const char *label[2 * MAX_LINES];
	int n = 0;

	for (int p = 0; p < n_panels; p++) {
		char name[CELL_LABEL_MAX];

		snprintf(title[p], sizeof(title[p]), "%s: %s", cell[p] == a->s->best ? "best" : "baseline",
			 cell_label(name, st, cell[p]));
		for (int g = 0; g < a->n_lines; g++) {
			snprintf(text[n], sizeof(text[n]), "%s%s", st->group[g].name,
				 a->moved[p][g] ? "" : " (frozen)");
			label[n] = text[n];
			n++;
		}
	}
	fact_texts(f, "PANEL", (const char *[]){title[0], title[1]}, n_panels);
	fact_texts(f, "LABELS", label, n);
}

bool ratio_data(struct chart_out *out, const struct summary *s, const struct chart *c)
{
	const struct study *st = s->results->study;
	struct ratio a = {.s = s, .low = INFINITY, .high = -INFINITY};
	struct csv_row row = {.out = out->csv};
	int cell[2] = {s->baseline, s->best};
	int n = 2;
	char text[160];

	if (s->baseline < 0 || s->baseline == s->best || !s->cell[s->baseline].n) {
		cell[0] = s->best;
		n = 1;
	}
	a.n_lines = st->n_groups < MAX_LINES ? st->n_groups : MAX_LINES;
	fputs("panel,group,line,epoch,update_ratio\n", out->csv);
	for (int p = 0; p < n && s->best >= 0; p++)
		write_panel(&row, &a, p, cell[p]);
	if (!isfinite(a.low)) {
		snprintf(out->note, sizeof(out->note), "%s",
			 s->best < 0 ? "no trial has completed" : "no weights were moved");
		return false;
	}
	snprintf(text, sizeof(text), "|step| / |weights|, mean over an epoch's steps and the repeats%s",
		 a.n_lines < st->n_groups ? "; the first 8 groups" : "");
	fact_text(out->facts, "TITLE", c->title);
	fact_text(out->facts, "SUBTITLE", text);
	write_labels(out->facts, &a, cell, n);
	fact_number(out->facts, "N_PANELS", n);
	fact_number(out->facts, "N_LINES", a.n_lines);
	fact_number(out->facts, "EPOCHS", a.epochs);
	fact_number(out->facts, "Y_LOW", a.low / 1.5);
	fact_number(out->facts, "Y_HIGH", a.high * 1.5);
	fact_number(out->facts, "WIDTH", WIDTH);
	fact_number(out->facts, "HEIGHT", 52 + n * 276);
	return true;
}
