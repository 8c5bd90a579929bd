/*
 * arena.h - one aligned block, cut into pieces by walking the same list twice: once to measure (base NULL), once to
 * place.
 */
#ifndef ENGINE_BASE_ARENA_H
#define ENGINE_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define ARENA_ALIGN 64

struct arena {
	char *base; /* NULL: only measures */
	size_t used;
};

/* The next `bytes` of the block, 64-byte aligned; NULL while measuring. */
static inline void *arena_take(struct arena *a, size_t bytes)
{
	void *piece = a->base ? a->base + a->used : NULL;

	a->used += (bytes + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
	return piece;
}

static inline float *arena_floats(struct arena *a, size_t n)
{
	return arena_take(a, n * sizeof(float));
}

/* The block itself: NULL if there is no memory. Free with free(). */
static inline void *arena_block(size_t bytes)
{
	return aligned_alloc(ARENA_ALIGN, bytes ? (bytes + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN : ARENA_ALIGN);
}

#endif
