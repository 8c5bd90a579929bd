/* compare_html.c - see compare_html.h */
#include "sweep/report/compare_html.h"

#include <math.h>

#include "sweep/report/html.h"

static void html_facts(FILE *out, const struct comparison *c)
{
	char text[COMPARE_FACT_TEXT];

	fputs("<h2 id=\"differs\">What differs</h2>\n<div class=\"scroll\" role=\"region\" tabindex=\"0\" "
	      "aria-labelledby=\"differs\"><table><thead><tr><th scope=\"col\">run</th>",
	      out);
	for (int k = 0; k < COMPARE_FACTS; k++)
		if (comparison_fact_differs(c, k))
			fprintf(out, "<th scope=\"col\" class=\"l\">%s</th>", comparison_fact_name[k]);
	fputs("<th scope=\"col\">cells of its own</th></tr></thead><tbody>\n", out);
	for (int r = 0; r < c->n_runs; r++) {
		fputs("<tr><th scope=\"row\">", out);
		html_text(out, c->run[r].name);
		fputs("</th>", out);
		for (int k = 0; k < COMPARE_FACTS; k++) {
			if (!comparison_fact_differs(c, k))
				continue;
			fputs("<td class=\"l\">", out);
			html_text(out, comparison_fact(text, c->run[r].s->results, k));
			fputs("</td>", out);
		}
		fprintf(out, "<td>%d</td></tr>\n", c->n_alone[r]);
	}
	fputs("</tbody></table></div>\n", out);
}

static void html_difference(FILE *out, const struct difference *d)
{
	char text[96];
	char number[NUM_MAX];

	fprintf(out, "<td data-v=\"%s\">%s</td>", d->d.n ? num_text(number, 100 * d->d.mean) : "",
		comparison_difference(text, d));
	if (isnan(d->holm))
		fputs("<td data-v=\"\">–</td>", out);
	else
		fprintf(out, "<td data-v=\"%s\">%.2g</td>", num_text(number, d->holm), d->holm);
}

static void html_cells(FILE *out, const struct comparison *c, int r)
{
	static const char *const head[] = {"cell",      "gap, first",
					   "gap, here", "gap difference (points)",
					   "p, Holm",   "val acc difference (points)",
					   "p, Holm"};
	char verdict[COMPARE_VERDICT_MAX];

	fprintf(out, "<h2 id=\"run-%d\">", r);
	html_text(out, c->run[r].name);
	fputs(" against ", out);
	html_text(out, c->run[0].name);
	fprintf(out,
		"</h2>\n<p>%s</p>\n<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-labelledby=\"run-%d\">"
		"<table class=\"sort\"><thead><tr>",
		comparison_verdict(verdict, c, r), r);
	for (size_t i = 0; i < sizeof(head) / sizeof(head[0]); i++)
		fprintf(out, "<th scope=\"col\"%s><button type=\"button\">%s</button></th>", i ? "" : " class=\"l\"",
			head[i]);
	fputs("</tr></thead><tbody>\n", out);
	for (int i = 0; i < c->n_cells; i++) {
		const struct compared_cell *cell = &c->cell[i];
		char label[CELL_LABEL_MAX];
		char text[ESTIMATE_MAX];
		char number[NUM_MAX];

		if (cell->cell[r] < 0)
			continue;
		fputs("<tr><td>", out);
		html_text(out, cell_label(label, c->run[0].s->results->study, cell->cell[0]));
		fputs("</td>", out);
		for (int k = 0; k <= r; k += r) {
			const struct estimate *v = &c->run[k].s->cell[cell->cell[k]].metric[METRIC_gap];

			fprintf(out, "<td data-v=\"%s\">%s</td>", v->n ? num_text(number, 100 * v->mean) : "",
				estimate_text(text, v, 100, 1));
		}
		html_difference(out, &cell->diff[r][DIFF_GAP]);
		html_difference(out, &cell->diff[r][DIFF_VAL_ACC]);
		fputs("</tr>\n", out);
	}
	fputs("</tbody></table></div>\n", out);
}

static void html_best(FILE *out, const struct comparison *c)
{
	static const int shown[] = {METRIC_gap, METRIC_val_acc, METRIC_train_eval_acc};

	fputs("<h2 id=\"best\">The best of each</h2>\n<div class=\"scroll\" role=\"region\" tabindex=\"0\" "
	      "aria-labelledby=\"best\"><table><thead><tr><th scope=\"col\">run</th><th scope=\"col\" "
	      "class=\"l\">best</th><th scope=\"col\">gap (points)</th><th scope=\"col\">Val Acc (%)</th><th "
	      "scope=\"col\">Train Acc (%)</th></tr></thead><tbody>\n",
	      out);
	for (int r = 0; r < c->n_runs; r++) {
		const struct summary *s = c->run[r].s;
		char label[CELL_LABEL_MAX];
		char text[ESTIMATE_MAX];

		fputs("<tr><th scope=\"row\">", out);
		html_text(out, c->run[r].name);
		fputs("</th><td class=\"l\">", out);
		html_text(out, s->best < 0 ? "none has completed" : cell_label(label, s->results->study, s->best));
		fputs("</td>", out);
		for (int m = 0; m < 3; m++)
			fprintf(out, "<td>%s</td>",
				s->best < 0 ? "–" : estimate_text(text, &s->cell[s->best].metric[shown[m]], 100, 1));
		fputs("</tr>\n", out);
	}
	fputs("</tbody></table></div>\n", out);
}

void comparison_page(FILE *out, const struct comparison *c, const char *svg, const char *note)
{
	char verdict[COMPARE_VERDICT_MAX];

	html_open(out, "Runs side by side", "Runs side by side");
	fprintf(out, "<p class=\"answer\">%s</p>\n", comparison_verdict(verdict, c, 1));
	fprintf(out,
		"<p class=\"soft\">%d cells are in the first run and another. A difference is that run minus the "
		"first, paired "
		"by seed, after the last epoch, with its 95 %% t interval; * marks p &lt; 0.05 after Holm's correction "
		"over the cells.</p>\n",
		c->n_cells);
	html_best(out, c);
	html_facts(out, c);
	fputs("<h2>Gap</h2>\n<figure>", out);
	if (svg)
		html_picture(out, "Difference of the gap to the first run, cell by cell, with intervals", svg);
	else
		html_text(out, note);
	fputs("</figure>\n", out);
	for (int r = 1; r < c->n_runs; r++)
		html_cells(out, c, r);
	html_close(out);
}
