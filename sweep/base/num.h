/*
 * num.h - numbers as text, the same everywhere: in the C locale, shortest form that reads back to the same bits.
 */
#ifndef SWEEP_BASE_NUM_H
#define SWEEP_BASE_NUM_H

#include <stdbool.h>
#include <stddef.h>

#define NUM_MAX 32

/*
 * Shortest decimal that strtod() reads back to the same double: "0.0001", "1e-05" stays short as "1e-05", "3", "nan",
 * "inf", "-inf". Returns out.
 */
const char *num_text(char out[NUM_MAX], double value);

/*
 * Reads the whole of text as a number a person would write: 1e-4, .5, 5., +3, 0.1, inf, .inf, nan, .nan (any case of
 * these words). No hex, no digit groups, no surrounding space. Returns false if it is anything else.
 */
bool num_read(double *value, const char *text);
/*
 * The same for a field of a table that no quote is in: text up to a comma or line end before `end`. Returns where that
 * stands; NULL if there is none, or no number of fewer than NUM_MAX letters before it.
 */
const char *num_field(double *value, const char *text, const char *end);

/* Seconds as "850 ms", "12 s", "3 min 20 s", "2 h 05 min". */
const char *num_seconds(char out[NUM_MAX], double seconds);
/* Bytes as "84 KB", "1.3 MB", "2.1 GB" (powers of 1000). */
const char *num_bytes(char out[NUM_MAX], double bytes);

#endif
