/* test_memory.c - what a trial was predicted to need (trial_bytes()) against what the process took for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/engine.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SHADOWED 1 /* memory beside the program's own counts too */
#else
#define SHADOWED 0
#endif

static const char *const everything[] = {"*"};

/* A line of /proc/self/status, in bytes. */
static double status_bytes(const char *name)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[256];
	double kb = 0;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)))
			sscanf(line + strlen(name), ": %lf", &kb);
	fclose(f);
	return 1024 * kb;
}

/* From here on VmHWM is the peak; false where the kernel does not let us. */
static bool forget_peak(void)
{
	int fd = open("/proc/self/clear_refs", O_WRONLY);
	bool ok = fd >= 0 && write(fd, "5", 1) == 1;

	if (fd >= 0)
		close(fd);
	return ok;
}

static void train_one(const char *arch, int side, int batch)
{
	const struct group_spec group = {.name = "backbone", .patterns = everything, .n_patterns = 1};
	const struct data_spec data = {
		.kind = DATA_FAKE, .fake_n = 2 * batch, .fake_classes = 10, .fake_shape = {3, side, side}};
	struct trial_spec spec = {.n_groups = 1, .groups = &group, .seed = 1};
	struct model_spec model;
	struct dataset *d;
	struct trial *t;
	enum trial_status status;
	struct epoch_row row;
	double before, predicted, took;
	struct err e;

	field_defaults(model_fields, n_model_fields, &model);
	model.arch = field_enum_index(field_find(model_fields, n_model_fields, "arch"), arch);
	model.classes = 10;
	field_defaults(hyper_fields, n_hyper_fields, &spec.hyper);
	spec.hyper.batch_size = batch;
	spec.group_lr[0] = 1e-4;
	spec.group_weight_decay[0] = 0;
	assert_int_equal(dataset_open(&d, &data, &e), 0);
	spec.model = &model;
	spec.train = spec.val = d;
	if (!forget_peak())
		skip();
	before = status_bytes("VmRSS");
	predicted = (double)trial_bytes(&spec, &e);
	assert_int_equal(trial_new(&t, &spec, &e), 0);
	assert_int_equal(trial_epoch(t, &row, &status, NULL, &e), 0);
	took = status_bytes("VmHWM") - before;
	trial_free(t);
	dataset_free(d);
	print_message("%s %dx%d, batch %d: %.1f MB predicted, %.1f MB taken\n", arch, side, side, batch,
		      predicted / 1e6, took / 1e6);
	assert_true(took < 1.05 * predicted);
	assert_true(took > 0.95 * predicted);
}

static void memory_is_as_predicted(void **state)
{
	(void)state;
	if (SHADOWED)
		skip();
	train_one("resnet18", 64, 32);
	train_one("resnet18", 64, 64);
	train_one("resnet34", 96, 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(memory_is_as_predicted)};
	struct err e;

	if (engine_init(&e))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
