/*
 * bench_report.c - makes a run directory of TRIALS finished trials with EPOCHS epochs each, to time `gapsweep report` on:
 *
 *   build/release/tests/bench/bench_report DIR [TRIALS [EPOCHS]]      (10000 and 300)
 *
 * The rows are smooth curves with noise, all digits of a double, as training writes them.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sweep/run/store.h"

static double noise(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (double)(*state >> 11) / 9007199254740992.0;
}

static void make_row(struct epoch_row *r, int epoch, int epochs, uint64_t *state)
{
	double part = (double)epoch / epochs;

	*r = (struct epoch_row){.epoch = epoch};
	r->train_acc = 0.5 + 0.45 * part + 0.03 * noise(state);
	r->train_eval_acc = 0.51 + 0.45 * part + 0.03 * noise(state);
	r->val_acc = 0.5 + 0.4 * part - 0.1 * part * part + 0.03 * noise(state);
	r->train_loss = 2 - 1.8 * part + 0.1 * noise(state);
	r->train_eval_loss = 2 - 1.8 * part + 0.1 * noise(state);
	r->val_loss = 2 - 1.5 * part + 0.1 * noise(state);
	for (int g = 0; g < 2; g++)
		r->group[g] =
			(struct group_row){1e-3 * (1 - part), noise(state), 1e-3 * noise(state), part * noise(state)};
}

static int make_trial(const struct store *st, const struct study *s, int trial, int epochs, struct err *e)
{
	struct key_context kc = {st->manifest.train_hash, st->manifest.val_hash, st->manifest.weights_hash};
	struct trial_end end = {.state = STATE_COMPLETE, .epochs = epochs, .wall_s = 1, .attempt = 1, .host = "bench"};
	uint64_t state = (uint64_t)trial + 1;
	struct trial_log log;
	char key[TRIAL_KEY_MAX];
	int rc;

	trial_key(key, s, &s->cell[trial / s->n_seeds].setting, s->seed[trial % s->n_seeds], &kc);
	rc = store_trial_make(st, key, e);
	if (!rc)
		rc = store_trial_begin(&log, st, s, key, 0, e);
	if (rc)
		return rc;
	for (int i = 1; !rc && i <= epochs; i++) {
		struct epoch_row row;

		make_row(&row, i, epochs, &state);
		rc = store_trial_epoch(&log, &row, e);
	}
	snprintf(end.started, sizeof(end.started), "2026-01-01T%02d:%02d:%02dZ", trial / 3600 % 24, trial / 60 % 60,
		 trial % 60);
	strcpy(end.ended, end.started);
	if (!rc)
		rc = store_trial_finish(&log, &end, NULL, 0, e);
	store_trial_close(&log);
	return rc;
}

int main(int argc, char **argv)
{
	int trials = argc > 2 ? atoi(argv[2]) : 10000;
	int epochs = argc > 3 ? atoi(argv[3]) : 300;
	struct manifest m = {.version = "bench", .kernels = "none", .workers = 1, .n_train = 8, .n_val = 8};
	struct store st = {.lock_fd = -1};
	struct study s;
	struct err e = {0};
	char text[600];
	char note[1024];
	int rc;

	if (argc < 2 || trials < 200 || epochs < 1) {
		fprintf(stderr, "usage: bench_report DIR [TRIALS (200 or more) [EPOCHS]]\n");
		return 64;
	}
	snprintf(text, sizeof(text),
		 "name: bench\ndata: {train: {fake: {n: 8}}, val: {fake: {n: 8}}}\nmodel: {arch: cnn}\nepochs: "
		 "%d\nrepeats: 5\n"
		 "parameters:\n  backbone_lr: {min: 1e-6, max: 1e-1, distribution: log_uniform_values, count: %d}\n"
		 "  classifier_lr: {min: 1e-4, max: 1, distribution: log_uniform_values, count: 20}\n"
		 "  optimizer: [sgd, adam]\n",
		 epochs, trials / 200);
	rc = study_parse(&s, text, strlen(text), "bench.yaml", NULL, 0, &e);
	if (!rc)
		rc = store_open(&st, argv[1], &s, &m, note, &e);
	for (int i = 0; !rc && i < s.n_cells * s.n_seeds; i++)
		rc = make_trial(&st, &s, i, epochs, &e);
	if (rc)
		fprintf(stderr, "%s\n", e.msg);
	else
		printf("%d trials x %d epochs\n", s.n_cells * s.n_seeds, epochs);
	store_close(&st);
	study_release(&s);
	return -rc;
}
