/* status.c - gapsweep status DIR: how far a sweep is, from another terminal */
#include "sweep/cmd/cmd.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sweep/report/load.h"

static const char help[] = "Usage: gapsweep status [OPTIONS] DIR\n\n"
			   "Shows how far the sweep in a run directory is. Only reads; the sweep may be running.\n\n"
			   "      --watch   again every two seconds, until no process works on it\n"
			   "      --json    as one JSON object on stdout (with --watch: one a line)\n"
			   "  -h, --help    this text";

#define WATCH_EVERY_S 2

struct options {
	const char *dir;
	bool watch, json;
};

/* What there is to say. */
struct status {
	long holder; /* process that works on it; 0: none */
	int n_trials, count[STATE_FAIL + 1];
	int epochs, all_epochs; /* of all trials, ended ones as whole */
	double left_s;          /* NAN: cannot be told */
};

static int parse(struct options *o, int argc, char **argv, struct err *e)
{
	enum { WATCH = 256, JSON };
	static const struct option longs[] = {
		{"watch", no_argument, NULL, WATCH},
		{"json", no_argument, NULL, JSON},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int c;

	while ((c = cmd_option(argc, argv, "h", longs, e)) != CMD_END) {
		if (c == WATCH)
			o->watch = true;
		else if (c == JSON)
			o->json = true;
		else
			return c;
	}
	return cmd_operand(&o->dir, argc, argv, "a run directory", e);
}

/* Epochs that are left, at the pace of the trials that ended, on as many workers as the sweep has. */
static double time_left(const struct loaded *l, const struct status *st)
{
	double seconds = 0;
	int epochs = 0;
	int workers = l->store.manifest.workers;

	for (int i = 0; i < l->results.n_trials; i++) {
		const struct result_trial *t = &l->results.trial[i];

		if (t->end.state == STATE_COMPLETE && t->end.attempt == 1) {
			seconds += t->end.wall_s;
			epochs += t->n_rows;
		}
	}
	return epochs ? seconds / epochs * (st->all_epochs - st->epochs) / (workers > 0 ? workers : 1) : NAN;
}

static int look(struct status *st, const char *dir, struct err *e)
{
	struct loaded l;
	int rc = loaded_init(&l, dir, e);

	*st = (struct status){.left_s = NAN};
	if (rc)
		return rc;
	st->holder = store_holder(&l.store);
	st->n_trials = l.results.n_trials;
	for (int i = 0; i < l.results.n_trials; i++) {
		const struct result_trial *t = &l.results.trial[i];
		int whole = l.study.cell[t->cell].setting.hyper.epochs;
		bool ended = t->end.state >= STATE_COMPLETE && t->end.state != STATE_FAIL;

		st->count[t->end.state]++;
		st->all_epochs += whole;
		st->epochs += ended ? whole : t->end.state == STATE_RUNNING ? t->n_rows : 0;
	}
	st->left_s = time_left(&l, st);
	loaded_release(&l);
	return 0;
}

static void print_words(const struct status *st, const char *dir)
{
	char left[NUM_MAX];

	printf("%s: %d of %d trials ended, %.0f %% of the epochs; ", dir,
	       st->n_trials - st->count[STATE_WAITING] - st->count[STATE_RUNNING], st->n_trials,
	       st->all_epochs ? 100.0 * st->epochs / st->all_epochs : 0);
	if (st->holder && st->left_s > 0)
		printf("process %ld works on it, about %s left\n", st->holder, num_seconds(left, st->left_s));
	else if (st->holder)
		printf("process %ld works on it\n", st->holder);
	else
		puts("no process works on it");
	for (int s = STATE_WAITING; s <= STATE_FAIL; s++)
		if (st->count[s])
			printf("  %-9s %d\n", trial_state_word(s), st->count[s]);
}

static void print_json(const struct status *st, const char *dir)
{
	json_t *states = json_object();
	json_t *j;

	for (int s = STATE_WAITING; s <= STATE_FAIL; s++)
		json_object_set_new(states, trial_state_word(s), json_integer(st->count[s]));
	j = json_pack("{s:s, s:I, s:i, s:i, s:i, s:o}", "directory", dir, "process", (json_int_t)st->holder, "trials",
		      st->n_trials, "epochs", st->epochs, "all_epochs", st->all_epochs, "states", states);
	json_object_set_new(j, "left_s", isfinite(st->left_s) ? json_real(st->left_s) : json_null());
	json_dumpf(j, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(j);
}

int cmd_status(int argc, char **argv, struct err *e)
{
	struct options o = {0};
	struct status st;
	int rc = parse(&o, argc, argv, e);

	if (rc == CMD_HELP) {
		puts(help);
		return 0;
	}
	while (!rc && !(rc = look(&st, o.dir, e))) {
		if (o.json)
			print_json(&st, o.dir);
		else
			print_words(&st, o.dir);
		if (!o.watch || !st.holder || fflush(stdout))
			break;
		sleep(WATCH_EVERY_S);
	}
	return rc;
}
