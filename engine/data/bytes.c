/* bytes.c - see bytes.h */
#include "engine/data/bytes.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFLATE_MOST 1032 /* deflate makes at most this many bytes of one */

static int zip_failed(struct bytes *b, int code, struct err *e)
{
	if (code == Z_MEM_ERROR)
		return err_set(e, ERR_NOMEM, "%s: out of memory", b->path);
	return err_set(e, ERR_DATA, "%s: damaged gzip data (%s)", b->path, b->z.msg ? b->z.msg : zError(code));
}

static int open_zip(struct bytes *b, struct err *e)
{
	int code = inflateInit2(&b->z, 15 + 16); /* the largest window; gzip framing only */

	if (code != Z_OK)
		return zip_failed(b, code, e);
	b->z_ready = true;
	return 0;
}

int bytes_open(struct bytes *b, const char *path, struct err *e)
{
	unsigned char magic[2];
	size_t got;
	int rc;

	memset(b, 0, sizeof(*b));
	b->path = path;
	b->fd = input_open(path, &b->size, e);
	if (b->fd < 0) {
		rc = b->fd;
		b->fd = -1;
		return rc;
	}
	rc = input_at(b->fd, path, magic, sizeof(magic), 0, &got, e);
	b->zipped = !rc && got == 2 && magic[0] == 0x1f && magic[1] == 0x8b;
	if (b->zipped)
		rc = open_zip(b, e);
	if (rc)
		bytes_close(b);
	return rc;
}

void bytes_close(struct bytes *b)
{
	if (b->fd < 0)
		return;
	if (b->z_ready)
		inflateEnd(&b->z);
	b->z_ready = false;
	close(b->fd);
	b->fd = -1;
}

static int refill(struct bytes *b, struct err *e)
{
	size_t got;
	int rc = input_at(b->fd, b->path, b->in, sizeof(b->in), b->at, &got, e);

	if (rc)
		return rc;
	b->at += (int64_t)got;
	b->z.next_in = b->in;
	b->z.avail_in = (uInt)got;
	return 0;
}

/* Up to n unzipped bytes; *got is less only where the last member ended. A member that breaks off is an error. */
static int unzip(struct bytes *b, void *out, size_t n, size_t *got, struct err *e)
{
	const size_t piece = 1 << 30; /* zlib counts in 32 bits */
	int code, rc;

	*got = 0;
	while (*got < n) {
		size_t want = n - *got < piece ? n - *got : piece;

		if (!b->z.avail_in) {
			rc = refill(b, e);
			if (rc)
				return rc;
		}
		if (!b->z.avail_in)
			return b->member_done ? 0 : err_set(e, ERR_DATA, "%s: damaged gzip data (cut short)", b->path);
		if (b->member_done && (code = inflateReset(&b->z)) != Z_OK)
			return zip_failed(b, code, e);
		b->z.next_out = (Bytef *)out + *got;
		b->z.avail_out = (uInt)want;
		code = inflate(&b->z, Z_NO_FLUSH);
		*got += want - b->z.avail_out;
		if (code != Z_OK && code != Z_STREAM_END)
			return zip_failed(b, code, e);
		b->member_done = code == Z_STREAM_END;
	}
	return 0;
}

static int fetch(struct bytes *b, void *out, size_t n, size_t *got, struct err *e)
{
	int rc = b->zipped ? unzip(b, out, n, got, e) : input_at(b->fd, b->path, out, n, b->at, got, e);

	if (!rc && !b->zipped)
		b->at += (int64_t)*got;
	b->told += *got;
	return rc;
}

int bytes_read(struct bytes *b, void *out, size_t n, const char *what, struct err *e)
{
	size_t got;
	int rc = fetch(b, out, n, &got, e);

	if (!rc && got < n)
		rc = err_set(e, ERR_DATA, "%s: ends inside its %s (%zu of %zu bytes)", b->path, what, got, n);
	return rc;
}

int bytes_block(struct bytes *b, void **out, size_t n, const char *what, struct err *e)
{
	uint64_t left = b->zipped ? (uint64_t)b->size * DEFLATE_MOST : (uint64_t)(b->size - b->at);
	int rc;

	*out = NULL;
	if (left < n)
		return err_set(e, ERR_DATA, "%s: ends inside its %s (%s%llu of %zu bytes)", b->path, what,
			       b->zipped ? "at most " : "", (unsigned long long)left, n);
	*out = malloc(n ? n : 1);
	if (!*out)
		return err_set(e, ERR_NOMEM, "%s: out of memory for %zu bytes", b->path, n);
	rc = bytes_read(b, *out, n, what, e);
	if (rc) {
		free(*out);
		*out = NULL;
	}
	return rc;
}

int bytes_end(struct bytes *b, struct err *e)
{
	unsigned char extra;
	size_t got;
	unsigned long long told = b->told;
	int rc = fetch(b, &extra, 1, &got, e);

	if (!rc && got)
		rc = err_set(e, ERR_DATA, "%s: goes on after the %llu bytes that its header promises", b->path, told);
	return rc;
}

int bytes_read_pair(struct raw_samples *raw, const struct data_spec *spec,
		    int (*read_images)(struct raw_samples *raw, struct bytes *b, struct err *e),
		    int (*read_labels)(struct raw_samples *raw, struct bytes *b, const char *images, struct err *e),
		    struct err *e)
{
	struct bytes b;
	int rc = bytes_open(&b, spec->images, e);

	if (!rc)
		rc = read_images(raw, &b, e);
	bytes_close(&b);
	if (rc)
		return rc;
	rc = bytes_open(&b, spec->labels, e);
	if (!rc)
		rc = read_labels(raw, &b, spec->images, e);
	bytes_close(&b);
	return rc;
}
