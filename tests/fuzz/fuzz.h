/*
 * fuzz.h - for libFuzzer targets whose reader takes a path: the input as a file in memory.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Path of a file that holds these bytes; one file a slot, overwritten by the next call. */
static inline const char *fuzz_file(int slot, const uint8_t *bytes, size_t n)
{
	static char path[2][64];
	static int fd[2];

	if (!fd[slot]) {
		fd[slot] = memfd_create("fuzz", MFD_CLOEXEC);
		snprintf(path[slot], sizeof(path[slot]), "/proc/self/fd/%d", fd[slot]);
	}
	if (fd[slot] < 0 || ftruncate(fd[slot], 0) || pwrite(fd[slot], bytes, n, 0) != (ssize_t)n)
		abort();
	return path[slot];
}

#endif
