/* test_image.c - decoding equals Pillow's to the byte; every damage is an error that names the file */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <zlib.h>

#include "engine/data/image.h"
#include "tests/unit/pictures.h"

static struct image read_ok(const char *path, bool exif)
{
	struct image im;
	struct err e = {0};

	if (image_read(&im, path, exif, &e))
		fail_msg("%s", e.msg);
	assert_int_equal(im.c, 3);
	return im;
}

/* PICTURES/name, decoded, is what the file `expected` holds. */
static void equals_pillow(const char *name, bool exif, const char *expected)
{
	struct image im;
	char path[200], *bytes, *px;
	size_t n;
	struct err e;
	int h, w;

	snprintf(path, sizeof(path), PICTURES "%s", name);
	im = read_ok(path, exif);
	snprintf(path, sizeof(path), PICTURES "%s", expected);
	assert_int_equal(file_read(&bytes, &n, path, 1 << 20, &e), 0);
	assert_int_equal(sscanf(bytes, "%d %d", &h, &w), 2);
	assert_int_equal(im.h, h);
	assert_int_equal(im.w, w);
	px = strchr(bytes, '\n') + 1;
	assert_int_equal(n - (size_t)(px - bytes), h * w * 3);
	if (memcmp(px, im.px, (size_t)(h * w * 3)))
		fail_msg("%s differs from Pillow's", name);
	free(bytes);
	image_release(&im);
}

static void decodes_as_pillow(void **state)
{
	static const char *const names[] = {"baseline.jpg",   "full.jpg",    "progressive.jpg",   "grey.jpg",
					    "cmyk.jpg",       "rgb.png",     "rgba.png",          "grey.png",
					    "grey_alpha.png", "palette.png", "palette_alpha.png", "bits1.png",
					    "rgb_trns.png",   "exif6.png",   "exif6.jpg"};
	char expected[200];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(expected, sizeof(expected), "%s.rgb", names[i]);
		equals_pillow(names[i], false, expected);
	}
}

static void orientation_is_obeyed_if_asked_for(void **state)
{
	char name[40], expected[80];

	(void)state;
	for (int o = 1; o <= 8; o++) {
		snprintf(name, sizeof(name), "exif%d.jpg", o);
		snprintf(expected, sizeof(expected), "%s.up.rgb", name);
		equals_pillow(name, true, expected);
	}
	equals_pillow("exif6.png", true, "exif6.png.up.rgb");
	equals_pillow("rgb.png", true, "rgb.png.rgb");
}

static void orientation_survives_any_tags(void **state)
{
	uint8_t tiff[26] = "MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06";

	(void)state;
	assert_int_equal(exif_orientation(tiff, 26), 6);
	for (size_t n = 0; n < 22; n++) {
		uint8_t *cut = malloc(n ? n : 1); /* so that the sanitizer sees a step too far */

		memcpy(cut, tiff, n);
		assert_int_equal(exif_orientation(cut, n), 1);
		free(cut);
	}
	tiff[19] = 9;
	assert_int_equal(exif_orientation(tiff, 26), 1);
	memset(tiff + 4, 0xff, 4);
	assert_int_equal(exif_orientation(tiff, 26), 1);
}

static void png_kinds_become_rgb(void **state)
{
	static const uint8_t rgb16[12] = {1, 255, 2, 128, 3, 0, 250, 9, 251, 9, 252, 9};
	static const uint8_t grey16[4] = {7, 200, 255, 1};
	static const uint8_t grey4[1] = {0x1f};
	static const uint8_t index2[1] = {0x60};
	static const png_color colours[3] = {{1, 2, 3}, {4, 5, 6}, {7, 8, 9}};
	struct image im;

	(void)state;
	im = read_ok(write_png("a.png", 1, 2, (struct png_kind){.depth = 16, .type = PNG_COLOR_TYPE_RGB}, rgb16), 0);
	assert_memory_equal(im.px, ((uint8_t[]){1, 2, 3, 250, 251, 252}), 6);
	image_release(&im);
	im = read_ok(write_png("b.png", 1, 2, (struct png_kind){.depth = 16}, grey16), 0);
	assert_memory_equal(im.px, ((uint8_t[]){7, 7, 7, 255, 255, 255}), 6);
	image_release(&im);
	im = read_ok(write_png("c.png", 1, 2, (struct png_kind){.depth = 4}, grey4), 0);
	assert_memory_equal(im.px, ((uint8_t[]){17, 17, 17, 255, 255, 255}), 6);
	image_release(&im);
	im = read_ok(write_png("d.png", 1, 2, (struct png_kind){2, PNG_COLOR_TYPE_PALETTE, false, 3, colours}, index2),
		     0);
	assert_memory_equal(im.px, ((uint8_t[]){4, 5, 6, 7, 8, 9}), 6);
	image_release(&im);
}

static void interlaced_png_is_the_same(void **state)
{
	uint8_t px[11 * 9 * 3];
	struct image im;

	(void)state;
	for (size_t i = 0; i < sizeof(px); i++)
		px[i] = (uint8_t)(i * i);
	im = read_ok(write_png("i.png", 11, 9, (struct png_kind){.interlaced = true}, px), false);
	assert_memory_equal(im.px, px, sizeof(px));
	image_release(&im);
}

/* Reading fails with ERR_DATA (or code), naming the file and saying the word; nothing is left. */
static void refused(const char *path, int code, const char *word)
{
	struct image im;
	struct err e = {0};
	int rc = image_read(&im, path, true, &e);

	if (rc != code || !strstr(e.msg, word) || !strstr(e.msg, path))
		fail_msg("rc %d, expected %d and '%s': %s", rc, code, word, e.msg);
	assert_null(im.px);
}

/* A committed file with its end cut off, or a byte changed (at < n). */
static const char *spoilt(const char *name, size_t keep, size_t at, uint8_t value)
{
	char path[200], *bytes;
	size_t n;
	struct err e;
	const char *to;

	snprintf(path, sizeof(path), PICTURES "%s", name);
	assert_int_equal(file_read(&bytes, &n, path, 1 << 20, &e), 0);
	assert_true(keep <= n);
	if (at < n)
		bytes[at] = (char)value;
	to = scratch_write(name, bytes, keep ? keep : n);
	free(bytes);
	return to;
}

static void damage_is_named(void **state)
{
	(void)state;
	refused(scratch_path("none.jpg"), ERR_NOINPUT, "No such file");
	refused(scratch_write("empty.jpg", "", 0), ERR_DATA, "an empty file");
	refused(scratch_write("text.png", "hello", 5), ERR_DATA, "neither a JPEG nor a PNG image");
	refused(spoilt("baseline.jpg", 700, SIZE_MAX, 0), ERR_DATA, "cut short");
	refused(spoilt("progressive.jpg", 400, SIZE_MAX, 0), ERR_DATA, "cut short");
	refused(spoilt("baseline.jpg", 3, SIZE_MAX, 0), ERR_DATA, "damaged JPEG");
	refused(spoilt("rgb.png", 100, SIZE_MAX, 0), ERR_DATA, "cut short");
	refused(spoilt("rgb.png", 0, 70, 0x55), ERR_DATA, "damaged PNG");
}

static void name_does_not_decide(void **state)
{
	struct image im = read_ok(write_rgb("really-a-png.jpg", 2, 2, 5), false);

	(void)state;
	assert_int_equal(im.px[1], 12);
	image_release(&im);
}

/* 65536 x 65536 by the header; the first rows would follow, but nothing of that size is asked for. */
static void too_many_pixels_are_refused(void **state)
{
	uint8_t png[33 + 12] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\1\0\0\0\1\0\0\x08\2\0\0\0";
	uint8_t jpg[800];
	FILE *f = fopen(PICTURES "full.jpg", "rb");

	(void)state;
	png_save_uint_32(png + 29, (png_uint_32)crc32(0, png + 12, 17));
	memcpy(png + 37, "IDAT", 4);
	png_save_uint_32(png + 41, (png_uint_32)crc32(0, png + 37, 4));
	refused(scratch_write("huge.png", png, sizeof(png)), ERR_DATA, "65536 x 65536 pixels; expected 1 to 67108864");
	assert_int_equal(fread(jpg, 1, sizeof(jpg), f), sizeof(jpg));
	fclose(f);
	for (size_t i = 0; i + 8 < sizeof(jpg); i++)
		if (jpg[i] == 0xff && jpg[i + 1] == 0xc0)
			memset(jpg + i + 5, 0xfe, 4); /* height and width */
	refused(scratch_write("huge.jpg", jpg, sizeof(jpg)), ERR_DATA, "65278 x 65278 pixels");
}

#define TEST(name) cmocka_unit_test_teardown(name, scratch_clear)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(decodes_as_pillow),
		TEST(orientation_is_obeyed_if_asked_for),
		TEST(orientation_survives_any_tags),
		TEST(png_kinds_become_rgb),
		TEST(interlaced_png_is_the_same),
		TEST(damage_is_named),
		TEST(name_does_not_decide),
		TEST(too_many_pixels_are_refused),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
