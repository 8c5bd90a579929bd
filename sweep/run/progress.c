/* progress.c - see progress.h */
#include "sweep/run/progress.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "sweep/base/num.h"
#include "sweep/grid/metric.h"
#include "sweep/run/clock.h"

#define LINE_EVERY_S    2.0
#define REWRITE_EVERY_S 0.1

/* The parts of the line in the order in which they stand. */
enum part { TRIALS, RUNNING, FAILED, DIVERGED, TIME_LEFT, BEST, SETTINGS, N_PARTS };

/* A line under construction, or a part of it; what does not fit is cut. */
struct line {
	char text[1024];
	size_t n;
};

__attribute__((format(printf, 2, 3))) static void say(struct line *l, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(l->text + l->n, sizeof(l->text) - l->n, fmt, ap);
	va_end(ap);
	if (n > 0)
		l->n += (size_t)n;
	if (l->n > sizeof(l->text) - 1)
		l->n = sizeof(l->text) - 1;
}

static double slot_value(void *ctx, int slot)
{
	return metric_value(ctx, slot);
}

bool constraints_met(const struct study *s, const struct epoch_row *row)
{
	struct epoch_row copy = *row;

	for (int i = 0; i < s->n_constraints; i++)
		if (!expr_true(s->constraint[i].expr, slot_value, &copy))
			return false;
	return true;
}

static int epochs_of(const struct plan *plan, int trial)
{
	return plan_cell(plan, trial)->setting.hyper.epochs;
}

void progress_init(struct progress *p, const struct plan *plan, bool quiet, bool json)
{
	const char *term = getenv("TERM");

	*p = (struct progress){.plan = plan,
			       .quiet = quiet,
			       .json = json,
			       .in_place = isatty(2) && term && strcmp(term, "dumb") != 0,
			       .metric = metric_find(plan->study->metric),
			       .n = plan->n_todo,
			       .best = -1,
			       .began_s = clock_s(),
			       .shown_s = -INFINITY};
	for (int i = 0; i < plan->n_todo; i++)
		p->epochs_left += epochs_of(plan, plan->todo[i]);
	pthread_mutex_init(&p->lock, NULL);
}

static void say_settings(struct line *l, const struct plan *plan, int trial)
{
	const struct study *s = plan->study;

	for (int c = 0; c < s->n_columns; c++) {
		char text[COLUMN_TEXT_MAX];

		setting_text(s, &plan_cell(plan, trial)->setting, c, text);
		say(l, "%s%s %s", c ? ", " : "", s->column[c].name, text);
	}
	if (s->n_seeds > 1)
		say(l, ", seed %" PRIu64, plan_seed(plan, trial));
}

static void say_time_left(struct line *l, const struct progress *p)
{
	double elapsed = clock_s() - p->began_s;
	char text[NUM_MAX];

	if (p->epochs_seen > 0 && p->epochs_left > 0)
		say(l, ", about %s left", num_seconds(text, elapsed * p->epochs_left / p->epochs_seen));
	else if (p->finished == p->n)
		say(l, " in %s", num_seconds(text, elapsed));
}

static void say_best(struct line part[N_PARTS], const struct progress *p)
{
	if (p->best < 0) {
		if (p->plan->study->n_constraints && p->finished)
			say(&part[BEST], "; none meets the constraints yet");
		return;
	}
	say(&part[BEST], "; best %s %.4f", p->plan->study->metric, p->best_value);
	say(&part[SETTINGS], " (");
	say_settings(&part[SETTINGS], p->plan, p->best);
	say(&part[SETTINGS], ")");
}

static void say_parts(struct line part[N_PARTS], const struct progress *p)
{
	say(&part[TRIALS], "%d/%d trials", p->finished, p->n);
	if (p->running)
		say(&part[RUNNING], ", %d running", p->running);
	if (p->failed)
		say(&part[FAILED], ", %d failed", p->failed);
	if (p->diverged)
		say(&part[DIVERGED], ", %d diverged", p->diverged);
	say_time_left(&part[TIME_LEFT], p);
	say_best(part, p);
}

/* Whole parts, the most important ones that find room: half a figure is none. */
static void compose(struct line *l, const struct progress *p, size_t columns)
{
	static const enum part by_importance[] = {FAILED, TIME_LEFT, BEST, DIVERGED, RUNNING, SETTINGS};
	struct line part[N_PARTS] = {0};
	bool shown[N_PARTS] = {[TRIALS] = true};
	size_t width;

	say_parts(part, p);
	width = part[TRIALS].n;
	for (size_t i = 0; i < sizeof(by_importance) / sizeof(*by_importance); i++) {
		enum part k = by_importance[i];

		shown[k] = width + part[k].n <= columns && (k != SETTINGS || shown[BEST]);
		width += shown[k] ? part[k].n : 0;
	}
	for (int k = 0; k < N_PARTS; k++)
		if (shown[k])
			say(l, "%s", part[k].text);
}

static int terminal_columns(void)
{
	struct winsize w;

	return !ioctl(2, TIOCGWINSZ, &w) && w.ws_col > 1 ? w.ws_col : 80;
}

/* The lock is held. */
static void show(struct progress *p, bool at_once)
{
	double now = clock_s();
	struct line l = {0};

	if (p->quiet || (!at_once && now - p->shown_s < (p->in_place ? REWRITE_EVERY_S : LINE_EVERY_S)))
		return;
	p->shown_s = now;
	compose(&l, p, p->in_place ? (size_t)terminal_columns() - 1 : sizeof(l.text));
	if (p->in_place)
		fprintf(stderr, "\r%.*s\033[K", terminal_columns() - 1, l.text);
	else
		fprintf(stderr, "%s\n", l.text);
	fflush(stderr);
}

void progress_started(void *ctx, int trial)
{
	struct progress *p = ctx;

	(void)trial;
	pthread_mutex_lock(&p->lock);
	p->running++;
	if (p->in_place)
		show(p, false);
	pthread_mutex_unlock(&p->lock);
}

void progress_epoch(void *ctx, int trial, const struct epoch_row *row)
{
	struct progress *p = ctx;

	(void)trial;
	(void)row;
	pthread_mutex_lock(&p->lock);
	p->epochs_seen++;
	p->epochs_left--;
	if (p->in_place)
		show(p, false);
	pthread_mutex_unlock(&p->lock);
}

static void consider_best(struct progress *p, int trial, const struct epoch_row *last)
{
	const struct study *s = p->plan->study;
	double value = metric_value(last, p->metric);

	if (!isfinite(value) || !constraints_met(s, last))
		return;
	if (p->best < 0 || (s->goal == GOAL_MAXIMIZE ? value > p->best_value : value < p->best_value)) {
		p->best = trial;
		p->best_value = value;
	}
}

static json_t *number(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

static json_t *params_json(const struct study *s, const struct setting *set)
{
	json_t *params = json_object();

	for (int c = 0; c < s->n_columns; c++) {
		char text[COLUMN_TEXT_MAX];
		double value;

		setting_text(s, set, c, text);
		json_object_set_new(params, s->column[c].name,
				    num_read(&value, text) ? number(value) : json_string(text));
	}
	return params;
}

/* One line on stdout; numbers that are not finite are null, as JSON has no others. */
static void print_json(const struct plan *plan, int trial, const struct trial_end *end, const struct epoch_row *last)
{
	const struct study *s = plan->study;
	json_t *j = json_object();

	json_object_set_new(j, "trial", json_integer(trial));
	json_object_set_new(j, "key", json_string(plan->trial[trial].key));
	json_object_set_new(j, "cell", json_integer(trial / s->n_seeds));
	json_object_set_new(j, "seed", json_integer((json_int_t)plan_seed(plan, trial)));
	json_object_set_new(j, "state", json_string(trial_state_word(end->state)));
	json_object_set_new(j, "reason", json_string(end->reason));
	json_object_set_new(j, "epochs", json_integer(end->epochs));
	json_object_set_new(j, "params", params_json(s, &plan_cell(plan, trial)->setting));
	for (int m = 0; m < N_METRICS; m++)
		json_object_set_new(j, metric_name(m), last ? number(metric_value(last, m)) : json_null());
	json_object_set_new(j, "constraints_met", json_boolean(last && constraints_met(s, last)));
	json_object_set_new(j, "wall_s", number(end->wall_s));
	json_dumpf(j, stdout, JSON_COMPACT | JSON_REAL_PRECISION(17));
	fputc('\n', stdout);
	fflush(stdout);
	json_decref(j);
}

void progress_finished(void *ctx, int trial, const struct trial_end *end, const struct epoch_row *last)
{
	struct progress *p = ctx;

	pthread_mutex_lock(&p->lock);
	p->running--;
	if (end->state != STATE_RUNNING) {
		p->finished++;
		p->failed += end->state == STATE_FAIL;
		p->diverged += end->state == STATE_DIVERGED;
		p->epochs_left -= epochs_of(p->plan, trial) - end->epochs; /* what it will not run any more */
		if (last && end->state == STATE_COMPLETE)
			consider_best(p, trial, last);
		if (p->json)
			print_json(p->plan, trial, end, last);
		show(p, p->finished == 1 || p->finished == p->n);
	}
	pthread_mutex_unlock(&p->lock);
}

void progress_end(struct progress *p)
{
	if (!p->quiet && p->in_place) {
		show(p, true);
		fputc('\n', stderr);
	}
	pthread_mutex_destroy(&p->lock);
}
