/*
 * scratch.h - for unit tests that make files: a directory of the test's own, and small files in it.
 */
#ifndef TESTS_UNIT_SCRATCH_H
#define TESTS_UNIT_SCRATCH_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SCRATCH_PATHS 100

static char scratch_dir[64];
static char scratch_paths[SCRATCH_PATHS][400];

static inline int scratch_setup(void **state)
{
	(void)state;
	snprintf(scratch_dir, sizeof(scratch_dir), "/tmp/gapsweep-test-XXXXXX");
	return mkdtemp(scratch_dir) ? 0 : -1;
}

/* Files in the scratch directory; removes them on the way if asked to. */
static inline int scratch_files(int remove_them)
{
	DIR *dir = opendir(scratch_dir);
	struct dirent *entry;
	char path[400];
	int n = 0;

	while (dir && (entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		n++;
		snprintf(path, sizeof(path), "%s/%s", scratch_dir, entry->d_name);
		if (remove_them && unlink(path))
			rmdir(path);
	}
	if (dir)
		closedir(dir);
	return n;
}

static inline int scratch_clear(void **state)
{
	(void)state;
	scratch_files(1);
	memset(scratch_paths, 0, sizeof(scratch_paths));
	return 0;
}

static inline int scratch_teardown(void **state)
{
	scratch_clear(state);
	return rmdir(scratch_dir);
}

/* scratch_dir/name; the string stays until the test ends. */
static inline const char *scratch_path(const char *name)
{
	char path[sizeof(scratch_paths[0])];

	snprintf(path, sizeof(path), "%s/%s", scratch_dir, name);
	for (int i = 0; i < SCRATCH_PATHS; i++) {
		if (!*scratch_paths[i])
			memcpy(scratch_paths[i], path, sizeof(path));
		if (!strcmp(scratch_paths[i], path))
			return scratch_paths[i];
	}
	abort();
}

static inline const char *scratch_write(const char *name, const void *bytes, size_t n)
{
	const char *path = scratch_path(name);
	FILE *f = fopen(path, "wb");

	if (!f || fwrite(bytes, 1, n, f) != n || fclose(f))
		abort();
	return path;
}

#endif
