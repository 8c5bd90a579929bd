/*
 * weights.h - inside the engine: named tensors out. weights_open() and friends are in engine.h.
 *
 * File formats, known by their first bytes:
 * - safetensors (https://github.com/huggingface/safetensors, "Format"): 8-byte little-endian header length, a JSON
 *   header {name: {dtype, shape, data_offsets}}, then the bytes. Read with pread, never mapped.
 * - what torch.save(state_dict) writes since PyTorch 1.6: a zip of ROOT/data.pkl (pickle.h) and of a stored, never
 *   compressed member ROOT/data/KEY for each storage.
 */
#ifndef ENGINE_NET_WEIGHTS_H
#define ENGINE_NET_WEIGHTS_H

#include "engine/engine.h"

/* Are the tensors named as in Hugging Face's microsoft/resnet-* (embedder, encoder.stages)? */
bool weights_hugging_face(const struct weights *w);

/* Writes n float32 tensors atomically: temp file beside path, fsync, rename, fsync of the directory.
 * meta: n_meta pairs of strings for "__metadata__" (may be 0). */
int weights_write(const char *path, const struct tensor *t, int n, const char *const (*meta)[2], int n_meta,
		  struct err *e);

#endif
