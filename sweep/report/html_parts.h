/*
 * html_parts.h - inside the page: sections that stand apart from html.c.
 */
#ifndef SWEEP_REPORT_HTML_PARTS_H
#define SWEEP_REPORT_HTML_PARTS_H

#include "sweep/report/summary.h"

/* <tag>text</tag>, escaped. */
void html_element(FILE *out, const char *tag, const char *text);
/* A table cell with mean ± sd, each times scale, that sorts by the mean. */
void html_estimate(FILE *out, const struct estimate *v, double scale, int digits);

/* The table of all cells; each leads to its curves. */
void html_cells(FILE *out, const struct summary *s);

/* What the rates do (effects.h) and the best cell against the baseline image by image (images.h); nothing if unknown. false:
 * something is left out for want of memory. */
bool html_statistics(FILE *out, const struct summary *s);

/*
 * Small curves of the first n cells by epoch, train (dashed) and validation accuracy, each with the id cell-NUMBER that
 * the table links to. Means over the complete repeats; all on one scale.
 */
void html_curves(FILE *out, const struct summary *s, int n);
enum { HTML_MAX_CURVES = 400 };

/* What each trial computed and what it had from others; nothing if no trial tells. */
void html_work(FILE *out, const struct results *r);

#endif
