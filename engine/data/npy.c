/* npy.c - numpy's array files, versions 1.0 to 3.0 (numpy.lib.format) */
#include "engine/data/data.h"
#include "engine/data/bytes.h"

#include <stdlib.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "npy.c reads little-endian values as they are"
#endif

#define NPY_MAX_HEADER 65535 /* of these three entries; numpy writes 118 bytes */
#define NPY_MAX_RANK   4

struct npy {
	char descr[8]; /* "|u1", "<f4", ... */
	int fortran;
	int rank;
	int64_t dim[NPY_MAX_RANK];
};

/* ---- the header: a Python dict of exactly three entries ---------------------------------------------------- */

struct cursor {
	const char *at, *end;
	const char *path;
};

static int bad_header(const struct cursor *c, const char *expected, struct err *e)
{
	return err_set(e, ERR_DATA, "%s: bad npy header: expected %s", c->path, expected);
}

static char peek(struct cursor *c)
{
	while (c->at < c->end && (*c->at == ' ' || *c->at == '\t'))
		c->at++;
	return c->at < c->end ? *c->at : '\0';
}

static bool take(struct cursor *c, char wanted)
{
	if (peek(c) != wanted || c->at == c->end)
		return false;
	c->at++;
	return true;
}

static bool take_word(struct cursor *c, const char *word)
{
	size_t n = strlen(word);

	peek(c);
	if ((size_t)(c->end - c->at) < n || memcmp(c->at, word, n))
		return false;
	c->at += n;
	return true;
}

/* A quoted string of printable characters, without escapes. */
static int take_string(struct cursor *c, char *out, size_t size, const char *expected, struct err *e)
{
	char quote = peek(c);
	size_t n = 0;

	if (quote != '\'' && quote != '"')
		return bad_header(c, expected, e);
	for (c->at++; c->at < c->end && *c->at != quote; c->at++) {
		if (*c->at < ' ' || *c->at > '~' || *c->at == '\\' || n + 1 == size)
			return bad_header(c, expected, e);
		out[n++] = *c->at;
	}
	out[n] = '\0';
	return take(c, quote) ? 0 : bad_header(c, expected, e);
}

static int take_size(struct cursor *c, int64_t *size, struct err *e)
{
	char digit = peek(c);

	if (digit < '0' || digit > '9')
		return bad_header(c, "a tuple of sizes as 'shape'", e);
	for (*size = 0; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
		if (*size > (INT64_MAX - 9) / 10)
			return bad_header(c, "sizes below 2^63 in 'shape'", e);
		*size = *size * 10 + (*c->at - '0');
	}
	return 0;
}

static int take_shape(struct cursor *c, struct npy *npy, struct err *e)
{
	bool more = true;

	if (!take(c, '('))
		return bad_header(c, "a tuple of sizes as 'shape'", e);
	for (npy->rank = 0; !take(c, ')'); npy->rank++) {
		int rc;

		if (npy->rank == NPY_MAX_RANK)
			return err_set(e, ERR_DATA, "%s: npy array of more than %d dimensions", c->path, NPY_MAX_RANK);
		if (!more)
			return bad_header(c, "',' or ')' in 'shape'", e);
		rc = take_size(c, &npy->dim[npy->rank], e);
		if (rc)
			return rc;
		more = take(c, ',');
	}
	if (npy->rank == 1 && !more)
		return bad_header(c, "a tuple of sizes as 'shape'", e); /* (5) is a number to Python */
	return 0;
}

static int take_entry(struct cursor *c, struct npy *npy, unsigned *seen, struct err *e)
{
	char key[16];
	unsigned bit;
	int rc = take_string(c, key, sizeof(key), "the keys 'descr', 'fortran_order' and 'shape'", e);

	if (rc)
		return rc;
	bit = !strcmp(key, "descr") ? 1 : !strcmp(key, "fortran_order") ? 2 : !strcmp(key, "shape") ? 4 : 0;
	if (!bit || *seen & bit || !take(c, ':'))
		return bad_header(c, "each of 'descr', 'fortran_order' and 'shape' once, with a value", e);
	*seen |= bit;
	if (bit == 1)
		return take_string(c, npy->descr, sizeof(npy->descr), "a simple type as 'descr'", e);
	if (bit == 4)
		return take_shape(c, npy, e);
	npy->fortran = take_word(c, "True");
	return npy->fortran || take_word(c, "False") ? 0 : bad_header(c, "True or False as 'fortran_order'", e);
}

static int parse_header(struct npy *npy, struct cursor *c, struct err *e)
{
	unsigned seen = 0;
	bool more = true;

	if (!take(c, '{'))
		return bad_header(c, "'{'", e);
	while (!take(c, '}')) {
		int rc = more ? take_entry(c, npy, &seen, e) : bad_header(c, "',' or '}'", e);

		if (rc)
			return rc;
		more = take(c, ',');
	}
	if (seen != 7)
		return bad_header(c, "each of 'descr', 'fortran_order' and 'shape' once, with a value", e);
	peek(c);
	if (c->at < c->end && *c->at == '\n')
		c->at++;
	return c->at == c->end ? 0 : bad_header(c, "nothing but spaces and a newline after '}'", e);
}

static int header_length(struct bytes *b, size_t *n, struct err *e)
{
	unsigned char v[8], len[4] = {0};
	int rc = bytes_read(b, v, sizeof(v), "npy header", e);

	if (rc)
		return rc;
	if (memcmp(v, "\x93NUMPY", 6))
		return err_set(e, ERR_DATA, "%s: not an npy file (no \\x93NUMPY at its start)", b->path);
	if (v[6] < 1 || v[6] > 3 || v[7])
		return err_set(e, ERR_DATA, "%s: npy version %d.%d, expected 1.0, 2.0 or 3.0", b->path, v[6], v[7]);
	rc = bytes_read(b, len, v[6] == 1 ? 2 : 4, "npy header", e);
	if (rc)
		return rc;
	*n = (size_t)len[0] | (size_t)len[1] << 8 | (size_t)len[2] << 16 | (size_t)len[3] << 24;
	if (*n > NPY_MAX_HEADER)
		return err_set(e, ERR_DATA, "%s: npy header of %zu bytes, at most %d", b->path, *n, NPY_MAX_HEADER);
	return 0;
}

static int read_header(struct bytes *b, struct npy *npy, struct err *e)
{
	struct cursor c;
	void *text = NULL;
	size_t n = 0;
	int rc = header_length(b, &n, e);

	memset(npy, 0, sizeof(*npy));
	if (!rc)
		rc = bytes_block(b, &text, n, "npy header", e);
	if (rc)
		return rc;
	c = (struct cursor){.at = text, .end = (const char *)text + n, .path = b->path};
	rc = parse_header(npy, &c, e);
	free(text);
	if (!rc && npy->fortran)
		rc = err_set(e, ERR_DATA,
			     "%s: fortran_order is True; save the array in C order (numpy.ascontiguousarray)", b->path);
	return rc;
}

/* ---- images ----------------------------------------------------------------------------------------------- */

/* Sizes of images by type and rank: uint8 (N,H,W[,C]) or float32 (N,C,H,W). */
static int set_shape(struct raw_samples *raw, const struct npy *npy, const char *path, struct err *e)
{
	const int64_t *d = npy->dim;

	raw->is_float = !strcmp(npy->descr, "<f4");
	if (!raw->is_float && strcmp(npy->descr, "|u1"))
		return err_set(e, ERR_DATA, "%s: images of type '%s', expected '|u1' (uint8) or '<f4' (float32)", path,
			       npy->descr);
	if (npy->rank != 4 && (raw->is_float || npy->rank != 3))
		return err_set(e, ERR_DATA, "%s: %s images of %d dimensions, expected %s", path,
			       raw->is_float ? "float32" : "uint8", npy->rank,
			       raw->is_float ? "4 (N, C, H, W)" : "3 or 4 (N, H, W or N, H, W, C)");
	for (int i = 1; i < npy->rank; i++)
		if (d[i] > INT32_MAX)
			return err_set(e, ERR_DATA, "%s: size %lld of dimension %d is over 2147483647", path,
				       (long long)d[i], i + 1);
	raw->n = d[0];
	raw->c = (int)(raw->is_float ? d[1] : npy->rank == 4 ? d[3] : 1);
	raw->h = (int)(raw->is_float ? d[2] : d[1]);
	raw->w = (int)(raw->is_float ? d[3] : d[2]);
	return 0;
}

/* (N,C,H,W) to (N,H,W,C) in place, one sample at a time. */
static int to_channels_last(struct raw_samples *raw, const char *path, struct err *e)
{
	size_t c = (size_t)raw->c;
	size_t hw = (size_t)raw->h * (size_t)raw->w;
	float *v = raw->values;
	float *copy;

	if (c == 1)
		return 0;
	copy = malloc(c * hw * sizeof(*copy));
	if (!copy)
		return err_set(e, ERR_NOMEM, "%s: out of memory", path);
	for (int64_t i = 0; i < raw->n; i++, v += c * hw) {
		memcpy(copy, v, c * hw * sizeof(*copy));
		for (size_t k = 0; k < c; k++)
			for (size_t p = 0; p < hw; p++)
				v[p * c + k] = copy[k * hw + p];
	}
	free(copy);
	return 0;
}

static int read_images(struct raw_samples *raw, struct bytes *b, struct err *e)
{
	struct npy npy;
	size_t bytes;
	int rc = read_header(b, &npy, e);

	if (!rc)
		rc = set_shape(raw, &npy, b->path, e);
	if (!rc)
		rc = raw_size(raw, &bytes, b->path, e);
	if (!rc)
		rc = bytes_block(b, &raw->values, bytes, "pixels", e);
	if (!rc)
		rc = bytes_end(b, e);
	if (!rc && raw->is_float)
		rc = to_channels_last(raw, b->path, e);
	return rc;
}

/* ---- labels ----------------------------------------------------------------------------------------------- */

static size_t label_bytes(const char *descr)
{
	return !strcmp(descr, "<i8") ? 8 : !strcmp(descr, "<i4") ? 4 : !strcmp(descr, "|u1") ? 1 : 0;
}

static int64_t label_value(const char *at, size_t size)
{
	int64_t wide;
	int32_t narrow;

	if (size == 1)
		return (unsigned char)*at;
	if (size == 4) {
		memcpy(&narrow, at, 4);
		return narrow;
	}
	memcpy(&wide, at, 8);
	return wide;
}

static int check_labels(const struct npy *npy, int64_t n, const char *path, const char *images, struct err *e)
{
	if (!label_bytes(npy->descr))
		return err_set(e, ERR_DATA,
			       "%s: labels of type '%s', expected '<i8', '<i4' or '|u1' (int64, int32, uint8)", path,
			       npy->descr);
	if (npy->rank != 1)
		return err_set(e, ERR_DATA, "%s: labels of %d dimensions, expected 1", path, npy->rank);
	if (npy->dim[0] != n)
		return err_set(e, ERR_DATA, "%s: %lld labels, but %s has %lld images", path, (long long)npy->dim[0],
			       images, (long long)n);
	return 0;
}

static int read_labels(struct raw_samples *raw, struct bytes *b, const char *images, struct err *e)
{
	struct npy npy;
	void *block = NULL;
	size_t size;
	int rc = read_header(b, &npy, e);

	if (!rc)
		rc = check_labels(&npy, raw->n, b->path, images, e);
	if (rc)
		return rc;
	size = label_bytes(npy.descr);
	rc = bytes_block(b, &block, (size_t)raw->n * size, "labels", e); /* raw_size() bounded n */
	if (!rc)
		rc = bytes_end(b, e);
	if (!rc) {
		raw->label = malloc((size_t)raw->n * sizeof(*raw->label));
		if (!raw->label)
			rc = err_set(e, ERR_NOMEM, "%s: out of memory for %lld labels", b->path, (long long)raw->n);
	}
	for (int64_t i = 0; i < raw->n && !rc; i++)
		raw->label[i] = label_value((const char *)block + (size_t)i * size, size);
	free(block);
	return rc;
}

int npy_read(struct raw_samples *raw, const struct data_spec *spec, struct err *e)
{
	return bytes_read_pair(raw, spec, read_images, read_labels, e);
}
