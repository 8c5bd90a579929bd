/*
 * compare_html.h - compare.html: several runs on one page, and what compare.c tells it.
 */
#ifndef SWEEP_REPORT_COMPARE_HTML_H
#define SWEEP_REPORT_COMPARE_HTML_H

#include "sweep/report/compare.h"

/* The page; svg is the chart (NULL: left out, note says why). */
void comparison_page(FILE *out, const struct comparison *c, const char *svg, const char *note);

/* What runs may differ in: versions, machine, data, ...; as text, and whether it is not the same in all. */
enum { COMPARE_FACTS = 13, COMPARE_FACT_TEXT = 160 };
extern const char *const comparison_fact_name[COMPARE_FACTS];
const char *comparison_fact(char out[COMPARE_FACT_TEXT], const struct results *r, int k);
bool comparison_fact_differs(const struct comparison *c, int k);

/* "+1.2 [-0.3, +2.7] *"; "–" for none. */
const char *comparison_difference(char out[96], const struct difference *d);
/* Run r against the first, over all cells, in a sentence. */
#define COMPARE_VERDICT_MAX 300
const char *comparison_verdict(char out[COMPARE_VERDICT_MAX], const struct comparison *c, int r);

#endif
