/*
 * replay.c - a fuzz target as a plain test: its seeds and all that was ever found are run once. test_NAME, linked with
 * fuzz_NAME.c, reads tests/fuzz/seeds/NAME/ and tests/fuzz/found/NAME/.
 */
#include <dirent.h>
#include <libgen.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static int replay(const char *dir)
{
	struct dirent *entry;
	DIR *d = opendir(dir);
	int n = 0;

	while (d && (entry = readdir(d))) {
		char path[4096];
		char *bytes;
		size_t size;
		struct err e;

		if (entry->d_name[0] == '.' || path_join(path, sizeof(path), dir, entry->d_name, &e))
			continue;
		if (file_read(&bytes, &size, path, (size_t)1 << 26, &e)) {
			fprintf(stderr, "%s\n", e.msg);
			exit(1);
		}
		printf("%s\n", path);
		fflush(stdout); /* the last line names the one that crashes */
		LLVMFuzzerTestOneInput((uint8_t *)bytes, size);
		free(bytes);
		n++;
	}
	if (d)
		closedir(d);
	return n;
}

int main(int argc, char **argv)
{
	const char *name = argc > 0 ? basename(argv[0]) + strlen("test_") : "";
	char dir[512];
	int n;

	snprintf(dir, sizeof(dir), "tests/fuzz/seeds/%s", name);
	n = replay(dir);
	snprintf(dir, sizeof(dir), "tests/fuzz/found/%s", name);
	n += replay(dir);
	printf("%d files\n", n);
	return n ? 0 : 1;
}
