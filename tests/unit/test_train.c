/*
 * test_train.c - a trial's promises: same seed same bits, a resumed run equals an uninterrupted one, groups get their rates,
 * divergence is a state, memory is known beforehand.
 */
#include "tests/unit/tiny_trial.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "engine/data/data.h"

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

/* Settings as words "name=value name=value". */
static void set(struct fixture *f, const char *words)
{
	char text[256];

	snprintf(text, sizeof(text), "%s", words);
	for (char *word = strtok(text, " "); word; word = strtok(NULL, " ")) {
		char *value = strchr(word, '=');
		const struct field *field;

		*value++ = 0;
		field = field_find(hyper_fields, n_hyper_fields, word);
		assert_non_null(field);
		field_set(field, &f->spec.hyper,
			  field->kind == FIELD_ENUM ? field_enum_index(field, value) : strtod(value, NULL));
	}
}

/* One of each: what an optimizer keeps, what a schedule keeps, and what changes on the way. */
static const char *const variants[] = {
	"optimizer=sgd",
	"optimizer=adam",
	"optimizer=adamw amsgrad=1",
	"optimizer=rmsprop centered=1",
	"optimizer=adagrad lr_decay=0.1 initial_accumulator_value=0.5",
	"optimizer=adadelta",
	"optimizer=adamax",
	"optimizer=nadam freeze_epochs=1",
	"optimizer=radam schedule=cosine schedule_unit=step",
	"schedule=plateau plateau_patience=0 plateau_threshold=0.5 plateau_factor=0.9",
	"schedule=onecycle momentum=0",
	"optimizer=adam warmup=1 schedule=exponential gamma=0.5",
	"freeze_epochs=2",
	"optimizer=adam unfreeze_every=1 clip_grad_norm=0.1 layer_decay=0.7",
};
enum { N_VARIANTS = sizeof(variants) / sizeof(variants[0]) };

/* The state leaves one trial at an epoch's end and enters a fresh one: the rest is equal to the bit. */
static void resumed_equals_uninterrupted(void **state)
{
	struct epoch_row whole[3] = {0};
	struct epoch_row row = {0};
	atomic_bool stop = false;
	struct fixture f;
	struct err e;

	(void)state;
	for (int i = 0; i < N_VARIANTS; i++) {
		struct trial *t;
		size_t bytes;
		void *block;

		set_up(&f, "resnet-slim");
		set(&f, variants[i]);
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

/* Interrupted again and again wherever it happens to be, each time moved through its state into a fresh trial. Returns
 * how often that was inside an epoch. */
static int interrupt_anywhere(const char *words)
{
	enum { EPOCHS = 30 };
	struct epoch_row whole[EPOCHS] = {0};
	enum trial_status status = TRIAL_RUNNING;
	int inside = 0;
	int done = 0;
	struct fixture f;
	struct err e;

	set_up(&f, "resnet-slim");
	f.spec.hyper.batch_size = 2;
	set(&f, words);
	f.spec.hyper.epochs = EPOCHS;
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
	tear_down(&f);
	return inside;
}

/* On a busy machine the timer may come late: then once more. */
static void interrupt_enough(const char *words)
{
	int inside = 0;

	for (int tries = 0; inside <= 2 && tries < 100; tries++)
		inside += interrupt_anywhere(words);
	assert_true(inside > 2);
}

static void interrupted_anywhere(void **state)
{
	(void)state;
	for (int i = 0; i < N_VARIANTS; i++)
		interrupt_enough(variants[i]);
	interrupt_enough("freeze_epochs=11 schedule=cosine schedule_unit=step");
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

/* While it is frozen, a group is as one of rate 0, bit for bit, in memory laid out for more; then it gets its rate. */
static void thaws_after_freeze_epochs(void **state)
{
	static const char *const archs[] = {"resnet-slim", "cnn", "mlp", "resnet18", "cnn"};
	struct epoch_row frozen[3] = {0}, thawed[3] = {0};
	struct fixture f;

	(void)state;
	for (int i = 0; i < 5; i++) {
		set_up_images(&f, archs[i], i < 4 ? 2 : 1); /* grey: the first convolution and its pooling at once */
		f.spec.hyper.freeze_epochs = 2;
		run_whole(&f, thawed);
		f.spec.hyper.freeze_epochs = 0;
		f.spec.group_lr[0] = 0;
		run_whole(&f, frozen);
		assert_memory_equal(thawed, frozen, 2 * sizeof(thawed[0]));
		assert_true(thawed[1].group[0].lr == 0 && isnan(thawed[1].group[0].grad_norm));
		assert_true(thawed[2].group[0].lr == 1e-3 && thawed[2].group[0].grad_norm > 0);
		assert_true(thawed[2].group[0].drift > 0 && frozen[2].group[0].drift == 0);
		tear_down(&f);
	}
}

/* Nothing below the lowest trained layer is run backward, also while it is frozen for a time alone. */
static void frozen_layers_have_no_gradients(void **state)
{
	struct epoch_row row = {0};
	const struct net *net;
	struct fixture f;
	struct trial *t;

	(void)state;
	set_up(&f, "resnet-slim");
	f.spec.hyper.freeze_epochs = 2;
	t = make(&f);
	net = trial_net(t);
	for (int done = 0; done < 3; done++) {
		epoch(t, &row, NULL);
		assert_true(net->first_trained == (done < 2 ? net->n_nodes - 1 : 1));
		for (int i = 0; i < net->n_nodes; i++)
			assert_true((net->node[i].grad != NULL) == (i >= net->first_trained));
	}
	trial_free(t);
	tear_down(&f);
}

/* From the last group to the first, one more every so many epochs. */
static void thaws_group_by_group(void **state)
{
	static const char *const stem[] = {"conv1.*", "bn1.*"};
	const struct group_spec three[] = {{"body", 1, all}, {"stem", 2, stem}, {"head", 1, head}};
	static const int thaw[][3] = {{4, 2, 0}, {5, 3, 0}, {3, 3, 0}}; /* of (0, 2), (3, 2), (3, 0) */
	static const int freeze[] = {0, 3, 3}, every[] = {2, 2, 0};
	struct epoch_row row[6] = {0};
	struct fixture f;

	(void)state;
	for (int i = 0; i < 3; i++) {
		set_up(&f, "resnet-slim");
		f.spec.groups = three;
		f.spec.n_groups = 3;
		f.spec.hyper.epochs = 6;
		f.spec.hyper.freeze_epochs = freeze[i];
		f.spec.hyper.unfreeze_every = every[i];
		run_whole(&f, row);
		for (int epoch_now = 0; epoch_now < 6; epoch_now++)
			for (int g = 0; g < 3; g++) {
				assert_true((row[epoch_now].group[g].lr > 0) == (epoch_now >= thaw[i][g]));
				assert_true((row[epoch_now].group[g].drift > 0) == (epoch_now >= thaw[i][g]));
			}
		tear_down(&f);
	}
}

/* The norm that is told is the one before clipping; the step is made with the clipped gradient. */
static void clips_what_it_steps_with(void **state)
{
	struct epoch_row plain[1] = {0}, clipped[1] = {0};
	struct fixture f;
	double norm2 = 0, step = 0;

	(void)state;
	set_up(&f, "mlp");
	f.spec.hyper.epochs = 1;
	f.spec.hyper.batch_size = 64; /* one step */
	f.spec.group_lr[1] = 1e-3;
	run_whole(&f, plain);
	f.spec.hyper.clip_grad_norm = 0.01;
	run_whole(&f, clipped);
	for (int g = 0; g < 2; g++) {
		assert_true(fabs(plain[0].group[g].grad_norm / clipped[0].group[g].grad_norm - 1) < 1e-6);
		norm2 += pow(plain[0].group[g].grad_norm, 2);
	}
	for (int g = 0; g < 2; g++) {
		step = clipped[0].group[g].update_ratio / plain[0].group[g].update_ratio;
		assert_true(fabs(step / (0.01 / (sqrt(norm2) + 1e-6)) - 1) < 1e-3);
	}
	tear_down(&f);
}

/* timm's: the head's layer has the whole rate, each layer below it layer_decay times that of the one above. */
static void layers_decay_from_the_head_down(void **state)
{
	static const struct {
		const char *arch, *name;
		int power;
	} cases[] = {
		{"resnet18", "fc.bias", 0},       {"resnet18", "layer4.1.bn2.weight", 1},
		{"resnet18", "conv1.weight", 9},  {"resnet18", "layer2.0.downsample.0.weight", 6},
		{"resnet18", "bn1.bias", 9},      {"resnet18", "layer1.0.conv1.weight", 8},
		{"cnn", "fc2.weight", 0},         {"cnn", "fc1.bias", 1},
		{"cnn", "conv1.weight", 3},       {"mlp", "fc1.weight", 1},
		{"resnet-slim", "bn1.weight", 4},
	};
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct net *net;
		struct trial *t;
		int p;

		set_up(&f, cases[i].arch);
		f.spec.hyper.layer_decay = 0.75;
		t = make(&f);
		net = trial_net(t);
		p = net_find(net, cases[i].name);
		assert_true(p >= 0);
		assert_true(net->param[p].lr_scale == pow(0.75, cases[i].power));
		trial_free(t);
		tear_down(&f);
	}
}

/* A rate that falls to 0 on the way is no frozen group, and one that begins at 0 need not move at once. */
static void schedules_may_reach_zero(void **state)
{
	struct epoch_row row[6] = {0};
	struct fixture f;

	(void)state;
	set_up(&f, "resnet-slim");
	set(&f, "epochs=6 schedule=polynomial total_iters=3");
	run_whole(&f, row);
	assert_true(row[1].group[1].lr < 1e-2 && row[4].group[1].lr == 0 && row[4].group[1].grad_norm > 0);
	set(&f, "epochs=3 schedule=linear start_factor=0 total_iters=2");
	f.spec.hyper.momentum = 0;
	run_whole(&f, row);
	assert_true(row[0].group[0].lr == 0 && row[0].group[0].drift == 0 && row[1].group[0].drift > 0);
	tear_down(&f);
}

/* The row has the rate of the epoch's last step: of 15 steps, cosine by step is at 4/15 and so on then. */
static void rows_tell_the_rate_in_force(void **state)
{
	struct epoch_row row[3] = {0};
	struct fixture f;

	(void)state;
	set_up(&f, "resnet-slim");
	set(&f, "schedule=cosine schedule_unit=step");
	run_whole(&f, row);
	for (int i = 0; i < 3; i++)
		assert_true(fabs(row[i].group[1].lr - 1e-2 * (1 + cos(M_PI * (5 * i + 4) / 15.0)) / 2) < 1e-15);
	set(&f, "schedule=constant warmup=1");
	run_whole(&f, row);
	assert_true(row[0].group[1].lr == 1e-2 && row[0].group[1].drift < 1);
	tear_down(&f);
}

static void optimizers_have_their_own_rates(void **state)
{
	static const double lr[] = {1e-3, 1e-3, 1e-3, 1e-2, 1e-2, 1, 2e-3, 2e-3, 1e-3};
	struct epoch_row row[3] = {0};
	struct fixture f;

	(void)state;
	for (int i = 0; i <= OPTIM_RADAM; i++) {
		set_up(&f, "resnet-slim");
		f.spec.hyper.optimizer = i;
		f.spec.group_lr[1] = NAN;
		run_whole(&f, row);
		assert_true(row[2].group[1].lr == lr[i] && row[2].group[0].lr == 1e-3);
		tear_down(&f);
	}
}

static void a_slice_spreads_geometrically(void **state)
{
	struct hyper h = {.lr = 7, .lr_slice = {1e-5, 1e-3}};

	(void)state;
	assert_true(hyper_group_lr(&h, 0, 3) == 1e-5 && hyper_group_lr(&h, 2, 3) == 1e-3);
	assert_true(fabs(hyper_group_lr(&h, 1, 3) - 1e-4) < 1e-18);
	assert_true(hyper_group_lr(&h, 0, 1) == 1e-3);
	h.lr_slice[0] = h.lr_slice[1] = 0;
	assert_true(hyper_group_lr(&h, 1, 3) == 7);
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

/* The group with the wild rate is the one that left, whichever it is, and the bound is the user's. */
static void a_loss_above_the_bound_diverges(void **state)
{
	(void)state;
	for (int wild = 0; wild < 2; wild++) {
		enum trial_status status = TRIAL_RUNNING;
		struct epoch_row row = {0};
		struct divergence d;
		struct fixture f;
		struct trial *t;

		set_up(&f, "mlp");
		f.spec.group_lr[wild] = 300;
		f.spec.hyper.diverge_above = 20;
		t = make(&f);
		status = epoch(t, &row, NULL);
		assert_int_equal(status, TRIAL_DIVERGED);
		trial_divergence(&d, t);
		assert_int_equal(d.epoch, 1);
		assert_int_equal(d.group, wild);
		assert_true(d.loss > 20 && isfinite(d.loss));
		assert_true(isfinite(row.train_loss) && row.train_acc >= 0 && row.train_acc <= 1);
		trial_free(t);
		f.spec.hyper.diverge_above = 0; /* the same is no divergence without a bound */
		t = make(&f);
		assert_int_equal(epoch(t, &row, NULL), TRIAL_RUNNING);
		trial_divergence(&d, t);
		assert_int_equal(d.epoch, 0);
		trial_free(t);
		tear_down(&f);
	}
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
	assert_true(fabs(a[0].train_loss - a[1].train_loss) > 1e-6); /* drawn anew each epoch; the order alone: 1e-12 */
	dataset_free(augmented);
	tear_down(&f);
}

/* What is not kept for the backward pass: without it, ResNet-18 at a batch of 32 takes 870 MB. */
static void resnet18_fits_600_mb(void **state)
{
	const struct data_spec d = {.kind = DATA_FAKE, .fake_n = 32, .fake_classes = 4, .fake_shape = {3, 224, 224}};
	struct fixture f;
	struct err e;
	size_t bytes;

	(void)state;
	set_up(&f, "resnet18");
	tear_down(&f);
	assert_int_equal(dataset_open(&f.train, &d, &e), 0);
	assert_int_equal(dataset_open(&f.val, &d, &e), 0);
	f.spec.train = f.train;
	f.spec.val = f.val;
	f.spec.hyper.batch_size = 32;
	f.model.classes = 1000;
	bytes = trial_bytes(&f.spec, &e);
	if (bytes == 0 || bytes > 600000000)
		fail_msg("%zu bytes", bytes);
	tear_down(&f);
}

/* conv: decides how a convolution is summed, and by default the shape does. */
static void conv_is_chosen(void **state)
{
	static const enum conv_algo want[3][2] = {
		{CONV_DIRECT, CONV_WINOGRAD}, {CONV_DIRECT, CONV_DIRECT}, {CONV_WINOGRAD, CONV_WINOGRAD}};
	struct fixture f;

	(void)state;
	set_up(&f, "cnn");
	for (int choice = 0; choice < 3; choice++) {
		struct trial *t;
		int seen = 0;

		f.spec.hyper.conv = choice;
		t = make(&f);
		for (int i = 0; i < trial_net(t)->n_nodes; i++)
			if (trial_net(t)->node[i].op == OP_CONV)
				assert_int_equal(trial_net(t)->node[i].conv.algo, want[choice][seen++]);
		assert_int_equal(seen, 2);
		trial_free(t);
	}
	tear_down(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conv_is_chosen),
		cmocka_unit_test(same_seed_same_bits),
		cmocka_unit_test(resumed_equals_uninterrupted),
		cmocka_unit_test(interrupted_anywhere),
		cmocka_unit_test(groups_get_their_rates),
		cmocka_unit_test(frozen_stays),
		cmocka_unit_test(thaws_after_freeze_epochs),
		cmocka_unit_test(thaws_group_by_group),
		cmocka_unit_test(frozen_layers_have_no_gradients),
		cmocka_unit_test(clips_what_it_steps_with),
		cmocka_unit_test(layers_decay_from_the_head_down),
		cmocka_unit_test(schedules_may_reach_zero),
		cmocka_unit_test(rows_tell_the_rate_in_force),
		cmocka_unit_test(optimizers_have_their_own_rates),
		cmocka_unit_test(a_slice_spreads_geometrically),
		cmocka_unit_test(diverges_as_a_state),
		cmocka_unit_test(a_loss_above_the_bound_diverges),
		cmocka_unit_test(group_that_cannot_move_is_told),
		cmocka_unit_test(memory_is_known_beforehand),
		cmocka_unit_test(bad_specs_are_named),
		cmocka_unit_test(saved_weights_load),
		cmocka_unit_test(conv_is_chosen),
		cmocka_unit_test(augments_in_training_alone),
		cmocka_unit_test(resnet18_fits_600_mb),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
