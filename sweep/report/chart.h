/*
 * chart.h - the charts of a report, in DIR/plots: NAME.csv (data), NAME.gp (self-contained script) and NAME.svg, ....
 *
 * A script is three parts: facts (titles, axis ranges, palettes: written here, all text as strings in which gnuplot
 * expands nothing), style.gp, and a template. The templates are plots/NAME.gp of the source tree; a copy is built into
 * the program, so that it needs no installed files, and a file of the same name in the folder $GAPSWEEP_PLOTS wins.
 */
#ifndef SWEEP_REPORT_CHART_H
#define SWEEP_REPORT_CHART_H

#include <stdio.h>

#include "sweep/report/report.h"
#include "sweep/report/summary.h"

enum {
	CHART_gap_heatmap,
	CHART_val_acc_heatmap,
	CHART_gap_along_rates,
	CHART_learning_curves,
	CHART_gap_bars,
	CHART_train_vs_val,
	CHART_pareto,
	CHART_drift_vs_gap,
	CHART_gap_at_train_acc,
	CHART_update_ratio,
	CHART_timeline,
	N_CHARTS
};

/* Where a chart's data function writes; and what it says if there is nothing to draw. */
struct chart_out {
	FILE *csv;      /* the data */
	FILE *facts;    /* the script's first part: fact_text() ... */
	char note[200]; /* why the chart was left out */
};

struct chart {
	const char *name;     /* of its files */
	const char *template; /* in plots/, without .gp */
	const char *title;
	const char *alt; /* what it shows, for readers who cannot see it */
	/* Returns false, with out->note, if there is nothing to draw. */
	bool (*data)(struct chart_out *out, const struct summary *s, const struct chart *c);
};
extern const struct chart charts[N_CHARTS];

/*
 * Writes and renders all. drawn[i] says whether chart i's pictures stand, note[i] why not ("" if it was drawn). Goes on
 * after a failure; returns the first.
 */
int charts_write(const char *dir, const struct summary *s, unsigned formats, bool drawn[N_CHARTS],
		 char note[N_CHARTS][200], struct err *e);

/*
 * One chart outside that list: writes NAME.csv and NAME.gp into folder and renders them. data() returns false, with
 * out->note, if there is nothing to draw; note is "" if it was drawn.
 */
int chart_draw(const char *folder, const char *name, const char *template, unsigned formats,
	       bool (*data)(struct chart_out *out, const void *ctx), const void *ctx, char note[200], struct err *e);

/* The data functions, one file each. */
bool heatmap_data(struct chart_out *out, const struct summary *s, const struct chart *c);
bool curves_data(struct chart_out *out, const struct summary *s, const struct chart *c);
bool bars_data(struct chart_out *out, const struct summary *s, const struct chart *c);
bool scatter_data(struct chart_out *out, const struct summary *s, const struct chart *c);
bool along_data(struct chart_out *out, const struct summary *s, const struct chart *c);
bool points_data(struct chart_out *out, const struct summary *s, const struct chart *c);
bool ratio_data(struct chart_out *out, const struct summary *s, const struct chart *c);
bool timeline_data(struct chart_out *out, const struct summary *s, const struct chart *c);

/* Facts: `NAME = value` lines of a script. Text is escaped and loses control characters.
 * An array NAME comes with its length N_NAME, because gnuplot has no empty ones. */
void fact_text(FILE *f, const char *name, const char *text);
void fact_number(FILE *f, const char *name, double value);
void fact_texts(FILE *f, const char *name, const char *const *text, int n);
void fact_numbers(FILE *f, const char *name, const double *value, int n);

/* "mean of 5 repeats", with what is missing: "mean of 3 to 5 repeats". */
void repeats_text(char out[64], const struct summary *s);

#endif
