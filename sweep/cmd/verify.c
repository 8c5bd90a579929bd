/* verify.c - gapsweep verify: runs finished trials again and compares bit for bit */
#include "sweep/cmd/cmd.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sweep/run/sched.h"
#include "sweep/run/selftest.h"
#include "sweep/run/signals.h"
#include "sweep/run/verify.h"

static const char help[] =
	"Usage: gapsweep verify [OPTIONS] DIR\n\n"
	"Runs the finished trials of a run directory again, each on its own and from its start, and compares every "
	"metric\n"
	"of every epoch, the images that were right and the final weights (by their hash) bit for bit. Writes "
	"nothing.\n\n"
	"      --trials LIST     only these trial numbers, e.g. 0-9,12\n"
	"  -j, --workers N       trials at a time (default: the CPUs this process may use)\n"
	"      --grid-dir PATH   where the grid's relative paths start (default: where the grid file lay)\n"
	"      --json            one JSON object a trial on stdout\n"
	"  -h, --help            this text\n\n"
	"Exit codes: 0 all are equal, 1 some differ, 65 the data or start weights are not those it ran with,\n"
	"75 interrupted.";

struct options {
	const char *dir, *trials, *grid_dir;
	long workers; /* 0: as many as CPUs */
	bool json;
};

static atomic_bool stop;

static int parse(struct options *o, int argc, char **argv, struct err *e)
{
	enum { TRIALS = 256, GRID_DIR, JSON };
	static const struct option longs[] = {
		{"trials", required_argument, NULL, TRIALS},
		{"workers", required_argument, NULL, 'j'},
		{"grid-dir", required_argument, NULL, GRID_DIR},
		{"json", no_argument, NULL, JSON},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int c;
	int rc = 0;

	while (!rc && (c = cmd_option(argc, argv, "j:h", longs, e)) != CMD_END) {
		if (c == TRIALS)
			o->trials = optarg;
		else if (c == 'j')
			rc = cmd_integer(&o->workers, "--workers", optarg, 1, 4096, e);
		else if (c == GRID_DIR)
			o->grid_dir = optarg;
		else if (c == JSON)
			o->json = true;
		else
			return c;
	}
	return rc ? rc : cmd_operand(&o->dir, argc, argv, "a run directory", e);
}

static void say_json(const struct verdict *v)
{
	json_t *j = json_pack("{s:i, s:s, s:b, s:i, s:b}", "trial", v->trial, "key", v->key, "equal", v->equal,
			      "epochs", v->epochs, "weights_compared", v->done && !v->no_hash);

	if (v->epoch) {
		json_object_set_new(j, "epoch", json_integer(v->epoch));
		json_object_set_new(j, "column", json_string(v->column));
		json_object_set_new(j, "was", json_string(v->was));
		json_object_set_new(j, "is", json_string(v->is));
	}
	if (*v->why)
		json_object_set_new(j, "difference", json_string(v->why));
	json_dumpf(j, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(j);
}

static void say(void *ctx, const struct verdict *v)
{
	const struct options *o = ctx;

	if (!v->done && !*v->why) /* stopped */
		return;
	if (o->json)
		say_json(v);
	else if (v->equal)
		printf("trial %-5d %s  equal, %d epochs%s\n", v->trial, v->key, v->epochs,
		       v->no_hash ? " (no hash of its weights was kept)" : "");
	else
		printf("trial %-5d %s  %s: %s\n", v->trial, v->key, v->done ? "DIFFERS" : "FAILED", v->why);
	fflush(stdout);
}

/* The grid as it stands in the run directory, with its relative paths starting where they did. */
static int read_grid(struct store *st, struct study *s, const struct options *o, struct err *e)
{
	struct study copy;
	const char *from;
	char path[4200];
	int rc = store_read(st, &copy, o->dir, e);

	if (rc)
		return rc;
	from = o->grid_dir ? o->grid_dir : *st->manifest.grid_dir ? st->manifest.grid_dir : ".";
	snprintf(path, sizeof(path), "%s/grid.yaml", from);
	rc = study_parse(s, copy.text, copy.text_bytes, path, (const char *const *)st->manifest.set,
			 st->manifest.n_sets, e);
	study_release(&copy);
	return rc;
}

static int conclude(const struct options *o, const struct verify_counts *n, struct err *e)
{
	if (n->stopped)
		return err_set(e, ERR_INTERRUPTED, "stopped with %d trials to go; %d equal, %d differ", n->stopped,
			       n->equal, n->differ);
	if (n->differ || n->failed)
		return err_set(e, ERR_FAILED, "%d of %d trials differ, %d could not be run again", n->differ,
			       n->equal + n->differ + n->failed, n->failed);
	if (!o->json)
		printf("%d trial%s equal", n->equal, n->equal == 1 ? "" : "s");
	if (!o->json && n->unfinished)
		printf(", %d not finished", n->unfinished);
	if (!o->json)
		putchar('\n');
	return 0;
}

static int verify(const struct store *st, const struct study *s, struct options *o, struct err *e)
{
	struct verify_options vo = {.workers = o->workers ? (int)o->workers : sched_cpus(), .stop = &stop, .said = say};
	struct verify_counts n;
	bool *wanted = NULL;
	struct plan p = {0};
	int damaged;
	int rc = plan_open(&p, s, e);

	if (!rc)
		rc = verify_sources(&p, st, e);
	if (!rc)
		rc = plan_look(&p, st, NULL, &damaged, e);
	if (!rc && o->trials)
		rc = plan_select(&wanted, &p, o->trials, e);
	if (!rc)
		rc = engine_threads(vo.workers, e);
	if (!rc)
		rc = selftest(engine_probe, vo.workers, e);
	if (!rc && strcmp(st->manifest.kernels, engine_kernels()))
		fprintf(stderr, "gapsweep: it ran with the %s kernels, now it is %s: bits may differ\n",
			st->manifest.kernels, engine_kernels());
	vo.wanted = wanted;
	vo.ctx = o;
	if (!rc)
		rc = verify_trials(&p, st, &vo, &n, e);
	if (!rc)
		rc = conclude(o, &n, e);
	free(wanted);
	plan_release(&p);
	return rc;
}

int cmd_verify(int argc, char **argv, struct err *e)
{
	struct store st = {.lock_fd = -1};
	struct options o = {0};
	struct study s = {0};
	int rc = parse(&o, argc, argv, e);

	if (rc == CMD_HELP) {
		puts(help);
		return 0;
	}
	if (!rc) {
		signals_install(&stop);
		rc = engine_init(e);
	}
	if (!rc)
		rc = read_grid(&st, &s, &o, e);
	if (!rc)
		rc = verify(&st, &s, &o, e);
	study_release(&s);
	store_close(&st);
	return rc;
}
