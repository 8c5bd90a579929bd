/* test_weights.c - safetensors in and out: conversions, names, and every rule of the format that a file may break */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "engine/net/weights.h"
#include "tests/unit/scratch.h"

#define BACKBONE "grids/fashion/backbone.safetensors"

/* A file of this header text and data. */
static const char *safetensors(const char *header, size_t len, const void *data, size_t n)
{
	unsigned char *b = malloc(8 + len + n);
	const char *path;

	for (int i = 0; i < 8; i++)
		b[i] = (unsigned char)((uint64_t)len >> 8 * i);
	memcpy(b + 8, header, len);
	if (n)
		memcpy(b + 8 + len, data, n);
	path = scratch_write("w.safetensors", b, 8 + len + n);
	free(b);
	return path;
}

static struct weights *open_ok(const char *path)
{
	struct weights *w = NULL;
	struct err e = {0};

	if (weights_open(&w, path, &e))
		fail_msg("%s", e.msg);
	return w;
}

static struct weights *open_text(const char *header, const void *data, size_t n)
{
	return open_ok(safetensors(header, strlen(header), data, n));
}

/* Opening fails with this code; the one line names the file and has the words in it. */
static void refused(const char *path, int code, const char *words)
{
	struct weights *w = (struct weights *)&w;
	struct err e = {0};
	int rc = weights_open(&w, path, &e);

	if (rc != code || !strstr(e.msg, words) || !strstr(e.msg, path))
		fail_msg("rc %d, expected %d with '%s': %s", rc, code, words, e.msg);
	for (const char *c = e.msg; *c; c++)
		assert_true((unsigned char)*c >= ' ');
	assert_null(w);
}

/* The same for a file of this header and 16 bytes of data. */
static void refused_text(const char *header, const char *words)
{
	static const char data[16];

	refused(safetensors(header, strlen(header), data, sizeof(data)), ERR_DATA, words);
}

/* ---- what is read ------------------------------------------------------------------------------------------ */

static void test_backbone(void **state)
{
	struct weights *w = open_ok(BACKBONE);
	struct weights *again = open_ok(BACKBONE);
	const struct tensor *t = weights_find(w, "conv1.weight");
	const float *next = weights_at(w, 0)->data;

	(void)state;
	assert_int_equal(weights_count(w), 47);
	assert_ptr_equal(t, weights_at(w, 0)); /* in file order */
	assert_int_equal(t->rank, 4);
	assert_int_equal(t->n, 72);
	assert_memory_equal(t->shape, ((int64_t[]){8, 1, 3, 3}), 32);
	assert_true(t->data[0] == -0.31405213475227356f);
	assert_true(t->data[2] == -0.4324941039085388f);
	t = weights_find(w, "fc.weight");
	assert_memory_equal(t->shape, ((int64_t[]){8, 32}), 16);
	assert_ptr_equal(t, weights_at(w, 45));
	assert_null(weights_find(w, "fc"));
	assert_null(weights_find(w, ""));
	for (int i = 0; i < 47; i++) {
		assert_ptr_equal(weights_find(w, weights_at(w, i)->name), weights_at(w, i));
		assert_ptr_equal(weights_at(w, i)->data, next);
		next += weights_at(w, i)->n;
	}
	assert_int_equal(strspn(weights_hash(w), "0123456789abcdef"), 32);
	assert_string_equal(weights_hash(w), weights_hash(again));
	weights_free(w);
	weights_free(again);
}

static void test_dtypes_become_float32(void **state)
{
	static const char header[] = "{\"h\":{\"dtype\":\"F16\",\"shape\":[8],\"data_offsets\":[0,16]},"
				     "\"b\":{\"dtype\":\"BF16\",\"shape\":[2,2],\"data_offsets\":[16,24]},"
				     "\"d\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[24,40]},"
				     "\"n\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[40,48]}}";
	static const uint16_t half[8] = {0x3c00, 0xc000, 0x7bff, 0x0001, 0x8000, 0x83ff, 0x7c00, 0x3555};
	static const float half_is[8] = {1, -2, 65504, 0x1p-24f, -0.0f, -1023 * 0x1p-24f, INFINITY, 0x1.554p-2f};
	static const uint16_t brain[4] = {0x3f80, 0xc049, 0x0001, 0xff80};
	static const float brain_is[4] = {1, -3.140625f, 0x1p-133f, -INFINITY};
	static const double wide[2] = {0.1, -1e300};
	unsigned char data[48] = {0};
	struct weights *w;

	(void)state;
	memcpy(data, half, 16);
	memcpy(data + 16, brain, 8);
	memcpy(data + 24, wide, 16);
	w = open_text(header, data, sizeof(data));
	assert_int_equal(weights_count(w), 3); /* the counter is skipped */
	assert_memory_equal(weights_find(w, "h")->data, half_is, sizeof(half_is));
	assert_memory_equal(weights_find(w, "b")->data, brain_is, sizeof(brain_is));
	assert_true(weights_find(w, "d")->data[0] == 0.1f);
	assert_true(weights_find(w, "d")->data[1] == -INFINITY);
	assert_null(weights_find(w, "n"));
	weights_free(w);
}

static void test_half_nan_stays_nan(void **state)
{
	struct weights *w =
		open_text("{\"h\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[0,2]}}", (uint16_t[]){0x7e00}, 2);

	(void)state;
	assert_true(isnan(weights_at(w, 0)->data[0]));
	weights_free(w);
}

/* More values than one piece of the conversion's buffer, so that pieces join without a gap. */
static void test_long_half_tensor(void **state)
{
	enum { N = 50001 };
	uint16_t *half = malloc(2 * N);
	struct weights *w;

	(void)state;
	for (int i = 0; i < N; i++)
		half[i] = (uint16_t)(0x3f80 + i % 127);
	w = open_text("{\"b\":{\"dtype\":\"BF16\",\"shape\":[50001],\"data_offsets\":[0,100002]}}", half, 2 * N);
	for (int i = 0; i < N; i++)
		assert_true(weights_at(w, 0)->data[i] == 1.0f + (float)(i % 127) / 128.0f);
	weights_free(w);
	free(half);
}

static void test_all_integer_types_are_skipped(void **state)
{
	static const char *const type[] = {"I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL"};
	static const int bytes[] = {8, 4, 2, 1, 8, 4, 2, 1, 1};
	static const char data[16];

	(void)state;
	for (int i = 0; i < 9; i++) {
		char header[200];
		struct weights *w;

		snprintf(header, sizeof(header), "{\"x\":{\"dtype\":\"%s\",\"shape\":[2],\"data_offsets\":[0,%d]}}",
			 type[i], 2 * bytes[i]);
		w = open_text(header, data, 2 * (size_t)bytes[i]);
		assert_int_equal(weights_count(w), 0);
		weights_free(w);
	}
}

static void test_prefixes_are_dropped(void **state)
{
	struct weights *w =
		open_text("{\"module.fc.bias\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
			  "\"module.backbone.conv1.w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]},"
			  "\"backbone.bn1.w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]},"
			  "\"my.module.w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[12,16]}}",
			  (float[]){1, 2, 3, 4}, 16);

	(void)state;
	assert_true(weights_find(w, "fc.bias")->data[0] == 1);
	assert_true(weights_find(w, "conv1.w")->data[0] == 2);
	assert_true(weights_find(w, "bn1.w")->data[0] == 3);
	assert_true(weights_find(w, "my.module.w")->data[0] == 4);
	assert_null(weights_find(w, "module.fc.bias"));
	weights_free(w);
}

/* Legal, if unusual: no tensors; a scalar; empty tensors in several places; spaces behind; UTF-8; another order. */
static void test_legal_corners(void **state)
{
	struct weights *w = open_text("{}", NULL, 0);

	(void)state;
	assert_int_equal(weights_count(w), 0);
	assert_null(weights_find(w, "x"));
	weights_free(w);
	w = open_text("{\"__metadata__\":{\"format\":\"pt\"},"
		      "\"b\":{\"data_offsets\":[4,8],\"shape\":[1,1,1,1,1,1,1,1],\"dtype\":\"F32\"},"
		      "\"e\":{\"dtype\":\"F32\",\"shape\":[3,0],\"data_offsets\":[4,4]},"
		      "\"z\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},"
		      "\"\xc3\xa4\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}     ",
		      (float[]){5, 6}, 8);
	assert_int_equal(weights_count(w), 4);
	assert_string_equal(weights_at(w, 0)->name, "z");
	assert_int_equal(weights_find(w, "\xc3\xa4")->rank, 0);
	assert_int_equal(weights_find(w, "\xc3\xa4")->n, 1);
	assert_true(weights_find(w, "\xc3\xa4")->data[0] == 5);
	assert_int_equal(weights_find(w, "e")->n, 0);
	assert_int_equal(weights_find(w, "b")->rank, 8);
	assert_true(weights_find(w, "b")->data[0] == 6);
	weights_free(w);
}

static void hash_of(char out[33], const char *header, const float *data, size_t n)
{
	struct weights *w = open_text(header, data, n * 4);

	memcpy(out, weights_hash(w), 33);
	weights_free(w);
}

static void test_hash_is_of_names_shapes_values(void **state)
{
	static const char a_b[] = "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
				  "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}";
	static const char b_a[] =
		"{\"__metadata__\":{\"x\":\"y\"},\"module.b\":{\"dtype\":\"F32\",\"shape\":[1],"
		"\"data_offsets\":[0,4]},\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}";
	static const char a_c[] = "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
				  "\"c\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}";
	static const char shape[] = "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1],\"data_offsets\":[0,4]},"
				    "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}";
	static const char wide[] = "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]}}";
	static const char high[] = "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[0,8]}}";
	char base[33], other[33];

	(void)state;
	hash_of(base, a_b, (float[]){1, 2}, 2);
	hash_of(other, b_a, (float[]){2, 1}, 2); /* the same tensors in another order */
	assert_string_equal(base, other);
	hash_of(other, a_b, (float[]){2, 1}, 2);
	assert_string_not_equal(base, other);
	hash_of(other, a_c, (float[]){1, 2}, 2);
	assert_string_not_equal(base, other);
	hash_of(other, shape, (float[]){1, 2}, 2);
	assert_string_not_equal(base, other);
	hash_of(base, wide, (float[]){1, 2}, 2);
	hash_of(other, high, (float[]){1, 2}, 2);
	assert_string_not_equal(base, other);
}

/* ---- what is refused --------------------------------------------------------------------------------------- */

static void test_header_length(void **state)
{
	unsigned char b[24] = {0};
	static const struct {
		uint64_t len;
		const char *says;
	} bad[] = {
		{0, "does not start with '{'"},
		{17, "header of 17 bytes in a file of 24"},
		{100000000, "header of 100000000 bytes in a file of 24"},
		{100000001, "at most 100000000"},
		{(uint64_t)1 << 63, "at most 100000000"},
		{UINT64_MAX, "at most 100000000"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		for (int k = 0; k < 8; k++)
			b[k] = (unsigned char)(bad[i].len >> 8 * k);
		refused(scratch_write("w", b, sizeof(b)), ERR_DATA, bad[i].says);
	}
	for (size_t n = 0; n < 8; n++)
		refused(scratch_write("w", b, n), ERR_DATA, "at least 8 expected");
}

#define T(offsets) "{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":" offsets "}"
#define S(shape)   "{\"t\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[0,16]}}"

static void test_bad_json(void **state)
{
	(void)state;
	refused_text(" {\"t\":" T("[0,16]") "}", "does not start with '{'");
	refused_text("[]", "does not start with '{'");
	refused_text("{", "bad JSON in the header");
	refused_text("{} x", "bad JSON in the header");
	refused_text("{\"fc.w\":" T("[0,8]") ",\"fc.w\":" T("[8,16]") "}", "duplicate object key near '\"fc.w\"'");
	refused_text("{\"t\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", "duplicate object key");
	refused_text("{\"\xff\":" T("[0,8]") "}", "bad JSON in the header");
	refused_text("{\"a\\u0000b\":" T("[0,8]") "}", "bad JSON in the header");
	refused_text("{\"t\":" T("[0,99999999999999999999]") "}", "too big");
	refused(safetensors("{\"a\0\":1}", 8, NULL, 0), ERR_DATA, "bad JSON in the header");
}

static void test_deep_nesting(void **state)
{
	static char text[100001];

	(void)state;
	memset(text, '[', 100000);
	memcpy(text, "{\"a\":", 5);
	refused_text(text, "bad JSON in the header");
}

static void test_bad_entries(void **state)
{
	(void)state;
	refused_text("{\"t\":7}", "tensor 't': not an object");
	refused_text("{\"t\":{}}", "tensor 't': no string 'dtype'");
	refused_text("{\"t\":{\"dtype\":7}}", "tensor 't': no string 'dtype'");
	refused_text("{\"t\":{\"dtype\":\"F8_E4M3\"}}", "tensor 't': dtype 'F8_E4M3' is not known");
	refused_text("{\"t\":{\"dtype\":\"f32\"}}", "tensor 't': dtype 'f32' is not known");
	refused_text("{\"t\":{\"dtype\":\"F32\"}}", "tensor 't': no list 'shape'");
	refused_text(S("{}"), "no list 'shape'");
	refused_text(S("[-4]"), "whole numbers from 0 up");
	refused_text(S("[4.0]"), "whole numbers from 0 up");
	refused_text(S("[\"4\"]"), "whole numbers from 0 up");
	refused_text(S("[true]"), "whole numbers from 0 up");
	refused_text(S("[1,1,1,1,1,1,1,1,4]"), "tensor 't': 9 dimensions, at most 8");
	refused_text(S("[4294967296,4294967296]"), "tensor 't': the product of 'shape' is over 2^63");
	refused_text(S("[4294967296,4294967296,0]"), "product of 'shape'");
	refused_text(S("[4611686018427387904]"), "tensor 't': shape and dtype F32 make over 2^63 bytes");
	refused_text(S("[5]"), "tensor 't': data_offsets span 16 bytes, but shape and dtype F32 make 20");
	refused_text(S("[]"), "span 16 bytes, but shape and dtype F32 make 4");
	refused_text(S("[0]"), "span 16 bytes, but shape and dtype F32 make 0");
	refused_text("{\"t\":{\"dtype\":\"F64\",\"shape\":[4],\"data_offsets\":[0,16]}}", "dtype F64 make 32");
	refused_text("{\"t\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16],\"x\":1}}", "tensor 't': 4 keys");
	refused_text("{\"__metadata__\":7}", "__metadata__ is not an object");
	refused_text("{\"__metadata__\":{\"a\":7}}", "__metadata__ holds something else than strings");
}

static void test_bad_offsets(void **state)
{
	(void)state;
	refused_text("{\"t\":" T("7") "}", "tensor 't': 'data_offsets' is not a pair");
	refused_text("{\"t\":" T("[0]") "}", "is not a pair");
	refused_text("{\"t\":" T("[0,8,16]") "}", "is not a pair");
	refused_text("{\"t\":" T("[-8,0]") "}", "is not a pair of whole numbers from 0 up");
	refused_text("{\"t\":" T("[0,8.0]") "}", "is not a pair");
	refused_text("{\"t\":{\"dtype\":\"F32\",\"shape\":[4]}}", "is not a pair");
	refused_text("{\"t\":" T("[8,0]") "}", "tensor 't': data_offsets [8, 0] run backwards");
	refused_text("{\"t\":" T("[9,17]") "}", "reach beyond the file's 16 bytes");
	refused_text("{\"t\":" T("[9223372036854775800,9223372036854775807]") "}", "reach beyond");
	refused_text("{\"t\":" T("[0,8]") ",\"u\":" T("[4,12]") "}", "tensor 'u': data_offsets [4, 12] overlap");
	refused_text("{\"t\":" T("[0,8]") ",\"u\":" T("[0,8]") "}", "tensor 'u': data_offsets [0, 8] overlap");
	refused_text("{\"e\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[4,4]},\"t\":" T("[0,8]") "}",
		     "tensor 'e': data_offsets [4, 4] overlap");
	refused_text("{\"t\":" T("[8,16]") "}", "tensor 't': a hole of 8 bytes");
	refused_text("{\"t\":" T("[0,8]") "}", "8 bytes after the last tensor's data");
	refused_text("{}", "16 bytes after the last tensor's data");
}

static void test_same_name_after_dropping(void **state)
{
	(void)state;
	refused_text("{\"fc.w\":" T("[0,8]") ",\"module.fc.w\":" T("[8,16]") "}", "tensor 'fc.w': there twice");
}

static void test_names_cannot_harm_the_terminal(void **state)
{
	char header[400];
	char name[201];

	(void)state;
	refused_text("{\"a\\u001b[31m\\nb\":7}", "tensor 'a?[31m?b': not an object");
	memset(name, 'x', 200);
	name[200] = '\0';
	snprintf(header, sizeof(header), "{\"%s\":7}", name);
	refused_text(header, "xxx...': not an object");
	for (int i = 1; i < 199; i += 2) /* a character lies across the place of the cut */
		memcpy(name + i, "\xc3\xa4", 2);
	snprintf(header, sizeof(header), "{\"%s\":7}", name);
	refused_text(header, "\xc3\xa4\xc3\xa4...': not an object");
}

/* A million tensors are refused before they cost memory; names with commas in them are not what is counted. */
static void test_too_many(void **state)
{
	enum { N = 1000000, ROOM = N * 60 + 100 };
	char *text = malloc(ROOM);
	size_t n = 1;

	(void)state;
	text[0] = '{';
	for (int i = 0; i < N; i++)
		n += (size_t)snprintf(text + n, ROOM - n,
				      "%s\"%d\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}", i ? "," : "",
				      i);
	text[n++] = '}';
	refused(safetensors(text, n, NULL, 0), ERR_DATA, "the header lists more than 2000000 values");
	n = 1;
	for (int i = 0; i < 100001; i++)
		n += (size_t)snprintf(text + n, ROOM - n, "%s\"%d\":0", i ? "," : "", i);
	text[n++] = '}';
	refused(safetensors(text, n, NULL, 0), ERR_DATA, "100001 tensors, at most 100000");
	free(text);
}

/* Every length of a real file but the whole one is refused: cut anywhere, nothing is taken for weights. */
static void test_cut_anywhere(void **state)
{
	static char bytes[1 << 17];
	FILE *f = fopen(BACKBONE, "rb");
	size_t size = fread(bytes, 1, sizeof(bytes), f);

	(void)state;
	fclose(f);
	for (size_t n = 0; n <= size + 1; n += n < 64 || n > size - 8 ? 1 : 997) {
		if (n > size - 997 && n < size - 8)
			n = size - 8;
		if (n != size)
			refused(scratch_write("cut", bytes, n), ERR_DATA, "");
	}
}

static void test_huge_sparse_file(void **state)
{
	const char *path = scratch_write("sparse", "", 0);

	(void)state;
	if (truncate(path, (off_t)1 << 40))
		skip();
	refused(path, ERR_DATA, "1099511627776 bytes, at most");
}

static void test_unreadable(void **state)
{
	(void)state;
	refused("/nonexistent/w", ERR_NOINPUT, "No such file or directory");
	refused(scratch_dir, ERR_NOINPUT, "Is a directory");
	refused("/dev/zero", ERR_NOINPUT, "not a regular file");
}

/* ---- writing ----------------------------------------------------------------------------------------------- */

static void same(const struct weights *a, const struct weights *b)
{
	assert_int_equal(weights_count(a), weights_count(b));
	for (int i = 0; i < weights_count(a); i++) {
		const struct tensor *s = weights_at(a, i);
		const struct tensor *t = weights_at(b, i);

		assert_string_equal(s->name, t->name);
		assert_int_equal(s->rank, t->rank);
		assert_int_equal(s->n, t->n);
		assert_memory_equal(s->shape, t->shape, sizeof(s->shape));
		assert_memory_equal(s->data, t->data, (size_t)s->n * 4);
	}
	assert_string_equal(weights_hash(a), weights_hash(b));
}

static size_t slurp(const char *path, char *out, size_t room)
{
	FILE *f = fopen(path, "rb");
	size_t n = fread(out, 1, room, f);

	fclose(f);
	return n;
}

static void test_round_trip(void **state)
{
	static const char *const meta[][2] = {{"format", "pt"}, {"trial", "quote \" and \\ and \xc3\xa4"}};
	struct weights *w = open_ok(BACKBONE);
	struct weights *back;
	const char *path = scratch_path("out.safetensors");
	static char first[1 << 17], second[1 << 17];
	struct err e = {0};
	size_t n;

	(void)state;
	for (int k = 0; k < 2; k++) { /* the second time it replaces the first */
		if (weights_write(path, weights_at(w, 0), weights_count(w), meta, 2, &e))
			fail_msg("%s", e.msg);
		n = slurp(path, k ? second : first, sizeof(first));
	}
	assert_memory_equal(first, second, n);
	assert_int_equal((unsigned char)first[0] % 8, 0); /* data begins at a multiple of 8 */
	assert_non_null(strstr(first + 8, "\"__metadata__\":{\"format\":\"pt\""));
	back = open_ok(path);
	same(w, back);
	assert_int_equal(scratch_files(0), 1); /* no temp file stays */
	weights_free(w);
	weights_free(back);
}

static void test_round_trip_of_corners(void **state)
{
	static const float v[3] = {NAN, -0.0f, 0x1p-149f};
	const struct tensor t[] = {
		{.name = "scalar", .rank = 0, .n = 1, .data = v},
		{.name = "empty", .rank = 2, .shape = {0, 3}, .n = 0, .data = v},
		{.name = "bits", .rank = 1, .shape = {3}, .n = 3, .data = v},
	};
	const char *path = scratch_path("out");
	struct weights *w;
	struct err e = {0};

	(void)state;
	assert_int_equal(weights_write(path, t, 3, NULL, 0, &e), 0);
	w = open_ok(path);
	assert_int_equal(weights_count(w), 3);
	assert_int_equal(weights_find(w, "empty")->shape[1], 3);
	assert_memory_equal(weights_find(w, "bits")->data, v, sizeof(v));
	weights_free(w);
	assert_int_equal(weights_write(path, NULL, 0, NULL, 0, &e), 0);
	w = open_ok(path);
	assert_int_equal(weights_count(w), 0);
	weights_free(w);
}

static void test_write_failures(void **state)
{
	static const float v[4096];
	struct tensor t = {.name = "t", .rank = 1, .shape = {4096}, .n = 4096, .data = v};
	struct tensor twice[2] = {t, t};
	const char *dir = scratch_path("dir");
	struct err e = {0};

	(void)state;
	assert_int_equal(weights_write("/nonexistent/w", &t, 1, NULL, 0, &e), ERR_CANTCREAT);
	assert_non_null(strstr(e.msg, "/nonexistent/w: No such file"));
	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(weights_write(dir, &t, 1, NULL, 0, &e), ERR_CANTCREAT);
	assert_non_null(strstr(e.msg, "Is a directory"));
	assert_int_equal(weights_write(scratch_path("x"), twice, 2, NULL, 0, &e), ERR_SOFTWARE);
	t.name = "\xff";
	assert_int_equal(weights_write(scratch_path("x"), &t, 1, NULL, 0, &e), ERR_SOFTWARE);
	assert_int_equal(scratch_files(0), 1); /* the directory: nothing was left */
}

/* A full disk, by way of a file-size limit: the old file stays as it was, no temp file is left. */
static void test_full_disk_keeps_the_old_file(void **state)
{
	static const float v[4096] = {1};
	struct tensor t = {.name = "t", .rank = 1, .shape = {1}, .n = 1, .data = v};
	const char *path = scratch_path("out");
	struct rlimit old, small;
	struct weights *before, *after;
	struct err e = {0};
	int rc;

	(void)state;
	assert_int_equal(weights_write(path, &t, 1, NULL, 0, &e), 0);
	before = open_ok(path);
	t.n = t.shape[0] = 4096;
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	small = old;
	small.rlim_cur = 8192;
	setrlimit(RLIMIT_FSIZE, &small);
	rc = weights_write(path, &t, 1, NULL, 0, &e);
	setrlimit(RLIMIT_FSIZE, &old);
	signal(SIGXFSZ, SIG_DFL);
	assert_int_equal(rc, ERR_IO);
	assert_non_null(strstr(e.msg, "/out: File too large ("));
	assert_non_null(strstr(e.msg, "bytes needed)"));
	after = open_ok(path);
	same(before, after);
	assert_int_equal(scratch_files(0), 1);
	weights_free(before);
	weights_free(after);
}

/* A temp file that a killed process of the same number left is passed by, not written into. */
static void test_left_over_temp_file(void **state)
{
	static const float v[1] = {1};
	struct tensor t = {.name = "t", .rank = 1, .shape = {1}, .n = 1, .data = v};
	struct err e = {0};
	char name[64];

	(void)state;
	for (int k = 0; k < 60; k++) {
		snprintf(name, sizeof(name), "out.%ld-%d.tmp", (long)getpid(), k);
		scratch_write(name, "old", 3);
	}
	assert_int_equal(weights_write(scratch_path("out"), &t, 1, NULL, 0, &e), 0);
	assert_int_equal(scratch_files(0), 61);
}

static void test_free_accepts_nothing(void **state)
{
	(void)state;
	weights_free(NULL);
}

#define TEST(name) cmocka_unit_test_teardown(name, scratch_clear)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_backbone),
		TEST(test_dtypes_become_float32),
		TEST(test_half_nan_stays_nan),
		TEST(test_long_half_tensor),
		TEST(test_all_integer_types_are_skipped),
		TEST(test_prefixes_are_dropped),
		TEST(test_legal_corners),
		TEST(test_hash_is_of_names_shapes_values),
		TEST(test_header_length),
		TEST(test_bad_json),
		TEST(test_deep_nesting),
		TEST(test_bad_entries),
		TEST(test_bad_offsets),
		TEST(test_same_name_after_dropping),
		TEST(test_names_cannot_harm_the_terminal),
		TEST(test_too_many),
		TEST(test_cut_anywhere),
		TEST(test_huge_sparse_file),
		TEST(test_unreadable),
		TEST(test_round_trip),
		TEST(test_round_trip_of_corners),
		TEST(test_write_failures),
		TEST(test_full_disk_keeps_the_old_file),
		TEST(test_left_over_temp_file),
		TEST(test_free_accepts_nothing),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
