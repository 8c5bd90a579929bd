/*
 * tiny_trial.h - a trial of milliseconds for tests: 37 fake training images in batches of 8 (the last one holds 5), 21 for
 * validation, four classes, two groups.
 */
#ifndef TESTS_UNIT_TINY_TRIAL_H
#define TESTS_UNIT_TINY_TRIAL_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "engine/train/train.h"

static const char *const all[] = {"*"};
static const char *const head[] = {"fc.*"};
static const char *const head2[] = {"fc2.*"};
static const struct group_spec groups[] = {{"backbone", 1, all}, {"classifier", 1, head}};
static const struct group_spec groups2[] = {{"backbone", 1, all}, {"classifier", 1, head2}};

struct fixture {
	struct dataset *train, *val;
	struct model_spec model;
	struct trial_spec spec;
};

static inline void set_up_images(struct fixture *f, const char *arch, int channels)
{
	struct data_spec d = {.kind = DATA_FAKE, .fake_n = 37, .fake_classes = 4, .fake_shape = {channels, 12, 12}};
	struct err e;

	memset(f, 0, sizeof(*f));
	assert_int_equal(engine_init(&e), 0);
	assert_int_equal(dataset_open(&f->train, &d, &e), 0);
	d.fake_n = 21;
	d.fake_seed = 1;
	assert_int_equal(dataset_open(&f->val, &d, &e), 0);
	field_defaults(model_fields, n_model_fields, &f->model);
	f->model.arch = field_enum_index(field_find(model_fields, n_model_fields, "arch"), arch);
	f->model.width = 4;
	f->model.classes = 4;
	f->spec = (struct trial_spec){.model = &f->model, .train = f->train, .val = f->val, .n_groups = 2, .seed = 3};
	f->spec.groups = strcmp(model_head(f->model.arch), "fc") ? groups2 : groups;
	field_defaults(hyper_fields, n_hyper_fields, &f->spec.hyper);
	f->spec.hyper.momentum = 0.9;
	f->spec.hyper.batch_size = 8;
	f->spec.hyper.epochs = 3;
	for (int g = 0; g < ENGINE_MAX_GROUPS; g++)
		f->spec.group_lr[g] = f->spec.group_weight_decay[g] = NAN;
	f->spec.group_lr[0] = 1e-3;
	f->spec.group_lr[1] = 1e-2;
}

static inline void set_up(struct fixture *f, const char *arch)
{
	set_up_images(f, arch, 2);
}

static inline void tear_down(struct fixture *f)
{
	dataset_free(f->train);
	dataset_free(f->val);
}

static inline struct trial *make(struct fixture *f)
{
	struct trial *t;
	struct err e;

	if (trial_new(&t, &f->spec, &e))
		fail_msg("%s", e.msg);
	return t;
}

#endif
