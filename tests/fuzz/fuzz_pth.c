/* fuzz_pth.c - any bytes as the pickle of a .pth file, and any bytes as the whole file; see fuzz.h */
#include <string.h>

#include "engine/net/weights.h"
#include "tests/fuzz/fuzz.h"

static uint32_t crc(const uint8_t *b, size_t n)
{
	uint32_t c = ~0u;

	for (size_t i = 0; i < n; i++) {
		c ^= b[i];
		for (int k = 0; k < 8; k++)
			c = c >> 1 ^ (c & 1 ? 0xedb88320u : 0);
	}
	return ~c;
}

struct zip {
	uint8_t bytes[1 << 17], directory[1 << 10];
	size_t n, n_directory;
	int members;
};

static void put(uint8_t *at, uint32_t v, int n)
{
	for (int i = 0; i < n; i++)
		at[i] = (uint8_t)(v >> 8 * i);
}

/* A stored member: local header, name, bytes; and its line of the directory. */
static void add(struct zip *z, const char *name, const uint8_t *b, size_t n)
{
	size_t len = strlen(name);
	uint8_t *local = z->bytes + z->n;
	uint8_t *line = z->directory + z->n_directory;

	memset(local, 0, 30);
	memcpy(local, "PK\3\4\12", 5);
	put(local + 14, crc(b, n), 4);
	put(local + 18, (uint32_t)n, 4);
	put(local + 22, (uint32_t)n, 4);
	put(local + 26, (uint32_t)len, 2);
	memset(line, 0, 46);
	memcpy(line, "PK\1\2\12\0\12", 7);
	memcpy(line + 16, local + 14, 14);
	put(line + 42, (uint32_t)z->n, 4);
	memcpy(line + 46, name, len);
	memcpy(local + 30, name, len);
	memcpy(local + 30 + len, b, n);
	z->n += 30 + len + n;
	z->n_directory += 46 + len;
	z->members++;
}

static void finish(struct zip *z)
{
	uint8_t *end = z->bytes + z->n + z->n_directory;

	memcpy(z->bytes + z->n, z->directory, z->n_directory);
	memset(end, 0, 22);
	memcpy(end, "PK\5\6", 4);
	put(end + 8, (uint32_t)z->members, 2);
	put(end + 10, (uint32_t)z->members, 2);
	put(end + 12, (uint32_t)z->n_directory, 4);
	put(end + 16, (uint32_t)z->n, 4);
	z->n += z->n_directory + 22;
}

/* The first byte: 0 for a whole file, else data.pkl beside storages of 4 to 128 bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static struct zip z;
	static const uint8_t values[128] = {1, 2, 3};
	struct weights *w;
	struct err e;

	if (n < 1 || n > 1 << 16)
		return 0;
	z.n = z.n_directory = 0;
	z.members = 0;
	if (bytes[0]) {
		add(&z, "x/data.pkl", bytes + 1, n - 1);
		add(&z, "x/data/0", values, 24);
		add(&z, "x/data/1", values, 4);
		add(&z, "x/data/2", values, 128);
		finish(&z);
	} else {
		memcpy(z.bytes, bytes + 1, z.n = n - 1);
	}
	if (!weights_open(&w, fuzz_file(0, z.bytes, z.n), &e))
		weights_free(w);
	return 0;
}
