/* test_folder.c - folders of images and CIFAR files as data sets: order, refusals, sizes, and the cache on disk */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <sys/stat.h>

#include "engine/data/data.h"
#include "tests/unit/pictures.h"

/* ---- making folders ---------------------------------------------------------------------------------------- */

/* scratch_dir/path, and the directories that lead to it. */
static const char *place(const char *path)
{
	const char *whole = scratch_path(path);
	char part[400];

	for (const char *p = whole + strlen(scratch_dir) + 1; (p = strchr(p, '/')); p++) {
		snprintf(part, sizeof(part), "%.*s", (int)(p - whole), whole);
		assert_true(!mkdir(part, 0755) || errno == EEXIST);
	}
	return whole;
}

/* An h x w PNG whose first byte is `first`; see write_rgb(). */
static void put_picture(const char *path, int h, int w, int first)
{
	place(path);
	write_rgb(path, h, w, first);
}

static int remove_tree(void **state)
{
	char command[200];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s/*", scratch_dir);
	memset(scratch_paths, 0, sizeof(scratch_paths));
	return system(command);
}

/* Two classes of 2 x 2 images, first bytes 10, 11 | 20, 21, 22. */
static struct data_spec two_classes(void)
{
	put_picture("set/dog/b.png", 2, 2, 21);
	put_picture("set/cat/2.png", 2, 2, 11);
	put_picture("set/dog/a.png", 2, 2, 20);
	put_picture("set/cat/10.png", 2, 2, 10);
	put_picture("set/dog/c.JPEG", 2, 2, 22); /* what is in it decides */
	scratch_write("set/dog/notes.txt", "x", 1);
	return (struct data_spec){.kind = DATA_FOLDER, .folder = scratch_path("set")};
}

static struct dataset *open_ok(const struct data_spec *spec)
{
	struct dataset *d = NULL;
	struct err e = {0};

	if (dataset_open(&d, spec, &e))
		fail_msg("%s", e.msg);
	return d;
}

static void refused(const struct data_spec *spec, int code, const char *word, const char *word2)
{
	struct dataset *d;
	struct err e = {0};
	int rc = dataset_open(&d, spec, &e);

	if (rc != code || !strstr(e.msg, word) || !strstr(e.msg, word2))
		fail_msg("rc %d, expected %d with '%s' and '%s': %s", rc, code, word, word2, e.msg);
	assert_null(d);
}

/* First bytes and labels of all samples. */
static void holds(const struct data_spec *spec, int n, const int *first, const int *label)
{
	struct dataset *d = open_ok(spec);
	const struct dataset_info *info = dataset_info(d);
	size_t one = (size_t)info->c * (size_t)info->h * (size_t)info->w;
	float *x = malloc((size_t)n * one * sizeof(float));
	int32_t y[32];
	struct err e;

	assert_int_equal(info->n, n);
	assert_int_equal(dataset_gather(d, x, y, NULL, 0, n, NULL, &e), 0);
	for (int i = 0; i < n; i++) {
		assert_int_equal(lrintf(x[(size_t)i * one] * 255), first[i]);
		assert_int_equal(y[i], label[i]);
	}
	free(x);
	dataset_free(d);
}

#define HOLDS(spec, n, ...) holds(spec, n, (int[][32]){__VA_ARGS__}[0], (int[][32]){__VA_ARGS__}[1])

/* ---- folders ----------------------------------------------------------------------------------------------- */

static void classes_and_files_are_sorted(void **state)
{
	struct data_spec s = two_classes();
	struct dataset *d;

	(void)state;
	HOLDS(&s, 5, {10, 11, 20, 21, 22}, {0, 0, 1, 1, 1});
	d = open_ok(&s);
	assert_int_equal(dataset_info(d)->classes, 2);
	assert_int_equal(dataset_info(d)->c, 3);
	assert_string_equal(dataset_info(d)->names[0], "cat");
	assert_string_equal(dataset_info(d)->names[1], "dog");
	assert_int_equal(dataset_info(d)->skipped, 0);
	dataset_free(d);
}

/* sorted(os.walk(...)): folder by folder, "a" before "a/z" before "b"; links to files are files. */
static void subfolders_belong_to_their_class(void **state)
{
	struct data_spec s = two_classes();
	char to[500];

	(void)state;
	put_picture("set/cat/a/z.png", 2, 2, 13);
	put_picture("set/cat/z.png", 2, 2, 12);
	put_picture("set/cat/a.x/y.png", 2, 2, 14);
	snprintf(to, sizeof(to), "%s/set/dog/a.png", scratch_dir);
	assert_int_equal(symlink(to, scratch_path("set/cat/link.png")), 0);
	snprintf(to, sizeof(to), "%s/set", scratch_dir);
	assert_int_equal(symlink(to, scratch_path("set/cat/loop")), 0); /* not followed: it has no end */
	HOLDS(&s, 9, {10, 11, 20, 12, 13, 14, 20, 21, 22}, {0, 0, 0, 0, 0, 0, 1, 1, 1});
}

static void selection_comes_before_decoding(void **state)
{
	struct data_spec s = two_classes();
	struct dataset *d;

	(void)state;
	put_picture("set/cow/bad.png", 2, 2, 0);
	scratch_write("set/cow/bad.png", "x", 1);
	s.n_classes = 2;
	s.classes = (int[]){2, 0}; /* dog, cat */
	s.per_class = 1;
	s.offset = 1;
	HOLDS(&s, 2, {11, 21}, {1, 0});
	d = open_ok(&s);
	assert_string_equal(dataset_info(d)->names[0], "dog");
	dataset_free(d);
}

static void bad_folders_are_refused(void **state)
{
	struct data_spec s = two_classes();

	(void)state;
	s.folder = scratch_path("nowhere");
	refused(&s, ERR_NOINPUT, "nowhere", "No such file");
	mkdir(scratch_path("nowhere"), 0755);
	refused(&s, ERR_DATA, "nowhere", "0 folders in it");
	s.folder = scratch_path("set");
	mkdir(scratch_path("set/empty"), 0755);
	refused(&s, ERR_DATA, "set/empty", "no .jpg, .jpeg or .png file in it");
	s.folder = scratch_path("set/dog/a.png");
	refused(&s, ERR_NOINPUT, "a.png", "Not a directory");
	s.folder = NULL;
	refused(&s, ERR_CONFIG, "folder", "");
}

static void bad_images_stop_or_are_counted(void **state)
{
	struct data_spec s = two_classes();
	struct dataset *d;

	(void)state;
	scratch_write("set/cat/1.jpg", "", 0);
	refused(&s, ERR_DATA, "set/cat/1.jpg", "an empty file");
	s.skip_bad = true;
	scratch_write("set/dog/b.webp", "RIFF", 4); /* ImageFolder would take it */
	HOLDS(&s, 5, {10, 11, 20, 21, 22}, {0, 0, 1, 1, 1});
	d = open_ok(&s);
	assert_int_equal(dataset_info(d)->skipped, 2);
	dataset_free(d);
	s.limit = 1; /* 1.jpg alone */
	refused(&s, ERR_DATA, "none of 1 images can be read", "set/cat/1.jpg");
}

static void sizes_must_agree(void **state)
{
	struct data_spec s = two_classes();
	struct dataset *d;

	(void)state;
	put_picture("set/dog/wide.png", 4, 6, 0);
	refused(&s, ERR_DATA, "wide.png comes out as 6 x 4", "10.png as 2 x 2; expected one size");
	s.resize[0] = 4;
	refused(&s, ERR_DATA, "wide.png comes out as 6 x 4", "10.png as 4 x 4");
	s.crop[0] = s.crop[1] = 3;
	d = open_ok(&s);
	assert_int_equal(dataset_info(d)->h, 3);
	assert_int_equal(dataset_info(d)->w, 3);
	dataset_free(d);
	s.crop[0] = s.crop[1] = 0;
	s.resize[1] = 5;
	d = open_ok(&s);
	assert_int_equal(dataset_info(d)->h, 4);
	assert_int_equal(dataset_info(d)->w, 5);
	dataset_free(d);
}

static void exif_is_obeyed_if_asked_for(void **state)
{
	struct data_spec s = {.kind = DATA_FOLDER, .folder = scratch_path("set")};
	char from[600];
	struct dataset *d;

	(void)state;
	place("set/one/x.jpg");
	snprintf(from, sizeof(from), "cp " PICTURES "exif6.jpg %s/set/one/x.jpg", scratch_dir);
	assert_int_equal(system(from), 0);
	d = open_ok(&s);
	assert_int_equal(dataset_info(d)->h, 7);
	dataset_free(d);
	s.exif = true;
	d = open_ok(&s);
	assert_int_equal(dataset_info(d)->h, 11);
	dataset_free(d);
}

static void classes_of_two_folders_must_be_the_same(void **state)
{
	struct data_spec s = two_classes(), other = s;
	struct dataset *a = open_ok(&s), *b;
	struct err e;

	(void)state;
	assert_int_equal(dataset_same_classes(a, a, &e), 0);
	put_picture("val/cat/1.png", 2, 2, 0);
	other.folder = scratch_path("val");
	b = open_ok(&other);
	assert_int_equal(dataset_same_classes(a, b, &e), ERR_DATA);
	assert_non_null(strstr(e.msg, "train has 2 classes, val 1: 'dog' is only in train"));
	dataset_free(b);
	put_picture("val/dig/1.png", 2, 2, 0);
	b = open_ok(&other);
	assert_int_equal(dataset_same_classes(a, b, &e), ERR_DATA);
	assert_non_null(strstr(e.msg, "class 1 is 'dog' in train, but 'dig' in val"));
	dataset_free(b);
	dataset_free(a);
}

/* ---- CIFAR ------------------------------------------------------------------------------------------------- */

/* Records with these labels; byte i of the pixels of record r is r + 3 i. */
static const char *cifar(const char *name, int labels, int n, const uint8_t *label)
{
	static uint8_t file[4 * 3074];
	uint8_t *at = file;

	for (int r = 0; r < n; r++) {
		memcpy(at, label + r * labels, (size_t)labels);
		at += labels;
		for (int i = 0; i < 3072; i++)
			*at++ = (uint8_t)(r + 3 * i);
	}
	return scratch_write(name, file, (size_t)(at - file));
}

static void cifar_files_are_read(void **state)
{
	const char *files[2] = {cifar("a.bin", 1, 2, (uint8_t[]){3, 9}), cifar("b.bin", 1, 1, (uint8_t[]){0})};
	struct data_spec s = {.kind = DATA_CIFAR10, .files = files, .n_files = 2};
	struct dataset *d = open_ok(&s);
	static float x[3072];
	int32_t y;

	(void)state;
	assert_int_equal(dataset_info(d)->classes, 10);
	assert_int_equal(dataset_info(d)->h, 32);
	assert_int_equal(dataset_gather(d, x, &y, NULL, 1, 1, NULL, NULL), 0);
	for (int p = 0; p < 1024; p++)
		for (int c = 0; c < 3; c++)
			assert_int_equal(lrintf(x[3 * p + c] * 255), (uint8_t)(1 + 3 * (c * 1024 + p)));
	dataset_free(d);
	HOLDS(&s, 3, {0, 1, 0}, {3, 9, 0});
	files[0] = cifar("c.bin", 2, 2, (uint8_t[]){19, 99, 4, 0});
	s.kind = DATA_CIFAR100;
	s.n_files = 1;
	HOLDS(&s, 2, {0, 1}, {99, 0});
	s.coarse = true;
	HOLDS(&s, 2, {0, 1}, {19, 4});
}

static void bad_cifar_is_refused(void **state)
{
	const char *file = cifar("a.bin", 1, 2, (uint8_t[]){3, 10});
	struct data_spec s = {.kind = DATA_CIFAR10, .files = &file, .n_files = 1};

	(void)state;
	refused(&s, ERR_DATA, "a.bin", "label 10, not within 0 .. 9");
	s.kind = DATA_CIFAR100;
	refused(&s, ERR_DATA, "a.bin", "6146 bytes; expected a multiple of 3074");
	scratch_write("a.bin", "", 0);
	refused(&s, ERR_DATA, "a.bin", "0 bytes");
	scratch_write("a.bin", "\x1f\x8bxx", 4);
	refused(&s, ERR_DATA, "a.bin", "gzipped");
	s.n_files = 0;
	refused(&s, ERR_CONFIG, "CIFAR files", "");
}

/* ---- the cache --------------------------------------------------------------------------------------------- */

static int cache_files(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	int n = 0;

	while (d && (entry = readdir(d)))
		n += *entry->d_name != '.';
	if (d)
		closedir(d);
	return n;
}

/* All that a trial can see of a data set, clean and of three epochs. */
static uint64_t seen(const struct data_spec *spec)
{
	struct dataset *d = open_ok(spec);
	const struct dataset_info *info = dataset_info(d);
	size_t one = (size_t)info->c * (size_t)info->h * (size_t)info->w;
	size_t floats = (size_t)info->n * one;
	float *x = malloc(floats * sizeof(float));
	struct augment_draw draw = {.seed = 5, .scratch = aligned_alloc(64, dataset_scratch(d) / 64 * 64 + 64)};
	int32_t y[32];
	uint64_t sum = 0;
	struct err e;

	for (int epoch = -1; epoch < 3; epoch++) {
		draw.epoch = (uint64_t)epoch;
		if (dataset_gather(d, x, y, NULL, 0, (int)info->n, epoch < 0 ? NULL : &draw, &e))
			fail_msg("%s", e.msg);
		for (size_t i = 0; i < floats * sizeof(float); i++)
			sum = sum * 31 + ((uint8_t *)x)[i];
	}
	for (const char *h = info->hash; *h; h++)
		sum = sum * 31 + (uint8_t)*h;
	free(draw.scratch);
	free(x);
	dataset_free(d);
	return sum;
}

static struct data_spec cached(struct data_spec s, enum data_cache cache)
{
	s.cache = cache;
	s.cache_dir = scratch_path("deep/cache");
	return s;
}

static void disk_gives_the_same_bits(void **state)
{
	struct data_spec s = two_classes(), disk;
	uint64_t memory;

	(void)state;
	put_picture("set/dog/wide.png", 9, 6, 0);
	s.resize[0] = 8;
	s.crop[0] = s.crop[1] = 6;
	for (int crops = 0; crops < 2; crops++) {
		s.augment = (struct augment_spec){.hflip = 0.5, .crop_pad = 2};
		if (crops)
			s.augment = (struct augment_spec){{6, 6}, {.2, 1}, {.75, 4. / 3}, 0, .5};
		memory = seen(&s);
		disk = cached(s, CACHE_DISK);
		assert_true(seen(&disk) == memory);
		assert_int_equal(cache_files(disk.cache_dir), crops + 1);
		assert_true(seen(&disk) == memory); /* from the file that stands there */
		disk = cached(s, CACHE_AUTO);
		disk.cache_dir = scratch_path("other");
		disk.cache_above = 300; /* two images fit */
		assert_true(seen(&disk) == memory);
		assert_int_equal(cache_files(disk.cache_dir), crops + 1);
	}
	disk = cached(s, CACHE_AUTO);
	disk.cache_dir = scratch_path("unused");
	disk.cache_above = 1 << 20;
	assert_true(seen(&disk) == memory);
	assert_int_equal(cache_files(disk.cache_dir), 0);
}

static void disk_keeps_what_memory_would_hold(void **state)
{
	struct data_spec s = cached(two_classes(), CACHE_DISK);
	struct dataset *d = open_ok(&s);

	(void)state;
	assert_int_equal(dataset_info(d)->on_disk, 5 * 12);
	dataset_free(d);
	s.cache = CACHE_MEMORY;
	d = open_ok(&s);
	assert_int_equal(dataset_info(d)->on_disk, 0);
	dataset_free(d);
	s.cache = CACHE_DISK;
	s.cache_dir = NULL;
	refused(&s, ERR_CONFIG, "cache: disk", "XDG_CACHE_HOME");
	s.cache_dir = scratch_path("set/dog/a.png");
	refused(&s, ERR_CANTCREAT, "a.png", "");
}

/* The path of the one file in the cache. */
static const char *cache_file(const struct data_spec *s)
{
	static char path[1000];
	DIR *d = opendir(s->cache_dir);
	struct dirent *entry;

	assert_int_equal(cache_files(s->cache_dir), 1);
	while (d && (entry = readdir(d)))
		if (*entry->d_name != '.')
			snprintf(path, sizeof(path), "%s/%s", s->cache_dir, entry->d_name);
	closedir(d);
	return path;
}

static void spoil(const char *path, long at)
{
	FILE *f = fopen(path, "r+b");
	int c;

	fseek(f, at, at < 0 ? SEEK_END : SEEK_SET);
	c = fgetc(f);
	fseek(f, -1, SEEK_CUR);
	fputc(c ^ 1, f);
	fclose(f);
}

static void a_damaged_cache_is_never_used(void **state)
{
	struct data_spec s = cached(two_classes(), CACHE_DISK);
	uint64_t good = seen(&s);
	struct dataset *d;
	float x[12 * 5];
	int32_t y[5];
	struct err e;

	(void)state;
	for (long at = 0; at < 112; at++) { /* the head */
		spoil(cache_file(&s), at);
		assert_true(seen(&s) == good);
	}
	spoil(cache_file(&s), -1); /* the table */
	assert_true(seen(&s) == good);
	assert_int_equal(truncate(cache_file(&s), 300), 0);
	assert_true(seen(&s) == good);
	spoil(cache_file(&s), 112 + 14); /* the second image */
	d = open_ok(&s);
	assert_int_equal(dataset_gather(d, x, y, NULL, 0, 1, NULL, &e), 0);
	assert_int_equal(dataset_gather(d, x, y, NULL, 0, 5, NULL, &e), ERR_DATA);
	assert_non_null(strstr(e.msg, "an image of the cache is damaged; removed it"));
	assert_non_null(strstr(e.msg, s.cache_dir));
	dataset_free(d);
	assert_int_equal(cache_files(s.cache_dir), 0);
	assert_true(seen(&s) == good);
}

static void the_cache_knows_what_it_was_made_from(void **state)
{
	struct data_spec s = cached(two_classes(), CACHE_DISK);
	uint64_t before = seen(&s);

	(void)state;
	usleep(20000); /* another time of change */
	put_picture("set/cat/2.png", 2, 2, 12);
	assert_true(seen(&s) != before);
	assert_int_equal(cache_files(s.cache_dir), 2);
	s.resize[0] = 3;
	seen(&s);
	assert_int_equal(cache_files(s.cache_dir), 3);
}

/* Any source may be resized and kept on disk; its key is the samples themselves. */
static void other_sources_are_resized_too(void **state)
{
	const char *file = cifar("a.bin", 1, 3, (uint8_t[]){3, 9, 1});
	struct data_spec s = {.kind = DATA_CIFAR10, .files = &file, .n_files = 1, .resize = {16, 0}};
	struct data_spec disk = cached(s, CACHE_DISK);
	struct data_spec fake = {
		.kind = DATA_FAKE, .fake_n = 3, .fake_classes = 2, .fake_shape = {2, 5, 5}, .crop = {3, 7}};
	struct data_spec fake_disk = cached(fake, CACHE_DISK);
	struct dataset *d;

	(void)state;
	assert_true(seen(&s) == seen(&disk));
	assert_true(seen(&fake) == seen(&fake_disk));
	d = open_ok(&fake);
	assert_int_equal(dataset_info(d)->w, 7);
	dataset_free(d);
	fake.resize[0] = 4;
	refused(&fake, ERR_CONFIG, "fake data", "float32 images cannot be resized");
}

#define TEST(name) cmocka_unit_test_teardown(name, remove_tree)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(classes_and_files_are_sorted),
		TEST(subfolders_belong_to_their_class),
		TEST(selection_comes_before_decoding),
		TEST(bad_folders_are_refused),
		TEST(bad_images_stop_or_are_counted),
		TEST(sizes_must_agree),
		TEST(exif_is_obeyed_if_asked_for),
		TEST(classes_of_two_folders_must_be_the_same),
		TEST(cifar_files_are_read),
		TEST(bad_cifar_is_refused),
		TEST(disk_gives_the_same_bits),
		TEST(disk_keeps_what_memory_would_hold),
		TEST(a_damaged_cache_is_never_used),
		TEST(the_cache_knows_what_it_was_made_from),
		TEST(other_sources_are_resized_too),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
