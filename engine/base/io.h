/*
 * io.h - every call that reads or changes a file goes through this table, so that a test can make any one of them fail,
 * or write down what was done and in which order.
 *
 * Signatures and errors are the system's. `io` is set before the first thread starts, and never after.
 */
#ifndef ENGINE_BASE_IO_H
#define ENGINE_BASE_IO_H

#include <sys/types.h>

struct io_ops {
	int (*open)(const char *path, int flags, mode_t mode);
	int (*close)(int fd);
	ssize_t (*read)(int fd, void *bytes, size_t n);
	ssize_t (*pread)(int fd, void *bytes, size_t n, off_t at);
	ssize_t (*write)(int fd, const void *bytes, size_t n);
	int (*ftruncate)(int fd, off_t n);
	int (*fsync)(int fd);
	int (*rename)(const char *from, const char *to);
	int (*link)(const char *from, const char *to);
	int (*unlink)(const char *path);
	int (*mkdir)(const char *path, mode_t mode);
};

extern const struct io_ops io_system; /* the system's own calls */
extern const struct io_ops *io;       /* those in force; io_system unless a test says otherwise */

/* Whole writes: a short one or an interrupted one is carried on. 0, or -1 and errno. */
int io_write_all(int fd, const void *bytes, size_t n);

#endif
