/*
 * weights_file.h - inside net/: what the readers of weights files share. A reader lists a file's tensors, everything
 * about them checked, and then fills in their values; weights.c does the rest (names, memory, hash).
 */
#ifndef ENGINE_NET_WEIGHTS_FILE_H
#define ENGINE_NET_WEIGHTS_FILE_H

#include "engine/net/weights.h"

#define TENSORS_MAX 100000 /* a ResNet-152 has under 1,000 */
#define SHOWN       120    /* bytes of a name in an error */
#define SHOWN_MAX   (SHOWN + 4)

enum dtype { DT_F32, DT_F16, DT_BF16, DT_F64, DT_SKIPPED };

struct dtype_row {
	const char *name;    /* safetensors' */
	const char *storage; /* PyTorch's storage class; NULL if it has none */
	enum dtype dtype;
	int bytes;
};
/* NULL if there is none of that name. */
const struct dtype_row *dtype_find(const char *name);
const struct dtype_row *dtype_of_storage(const char *storage);

/* One tensor as the file tells it. */
struct entry {
	const char *name; /* the reader's memory */
	const struct dtype_row *type;
	int rank;
	int64_t shape[TENSOR_MAX_RANK];
	int64_t n;          /* elements */
	int64_t begin, end; /* safetensors: bytes of the data part */
	int view;           /* .pth: number in the pickle's list */
	float *values;      /* where fill() puts them; NULL for integers */
};

/* A file being read. Starts as {.path, .fd, .size}; fd stays weights.c's. */
struct reading {
	const char *path;
	int fd;
	int64_t size;
	const char *format; /* for people */
	const char *under;  /* key of the dict that holds the tensors; NULL: they are the whole file */
	struct entry *entry;
	int n;
	void *file; /* the reader's own; release() accepts NULL */
	int (*fill)(const struct reading *r, struct err *e);
	void (*release)(void *file);
};
int safetensors_list(struct reading *r, struct err *e);
int pth_list(struct reading *r, struct err *e);

/* in -> float32; integers are not converted (DT_SKIPPED is our mistake). */
void dtype_convert(float *out, const unsigned char *in, int64_t n, enum dtype dtype);

/* A name fit for one line of a terminal: control characters become '?', a long one is cut. */
const char *shown(char out[SHOWN_MAX], const char *name);
/* Puts file and tensor before the rule that *e holds. */
int blame(const char *path, const char *name, struct err *e);
#define BAD_TENSOR(r, name, e, ...) (err_set(e, ERR_DATA, __VA_ARGS__), blame((r)->path, name, e))
int no_memory(const char *path, struct err *e);

#endif
