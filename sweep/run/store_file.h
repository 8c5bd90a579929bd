/*
 * store_file.h - what store.c, store_trial.c and store_read.c share: names inside a trial's directory, the checkpoint's
 * layout, errors.
 */
#ifndef SWEEP_RUN_STORE_FILE_H
#define SWEEP_RUN_STORE_FILE_H

#include "sweep/run/store.h"

#define STORE_JSON_MAX ((size_t)16 << 20)
#define STORE_ROWS_MAX ((size_t)1 << 32)

/* Head of a checkpoint file, in the machine's byte order; the block follows. */
#define CHECKPOINT_MAGIC   "gapckpt"
#define CHECKPOINT_VERSION 1
struct checkpoint_head {
	char magic[8];
	uint32_t version;
	int32_t epochs;      /* rows of epochs.csv that belong to it ... */
	uint64_t rows_bytes; /* ... its header included ... */
	uint64_t rows_hash;  /* ... and their XXH3-64 */
	uint64_t bytes;      /* of the block */
	uint64_t hash;       /* XXH3-64 of the block, seeded with that of all above */
};
/* Hash of head and block; head->hash itself is left out. */
uint64_t checkpoint_hash(const struct checkpoint_head *head, const void *block);

/* Both set e from errno, which says why there is no writing to path (ERR_IO), or no making it (ERR_CANTCREAT; a full or
 * failing disk: ERR_IO). */
int store_io_failed(struct err *e, const char *path);
int store_cannot_create(struct err *e, const char *path);

/* DIR/trials/KEY/name; name NULL: the directory. */
int trial_path(const struct store *st, char out[4096], const char *key, const char *name, struct err *e);

/* XXH3-64 of correct.bits, in hex. */
void bits_hash(char out[17], const void *bits, size_t n);

/* Is file `name` in the trial's directory a whole result of that trial, made with the rows that stand there, and are the
 * bits there, whose name comes behind their bytes? */
bool trial_result_whole(const struct store *st, const char *key, const char *name);

#endif
