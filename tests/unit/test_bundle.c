/*
 * test_bundle.c - trials that share their frozen layers get the bits they would have had alone: every row, the whole state
 * and who was right.
 */
#include "engine/train/features.h"
#include "tests/unit/tiny_trial.h"

#include <stdlib.h>

enum { N = 5, EPOCHS = 3 };

/* What a trial has to show for itself after each epoch. */
struct record {
	struct epoch_row row[EPOCHS];
	enum trial_status status[EPOCHS];
	void *state;
	size_t bytes;
	uint8_t correct[3];
	int epochs;
};

static void keep_row(struct record *r, const struct epoch_row *row, enum trial_status status)
{
	r->row[r->epochs] = *row;
	r->row[r->epochs].train_s = r->row[r->epochs].eval_s = 0;
	r->status[r->epochs++] = status;
}

static void keep_end(struct record *r, struct trial *t)
{
	r->bytes = trial_state_bytes(t);
	r->state = malloc(r->bytes);
	trial_get_state(t, r->state);
	memcpy(r->correct, trial_correct(t), sizeof(r->correct));
}

static void alone(struct record *r, struct trial *t)
{
	enum trial_status status = TRIAL_RUNNING;
	struct epoch_row row;
	struct err e;

	*r = (struct record){0};
	while (status == TRIAL_RUNNING) {
		memset(&row, 0, sizeof(row));
		if (trial_epoch(t, &row, &status, NULL, &e))
			fail_msg("%s", e.msg);
		keep_row(r, &row, status);
	}
	keep_end(r, t);
}

/* Members that have ended leave the bundle; the first of the rest leads. */
static void together(struct record *r, struct trial **t)
{
	struct bundle_member m[N];
	int who[N];
	int n = 0;

	for (int i = 0; i < N; i++) {
		r[i] = (struct record){0};
		m[n] = (struct bundle_member){.trial = t[i]};
		who[n++] = i;
	}
	while (n) {
		int left = 0;

		bundle_epoch(m, n, NULL);
		for (int k = 0; k < n; k++) {
			if (m[k].rc)
				fail_msg("%s", m[k].err.msg);
			keep_row(&r[who[k]], &m[k].row, m[k].status);
			if (m[k].status != TRIAL_RUNNING) {
				keep_end(&r[who[k]], m[k].trial);
				continue;
			}
			m[left] = m[k];
			who[left++] = who[k];
		}
		n = left;
	}
}

static void compare(struct record *a, struct record *b)
{
	for (int i = 0; i < N; i++) {
		assert_int_equal(a[i].epochs, b[i].epochs);
		assert_memory_equal(a[i].status, b[i].status, sizeof(a[i].status));
		assert_memory_equal(a[i].row, b[i].row, sizeof(a[i].row));
		assert_int_equal(a[i].bytes, b[i].bytes);
		if (a[i].status[a[i].epochs - 1] == TRIAL_COMPLETE) /* the others' statistics went on without it */
			assert_memory_equal(a[i].state, b[i].state, a[i].bytes);
		assert_memory_equal(a[i].correct, b[i].correct, sizeof(a[i].correct));
		free(b[i].state);
	}
}

typedef void (*vary)(struct trial_spec *s, int i);

static struct trial *make_sharing(struct fixture *f, struct trial *with)
{
	struct trial *t;
	struct err e;

	if (!with)
		return make(f);
	if (trial_new_sharing(&t, &f->spec, with, &e))
		fail_msg("%s", e.msg);
	return t;
}

/* A team whose parts run one after the other, the last first. */
static int parts_run;

static void three_in_turn(struct team *team, int most, team_part part, void *ctx)
{
	const int n = most < 3 ? most : 3;

	(void)team;
	for (int i = n - 1; i >= 0; i--)
		part(ctx, i, n);
	parts_run += n;
}

static struct team three_threads = {three_in_turn};

/* N variants of one trial: each on its own; all in one bundle; with their features kept;
 * with those gone behind them; and side by side on three threads. */
static void check(struct fixture *f, vary change)
{
	const struct trial_spec base = f->spec;
	struct features *features;
	struct trial *t[N];
	uint64_t key = 0;
	struct err e;

	assert_int_equal(features_new(&features, 1 << 20, &e), 0);
	for (int pass = 0; pass < 5; pass++) {
		const bool keeps = pass == 2 || pass == 3, threads = pass == 4;
		static struct record a[N];
		static struct record b[N];

		for (int i = 0; i < N; i++) {
			f->spec = base;
			f->spec.features = keeps ? features : NULL;
			f->spec.features_last = pass == 3;
			f->spec.threads = threads ? 3 : 1;
			change(&f->spec, i);
			t[i] = make_sharing(f, pass && i ? t[0] : NULL);
			trial_set_team(t[i], threads ? &three_threads : NULL);
			key = i ? key : trial_share_key(&f->spec, &e);
			assert_true(trial_share_key(&f->spec, &e) == key);
			if (!pass)
				alone(&a[i], t[i]);
		}
		if (pass)
			together(b, t);
		if (keeps)
			assert_true((features_held(features) > 0) == (trial_features_bytes(&f->spec) > 0));
		for (int i = 0; i < N; i++)
			trial_free(t[i]);
		if (pass == 3)
			assert_true(features_held(features) == 0);
		if (pass)
			compare(a, b);
		for (int i = 0; i < N && threads; i++)
			free(a[i].state);
	}
	assert_true(parts_run > 0);
	parts_run = 0;
	f->spec = base;
	features_free(features);
}

/* Five heads on a frozen backbone: other rates, optimizers, weight decays. */
static void frozen_backbone(struct trial_spec *s, int i)
{
	s->group_lr[0] = 0;
	s->group_lr[1] = 1e-3 * (1 + 3 * i);
	s->hyper.optimizer = i % 3;
	s->hyper.weight_decay = i == 3 ? 0.1 : NAN;
}

/* The same, and number 0, which leads, and number 3 diverge at different times. */
static void some_diverge(struct trial_spec *s, int i)
{
	frozen_backbone(s, i);
	s->hyper.optimizer = OPTIM_SGD;
	s->group_lr[1] = i == 0 ? 1e30 : i == 3 ? 1e12 : 0.01 * i;
}

static void shares_and_keeps_bits(void **state)
{
	static const char *const archs[] = {"resnet-slim", "cnn", "mlp"};
	struct fixture f;

	(void)state;
	for (int arch = 0; arch < 3; arch++) {
		for (int variant = 0; variant < 8; variant++) {
			set_up(&f, archs[arch]);
			f.spec.hyper.freeze_bn = variant & 1;
			f.spec.hyper.dropout = variant & 2 ? 0.25 : 0;
			f.spec.seed = (uint64_t)variant;
			check(&f, variant & 4 ? some_diverge : frozen_backbone);
			tear_down(&f);
		}
	}
}

static const char *const conv1[] = {"conv1.*"};
static const struct group_spec conv1_apart[] = {{"backbone", 1, all}, {"first", 1, conv1}, {"classifier", 1, head2}};

/* Of the backbone only the first convolution is frozen, and its pooling with it. */
static void frozen_conv1(struct trial_spec *s, int i)
{
	frozen_backbone(s, i);
	s->groups = conv1_apart;
	s->n_groups = 3;
	s->group_lr[0] = 1e-3 * (1 + i);
	s->group_lr[1] = 0;
	s->group_lr[2] = 1e-2;
}

/* Grey images: training has no map between the first convolution and its pooling. */
static void fused_layers(void **state)
{
	struct fixture f;

	(void)state;
	set_up_images(&f, "cnn", 1);
	check(&f, frozen_backbone);
	check(&f, frozen_conv1);
	tear_down(&f);
}

/* Linear layers are kept too, but where OpenBLAS multiplies, whose bits may depend on how many images there are. */
static void keeps_linear_layers(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, "mlp");
	frozen_backbone(&f.spec, 0);
	f.model.hidden = 16;
	assert_true(trial_features_bytes(&f.spec) > 0);
	f.model.hidden = 1 << 20;
	assert_true(trial_features_bytes(&f.spec) == 0);
	tear_down(&f);
}

static const char *const stem[] = {"conv1.*", "bn1.*", "layer1.*"};
static const struct group_spec three[] = {{"backbone", 1, all}, {"stem", 3, stem}, {"classifier", 1, head}};

/* Only the first layers are frozen, and the rest of the backbone has rates of its own. */
static void frozen_stem(struct trial_spec *s, int i)
{
	s->groups = three;
	s->n_groups = 3;
	s->group_lr[0] = 1e-4 * (1 + i);
	s->group_lr[1] = 0;
	s->group_lr[2] = 1e-2;
	s->hyper.optimizer = i % 2 ? OPTIM_ADAM : OPTIM_SGD;
}

static const char *const norm1[] = {"conv1.*", "layer1.0.conv1.*"};
static const struct group_spec between[] = {{"backbone", 1, all}, {"first", 2, norm1}, {"classifier", 1, head}};

/* The frozen part ends between a convolution and its BatchNorm: evaluation folds the two into one. */
static void frozen_conv(struct trial_spec *s, int i)
{
	frozen_stem(s, i);
	s->groups = between;
}

static void part_of_the_backbone(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, "resnet-slim");
	check(&f, frozen_stem);
	check(&f, frozen_conv);
	tear_down(&f);
}

/* What must not share has another key, and a trial without a frozen layer none. */
static void keys_tell_apart(void **state)
{
	struct trial_spec s;
	struct fixture f;
	uint64_t key;
	struct err e;

	(void)state;
	set_up(&f, "resnet-slim");
	assert_true(trial_share_key(&f.spec, &e) == 0 && e.code == ERR_NONE);
	f.spec.group_lr[0] = 0;
	key = trial_share_key(&f.spec, &e);
	assert_true(key != 0);
	s = f.spec;
	s.seed++;
	assert_true(trial_share_key(&s, &e) != key);
	s = f.spec;
	s.hyper.batch_size++;
	assert_true(trial_share_key(&s, &e) != key);
	s = f.spec;
	s.hyper.freeze_bn = 1;
	assert_true(trial_share_key(&s, &e) != key);
	s = f.spec;
	s.hyper.shuffle = 0;
	assert_true(trial_share_key(&s, &e) != key);
	s = f.spec;
	s.group_lr[1] = 0.5;
	assert_true(trial_share_key(&s, &e) == key);
	s.hyper.nesterov = 1;
	s.hyper.momentum = 0;
	assert_true(trial_share_key(&s, &e) == 0 && e.code == ERR_CONFIG);
	tear_down(&f);
}

/* Stopped inside an epoch, moved through their states into fresh trials, the members go on together as if nothing was. */
static void stops_and_goes_on(void **state)
{
	struct bundle_member m[N] = {{0}};
	static struct record a[N];
	atomic_bool stop = true;
	void *block[N];
	size_t bytes[N];
	struct fixture f;
	struct trial *t;
	struct err e;

	(void)state;
	set_up(&f, "resnet-slim");
	for (int i = 0; i < N; i++) {
		frozen_backbone(&f.spec, i);
		t = make(&f);
		alone(&a[i], t);
		trial_free(t);
		m[i].trial = make_sharing(&f, m[0].trial);
	}
	bundle_epoch(m, N, NULL);
	bundle_epoch(m, N, &stop);
	for (int i = 0; i < N; i++) {
		bytes[i] = trial_state_bytes(m[i].trial);
		block[i] = malloc(bytes[i]);
		trial_get_state(m[i].trial, block[i]);
	}
	for (int i = 0; i < N; i++) {
		int64_t step;
		int epochs;

		assert_int_equal(m[i].status, TRIAL_STOPPED);
		trial_position(m[i].trial, &epochs, &step);
		assert_true(epochs == 1 && step == 0);
		assert_int_equal(trial_state_position(block[i], bytes[i], &epochs, &step), 0);
		assert_true(epochs == 1 && step == 0);
		trial_free(m[i].trial);
		frozen_backbone(&f.spec, i);
		m[i].trial = make_sharing(&f, i ? m[0].trial : NULL);
		assert_int_equal(trial_set_state(m[i].trial, block[i], bytes[i], &e), 0);
		free(block[i]);
	}
	bundle_epoch(m, N, NULL);
	bundle_epoch(m, N, NULL);
	for (int i = 0; i < N; i++) {
		m[i].row.train_s = m[i].row.eval_s = 0;
		assert_int_equal(m[i].status, TRIAL_COMPLETE);
		assert_memory_equal(&m[i].row, &a[i].row[2], sizeof(m[i].row));
		assert_true(i ? m[i].macs_reused > 0.5 * m[i].macs : m[i].macs_reused == 0);
		trial_free(m[i].trial);
		free(a[i].state);
	}
	tear_down(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares_and_keeps_bits), cmocka_unit_test(fused_layers),
		cmocka_unit_test(keeps_linear_layers),   cmocka_unit_test(part_of_the_backbone),
		cmocka_unit_test(keys_tell_apart),       cmocka_unit_test(stops_and_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
