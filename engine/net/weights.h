/*
 * weights.h - inside the engine: named tensors in and out. weights_open() and friends are in engine.h.
 *
 * File format: safetensors (https://github.com/huggingface/safetensors, "Format"): 8-byte little-endian header length,
 * a JSON header {name: {dtype, shape, data_offsets}}, then the bytes. Read with pread, never mapped.
 */
#ifndef ENGINE_NET_WEIGHTS_H
#define ENGINE_NET_WEIGHTS_H

#include "engine/engine.h"

#define TENSOR_MAX_RANK 8

/* One tensor in PyTorch's layout (row-major, float32). name and data belong to the struct weights. */
struct tensor {
	const char *name;
	int rank;
	int64_t shape[TENSOR_MAX_RANK];
	int64_t n; /* elements */
	const float *data;
};

/* Tensor by name, or NULL. The prefixes "module." and "backbone." of a file's names have been dropped on opening. */
const struct tensor *weights_find(const struct weights *w, const char *name);
int weights_count(const struct weights *w);
const struct tensor *weights_at(const struct weights *w, int i); /* in file order */

/* Writes n float32 tensors atomically: temp file beside path, fsync, rename, fsync of the directory.
 * meta: n_meta pairs of strings for "__metadata__" (may be 0). */
int weights_write(const char *path, const struct tensor *t, int n, const char *const (*meta)[2], int n_meta,
		  struct err *e);

#endif
