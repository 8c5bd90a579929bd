/*
 * input.h - regular files read at given offsets (never mapped: a file that shrinks meanwhile is an error, not a
 * signal).
 */
#ifndef ENGINE_BASE_INPUT_H
#define ENGINE_BASE_INPUT_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

/* Opens a regular file for reading: its descriptor, and its size in *size; else ERR_NOINPUT with the system's words.
 * Does not wait for the other end of a pipe. */
int input_open(const char *path, int64_t *size, struct err *e);

/* Reads up to n bytes at offset, *got fewer only at the file's end. ERR_NOINPUT if reading fails. */
int input_at(int fd, const char *path, void *out, size_t n, int64_t offset, size_t *got, struct err *e);

#endif
