/*
 * bytes.h - inside data/: a file's bytes from front to back, unzipped on the way if they are gzip's.
 *
 * A reader asks for exactly as many bytes as the format promises; fewer or more are errors that name the file.
 */
#ifndef ENGINE_DATA_BYTES_H
#define ENGINE_DATA_BYTES_H

#include <stdbool.h>
#include <zlib.h>

#include "engine/base/input.h"
#include "engine/data/data.h"

struct bytes {
	const char *path; /* the caller's */
	int fd;
	int64_t size;  /* of the file, zipped or not */
	int64_t at;    /* next byte of the file to fetch */
	uint64_t told; /* bytes handed out, after unzipping */
	bool zipped;
	bool member_done; /* the gzip member ended: another may follow */
	bool z_ready;
	z_stream z;
	unsigned char in[1 << 16];
};

/* On failure nothing is open; bytes_close() is allowed then too, and on a struct whose fd is -1. */
int bytes_open(struct bytes *b, const char *path, struct err *e);
void bytes_close(struct bytes *b);

/* Exactly n bytes, or ERR_DATA: "FILE: ends inside its WHAT (... of ... bytes)". */
int bytes_read(struct bytes *b, void *out, size_t n, const char *what, struct err *e);

/* The same into a new block (free() it; NULL on failure). A file that cannot hold n more bytes is refused before
 * anything is allocated. */
int bytes_block(struct bytes *b, void **out, size_t n, const char *what, struct err *e);

/* ERR_DATA if any byte is left. */
int bytes_end(struct bytes *b, struct err *e);

/* Opens a split's file of images and then its file of labels, each read by its own function and closed again. */
int bytes_read_pair(struct raw_samples *raw, const struct data_spec *spec,
		    int (*read_images)(struct raw_samples *raw, struct bytes *b, struct err *e),
		    int (*read_labels)(struct raw_samples *raw, struct bytes *b, const char *images, struct err *e),
		    struct err *e);

#endif
