/*
 * arena.h - one aligned block, cut into pieces by walking the same list twice: once to measure (base NULL), once to
 * place.
 */
#ifndef ENGINE_BASE_ARENA_H
#define ENGINE_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#define ARENA_ALIGN 64
#define ARENA_HUGE  ((size_t)2 << 20)

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

/*
 * The block itself: NULL if there is no memory. Free with free(). A large one asks for huge pages, since nets walk it from
 * end to end with wide steps.
 */
static inline void *arena_block(size_t bytes)
{
	size_t align = bytes >= 8 * ARENA_HUGE ? ARENA_HUGE : ARENA_ALIGN;
	size_t whole = bytes ? (bytes + align - 1) / align * align : align;
	void *block = aligned_alloc(align, whole);

	if (block && align == ARENA_HUGE)
		madvise(block, whole, MADV_HUGEPAGE); /* refused: nothing is lost but speed */
	return block;
}

#endif
