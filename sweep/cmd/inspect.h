/*
 * inspect.h - the parts of gapsweep inspect: a weights file; a grid's data sets and parameter groups.
 *
 * Each prints on stdout, as text or as one JSON object.
 */
#ifndef SWEEP_CMD_INSPECT_H
#define SWEEP_CMD_INSPECT_H

#include <stdbool.h>
#include <stdint.h>

#include "sweep/grid/grid.h"

struct sheet_options {
	const char *path; /* NULL: no contact sheet */
	int per_class;    /* images of each class */
	bool val;         /* of the validation set */
};

int inspect_weights(const char *path, bool json, struct err *e);
int inspect_grid(const struct study *s, const struct sheet_options *sheet, bool json, struct err *e);

/* "64x3x7x7", or "scalar". */
const char *inspect_shape(char out[96], int rank, const int64_t *shape);

/* A file's text on stdout; control characters become '?', so that it cannot harm the terminal. Returns its bytes. */
int inspect_name(const char *before, const char *name);

/* The first images of each class as a PNG: a row a class, normalisation undone. Tells on stderr what it drew. */
int inspect_sheet(const struct sheet_options *o, const struct dataset *d, const struct data_spec *spec, struct err *e);

/* A normalised value as it was: what a data set was opened with. */
static inline double inspect_undo(const struct data_spec *spec, int channel, double v)
{
	int k = spec->n_norm > 1 ? channel : 0;

	return spec->n_norm ? v * spec->std[k] + spec->mean[k] : v;
}

#endif
