/* run.c - gapsweep run: runs or continues a sweep, then reports it; its command line is run_options.c */
#include "sweep/cmd/cmd.h"
#include "sweep/cmd/run_options.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sweep/base/num.h"
#include "sweep/report/report.h"
#include "sweep/run/change.h"
#include "sweep/run/clock.h"
#include "sweep/run/machine.h"
#include "sweep/run/pace.h"
#include "sweep/run/progress.h"
#include "sweep/run/room.h"
#include "sweep/run/runner.h"
#include "sweep/run/sched.h"
#include "sweep/run/selftest.h"
#include "sweep/run/share.h"
#include "sweep/run/signals.h"
#include "sweep/run/supervise.h"

/* What a running sweep's listener needs. */
struct sweep {
	struct progress progress;
	const char *dir;
	int n, finished;
	bool no_report;
	double reported_s, report_took_s; /* on clock_s(); 0: not yet */
};

static atomic_bool stop;
static struct watch watch = {.fd = -1};

/*
 * Tables and page appear early and keep up with the sweep, so that a look in the evening shows something: after a tenth
 * of the trials, then every minute, or more rarely where a report takes long. A worker waits for it, so it may cost a
 * fiftieth of the time at most.
 */
#define REFRESH_S     60
#define REFRESH_SHARE 50

static void refresh(struct sweep *sw)
{
	double now = clock_s();
	bool first = !sw->reported_s && sw->finished >= (sw->n + 9) / 10;
	struct err ignored; /* the report at the end tells what is wrong with it */

	if (sw->n < 10 || sw->finished == sw->n ||
	    !(first || (sw->reported_s && now - sw->reported_s >= fmax(REFRESH_S, REFRESH_SHARE * sw->report_took_s))))
		return;
	report_write(sw->dir, &(struct report_options){.formats = REPORT_SVG, .tables_only = sw->no_report}, &ignored);
	sw->reported_s = clock_s();
	sw->report_took_s = sw->reported_s - now;
}

static void on_finished(void *ctx, int trial, const struct trial_end *end, const struct epoch_row *last)
{
	struct sweep *sw = ctx;

	progress_finished(&sw->progress, trial, end, last);
	if (end->state != STATE_RUNNING) {
		sw->finished++;
		refresh(sw);
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

static void on_gave_up(void *ctx, int n, const char *reason)
{
	(void)ctx;
	fprintf(stderr, "%sgapsweep: %d trials in a row failed for the same reason (%s): no more are started\n",
		isatty(2) ? "\n" : "", n, reason);
}

/* How the machine is used. */
struct force {
	int workers, threads; /* trials at a time; threads in all */
	size_t memory;        /* there is; SIZE_MAX: no limit */
	size_t kept;          /* for kept features, and as much for states that trials start from */
};

/* No more threads than CPUs, whatever was asked for. */
static int capped(long asked, int most, const char *option)
{
	if (asked > most)
		fprintf(stderr, "gapsweep: %s %ld: this process may use %d CPU%s: using %d\n", option, asked, most,
			most > 1 ? "s" : "", most);
	return asked < most ? (int)asked : most;
}

/* Of the memory this part for kept features, and for states, at most; a trial must still fit. */
#define KEPT_PART 8

static size_t kept_of(size_t memory, size_t trial)
{
	size_t spare = memory > trial ? (memory - trial) / 2 : 0;

	return spare < memory / KEPT_PART ? spare : memory / KEPT_PART;
}

/*
 * Workers x threads = CPUs, with what was asked for; else one thread a trial (measure_force() may find better): at the end
 * of the grid, or where trials are few, threads join those that run. No more trials than the memory bears, nor than the
 * supervisor thinks wise after a runner was killed; their threads go to the others.
 */
static struct force choose_force(const struct run_options *o, const struct plan *p)
{
	const int cpus = sched_cpus();
	const int threads = o->threads ? capped(o->threads, cpus, "--threads") : 1;
	int workers = o->workers ? capped(o->workers, cpus / threads, "--workers") : cpus / threads;
	struct force f = {.threads = o->threads ? workers * threads : cpus, .memory = machine_memory()};
	size_t need = p->trial_bytes + p->state_bytes, fit;
	char each[NUM_MAX], have[NUM_MAX];

	if (o->memory > 0 && (size_t)o->memory < f.memory)
		f.memory = (size_t)o->memory;
	f.kept = o->no_share ? 0 : kept_of(f.memory, need);
	fit = need ? (f.memory - 2 * f.kept) / need : (size_t)workers;
	if (fit < (size_t)workers && fit) {
		fprintf(stderr, "gapsweep: %d trials at a time of %s each do not fit in %s of memory: running %zu\n",
			workers, num_bytes(each, (double)need), num_bytes(have, (double)f.memory), fit);
		workers = (int)fit;
	}
	f.workers = watch.cap && watch.cap < workers ? watch.cap : workers;
	return f;
}

static void tell_pace(const struct pace *pace, int n, int threads, const struct pace *best)
{
	fputs("gapsweep: measured:", stderr);
	for (int i = 0; i < n; i++)
		fprintf(stderr, "%s %d trial%s at a time, %.4g img/s", i ? ";" : "", pace[i].workers,
			pace[i].workers > 1 ? "s" : "", pace[i].images);
	fprintf(stderr, " (%d threads in all): %d at a time\n", threads, best->workers);
}

/*
 * Where nothing was asked for, and there are trials enough for every CPU: as many at a time as a short measurement finds
 * fastest. Bits never depend on it.
 */
static int measure_force(struct force *f, const struct plan *p, struct store *st, const struct run_options *o,
			 struct err *e)
{
	struct pace pace[PACE_MOST];
	const struct pace *best;
	int n, rc;

	if (o->workers || o->threads || watch.cap || f->workers < 2 || p->n_todo < 2 * f->workers)
		return 0;
	rc = pace_measure(pace, &n, p, f->workers, f->threads, &stop, e);
	if (rc || !n)
		return 0; /* a trial that fails does so in its turn */
	best = pace_best(pace, n);
	if (!o->quiet)
		tell_pace(pace, n, f->threads, best);
	f->workers = best->workers;
	return best == pace ? 0 : store_set_workers(st, f->workers, e);
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

/* Says what of the sweep that was here the grid still has. */
static int tell_change(const struct plan *p, const char *dir, struct err *e)
{
	struct change c;
	int rc = change_look(&c, p, dir, e);

	if (!rc && change_any(&c)) {
		fputs("gapsweep: ", stderr);
		change_print(stderr, &c, dir, 5);
	}
	change_release(&c);
	return rc;
}

static int open_directory(struct store *st, struct plan *p, const struct run_options *o, const char *dir,
			  const struct force *f, struct err *e)
{
	struct manifest m;
	bool *wanted = NULL;
	char note[1024];
	int damaged = 0;
	int rc = o->trials ? plan_select(&wanted, p, o->trials, e) : 0;

	if (rc)
		return rc;
	machine_manifest(&m, p, f->workers, f->threads);
	m.set = (char **)o->sets.text;
	m.n_sets = o->sets.n;
	rc = tell_change(p, dir, e);
	if (!rc)
		rc = store_open(st, dir, p->study, &m, note, e);
	if (!rc && watch.fd >= 0)
		store_held_for(st, getppid());
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

static void tell_longer(const struct plan *p)
{
	if (p->n_extended)
		fprintf(stderr, "gapsweep: %d trial%s from the end of %s\n", p->n_extended,
			p->n_extended > 1 ? "s go on" : " goes on",
			p->n_extended > 1 ? "shorter runs that were kept" : "a shorter run that was kept");
	if (p->n_anew)
		fprintf(stderr,
			"gapsweep: %d trial%s anew although a shorter run was kept: with this schedule the rates of "
			"its "
			"first epochs depend on how many there are\n",
			p->n_anew, p->n_anew > 1 ? "s start" : " starts");
}

static int run_trials(const struct plan *p, const struct store *st, const struct run_options *o, const struct force *f,
		      struct runner_result *result, struct err *e)
{
	struct sweep sw = {.dir = st->dir, .n = p->n_todo, .no_report = o->no_report};
	const struct runner_listener l = {&sw, on_started, on_epoch, on_finished, on_gave_up};
	struct runner_options ro = {.workers = f->workers,
				    .threads = f->threads,
				    .memory = f->memory == SIZE_MAX ? 0 : f->memory,
				    .most_together = o->no_share ? 1 : share_most(p, f->workers, f->memory),
				    .kept = f->kept,
				    .checkpoint_s = o->checkpoint_s,
				    .checkpoint_epochs = o->checkpoint_epochs,
				    .watch = &watch};
	struct room room;
	int rc;

	*result = (struct runner_result){0};
	if (!p->n_todo) {
		if (!o->quiet)
			fprintf(stderr, "gapsweep: nothing to do: %s of %s finished\n",
				o->trials ? "the chosen trials" : "all trials", p->study->name);
		return 0;
	}
	if (!o->quiet)
		fprintf(stderr,
			"gapsweep: %s: %d trial%s to run, %d finished before, %d at a time on %d thread%s, into %s\n",
			p->study->name, p->n_todo, p->n_todo > 1 ? "s" : "", p->n_finished, f->workers, f->threads,
			f->threads > 1 ? "s" : "", st->dir);
	room_look(&room, p, st->dir, f->workers, ro.most_together, !o->no_report);
	room_warn(stderr, &room, st->dir);
	if (ro.most_together > 1)
		tell_longer(p);
	rc = o->no_share ? 0 : features_new(&ro.features, f->kept, e);
	if (rc)
		return rc;
	progress_init(&sw.progress, p, o->quiet, o->json);
	rc = runner_run(p, st, &ro, &stop, &l, result, e);
	progress_end(&sw.progress);
	features_free(ro.features);
	return rc;
}

/* Tables always; charts and report.html unless stopped or unwanted. What the trials came to is printed on out. */
static int report(const char *dir, const struct run_options *o, bool stopped, FILE *out, struct err *e)
{
	struct report_options ro = {
		.formats = REPORT_SVG | REPORT_PNG, .tables_only = stopped || o->no_report, .shown = out};
	int rc = report_write(dir, &ro, e);

	if (rc && rc != ERR_UNAVAILABLE)
		return rc;
	report_warn_of_font(stderr, &ro);
	if (ro.tables_only)
		fprintf(out, "%s/cells.csv\n", dir);
	else
		fprintf(out, "%s/report.html\n", dir);
	return rc;
}

static int conclude(const struct plan *p, const char *dir, const struct run_options *o,
		    const struct runner_result *result, int argc, char **argv, struct err *e)
{
	int left = p->n_todo - result->complete - result->diverged - result->failed;
	bool stopped = left > 0 && !result->gave_up;
	bool in_time = signals_time_is_up() || (stopped && !atomic_load(&stop)); /* not by a signal: a whole report */
	char again[2048];
	int rc = report(dir, o, stopped && !in_time, o->json ? stderr : stdout, e);

	if (stopped) {
		if (rc)
			fprintf(stderr, "gapsweep: %s\n", e->msg);
		command_text(again, sizeof(again), argc, argv);
		return err_set(e, ERR_INTERRUPTED, "%s with %d of %d trials to go; go on with: %.900s",
			       in_time ? "time is up" : "stopped", left, p->n_todo, again);
	}
	if (rc && rc != ERR_UNAVAILABLE)
		return rc;
	if (result->gave_up)
		return err_set(e, ERR_FAILED, "%d trials failed and %d were not started; the first was trial %d: %s",
			       result->failed, left, result->first_failed, result->reason);
	if (result->failed)
		return err_set(e, ERR_FAILED, "%d of %d trials failed; the first was trial %d: %s", result->failed,
			       p->n_todo, result->first_failed, result->reason);
	return rc;
}

static int sweep_study(const struct study *s, const struct run_options *o, int argc, char **argv, struct err *e)
{
	struct store st = {.lock_fd = -1};
	struct runner_result result;
	struct plan p;
	char dir[4096];
	struct force f;
	int rc;

	snprintf(dir, sizeof(dir), o->dir ? "%s" : "results/%s", o->dir ? o->dir : s->name);
	rc = plan_open(&p, s, e);
	if (rc)
		return rc;
	f = choose_force(o, &p);
	rc = selftest(engine_probe, f.threads, e);
	if (!rc)
		rc = open_directory(&st, &p, o, dir, &f, e);
	if (!rc)
		rc = measure_force(&f, &p, &st, o, e);
	if (!rc)
		rc = run_trials(&p, &st, o, &f, &result, e);
	if (!rc)
		rc = conclude(&p, dir, o, &result, argc, argv, e);
	store_close(&st);
	plan_release(&p);
	return rc;
}

/* Makes the directory beside, of the name that the grid file gives or -o. */
static int make_fresh(char dir[4096], const struct run_options *o, struct err *e)
{
	struct study s = {0};
	char base[4096];
	int rc = o->dir ? 0 : study_load(&s, o->grid, o->sets.text, o->sets.n, e);

	if (!rc) {
		snprintf(base, sizeof(base), o->dir ? "%s" : "results/%s", o->dir ? o->dir : s.name);
		rc = store_fresh(dir, base, e);
	}
	study_release(&s);
	return rc;
}

/*
 * Starts the supervisor. A runner that is started again must not make a directory again, nor the command that goes on: both
 * get `-o DIR` in the place of --fresh. getopt has moved the operand, and a "--" before it, to the end.
 */
static int start_supervisor(const struct run_options *o, int argc, char **argv, struct err *e)
{
	const struct supervise_options so = {o->trial_timeout_s, o->deadline_s};
	int end = !strcmp(argv[optind - 1], "--") ? optind - 1 : optind;
	char dir[4096];
	char **with;
	int n = 0;
	int rc;

	if (!o->fresh)
		return supervise(&so, argv - 1, e);
	rc = make_fresh(dir, o, e);
	if (rc)
		return rc;
	with = calloc((size_t)argc + 4, sizeof(*with));
	if (!with)
		return err_set(e, ERR_NOMEM, "out of memory");
	with[n++] = argv[-1];
	for (int i = 0; i < argc; i++) {
		if (i == end) {
			with[n++] = "-o";
			with[n++] = dir;
		}
		if (argv[i] != o->fresh)
			with[n++] = argv[i];
	}
	rc = supervise(&so, with, e);
	free(with);
	return rc;
}

int cmd_run(int argc, char **argv, struct err *e)
{
	struct run_options o = {0};
	struct study s = {0};
	int rc = run_options_parse(&o, argc, argv, e);

	if (rc == CMD_HELP) {
		cmd_sets_release(&o.sets);
		puts(run_help);
		return 0;
	}
	if (!rc && !getenv(WATCH_ENV)) {
		rc = start_supervisor(&o, argc, argv, e);
		cmd_sets_release(&o.sets);
		return rc;
	}
	if (!rc) {
		signals_install(&stop);
		rc = watch_open(&watch, e);
	}
	if (!rc)
		rc = engine_init(e);
	if (!rc)
		rc = engine_threads(sched_cpus(), e);
	if (!rc)
		rc = study_load(&s, o.grid, o.sets.text, o.sets.n, e);
	if (!rc)
		rc = sweep_study(&s, &o, argc, argv, e);
	study_release(&s);
	watch_close(&watch);
	cmd_sets_release(&o.sets);
	return rc;
}
