/*
 * csv.h - RFC 4180 with LF line ends: written and read by the same rules.
 *
 * A field is quoted if it holds a comma, a quote, a line end or leading/trailing space; quotes are doubled. Text that a
 * spreadsheet would take for a formula (starting with = + - @ and not a number) gets a leading apostrophe. Missing is
 * empty, a NaN is `nan`.
 */
#ifndef SWEEP_BASE_CSV_H
#define SWEEP_BASE_CSV_H

#include <stddef.h>
#include <stdio.h>

#include "engine/base/err.h"

/* One row, field by field; the writer puts the commas. Start with {.out = f}. */
struct csv_row {
	FILE *out;
	int n;
};
void csv_text(struct csv_row *r, const char *text); /* NULL: empty */
void csv_num(struct csv_row *r, double value);      /* num_text() */
void csv_maybe(struct csv_row *r, double value);    /* NAN: empty */
void csv_int(struct csv_row *r, long long value);
void csv_end(struct csv_row *r); /* the line end; the next field starts a new row */

/*
 * A whole table in memory. cell[row * cols + col] are strings inside one block; row 0 is the first after the header.
 * Every row must have as many fields as the header (ERR_DATA names path:line).
 */
struct csv_table {
	int cols;
	long rows;
	char **head;
	char **cell;
	void *block;
};
int csv_parse(struct csv_table *t, const char *bytes, size_t n, const char *path, struct err *e);
int csv_read(struct csv_table *t, const char *path, struct err *e);
void csv_release(struct csv_table *t);
int csv_column(const struct csv_table *t, const char *name); /* or -1 */
/* Number in a cell; NAN where empty, not a number, or col is -1. */
double csv_number(const struct csv_table *t, long row, int col);

#endif
