/*
 * marks.h - what several charts draw alike: a sign and colour an optimizer, the names of best and baseline, rate tics.
 */
#ifndef SWEEP_REPORT_MARKS_H
#define SWEEP_REPORT_MARKS_H

#include "sweep/report/axis.h"
#include "sweep/report/chart.h"

/* "sgd"; "" if there is no such word. */
const char *optimizer_word(char out[32], int optimizer);
/* Whether some cell has it. */
bool optimizer_used(const struct study *st, int optimizer);

enum { MAX_MARKS = 8 };
/* Facts OPTIMIZERS, MARK (colours), HOLLOW, SOLID (point types) of the optimizers that occur. */
void marks_write(FILE *f, const struct study *st);
/* Facts TIC, TIC_AT: the rates of an axis `pixels` long, thinned out where their words would touch. */
void rate_tics_write(FILE *f, const struct axis *a, int pixels);
/* Facts TIC_PANEL too, for several axes one after the other. */
void rate_tics_of(FILE *f, const struct axis *a, int n_axes, int pixels);

#endif
