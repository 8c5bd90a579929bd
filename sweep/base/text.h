/*
 * text.h - text that stdio writes into memory, of which nothing is lost unnoticed.
 *
 * glibc's open_memstream() drops what it finds no memory for, and neither ferror() nor fclose() tells.
 */
#ifndef SWEEP_BASE_TEXT_H
#define SWEEP_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "engine/base/err.h"

struct text {
	FILE *f;     /* NULL: closed */
	char *bytes; /* after text_close(): n bytes, and a NUL that n does not count */
	size_t n, room;
	bool incomplete;
};

/* Must not move until it is closed. ERR_NOMEM. */
int text_open(struct text *t, struct err *e);
/* ERR_NOMEM if anything that was written is missing. */
int text_close(struct text *t, struct err *e);
/* Also of one that is empty, open or closed. */
void text_release(struct text *t);

#endif
