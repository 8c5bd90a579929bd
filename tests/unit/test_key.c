/* test_key.c - a trial's key: the same for what is the same trial, another for all that changes its numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/study.h"

static const struct key_context context = {"train0", "val0", "weights0"};

static void key_of(char key[TRIAL_KEY_MAX], const char *text, int cell)
{
	struct study s;

	if (parse(&s, text))
		fail_msg("%s", study_err.msg);
	assert_true(cell < s.n_cells);
	trial_key(key, &s, &s.cell[cell].setting, s.seed[0], &context);
	study_release(&s);
}

static int equal_keys(const char *a, const char *b)
{
	char ka[TRIAL_KEY_MAX], kb[TRIAL_KEY_MAX];

	key_of(ka, a, 0);
	key_of(kb, b, 0);
	return !strcmp(ka, kb);
}

static void is_sixteen_hex_digits(void **state)
{
	char key[TRIAL_KEY_MAX];

	(void)state;
	key_of(key, HEAD, 0);
	assert_int_equal(strlen(key), 16);
	assert_int_equal(strspn(key, "0123456789abcdef"), 16);
}

static char *text_of(const struct study *s, int cell, uint64_t seed)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	assert_non_null(f);
	trial_key_text(f, s, &s->cell[cell].setting, seed, &context);
	fclose(f);
	return text;
}

static void writes_what_decides(void **state)
{
	struct study s;
	char *text;

	(void)state;
	assert_int_equal(parse(&s,
			       "data: {train: {fake: {}}, val: {fake: {}}}\n"
			       "model: {arch: resnet-slim, width: 4, hidden: 7, classes: 10, weights: w, head: keep}\n"
			       "groups: {a: ['*', \"b\\\"\\n\\\\\"], c: x}\na_lr: 1e-4\nepochs: 10\noptimizer: adam\n"
			       "betas: [0.8, 0.99]\nshuffle: false\nmomentum: 0.9\nweight_decay: 0.5\nc_lr: 0\n"),
			 0);
	text = text_of(&s, 0, 3);
	assert_string_equal(text, "numerics 6\nseed 3\ntrain train0\nval val0\nweights weights0\n"
				  "model.arch resnet-slim\nmodel.classes 10\nmodel.width 4\nmodel.head keep\n"
				  "group a \"*\" \"b\\\"\\n\\\\\" lr 0.0001 weight_decay 0.5\n"
				  "group c \"x\" lr 0 weight_decay 0\n"
				  "optimizer adam\nbetas 0.8 0.99\nepochs 10\nshuffle 0\n");
	free(text);
	study_release(&s);
}

/* The key of every manifest ever written depends on this: change it only with ENGINE_NUMERICS_VERSION. */
static void stays_what_it_was(void **state)
{
	char key[TRIAL_KEY_MAX];

	(void)state;
	key_of(key, HEAD "backbone_lr: 1e-4\nclassifier_lr: 1e-2\nmomentum: 0.9\n", 0);
	assert_string_equal(key, "ecc3a8f2aeecf2a0");
}

static void equal_trials_have_equal_keys(void **state)
{
	static const char *const pairs[][2] = {
		{HEAD "lr: 1e-4", HEAD "lr: 0.0001"},
		{HEAD "lr: 1e-4", HEAD "lr: 0.00010000"},
		{HEAD "lr: 0", HEAD "lr: -0.0"},
		/* a default, written or not */
		{HEAD, HEAD "optimizer: sgd\nmomentum: 0\nepochs: 5\nweight_decay: 0\nbetas: [0.9, 0.999]\nlr: 1e-3"},
		{HEAD, HEAD "groups: {backbone: ['*'], classifier: ['fc2.*']}"},
		{HEAD, "data: {train: {fake: {n: 8}}, val: {fake: {n: 8}}}\nmodel: {arch: cnn, classes: 0, head: new}"},
		{HEAD "optimizer: adamw", HEAD "optimizer: adamw\nweight_decay: 0.01"},
		/* one way to say it or another */
		{HEAD "lr: 0.5", HEAD "backbone_lr: 0.5\nclassifier_lr: 0.5"},
		{HEAD "lr: 0.5\nbackbone_lr: 1\nclassifier_lr: 1", HEAD "lr: 0.1\nbackbone_lr: 1\nclassifier_lr: 1"},
		{HEAD "weight_decay: 0.5", HEAD "backbone_weight_decay: 0.5\nclassifier_weight_decay: 0.5"},
		{HEAD "lr: 0.5", HEAD "parameters: {lr: {value: 0.5}}"},
		{HEAD "lr: 1e-3",
		 HEAD "parameters: {lr: {distribution: log_uniform_values, min: 1e-3, max: 1, count: 4}}"},
		/* what the optimizer does not look at */
		{HEAD "optimizer: adam", HEAD "optimizer: adam\nmomentum: 0.9\nnesterov: true\ndampening: 0.5"},
		{HEAD "momentum: 0", HEAD "momentum: 0\ndampening: 0.5"},
		{HEAD, HEAD "betas: [0.5, 0.5]\neps: 0.1\namsgrad: true"},
		{HEAD "backbone_lr: 0", HEAD "backbone_lr: 0\nbackbone_weight_decay: 0.5"},
		{HEAD,
		 HEAD "gamma: 0.5\nmilestones: [3]\nT_max: 3\nplateau_patience: 3\nbase_momentum: 0.1\nalpha: 0.5"},
		/* what the optimizer or the schedule has anyway */
		{HEAD "optimizer: adagrad", HEAD "optimizer: adagrad\neps: 1e-10\nlr: 0.01"},
		{HEAD "schedule: step\nstep_size: 2",
		 HEAD "schedule: step\nstep_size: 2\ngamma: 0.1\nschedule_unit: epoch"},
		{HEAD "schedule: onecycle", HEAD "schedule: onecycle\nschedule_unit: step"},
		{HEAD "lr_slice: [1e-5, 1e-3]", HEAD "backbone_lr: 1e-5\nclassifier_lr: 1e-3"},
		/* what is not part of a trial */
		{HEAD, HEAD "name: other\ndescription: x\nmetric: gap\nconstraints: [gap < 1]\nrepeats: 7\nproject: p"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		if (!equal_keys(pairs[i][0], pairs[i][1]))
			fail_msg("other key:\n%s\n-- than\n%s", pairs[i][0], pairs[i][1]);
}

static void what_matters_changes_the_key(void **state)
{
	static const char *const changes[] = {
		HEAD "lr: 2e-3",
		HEAD "backbone_lr: 2e-3",
		HEAD "classifier_lr: 2e-3",
		HEAD "optimizer: adam",
		HEAD "optimizer: adamw",
		HEAD "optimizer: adamw\nweight_decay: 0",
		HEAD "optimizer: adam\nbetas: [0.9, 0.99]",
		HEAD "optimizer: adam\nbetas: [0.8, 0.999]",
		HEAD "optimizer: adam\neps: 1e-7",
		HEAD "optimizer: adam\namsgrad: true",
		HEAD "momentum: 0.9",
		HEAD "momentum: 0.9\nnesterov: true",
		HEAD "optimizer: adagrad",
		HEAD "optimizer: adagrad\nlr: 1e-3",
		HEAD "optimizer: adagrad\neps: 1e-8",
		HEAD "optimizer: rmsprop\nlr: 1e-3",
		HEAD "optimizer: rmsprop\nlr: 1e-3\nmomentum: 0.9",
		HEAD "schedule: cosine",
		HEAD "schedule: cosine\nschedule_unit: step",
		HEAD "schedule: multistep\nmilestones: [3]",
		HEAD "schedule: multistep\nmilestones: [3, 4]",
		HEAD "schedule: exponential\ngamma: 0.1",
		HEAD "warmup: 1",
		HEAD "freeze_epochs: 1",
		HEAD "unfreeze_every: 1",
		HEAD "layer_decay: 0.75",
		HEAD "clip_grad_norm: 1",
		HEAD "momentum: 0.9\ndampening: 0.1",
		HEAD "weight_decay: 0.1",
		HEAD "backbone_weight_decay: 0.1",
		HEAD "classifier_weight_decay: 0.1",
		HEAD "epochs: 6",
		HEAD "batch_size: 33",
		HEAD "shuffle: false",
		HEAD "label_smoothing: 0.1",
		HEAD "dropout: 0.1",
		HEAD "freeze_bn: true",
		HEAD "seeds: [1]",
		HEAD "groups: {backbone: ['*'], classifier: ['fc.*']}",
		HEAD "groups: {backbone: ['*', 'x'], classifier: ['fc2.*']}",
		HEAD "groups: {backbone: ['*']}",
		"data: {train: {fake: {n: 8}}, val: {fake: {n: 8}}}\nmodel: {arch: mlp}\ngroups: {backbone: ['*'], "
		"classifier: ['fc2.*']}",
		"data: {train: {fake: {n: 8}}, val: {fake: {n: 8}}}\nmodel: {arch: cnn, hidden: 5}",
		"data: {train: {fake: {n: 8}}, val: {fake: {n: 8}}}\nmodel: {arch: cnn, classes: 5}",
		"data: {train: {fake: {n: 8}}, val: {fake: {n: 8}}}\nmodel: {arch: cnn, weights: w, head: keep}",
		HEAD,
	};
	enum { N = sizeof(changes) / sizeof(changes[0]) };
	char key[N][TRIAL_KEY_MAX];

	(void)state;
	for (int i = 0; i < N; i++) {
		key_of(key[i], changes[i], 0);
		for (int j = 0; j < i; j++)
			if (!strcmp(key[i], key[j]))
				fail_msg("one key for\n%s\n-- and\n%s", changes[i], changes[j]);
	}
}

/* Every hyperparameter that may matter does: a new one in hyper.def cannot be forgotten in the key. */
static void every_field_is_in_the_key(void **state)
{
	const struct field *opt = field_find(hyper_fields, n_hyper_fields, "optimizer");
	char plain[TRIAL_KEY_MAX], changed[TRIAL_KEY_MAX];
	struct study s;

	(void)state;
	assert_int_equal(parse(&s, HEAD "momentum: 0.5\n"), 0);
	for (int i = 0; i < n_hyper_fields; i++) {
		const struct field *f = &hyper_fields[i];
		struct setting set = s.cell[0].setting;

		if (f == opt || !strcmp(f->name, "lr") || !strcmp(f->name, "lr_slice") ||
		    !strcmp(f->name, "weight_decay"))
			continue;
		trial_key(plain, &s, &set, 0, &context);
		if (f->kind == FIELD_PAIR)
			field_write(f, &set.hyper, (const double[FIELD_VALUES]){0.25, 0.5});
		else if (f->kind == FIELD_ENUM) /* the unit's word 1 is what auto comes to */
			field_set(f, &set.hyper, strcmp(f->name, "schedule_unit") ? 1 : 2);
		else
			field_set(f, &set.hyper, f->kind == FIELD_REAL ? 0.25 : f->def[0] == 1 ? 0 : 1);
		trial_key(changed, &s, &set, 0, &context);
		if (!strcmp(plain, changed))
			fail_msg("%s does not change the key", f->name);
	}
	study_release(&s);
}

static void data_weights_and_seed_change_the_key(void **state)
{
	static const struct key_context others[] = {
		{"train1", "val0", "weights0"},
		{"train0", "val1", "weights0"},
		{"train0", "val0", "weights1"},
		{"train0", "val0", ""},
	};
	char plain[TRIAL_KEY_MAX], key[TRIAL_KEY_MAX];
	struct study s;

	(void)state;
	assert_int_equal(parse(&s, HEAD), 0);
	trial_key(plain, &s, &s.cell[0].setting, 0, &context);
	for (int i = 0; i < 4; i++) {
		trial_key(key, &s, &s.cell[0].setting, 0, &others[i]);
		assert_string_not_equal(key, plain);
	}
	trial_key(key, &s, &s.cell[0].setting, 1, &context);
	assert_string_not_equal(key, plain);
	study_release(&s);
}

/* Keys of all cells of a text, in an array that the caller frees. */
static char (*all_keys(const char *text, int *n))[TRIAL_KEY_MAX]
{
	char(*key)[TRIAL_KEY_MAX];
	struct study s;

	if (parse(&s, text))
		fail_msg("%s", study_err.msg);
	*n = s.n_cells;
	key = calloc((size_t)s.n_cells, sizeof(*key));
	assert_non_null(key);
	for (int i = 0; i < s.n_cells; i++)
		trial_key(key[i], &s, &s.cell[i].setting, 0, &context);
	study_release(&s);
	return key;
}

static void a_reordered_and_extended_grid_finds_its_trials(void **state)
{
	int n, m;
	char(*first)[TRIAL_KEY_MAX] = all_keys(
		HEAD "parameters: {optimizer: [sgd, adam], backbone_lr: [1e-4, 1e-3], classifier_lr: [0.1]}", &n);
	char(*then)[TRIAL_KEY_MAX] =
		all_keys("repeats: 3\nparameters:\n  classifier_lr: [0.5, 1e-1]\n  backbone_lr: [0.001, 1, 0.0001]\n"
			 "  momentum: [0, 0.9]\n  optimizer: [adamw, adam, sgd]\n" HEAD,
			 &m);

	(void)state;
	assert_int_equal(n, 4);
	assert_int_equal(m, 2 * 3 * (2 + 1 + 1));
	for (int i = 0; i < n; i++) {
		int found = 0;

		for (int j = 0; j < m; j++)
			found += !strcmp(first[i], then[j]);
		assert_int_equal(found, 1);
	}
	for (int i = 0; i < m; i++)
		for (int j = 0; j < i; j++)
			assert_string_not_equal(then[i], then[j]);
	free(first);
	free(then);
}

/* Two cells are one exactly if their canonical texts are. */
static void duplicates_are_equal_texts(void **state)
{
	struct study s;

	(void)state;
	assert_int_equal(parse(&s, HEAD
			       "parameters: {optimizer: [sgd, adam, adamw], momentum: [0, 0.5], nesterov: [false], "
			       "dampening: [0, 0.5], betas: [[0.9, 0.999], [0.8, 0.99]], backbone_lr: [0, 1], "
			       "backbone_weight_decay: [0, 1e-4], lr: [1e-3, 1e-3]}"),
			 0);
	assert_true(s.n_duplicates > s.n_cells);
	for (int i = 0; i < s.n_cells; i++)
		for (int j = 0; j < i; j++) {
			char *a = text_of(&s, i, 0), *b = text_of(&s, j, 0);

			assert_string_not_equal(a, b);
			free(a);
			free(b);
		}
	study_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_sixteen_hex_digits),
		cmocka_unit_test(writes_what_decides),
		cmocka_unit_test(stays_what_it_was),
		cmocka_unit_test(equal_trials_have_equal_keys),
		cmocka_unit_test(what_matters_changes_the_key),
		cmocka_unit_test(every_field_is_in_the_key),
		cmocka_unit_test(data_weights_and_seed_change_the_key),
		cmocka_unit_test(a_reordered_and_extended_grid_finds_its_trials),
		cmocka_unit_test(duplicates_are_equal_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
