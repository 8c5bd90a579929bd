/* table.c - see table.h */
#include "sweep/report/table.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sweep/base/csv.h"
#include "engine/base/file.h"
#include "engine/base/io.h"
#include "sweep/report/effects.h"
#include "sweep/report/images.h"

/* A column name made of parts, as one field. */
static void head(struct csv_row *row, const char *prefix, const char *name, const char *suffix)
{
	char text[COLUMN_NAME_MAX + 64];

	snprintf(text, sizeof(text), "%s%s%s", prefix, name, suffix);
	csv_text(row, text);
}

static void head_words(struct csv_row *row, const char *const *word, int n)
{
	for (int i = 0; i < n; i++)
		csv_text(row, word[i]);
}

#define HEAD_WORDS(row, ...) \
	head_words(row, (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void head_params(struct csv_row *row, const struct study *s)
{
	for (int i = 0; i < s->n_columns; i++)
		head(row, "params_", s->column[i].name, "");
}

static void params(struct csv_row *row, const struct study *s, int cell)
{
	char text[COLUMN_TEXT_MAX];

	for (int i = 0; i < s->n_columns; i++) {
		setting_text(s, &s->cell[cell].setting, i, text);
		csv_text(row, text);
	}
}

static bool ended_with_figures(const struct result_trial *t)
{
	return t->n_rows &&
	       (t->end.state == STATE_COMPLETE || t->end.state == STATE_DIVERGED || t->end.state == STATE_PRUNED);
}

/* All metrics of row i, or as many empty fields if i < 0. */
static void metrics(struct csv_row *row, const struct results *r, int trial, int i)
{
	for (int m = 0; m < N_METRICS; m++) {
		if (i < 0)
			csv_text(row, NULL);
		else
			csv_num(row, results_metric(r, trial, i, m));
	}
}

static int best_epoch(const struct results *r, int trial, int i)
{
	struct epoch_row row;

	results_row(r, trial, i, &row);
	return row.epoch;
}

/* Where it diverged, who left first, and the last epoch with figures (0: none has). */
static void divergence(struct csv_row *row, const struct results *r, int trial)
{
	const struct trial_end *end = &r->trial[trial].end;

	if (end->state != STATE_DIVERGED) {
		for (int i = 0; i < 3; i++)
			csv_text(row, NULL);
		return;
	}
	csv_int(row, end->diverged_epoch);
	csv_text(row, end->diverged_group);
	csv_int(row, results_last_finite(r, trial) + 1);
}

static void trial_line(struct csv_row *row, const struct results *r, int i)
{
	const struct result_trial *t = &r->trial[i];
	bool figures = ended_with_figures(t);
	int best = figures ? t->best : -1;
	struct at_acc at = {NAN, NAN, NAN};

	csv_int(row, i);
	csv_text(row, t->key);
	csv_int(row, t->cell);
	csv_int(row, (long long)t->seed);
	csv_text(row, trial_state_word(t->end.state));
	csv_int(row, t->n_rows);
	params(row, r->study, t->cell);
	metrics(row, r, i, figures ? t->n_rows - 1 : -1);
	csv_maybe(row, best < 0 ? NAN : best_epoch(r, i, best));
	metrics(row, r, i, best);
	csv_maybe(row, figures ? t->met && t->end.state == STATE_COMPLETE : NAN);
	if (figures)
		at = results_at_train_acc(r, i, r->study->at_train_acc);
	csv_maybe(row, at.epoch);
	csv_maybe(row, at.gap);
	csv_maybe(row, at.val_acc);
	divergence(row, r, i);
	csv_end(row);
}

void table_trials(FILE *out, const struct results *r)
{
	struct csv_row row = {.out = out};

	HEAD_WORDS(&row, "trial", "key", "cell", "seed", "state", "epochs");
	head_params(&row, r->study);
	for (int m = 0; m < N_METRICS; m++)
		csv_text(&row, metric_name(m));
	csv_text(&row, "best_epoch");
	for (int m = 0; m < N_METRICS; m++)
		head(&row, "best_", metric_name(m), "");
	HEAD_WORDS(&row, "constraints_met", "at_train_acc_epoch", "at_train_acc_gap", "at_train_acc_val_acc");
	HEAD_WORDS(&row, "diverged_epoch", "diverged_group", "last_finite_epoch");
	csv_end(&row);
	for (int i = 0; i < r->n_trials; i++)
		trial_line(&row, r, i);
}

static void epoch_line(struct csv_row *row, const struct results *r, int trial, int i)
{
	struct epoch_row er;

	results_row(r, trial, i, &er);
	csv_int(row, trial);
	csv_text(row, r->trial[trial].key);
	csv_int(row, er.epoch);
	for (int m = 0; m < N_METRICS; m++)
		csv_num(row, metric_value(&er, m));
	for (int g = 0; g < r->study->n_groups; g++) {
		csv_num(row, er.group[g].lr);
		csv_maybe(row, er.group[g].grad_norm); /* a frozen group has none */
		csv_num(row, er.group[g].update_ratio);
		csv_num(row, er.group[g].drift);
	}
	csv_end(row);
}

/* One line of a trial's own table, without its end; where a frozen group has no gradient, nan becomes empty. */
static void copy_line(FILE *out, const char *line, const char *end, int n_groups)
{
	int first = 1 + N_METRICS + 1; /* columns: epoch, metrics, then lr, grad_norm, update_ratio, drift a group */

	for (int col = 0; line <= end; col++) {
		const char *comma = memchr(line, ',', (size_t)(end - line));
		const char *stop = comma ? comma : end;
		bool gradient = col >= first && (col - first) % 4 == 0 && col < first + 4 * n_groups;

		if (col)
			fputc(',', out);
		if (!gradient || stop - line != 3 || memcmp(line, "nan", 3) != 0)
			fwrite(line, 1, (size_t)(stop - line), out);
		line = stop + 1;
	}
}

/* A trial's rows as they stand in its own table: the same text as epoch_line() makes, without making it again. */
static bool copy_rows(FILE *out, const struct results *r, int trial)
{
	const struct result_trial *t = &r->trial[trial];
	size_t n = 0;
	char *rows = r->store && t->n_rows ? store_read_rows(r->store, r->study, t->key, t->n_rows, &n) : NULL;
	bool as_it_is = rows && !memchr(rows, 'n', n); /* no nan */
	char start[TRIAL_KEY_MAX + 16];
	size_t width = (size_t)snprintf(start, sizeof(start), "%d,%s,", trial, t->key);

	for (const char *line = rows; rows && line < rows + n;) {
		const char *end = memchr(line, '\n', n - (size_t)(line - rows));

		fwrite(start, 1, width, out);
		if (as_it_is) {
			fwrite(line, 1, (size_t)(end + 1 - line), out);
		} else {
			copy_line(out, line, end, r->study->n_groups);
			fputc('\n', out);
		}
		line = end + 1;
	}
	free(rows);
	return rows;
}

void table_epochs(FILE *out, const struct results *r)
{
	static const char *const figure[] = {"lr_", "grad_norm_", "update_ratio_", "drift_"};
	struct csv_row row = {.out = out};

	HEAD_WORDS(&row, "trial", "key", "epoch");
	for (int m = 0; m < N_METRICS; m++)
		csv_text(&row, metric_name(m));
	for (int g = 0; g < r->study->n_groups; g++)
		for (int i = 0; i < 4; i++)
			head(&row, figure[i], r->study->group[g].name, "");
	csv_end(&row);
	for (int t = 0; t < r->n_trials; t++)
		for (int i = 0; !(i == 0 && copy_rows(out, r, t)) && i < r->trial[t].n_rows; i++)
			epoch_line(&row, r, t, i);
}

static const char *const diff_head[2][N_DIFFS] = {
	{[DIFF_GAP] = "gap_minus_baseline", [DIFF_VAL_ACC] = "val_acc_minus_baseline"},
	{[DIFF_GAP] = "gap_minus_best", [DIFF_VAL_ACC] = "val_acc_minus_best"},
};

static void head_estimate(struct csv_row *row, const char *name)
{
	static const char *const part[] = {"_mean", "_sd", "_ci95_lo", "_ci95_hi"};

	for (int i = 0; i < 4; i++)
		head(row, "", name, part[i]);
}

static void put_estimate(struct csv_row *row, const struct estimate *v)
{
	csv_maybe(row, v->mean);
	csv_maybe(row, v->sd);
	csv_maybe(row, v->lo);
	csv_maybe(row, v->hi);
}

static void head_cells(struct csv_row *row, const struct study *s)
{
	static const char *const diff_part[] = {"_mean", "_ci95_lo", "_ci95_hi", "_p", "_p_holm"};

	csv_text(row, "cell");
	head_params(row, s);
	HEAD_WORDS(row, "n", "n_diverged", "n_failed");
	for (int m = 0; m < N_METRICS; m++)
		head_estimate(row, metric_name(m));
	HEAD_WORDS(row, "constraints_met_share", "constraints_met_ci95_lo", "constraints_met_ci95_hi");
	for (int to = 0; to < 2; to++)
		for (int d = 0; d < N_DIFFS; d++)
			for (int i = 0; i < 5; i++)
				head(row, "", diff_head[to][d], diff_part[i]);
	HEAD_WORDS(row, "baseline", "best", "feasible", "like_best");
	head_estimate(row, "best_gap");
	HEAD_WORDS(row, "at_train_acc", "at_train_acc_n");
	head_estimate(row, "at_train_acc_gap");
	head_estimate(row, "at_train_acc_val_acc");
	csv_end(row);
}

static void differences(struct csv_row *row, const struct difference diff[N_DIFFS])
{
	for (int i = 0; i < N_DIFFS; i++) {
		csv_maybe(row, diff[i].d.mean);
		csv_maybe(row, diff[i].d.lo);
		csv_maybe(row, diff[i].d.hi);
		csv_maybe(row, diff[i].p);
		csv_maybe(row, diff[i].holm);
	}
}

static void cell_line(struct csv_row *row, const struct summary *s, int i)
{
	const struct cell_summary *c = &s->cell[i];

	csv_int(row, i);
	params(row, s->results->study, i);
	csv_int(row, c->n);
	csv_int(row, c->n_diverged);
	csv_int(row, c->n_failed);
	for (int m = 0; m < N_METRICS; m++)
		put_estimate(row, &c->metric[m]);
	csv_maybe(row, c->met_share);
	csv_maybe(row, c->met_ci.lo);
	csv_maybe(row, c->met_ci.hi);
	differences(row, c->to_baseline);
	differences(row, c->to_best);
	csv_int(row, i == s->baseline);
	csv_int(row, i == s->best);
	csv_int(row, c->feasible);
	csv_int(row, c->like_best);
	put_estimate(row, &c->best_gap);
	csv_num(row, s->results->study->at_train_acc);
	csv_int(row, c->at_gap.n);
	put_estimate(row, &c->at_gap);
	put_estimate(row, &c->at_val_acc);
	csv_end(row);
}

void table_cells(FILE *out, const struct summary *s)
{
	struct csv_row row = {.out = out};

	head_cells(&row, s->results->study);
	for (int i = 0; i < s->results->study->n_cells; i++)
		cell_line(&row, s, i);
}

void table_timings(FILE *out, const struct results *r)
{
	struct csv_row row = {.out = out};

	HEAD_WORDS(&row, "trial", "key", "host", "attempt", "worker", "started", "ended", "train_s", "eval_s", "wall_s",
		   "macs", "macs_reused", "epochs_reused", "reused_from");
	csv_end(&row);
	for (int i = 0; i < r->n_trials; i++) {
		const struct trial_end *end = &r->trial[i].end;

		if (end->state == STATE_WAITING || end->state == STATE_RUNNING)
			continue;
		csv_int(&row, i);
		csv_text(&row, r->trial[i].key);
		csv_text(&row, end->host);
		csv_int(&row, end->attempt);
		csv_int(&row, end->worker);
		csv_text(&row, end->started);
		csv_text(&row, end->ended);
		csv_maybe(&row, end->train_s);
		csv_maybe(&row, end->eval_s);
		csv_maybe(&row, end->wall_s);
		csv_num(&row, end->macs);
		csv_num(&row, end->macs_reused);
		csv_int(&row, end->epochs_reused);
		csv_text(&row, end->reused_from);
		csv_end(&row);
	}
}

static int close_table(FILE *f, const char *temp, const char *path, struct err *e)
{
	bool bad = fflush(f) || ferror(f) || io->fsync(fileno(f));

	bad |= fclose(f) != 0;
	if (bad || io->rename(temp, path)) {
		io->unlink(temp);
		return err_set(e, ERR_IO, "%s: %s", path, strerror(errno));
	}
	return 0;
}

static void drop_table(FILE *f, const char *temp)
{
	fclose(f);
	io->unlink(temp);
}

/* Written as a stream, not through a block of memory: epochs.csv of a long sweep has hundreds of megabytes. */
static FILE *open_table(char temp[PATH_MAX], char path[PATH_MAX], const char *dir, const char *name, struct err *e)
{
	static char buffer[1 << 18]; /* one table at a time is open */
	FILE *f = NULL;
	int fd;

	if (path_join(path, PATH_MAX, dir, name, e))
		return NULL;
	if (snprintf(temp, PATH_MAX, "%s.%ld.tmp", path, (long)getpid()) >= PATH_MAX) {
		err_set(e, ERR_CANTCREAT, "%s: path too long", path);
		return NULL;
	}
	fd = io->open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd >= 0)
		f = fdopen(fd, "w");
	if (f)
		setvbuf(f, buffer, _IOFBF, sizeof(buffer));
	if (!f)
		err_set(e, errno == ENOMEM ? ERR_NOMEM : ERR_CANTCREAT, "%s: %s", path, strerror(errno));
	if (!f && fd >= 0)
		io->close(fd);
	return f;
}

int tables_write(const char *dir, const struct summary *s, struct err *e)
{
	static const char *const name[] = {"trials.csv",  "epochs.csv", "cells.csv",
					   "effects.csv", "images.csv", "timings.csv"};
	int rc = 0;

	for (int i = 0; i < 6 && !rc; i++) {
		char temp[PATH_MAX];
		char path[PATH_MAX];
		FILE *f = open_table(temp, path, dir, name[i], e);

		if (!f)
			return e->code;
		if (i == 0)
			table_trials(f, s->results);
		else if (i == 1)
			table_epochs(f, s->results);
		else if (i == 2)
			table_cells(f, s);
		else if (i == 3)
			rc = table_effects(f, s, e);
		else if (i == 4)
			rc = table_images(f, s, e);
		else
			table_timings(f, s->results);
		if (!rc)
			rc = close_table(f, temp, path, e);
		else
			drop_table(f, temp);
	}
	return rc;
}
