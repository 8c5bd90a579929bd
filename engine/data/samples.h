/*
 * samples.h - inside data/: images one behind the other, in memory or in a cache file, of one size or of many.
 *
 * A cache file is CACHE_DIR/KEY.bin, where KEY is a hash of everything that decides its contents. Its head and its table
 * of places are checked when it is opened, each image when it is read: what does not fit its checksum is never used. It
 * appears whole or not at all, and any number of processes may build the same one.
 */
#ifndef ENGINE_DATA_SAMPLES_H
#define ENGINE_DATA_SAMPLES_H

#include "engine/base/file.h"
#include "engine/engine.h"

/* Part of the cache file: fixed-width members only. */
struct sample_place {
	int64_t at;     /* of its first byte */
	int64_t source; /* which of the selected samples it was made from */
	uint64_t sum;   /* of its bytes; 0 in memory */
	int32_t h, w;
};

struct samples {
	int64_t n;
	int pixel;                  /* bytes of one */
	int h, w;                   /* place NULL: of every image; else the largest of each */
	struct sample_place *place; /* [n]; NULL: one size, one behind the other in memory */
	uint8_t *memory;            /* NULL: in the file */
	size_t bytes;               /* of all images */
	uint64_t digest[2];         /* of all their bytes in order, wherever they lie */
	int fd;                     /* -1: in memory */
	char *path;
};
void samples_release(struct samples *s);
/* Gives up the places of images in memory that are all of one size, and memory that is not used. */
void samples_tighten(struct samples *s);

/* Image i and its size: where it lies in memory, or read into room (which must hold it). */
int samples_get(const struct samples *s, int64_t i, uint8_t *room, const uint8_t **px, int *h, int *w, struct err *e);

/* Opens the cache file for key; false if there is none, or one that is damaged or of another version. */
bool samples_cached(struct samples *s, const char *dir, const char *key, int pixel);

/* Building, in memory until that holds `most` bytes, then (or if most is 0, at once) in the file; dir NULL: in memory. */
struct samples_build {
	struct samples s;
	const char *dir, *key;
	size_t most;
	size_t room;        /* bytes that s.memory has */
	int64_t place_room; /* places that s.place has */
	void *hash;
	struct file_writer file;
};
int samples_begin(struct samples_build *b, int pixel, const char *dir, const char *key, size_t most, struct err *e);
int samples_append(struct samples_build *b, const uint8_t *px, int h, int w, int64_t source, struct err *e);
/* *out takes everything over. */
int samples_end(struct samples_build *b, struct samples *out, struct err *e);
/* Leaves nothing behind; also after samples_end(). */
void samples_drop(struct samples_build *b);

#endif
