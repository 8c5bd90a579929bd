/* chart.c - see chart.h */
#include "sweep/report/chart.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "sweep/base/text.h"
#include "sweep/report/render.h"
#include "sweep/report/template.h"

const struct chart charts[N_CHARTS] = {
	[CHART_gap_heatmap] = {"gap_heatmap", "heatmap", "Train/validation gap over the two learning rates",
			       "Heat map of the gap over the two learning rates, one panel an optimizer", heatmap_data},
	[CHART_val_acc_heatmap] =
		{"val_acc_heatmap", "heatmap", "Validation accuracy over the two learning rates",
		 "Heat map of validation accuracy over the two learning rates, one panel an optimizer", heatmap_data},
	[CHART_learning_curves] = {"learning_curves", "learning_curves", "Learning curves: baseline and best cell",
				   "Accuracy and loss of train and validation set by epoch, baseline and best cell",
				   curves_data},
	[CHART_gap_bars] = {"gap_bars", "gap_bars", "Gap of every cell", "Bars of the gap of every cell with intervals",
			    bars_data},
	[CHART_train_vs_val] = {"train_vs_val", "train_vs_val", "Train against validation accuracy",
				"Scatter of train against validation accuracy with lines of equal gap", scatter_data},
	[CHART_gap_along_rates] = {"gap_along_rates", "along_rates", "Gap along each learning rate",
				   "Lines of the gap along each learning rate, the other at its best, with intervals",
				   along_data},
	[CHART_pareto] = {"pareto", "points", "Validation accuracy against gap",
			  "Scatter of gap and validation accuracy of every cell with the Pareto front", points_data},
	[CHART_drift_vs_gap] = {"drift_vs_gap", "points", "Gap against the distance from the start weights",
				"Scatter of the first group's distance from its start weights and the gap",
				points_data},
	[CHART_gap_at_train_acc] = {"gap_at_train_acc", "gap_bars", "Gap at equal training accuracy",
				    "Bars of every cell's gap at the same training accuracy, with intervals",
				    bars_data},
	[CHART_update_ratio] = {"update_ratio", "update_ratio", "How far a step moves each group",
				"Ratio of update to weights by epoch and parameter group, baseline and best cell",
				ratio_data},
	[CHART_timeline] = {"timeline", "timeline", "What each worker did when",
			    "Time line of the workers, a bar a trial", timeline_data},
};

/*
 * Text as a gnuplot expression in which nothing is expanded: single-quoted pieces, with each single quote as "\047"
 * between them. (Doubling it is the documented way, but gnuplot 5.4 reads '''x' as an empty string and a rest.)
 */
static void quoted(FILE *f, const char *text)
{
	fputc('\'', f);
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'.\"\\047\".'", f);
		else
			fputc((unsigned char)*text < ' ' ? ' ' : *text, f);
	}
	fputc('\'', f);
}

static void number(FILE *f, double value)
{
	char text[NUM_MAX];

	fputs(isfinite(value) ? num_text(text, value) : "NaN", f);
}

void fact_text(FILE *f, const char *name, const char *text)
{
	fprintf(f, "%s = ", name);
	quoted(f, text);
	fputc('\n', f);
}

void fact_number(FILE *f, const char *name, double value)
{
	fprintf(f, "%s = ", name);
	number(f, value);
	fputc('\n', f);
}

void fact_texts(FILE *f, const char *name, const char *const *text, int n)
{
	fprintf(f, "N_%s = %d\narray %s[%d]\n", name, n, name, n ? n : 1);
	for (int i = 0; i < n; i++) {
		fprintf(f, "%s[%d] = ", name, i + 1);
		quoted(f, text[i]);
		fputc('\n', f);
	}
}

void fact_numbers(FILE *f, const char *name, const double *value, int n)
{
	fprintf(f, "N_%s = %d\narray %s[%d]\n", name, n, name, n ? n : 1);
	for (int i = 0; i < n; i++) {
		fprintf(f, "%s[%d] = ", name, i + 1);
		number(f, value[i]);
		fputc('\n', f);
	}
}

void repeats_text(char out[64], const struct summary *s)
{
	int least = INT_MAX;
	int most = 0;

	for (int i = 0; i < s->results->study->n_cells; i++) {
		int n = s->cell[i].n;

		least = n && n < least ? n : least;
		most = n > most ? n : most;
	}
	if (most <= 1)
		snprintf(out, 64, "one repeat");
	else if (least < most)
		snprintf(out, 64, "mean of %d to %d repeats", least, most);
	else
		snprintf(out, 64, "mean of %d repeats", most);
}

static const char *const format_word[] = {"svg", "png", "pdf"};

static int format_words(const char *word[3], unsigned formats)
{
	int n = 0;

	for (int i = 0; i < 3; i++)
		if (formats & 1u << i)
			word[n++] = format_word[i];
	return n;
}

static void write_facts(FILE *f, const char *name, unsigned formats)
{
	const char *word[3];
	int n = format_words(word, formats);

	fprintf(f, "# %s - made by gapsweep report; draw again with: gnuplot %s.gp\n", name, name);
	fact_text(f, "NAME", name);
	fprintf(f, "DATA = '%s.csv'\nFORMATS = '", name);
	for (int i = 0; i < n; i++)
		fprintf(f, "%s%s", i ? " " : "", word[i]);
	fputs("'\n", f);
}

/* Removes what an earlier report left, so that no old picture stands for new results. */
static void remove_old(const char *folder, const char *name)
{
	static const char *const suffix[] = {"svg", "png", "pdf", "gp", "csv"};

	for (int i = 0; i < 5; i++) {
		char path[PATH_MAX];

		if (snprintf(path, sizeof(path), "%s/%s.%s", folder, name, suffix[i]) < (int)sizeof(path))
			unlink(path);
	}
}

static int save(const char *folder, const char *name, const char *suffix, const char *bytes, size_t n, struct err *e)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s.%s", folder, name, suffix) >= (int)sizeof(path))
		return err_set(e, ERR_CANTCREAT, "%s/%s: path too long", folder, name);
	return file_replace(path, bytes, n, e);
}

/* NAME.csv and NAME.gp. */
static int write_sources(const char *folder, const char *name, const char *template, unsigned formats,
			 bool (*data)(struct chart_out *out, const void *ctx), const void *ctx, char note[200],
			 struct err *e)
{
	struct text csv = {0};
	struct text gp = {0};
	struct chart_out out = {.note = ""};
	int rc = text_open(&csv, e);

	if (!rc)
		rc = text_open(&gp, e);
	if (!rc) {
		out.csv = csv.f;
		out.facts = gp.f;
		write_facts(gp.f, name, formats);
		if (data(&out, ctx)) {
			rc = template_append(gp.f, "style", e);
			if (!rc)
				rc = template_append(gp.f, template, e);
		}
		snprintf(note, 200, "%s", out.note);
	}
	if (!rc && !*note && !(rc = text_close(&csv, e)) && !(rc = text_close(&gp, e)) &&
	    !(rc = save(folder, name, "csv", csv.bytes, csv.n, e)))
		rc = save(folder, name, "gp", gp.bytes, gp.n, e);
	text_release(&csv);
	text_release(&gp);
	return rc;
}

int chart_draw(const char *folder, const char *name, const char *template, unsigned formats,
	       bool (*data)(struct chart_out *out, const void *ctx), const void *ctx, char note[200], struct err *e)
{
	const char *word[3];
	int n = format_words(word, formats);
	int rc;

	remove_old(folder, name);
	rc = write_sources(folder, name, template, formats, data, ctx, note, e);
	if (!rc && !*note)
		rc = render(folder, name, word, n, e);
	if (rc)
		snprintf(note, 200, "%.199s", e->msg);
	return rc;
}

struct of_sweep {
	const struct summary *s;
	const struct chart *c;
};

static bool sweep_data(struct chart_out *out, const void *ctx)
{
	const struct of_sweep *o = ctx;

	return o->c->data(out, o->s, o->c);
}

int charts_write(const char *dir, const struct summary *s, unsigned formats, bool drawn[N_CHARTS],
		 char note[N_CHARTS][200], struct err *e)
{
	char folder[PATH_MAX];
	int first = path_join(folder, sizeof(folder), dir, "plots", e);

	if (!first && mkdir(folder, 0755) && errno != EEXIST)
		first = err_set(e, ERR_CANTCREAT, "%s: %s", folder, strerror(errno));
	for (int i = 0; i < N_CHARTS; i++) {
		const struct of_sweep ctx = {s, &charts[i]};
		struct err now = {0};
		int rc;

		drawn[i] = false;
		snprintf(note[i], 200, "no chart");
		if (first && first != ERR_UNAVAILABLE)
			continue;
		rc = chart_draw(folder, charts[i].name, charts[i].template, formats, sweep_data, &ctx, note[i], &now);
		drawn[i] = !rc && !*note[i];
		if (rc && !first) {
			first = rc;
			*e = now;
		}
	}
	return first;
}
