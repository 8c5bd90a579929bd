/*
 * records.h - result.json and manifest.json: structs to text and back (jansson). No file is touched here.
 */
#ifndef SWEEP_RUN_RECORDS_H
#define SWEEP_RUN_RECORDS_H

#include "sweep/run/store.h"

/* Text of result.json, malloc'ed, NULL if out of memory. rows_hash: XXH3-64 of epochs.csv as it stands. */
char *result_write(const struct trial_end *end, const char *key, uint64_t rows_hash);
/* text ends in a NUL. ERR_DATA: path and what is wrong (also if it is another trial's). */
int result_parse(struct trial_end *end, uint64_t *rows_hash, const char *text, const char *key, const char *path,
		 struct err *e);

/* Text of manifest.json, malloc'ed, NULL if out of memory. */
char *manifest_write(const struct manifest *m);
/* On success m->set is malloc'ed: manifest_release(). */
int manifest_parse(struct manifest *m, const char *text, const char *path, struct err *e);
/* A copy that owns its strings. */
int manifest_copy(struct manifest *to, const struct manifest *from, struct err *e);
void manifest_release(struct manifest *m);

#endif
