/*
 * err.h - how a failure travels: a code and one line of text, filled in where the facts are known.
 *
 * A function that can fail returns 0 or a negative enum err_code and takes the caller's struct err last.
 * Only main() prints an error and exits; its exit code is the positive value of the code (sysexits.h's meanings).
 */
#ifndef ENGINE_BASE_ERR_H
#define ENGINE_BASE_ERR_H

enum err_code {
	ERR_NONE = 0,
	ERR_FAILED = -1,       /* some trials failed */
	ERR_USAGE = -64,       /* bad command line */
	ERR_DATA = -65,        /* bad data or weights file */
	ERR_NOINPUT = -66,     /* an input file is missing or cannot be read */
	ERR_UNAVAILABLE = -69, /* an external program is missing (gnuplot) */
	ERR_SOFTWARE = -70,    /* a self-test failed, or one of our own promises broke */
	ERR_NOMEM = -71,       /* out of memory */
	ERR_CANTCREAT = -73,   /* an output cannot be created, or is held by another process */
	ERR_IO = -74,          /* disk full or input/output error */
	ERR_INTERRUPTED = -75, /* stopped by a signal; the same command goes on */
	ERR_CONFIG = -78,      /* bad grid file */
};

struct err {
	enum err_code code;
	char msg[1024]; /* one line without a newline; a grid-file error may carry its source line and caret below */
};

/* Fills *e (printf-style; too long a text is cut) and returns code, so that `return err_set(...)` reads well. */
int err_set(struct err *e, enum err_code code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Puts "prefix: " before the text that *e holds and returns its code. */
int err_prefix(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
