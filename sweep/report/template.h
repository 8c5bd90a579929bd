/*
 * template.h - the gnuplot templates of plots/, built into the program.
 */
#ifndef SWEEP_REPORT_TEMPLATE_H
#define SWEEP_REPORT_TEMPLATE_H

#include <stdio.h>

#include "engine/base/err.h"

/* Copies template NAME into out: $GAPSWEEP_PLOTS/NAME.gp if there is such a file, else the built-in one. */
int template_append(FILE *out, const char *name, struct err *e);

#endif
