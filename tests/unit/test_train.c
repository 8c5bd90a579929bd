/*
 * test_train.c - a trial's promises: same seed same bits, a resumed run equals an uninterrupted one, groups get their rates,
 * divergence is a state, memory is known beforehand.
 */
#include "engine/data/data.h"
#include "engine/train/train.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

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

/* 37 training samples in batches of 8: the last one holds 5. */
static void set_up(struct fixture *f, const char *arch)
{
	struct data_spec d = {.kind = DATA_FAKE, .fake_n = 37, .fake_classes = 4, .fake_shape = {2, 12, 12}};
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

static void tear_down(struct fixture *f)
{
	dataset_free(f->train);
	dataset_free(f->val);
}

static struct trial *make(struct fixture *f)
{
	struct trial *t;
	struct err e;

	if (trial_new(&t, &f->spec, &e))
		fail_msg("%s", e.msg);
	return t;
}

static enum trial_status epoch(struct trial *t, struct epoch_row *row, const atomic_bool *stop)
{
	enum trial_status status;
	struct err e;

	if (trial_epoch(t, row, &status, stop, &e))
		fail_msg("%s", e.msg);
	row->train_s = row->eval_s = 0;
	return status;
}

static void run_whole(struct fixture *f, struct epoch_row *row)
{
	struct trial *t = make(f);

	for (int i = 0; i < f->spec.hyper.epochs; i++)
		assert_int_equal(epoch(t, &row[i], NULL),
				 i + 1 < f->spec.hyper.epochs ? TRIAL_RUNNING : TRIAL_COMPLETE);
	trial_free(t);
}

static void same_seed_same_bits(void **state)
{
	static const char *const archs[] = {"resnet-slim", "cnn", "mlp"};
	struct epoch_row a[3] = {0};
	struct epoch_row b[3] = {0};
	struct epoch_row c[3] = {0};
	struct fixture f;

	(void)state;
	for (int i = 0; i < 3; i++) {
		set_up(&f, archs[i]);
		f.spec.hyper.dropout = 0.25;
		run_whole(&f, a);
		run_whole(&f, b);
		assert_memory_equal(a, b, sizeof(a));
		f.spec.seed++;
		run_whole(&f, c);
		assert_true(a[2].train_loss != c[2].train_loss);
		tear_down(&f);
	}
}

static void steps(struct trial *t, int n)
{
	const uint32_t index[8] = {0, 1, 2, 3, 4, 5, 6, 7};
	double loss;
	struct err e;

	for (int i = 0; i < n; i++)
		assert_int_equal(trial_step(t, index, 8, &loss, &e), 0);
}

/* The state leaves one trial at an epoch's end and enters a fresh one: the rest is equal to the bit. */
static void resumed_equals_uninterrupted(void **state)
{
	static const int optimizers[] = {OPTIM_SGD, OPTIM_ADAM, OPTIM_ADAMW};
	struct epoch_row whole[3] = {0};
	struct epoch_row row = {0};
	atomic_bool stop = false;
	struct fixture f;
	struct err e;

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct trial *t;
		size_t bytes;
		void *block;

		set_up(&f, "resnet-slim");
		f.spec.hyper.optimizer = optimizers[i];
		f.spec.hyper.amsgrad = i == 2;
		f.spec.hyper.dropout = 0.25;
		run_whole(&f, whole);
		t = make(&f);
		epoch(t, &row, NULL);
		assert_memory_equal(&row, &whole[0], sizeof(row));
		stop = true;
		assert_int_equal(epoch(t, &row, &stop), TRIAL_STOPPED);
		bytes = trial_state_bytes(t);
		block = malloc(bytes);
		trial_get_state(t, block);
		trial_free(t);
		t = make(&f);
		assert_int_equal(trial_set_state(t, block, bytes - 1, &e), ERR_DATA);
		assert_int_equal(trial_set_state(t, block, bytes, &e), 0);
		assert_int_equal(epoch(t, &row, NULL), TRIAL_RUNNING);
		assert_memory_equal(&row, &whole[1], sizeof(row));
		assert_int_equal(epoch(t, &row, NULL), TRIAL_COMPLETE);
		assert_memory_equal(&row, &whole[2], sizeof(row));
		free(block);
		trial_free(t);
		tear_down(&f);
	}
}

static void *raise_flag(void *flag)
{
	const struct timespec nap = {.tv_nsec = 200 * 1000};

	nanosleep(&nap, NULL);
	atomic_store((atomic_bool *)flag, true);
	return NULL;
}

/* Interrupted again and again wherever it happens to be, each time moved through its state into a fresh trial. */
static void interrupted_anywhere(void **state)
{
	enum { EPOCHS = 60 };
	struct epoch_row whole[EPOCHS] = {0};
	enum trial_status status = TRIAL_RUNNING;
	int inside = 0;
	int done = 0;
	struct fixture f;
	struct err e;

	(void)state;
	set_up(&f, "resnet-slim");
	f.spec.hyper.epochs = EPOCHS;
	f.spec.hyper.batch_size = 2;
	run_whole(&f, whole);
	for (void *block = NULL; status != TRIAL_COMPLETE;) {
		struct trial *t = make(&f);
		struct epoch_row row = {0};
		atomic_bool stop = false;
		pthread_t timer;

		if (block)
			assert_int_equal(trial_set_state(t, block, trial_state_bytes(t), &e), 0);
		block = block ? block : malloc(trial_state_bytes(t));
		pthread_create(&timer, NULL, raise_flag, &stop);
		while ((status = epoch(t, &row, &stop)) == TRIAL_RUNNING) {
			assert_memory_equal(&row, &whole[done++], sizeof(row));
			memset(&row, 0, sizeof(row));
		}
		pthread_join(timer, NULL);
		inside += status == TRIAL_STOPPED;
		trial_get_state(t, block);
		trial_free(t);
		if (status == TRIAL_COMPLETE) {
			assert_memory_equal(&row, &whole[done], sizeof(row));
			free(block);
		}
	}
	assert_true(inside > 2);
	tear_down(&f);
}

static void groups_get_their_rates(void **state)
{
	struct epoch_row row[3] = {0};
	struct fixture f;

	(void)state;
	set_up(&f, "resnet-slim");
	f.spec.group_lr[1] = NAN; /* takes lr */
	f.spec.hyper.lr = 0.02;
	run_whole(&f, row);
	assert_true(row[0].group[0].lr == 1e-3 && row[0].group[1].lr == 0.02);
	assert_true(row[0].group[0].drift > 0 && row[0].group[1].drift > row[0].group[0].drift);
	assert_true(row[0].group[0].grad_norm > 0 && row[0].group[0].update_ratio > 0);
	tear_down(&f);
}

/* Rate 0: no update and no weight decay, but running statistics move unless freeze_bn. */
static void frozen_stays(void **state)
{
	struct epoch_row row = {0};
	float mean[4];
	float first[4 * 2 * 9];
	float last[4 * 2 * 9];
	struct trial *t;
	struct fixture f;

	(void)state;
	for (int freeze_bn = 0; freeze_bn < 2; freeze_bn++) {
		set_up(&f, "resnet-slim");
		f.spec.group_lr[0] = 0;
		f.spec.hyper.weight_decay = 0.1;
		f.spec.hyper.freeze_bn = freeze_bn;
		t = make(&f);
		assert_int_equal(net_get(trial_net(t), "conv1.weight", first, 72), 0);
		epoch(t, &row, NULL);
		assert_int_equal(net_get(trial_net(t), "conv1.weight", last, 72), 0);
		assert_memory_equal(first, last, sizeof(first));
		assert_true(row.group[0].drift == 0 && isnan(row.group[0].grad_norm) && row.group[1].drift > 0);
		assert_int_equal(net_get(trial_net(t), "bn1.running_mean", mean, 4), 0);
		assert_true((mean[0] != 0) == !freeze_bn);
		trial_free(t);
		tear_down(&f);
	}
}

static void diverges_as_a_state(void **state)
{
	enum trial_status status = TRIAL_RUNNING;
	struct epoch_row row = {0};
	struct fixture f;
	struct trial *t;

	(void)state;
	set_up(&f, "mlp");
	f.spec.group_lr[0] = f.spec.group_lr[1] = 1e30;
	t = make(&f);
	for (int i = 0; i < 3 && status == TRIAL_RUNNING; i++)
		status = epoch(t, &row, NULL);
	assert_int_equal(status, TRIAL_DIVERGED);
	assert_true(row.epoch >= 1 && !isfinite(row.train_loss));
	trial_free(t);
	tear_down(&f);
}

static void group_that_cannot_move_is_told(void **state)
{
	enum trial_status status;
	struct epoch_row row;
	struct fixture f;
	struct trial *t;
	struct err e = {0};

	(void)state;
	set_up(&f, "mlp"); /* no bias starts at 0, where even 1e-30 is a step */
	f.spec.group_lr[0] = 1e-30;
	t = make(&f);
	assert_int_equal(trial_epoch(t, &row, &status, NULL, &e), ERR_SOFTWARE);
	assert_non_null(strstr(e.msg, "group 'backbone'"));
	trial_free(t);
	tear_down(&f);
}

static void memory_is_known_beforehand(void **state)
{
	struct fixture f;
	struct err e;
	size_t small;

	(void)state;
	set_up(&f, "resnet18");
	small = trial_bytes(&f.spec, &e);
	assert_true(small > 3 * 44u * 1000 * 1000); /* weights, gradients, momentum: 11.2 M floats each */
	f.spec.hyper.optimizer = OPTIM_ADAM;
	assert_true(trial_bytes(&f.spec, &e) > small + 44u * 1000 * 1000);
	tear_down(&f);
}

static void bad_specs_are_named(void **state)
{
	static const char *const nothing[] = {"nothing.*"};
	const struct group_spec empty[] = {{"backbone", 1, all}, {"stem", 1, nothing}};
	const struct group_spec partial[] = {{"classifier", 1, head}};
	struct fixture f;
	struct trial *t;
	struct err e;

	(void)state;
	set_up(&f, "resnet-slim");
	f.spec.groups = empty;
	assert_int_equal(trial_new(&t, &f.spec, &e), ERR_CONFIG);
	assert_non_null(strstr(e.msg, "'stem'"));
	f.spec.groups = partial;
	f.spec.n_groups = 1;
	assert_int_equal(trial_new(&t, &f.spec, &e), ERR_CONFIG);
	assert_non_null(strstr(e.msg, "'conv1.weight'"));
	assert_int_equal(trial_bytes(&f.spec, &e), 0);
	f.spec.groups = groups;
	f.spec.n_groups = 2;
	f.model.classes = 3;
	assert_int_equal(trial_new(&t, &f.spec, &e), ERR_DATA);
	assert_non_null(strstr(e.msg, "3 classes"));
	f.model.classes = 4;
	f.model.in_channels = 3;
	assert_int_equal(trial_new(&t, &f.spec, &e), ERR_DATA);
	assert_null(t);
	tear_down(&f);
}

/* What is saved loads again, head and all, and gives the same logits. */
static void saved_weights_load(void **state)
{
	char path[] = "/tmp/gapsweep-train-XXXXXX";
	float a[37 * 4], b[37 * 4];
	static float x[37 * 288];
	int32_t y[37];
	struct weights *w;
	struct fixture f;
	struct trial *t;
	struct err e;

	(void)state;
	close(mkstemp(path));
	set_up(&f, "resnet-slim");
	assert_int_equal(dataset_gather(f.train, x, y, NULL, 0, 37, NULL, NULL), 0);
	t = make(&f);
	steps(t, 5);
	net_logits(trial_net(t), a, x, 37);
	assert_int_equal(trial_save(t, path, &e), 0);
	trial_free(t);
	assert_int_equal(weights_open(&w, path, &e), 0);
	f.spec.weights = w;
	f.model.head_keep = true;
	t = make(&f);
	net_logits(trial_net(t), b, x, 37);
	assert_memory_equal(a, b, sizeof(a));
	trial_free(t);
	f.model.head_keep = false; /* a new head: other logits, same backbone */
	t = make(&f);
	net_logits(trial_net(t), b, x, 37);
	assert_memory_not_equal(a, b, sizeof(a));
	trial_free(t);
	f.model.width = 5;
	assert_int_equal(trial_new(&t, &f.spec, &e), ERR_DATA);
	assert_non_null(strstr(e.msg, "'conv1.weight' has shape [4, 2, 3, 3]; expected [5, 2, 3, 3]"));
	weights_free(w);
	unlink(path);
	tear_down(&f);
}

/* With all rates 0 the weights stand still: augmentation shows in the running figures and nowhere else. */
static void augments_in_training_alone(void **state)
{
	struct data_spec d = {.kind = DATA_FAKE, .fake_n = 37, .fake_classes = 4, .fake_shape = {2, 12, 12}};
	struct epoch_row plain[3] = {0}, a[3] = {0}, b[3] = {0};
	struct dataset *augmented;
	struct fixture f;
	struct err e;

	(void)state;
	set_up(&f, "mlp");
	f.spec.group_lr[0] = f.spec.group_lr[1] = 0;
	run_whole(&f, plain);
	d.augment = (struct augment_spec){.crop_pad = 2, .hflip = 0.5};
	assert_int_equal(dataset_open(&augmented, &d, &e), 0);
	f.spec.train = augmented;
	run_whole(&f, a);
	run_whole(&f, b);
	assert_memory_equal(a, b, sizeof(a));
	for (int i = 0; i < 3; i++) {
		assert_true(a[i].train_loss != plain[i].train_loss);
		assert_true(a[i].train_eval_loss == plain[i].train_eval_loss);
		assert_true(a[i].val_loss == plain[i].val_loss);
	}
	assert_true(a[0].train_loss != a[1].train_loss); /* drawn anew each epoch */
	dataset_free(augmented);
	tear_down(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_seed_same_bits),        cmocka_unit_test(resumed_equals_uninterrupted),
		cmocka_unit_test(groups_get_their_rates),     cmocka_unit_test(frozen_stays),
		cmocka_unit_test(diverges_as_a_state),        cmocka_unit_test(group_that_cannot_move_is_told),
		cmocka_unit_test(memory_is_known_beforehand), cmocka_unit_test(bad_specs_are_named),
		cmocka_unit_test(saved_weights_load),         cmocka_unit_test(interrupted_anywhere),
		cmocka_unit_test(augments_in_training_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
