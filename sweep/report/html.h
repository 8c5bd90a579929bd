/*
 * html.h - report.html: the whole answer on one page that needs nothing else.
 *
 * One file without external requests: style, charts (svg as data: addresses, so that their ids cannot clash) and a few
 * lines of script for sorting tables, without which everything is still there. All text is escaped.
 */
#ifndef SWEEP_REPORT_HTML_H
#define SWEEP_REPORT_HTML_H

#include "sweep/report/chart.h"

/* The page; svg[i] is chart i's picture (NULL: left out, note[i] says why). false: something is left out for want of memory. */
bool html_page(FILE *out, const struct summary *s, const char *const svg[N_CHARTS], const char note[N_CHARTS][200]);

/* Replaces DIR/report.html, with the pictures that charts_write() drew in DIR/plots. */
int html_write(const char *dir, const struct summary *s, const bool drawn[N_CHARTS], const char note[N_CHARTS][200],
	       struct err *e);

/* The parts of a page: up to and with its <h1>, a picture, and from </main> on. */
void html_open(FILE *out, const char *title, const char *heading);
void html_picture(FILE *out, const char *alt, const char *svg);
void html_close(FILE *out);

/* Text with & < > " ' escaped and control characters as spaces. */
void html_text(FILE *out, const char *text);

#endif
