/*
 * table.h - the derived tables of a run directory: trials.csv, epochs.csv, cells.csv, effects.csv (effects.h),
 * images.csv (images.h), timings.csv.
 *
 * All but the last depend on nothing but the study and the trials' figures: byte-equal whatever -j, order or host.
 * Columns are in results/README.md. A trial that did not end has empty metrics; a diverged one says nan.
 */
#ifndef SWEEP_REPORT_TABLE_H
#define SWEEP_REPORT_TABLE_H

#include "sweep/report/summary.h"

void table_trials(FILE *out, const struct results *r);
void table_epochs(FILE *out, const struct results *r);
void table_cells(FILE *out, const struct summary *s);
void table_timings(FILE *out, const struct results *r);

/* Replaces all of them in DIR, each atomically. */
int tables_write(const char *dir, const struct summary *s, struct err *e);

#endif
