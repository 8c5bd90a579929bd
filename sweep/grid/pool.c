/* pool.c - see pool.h */
#include "sweep/grid/pool.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 32768

struct pool_block {
	struct pool_block *next;
	size_t used, size;
	alignas(max_align_t) char bytes[];
};

static struct pool_block *add_block(struct pool *p, size_t n)
{
	size_t size = n > BLOCK_BYTES ? n : BLOCK_BYTES;
	struct pool_block *b = calloc(1, sizeof(*b) + size);

	if (!b)
		return NULL;
	b->size = size;
	b->next = p->blocks;
	p->blocks = b;
	return b;
}

void *pool_alloc(struct pool *p, size_t n)
{
	struct pool_block *b = p->blocks;
	void *at;

	n = (n + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
	if (!b || b->size - b->used < n)
		b = add_block(p, n);
	if (!b)
		return NULL;
	at = b->bytes + b->used;
	b->used += n;
	return at;
}

char *pool_copy(struct pool *p, const char *text, size_t n)
{
	char *copy = pool_alloc(p, n + 1);

	return copy ? memcpy(copy, text, n) : NULL;
}

void *pool_grow(struct pool *p, const void *old, size_t n, size_t least)
{
	void *grown = pool_alloc(p, 2 * n > least ? 2 * n : least);

	if (grown && n)
		memcpy(grown, old, n);
	return grown;
}

void pool_release(struct pool *p)
{
	while (p->blocks) {
		struct pool_block *next = p->blocks->next;

		free(p->blocks);
		p->blocks = next;
	}
}
