/* test_resize.c - resizing equals Pillow's to the byte; torchvision's rules for sizes, crops and windows */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "engine/base/file.h"
#include "engine/data/resize.h"
#include "engine/data/transform.h"

/* The scratch is no byte larger than promised: the sanitizer would see it. */
static uint8_t *resize_alone(const uint8_t *src, size_t row, int sh, int sw, int dh, int dw, int c)
{
	uint8_t *out = malloc((size_t)(dh * dw * c));
	void *scratch = malloc(resize_scratch(sh, sw, dh, dw, c));

	resize_bilinear(out, dh, dw, src, row, sh, sw, c, scratch);
	free(scratch);
	return out;
}

static void resizes_as_pillow(void **state)
{
	char *bytes, *at;
	size_t n;
	struct err e;
	int cases = 0;

	(void)state;
	assert_int_equal(file_read(&bytes, &n, "tests/parity/fixtures/images/resize.bin", 1 << 20, &e), 0);
	for (at = bytes; at < bytes + n; cases++) {
		int32_t v[5];
		uint8_t *out;

		memcpy(v, at, sizeof(v));
		at += sizeof(v);
		out = resize_alone((uint8_t *)at, (size_t)(v[2] * v[0]), v[1], v[2], v[3], v[4], v[0]);
		at += v[1] * v[2] * v[0];
		if (memcmp(out, at, (size_t)(v[3] * v[4] * v[0])))
			fail_msg("case %d: %d x %d to %d x %d of %d", cases, v[1], v[2], v[3], v[4], v[0]);
		at += v[3] * v[4] * v[0];
		free(out);
	}
	assert_int_equal(cases, 14);
	free(bytes);
}

static void a_window_is_resized_like_its_copy(void **state)
{
	uint8_t src[20][30][3], copy[9][13][3], *a, *b;

	(void)state;
	for (size_t i = 0; i < sizeof(src); i++)
		((uint8_t *)src)[i] = (uint8_t)(i * 31);
	for (int y = 0; y < 9; y++)
		memcpy(copy[y], src[5 + y][4], sizeof(copy[y]));
	a = resize_alone(src[5][4], sizeof(src[0]), 9, 13, 7, 21, 3);
	b = resize_alone(copy[0][0], sizeof(copy[0]), 9, 13, 7, 21, 3);
	assert_memory_equal(a, b, 7 * 21 * 3);
	free(a);
	free(b);
}

static void check_size(int s0, int s1, int h, int w, int want_h, int want_w)
{
	struct err e;
	int dh, dw;

	assert_int_equal(transform_resized(&dh, &dw, (int[]){s0, s1}, h, w, "x", &e), 0);
	assert_int_equal(dh, want_h);
	assert_int_equal(dw, want_w);
}

static void the_shorter_side_leads(void **state)
{
	struct err e;
	int dh, dw;

	(void)state;
	check_size(256, 0, 375, 500, 256, 341); /* int(256 * 500 / 375) */
	check_size(256, 0, 500, 375, 341, 256);
	check_size(256, 0, 256, 999, 256, 999);
	check_size(10, 0, 7, 7, 10, 10);
	check_size(10, 20, 7, 9, 10, 20);
	assert_int_equal(transform_resized(&dh, &dw, (int[]){4096, 0}, 1, 1 << 26, "long.png", &e), ERR_DATA);
	assert_non_null(strstr(e.msg, "long.png"));
}

static void centre_is_torchvisions(void **state)
{
	(void)state;
	assert_int_equal(center_offset(10, 4), 3);
	assert_int_equal(center_offset(9, 4), 2);  /* round(2.5) is 2, */
	assert_int_equal(center_offset(11, 4), 4); /* round(3.5) is 4: Python's halves go to even */
	assert_int_equal(center_offset(4, 4), 0);
	assert_int_equal(center_offset(4, 9), -2); /* padding (9 - 4) // 2 before, 3 behind */
}

static void windows_reach_over_the_edge(void **state)
{
	static const uint8_t src[6] = {1, 2, 3, 4, 5, 6}; /* 2 x 3 */
	uint8_t dst[12];

	(void)state;
	window_copy(dst, 3, 4, src, 2, 3, 1, -1, -1, false);
	assert_memory_equal(dst, ((uint8_t[]){0, 0, 0, 0, 0, 1, 2, 3, 0, 4, 5, 6}), 12);
	window_copy(dst, 3, 4, src, 2, 3, 1, -1, -1, true);
	assert_memory_equal(dst, ((uint8_t[]){0, 0, 0, 0, 3, 2, 1, 0, 6, 5, 4, 0}), 12);
	window_copy(dst, 2, 2, src, 2, 3, 1, 0, 1, true);
	assert_memory_equal(dst, ((uint8_t[]){3, 2, 6, 5}), 4);
	window_copy(dst, 1, 2, src, 2, 3, 1, 5, 5, false);
	assert_memory_equal(dst, ((uint8_t[]){0, 0}), 2);
	window_copy(dst, 1, 2, src, 1, 2, 3, 0, 0, true); /* pixels of three bytes */
	assert_memory_equal(dst, ((uint8_t[]){4, 5, 6, 1, 2, 3}), 6);
}

static void resize_then_crop(void **state)
{
	uint8_t src[6 * 9 * 3], *sized;
	struct image out;
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(src); i++)
		src[i] = (uint8_t)(i * 5);
	assert_int_equal(transform_apply(&out, &(struct transform){{4, 0}, {4, 4}}, src, 6, 9, 3, 1, "x", &e), 0);
	sized = resize_alone(src, 27, 6, 9, 4, 6, 3);
	for (int y = 0; y < 4; y++)
		assert_memory_equal(out.px + 12 * y, sized + 18 * y + 3, 12);
	free(sized);
	image_release(&out);
	assert_int_equal(transform_apply(&out, &(struct transform){{0}, {2, 11}}, src, 6, 9, 3, 1, "x", &e), 0);
	assert_int_equal(out.w, 11);
	assert_memory_equal(out.px + 3, src + 2 * 27, 27);
	image_release(&out);
	assert_int_equal(transform_apply(&out, &(struct transform){{0}, {0}}, src, 6, 9, 3, 1, "x", &e), 0);
	assert_memory_equal(out.px, src, sizeof(src));
	image_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resizes_as_pillow),           cmocka_unit_test(a_window_is_resized_like_its_copy),
		cmocka_unit_test(the_shorter_side_leads),      cmocka_unit_test(centre_is_torchvisions),
		cmocka_unit_test(windows_reach_over_the_edge), cmocka_unit_test(resize_then_crop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
