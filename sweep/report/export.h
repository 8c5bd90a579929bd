/*
 * export.h - a run for other tools: one writer a format.
 *
 * Rows are trials with Optuna's column names (`number`, `value`, `datetime_start`, `datetime_complete`, `duration`,
 * `params_NAME`, `user_attrs_NAME`, `state`; study.trials_dataframe()), so that scripts for it read them. `value` is the
 * study's metric at the last epoch. Tables for people (LaTeX, Markdown) have a row a cell.
 */
#ifndef SWEEP_REPORT_EXPORT_H
#define SWEEP_REPORT_EXPORT_H

#include <stdio.h>

#include "sweep/report/summary.h"

enum { EXPORT_CSV, EXPORT_JSON, EXPORT_LATEX, EXPORT_MARKDOWN, EXPORT_SQLITE, EXPORT_TENSORBOARD, N_EXPORTS };
/* "csv", "json", ...; NULL beyond the last. */
const char *export_word(int format);
/* Whether it is text for a stream; the others need a path. */
bool export_is_text(int format);

void export_text(FILE *out, int format, const struct summary *s);

/* A new SQLite database, tables `trials` and `epochs`; replaces path atomically. */
int export_sqlite(const char *path, const struct summary *s, struct err *e);

/* Event files for TensorBoard: DIR/NUMBER-OPTIMIZER.../events.out.tfevents.0.gapsweep, a folder a trial with rows. */
int export_tensorboard(const char *dir, const struct summary *s, struct err *e);

/* --- for the writers --- */

/* One field of a trial: its column, and either text or a number (NAN: none). */
struct export_field {
	char name[COLUMN_NAME_MAX + 32];
	bool is_text;
	char text[COLUMN_TEXT_MAX + 32];
	double number;
};
int export_n_fields(const struct study *st);
void export_field(struct export_field *f, const struct summary *s, int trial, int i);

/* CRC-32C (Castagnoli; RFC 3720, B.4) and TensorFlow's mask of it, as in its record files. */
uint32_t crc32c(const void *bytes, size_t n);
uint32_t crc32c_masked(uint32_t crc);

#endif
