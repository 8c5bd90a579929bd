/* idx.c - MNIST's file format: big-endian header, unsigned bytes (http://yann.lecun.com/exdb/mnist/) */
#include "engine/data/data.h"
#include "engine/data/bytes.h"

#include <stdlib.h>
#include <string.h>

#define IDX_UBYTE    0x08
#define IDX_MAX_RANK 4

static uint32_t big_endian(const unsigned char b[4])
{
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* Reads the header: dim[0..*rank-1]. */
static int read_header(struct bytes *b, int *rank, uint32_t dim[IDX_MAX_RANK], int least, int most, struct err *e)
{
	unsigned char head[4], size[4];
	int rc = bytes_read(b, head, sizeof(head), "IDX header", e);

	if (rc)
		return rc;
	if (head[0] || head[1])
		return err_set(e, ERR_DATA, "%s: not an IDX file: starts with bytes %02x %02x, expected 00 00", b->path,
			       head[0], head[1]);
	if (head[2] != IDX_UBYTE)
		return err_set(e, ERR_DATA, "%s: IDX value type 0x%02x, expected 0x08 (unsigned byte)", b->path,
			       head[2]);
	*rank = head[3];
	if (*rank < least || *rank > most)
		return err_set(e, ERR_DATA, "%s: IDX file of %d dimensions, expected %s", b->path, *rank,
			       most == 1 ? "1 (labels)" : "3 or 4 (images: N, H, W or N, H, W, C)");
	for (int i = 0; i < *rank && !rc; i++) {
		rc = bytes_read(b, size, sizeof(size), "IDX header", e);
		if (!rc)
			dim[i] = big_endian(size);
		if (!rc && (!dim[i] || dim[i] > INT32_MAX))
			rc = err_set(e, ERR_DATA, "%s: size %u of dimension %d is not within 1 .. 2147483647", b->path,
				     dim[i], i + 1);
	}
	return rc;
}

static int read_images(struct raw_samples *raw, struct bytes *b, struct err *e)
{
	uint32_t dim[IDX_MAX_RANK] = {0};
	size_t bytes;
	int rank = 0;
	int rc = read_header(b, &rank, dim, 3, 4, e);

	if (rc)
		return rc;
	raw->n = dim[0];
	raw->h = (int)dim[1];
	raw->w = (int)dim[2];
	raw->c = rank == 4 ? (int)dim[3] : 1;
	rc = raw_size(raw, &bytes, b->path, e);
	if (!rc)
		rc = bytes_block(b, &raw->values, bytes, "pixels", e);
	return rc ? rc : bytes_end(b, e);
}

static int widen(struct raw_samples *raw, const uint8_t *label, const char *path, struct err *e)
{
	raw->label = malloc((size_t)raw->n * sizeof(*raw->label));
	if (!raw->label)
		return err_set(e, ERR_NOMEM, "%s: out of memory for %lld labels", path, (long long)raw->n);
	for (int64_t i = 0; i < raw->n; i++)
		raw->label[i] = label[i];
	return 0;
}

static int read_labels(struct raw_samples *raw, struct bytes *b, const char *images, struct err *e)
{
	uint32_t dim[IDX_MAX_RANK] = {0};
	void *label = NULL;
	int rank = 0;
	int rc = read_header(b, &rank, dim, 1, 1, e);

	if (!rc && dim[0] != raw->n)
		rc = err_set(e, ERR_DATA, "%s: %u labels, but %s has %lld images", b->path, dim[0], images,
			     (long long)raw->n);
	if (!rc)
		rc = bytes_block(b, &label, dim[0], "labels", e);
	if (!rc)
		rc = bytes_end(b, e);
	if (!rc)
		rc = widen(raw, label, b->path, e);
	free(label);
	return rc;
}

int idx_read(struct raw_samples *raw, const struct data_spec *spec, struct err *e)
{
	return bytes_read_pair(raw, spec, read_images, read_labels, e);
}
