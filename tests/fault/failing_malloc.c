/*
 * failing_malloc.c - LD_PRELOAD: the FAIL_AT-th allocation (from 1) returns NULL; with FAIL_ON set, every one from there.
 * FAIL_COUNT=FILE gets a line with the number of allocations of each process that ends. With FAIL_BAD set it is no NULL but
 * an address where nothing is: what a program without checks would go on with.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);

static atomic_long calls;
static long at;
static int on, ready;
static void *nothing;

/* What runs before main belongs to the loader and the libraries. */
__attribute__((constructor)) static void begin(void)
{
	const char *text = getenv("FAIL_AT");

	at = text ? atol(text) : 0;
	on = getenv("FAIL_ON") != NULL;
	nothing = getenv("FAIL_BAD") ? (void *)16 : NULL;
	ready = 1;
}

__attribute__((destructor)) static void end(void)
{
	const char *path = getenv("FAIL_COUNT");
	FILE *f;

	ready = 0;
	f = path ? fopen(path, "a") : NULL;
	if (f) {
		fprintf(f, "%ld\n", atomic_load(&calls));
		fclose(f);
	}
}

static int fails(void)
{
	long call;

	if (!ready)
		return 0;
	call = atomic_fetch_add(&calls, 1) + 1;
	if (!at || (call != at && !(on && call > at)))
		return 0;
	errno = ENOMEM;
	return 1;
}

void *malloc(size_t n)
{
	return fails() ? nothing : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	return fails() ? nothing : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	return fails() ? nothing : __libc_realloc(p, n);
}
