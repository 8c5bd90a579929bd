/* html_parts.c - see html_parts.h */
#include "sweep/report/html_parts.h"

#include <math.h>
#include <stdlib.h>

#include "sweep/report/effects.h"
#include "sweep/report/html.h"
#include "sweep/report/images.h"

/* ---- statistics -------------------------------------------------------------------------------------------- */

static void put_p(FILE *out, double p)
{
	if (isnan(p))
		fputs("<td>–</td>", out);
	else if (p < 1e-4)
		fputs("<td>&lt; 0.0001</td>", out);
	else
		fprintf(out, "<td>%.4f</td>", p);
}

/* "+4.1 [+3.9, +4.4]" points for a tenfold rate. */
static void put_slope(FILE *out, const struct effects *f, unsigned factors)
{
	struct interval ci;
	double slope = effect_slope(&ci, f, factors);

	if (isnan(slope))
		fputs("<td>–</td>", out);
	else if (isnan(ci.lo))
		fprintf(out, "<td>%+.1f</td>", 100 * slope);
	else
		fprintf(out, "<td>%+.1f [%+.1f, %+.1f]</td>", 100 * slope, 100 * ci.lo, 100 * ci.hi);
}

static void effect_rows(FILE *out, const struct study *st, const struct effects *f)
{
	char optimizer[32];
	char name[EFFECT_NAME_MAX];

	for (int i = 0; i < f->anova.n_effects; i++) {
		const struct anova_effect *e = &f->anova.effect[i];

		fputs("<tr><th scope=\"row\">", out);
		html_text(out, effects_optimizer(optimizer, f));
		fprintf(out, "</th><td class=\"l\">%s</td><td class=\"l\">",
			f->metric == METRIC_gap ? "gap" : "validation accuracy");
		html_text(out, effect_name(name, st, e->factors));
		fprintf(out, "</td><td>%.1f %%</td>", 100 * e->share);
		if (isnan(e->f))
			fputs("<td>–</td>", out);
		else
			fprintf(out, "<td>%.1f (%d, %d)</td>", e->f, e->df, f->anova.error_df);
		put_p(out, e->p);
		put_slope(out, f, e->factors);
		fputs("</tr>\n", out);
	}
}

static bool effects_table(FILE *out, const struct summary *s)
{
	struct effects *f = calloc(EFFECTS_MAX, sizeof(*f));
	int n = f ? effects_of(f, s) : -1;
	int dropped = 0;

	for (int i = 0; i < n; i++)
		dropped = f[i].dropped > dropped ? f[i].dropped : dropped;
	if (n > 0) {
		fputs("<h2 id=\"effects\">What each rate does</h2>\n<p class=\"soft\">Analysis of variance over the "
		      "rates as "
		      "levels, last epoch; share: of the sum of squares. A product is the interaction: how much one "
		      "rate's "
		      "effect depends on the other. Per tenfold rate: a straight line over the logarithms of the rates "
		      "that are not 0.",
		      out);
		if (dropped)
			fputs(" Rates at which some pair has no complete repeat were left out (effects.csv says how "
			      "many).",
			      out);
		fputs("</p>\n<div class=\"scroll\" role=\"region\" tabindex=\"0\" "
		      "aria-labelledby=\"effects\"><table><thead>"
		      "<tr><th scope=\"col\">optimizer</th><th scope=\"col\" class=\"l\">figure</th><th scope=\"col\" "
		      "class=\"l\">effect of</th><th scope=\"col\">share</th><th scope=\"col\">F (df)</th><th "
		      "scope=\"col\">p</th><th scope=\"col\">per tenfold rate (points, 95 "
		      "%)</th></tr></thead><tbody>\n",
		      out);
		for (int i = 0; i < n; i++)
			effect_rows(out, s->results->study, &f[i]);
		fputs("</tbody></table></div>\n", out);
	}
	free(f);
	return n >= 0;
}

static void image_rows(FILE *out, const struct image_pair *p, int n)
{
	for (int i = 0; i < n; i++) {
		const struct agreement *g = &p[i].g;
		double images = (double)(g->both + g->only_a + g->only_b + g->neither);

		fprintf(out,
			"<tr><th scope=\"row\">%llu</th><td>%lld</td><td>%lld</td><td>%lld</td><td>%lld</td>"
			"<td>%+.1f [%+.1f, %+.1f]</td>",
			(unsigned long long)p[i].seed, (long long)g->both, (long long)g->only_a, (long long)g->only_b,
			(long long)g->neither, 100 * (double)(g->only_a - g->only_b) / images, 100 * p[i].ci.lo,
			100 * p[i].ci.hi);
		put_p(out, p[i].mcnemar);
		fputs("</tr>\n", out);
	}
}

static bool images_table(FILE *out, const struct summary *s)
{
	struct image_pair p[IMAGES_MAX_SEEDS];
	int n = 0;

	if (s->best >= 0 && s->baseline >= 0 && s->best != s->baseline)
		n = images_compare(p, s->results, s->best, s->baseline);
	if (n <= 0)
		return !n;
	fputs("<h2 id=\"images\">Best against baseline, image by image</h2>\n<p class=\"soft\">Validation images that "
	      "both, "
	      "one or none of the two get right after the last epoch; interval: paired bootstrap over the images; p: "
	      "McNemar's exact test.</p>\n<div class=\"scroll\" role=\"region\" tabindex=\"0\" "
	      "aria-labelledby=\"images\"><table><thead><tr><th scope=\"col\">seed</th><th scope=\"col\">both</th><th "
	      "scope=\"col\">only best</th><th scope=\"col\">only baseline</th><th scope=\"col\">neither</th><th "
	      "scope=\"col\">accuracy difference (points, 95 %)</th><th scope=\"col\">p</th></tr></thead><tbody>\n",
	      out);
	image_rows(out, p, n);
	fputs("</tbody></table></div>\n", out);
	return true;
}

bool html_statistics(FILE *out, const struct summary *s)
{
	return effects_table(out, s) && images_table(out, s);
}

/* ---- curves ------------------------------------------------------------------------------------------------ */

enum { CURVE_W = 180, CURVE_H = 90, CURVE_POINTS = 60 };

struct scale {
	double low, high;
	int epochs;
};

static double mean_at(const struct results *r, int cell, int epoch, int metric)
{
	double sum = 0;
	int n = 0;

	for (int i = 0; i < r->study->n_seeds; i++) {
		int trial = cell * r->study->n_seeds + i;

		if (!result_complete(&r->trial[trial]) || epoch >= r->trial[trial].n_rows)
			continue;
		sum += results_metric(r, trial, epoch, metric);
		n++;
	}
	return n ? sum / n : NAN;
}

static int epochs_of(const struct results *r, int cell)
{
	int most = 0;

	for (int i = 0; i < r->study->n_seeds; i++) {
		const struct result_trial *t = &r->trial[(size_t)cell * (size_t)r->study->n_seeds + (size_t)i];

		most = result_complete(t) && t->n_rows > most ? t->n_rows : most;
	}
	return most;
}

static int step_of(int epochs)
{
	return (epochs + CURVE_POINTS - 1) / CURVE_POINTS;
}

static struct scale scale_of(const struct results *r, int n)
{
	struct scale sc = {INFINITY, -INFINITY, 1};

	for (int cell = 0; cell < n; cell++) {
		int epochs = epochs_of(r, cell);

		sc.epochs = epochs > sc.epochs ? epochs : sc.epochs;
		for (int i = 0; i < epochs; i += step_of(epochs))
			for (int k = 0; k < 2; k++) {
				double v = mean_at(r, cell, i, k ? METRIC_val_acc : METRIC_train_eval_acc);

				sc.low = fmin(sc.low, v); /* fmin leaves a NAN out */
				sc.high = fmax(sc.high, v);
			}
	}
	return sc;
}

static void polyline(FILE *out, const struct results *r, int cell, int metric, const struct scale *sc)
{
	double x = CURVE_W / (double)(sc->epochs > 1 ? sc->epochs - 1 : 1);
	double y = CURVE_H / fmax(sc->high - sc->low, 1e-9);
	int epochs = epochs_of(r, cell);

	fprintf(out, "<polyline class=\"%s\" points=\"", metric == METRIC_val_acc ? "v" : "t");
	for (int i = 0; i < epochs; i += step_of(epochs)) {
		double v = mean_at(r, cell, i, metric);

		if (!isnan(v))
			fprintf(out, "%.1f,%.1f ", i * x, (sc->high - v) * y);
	}
	fputs("\"/>", out);
}

static void curve(FILE *out, const struct summary *s, int cell, const struct scale *sc)
{
	const struct cell_summary *c = &s->cell[cell];
	char label[CELL_LABEL_MAX];
	char gap[ESTIMATE_MAX];

	fprintf(out, "<figure id=\"cell-%d\"><figcaption>%d: ", cell, cell);
	html_text(out, cell_label(label, s->results->study, cell));
	fprintf(out, "%s<br>gap %s</figcaption>",
		cell == s->best       ? " ★"
		: cell == s->baseline ? " ▲"
				      : "",
		estimate_text(gap, &c->metric[METRIC_gap], 100, 1));
	if (c->n) {
		fprintf(out,
			"<svg viewBox=\"-2 -2 %d %d\" role=\"img\" aria-label=\"Train and validation accuracy by "
			"epoch\">",
			CURVE_W + 4, CURVE_H + 4);
		polyline(out, s->results, cell, METRIC_train_eval_acc, sc);
		polyline(out, s->results, cell, METRIC_val_acc, sc);
		fputs("</svg>", out);
	} else {
		fputs("<p class=\"soft\">no complete repeat</p>", out);
	}
	fputs("</figure>\n", out);
}

void html_curves(FILE *out, const struct summary *s, int n)
{
	struct scale sc = scale_of(s->results, n);

	if (!isfinite(sc.low))
		return;
	fprintf(out,
		"<h2>Curves of every cell</h2>\n<p class=\"soft\">Accuracy by epoch (1 to %d), clean train dashed, "
		"validation "
		"solid, mean of the complete repeats; every picture goes from %.0f to %.0f %%.</p>\n"
		"<div class=\"small\">\n",
		sc.epochs, 100 * sc.low, 100 * sc.high);
	for (int i = 0; i < n; i++)
		curve(out, s, i, &sc);
	fputs("</div>\n", out);
}
