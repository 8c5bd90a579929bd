/* curves.c - data of the learning curves, see chart.h: mean, lowest and highest repeat of two cells by epoch. */
#include <math.h>
#include <string.h>

#include "sweep/base/csv.h"
#include "sweep/report/chart.h"

struct span {
	int n;
	double sum, lo, hi;
};

static void take(struct span *s, double v)
{
	if (isnan(v))
		return;
	s->lo = s->n ? fmin(s->lo, v) : v;
	s->hi = s->n ? fmax(s->hi, v) : v;
	s->sum += v;
	s->n++;
}

static const struct {
	int metric;
	double scale;
} line[] = {{METRIC_train_eval_acc, 100}, {METRIC_val_acc, 100}, {METRIC_train_eval_loss, 1}, {METRIC_val_loss, 1}};
enum { N_LINES = sizeof(line) / sizeof(line[0]) };

static int longest(const struct results *r, int cell)
{
	int most = 0;

	for (int i = 0; i < r->study->n_seeds; i++) {
		const struct result_trial *t = &r->trial[(size_t)cell * (size_t)r->study->n_seeds + (size_t)i];

		if (result_complete(t) && t->n_rows > most)
			most = t->n_rows;
	}
	return most;
}

static void epoch_row(struct csv_row *row, const struct results *r, int cell, const char *word, int epoch)
{
	struct span span[N_LINES] = {0};

	for (int i = 0; i < r->study->n_seeds; i++) {
		int trial = cell * r->study->n_seeds + i;

		if (!result_complete(&r->trial[trial]) || r->trial[trial].n_rows <= epoch)
			continue;
		for (int k = 0; k < N_LINES; k++)
			take(&span[k], line[k].scale * results_metric(r, trial, epoch, line[k].metric));
	}
	csv_text(row, word);
	csv_int(row, epoch + 1);
	for (int k = 0; k < N_LINES; k++) {
		csv_maybe(row, span[k].n ? span[k].sum / span[k].n : NAN);
		csv_maybe(row, span[k].n ? span[k].lo : NAN);
		csv_maybe(row, span[k].n ? span[k].hi : NAN);
	}
	csv_end(row);
}

static void write_cell(FILE *csv, const struct results *r, int cell, const char *word)
{
	struct csv_row row = {.out = csv};
	int n = longest(r, cell);

	for (int i = 0; i < n; i++)
		epoch_row(&row, r, cell, word, i);
}

static int max_int(int a, int b)
{
	return a > b ? a : b;
}

bool curves_data(struct chart_out *out, const struct summary *s, const struct chart *c)
{
	const struct results *r = s->results;
	bool before = s->baseline >= 0 && s->baseline != s->best && longest(r, s->baseline) > 0;
	char name[2][CELL_LABEL_MAX];
	char label[2][CELL_LABEL_MAX + 16];
	int n = 0;
	int epochs = 0;

	if (s->best < 0) {
		snprintf(out->note, sizeof(out->note), "no trial has completed");
		return false;
	}
	fputs("cell,epoch,train_acc,train_acc_lo,train_acc_hi,val_acc,val_acc_lo,val_acc_hi,"
	      "train_loss,train_loss_lo,train_loss_hi,val_loss,val_loss_lo,val_loss_hi\n",
	      out->csv);
	if (before) {
		write_cell(out->csv, r, s->baseline, "baseline");
		epochs = longest(r, s->baseline);
		snprintf(label[n], sizeof(label[n]), "baseline: %s", cell_label(name[0], r->study, s->baseline));
		n++;
	}
	write_cell(out->csv, r, s->best, "best");
	epochs = max_int(epochs, longest(r, s->best));
	snprintf(label[n], sizeof(label[n]), "best: %s", cell_label(name[1], r->study, s->best));
	n++;
	fact_text(out->facts, "TITLE", before ? c->title : "Learning curves: best cell");
	fact_text(out->facts, "SUBTITLE",
		  r->study->n_seeds > 1 ? "eval mode; line: mean of the repeats, band: lowest to highest repeat"
					: "eval mode; one repeat");
	fact_number(out->facts, "EPOCHS", epochs);
	fact_texts(out->facts, "CELLS", before ? (const char *[]){"baseline", "best"} : (const char *[]){"best"}, n);
	fact_texts(out->facts, "COLOURS", before ? (const char *[]){"#d55e00", "#0072b2"} : (const char *[]){"#0072b2"},
		   n);
	fact_texts(out->facts, "LABELS", (const char *[]){label[0], label[1]}, n);
	fact_number(out->facts, "WIDTH", 600);
	fact_number(out->facts, "HEIGHT", 52 + 284 + 230 + 58 + 20 * n);
	return true;
}
