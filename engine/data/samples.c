/* samples.c - see samples.h */
#include "engine/data/samples.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "engine/base/input.h"

#define MAGIC "gapsweep images1" /* 16 bytes; another format, another magic */

/* The file: this, the images, the places. */
struct cache_head {
	char magic[16];
	char key[40];
	int64_t n, bytes, pixel;
	uint64_t digest[2];
	uint64_t places; /* checksum of the table */
	uint64_t sum;    /* of the members above */
};

static uint64_t head_sum(const struct cache_head *h)
{
	return XXH3_64bits(h, offsetof(struct cache_head, sum));
}

static size_t image_bytes(const struct samples *s, int h, int w)
{
	return (size_t)h * (size_t)w * (size_t)s->pixel;
}

void samples_release(struct samples *s)
{
	free(s->memory);
	free(s->place);
	if (s->path && s->fd >= 0)
		close(s->fd);
	free(s->path);
	*s = (struct samples){.fd = -1};
}

void samples_tighten(struct samples *s)
{
	void *less = s->memory ? realloc(s->memory, s->bytes) : NULL;

	if (!s->memory)
		return;
	s->memory = less ? less : s->memory;
	for (int64_t i = 0; i < s->n; i++)
		if (s->place[i].h != s->h || s->place[i].w != s->w)
			return;
	free(s->place);
	s->place = NULL;
}

/* ---- reading ---------------------------------------------------------------------------------------------- */

static int read_image(const struct samples *s, const struct sample_place *p, uint8_t *room, struct err *e)
{
	size_t n = image_bytes(s, p->h, p->w);
	size_t got;
	int rc = input_at(s->fd, s->path, room, n, p->at, &got, e);

	if (rc)
		return rc;
	if (got == n && XXH3_64bits(room, n) == p->sum)
		return 0;
	unlink(s->path);
	return err_set(e, ERR_DATA, "%s: an image of the cache is damaged; removed it: run again to make it anew",
		       s->path);
}

int samples_get(const struct samples *s, int64_t i, uint8_t *room, const uint8_t **px, int *h, int *w, struct err *e)
{
	const struct sample_place *p;

	if (!s->place) {
		*h = s->h;
		*w = s->w;
		*px = s->memory + (size_t)i * image_bytes(s, s->h, s->w);
		return 0;
	}
	p = &s->place[i];
	*h = p->h;
	*w = p->w;
	*px = s->memory ? s->memory + p->at : room;
	return s->memory ? 0 : read_image(s, p, room, e);
}

static void note_size(struct samples *s, int h, int w)
{
	s->h = h > s->h ? h : s->h;
	s->w = w > s->w ? w : s->w;
}

/* Head and table, checked. */
static bool read_tables(struct samples *s, int64_t size, const char *key, struct err *e)
{
	struct cache_head head;
	size_t got, table;

	if (input_at(s->fd, s->path, &head, sizeof(head), 0, &got, e) || got != sizeof(head) ||
	    memcmp(head.magic, MAGIC, sizeof(head.magic)) || head.sum != head_sum(&head) ||
	    strncmp(head.key, key, sizeof(head.key)) || head.pixel != s->pixel || head.n < 1 || head.bytes < 1 ||
	    head.n > INT64_MAX / 64)
		return false;
	table = (size_t)head.n * sizeof(*s->place);
	if (size - (int64_t)sizeof(head) - head.bytes != (int64_t)table)
		return false;
	s->place = malloc(table);
	if (!s->place || input_at(s->fd, s->path, s->place, table, (int64_t)sizeof(head) + head.bytes, &got, e) ||
	    got != table || XXH3_64bits(s->place, table) != head.places)
		return false;
	s->n = head.n;
	s->bytes = (size_t)head.bytes;
	memcpy(s->digest, head.digest, sizeof(s->digest));
	for (int64_t i = 0; i < s->n; i++)
		note_size(s, s->place[i].h, s->place[i].w);
	return true;
}

static char *cache_path(const char *dir, const char *key)
{
	char *path;

	return asprintf(&path, "%s/%s.bin", dir, key) < 0 ? NULL : path;
}

bool samples_cached(struct samples *s, const char *dir, const char *key, int pixel)
{
	struct err e;
	int64_t size = 0;

	*s = (struct samples){.fd = -1, .pixel = pixel, .path = cache_path(dir, key)};
	if (s->path)
		s->fd = input_open(s->path, &size, &e);
	if (s->fd >= 0 && read_tables(s, size, key, &e))
		return true;
	samples_release(s);
	return false;
}

/* ---- building --------------------------------------------------------------------------------------------- */

/* The directory and what leads to it. */
static int make_directory(const char *dir, struct err *e)
{
	char path[PATH_MAX];

	if ((size_t)snprintf(path, sizeof(path), "%s/", dir) >= sizeof(path))
		return err_set(e, ERR_CANTCREAT, "%s: path too long", dir);
	for (char *p = path + 1; *p; p++)
		if (*p == '/') {
			*p = 0;
			if (mkdir(path, 0700) && errno != EEXIST)
				return err_set(e, ERR_CANTCREAT, "%s: %s", path, strerror(errno));
			*p = '/';
		}
	return 0;
}

/* From here on images go to the file; those in memory go first. */
static int to_file(struct samples_build *b, struct err *e)
{
	const struct cache_head empty = {0};
	int rc = make_directory(b->dir, e);

	b->s.path = cache_path(b->dir, b->key);
	if (!rc && !b->s.path)
		rc = err_set(e, ERR_NOMEM, "out of memory");
	if (!rc)
		rc = file_begin(&b->file, b->s.path, e);
	if (!rc)
		rc = file_add(&b->file, &empty, sizeof(empty), e);
	if (!rc)
		rc = file_add(&b->file, b->s.memory, b->s.bytes, e);
	for (int64_t i = 0; i < b->s.n && !rc; i++) {
		struct sample_place *p = &b->s.place[i];

		p->sum = XXH3_64bits(b->s.memory + p->at, image_bytes(&b->s, p->h, p->w));
		p->at += (int64_t)sizeof(empty);
	}
	free(b->s.memory);
	b->s.memory = NULL;
	return rc;
}

int samples_begin(struct samples_build *b, int pixel, const char *dir, const char *key, size_t most, struct err *e)
{
	*b = (struct samples_build){
		.s = {.fd = -1, .pixel = pixel}, .file.fd = -1, .dir = dir, .key = key, .most = most};
	b->hash = XXH3_createState();
	if (!b->hash)
		return err_set(e, ERR_NOMEM, "out of memory");
	XXH3_128bits_reset(b->hash);
	return dir && !most ? to_file(b, e) : 0;
}

static int add_place(struct samples_build *b, struct sample_place p, struct err *e)
{
	if (b->s.n == b->place_room) {
		int64_t room = b->place_room ? 2 * b->place_room : 64;
		struct sample_place *more = realloc(b->s.place, (size_t)room * sizeof(*more));

		if (!more)
			return err_set(e, ERR_NOMEM, "out of memory for the places of %lld images", (long long)room);
		b->s.place = more;
		b->place_room = room;
	}
	b->s.place[b->s.n++] = p;
	return 0;
}

static int to_memory(struct samples_build *b, const uint8_t *px, size_t n, struct err *e)
{
	if (b->s.bytes + n > b->room) {
		size_t room = b->room ? 2 * b->room : 1 << 16;
		uint8_t *more;

		while (room < b->s.bytes + n)
			room *= 2;
		more = realloc(b->s.memory, room);
		if (!more)
			return err_set(e, ERR_NOMEM, "out of memory for %zu bytes of images", room);
		b->s.memory = more;
		b->room = room;
	}
	memcpy(b->s.memory + b->s.bytes, px, n);
	return 0;
}

int samples_append(struct samples_build *b, const uint8_t *px, int h, int w, int64_t source, struct err *e)
{
	struct sample_place p = {.h = h, .w = w, .source = source};
	size_t n = image_bytes(&b->s, h, w);
	int rc = 0;

	if (b->dir && b->file.fd < 0 && b->s.bytes + n > b->most)
		rc = to_file(b, e);
	p.at = (int64_t)b->s.bytes;
	if (!rc && b->file.fd >= 0) {
		p.at += (int64_t)sizeof(struct cache_head);
		p.sum = XXH3_64bits(px, n);
		rc = file_add(&b->file, px, n, e);
	} else if (!rc) {
		rc = to_memory(b, px, n, e);
	}
	if (!rc)
		rc = add_place(b, p, e);
	if (rc)
		return rc;
	XXH3_128bits_update(b->hash, px, n);
	b->s.bytes += n;
	note_size(&b->s, h, w);
	return 0;
}

static int end_file(struct samples_build *b, struct err *e)
{
	struct cache_head head = {.n = b->s.n, .bytes = (int64_t)b->s.bytes, .pixel = b->s.pixel};
	size_t table = (size_t)b->s.n * sizeof(*b->s.place);
	int64_t size;
	int rc;

	memcpy(head.magic, MAGIC, sizeof(head.magic));
	snprintf(head.key, sizeof(head.key), "%s", b->key);
	memcpy(head.digest, b->s.digest, sizeof(head.digest));
	head.places = XXH3_64bits(b->s.place, table);
	head.sum = head_sum(&head);
	rc = file_add(&b->file, b->s.place, table, e);
	if (!rc)
		rc = file_put(&b->file, &head, sizeof(head), 0, e);
	if (!rc)
		rc = file_end(&b->file, e);
	if (rc)
		return rc;
	b->s.fd = input_open(b->s.path, &size, e);
	return b->s.fd < 0 ? b->s.fd : 0;
}

int samples_end(struct samples_build *b, struct samples *out, struct err *e)
{
	XXH128_hash_t digest = XXH3_128bits_digest(b->hash);
	int rc = 0;

	b->s.digest[0] = digest.high64;
	b->s.digest[1] = digest.low64;
	if (b->file.fd >= 0)
		rc = end_file(b, e);
	if (rc)
		return rc;
	*out = b->s;
	b->s = (struct samples){.fd = -1};
	return 0;
}

void samples_drop(struct samples_build *b)
{
	file_drop(&b->file);
	samples_release(&b->s);
	XXH3_freeState(b->hash);
	b->hash = NULL;
}
