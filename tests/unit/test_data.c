/* test_data.c - every rule of data_spec and every refusal of the readers */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <sys/stat.h>
#include <zlib.h>

#include "engine/data/data.h"
#include "tests/unit/scratch.h"

#define FASHION "grids/fashion/"

/* ---- making small files ------------------------------------------------------------------------------------ */

struct blob {
	unsigned char byte[1 << 16];
	size_t n;
};

static void put(struct blob *b, const void *bytes, size_t n)
{
	assert_true(b->n + n <= sizeof(b->byte));
	memcpy(b->byte + b->n, bytes, n);
	b->n += n;
}

static void put_big(struct blob *b, uint32_t v)
{
	unsigned char byte[4] = {(unsigned char)(v >> 24), (unsigned char)(v >> 16), (unsigned char)(v >> 8),
				 (unsigned char)v};

	put(b, byte, 4);
}

/* IDX header of unsigned bytes. */
static struct blob idx_head(int rank, const uint32_t *dim)
{
	struct blob b = {.n = 0};

	put_big(&b, 0x0800u + (uint32_t)rank);
	for (int i = 0; i < rank; i++)
		put_big(&b, dim[i]);
	return b;
}

/* n images of 2 x 2; pixel p of image i is 10 i + p. */
static struct blob idx_images(int n)
{
	struct blob b = idx_head(3, (uint32_t[]){(uint32_t)n, 2, 2});

	for (int i = 0; i < n; i++)
		for (int p = 0; p < 4; p++)
			put(&b, &(unsigned char){(unsigned char)(10 * i + p)}, 1);
	return b;
}

static struct blob idx_labels(int n, const unsigned char *label)
{
	struct blob b = idx_head(1, (uint32_t[]){(uint32_t)n});

	put(&b, label, (size_t)n);
	return b;
}

static const char *save(const char *name, const struct blob *b)
{
	return scratch_write(name, b->byte, b->n);
}

static struct blob zipped(const struct blob *b)
{
	struct blob out = {.n = 0};
	z_stream z = {0};

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (Bytef *)b->byte;
	z.avail_in = (uInt)b->n;
	z.next_out = out.byte;
	z.avail_out = sizeof(out.byte);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	out.n = z.total_out;
	deflateEnd(&z);
	return out;
}

/* An npy file: version, header text (padded and ended as numpy does), then the values. */
static struct blob npy(int version, const char *dict, const void *values, size_t n)
{
	struct blob b = {.n = 0};
	size_t fixed = version == 1 ? 10 : 12;
	size_t len = (fixed + strlen(dict) + 1 + 63) / 64 * 64 - fixed;
	unsigned char head[12] = {0x93,
				  'N',
				  'U',
				  'M',
				  'P',
				  'Y',
				  (unsigned char)version,
				  0,
				  (unsigned char)len,
				  (unsigned char)(len >> 8)};

	put(&b, head, fixed);
	put(&b, dict, strlen(dict));
	while (b.n < fixed + len - 1)
		put(&b, " ", 1);
	put(&b, "\n", 1);
	put(&b, values, n);
	return b;
}

/* ---- opening ----------------------------------------------------------------------------------------------- */

static const unsigned char twelve[12] = {0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 0}; /* five, four and three of a class */

/* Twelve images with those labels, as files; sample i has first pixel 10 i. */
static struct data_spec twelve_spec(void)
{
	struct blob images = idx_images(12);
	struct blob labels = idx_labels(12, twelve);

	return (struct data_spec){
		.kind = DATA_IDX, .images = save("images", &images), .labels = save("labels", &labels)};
}

static struct dataset *open_ok(const struct data_spec *spec)
{
	struct dataset *d = NULL;
	struct err e = {0};

	if (dataset_open(&d, spec, &e))
		fail_msg("%s", e.msg);
	assert_non_null(d);
	return d;
}

/* Opening fails with this code, and the one line has both words in it. */
static void refused(const struct data_spec *spec, int code, const char *word, const char *word2)
{
	struct dataset *d = (struct dataset *)&d;
	struct err e = {0};
	int rc = dataset_open(&d, spec, &e);

	if (rc != code || !strstr(e.msg, word) || !strstr(e.msg, word2) || strchr(e.msg, '\n'))
		fail_msg("rc %d, expected %d with '%s' and '%s': %s", rc, code, word, word2, e.msg);
	assert_int_equal(e.code, code);
	assert_null(d);
}

static void refused_files(enum data_kind kind, const char *images, const char *labels, int code, const char *word)
{
	struct data_spec spec = {.kind = kind, .images = images, .labels = labels};

	refused(&spec, code, word, code == ERR_DATA ? scratch_dir : "");
}

/* The samples that a selection of twelve_spec() keeps, and their labels. */
static void kept(const struct data_spec *spec, int n, const int *sample, const int *label, int classes)
{
	struct dataset *d = open_ok(spec);
	float x[12 * 4];
	int32_t y[12];

	assert_int_equal(dataset_info(d)->n, n);
	assert_int_equal(dataset_info(d)->classes, classes);
	assert_int_equal(dataset_gather(d, x, y, NULL, 0, n, NULL, NULL), 0);
	for (int i = 0; i < n; i++) {
		assert_int_equal(lrintf(x[4 * i] * 255), 10 * sample[i]);
		assert_int_equal(lrintf(x[4 * i + 3] * 255), 10 * sample[i] + 3);
		assert_int_equal(y[i], label[i]);
	}
	dataset_free(d);
}

#define KEPT(spec, classes, samples, labels) \
	kept(spec, (int)(sizeof((int[])samples) / sizeof(int)), (int[])samples, (int[])labels, classes)
#define L(...)              \
	{                   \
		__VA_ARGS__ \
	}

/* ---- selection --------------------------------------------------------------------------------------------- */

static void test_no_cut_keeps_all(void **state)
{
	struct data_spec s = twelve_spec();

	(void)state;
	KEPT(&s, 3, L(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11), L(0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 0));
}

static void test_classes_filter_and_renumber(void **state)
{
	struct data_spec s = twelve_spec();

	(void)state;
	s.n_classes = 2;
	s.classes = (int[]){2, 0};
	KEPT(&s, 2, L(0, 2, 3, 5, 6, 8, 9, 11), L(1, 0, 1, 0, 1, 0, 1, 1));
}

static void test_offset_of_the_whole(void **state)
{
	struct data_spec s = twelve_spec();

	(void)state;
	s.offset = 9;
	KEPT(&s, 3, L(9, 10, 11), L(0, 1, 0));
	s.offset = 12;
	refused(&s, ERR_DATA, "no sample is left of 12", s.labels);
	s.offset = INT64_MAX;
	refused(&s, ERR_DATA, "no sample is left", s.labels);
}

static void test_per_class(void **state)
{
	struct data_spec s = twelve_spec();

	(void)state;
	s.per_class = 1;
	KEPT(&s, 3, L(0, 1, 2), L(0, 1, 2));
	s.per_class = 3;
	KEPT(&s, 3, L(0, 1, 2, 3, 4, 5, 6, 7, 8), L(0, 1, 2, 0, 1, 2, 0, 1, 2));
	s.per_class = 4;
	refused(&s, ERR_DATA, "class 2 has 3 samples", s.labels);
	s.per_class = INT64_MAX;
	s.offset = INT64_MAX;
	refused(&s, ERR_DATA, "class 0 has 5 samples", s.labels);
}

static void test_per_class_with_offset(void **state)
{
	struct data_spec s = twelve_spec();

	(void)state;
	s.per_class = 1;
	s.offset = 2;
	KEPT(&s, 3, L(6, 7, 8), L(0, 1, 2));
	s.offset = 3;
	refused(&s, ERR_DATA, "class 2 has 3 samples, but offset 3 and per_class 1", s.labels);
	s.n_classes = 2; /* the class with too few is not asked for */
	s.classes = (int[]){0, 1};
	KEPT(&s, 2, L(9, 10), L(0, 1));
	s.classes = (int[]){0, 2};
	refused(&s, ERR_DATA, "class 2 has 3", s.labels);
}

static void test_limit(void **state)
{
	struct data_spec s = twelve_spec();

	(void)state;
	s.limit = 2;
	KEPT(&s, 3, L(0, 1), L(0, 1)); /* still three classes: a cut does not change the task */
	s.limit = 100;
	s.offset = 10;
	KEPT(&s, 3, L(10, 11), L(1, 0));
}

static void test_all_four_rules_in_order(void **state)
{
	struct data_spec s = twelve_spec();

	(void)state;
	s.n_classes = 2;
	s.classes = (int[]){1, 0};
	s.offset = 1;
	s.per_class = 2;
	s.limit = 3;
	KEPT(&s, 2, L(3, 4, 6), L(1, 0, 1));
	s.per_class = 0; /* then offset is of the whole that is left after rule 1: 0 1 3 4 6 7 9 10 11 */
	s.offset = 4;
	KEPT(&s, 2, L(6, 7, 9), L(1, 0, 1));
}

static void test_bad_classes(void **state)
{
	struct data_spec s = twelve_spec();

	(void)state;
	s.n_classes = 3;
	s.classes = (int[]){0, 2, 0};
	refused(&s, ERR_CONFIG, "0 is listed twice", "classes");
	s.classes = (int[]){0, 7, 2};
	refused(&s, ERR_DATA, "no sample of class 7", s.labels);
	s.classes = (int[]){0, -1, 2};
	refused(&s, ERR_CONFIG, "-1 is not within", "classes");
	s.classes = (int[]){0, 100000, 2};
	refused(&s, ERR_CONFIG, "100000 is not within", "classes");
	s.n_classes = 100001;
	refused(&s, ERR_CONFIG, "at most 100000", "classes");
}

static void test_bad_spec(void **state)
{
	struct data_spec s = twelve_spec();

	(void)state;
	s.limit = -1;
	refused(&s, ERR_CONFIG, "negative", "limit");
	s = twelve_spec();
	s.n_norm = 1;
	s.mean = (double[]){0.5};
	s.std = (double[]){0};
	refused(&s, ERR_CONFIG, "std must be above 0", "");
	s.std = (double[]){1e-60}; /* 0 as a float32 */
	refused(&s, ERR_CONFIG, "std must be above 0", "");
	s.std = (double[]){NAN};
	refused(&s, ERR_CONFIG, "finite", "");
	s.std = (double[]){1, 1, 1};
	s.mean = (double[]){0, 0, 0};
	s.n_norm = 3;
	refused(&s, ERR_CONFIG, "1 channels, but normalisation is given for 3", s.images);
	s = (struct data_spec){.kind = DATA_IDX, .images = "x"};
	refused(&s, ERR_CONFIG, "labels", "");
	s = (struct data_spec){.kind = DATA_NONE};
	refused(&s, ERR_CONFIG, "no source", "");
}

/* ---- IDX --------------------------------------------------------------------------------------------------- */

static void test_idx_gzip_is_the_same_data(void **state)
{
	struct data_spec s = twelve_spec();
	struct blob images = idx_images(12);
	struct blob labels = idx_labels(12, twelve);
	struct blob zimages = zipped(&images);
	struct blob zlabels = zipped(&labels);
	struct data_spec z = {.kind = DATA_IDX, .images = save("zi", &zimages), .labels = save("zl", &zlabels)};
	struct dataset *a = open_ok(&s);
	struct dataset *b = open_ok(&z);

	(void)state;
	assert_string_equal(dataset_info(a)->hash, dataset_info(b)->hash);
	dataset_free(a);
	dataset_free(b);
}

static void test_idx_gzip_of_two_members(void **state)
{
	struct data_spec s = twelve_spec();
	struct blob images = idx_images(12);
	struct blob first = images;
	struct blob second = {.n = images.n - 20};
	struct blob both, tail;

	(void)state;
	first.n = 20;
	memcpy(second.byte, images.byte + 20, second.n);
	both = zipped(&first);
	tail = zipped(&second);
	put(&both, tail.byte, tail.n);
	s.images = save("two", &both);
	dataset_free(open_ok(&s));
}

static void test_idx_four_dimensions(void **state)
{
	struct blob images = idx_head(4, (uint32_t[]){2, 1, 2, 3});
	struct blob labels = idx_labels(2, (unsigned char[]){1, 0});
	struct data_spec s = {.kind = DATA_IDX};
	struct dataset *d;
	float x[6];
	int32_t y;

	(void)state;
	for (int i = 0; i < 12; i++)
		put(&images, &(unsigned char){(unsigned char)(20 * i)}, 1);
	s.images = save("rgb", &images);
	s.labels = save("rgbl", &labels);
	s.n_norm = 3;
	s.mean = (double[]){0.485, 0.456, 0.406};
	s.std = (double[]){0.229, 0.224, 0.225};
	d = open_ok(&s);
	assert_int_equal(dataset_info(d)->c, 3);
	assert_int_equal(dataset_info(d)->h, 1);
	assert_int_equal(dataset_info(d)->w, 2);
	assert_int_equal(dataset_gather(d, x, &y, (uint32_t[]){1}, 0, 1, NULL, NULL), 0);
	for (int i = 0; i < 6; i++) {
		float want = ((float)(20 * (6 + i)) / 255.0f - (float)s.mean[i % 3]) / (float)s.std[i % 3];

		assert_memory_equal(&x[i], &want, sizeof(want));
	}
	assert_int_equal(y, 0);
	dataset_free(d);
}

/* Every length of both files but the whole one is refused, and so is one byte too many; plain and zipped. */
static void test_idx_cut_or_too_long(void **state)
{
	struct data_spec s = twelve_spec();
	const char *good_images = s.images;
	const char *good_labels = s.labels;
	struct blob file[2] = {idx_images(12), idx_labels(12, twelve)};

	(void)state;
	for (int k = 0; k < 4; k++) {
		struct blob whole = k < 2 ? file[k] : zipped(&file[k - 2]);

		for (size_t n = 0; n <= whole.n + 1; n++) {
			struct blob cut = whole;
			const char *path;

			if (n == whole.n)
				continue;
			cut.n = n;
			path = save("cut", &cut);
			refused_files(DATA_IDX, k % 2 ? good_images : path, k % 2 ? path : good_labels, ERR_DATA,
				      "/cut: ");
		}
	}
}

static void test_idx_trailing_byte_inside_gzip(void **state)
{
	struct data_spec s = twelve_spec();
	struct blob images = idx_images(12);

	(void)state;
	put(&images, "x", 1);
	images = zipped(&images);
	refused_files(DATA_IDX, save("long", &images), s.labels, ERR_DATA, "goes on after the 64 bytes");
}

/* What is missing is told, also where gzip's own framing is whole. */
static void test_idx_says_what_is_missing(void **state)
{
	struct data_spec s = twelve_spec();
	struct blob images = idx_images(12);
	struct blob z;

	(void)state;
	images.n -= 4;
	refused_files(DATA_IDX, save("short", &images), s.labels, ERR_DATA, "ends inside its pixels (44 of 48 bytes)");
	z = zipped(&images);
	refused_files(DATA_IDX, save("short", &z), s.labels, ERR_DATA, "ends inside its pixels (44 of 48 bytes)");
	images.n = 2;
	refused_files(DATA_IDX, save("short", &images), s.labels, ERR_DATA,
		      "ends inside its IDX header (2 of 4 bytes)");
}

static void test_idx_damaged_gzip(void **state)
{
	struct data_spec s = twelve_spec();
	struct blob images = idx_images(12);

	(void)state;
	images = zipped(&images);
	images.byte[images.n - 6] ^= 1; /* the checksum */
	refused_files(DATA_IDX, save("crc", &images), s.labels, ERR_DATA, "damaged gzip data (incorrect data check)");
}

static void test_idx_bad_header(void **state)
{
	struct data_spec s = twelve_spec();
	static const struct {
		unsigned char head[4];
		const char *says;
	} bad[] = {
		{{0x89, 'P', 'N', 'G'}, "not an IDX file: starts with bytes 89 50"},
		{{0, 0, 0x0d, 3}, "value type 0x0d, expected 0x08"},
		{{0, 0, 8, 1}, "1 dimensions, expected 3 or 4"},
		{{0, 0, 8, 5}, "5 dimensions"},
		{{0, 0, 8, 0}, "0 dimensions"},
		{{0, 0, 8, 255}, "255 dimensions"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct blob b = idx_images(12);

		memcpy(b.byte, bad[i].head, 4);
		refused_files(DATA_IDX, save("head", &b), s.labels, ERR_DATA, bad[i].says);
	}
	refused_files(DATA_IDX, s.images, s.images, ERR_DATA, "3 dimensions, expected 1 (labels)");
}

/* Sizes that promise too much are refused before memory is asked for. */
static void test_idx_huge_sizes(void **state)
{
	struct data_spec s = twelve_spec();
	static const struct {
		uint32_t dim[4];
		int rank;
		const char *says;
	} bad[] = {
		{{0x80000000u, 2, 2}, 3, "2147483648 of dimension 1"},
		{{12, 0xffffffffu, 2}, 3, "4294967295 of dimension 2"},
		{{12, 2, 0}, 3, "0 of dimension 3"},
		{{0, 2, 2}, 3, "0 of dimension 1"},
		{{1, 65536, 65536}, 3, "at most 1024 channels of 67108864 pixels"},
		{{1, 0x7fffffff, 0x7fffffff, 0x7fffffff}, 4, "at most 1024 channels"},
		{{1, 2, 2, 1025}, 4, "1025 channels"},
		{{0x7fffffff, 8192, 8192, 1024}, 4, "at most 68719476736 bytes"},
		{{1000, 8192, 8192}, 3, "ends inside its pixels"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct blob b = idx_head(bad[i].rank, bad[i].dim);
		struct blob z;

		put(&b, "abcd", 4);
		z = zipped(&b);
		refused_files(DATA_IDX, save("huge", &b), s.labels, ERR_DATA, bad[i].says);
		refused_files(DATA_IDX, save("huge.gz", &z), s.labels, ERR_DATA, bad[i].says);
	}
}

static void test_idx_counts_disagree(void **state)
{
	struct data_spec s = twelve_spec();
	struct blob labels = idx_labels(11, twelve);

	(void)state;
	refused_files(DATA_IDX, s.images, save("eleven", &labels), ERR_DATA, "11 labels, but");
}

static void test_missing_and_unreadable(void **state)
{
	struct data_spec s = twelve_spec();
	const char *fifo = scratch_path("fifo");

	(void)state;
	refused_files(DATA_IDX, "/nonexistent/x", s.labels, ERR_NOINPUT, "/nonexistent/x: No such file or directory");
	refused_files(DATA_IDX, s.images, "/nonexistent/y", ERR_NOINPUT, "/nonexistent/y: No such file");
	refused_files(DATA_IDX, scratch_dir, s.labels, ERR_NOINPUT, "Is a directory");
	refused_files(DATA_NPY, "/nonexistent/x", s.labels, ERR_NOINPUT, "/nonexistent/x: No such file");
	assert_int_equal(mkfifo(fifo, 0600), 0);
	refused_files(DATA_IDX, fifo, s.labels, ERR_NOINPUT, "not a regular file");
	if (geteuid()) { /* root reads whatever it likes */
		assert_int_equal(chmod(s.images, 0), 0);
		refused_files(DATA_IDX, s.images, s.labels, ERR_NOINPUT, "Permission denied");
	}
}

/* ---- npy --------------------------------------------------------------------------------------------------- */

#define U8_IMAGES "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 1, 2), }"
#define I8_LABELS "{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }"

static const unsigned char four_bytes[4] = {0, 51, 102, 255};
static const int64_t two_labels[2] = {1, 0};

static const char *good_npy_labels(void)
{
	struct blob b = npy(1, I8_LABELS, two_labels, sizeof(two_labels));

	return save("l.npy", &b);
}

static void test_npy_uint8_in_all_versions(void **state)
{
	char hash[33] = "";

	(void)state;
	for (int version = 1; version <= 3; version++) {
		struct blob images = npy(version, U8_IMAGES, four_bytes, 4);
		struct data_spec s = {.kind = DATA_NPY, .images = save("i.npy", &images), .labels = good_npy_labels()};
		struct dataset *d = open_ok(&s);
		float x[4];
		int32_t y[2];

		assert_int_equal(dataset_gather(d, x, y, NULL, 0, 2, NULL, NULL), 0);
		for (int i = 0; i < 4; i++)
			assert_true(x[i] == (float)four_bytes[i] / 255.0f);
		assert_int_equal(y[0], 1);
		assert_int_equal(y[1], 0);
		assert_int_equal(dataset_info(d)->classes, 2);
		if (version > 1)
			assert_string_equal(dataset_info(d)->hash, hash);
		memcpy(hash, dataset_info(d)->hash, sizeof(hash));
		dataset_free(d);
	}
}

static void test_npy_uint8_channels_last(void **state)
{
	unsigned char v[12];
	struct blob images;
	struct data_spec s = {.kind = DATA_NPY, .labels = good_npy_labels()};
	struct dataset *d;
	float x[12];
	int32_t y[2];

	(void)state;
	for (int i = 0; i < 12; i++)
		v[i] = (unsigned char)i;
	images = npy(1, "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 1, 2, 3), }", v, sizeof(v));
	s.images = save("i.npy", &images);
	d = open_ok(&s);
	assert_int_equal(dataset_info(d)->c, 3);
	assert_int_equal(dataset_info(d)->w, 2);
	assert_int_equal(dataset_gather(d, x, y, NULL, 0, 2, NULL, NULL), 0);
	for (int i = 0; i < 12; i++)
		assert_true(x[i] == (float)i / 255.0f);
	dataset_free(d);
}

static void test_npy_float_becomes_channels_last(void **state)
{
	float v[2 * 3 * 1 * 2], x[12];
	struct blob images;
	struct data_spec s = {.kind = DATA_NPY, .labels = good_npy_labels()};
	struct dataset *d;
	int32_t y[2];

	(void)state;
	for (int i = 0; i < 12; i++)
		v[i] = 0.37f * (float)i - 1.0f;
	images = npy(2, "{\"shape\":(2,3,1,2),\"fortran_order\":False,\"descr\":\"<f4\"}", v, sizeof(v));
	s.images = save("i.npy", &images);
	s.n_norm = 3;
	s.mean = (double[]){0.1, 0.2, 0.3};
	s.std = (double[]){0.5, 0.25, 0.3};
	d = open_ok(&s);
	assert_int_equal(dataset_gather(d, x, y, (uint32_t[]){1, 0}, 0, 2, NULL, NULL), 0); /* in the order asked for */
	for (int i = 0; i < 2; i++)
		for (int p = 0; p < 2; p++)
			for (int k = 0; k < 3; k++) {
				float want = (v[(1 - i) * 6 + k * 2 + p] - (float)s.mean[k]) / (float)s.std[k];

				assert_memory_equal(&x[i * 6 + p * 3 + k], &want, sizeof(want));
			}
	assert_int_equal(y[0], 0);
	assert_int_equal(y[1], 1);
	dataset_free(d);
}

static void test_npy_label_types(void **state)
{
	struct blob images = npy(1, U8_IMAGES, four_bytes, 4);
	struct data_spec s = {.kind = DATA_NPY, .images = save("i.npy", &images)};
	struct blob narrow = npy(1, "{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }", (int32_t[]){1, 0}, 8);
	struct blob byte = npy(1, "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }", "\1\0", 2);
	struct dataset *a, *b;

	(void)state;
	s.labels = save("l4.npy", &narrow);
	a = open_ok(&s);
	s.labels = save("l1.npy", &byte);
	b = open_ok(&s);
	assert_string_equal(dataset_info(a)->hash, dataset_info(b)->hash);
	dataset_free(a);
	dataset_free(b);
}

static void test_npy_labels_out_of_range(void **state)
{
	static const int64_t bad[][2] = {{0, -1}, {0, 100000}, {0, INT64_MAX}, {0, INT64_MIN}};
	struct blob images = npy(1, U8_IMAGES, four_bytes, 4);
	struct data_spec s = {.kind = DATA_NPY, .images = save("i.npy", &images)};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct blob labels = npy(1, I8_LABELS, bad[i], sizeof(bad[i]));
		struct dataset *d;

		s.n_classes = 0;
		s.labels = save("l.npy", &labels);
		refused(&s, ERR_DATA, "sample 1 has label ", "not within 0 .. 99999");
		s.n_classes = 1; /* with a list of classes such a sample is only one that is not asked for */
		s.classes = (int[]){0};
		d = open_ok(&s);
		assert_int_equal(dataset_info(d)->n, 1);
		dataset_free(d);
	}
}

static void test_npy_bad_headers(void **state)
{
	static const struct {
		const char *dict, *says;
	} bad[] = {
		{"", "expected '{'"},
		{"{}", "each of 'descr'"},
		{"{'descr': '|u1', 'fortran_order': False}", "each of 'descr'"},
		{"{'descr': '|u1', 'descr': '|u1', 'fortran_order': False, 'shape': (2, 1, 2)}", "each of 'descr'"},
		{"{'descr': '|u1', 'fortran_order': False, 'shape': (2, 1, 2), 'more': 1}", "each of 'descr'"},
		{"{'descr': '|u1' 'fortran_order': False, 'shape': (2, 1, 2)}", "',' or '}'"},
		{"{'descr' '|u1', 'fortran_order': False, 'shape': (2, 1, 2)}", "each of 'descr'"},
		{"{descr: '|u1', 'fortran_order': False, 'shape': (2, 1, 2)}", "expected the keys"},
		{"{'descr': '|u1', 'fortran_order': False, 'shape': (2, 1, 2), ", "expected the keys"},
		{"{'descr': '|u1', 'fortran_order': False, 'shape': (2, 1, 2)} x", "nothing but spaces"},
		{"{'descr': '|u1', 'fortran_order': False, 'shape': (2, 1, 2)}\n\n", "nothing but spaces"},
		{"{'descr': '|u1', 'fortran_order': True, 'shape': (2, 1, 2)}", "fortran_order is True"},
		{"{'descr': '|u1', 'fortran_order': 0, 'shape': (2, 1, 2)}", "True or False"},
		{"{'descr': [('a', '|u1')], 'fortran_order': False, 'shape': (2, 1, 2)}", "a simple type as 'descr'"},
		{"{'descr': '|u1|u1|u1', 'fortran_order': False, 'shape': (2, 1, 2)}", "a simple type as 'descr'"},
		{"{'descr': '|u\\x31', 'fortran_order': False, 'shape': (2, 1, 2)}", "a simple type as 'descr'"},
		{"{'descr': '|u1\x1b', 'fortran_order': False, 'shape': (2, 1, 2)}", "a simple type as 'descr'"},
		{"{'descr': '|u1, 'fortran_order': False, 'shape': (2, 1, 2)}", "',' or '}'"},
		{"{'descr': '>f4', 'fortran_order': False, 'shape': (2, 1, 1, 2)}", "type '>f4', expected '|u1'"},
		{"{'descr': '<f8', 'fortran_order': False, 'shape': (2, 1, 1, 2)}", "type '<f8'"},
		{"{'descr': '|O', 'fortran_order': False, 'shape': (2, 1, 2)}", "type '|O'"},
		{"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1, 2)}", "float32 images of 3 dimensions"},
		{"{'descr': '|u1', 'fortran_order': False, 'shape': ()}", "0 dimensions"},
		{"{'descr': '|u1', 'fortran_order': False, 'shape': (4,)}", "1 dimensions"},
		{"{'descr': '|u1', 'fortran_order': False, 'shape': (4)}", "a tuple of sizes"},
		{"{'descr': '|u1', 'fortran_order': False, 'shape': 4}", "a tuple of sizes"},
		{"{'descr': '|u1', 'fortran_order': False, 'shape': (2, -1, 2)}", "a tuple of sizes"},
		{"{'descr': '|u1', 'fortran_order': False, 'shape': (2 1 2)}", "',' or ')'"},
		{"{'descr': '|u1', 'fortran_order': False, 'shape': (,)}", "a tuple of sizes"},
		{"{'descr': '|u1', 'fortran_order': False, 'shape': (2, 1, 2, 1, 1)}", "more than 4 dimensions"},
		{"{'descr': '|u1', 'fortran_order': False, 'shape': (2, 1, 9223372036854775808)}", "below 2^63"},
		{"{'descr': '|u1', 'fortran_order': False, 'shape': (2, 1, 4294967298)}", "4294967298 of dimension 3"},
		{"{'descr': '|u1', 'fortran_order': False, 'shape': (0, 1, 2)}", "no samples"},
		{"{'descr': '|u1', 'fortran_order': False, 'shape': (2, 0, 2)}", "no samples"},
		{"{'descr': '|u1', 'fortran_order': False, 'shape': (4611686018427387904, 2, 2)}",
		 "at most 68719476736"},
		{"{'descr': '|u1', 'fortran_order': False, 'shape': (2, 1, 3)}", "ends inside its pixels (4 of 6"},
		{"{'descr': '|u1', 'fortran_order': False, 'shape': (1, 1, 2)}", "goes on after the 130 bytes"},
	};
	const char *labels = good_npy_labels();

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct blob b = npy(1, bad[i].dict, four_bytes, 4);

		refused_files(DATA_NPY, save("bad.npy", &b), labels, ERR_DATA, bad[i].says);
	}
}

static void test_npy_bad_start(void **state)
{
	const char *labels = good_npy_labels();
	struct blob good = npy(2, U8_IMAGES, four_bytes, 4);
	struct blob b = good;

	(void)state;
	b.byte[0] = 'x';
	refused_files(DATA_NPY, save("b.npy", &b), labels, ERR_DATA, "not an npy file");
	b = good;
	b.byte[6] = 4;
	refused_files(DATA_NPY, save("b.npy", &b), labels, ERR_DATA, "npy version 4.0");
	b = good;
	b.byte[11] = 0xff;
	refused_files(DATA_NPY, save("b.npy", &b), labels, ERR_DATA, "at most 65535");
	for (size_t n = 0; n < good.n; n++) {
		b.n = n;
		memcpy(b.byte, good.byte, n);
		refused_files(DATA_NPY, save("b.npy", &b), labels, ERR_DATA, "/b.npy: ");
	}
}

static void test_npy_bad_labels(void **state)
{
	static const struct {
		const char *dict, *says;
	} bad[] = {
		{"{'descr': '<i2', 'fortran_order': False, 'shape': (2,)}", "labels of type '<i2'"},
		{"{'descr': '<i8', 'fortran_order': False, 'shape': (2, 1)}", "labels of 2 dimensions"},
		{"{'descr': '<i8', 'fortran_order': False, 'shape': (3,)}", "3 labels, but"},
		{"{'descr': '|u1', 'fortran_order': False, 'shape': (2,)}", "goes on after"},
	};
	struct blob images = npy(1, U8_IMAGES, four_bytes, 4);
	const char *path = save("i.npy", &images);

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct blob b = npy(1, bad[i].dict, two_labels, sizeof(two_labels));

		refused_files(DATA_NPY, path, save("bad.npy", &b), ERR_DATA, bad[i].says);
	}
}

static void test_npy_values_must_be_finite(void **state)
{
	float v[4] = {1, 2, 3, INFINITY};
	struct blob b = npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1, 1, 2), }", v, sizeof(v));

	(void)state;
	refused_files(DATA_NPY, save("nan.npy", &b), good_npy_labels(), ERR_DATA,
		      "sample 1 holds a value that is not finite");
}

/* ---- fake -------------------------------------------------------------------------------------------------- */

static struct data_spec fake_spec(int n)
{
	return (struct data_spec){
		.kind = DATA_FAKE, .fake_n = n, .fake_classes = 10, .fake_shape = {3, 5, 4}, .fake_seed = 7};
}

static void test_fake_shape_and_spread(void **state)
{
	struct data_spec s = fake_spec(500);
	struct dataset *d = open_ok(&s);
	float *x = malloc(500 * 60 * sizeof(*x));
	int32_t y[500];
	int count[10] = {0};
	double sum = 0, square = 0;

	(void)state;
	assert_int_equal(dataset_info(d)->n, 500);
	assert_int_equal(dataset_info(d)->c, 3);
	assert_int_equal(dataset_info(d)->h, 5);
	assert_int_equal(dataset_info(d)->w, 4);
	assert_int_equal(dataset_info(d)->classes, 10);
	assert_int_equal(dataset_gather(d, x, y, NULL, 0, 500, NULL, NULL), 0);
	for (int i = 0; i < 30000; i++) {
		sum += x[i];
		square += x[i] * x[i];
	}
	assert_true(fabs(sum / 30000) < 0.03);
	assert_true(fabs(square / 30000 - 1) < 0.05);
	for (int i = 0; i < 500; i++)
		count[y[i]]++;
	for (int k = 0; k < 10; k++)
		assert_in_range(count[k], 25, 75);
	free(x);
	dataset_free(d);
}

static void test_fake_sample_does_not_depend_on_n(void **state)
{
	struct data_spec few = fake_spec(3), many = fake_spec(9), other = fake_spec(3);
	struct dataset *a, *b, *c;

	(void)state;
	many.limit = 3;
	other.fake_seed = 8;
	a = open_ok(&few);
	b = open_ok(&many);
	c = open_ok(&other);
	assert_string_equal(dataset_info(a)->hash, dataset_info(b)->hash);
	assert_string_not_equal(dataset_info(a)->hash, dataset_info(c)->hash);
	dataset_free(a);
	dataset_free(b);
	dataset_free(c);
}

static void test_fake_refusals(void **state)
{
	struct data_spec s = fake_spec(0);

	(void)state;
	refused(&s, ERR_CONFIG, "fake data: size 0", "");
	s = fake_spec(3);
	s.fake_shape[1] = -1;
	refused(&s, ERR_CONFIG, "must be positive", "-1");
	s = fake_spec(3);
	s.fake_classes = 0;
	refused(&s, ERR_CONFIG, "0 classes", "fake data");
	s = fake_spec(INT32_MAX);
	s.fake_shape[1] = s.fake_shape[2] = INT32_MAX;
	refused(&s, ERR_DATA, "at most 1024 channels of", "fake data");
	s = fake_spec(INT32_MAX);
	refused(&s, ERR_DATA, "at most 68719476736 bytes", "fake data");
}

/* ---- hash -------------------------------------------------------------------------------------------------- */

static void hash_of(char out[33], const struct data_spec *s)
{
	struct dataset *d = open_ok(s);

	memcpy(out, dataset_info(d)->hash, 33);
	assert_int_equal(strspn(out, "0123456789abcdef"), 32);
	dataset_free(d);
}

/* Whatever a trial could see changes the hash; what it cannot see does not. */
static void test_hash_tells_what_a_trial_sees(void **state)
{
	struct data_spec s = twelve_spec();
	struct blob images = idx_images(12);
	char base[33], again[33], other[8][33];
	unsigned char label[12];
	int n = 0;

	(void)state;
	hash_of(base, &s);
	hash_of(again, &s);
	assert_string_equal(base, again);
	s.limit = 12;
	hash_of(again, &s);
	assert_string_equal(base, again);
	s.limit = 11;
	hash_of(other[n++], &s);
	s.limit = 0;
	s.n_norm = 1;
	s.mean = (double[]){0.25};
	s.std = (double[]){1};
	hash_of(other[n++], &s);
	s.mean = (double[]){0};
	s.std = (double[]){0.25};
	hash_of(other[n++], &s);
	s.n_norm = 0;
	images.byte[20] ^= 1;
	s.images = save("i2", &images);
	hash_of(other[n++], &s);
	images.byte[20] ^= 1;
	images.byte[11] = 1; /* 1 x 4 instead of 2 x 2 */
	images.byte[15] = 4;
	s.images = save("i3", &images);
	hash_of(other[n++], &s);
	s = twelve_spec();
	memcpy(label, twelve, 12);
	label[3] = 2;
	images = idx_labels(12, label);
	s.labels = save("l2", &images);
	hash_of(other[n++], &s);
	for (int i = 0; i < n; i++) {
		assert_string_not_equal(base, other[i]);
		for (int k = 0; k < i; k++)
			assert_string_not_equal(other[k], other[i]);
	}
}

/* ---- the data that comes with the program -------------------------------------------------------------------- */

static void check_fashion(const char *images, const char *labels, int n, const int first[12])
{
	struct data_spec s = {.kind = DATA_IDX, .images = images, .labels = labels, .n_norm = 1};
	struct dataset *d, *again;
	float *x = malloc((size_t)n * 784 * sizeof(*x));
	int32_t *y = malloc((size_t)n * sizeof(*y));

	s.mean = (double[]){0.2860};
	s.std = (double[]){0.3530};
	d = open_ok(&s);
	again = open_ok(&s);
	assert_int_equal(dataset_info(d)->n, n);
	assert_int_equal(dataset_info(d)->c, 1);
	assert_int_equal(dataset_info(d)->h, 28);
	assert_int_equal(dataset_info(d)->w, 28);
	assert_int_equal(dataset_info(d)->classes, 10);
	assert_true(dataset_info(d)->bytes >= (size_t)n * 788);
	assert_true(dataset_info(d)->bytes < (size_t)n * 788 + 4096);
	assert_string_equal(dataset_info(d)->hash, dataset_info(again)->hash);
	assert_int_equal(dataset_gather(d, x, y, NULL, 0, n, NULL, NULL), 0);
	for (int i = 0; i < n; i++)
		assert_int_equal(y[i], i % 10);
	for (int i = 0; i < 12; i++) {
		float want = ((float)first[i] / 255.0f - 0.2860f) / 0.3530f;

		assert_memory_equal(&x[i], &want, sizeof(want));
	}
	free(x);
	free(y);
	dataset_free(d);
	dataset_free(again);
}

static void test_fashion(void **state)
{
	(void)state;
	check_fashion(FASHION "target-train-images-idx3-ubyte.gz", FASHION "target-train-labels-idx1-ubyte.gz", 480,
		      (int[]){0, 2, 0, 1, 0, 0, 0, 0, 40, 113, 88, 48});
	check_fashion(FASHION "val-images-idx3-ubyte.gz", FASHION "val-labels-idx1-ubyte.gz", 2000,
		      (int[]){0, 0, 0, 0, 0, 0, 0, 9, 8, 0, 0, 34});
}

static void test_free_accepts_nothing(void **state)
{
	(void)state;
	dataset_free(NULL);
}

#define TEST(name) cmocka_unit_test_teardown(name, scratch_clear)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_no_cut_keeps_all),
		TEST(test_classes_filter_and_renumber),
		TEST(test_offset_of_the_whole),
		TEST(test_per_class),
		TEST(test_per_class_with_offset),
		TEST(test_limit),
		TEST(test_all_four_rules_in_order),
		TEST(test_bad_classes),
		TEST(test_bad_spec),
		TEST(test_idx_gzip_is_the_same_data),
		TEST(test_idx_gzip_of_two_members),
		TEST(test_idx_four_dimensions),
		TEST(test_idx_cut_or_too_long),
		TEST(test_idx_trailing_byte_inside_gzip),
		TEST(test_idx_says_what_is_missing),
		TEST(test_idx_damaged_gzip),
		TEST(test_idx_bad_header),
		TEST(test_idx_huge_sizes),
		TEST(test_idx_counts_disagree),
		TEST(test_missing_and_unreadable),
		TEST(test_npy_uint8_in_all_versions),
		TEST(test_npy_uint8_channels_last),
		TEST(test_npy_float_becomes_channels_last),
		TEST(test_npy_label_types),
		TEST(test_npy_labels_out_of_range),
		TEST(test_npy_bad_headers),
		TEST(test_npy_bad_start),
		TEST(test_npy_bad_labels),
		TEST(test_npy_values_must_be_finite),
		TEST(test_fake_shape_and_spread),
		TEST(test_fake_sample_does_not_depend_on_n),
		TEST(test_fake_refusals),
		TEST(test_hash_tells_what_a_trial_sees),
		TEST(test_fashion),
		TEST(test_free_accepts_nothing),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
