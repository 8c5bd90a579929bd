/*
 * pool.h - many small blocks that live and die together: a grid file's tree, a study's strings and arrays.
 */
#ifndef SWEEP_GRID_POOL_H
#define SWEEP_GRID_POOL_H

#include <stddef.h>

struct pool {
	struct pool_block *blocks;
};

/* n zeroed bytes, aligned for any type, or NULL if memory is out. */
void *pool_alloc(struct pool *p, size_t n);
/* n bytes of text with a NUL behind them, or NULL. */
char *pool_copy(struct pool *p, const char *text, size_t n);
/* A block twice as long with the same first n bytes (at least `least` long), or NULL; the old one stays allocated. */
void *pool_grow(struct pool *p, const void *old, size_t n, size_t least);
/* Frees all; accepts a zeroed one. */
void pool_release(struct pool *p);

#endif
