/* html_cells.c - the table of all cells, see html_parts.h */
#include <math.h>

#include "sweep/report/html.h"
#include "sweep/report/html_parts.h"

enum { MAX_CELL_ROWS = 2000 };

static void heading(FILE *out, const char *text, bool left)
{
	fprintf(out, "<th scope=\"col\"%s><button type=\"button\">", left ? " class=\"l\"" : "");
	html_text(out, text);
	fputs("</button></th>", out);
}

static void cell_headings(FILE *out, const struct study *st)
{
	static const char *const word[] = {
		"gap (points)", "Val Acc (%)",           "Train Acc (%)",     "gap − baseline (95 %)",
		"p, Holm",      "Val Acc − best (95 %)", "p, Holm",           "Val Loss",
		"Train Loss",   "running gap",           "gap at best epoch", "gap at equal train acc"};

	fputs("<thead><tr>", out);
	heading(out, "cell", true);
	heading(out, "remarks", true);
	for (int i = 0; i < st->n_columns; i++)
		heading(out, st->column[i].name, false);
	heading(out, "n", false);
	if (st->n_constraints)
		heading(out, "meets [95 %]", false);
	for (size_t i = 0; i < sizeof(word) / sizeof(word[0]); i++)
		heading(out, word[i], false);
	fputs("</tr></thead>", out);
}

static void param_cells(FILE *out, const struct study *st, int cell)
{
	for (int i = 0; i < st->n_columns; i++) {
		const struct setting *set = &st->cell[cell].setting;
		bool rate = !st->column[i].field;
		char text[COLUMN_TEXT_MAX];
		char number[NUM_MAX];

		setting_text(st, set, i, text);
		if (rate)
			fprintf(out, "<td data-v=\"%s\">%s</td>", num_text(number, setting_value(st, set, i)),
				rate_text(text, setting_value(st, set, i)));
		else
			html_element(out, "td", text);
	}
}

/* "5/5 ✓ [57, 100] %": repeats, whether the means meet them, Wilson's interval of the share. */
static void meets_cell(FILE *out, const struct summary *s, int cell)
{
	const struct cell_summary *c = &s->cell[cell];
	int tried = c->n + c->n_diverged;

	if (!tried) {
		fputs("<td data-v=\"\">–</td>", out);
		return;
	}
	fprintf(out, "<td data-v=\"%g\"%s>%.0f/%d%s [%.0f, %.0f] %%</td>", c->met_share + (c->feasible ? 1 : 0),
		c->feasible ? " class=\"yes\"" : "", c->met_share * tried, tried, c->feasible ? " ✓" : "",
		100 * c->met_ci.lo, 100 * c->met_ci.hi);
}

/* A paired difference with its interval, and the corrected p in a cell of its own. */
static void difference_cells(FILE *out, const struct difference *diff)
{
	const struct estimate *d = &diff->d;
	char number[NUM_MAX];

	if (!d->n || isnan(d->mean))
		fputs("<td data-v=\"\">–</td>", out);
	else if (d->n == 1)
		fprintf(out, "<td data-v=\"%s\">%+.1f</td>", num_text(number, 100 * d->mean), 100 * d->mean);
	else
		fprintf(out, "<td data-v=\"%s\">%+.1f [%+.1f, %+.1f]</td>", num_text(number, 100 * d->mean),
			100 * d->mean, 100 * d->lo, 100 * d->hi);
	if (isnan(diff->holm))
		fputs("<td data-v=\"\">–</td>", out);
	else
		fprintf(out, "<td data-v=\"%g\">%.2g</td>", diff->holm, diff->holm);
}

/* "2 diverged (epoch 3–7) " */
static void diverged_text(FILE *out, const struct cell_summary *c)
{
	fprintf(out, "%d diverged (epoch %d", c->n_diverged, c->diverged_from);
	if (c->diverged_to > c->diverged_from)
		fprintf(out, "–%d", c->diverged_to);
	fputs(") ", out);
}

/* "best", "baseline", "2 diverged", ... */
static void marks_cell(FILE *out, const struct summary *s, int cell)
{
	const struct cell_summary *c = &s->cell[cell];

	fprintf(out, "<td class=\"l\">%s%s", cell == s->best ? "★ best " : "",
		cell == s->baseline ? "▲ baseline " : "");
	if (c->like_best && cell != s->best)
		fputs("≈ not told from best ", out);
	if (c->n_diverged)
		diverged_text(out, c);
	if (c->n_failed)
		fprintf(out, "%d failed ", c->n_failed);
	if (c->n_pruned)
		fprintf(out, "%d pruned ", c->n_pruned);
	if (c->n_open)
		fprintf(out, "%d open", c->n_open);
	fputs("</td>", out);
}

static void cell_row(FILE *out, const struct summary *s, int cell)
{
	const struct cell_summary *c = &s->cell[cell];
	const struct estimate *m = c->metric;

	fprintf(out, "<tr%s>", cell == s->best ? " class=\"best\"" : "");
	if (cell < HTML_MAX_CURVES)
		fprintf(out, "<td data-v=\"%d\"><a href=\"#cell-%d\">%d</a></td>", cell, cell, cell);
	else
		fprintf(out, "<td data-v=\"%d\">%d</td>", cell, cell);
	marks_cell(out, s, cell);
	param_cells(out, s->results->study, cell);
	fprintf(out, "<td data-v=\"%d\">%d</td>", c->n, c->n);
	if (s->results->study->n_constraints)
		meets_cell(out, s, cell);
	html_estimate(out, &m[METRIC_gap], 100, 1);
	html_estimate(out, &m[METRIC_val_acc], 100, 1);
	html_estimate(out, &m[METRIC_train_eval_acc], 100, 1);
	difference_cells(out, &c->to_baseline[DIFF_GAP]);
	difference_cells(out, &c->to_best[DIFF_VAL_ACC]);
	html_estimate(out, &m[METRIC_val_loss], 1, 3);
	html_estimate(out, &m[METRIC_train_eval_loss], 1, 3);
	html_estimate(out, &m[METRIC_gap_running], 100, 1);
	html_estimate(out, &c->best_gap, 100, 1);
	html_estimate(out, &c->at_gap, 100, 1);
	fputs("</tr>\n", out);
}

void html_cells(FILE *out, const struct summary *s)
{
	const struct study *st = s->results->study;
	int n = st->n_cells < MAX_CELL_ROWS ? st->n_cells : MAX_CELL_ROWS;

	fputs("<h2 id=\"cells\">All cells</h2>\n<p class=\"soft\">Mean ± sample standard deviation over complete "
	      "repeats, last epoch; gap: clean unless it says running. ",
	      out);
	if (st->n_constraints)
		fputs("meets: repeats that meet every constraint one by one, with Wilson's interval; ✓ where the means "
		      "do "
		      "and none diverged. ",
		      out);
	fprintf(out,
		"Differences are paired by seed, with 95 %% t intervals and the paired t test's p after Holm's "
		"correction. Equal train acc: where clean train accuracy passes %g %%. ≈: in %s not told from the best "
		"cell at 5 %%. A cell's number leads to its curves; press a heading to sort; filter by words and "
		"comparisons, as in <i>adam gap&lt;2 val_acc&gt;87</i>.",
		100 * st->at_train_acc, metric_name(s->metric));
	if (n < st->n_cells)
		fprintf(out, " The first %d of %d cells; cells.csv has all.", n, st->n_cells);
	fputs("</p>\n<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-labelledby=\"cells\"><table "
	      "class=\"sort\">",
	      out);
	cell_headings(out, st);
	fputs("<tbody>\n", out);
	for (int i = 0; i < n; i++)
		cell_row(out, s, i);
	fputs("</tbody></table></div>\n", out);
}
