/* test_augment.c - random crops and mirrors: torchvision's rules, their frequencies, and whom they depend on */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "engine/data/augment.h"
#include "engine/data/data.h"
#include "engine/data/resize.h"
#include "tests/unit/scratch.h"

#define DRAWS 20000

static const struct augment_spec crops = {{8, 8}, {0.08, 1}, {0.75, 4. / 3}, 0, 0.25};

/* ---- the draws --------------------------------------------------------------------------------------------- */

static void mirrors_as_often_as_asked(void **state)
{
	struct augment_spec a = {.hflip = 0.25};
	int n = 0;

	(void)state;
	for (uint64_t i = 0; i < DRAWS; i++)
		n += augment_pick(&a, 9, 7, 1, i / 100, i % 100).flip;
	assert_true(fabs(n / (double)DRAWS - 0.25) < 0.0125); /* 4 standard deviations */
	a.hflip = 0;
	for (uint64_t i = 0; i < 1000; i++)
		assert_false(augment_pick(&a, 9, 7, 1, 0, i).flip);
	a.hflip = 1;
	for (uint64_t i = 0; i < 1000; i++)
		assert_true(augment_pick(&a, 9, 7, 1, 0, i).flip);
}

static void padded_crops_are_uniform(void **state)
{
	struct augment_spec a = {.crop_pad = 2};
	int count[5][5] = {{0}};
	double chi = 0;

	(void)state;
	for (uint64_t i = 0; i < DRAWS; i++) {
		struct augment_pick p = augment_pick(&a, 9, 7, 3, 0, i);

		assert_true(p.top >= -2 && p.top <= 2 && p.left >= -2 && p.left <= 2);
		assert_int_equal(p.h, 9);
		assert_int_equal(p.w, 7);
		count[p.top + 2][p.left + 2]++;
	}
	for (int i = 0; i < 25; i++)
		chi += pow(count[i / 5][i % 5] - DRAWS / 25., 2) / (DRAWS / 25.);
	assert_true(chi < 60); /* 24 degrees of freedom: 1 in 20,000 */
}

/* Shares of the area are uniform over 0.08 .. 1 and aspects log-uniform, where the window fits; all lie inside. */
static void resized_crops_follow_torchvision(void **state)
{
	double area = 0, aspect = 0;
	int n = 0, tops = 0;

	(void)state;
	for (uint64_t i = 0; i < DRAWS; i++) {
		struct augment_spec a = crops;
		struct augment_pick p;

		a.scale[1] = 0.5; /* on a square image every such window fits: no try is lost */
		p = augment_pick(&a, 1000, 1000, 7, 0, i);
		assert_true(p.top >= 0 && p.left >= 0 && p.h > 0 && p.w > 0);
		assert_true(p.top + p.h <= 1000 && p.left + p.w <= 1000);
		area += p.h * p.w / 1e6;
		aspect += log((double)p.w / p.h);
		tops += p.top > (1000 - p.h) / 2;
		n += p.w > p.h;
	}
	assert_true(fabs(area / DRAWS - 0.29) < 4 * 0.42 / sqrt(12. * DRAWS));
	assert_true(fabs(aspect / DRAWS) < 4 * 2 * log(4. / 3) / sqrt(12. * DRAWS));
	assert_true(abs(n - DRAWS / 2) < 2 * sqrt(DRAWS) * 2);
	assert_true(abs(tops - DRAWS / 2) < 2 * sqrt(DRAWS) * 2);
}

/* A window that never fits: torchvision's fallback to the middle. */
static void falls_back_to_the_middle(void **state)
{
	struct augment_spec a = {{8, 8}, {1, 1}, {0.75, 4. / 3}, 0, 0};
	struct augment_pick p = augment_pick(&a, 100, 1000, 7, 0, 0);

	(void)state;
	assert_int_equal(p.h, 100);
	assert_int_equal(p.w, 133);
	assert_int_equal(p.top, 0);
	assert_int_equal(p.left, (1000 - 133) / 2);
	p = augment_pick(&a, 1000, 10, 7, 0, 0);
	assert_int_equal(p.w, 10);
	assert_int_equal(p.h, 13); /* round(10 / 0.75) */
	assert_int_equal(p.top, (1000 - 13) / 2);
	a.scale[0] = a.scale[1] = 1e-9; /* less than a pixel: no try fits, the whole image does */
	p = augment_pick(&a, 30, 30, 7, 0, 0);
	assert_int_equal(p.h, 30);
	assert_int_equal(p.w, 30);
	a.ratio[0] = a.ratio[1] = 0.01; /* never a window of no width */
	p = augment_pick(&a, 3, 30, 7, 0, 0);
	assert_int_equal(p.w, 1);
}

static void every_key_draws_anew(void **state)
{
	struct augment_spec a = {.crop_pad = 1000};
	struct augment_pick p = augment_pick(&a, 9, 9, 1, 2, 3);
	struct augment_pick same = augment_pick(&a, 9, 9, 1, 2, 3);

	(void)state;
	assert_int_equal(p.top, same.top);
	assert_int_equal(p.left, same.left);
	assert_int_not_equal(p.top, augment_pick(&a, 9, 9, 2, 2, 3).top);
	assert_int_not_equal(p.top, augment_pick(&a, 9, 9, 1, 3, 3).top);
	assert_int_not_equal(p.top, augment_pick(&a, 9, 9, 1, 2, 4).top);
	assert_int_not_equal(p.top, augment_pick(&a, 9, 9, 1, 3, 2).top);
}

/* ---- on data ----------------------------------------------------------------------------------------------- */

static const char *file;

/* Three CIFAR records of changing bytes. */
static struct data_spec cifar(struct augment_spec augment)
{
	static uint8_t bytes[3 * 3073];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = i % 3073 ? (uint8_t)(i * i / 7) : 1;
	file = scratch_write("a.bin", bytes, sizeof(bytes));
	return (struct data_spec){.kind = DATA_CIFAR10, .files = &file, .n_files = 1, .augment = augment};
}

static struct dataset *open_ok(struct data_spec spec)
{
	struct dataset *d = NULL;
	struct err e = {0};

	if (dataset_open(&d, &spec, &e))
		fail_msg("%s", e.msg);
	return d;
}

static void gather(const struct dataset *d, float *x, const uint32_t *index, int n, const uint64_t *epoch)
{
	size_t bytes = dataset_scratch(d);
	void *scratch = aligned_alloc(64, bytes / 64 * 64 + 64);
	const struct augment_draw draw = {11, epoch ? *epoch : 0, scratch};
	int32_t y[8];

	assert_int_equal(dataset_gather(d, x, y, index, 0, n, epoch ? &draw : NULL, NULL), 0);
	free(scratch);
}

static float x[8][3072], z[8][3072];

/* A sample's pixels depend on seed, epoch and sample, not on its batch; another epoch brings others. */
static void check_keys(struct augment_spec augment)
{
	struct dataset *d = open_ok(cifar(augment));
	size_t one = (size_t)dataset_info(d)->h * (size_t)dataset_info(d)->w * 3 * sizeof(float);
	const uint64_t epoch = 4;
	int changed = 0;

	for (uint64_t i = 0; i < 8; i++) {
		gather(d, x[0], (uint32_t[]){2, 0, 1, 2}, 4, &i);
		assert_memory_equal(x[0], (char *)x[0] + 3 * one, one);
		gather(d, z[0], (uint32_t[]){2}, 1, &epoch);
		changed += memcmp(x[0], z[0], one) != 0;
	}
	assert_true(changed >= 5 && changed <= 7);
	gather(d, x[0], (uint32_t[]){1, 2}, 2, &epoch);
	assert_memory_equal((char *)x[0] + one, z[0], one);
	dataset_free(d);
}

static void batches_do_not_matter(void **state)
{
	(void)state;
	check_keys((struct augment_spec){.crop_pad = 4, .hflip = 0.5});
	check_keys(crops);
}

/* The window and mirror that were drawn, by hand. */
static void padded_crop_by_hand(void **state)
{
	struct dataset *d = open_ok(cifar((struct augment_spec){.crop_pad = 4, .hflip = 0.5}));
	const struct augment_spec a = {.crop_pad = 4, .hflip = 0.5};
	int flips = 0;

	(void)state;
	gather(d, x[0], NULL, 1, NULL);
	for (uint64_t epoch = 0; epoch < 20; epoch++) {
		struct augment_pick p = augment_pick(&a, 32, 32, 11, epoch, 0);

		gather(d, z[0], NULL, 1, &epoch);
		flips += p.flip;
		for (int i = 0; i < 3072; i++) {
			int row = p.top + i / 96, col = p.left + (p.flip ? 31 - i / 3 % 32 : i / 3 % 32);
			bool in = row >= 0 && row < 32 && col >= 0 && col < 32;

			assert_true(z[0][i] == (in ? x[0][row * 96 + col * 3 + i % 3] : 0));
		}
	}
	assert_true(flips > 0 && flips < 20);
	dataset_free(d);
}

static void resized_crop_by_hand(void **state)
{
	struct dataset *d = open_ok(cifar(crops)), *plain = open_ok(cifar((struct augment_spec){0}));
	uint8_t px[3072], want[192];
	char scratch[20000];

	(void)state;
	gather(plain, x[0], NULL, 1, NULL);
	for (int i = 0; i < 3072; i++)
		px[i] = (uint8_t)lrintf(x[0][i] * 255);
	for (uint64_t epoch = 0; epoch < 20; epoch++) {
		struct augment_pick p = augment_pick(&crops, 32, 32, 11, epoch, 0);

		gather(d, z[0], NULL, 1, &epoch);
		resize_bilinear(want, 8, 8, px + p.top * 96 + p.left * 3, 96, p.h, p.w, 3, scratch);
		for (int i = 0; i < 192; i++)
			assert_int_equal(lrintf(z[0][i] * 255),
					 want[i / 24 * 24 + (p.flip ? 7 - i / 3 % 8 : i / 3 % 8) * 3 + i % 3]);
	}
	dataset_free(d);
	dataset_free(plain);
}

/* Clean: Resize(8 * 256 / 224) and CenterCrop(8), as if there were no augmentation. */
static void evaluation_is_clean(void **state)
{
	struct dataset *d = open_ok(cifar(crops));
	struct data_spec by_hand = cifar((struct augment_spec){0});
	struct dataset *want;

	(void)state;
	by_hand.resize[0] = 9;
	by_hand.crop[0] = by_hand.crop[1] = 8;
	want = open_ok(by_hand);
	gather(d, x[0], NULL, 3, NULL);
	gather(want, z[0], NULL, 3, NULL);
	assert_memory_equal(x, z, 3 * 192 * sizeof(float));
	dataset_free(want);
	by_hand.augment = crops;
	by_hand.resize[0] = 12;
	want = open_ok(by_hand);
	assert_int_equal(dataset_info(want)->h, 8);
	dataset_free(want);
	dataset_free(d);
}

static void float_images_are_mirrored_too(void **state)
{
	struct data_spec s = {.kind = DATA_FAKE, .fake_n = 2, .fake_classes = 2, .fake_shape = {2, 3, 4}};
	const uint64_t epoch = 0;
	struct dataset *d = open_ok(s), *flipped;

	(void)state;
	gather(d, x[0], NULL, 2, &epoch);
	dataset_free(d);
	s.augment.hflip = 1;
	flipped = open_ok(s);
	gather(flipped, z[0], NULL, 2, &epoch);
	for (int i = 0; i < 48; i++)
		assert_true(z[0][i] == x[0][i / 8 * 8 + (3 - i / 2 % 4) * 2 + i % 2]);
	dataset_free(flipped);
}

static void the_hash_tells_augmentations_apart(void **state)
{
	const struct augment_spec all[] = {{.hflip = 0},
					   {.hflip = 0.5},
					   {.hflip = 0.25},
					   {.crop_pad = 4},
					   {.crop_pad = 4, .hflip = 0.5},
					   {{32, 32}, {0.08, 1}, {0.75, 1}, 0, 0},
					   {{32, 32}, {0.1, 1}, {0.75, 1}, 0, 0},
					   {{32, 32}, {0.1, 1}, {0.75, 1.5}, 0, 0},
					   {{32, 30}, {0.1, 1}, {0.75, 1.5}, 0, 0}};
	char hash[9][33];

	(void)state;
	for (int i = 0; i < 9; i++) {
		struct dataset *d = open_ok(cifar(all[i]));

		memcpy(hash[i], dataset_info(d)->hash, 33);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(hash[i], hash[j]);
		dataset_free(d);
	}
}

static void refused(struct data_spec s, const char *word)
{
	struct err e = {0};

	if (data_spec_check(&s, &e) != ERR_CONFIG || !strstr(e.msg, word))
		fail_msg("expected '%s': %s", word, e.msg);
}

static void bad_settings_are_named(void **state)
{
	struct data_spec s = cifar(crops);

	(void)state;
	refused(cifar((struct augment_spec){.hflip = 1.5}), "hflip is 1.5");
	refused(cifar((struct augment_spec){.hflip = NAN}), "hflip is nan");
	refused(cifar((struct augment_spec){.crop_pad = -1}), "crop_pad is -1");
	refused(cifar((struct augment_spec){{8, 8}, {1, 0.5}, {1, 1}, 0, 0}), "scale [1, 0.5]");
	refused(cifar((struct augment_spec){{8, 8}, {0, 1}, {1, 1}, 0, 0}), "scale [0, 1]");
	refused(cifar((struct augment_spec){{8, 8}, {1, 1}, {0, 1}, 0, 0}), "ratio [0, 1]");
	refused(cifar((struct augment_spec){{8, 0}, {1, 1}, {1, 1}, 0, 0}), "8 x 0");
	refused(cifar((struct augment_spec){{8, 8}, {1, 1}, {1, 1}, 2, 0}), "expected one of them");
	s.crop[0] = s.crop[1] = 9;
	refused(s, "center_crop of 9 x 9, but random_resized_crop gives 8 x 8");
	s.crop[0] = s.crop[1] = 0;
	s.resize[0] = 7;
	refused(s, "resize to 7 is smaller");
	s.resize[0] = -7;
	refused(s, "expected sizes of 1 to 16384");
}

#define TEST(name) cmocka_unit_test_teardown(name, scratch_clear)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(mirrors_as_often_as_asked),
		TEST(padded_crops_are_uniform),
		TEST(resized_crops_follow_torchvision),
		TEST(falls_back_to_the_middle),
		TEST(every_key_draws_anew),
		TEST(batches_do_not_matter),
		TEST(padded_crop_by_hand),
		TEST(resized_crop_by_hand),
		TEST(evaluation_is_clean),
		TEST(float_images_are_mirrored_too),
		TEST(the_hash_tells_augmentations_apart),
		TEST(bad_settings_are_named),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
