/* run.c - gapsweep run: runs or continues a sweep, then reports it */
#include "sweep/cmd/cmd.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sweep/base/num.h"
#include "sweep/report/report.h"
#include "sweep/run/machine.h"
#include "sweep/run/progress.h"
#include "sweep/run/runner.h"
#include "sweep/run/sched.h"
#include "sweep/run/selftest.h"
#include "sweep/run/signals.h"

static const char help[] =
	"Usage: gapsweep run [OPTIONS] GRID.yaml\n\n"
	"Runs every trial of the grid that is not finished yet, many at a time, and reports the sweep. The same "
	"command\n"
	"goes on after a stop, a crash, or a change of the grid: finished trials are found again, failed ones run "
	"again.\n\n"
	"  -o, --output DIR      run directory (default: results/NAME)\n"
	"  -j, --workers N       trials at a time (default: the CPUs this process may use)\n"
	"      --set PATH=VALUE  change the grid, e.g. --set epochs=2 --set parameters.optimizer=sgd; may be repeated\n"
	"      --trials LIST     only these trial numbers, e.g. 0-9,12\n"
	"      --no-report       tables only: no charts, no report.html\n"
	"  -q, --quiet           no progress\n"
	"      --json            one JSON object a finished trial on stdout\n"
	"  -h, --help            this text\n\n"
	"Ctrl-C: every trial under way finishes its step and leaves a checkpoint; exit 75. Twice: out at once.\n"
	"Exit codes: 0 done, 1 some trials failed, 69 no gnuplot (tables are written), 74 disk full, 75 interrupted.";

struct options {
	const char *grid, *dir, *trials;
	long workers; /* 0: as many as CPUs */
	bool quiet, json, no_report;
	struct cmd_sets sets;
};

/* What a running sweep's listener needs. */
struct sweep {
	struct progress progress;
	const char *dir;
	int n, finished;
};

static atomic_bool stop;

static int parse(struct options *o, int argc, char **argv, struct err *e)
{
	enum { SET = 256, TRIALS, JSON, NO_REPORT };
	static const struct option longs[] = {
		{"output", required_argument, NULL, 'o'},
		{"workers", required_argument, NULL, 'j'},
		{"set", required_argument, NULL, SET},
		{"trials", required_argument, NULL, TRIALS},
		{"quiet", no_argument, NULL, 'q'},
		{"json", no_argument, NULL, JSON},
		{"no-report", no_argument, NULL, NO_REPORT},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int c;
	int rc = cmd_sets_init(&o->sets, argc, e);

	while (!rc && (c = cmd_option(argc, argv, "o:j:qh", longs, e)) != CMD_END) {
		if (c == 'o')
			o->dir = optarg;
		else if (c == 'j')
			rc = cmd_integer(&o->workers, "--workers", optarg, 1, 4096, e);
		else if (c == SET)
			o->sets.text[o->sets.n++] = optarg;
		else if (c == TRIALS)
			o->trials = optarg;
		else if (c == 'q')
			o->quiet = true;
		else if (c == JSON)
			o->json = true;
		else if (c == NO_REPORT)
			o->no_report = true;
		else
			return c;
	}
	return rc ? rc : cmd_operand(&o->grid, argc, argv, "a grid file", e);
}

/* Tables appear early, so that a look at the directory in the evening shows something. */
static void refresh_tables(struct sweep *sw)
{
	bool tenth = sw->finished == (sw->n + 9) / 10;
	bool half = sw->finished == (sw->n + 1) / 2;
	struct err ignored; /* the report at the end tells what is wrong with it */

	if (sw->n >= 10 && (tenth || half))
		report_write(sw->dir, &(struct report_options){.tables_only = true}, &ignored);
}

static void on_finished(void *ctx, int trial, const struct trial_end *end, const struct epoch_row *last)
{
	struct sweep *sw = ctx;

	progress_finished(&sw->progress, trial, end, last);
	if (end->state != STATE_RUNNING) {
		sw->finished++;
		refresh_tables(sw);
	}
}

static void on_started(void *ctx, int trial)
{
	progress_started(&((struct sweep *)ctx)->progress, trial);
}

static void on_epoch(void *ctx, int trial, const struct epoch_row *row)
{
	progress_epoch(&((struct sweep *)ctx)->progress, trial, row);
}

/* As many workers as were asked for, or as CPUs, but no more than the memory bears. */
static int choose_workers(const struct options *o, const struct plan *p)
{
	int workers = o->workers ? (int)o->workers : sched_cpus();
	size_t memory = machine_memory();
	size_t fit = p->trial_bytes ? memory / p->trial_bytes : (size_t)workers;
	char need[NUM_MAX];
	char have[NUM_MAX];

	if (fit >= (size_t)workers)
		return workers;
	fit = fit ? fit : 1;
	fprintf(stderr, "gapsweep: %d trials at a time of %s each do not fit in %s of free memory: running %zu\n",
		workers, num_bytes(need, (double)p->trial_bytes), num_bytes(have, (double)memory), fit);
	return (int)fit;
}

/* The command as a shell takes it. */
static void command_text(char *out, size_t size, int argc, char **argv)
{
	size_t n = (size_t)snprintf(out, size, "gapsweep");

	for (int i = 0; i < argc && n < size; i++) {
		bool plain = *argv[i] && !argv[i][strspn(argv[i], "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
								  "0123456789-_./=,:+@%")];

		n += (size_t)snprintf(out + n, size - n, plain ? " %s" : " '%s'", argv[i]);
	}
}

static int open_directory(struct store *st, struct plan *p, const struct options *o, const char *dir, int workers,
			  struct err *e)
{
	struct manifest m;
	bool *wanted = NULL;
	char note[1024];
	int damaged = 0;
	int rc = o->trials ? plan_select(&wanted, p, o->trials, e) : 0;

	if (rc)
		return rc;
	machine_manifest(&m, p, workers);
	m.set = (char **)o->sets.text;
	m.n_sets = o->sets.n;
	rc = store_open(st, dir, p->study, &m, note, e);
	if (!rc && *note)
		fprintf(stderr, "gapsweep: %s: not as before: %s\n", dir, note);
	if (!rc)
		rc = plan_look(p, st, wanted, &damaged, e);
	if (!rc && damaged)
		fprintf(stderr, "gapsweep: %d damaged trial%s will run again: %s\n", damaged, damaged > 1 ? "s" : "",
			e->msg);
	free(wanted);
	return rc;
}

static int run_trials(const struct plan *p, const struct store *st, const struct options *o, int workers,
		      struct runner_result *result, struct err *e)
{
	struct sweep sw = {.dir = st->dir, .n = p->n_todo};
	struct runner_listener l = {&sw, on_started, on_epoch, on_finished};
	int rc;

	*result = (struct runner_result){0};
	if (!p->n_todo) {
		if (!o->quiet)
			fprintf(stderr, "gapsweep: nothing to do: %s of %s finished\n",
				o->trials ? "the chosen trials" : "all trials", p->study->name);
		return 0;
	}
	if (!o->quiet)
		fprintf(stderr, "gapsweep: %s: %d trial%s to run, %d finished before, %d at a time, into %s\n",
			p->study->name, p->n_todo, p->n_todo > 1 ? "s" : "", p->n_finished, workers, st->dir);
	progress_init(&sw.progress, p, o->quiet, o->json);
	rc = runner_run(p, st, workers, &stop, &l, result, e);
	progress_end(&sw.progress);
	return rc;
}

/* Tables always; charts and report.html unless stopped or unwanted. What the trials came to is printed on out. */
static int report(const char *dir, const struct options *o, bool stopped, FILE *out, struct err *e)
{
	struct report_options ro = {.formats = REPORT_SVG | REPORT_PNG, .tables_only = stopped || o->no_report};
	struct err table;
	int rc = report_write(dir, &ro, e);

	if (rc && rc != ERR_UNAVAILABLE)
		return rc;
	if (report_before_after(out, dir, &table))
		fprintf(stderr, "gapsweep: %s\n", table.msg);
	if (ro.tables_only)
		fprintf(out, "%s/cells.csv\n", dir);
	else
		fprintf(out, "%s/report.html\n", dir);
	return rc;
}

static int conclude(const struct plan *p, const char *dir, const struct options *o, const struct runner_result *result,
		    int argc, char **argv, struct err *e)
{
	int left = p->n_todo - result->complete - result->diverged - result->failed;
	bool stopped = left > 0;
	char again[2048];
	int rc = report(dir, o, stopped, o->json ? stderr : stdout, e);

	if (stopped) {
		if (rc)
			fprintf(stderr, "gapsweep: %s\n", e->msg);
		command_text(again, sizeof(again), argc, argv);
		return err_set(e, ERR_INTERRUPTED, "stopped with %d of %d trials to go; go on with: %.900s", left,
			       p->n_todo, again);
	}
	if (rc && rc != ERR_UNAVAILABLE)
		return rc;
	if (result->failed)
		return err_set(e, ERR_FAILED, "%d of %d trials failed; the first was trial %d: %s", result->failed,
			       p->n_todo, result->first_failed, result->reason);
	return rc;
}

static int sweep_study(const struct study *s, const struct options *o, int argc, char **argv, struct err *e)
{
	struct store st = {.lock_fd = -1};
	struct runner_result result;
	struct plan p;
	char dir[4096];
	int workers;
	int rc;

	snprintf(dir, sizeof(dir), o->dir ? "%s" : "results/%s", o->dir ? o->dir : s->name);
	rc = plan_open(&p, s, e);
	if (rc)
		return rc;
	workers = choose_workers(o, &p);
	rc = selftest(engine_probe, workers, e);
	if (!rc)
		rc = open_directory(&st, &p, o, dir, workers, e);
	if (!rc)
		rc = run_trials(&p, &st, o, workers, &result, e);
	if (!rc)
		rc = conclude(&p, dir, o, &result, argc, argv, e);
	store_close(&st);
	plan_release(&p);
	return rc;
}

int cmd_run(int argc, char **argv, struct err *e)
{
	struct options o = {0};
	struct study s = {0};
	int rc = parse(&o, argc, argv, e);

	if (rc == CMD_HELP) {
		cmd_sets_release(&o.sets);
		puts(help);
		return 0;
	}
	if (!rc) {
		signals_install(&stop);
		rc = engine_init(e);
	}
	if (!rc)
		rc = study_load(&s, o.grid, o.sets.text, o.sets.n, e);
	if (!rc)
		rc = sweep_study(&s, &o, argc, argv, e);
	study_release(&s);
	cmd_sets_release(&o.sets);
	return rc;
}
