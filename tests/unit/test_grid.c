/* test_grid.c - grid files to studies: every key, the order of cells, --set, the schema, and each refusal's message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/base/file.h"
#include "sweep/grid/metric.h"
#include "tests/unit/study.h"

#define OPTIMIZERS "sgd adam adamw rmsprop adagrad adadelta adamax nadam radam"

static struct study s;

static int release(void **state)
{
	(void)state;
	study_release(&s);
	return 0;
}

static void must_parse(const char *text)
{
	study_release(&s);
	if (parse(&s, text))
		fail_msg("%s", study_err.msg);
}

/* All values of a column, cell by cell, with spaces between. */
static const char *column_of(const char *name)
{
	static char out[4096];
	char text[COLUMN_TEXT_MAX];
	int c = study_column(&s, name);

	assert_true(c >= 0);
	*out = 0;
	for (int i = 0; i < s.n_cells; i++) {
		setting_text(&s, &s.cell[i].setting, c, text);
		snprintf(out + strlen(out), sizeof(out) - strlen(out), "%s%s", i ? " " : "", *text ? text : "-");
	}
	return out;
}

static const char *values_of(const char *name, const char *yaml)
{
	char text[1000];

	snprintf(text, sizeof(text), HEAD "parameters:\n  %s: %s\n", name, yaml);
	must_parse(text);
	return column_of(name);
}

/* ---- what is understood ---- */

static void takes_defaults(void **state)
{
	(void)state;
	must_parse(HEAD);
	assert_string_equal(s.name, "g");
	assert_null(s.description);
	assert_int_equal(s.train.kind, DATA_FAKE);
	assert_int_equal(s.train.fake_n, 8);
	assert_int_equal(s.train.fake_classes, 10);
	assert_int_equal(s.train.fake_shape[0], 3);
	assert_int_equal(s.train.fake_shape[2], 224);
	assert_int_equal(s.train.n_norm, 0);
	assert_int_equal(s.n_groups, 2);
	assert_string_equal(s.group[0].name, "backbone");
	assert_string_equal(s.group[0].patterns[0], "*");
	assert_string_equal(s.group[1].name, "classifier");
	assert_string_equal(s.group[1].patterns[0], "fc2.*");
	assert_string_equal(s.metric, "val_acc");
	assert_int_equal(s.goal, GOAL_MAXIMIZE);
	assert_int_equal(s.n_seeds, 1);
	assert_true(s.seed[0] == 0);
	assert_int_equal(s.n_cells, 1);
	assert_false(s.cell[0].baseline);
	assert_int_equal(s.n_columns, 3);
	assert_true(s.cell[0].setting.group_lr[1] == 1e-3);
	assert_true(s.cell[0].setting.group_weight_decay[0] == 0);
	assert_null(s.weights_path);
	assert_false(s.model.head_keep);
}

static void reads_every_section(void **state)
{
	(void)state;
	must_parse("name: my-study.2\n"
		   "description: two rates\n"
		   "data:\n"
		   "  train: {idx: [a/i.gz, /abs/l], per_class: 5, limit: 20, offset: 2, classes: [3, 1]}\n"
		   "  val: {npy: [x.npy, y.npy], normalize: {mean: [1, 2], std: 2}}\n"
		   "  normalize: {mean: 0.5, std: [1, 2, 3]}\n"
		   "model: {arch: resnet-slim, width: 4, classes: 2, weights: w.st, head: keep}\n"
		   "groups: {one: '*', two: ['a.*', 'b.?']}\n"
		   "optimizer: adamw\nlr: 0.5\none_lr: 1e-4\ntwo_weight_decay: 0.25\nbetas: [0.8, 0.99]\nshuffle: off\n"
		   "method: grid\nmetric: {name: gap}\nconstraints: [val_acc > 0.85, gap <= .08 and val_loss < 1]\n"
		   "seeds: [7, 0, 9007199254740993]\n"
		   "program: t.py\ncommand: [x]\nproject: p\nentity: e\nkind: sweep\napiVersion: 1\n"
		   "controller: {type: local}\njob: j\nimage_uri: u\n");
	(void)state;
	assert_string_equal(s.name, "my-study.2");
	assert_string_equal(s.description, "two rates");
	assert_int_equal(s.train.kind, DATA_IDX);
	assert_string_equal(s.train.images, "a/i.gz");
	assert_string_equal(s.train.labels, "/abs/l");
	assert_int_equal(s.train.per_class, 5);
	assert_int_equal(s.train.limit, 20);
	assert_int_equal(s.train.offset, 2);
	assert_int_equal(s.train.n_classes, 2);
	assert_int_equal(s.train.classes[0], 3);
	assert_int_equal(s.train.n_norm, 3);
	assert_true(s.train.mean[2] == 0.5 && s.train.std[2] == 3);
	assert_int_equal(s.val.kind, DATA_NPY);
	assert_int_equal(s.val.n_norm, 2);
	assert_true(s.val.mean[1] == 2 && s.val.std[1] == 2);
	assert_int_equal(s.model.width, 4);
	assert_true(s.model.head_keep);
	assert_string_equal(s.weights_path, "w.st");
	assert_int_equal(s.n_groups, 2);
	assert_string_equal(s.group[1].patterns[1], "b.?");
	assert_int_equal(s.cell[0].setting.hyper.optimizer, OPTIM_ADAMW);
	assert_int_equal(s.cell[0].setting.hyper.shuffle, 0);
	assert_true(s.cell[0].setting.hyper.betas[0] == 0.8);
	assert_true(s.cell[0].setting.group_lr[0] == 1e-4);
	assert_true(s.cell[0].setting.group_lr[1] == 0.5);
	assert_true(s.cell[0].setting.group_weight_decay[0] == 0.01); /* adamw's own */
	assert_true(s.cell[0].setting.group_weight_decay[1] == 0.25);
	assert_string_equal(s.metric, "gap");
	assert_int_equal(s.goal, GOAL_MINIMIZE);
	assert_int_equal(s.n_constraints, 2);
	assert_string_equal(s.constraint[1].text, "gap <= .08 and val_loss < 1");
	assert_int_equal(s.n_seeds, 3);
	assert_true(s.seed[2] == 9007199254740993);
}

static void reads_what_is_done_to_images(void **state)
{
	(void)state;
	must_parse("model: {arch: cnn}\n"
		   "data:\n"
		   "  train: {folder: a, bad_images: skip, exif: true, cache: disk, resize: [40, 50],\n"
		   "          augment: {random_resized_crop: {size: [32, 48], ratio: [1, 2]}, hflip: 0.25}}\n"
		   "  val: {folder: /b, center_crop: [32, 48]}\n"
		   "  resize: 36\n"
		   "  normalize: imagenet\n");
	assert_int_equal(s.train.kind, DATA_FOLDER);
	assert_string_equal(s.train.folder, "a");
	assert_true(s.train.skip_bad && s.train.exif && s.train.cache == CACHE_DISK);
	assert_int_equal(s.train.resize[0], 40);
	assert_int_equal(s.train.resize[1], 50);
	assert_int_equal(s.train.crop[0], 0);
	assert_int_equal(s.train.augment.resized_crop[0], 32);
	assert_int_equal(s.train.augment.resized_crop[1], 48);
	assert_true(s.train.augment.scale[0] == 0.08 && s.train.augment.scale[1] == 1);
	assert_true(s.train.augment.ratio[0] == 1 && s.train.augment.ratio[1] == 2);
	assert_true(s.train.augment.hflip == 0.25);
	assert_int_equal(s.val.resize[0], 36);
	assert_int_equal(s.val.resize[1], 0);
	assert_int_equal(s.val.crop[1], 48);
	assert_false(s.val.skip_bad || s.val.exif || s.val.cache != CACHE_AUTO);
	assert_int_equal(s.val.n_norm, 3);
	assert_true(s.val.mean[0] == 0.485 && s.val.std[2] == 0.225);
	must_parse("model: {arch: cnn}\n"
		   "data: {train: {cifar10: [x, /y], augment: {crop_pad: 4, hflip: true}},"
		   " val: {cifar100: z, coarse: true}, center_crop: 9, cache: memory}\n");
	assert_int_equal(s.train.kind, DATA_CIFAR10);
	assert_int_equal(s.train.n_files, 2);
	assert_string_equal(s.train.files[1], "/y");
	assert_int_equal(s.train.augment.crop_pad, 4);
	assert_true(s.train.augment.hflip == 0.5);
	assert_int_equal(s.val.kind, DATA_CIFAR100);
	assert_true(s.val.coarse);
	assert_string_equal(s.val.files[0], "z");
	assert_int_equal(s.val.crop[0], 9);
	assert_int_equal(s.val.crop[1], 9);
	assert_int_equal(s.val.cache, CACHE_MEMORY);
	must_parse("model: {arch: cnn}\n"
		   "data: {train: {folder: a, augment: {random_resized_crop: 8, hflip: false}}, val: {folder: b}}\n");
	assert_int_equal(s.train.augment.resized_crop[1], 8);
	assert_true(s.train.augment.hflip == 0);
}

static void resolves_paths_against_the_file(void **state)
{
	static const char text[] = "data: {train: {idx: [i, /l]}, val: {idx: [../i, l]}}\nmodel: {weights: w}\n";
	struct err e;

	(void)state;
	study_release(&s);
	assert_int_equal(study_parse(&s, text, strlen(text), "some/where/x.yml", NULL, 0, &e), 0);
	assert_string_equal(s.name, "x");
	assert_string_equal(s.train.images, "some/where/i");
	assert_string_equal(s.train.labels, "/l");
	assert_string_equal(s.val.images, "some/where/../i");
	assert_string_equal(s.weights_path, "some/where/w");
	assert_int_equal(s.text_bytes, strlen(text));
	assert_string_equal(s.text, text);
}

static void unites_grids_in_file_order(void **state)
{
	(void)state;
	must_parse(
		HEAD
		"repeats: 5\nbaseline: {optimizer: adam, backbone_lr: 1e-3, classifier_lr: 1e-3}\n"
		"parameters:\n"
		"  - {optimizer: [sgd], backbone_lr: [0, 1e-4, 3e-4, 1e-2, 1e-1], classifier_lr: [1e-2, 3e-2, 1e-1]}\n"
		"  - {optimizer: adam, backbone_lr: [0, 1e-5, 1e-4, 1e-3, 1e-2], classifier_lr: [1e-3, 3e-3, 1e-2]}\n");
	assert_int_equal(s.n_cells, 30);
	assert_int_equal(s.n_cells * s.n_seeds, 150);
	assert_int_equal(s.n_duplicates, 0);
	assert_string_equal(column_of("classifier_lr"),
			    "0.01 0.03 0.1 0.01 0.03 0.1 0.01 0.03 0.1 0.01 0.03 0.1 0.01 0.03 0.1 "
			    "0.001 0.003 0.01 0.001 0.003 0.01 0.001 0.003 0.01 0.001 0.003 0.01 0.001 0.003 0.01");
	assert_string_equal(column_of("optimizer"),
			    "sgd sgd sgd sgd sgd sgd sgd sgd sgd sgd sgd sgd sgd sgd sgd "
			    "adam adam adam adam adam adam adam adam adam adam adam adam adam adam adam");
	for (int i = 0; i < 30; i++)
		assert_int_equal(s.cell[i].baseline, i == 24);
}

static void loads_the_ready_grids(void **state)
{
	struct err e;

	(void)state;
	study_release(&s);
	if (study_load(&s, "grids/differential-lr.yaml", NULL, 0, &e))
		fail_msg("%s", e.msg);
	assert_int_equal(s.n_cells, 30);
	assert_int_equal(s.n_seeds, 5);
	assert_int_equal(s.n_constraints, 2);
	assert_true(s.cell[14].baseline);
	assert_string_equal(s.weights_path, "grids/fashion/backbone.safetensors");
	study_release(&s);
	if (study_load(&s, "grids/pretrain.yaml", NULL, 0, &e))
		fail_msg("%s", e.msg);
	assert_int_equal(s.n_cells, 1);
	assert_int_equal(s.train.n_classes, 8);
	for (int small = 0; small < 2; small++) {
		study_release(&s);
		if (study_load(&s, small ? "grids/exercise-small.yaml" : "grids/exercise-resnet18.yaml", NULL, 0, &e))
			fail_msg("%s", e.msg);
		assert_int_equal(s.n_cells, 4);
		assert_int_equal(s.n_groups, 7);
		assert_true(s.cell[0].baseline);
		assert_true(s.cell[1].setting.group_lr[5] == 1e-4 && s.cell[1].setting.group_lr[6] == 1e-2);
		assert_int_equal(s.train.fake_n, small ? 128 : 1000);
	}
	study_release(&s);
	assert_int_equal(study_load(&s, "grids/no-such.yaml", NULL, 0, &e), ERR_NOINPUT);
	assert_int_equal(study_load(&s, "grids", NULL, 0, &e), ERR_NOINPUT);
	assert_null(s.owner);
}

static void orders_columns(void **state)
{
	static const char *const expected[] = {"backbone_lr", "classifier_lr",         "optimizer",
					       "epochs",      "backbone_weight_decay", "momentum"};

	(void)state;
	must_parse(HEAD "parameters: {epochs: [1], classifier_lr: [1], backbone_weight_decay: [0, 1]}\n"
			"linked: {momentum: [0.5], optimizer: [sgd]}\n");
	assert_int_equal(s.n_columns, 6);
	for (int i = 0; i < 6; i++)
		assert_string_equal(s.column[i].name, expected[i]);
	assert_int_equal(study_column(&s, "momentum"), 5);
	assert_int_equal(study_column(&s, "betas"), -1);
	assert_null(s.column[4].field);
	assert_true(s.column[4].is_weight_decay);
	assert_string_equal(s.column[3].field->name, "epochs");
}

static void reads_every_form_of_values(void **state)
{
	(void)state;
	assert_string_equal(values_of("backbone_lr", "1e-4"), "0.0001");
	assert_string_equal(values_of("backbone_lr", "[0, 1e-5, .5, 5.]"), "0 1e-05 0.5 5");
	assert_string_equal(values_of("backbone_lr", "{value: 1e-4}"), "0.0001");
	assert_string_equal(values_of("backbone_lr", "{distribution: constant, value: 1e-4}"), "0.0001");
	assert_string_equal(values_of("backbone_lr", "{values: [1, 2]}"), "1 2");
	assert_string_equal(values_of("optimizer", "{distribution: categorical, values: [adam, sgd]}"), "adam sgd");
	assert_string_equal(values_of("epochs", "{min: 2, max: 5}"), "2 3 4 5");
	assert_string_equal(values_of("epochs", "{distribution: int_uniform, min: 2, max: 3}"), "2 3");
	assert_string_equal(values_of("epochs", "{distribution: q_uniform, min: 2, max: 8, q: 2}"), "2 4 6");
	assert_string_equal(values_of("epochs", "{distribution: q_uniform, min: 2, max: 4}"), "2 3");
	assert_string_equal(values_of("momentum", "{distribution: q_uniform, min: 0.1, max: 0.4, q: 0.1}"),
			    "0.1 0.2 0.3");
	assert_string_equal(
		values_of("backbone_lr", "{distribution: log_uniform_values, min: 1e-5, max: 0.1, count: 5}"),
		"1e-05 0.0001 0.001 0.01 0.1");
	assert_string_equal(values_of("momentum", "{distribution: uniform, min: 0, max: 1, count: 5}"),
			    "0 0.25 0.5 0.75 1");
	assert_string_equal(values_of("epochs", "{distribution: uniform, min: 1, max: 5, count: 3}"), "1 3 5");
	assert_string_equal(values_of("betas", "[[0.9, 0.999], [0.5, 0.9]]"), "-");
	must_parse(HEAD "optimizer: adam\nparameters: {betas: [[0.9, 0.999], [0.5, 0.9]]}\n");
	assert_string_equal(column_of("betas"), "0.9 0.999 0.5 0.9");
	must_parse(HEAD "schedule: multistep\nparameters: {milestones: [[3], [9999991, 9999992, 3, 4, 5, 6, 7, 8]]}\n");
	assert_string_equal(column_of("milestones"), "3 9999991 9999992 3 4 5 6 7 8");
	must_parse(HEAD "parameters: {milestones: [[3], [5]], gamma: [0.1, 0.2], alpha: [0.5, 0.6]}\n");
	assert_int_equal(s.n_cells, 1); /* no schedule, and sgd: none of them matters */
	must_parse(HEAD "classifier_lr: 0.5\nparameters: {lr_slice: [[1e-5, 1e-3]]}\n");
	assert_true(s.cell[0].setting.group_lr[0] == 1e-5 && s.cell[0].setting.group_lr[1] == 0.5);
	must_parse(HEAD "parameters: {optimizer: [sgd, rmsprop, adadelta, nadam]}\n");
	assert_string_equal(column_of("backbone_lr"), "0.001 0.01 1 0.002");
	must_parse(HEAD "momentum: 0.9\nparameters: {nesterov: [true, no, on]}\n");
	assert_string_equal(column_of("nesterov"), "true false");
	assert_int_equal(s.n_duplicates, 1);
}

static void log_axis_hits_the_written_numbers(void **state)
{
	(void)state;
	values_of("backbone_lr", "{distribution: log_uniform_values, min: 1e-7, max: 1e3, count: 11}");
	for (int i = 0; i < 11; i++) {
		char text[16];

		snprintf(text, sizeof(text), "1e%d", i - 7);
		assert_true(s.cell[i].setting.group_lr[0] == strtod(text, NULL));
	}
}

static void varies_linked_rows_together(void **state)
{
	(void)state;
	must_parse(HEAD "parameters: {momentum: [0, 0.5]}\n"
			"linked: [{backbone_lr: [1e-4, 1e-3], classifier_lr: [1e-2, 1e-1]}, {epochs: [1, 2]}]\n");
	assert_string_equal(column_of("momentum"), "0 0 0 0 0.5 0.5 0.5 0.5");
	assert_string_equal(column_of("backbone_lr"), "0.0001 0.0001 0.001 0.001 0.0001 0.0001 0.001 0.001");
	assert_string_equal(column_of("classifier_lr"), "0.01 0.01 0.1 0.1 0.01 0.01 0.1 0.1");
	assert_string_equal(column_of("epochs"), "1 2 1 2 1 2 1 2");
	must_parse(HEAD "linked: {backbone_lr: [1, 2], classifier_lr: [3, 4]}\n");
	assert_string_equal(column_of("classifier_lr"), "3 4");
	must_parse(HEAD "parameters:\n  - {optimizer: sgd, linked: {backbone_lr: [1, 2], classifier_lr: [3, 4]}}\n"
			"  - {optimizer: adam, linked: {backbone_lr: [5], classifier_lr: [6]}}\n");
	assert_string_equal(column_of("backbone_lr"), "1 2 5");
	assert_string_equal(column_of("classifier_lr"), "3 4 6");
}

static void excludes_cells(void **state)
{
	(void)state;
	must_parse(HEAD "parameters: {optimizer: [sgd, adam], backbone_lr: [1, 2], classifier_lr: [1, 2]}\n"
			"exclude: [backbone_lr > classifier_lr, optimizer == adam and backbone_lr == 2]\n");
	assert_int_equal(s.n_cells, 5);
	assert_int_equal(s.n_excluded, 3);
	assert_string_equal(column_of("backbone_lr"), "1 1 2 1 1");
	must_parse(HEAD "momentum: 0.9\nparameters: {nesterov: [true, false]}\nexclude: nesterov == true\n");
	assert_string_equal(column_of("nesterov"), "false");
	/* what an optimizer does not look at compares to nothing */
	must_parse(HEAD "parameters: {optimizer: [sgd, adam], momentum: [0, 0.9]}\nexclude: [momentum < 0.5]\n");
	assert_string_equal(column_of("momentum"), "0.9 -");
}

static void removes_duplicates(void **state)
{
	(void)state;
	must_parse(HEAD "parameters: {backbone_lr: [1e-4, 0.0001, 1.0e-4], epochs: [1, 2]}\n");
	assert_int_equal(s.n_cells, 2);
	assert_int_equal(s.n_duplicates, 4);
	/* settings that do not matter: momentum to adam, weight decay to a frozen group, lr where each group has one */
	must_parse(HEAD "parameters: {optimizer: [sgd, adam], momentum: [0, 0.9]}\n");
	assert_int_equal(s.n_cells, 3);
	assert_string_equal(column_of("momentum"), "0 0.9 -");
	assert_true(isnan(setting_value(&s, &s.cell[2].setting, study_column(&s, "momentum"))));
	must_parse(HEAD "parameters: {backbone_lr: [0, 1], backbone_weight_decay: [0, 1]}\n");
	assert_string_equal(column_of("backbone_weight_decay"), "- 0 1");
	must_parse(HEAD "backbone_lr: 1\nclassifier_lr: 1\nparameters: {lr: [1, 2, 3]}\n");
	assert_int_equal(s.n_cells, 1);
	assert_int_equal(s.n_duplicates, 2);
	must_parse(HEAD "parameters: [{backbone_lr: [1, 2]}, {backbone_lr: [2, 3]}]\n");
	assert_string_equal(column_of("backbone_lr"), "1 2 3");
}

static void lr_serves_groups_without_their_own(void **state)
{
	(void)state;
	must_parse(HEAD "classifier_lr: 7\nparameters: {lr: [1, 2]}\n");
	assert_string_equal(column_of("backbone_lr"), "1 2");
	assert_string_equal(column_of("classifier_lr"), "7 7");
	assert_string_equal(column_of("lr"), "1 2");
}

static void a_constant_serves_grids_that_do_not_vary_it(void **state)
{
	(void)state;
	must_parse(HEAD "epochs: 3\nparameters: [{epochs: [1, 2]}, {optimizer: adam}]\n");
	assert_string_equal(column_of("epochs"), "1 2 3");
}

static void follows_aliases(void **state)
{
	(void)state;
	must_parse(HEAD "parameters:\n  - &g {optimizer: sgd, backbone_lr: [1, 2]}\n  - {<<: *g, optimizer: adam}\n");
	assert_string_equal(column_of("optimizer"), "sgd sgd adam adam");
	assert_string_equal(column_of("backbone_lr"), "1 2 1 2");
}

static void makes_a_trial_spec(void **state)
{
	struct trial_spec ts;

	(void)state;
	must_parse(HEAD "epochs: 9\nparameters: {backbone_lr: [1, 2]}\n");
	study_trial_spec(&ts, &s, &s.cell[1].setting, 42, NULL, NULL, NULL);
	assert_ptr_equal(ts.model, &s.model);
	assert_int_equal(ts.hyper.epochs, 9);
	assert_int_equal(ts.n_groups, 2);
	assert_string_equal(ts.groups[1].name, "classifier");
	assert_true(ts.group_lr[0] == 2 && ts.group_lr[1] == 1e-3);
	assert_true(ts.seed == 42);
}

/* ---- --set ---- */

static void sets_values(void **state)
{
	static const char *const sets[] = {"epochs=2",
					   "data.train.limit=4",
					   "parameters.optimizer=adam",
					   "parameters.backbone_lr=[1, 2, 3]",
					   "name=other",
					   "metric.name=val_loss",
					   "model.arch=mlp",
					   "repeats=3",
					   NULL};
	static const char *const item[] = {"parameters.1.backbone_lr=5", NULL};

	(void)state;
	study_release(&s);
	if (parse_with(&s, HEAD "parameters: {optimizer: [sgd], backbone_lr: [9]}\nepochs: 7\n", sets))
		fail_msg("%s", study_err.msg);
	assert_int_equal(s.n_cells, 3);
	assert_int_equal(s.n_seeds, 3);
	assert_int_equal(s.train.limit, 4);
	assert_string_equal(s.name, "other");
	assert_string_equal(s.metric, "val_loss");
	assert_string_equal(column_of("optimizer"), "adam adam adam");
	assert_int_equal(s.cell[0].setting.hyper.epochs, 2);
	study_release(&s);
	assert_int_equal(parse_with(&s, HEAD "parameters: [{epochs: 1}, {backbone_lr: 4}]\n", item), 0);
	assert_string_equal(column_of("backbone_lr"), "0.001 5");
}

static void a_set_changes_one_copy_of_an_alias(void **state)
{
	static const char *const sets[] = {"parameters.0.epochs=5", NULL};

	(void)state;
	study_release(&s);
	assert_int_equal(parse_with(&s, HEAD "parameters: [&g {epochs: 1}, *g]\n", sets), 0);
	assert_string_equal(column_of("epochs"), "5 1");
}

static void complains_of_a_set(void **state)
{
	static const struct {
		const char *set, *message;
	} cases[] = {
		{"epochs=abc", "--set epochs=abc: epochs is 'abc'; expected a number\nepochs=abc\n       ^"},
		{"epochs=", "--set epochs=: epochs is nothing; expected a number\nepochs=\n      ^"},
		{"epochs", "--set epochs: no '='; expected path=value, such as epochs=2\nepochs\n^"},
		{"=3", "--set =3: an empty name in the path; expected a.b=value\n=3\n^"},
		{"a..b=3", "--set a..b=3: an empty name in the path; expected a.b=value\na..b=3\n  ^"},
		{"a.=3", "--set a.=3: an empty name in the path; expected a.b=value\na.=3\n  ^"},
		{"epoch=2", "--set epoch=2: unknown key 'epoch'; did you mean 'epochs'?\nepoch=2\n^"},
		{"model.widht=2", "--set model.widht=2: unknown key 'widht'; did you mean 'width'?\nmodel.widht=2\n"
				  "      ^"},
		{"lr=[1", "--set lr=[1: did not find expected ',' or ']'\nlr=[1\n     ^"},
		{"parameters.epochs=[1, 0]",
		 "--set parameters.epochs=[1, 0]: epochs is 0; expected a whole number, 1 to "
		 "1000000\nparameters.epochs=[1, 0]\n                      ^"},
		{"lr.x=1", "--set lr.x=1: what stands before it is a single value; expected a map or a list\nlr.x=1\n"
			   "   ^"},
		{"linked.1.epochs=2",
		 "--set linked.1.epochs=2: a list of 1 items stands here; expected its item's number, "
		 "from 0\nlinked.1.epochs=2\n       ^"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(whole_complaint(HEAD
						    "lr: 1\nparameters: {epochs: [1]}\nlinked: [{momentum: [0]}]\n",
						    (const char *[]){cases[i].set, NULL}),
				    cases[i].message);
}

/* ---- refusals ---- */

static void shows_the_line_and_a_caret(void **state)
{
	(void)state;
	assert_string_equal(whole_complaint(HEAD "parameter:\n  backbone_lr: [1]\n", NULL),
			    "g.yaml:3:1: unknown key 'parameter'; did you mean 'parameters'?\nparameter:\n^");
	assert_string_equal(whole_complaint(HEAD "parameters:\r\n  classifier_rl: [1e-4]\r\n", NULL),
			    "g.yaml:4:3: unknown key 'classifier_rl'; did you mean 'classifier_lr'?\n"
			    "  classifier_rl: [1e-4]\n  ^");
}

struct refusal {
	const char *text, *message; /* behind HEAD; first line, behind "g.yaml:" */
};

static void check_refusals(const char *head, const struct refusal *cases, size_t n)
{
	char text[2000], expected[1000];

	for (size_t i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "%s%s\n", head, cases[i].text);
		snprintf(expected, sizeof(expected), "g.yaml:%s", cases[i].message);
		assert_string_equal(complaint(text), expected);
	}
}

#define CHECK(head, cases) check_refusals(head, cases, sizeof(cases) / sizeof((cases)[0]))

static void refuses_at_the_top(void **state)
{
	static const struct refusal cases[] = {
		{"zebra: 1", "3:1: unknown key 'zebra'"},
		{"momentun: 1", "3:1: unknown key 'momentun'; did you mean 'momentum'?"},
		{"backbone_Lr: 1", "3:1: unknown key 'backbone_Lr'; did you mean 'backbone_lr'?"},
		{"epochs: 1\nepochs: 2", "4:1: key 'epochs' is given twice; first at 3:1"},
		{"name: a b", "3:7: name is 'a b'; expected letters, digits, '.', '_' and '-', not '.' or '-' first"},
		{"name: ../x", "3:7: name is '../x'; expected letters, digits, '.', '_' and '-', not '.' or '-' first"},
		{"name: .x", "3:7: name is '.x'; expected letters, digits, '.', '_' and '-', not '.' or '-' first"},
		{"name:", "3:6: name is nothing; expected text"},
		{"name: [x]", "3:7: name is a list; expected text"},
		{"description: {a: 1}", "3:14: description is a map; expected text"},
		{"method: bayes", "3:9: method is 'bayes', which is not supported; expected grid"},
		{"method: random", "3:9: method is 'random', which is not supported; expected grid"},
		{"method: [grid]", "3:9: method is a list, which is not supported; expected grid"},
		{"early_terminate: {type: hyperband}",
		 "3:1: 'early_terminate' is not supported yet; expected a grid without it"},
		{"run_cap: 5", "3:1: 'run_cap' is not supported yet; expected a grid without it"},
		{"scheduler: {}", "3:1: 'scheduler' is not supported yet; expected a grid without it"},
		{"metrics: []", "3:1: 'metrics' is not supported yet; expected a grid without it"},
		{"metric: val_ac", "3:9: metric 'val_ac' is unknown; did you mean 'val_acc'?"},
		{"metric: {name: accuracy}",
		 "3:16: metric 'accuracy' is unknown; expected train_, train_eval_ or val_ with "
		 "loss or acc, gap, gap_loss or gap_running"},
		{"metric: {goal: minimize}", "3:9: metric has no 'name'; expected one"},
		{"metric: {name: gap, goal: min}", "3:27: goal is 'min'; expected minimize or maximize"},
		{"metric: {name: gap, target: 0}",
		 "3:21: 'target' would end a sweep early, which is not supported; expected "
		 "constraints: [val_acc > ...] to mark what meets it"},
		{"metric: {name: gap, impute: worst}",
		 "3:21: 'impute' belongs to method bayes; expected only name and goal"},
		{"metric: {name: gap, zz: 1}",
		 "3:21: unknown key 'zz'; expected one of: name, goal, target, impute, impute_while_running"},
		{"repeats: 0", "3:10: repeats is '0'; expected 1 to 10000"},
		{"repeats: 10001", "3:10: repeats is '10001'; expected 1 to 10000"},
		{"repeats: 2.5", "3:10: repeats is '2.5'; expected a whole number"},
		{"repeats: five", "3:10: repeats is 'five'; expected a number"},
		{"seeds: [1]\nrepeats: 2", "4:1: repeats and seeds (at 3:8) both; expected one of them"},
		{"seeds: 3", "3:8: seeds is '3'; expected a list"},
		{"seeds: []", "3:8: 0 seeds; expected 1 to 10000"},
		{"seeds: [1, 2, 1]", "3:15: seed 1 stands twice; expected each once"},
		{"seeds: [-1]", "3:9: a seed is '-1'; expected 0 to 9223372036854775807"},
		{"seeds: [1e20]", "3:9: a seed is '1e20'; expected 0 to 9223372036854775807"},
	};

	(void)state;
	CHECK(HEAD, cases);
	assert_string_equal(complaint(""),
			    "g.yaml:1:1: the file is empty; expected a map with data, model and parameters");
	assert_string_equal(complaint("- 1\n"), "g.yaml:1:1: a grid file is a list; expected a map");
	assert_string_equal(complaint("just text\n"), "g.yaml:1:1: a grid file is 'just text'; expected a map");
	assert_string_equal(complaint("model: {arch: cnn}\n"), "g.yaml:1:1: the grid file has no 'data'; expected one");
	assert_string_equal(complaint("data: {train: {fake: {}}, val: {fake: {}}}\n"),
			    "g.yaml:1:1: the grid file has no 'model'; expected one");
}

static void refuses_an_unfit_file_name(void **state)
{
	struct err e;

	(void)state;
	study_release(&s);
	assert_int_equal(study_parse(&s, HEAD, strlen(HEAD), "my grid.yaml", NULL, 0, &e), ERR_CONFIG);
	assert_string_equal(e.msg,
			    "my grid.yaml:1:1: the file's name cannot name the study; expected name: with letters, "
			    "digits, '.', '_' and '-'\n"
			    "data: {train: {fake: {n: 8}}, val: {fake: {n: 8}}}\n^");
}

static void refuses_data(void **state)
{
	static const struct refusal cases[] = {
		{"data: 3", "2:7: data is '3'; expected a map"},
		{"data: {train: {fake: {}}}", "2:7: data has no 'val'; expected one"},
		{"data: {test: {}}", "2:8: unknown key 'test'; expected one of: normalize, resize, center_crop, exif, "
				     "bad_images, cache, train, val"},
		{"data: {train: {}, val: {}}", "2:8: 'train' has no samples; expected folder: DIR, idx: [images, "
					       "labels], cifar10:, cifar100:, npy: or "
					       "fake:"},
		{"data: {train: {idx: [a, b], fake: {}}}",
		 "2:29: a second source of samples; expected one of folder, cifar10, cifar100, idx, npy or fake"},
		{"data: {train: {idx: a}}", "2:21: idx is 'a'; expected two files [images, labels]"},
		{"data: {train: {idx: [a]}}",
		 "2:21: idx is a list of another length; expected two files [images, labels]"},
		{"data: {train: {idx: [a, []]}}", "2:25: labels is a list; expected text"},
		{"data: {train: {idx: ['', b]}}", "2:22: images is an empty path; expected a file"},
		{"data: {train: {fake: {n: 0}}}", "2:26: n is '0'; expected 1 to 1000000000"},
		{"data: {train: {fake: {size: 3}}}",
		 "2:23: unknown key 'size'; expected one of: n, shape, classes, seed"},
		{"data: {train: {fake: {shape: [3, 2]}}}",
		 "2:30: shape is a list of another length; expected [channels, height, width]"},
		{"data: {train: {fake: {shape: [3, 2, 0]}}}", "2:37: shape is '0'; expected 1 to 4096"},
		{"data: {train: {fake: {}, limit: 0}}", "2:33: limit is '0'; expected 1 to 1000000000"},
		{"data: {train: {fake: {}, per_clas: 1}}", "2:26: unknown key 'per_clas'; did you mean 'per_class'?"},
		{"data: {train: {fake: {}, offset: -1}}", "2:34: offset is '-1'; expected 0 to 1000000000"},
		{"data: {train: {fake: {}, classes: []}}", "2:35: classes lists 0 labels; expected 1 to 1000"},
		{"data: {train: {fake: {}, classes: [1, 2, 1]}}", "2:42: label 1 is listed twice; expected it once"},
		{"data: {normalize: {mean: 0}}", "2:19: normalize has no 'std'; expected one"},
		{"data: {normalize: {mean: 0, std: 0}}", "2:34: std is '0'; expected more than 0, at most 1e6"},
		{"data: {normalize: {mean: nan, std: 1}}", "2:26: mean is 'nan'; expected -1e6 to 1e6"},
		{"data: {normalize: {mean: [1, 2], std: [1, 2, 3]}}",
		 "2:39: 3 values of std for 2 of mean; expected as many"},
		{"data: {normalize: {mean: [], std: 1}}", "2:26: 0 channels; expected a number or a list of 1 to 1024"},
	};

	(void)state;
	CHECK("model: {arch: cnn}\n", cases);
}

static void refuses_images(void **state)
{
	static const struct refusal cases[] = {
		{"train: {folder: []}", "2:24: folder is a list; expected text"},
		{"train: {folder: a, fake: {}}", "2:27: a second source of samples; expected one of folder"},
		{"train: {cifar10: []}", "2:25: cifar10 lists no files; expected some, such as [data_batch_1.bin]"},
		{"train: {cifar100: [a, {}]}", "2:30: cifar100 is a map; expected text"},
		{"train: {cifar10: a, coarse: true}", "2:28: coarse is for cifar100; expected it nowhere else"},
		{"train: {fake: {}, exif: true}", "2:26: exif is for folder; expected it nowhere else"},
		{"train: {fake: {}, bad_images: skip}", "2:26: bad_images is for folder; expected it nowhere else"},
		{"train: {folder: a, bad_images: drop}", "2:39: bad_images is 'drop'; expected stop or skip"},
		{"train: {folder: a, exif: maybe}", "2:33: exif is 'maybe'; expected true or false"},
		{"cache: ram", "2:15: cache is 'ram'; expected auto, memory or disk"},
		{"resize: 0", "2:16: resize is '0'; expected 1 to 4096"},
		{"resize: [1, 2, 3]", "2:16: resize is a list of another length; expected a number or [height, width]"},
		{"center_crop: {}", "2:21: center_crop is a map; expected a number or [height, width]"},
		{"center_crop: [4, 5000]", "2:25: center_crop is '5000'; expected 1 to 4096"},
		{"normalize: imagnet", "2:19: normalize is 'imagnet'; expected imagenet or {mean: ..., std: ...}"},
		{"augment: {}", "2:8: unknown key 'augment'; expected one of: normalize, resize"},
		{"train: {folder: a}, val: {folder: a, augment: {}}",
		 "2:45: augment under 'val': validation images stay as they are; expected it under 'train'"},
		{"train: {folder: a, augment: {flip: 1}}", "2:37: unknown key 'flip'; did you mean 'hflip'?"},
		{"train: {folder: a, augment: {hflip: 2}}",
		 "2:44: hflip is '2'; expected a probability, 0 to 1, or true for 0.5"},
		{"train: {folder: a, augment: {crop_pad: 0}}", "2:47: crop_pad is '0'; expected 1 to 4096"},
		{"train: {folder: a, augment: {random_resized_crop: {}}}",
		 "2:58: random_resized_crop has no 'size'; expected one"},
		{"train: {folder: a, augment: {random_resized_crop: {size: 8, scale: 1}}}",
		 "2:75: scale is '1'; expected [smallest, largest]"},
		{"train: {folder: a, augment: {random_resized_crop: {size: 8, scale: [0, 1]}}}",
		 "2:76: scale is '0'; expected more than 0, at most 1"},
		{"train: {folder: a, augment: {random_resized_crop: {size: 8, ratio: [2, 1]}}}",
		 "2:75: ratio falls from 2 to 1; expected [smallest, largest]"},
		{"train: {folder: a, augment: {random_resized_crop: 8, crop_pad: 4}}",
		 "2:8: train: augment: random_resized_crop and crop_pad; expected one of them"},
		{"center_crop: 9, train: {folder: a, augment: {random_resized_crop: 8}}",
		 "2:24: train: center_crop of 9 x 9, but random_resized_crop gives 8 x 8; expected the same"},
	};
	char text[300];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), "model: {arch: cnn}\ndata: {%s}\n", cases[i].text);
		if (!strstr(complaint(text), cases[i].message))
			fail_msg("%s\nexpected %s", complaint(text), cases[i].message);
	}
}

static void refuses_models_and_groups(void **state)
{
	static const struct refusal cases[] = {
		{"model: resnet18", "2:8: model is 'resnet18'; expected a map"},
		{"model: {arch: resnet19}", "2:15: arch is 'resnet19'; expected one of: resnet18 resnet34 resnet50 "
					    "resnet101 resnet152 resnet-slim cnn mlp; did you mean 'resnet18'?"},
		{"model: {arch: vit}", "2:15: arch is 'vit'; expected one of: resnet18 resnet34 resnet50 resnet101 "
				       "resnet152 resnet-slim cnn mlp"},
		{"model: {head: keep}", "2:15: head: keep without weights; expected weights: FILE to keep it from"},
		{"model: {head: old}", "2:15: head is 'old'; expected new or keep"},
		{"model: {weights: [a]}", "2:18: weights is a list; expected text"},
		{"model: {weight: a}", "2:9: unknown key 'weight'; did you mean 'weights'?"},
		{"model: {stages: 7}", "2:17: stages is 7; expected a whole number, 1 to 6"},
		{"model: {stages: 1.5}", "2:17: stages is 1.5; expected a whole number, 1 to 6"},
		{"model: {}\ngroups: []", "3:9: groups is a list; expected a map"},
		{"model: {}\ngroups: {}", "3:9: 0 groups; expected 1 to 16"},
		{"model: {}\ngroups: {Back: '*'}",
		 "3:10: group 'Back'; expected a name of a-z, 0-9 and _, at most 31 characters"},
		{"model: {}\ngroups: {a: []}", "3:13: group a has no patterns; expected some, such as [\"fc.*\"]"},
		{"model: {}\ngroups: {a: ['']}", "3:14: an empty pattern; expected one such as \"fc.*\""},
		{"model: {}\ngroups: {a: [{}]}", "3:14: a pattern is a map; expected text"},
		{"model: {}\ngroups: {a: '*'}\nbackbone_lr: 1", "4:1: unknown key 'backbone_lr'"},
	};

	(void)state;
	CHECK("data: {train: {fake: {}}, val: {fake: {}}}\n", cases);
}

static void refuses_values(void **state)
{
	static const struct refusal cases[] = {
		{"momentum: 1.5", "3:11: momentum is 1.5; expected 0 to 1"},
		{"momentum: nan", "3:11: momentum is nan; expected 0 to 1"},
		{"lr: .inf", "3:5: lr is inf; expected 0 to 1000000"},
		{"lr: -0.1", "3:5: lr is -0.1; expected 0 to 1000000"},
		{"backbone_lr: -1", "3:14: backbone_lr is -1; expected 0 to 1000000"},
		{"lr: 1_000", "3:5: lr is '1_000': digit groups; expected plain digits, such as 1000"},
		{"lr: '1'", "3:5: lr is the text '1'; expected a number, without quotes"},
		{"lr: [1]", "3:5: lr is a list; expected a number"},
		{"epochs: 1.5", "3:9: epochs is 1.5; expected a whole number, 1 to 1000000"},
		{"epochs: 010", "3:9: epochs is '010': a leading zero may mean octal; expected 10"},
		{"nesterov: 1", "3:11: nesterov is '1'; expected true or false"},
		{"optimizer: sdg", "3:12: optimizer is 'sdg'; expected one of: " OPTIMIZERS "; did you mean 'sgd'?"},
		{"optimizer: sgd adam", "3:12: optimizer is 'sgd adam'; expected one of: " OPTIMIZERS},
		{"optimizer: [sgd]", "3:12: optimizer is a list; expected one of: " OPTIMIZERS},
		{"betas: 0.9", "3:8: betas is '0.9'; expected two numbers [a, b]"},
		{"betas: [0.9, 1]", "3:14: betas is 1; expected 0 to below 1"},
		{"milestones: 3", "3:13: milestones is '3'; expected 1 to 8 whole numbers [a, b, ...]"},
		{"milestones: []", "3:13: milestones is a list; expected 1 to 8 whole numbers [a, b, ...]"},
		{"milestones: [1, 2, 3, 4, 5, 6, 7, 8, 9]",
		 "3:13: milestones is a list; expected 1 to 8 whole numbers [a, b, ...]"},
		{"milestones: [3, 0]", "3:17: milestones is 0; expected a whole number, 1 to 9999999"},
		{"milestones: [3, 4.5]", "3:17: milestones is 4.5; expected a whole number, 1 to 9999999"},
		{"schedule: cosin",
		 "3:11: schedule is 'cosin'; expected one of: constant step multistep exponential cosine "
		 "cosine_warm_restarts linear polynomial onecycle plateau; did you mean 'cosine'?"},
		{"schedule: multistep", "3:1: schedule multistep needs milestones"},
		{"schedule: step", "3:1: schedule step needs step_size"},
		{"schedule: exponential", "3:1: schedule exponential needs gamma"},
		{"schedule: cosine_warm_restarts", "3:1: schedule cosine_warm_restarts needs T_0"},
		{"eta_min: 1\nschedule: cosine\neta_min_ratio: 0.1",
		 "3:1: eta_min and eta_min_ratio are two ways to say it; expected one"},
		{"warmup: 5", "3:1: warmup must be below epochs"},
		{"schedule: onecycle\nwarmup: 1", "4:1: onecycle has a warmup of its own: warmup must be 0"},
		{"freeze_epochs: 5", "3:1: freeze_epochs must be below epochs"},
		{"lr_slice: [0, 1]", "3:1: lr_slice needs two rates above 0"},
		{"layer_decay: 0", "3:1: layer_decay must be above 0"},
		{"nesterov: true", "3:1: nesterov needs momentum above 0 and dampening 0"},
		{"lr: 1\nparameters: {lr: [1, 2]}",
		 "3:1: lr is never used: every grid of parameters sets it; expected it once"},
	};

	(void)state;
	CHECK(HEAD, cases);
}

static void refuses_parameters(void **state)
{
	static const struct refusal cases[] = {
		{"parameters: 3", "3:13: parameters is '3'; expected a map"},
		{"parameters: {}", "3:13: parameters is empty; expected names with values"},
		{"parameters: []", "3:13: parameters is empty; expected a map, or a list of maps"},
		{"parameters: [1]", "3:14: a grid of parameters is '1'; expected a map"},
		{"parameters: {momentun: [0]}", "3:14: unknown key 'momentun'; did you mean 'momentum'?"},
		{"parameters: {fc_lr: [0]}", "3:14: unknown key 'fc_lr'"},
		{"parameters: {lr: []}", "3:18: lr has no values; expected at least one"},
		{"parameters: {lr: [1, x]}", "3:22: lr is 'x'; expected a number"},
		{"parameters: {betas: [0.9, 0.999]}",
		 "3:21: betas is a list of numbers; expected a list of pairs, such as [[0.9, 0.999]]"},
		{"parameters: {milestones: [3, 5]}",
		 "3:26: milestones is a list of numbers; expected a list of lists, such as [[3, 5]]"},
		{"parameters: {lr: {}}", "3:18: no 'min'; expected value, values, or both min and max"},
		{"parameters: {lr: {min: 1}}", "3:18: no 'max'; expected value, values, or both min and max"},
		{"parameters: {lr: {vals: [1]}}", "3:19: unknown key 'vals'; did you mean 'value'?"},
		{"parameters: {lr: {zebra: [1]}}",
		 "3:19: unknown key 'zebra'; expected one of: value values min max q count distribution"},
		{"parameters: {lr: {value: 1, values: [1]}}",
		 "3:29: 'values' does not go with value; expected only: value"},
		{"parameters: {lr: {values: 1}}", "3:27: values is '1'; expected a list"},
		{"parameters: {lr: {values: [1], probabilities: [1]}}",
		 "3:32: 'probabilities' belongs to random search; expected values for a grid"},
		{"parameters: {lr: {mu: 1}}", "3:19: 'mu' belongs to random search; expected values for a grid"},
		{"parameters: {lr: {parameters: {}}}",
		 "3:19: nested parameters are not supported; expected value, values or min and max"},
		{"parameters: {lr: {min: 0.1, max: 0.2}}",
		 "3:18: a continuous range has no end of values in a grid; expected count: N or values"},
		{"parameters: {lr: {min: 1, max: 10, count: 3}}",
		 "3:18: count alone does not say how values are spaced; expected distribution: log_uniform_values or "
		 "uniform "
		 "beside it"},
		{"parameters: {lr: {min: 2, max: 1}}", "3:32: max is 1, min 2; expected max to be larger"},
		{"parameters: {lr: {min: 0, max: .inf}}", "3:18: min or max is no finite number; expected two numbers"},
		{"parameters: {lr: {distribution: normal, mu: 1}}",
		 "3:41: 'mu' belongs to random search; expected values for a grid"},
		{"parameters: {lr: {distribution: normal}}", "3:33: distribution normal is drawn from at random; "
							     "expected for a grid: constant categorical int_uniform "
							     "q_uniform uniform log_uniform_values"},
		{"parameters: {lr: {distribution: unifrom, min: 1, max: 2}}",
		 "3:33: distribution 'unifrom' is unknown; expected one of: constant categorical int_uniform q_uniform "
		 "uniform "
		 "log_uniform_values; did you mean 'uniform'?"},
		{"parameters: {lr: {distribution: log_uniform_values, min: 0, max: 1, count: 3}}",
		 "3:58: min is 0 on a log axis; expected more than 0"},
		{"parameters: {lr: {distribution: uniform, min: 0, max: 1, count: 1}}",
		 "3:65: count is '1'; expected 2 to 1000000"},
		{"parameters: {lr: {distribution: uniform, min: 0, max: 1, q: 1}}",
		 "3:58: 'q' does not go with uniform; expected only: min max count"},
		{"parameters: {lr: {distribution: q_uniform, min: 0, max: 1, q: 0}}",
		 "3:63: q is 0; expected a step above 0"},
		{"parameters: {lr: {distribution: int_uniform, min: 0.5, max: 1}}",
		 "3:18: int_uniform from 0.5 to 1; expected whole numbers"},
		{"parameters: {epochs: {distribution: uniform, min: 1, max: 4, count: 3}}",
		 "3:22: epochs would be 2.5; expected whole numbers from 1 to 1000000"},
		{"parameters: {epochs: {min: 0, max: 4}}",
		 "3:22: epochs would be 0; expected whole numbers from 1 to 1000000"},
		{"parameters: {optimizer: {min: 0, max: 1}}", "3:25: optimizer does not take a range; expected values"},
		{"parameters: {nesterov: [true], momentum: [0.5, 0], optimizer: [sgd]}",
		 "3:14: nesterov needs momentum above 0 and dampening 0, in the cell nesterov=true momentum=0 "
		 "optimizer=sgd; "
		 "expected no such cell (see exclude)"},
	};

	(void)state;
	CHECK(HEAD, cases);
}

static void refuses_links_exclusions_and_baselines(void **state)
{
	static const struct refusal cases[] = {
		{"linked: 3", "3:9: linked is '3'; expected a map"},
		{"linked: {}", "3:9: linked is empty; expected names with lists of equal length"},
		{"linked: {lr: 3}", "3:14: lr is '3'; expected a list"},
		{"linked: {lr: []}", "3:14: lr has no values; expected at least one"},
		{"linked: {lr: [1, 2], momentum: [0, 0.1, 0.2]}",
		 "3:32: momentum has 3 values, lr has 2; expected lists of one length"},
		{"linked: {lrr: [1]}", "3:10: unknown key 'lrr'; did you mean 'lr'?"},
		{"linked: {lr: [1]}\nparameters: {lr: [2]}",
		 "3:10: lr is in parameters and in linked, or twice in linked; expected it once"},
		{"linked: [{lr: [1]}, {lr: [2]}]",
		 "3:22: lr is in parameters and in linked, or twice in linked; expected it once"},
		{"exclude: [backbone_lr > clasifier_lr]",
		 "3:25: unknown name 'clasifier_lr'; did you mean 'classifier_lr'?"},
		{"exclude: [optimizer == adm]", "3:24: unknown name 'adm'; did you mean 'adam'?"},
		{"exclude: [lr]", "3:11: exclude is a number, neither true nor false; expected a comparison"},
		{"exclude: [lr >]", "3:15: the expression ends too early; expected a name or a number"},
		{"exclude: ['lr = 1']", "3:15: '=' compares nothing; expected =="},
		{"exclude: [[]]", "3:11: exclude is a list; expected text"},
		{"exclude: [val_acc > 1]", "3:11: unknown name 'val_acc'; expected a comparison such as backbone_lr > "
					   "classifier_lr"},
		{"exclude: [lr > 0]", "3:11: no cell is left after exclude; expected at least one"},
		{"constraints: [val_ac > 1]", "3:15: unknown name 'val_ac'; did you mean 'val_acc'?"},
		{"constraints: [lr > 1]", "3:15: unknown name 'lr'; expected a comparison such as val_acc > 0.85"},
		{"constraints: [val_acc, gap < 1]",
		 "3:15: constraints is a number, neither true nor false; expected a comparison"},
		{"constraints: ['val_acc > "
		 "(((((((((((((((((((((((((((((((((((((((((0.123456789))))))))))))))))))))))))))))))))"
		 ")))))))))']",
		 "3:15: a constraint of 103 characters; expected at most 95"},
		{"report: {at_train_acc: 1}", "3:24: at_train_acc is '1'; expected a fraction above 0 and below 1"},
		{"report: {at_train_ac: 0.5}", "3:10: unknown key 'at_train_ac'; did you mean 'at_train_acc'?"},
		{"baseline: 3", "3:11: baseline is '3'; expected a map"},
		{"baseline: {momentun: 3}", "3:12: unknown key 'momentun'; did you mean 'momentum'?"},
		{"baseline: {momentum: x}", "3:22: momentum is 'x'; expected a number"},
		{"baseline: {lr: 2}\nparameters: {lr: [1, 3]}", "3:16: no cell has lr 2; expected a value of the grid"},
		{"baseline: {lr: 1}\nparameters: {lr: [1, 3], epochs: [1, 2, 3]}",
		 "3:11: baseline fits 3 cells; expected settings that fit just one"},
		{"baseline: {lr: 1, epochs: 2}\nparameters: [{lr: 1, epochs: 1}, {lr: 2, epochs: 2}]",
		 "3:11: baseline fits 0 cells: each value is in the grid, but not together; expected settings that fit "
		 "one"},
		{"baseline: {optimizer: adam, momentum: 0.9}\nparameters: {optimizer: [sgd, adam], momentum: [0, 0.9]}",
		 "3:11: baseline fits 0 cells: each value is in the grid, but not together; expected settings that fit "
		 "one"},
	};

	(void)state;
	CHECK(HEAD, cases);
}

/* ---- sizes ---- */

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void refuses_a_huge_grid_at_once(void **state)
{
	static const struct refusal cases[] = {
		{"parameters: {epochs: {min: 1, max: 1000000}, batch_size: {min: 1, max: 65536}}",
		 "3:58: the grid has more than 1000000 cells from here on; expected fewer values"},
		{"parameters: {lr: {distribution: q_uniform, min: 0, max: 1e6, q: 1e-6}}",
		 "3:18: the grid has more than 1000000 cells from here on; expected fewer values"},
		{"parameters: {lr: {distribution: q_uniform, min: 0, max: 1e300, q: 1e-300}}",
		 "3:18: the grid has more than 1000000 cells from here on; expected fewer values"},
		{"parameters: {lr: {min: 0, max: 1000000000000}}",
		 "3:18: the grid has more than 1000000 cells from here on; expected fewer values"},
		{"parameters: {lr: {distribution: uniform, min: 0, max: 1, count: 1000000000000}}",
		 "3:65: count is '1000000000000'; expected 2 to 1000000"},
		{"parameters: [{epochs: {min: 1, max: 600000}}, {epochs: {min: 1, max: 600000}}]",
		 "3:56: the grid has more than 1000000 cells from here on; expected fewer values"},
		{"repeats: 10000\nparameters: {epochs: {min: 1, max: 2000}}",
		 "3:10: 2000 cells with 10000 repeats are too many trials; expected at most 10000000"},
	};
	double start = seconds();

	(void)state;
	CHECK(HEAD, cases);
	assert_true(seconds() - start < 1);
}

static void expands_a_large_grid_soon(void **state)
{
	double start = seconds();

	(void)state;
	must_parse(HEAD "parameters: {epochs: {min: 1, max: 300}, batch_size: {min: 1, max: 300}}\n");
	assert_int_equal(s.n_cells, 90000);
	assert_true(seconds() - start < 30); /* a guard against squares; 5 s were too few under ASan on a busy CPU */
}

static void takes_an_empty_struct(void **state)
{
	struct study none = {0};

	(void)state;
	study_release(&none);
	study_release(&none);
}

/* ---- metrics, schema ---- */

static void computes_metrics(void **state)
{
	static const char *const names[] = {"train_loss", "train_acc", "train_eval_loss", "train_eval_acc", "val_loss",
					    "val_acc",    "gap",       "gap_loss",        "gap_running"};
	static const double values[] = {1, 0.5, 2, 0.75, 4, 0.25, 0.5, 2, 0.25};
	const struct epoch_row row = {.train_loss = 1,
				      .train_acc = 0.5,
				      .train_eval_loss = 2,
				      .train_eval_acc = 0.75,
				      .val_loss = 4,
				      .val_acc = 0.25};

	(void)state;
	assert_int_equal(N_METRICS, 9);
	for (int i = 0; i < N_METRICS; i++) {
		assert_string_equal(metric_name(i), names[i]);
		assert_int_equal(metric_find(names[i]), i);
		assert_true(metric_value(&row, i) == values[i]);
		assert_true(*metric_help(i));
	}
	assert_int_equal(metric_find("accuracy"), -1);
	assert_true(metric_larger_is_better(METRIC_val_acc));
	assert_false(metric_larger_is_better(METRIC_gap));
	assert_true(isnan(metric_value(&row, N_METRICS)));
}

static char *written(void (*write)(FILE *))
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	assert_non_null(f);
	write(f);
	fclose(f);
	return text;
}

static void schema_is_current(void **state)
{
	char *now = written(study_write_schema), *file = NULL;
	size_t n = 0;
	struct err e;

	(void)state;
	assert_int_equal(file_read(&file, &n, "grids/gapsweep.schema.json", 1 << 20, &e), 0);
	assert_string_equal(file, now); /* else: write it again with study_write_schema() */
	free(now);
	free(file);
}

/* The keys of the schema's map at `path` are keys that the loader knows at the place that `format` writes. */
static void check_schema_keys(const json_t *properties, const char *format)
{
	const char *key;
	json_t *value;
	char text[1000];

	assert_true(json_object_size(properties) > 2);
	json_object_foreach((json_t *)properties, key, value)
	{
		snprintf(text, sizeof(text), format, key);
		if (strstr(complaint(text), "unknown key"))
			fail_msg("%s", study_err.msg);
	}
}

static void schema_has_no_other_keys_than_the_loader(void **state)
{
	char *text = written(study_write_schema);
	json_t *schema = json_loads(text, 0, NULL), *p = json_object_get(schema, "properties");
	json_t *d = json_object_get(schema, "definitions");

	(void)state;
	check_schema_keys(p, HEAD "%s: 1\n");
	check_schema_keys(json_object_get(json_object_get(p, "model"), "properties"), "model: {%s: 1}\n");
	check_schema_keys(json_object_get(json_object_get(p, "data"), "properties"), "model: {}\ndata: {%s: 1}\n");
	check_schema_keys(json_object_get(json_object_get(d, "split"), "properties"),
			  "model: {}\ndata: {train: {%s: 1}}\n");
	check_schema_keys(json_object_get(json_object_get(d, "range"), "properties"),
			  HEAD "parameters: {lr: {%s: 1}}\n");
	assert_int_equal(json_object_size(json_object_get(json_object_get(p, "baseline"), "properties")),
			 n_hyper_fields);
	json_decref(schema);
	free(text);
}

static void lists_hyperparameters(void **state)
{
	char *text = written(study_write_parameters);

	(void)state;
	for (int i = 0; i < n_hyper_fields; i++) {
		assert_non_null(strstr(text, hyper_fields[i].name));
		assert_non_null(strstr(text, hyper_fields[i].help));
	}
	assert_non_null(strstr(text, "[a, b], each 0 to below 1; default [0.9, 0.999]"));
	assert_non_null(strstr(text, "one of: " OPTIMIZERS "; default sgd"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_defaults),
		cmocka_unit_test(reads_every_section),
		cmocka_unit_test(reads_what_is_done_to_images),
		cmocka_unit_test(resolves_paths_against_the_file),
		cmocka_unit_test(unites_grids_in_file_order),
		cmocka_unit_test(loads_the_ready_grids),
		cmocka_unit_test(orders_columns),
		cmocka_unit_test(reads_every_form_of_values),
		cmocka_unit_test(log_axis_hits_the_written_numbers),
		cmocka_unit_test(varies_linked_rows_together),
		cmocka_unit_test(excludes_cells),
		cmocka_unit_test(removes_duplicates),
		cmocka_unit_test(lr_serves_groups_without_their_own),
		cmocka_unit_test(a_constant_serves_grids_that_do_not_vary_it),
		cmocka_unit_test(follows_aliases),
		cmocka_unit_test(makes_a_trial_spec),
		cmocka_unit_test(sets_values),
		cmocka_unit_test(a_set_changes_one_copy_of_an_alias),
		cmocka_unit_test(complains_of_a_set),
		cmocka_unit_test(shows_the_line_and_a_caret),
		cmocka_unit_test(refuses_at_the_top),
		cmocka_unit_test(refuses_an_unfit_file_name),
		cmocka_unit_test(refuses_data),
		cmocka_unit_test(refuses_images),
		cmocka_unit_test(refuses_models_and_groups),
		cmocka_unit_test(refuses_values),
		cmocka_unit_test(refuses_parameters),
		cmocka_unit_test(refuses_links_exclusions_and_baselines),
		cmocka_unit_test(refuses_a_huge_grid_at_once),
		cmocka_unit_test(expands_a_large_grid_soon),
		cmocka_unit_test(takes_an_empty_struct),
		cmocka_unit_test(computes_metrics),
		cmocka_unit_test(schema_is_current),
		cmocka_unit_test(schema_has_no_other_keys_than_the_loader),
		cmocka_unit_test(lists_hyperparameters),
	};

	return cmocka_run_group_tests(tests, NULL, release);
}
