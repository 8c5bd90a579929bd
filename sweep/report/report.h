/*
 * report.h - what came of a sweep: tables, charts and one page, all derived from a run directory.
 *
 * Which cell is "best" and what "feasible" means is said in summary.h.
 */
#ifndef SWEEP_REPORT_REPORT_H
#define SWEEP_REPORT_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "engine/base/err.h"

enum { REPORT_SVG = 1, REPORT_PNG = 2, REPORT_PDF = 4 };

struct report_options {
	unsigned formats; /* REPORT_... or'ed; 0: svg and png. report.html needs svg: it is made in any case */
	bool tables_only; /* no charts and no report.html */
	FILE *shown;      /* gets the before/after table and the answer in one sentence; NULL: they are not printed */
};

/*
 * Writes trials.csv, epochs.csv, cells.csv, timings.csv, plots/ and report.html into dir, each replaced atomically.
 * o may be NULL. ERR_UNAVAILABLE if gnuplot is missing, failed, or took more than 60 s: the tables and the page
 * (without those charts) are there all the same, no empty picture is left, e says the command to run by hand, and
 * o->shown gets its table too.
 */
int report_write(const char *dir, const struct report_options *o, struct err *e);

/* Says if png and pdf charts lack their font, to which gnuplot itself says nothing. Not with own templates (GAPSWEEP_PLOTS). */
void report_warn_of_font(FILE *out, const struct report_options *o);

#endif
