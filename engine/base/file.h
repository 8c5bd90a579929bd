/*
 * file.h - whole files: read at once, replaced atomically.
 */
#ifndef ENGINE_BASE_FILE_H
#define ENGINE_BASE_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "engine/base/err.h"

/* Reads a whole file of at most `cap` bytes into a malloc'ed block with a NUL behind it (ERR_NOINPUT, ERR_NOMEM;
 * ERR_DATA: larger; ERR_IO: the device failed). */
int file_read(char **bytes, size_t *n, const char *path, size_t cap, struct err *e);

/* The same, but *bytes is NULL and all is well if there is no such file. */
int file_read_maybe(char **bytes, size_t *n, const char *path, size_t cap, struct err *e);

/* Replaces path by the n pieces one behind the other: temp file beside it (unique to this process), write, fsync, rename,
 * fsync of the directory. On failure nothing has changed (ERR_CANTCREAT, ERR_IO), unless it was the last step's. */
int file_replace_pieces(const char *path, const struct iovec *piece, int n, struct err *e);
/* The same for one piece. */
int file_replace(const char *path, const void *bytes, size_t n, struct err *e);

/* The same step by step, for a file too large to stand in memory or one of several: begin, any number of additions, then
 * end, settle or publish; or drop (nothing has changed). After a failure only drop, which is allowed at any time if fd
 * began as -1. */
struct file_writer {
	int fd;
	char path[PATH_MAX], temp[PATH_MAX];
};
int file_begin(struct file_writer *w, const char *path, struct err *e);
int file_add(struct file_writer *w, const void *bytes, size_t n, struct err *e);
/* Over what was added before. */
int file_put(struct file_writer *w, const void *bytes, size_t n, int64_t offset, struct err *e);
/* Lets the device begin with what an open file has: the fsyncs of several then wait for little more than one. A hint. */
void file_start_writing(int fd);
/* It stands there whole: fsync, rename, fsync of the directory. */
int file_end(struct file_writer *w, struct err *e);
/* The same but for the directory's fsync, which must follow: file_publish() beside it does it before anybody sees its own. */
int file_settle(struct file_writer *w, struct err *e);
/* As file_end(), but only if path does not exist yet (link(2)): *won says whether ours stands there now. On failure, even
 * of the last step, it does not. The moment that path is seen its bytes are there to stay: a power cut right then leaves
 * them as path or as a whole temp file beside it (PATH.*.tmp), which whoever cleans up should link to path. */
int file_publish(struct file_writer *w, bool *won, struct err *e);
void file_drop(struct file_writer *w);

/* Joins into out[size]; ERR_CANTCREAT if it does not fit. */
int path_join(char *out, size_t size, const char *dir, const char *name, struct err *e);

#endif
