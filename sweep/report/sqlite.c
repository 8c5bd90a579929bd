/* sqlite.c - export_sqlite(), see export.h */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sweep/base/text.h"
#include "sweep/report/export.h"

static int failed(sqlite3 *db, const char *path, struct err *e)
{
	return err_set(e, sqlite3_errcode(db) == SQLITE_NOMEM ? ERR_NOMEM : ERR_IO, "%s: %s", path, sqlite3_errmsg(db));
}

/* A column's name in double quotes, doubled inside. */
static void put_name(FILE *f, const char *name)
{
	fputc('"', f);
	for (; *name; name++) {
		if (*name == '"')
			fputc('"', f);
		fputc(*name, f);
	}
	fputc('"', f);
}

static const char *const group_word[] = {"lr_", "grad_norm_", "update_ratio_", "drift_"};

static int epoch_columns(const struct study *st)
{
	return 2 + N_METRICS + 4 * st->n_groups;
}

static void epoch_column(char name[COLUMN_NAME_MAX + 32], const struct study *st, int i)
{
	if (i < 2)
		strcpy(name, i ? "epoch" : "number");
	else if ((i -= 2) < N_METRICS)
		strcpy(name, metric_name(i));
	else
		snprintf(name, COLUMN_NAME_MAX + 32, "%s%s", group_word[(i - N_METRICS) % 4],
			 st->group[(i - N_METRICS) / 4].name);
}

static void column_name(char name[COLUMN_NAME_MAX + 32], const struct summary *s, bool epochs, int i)
{
	struct export_field f;

	if (epochs) {
		epoch_column(name, s->results->study, i);
		return;
	}
	export_field(&f, s, 0, i);
	strcpy(name, f.name);
}

/* CREATE TABLE and INSERT with as many places; malloc'ed. */
static char *statement(const struct summary *s, bool epochs, int n, bool create)
{
	struct err ignored; /* NULL says it */
	struct text t;
	FILE *f;

	if (text_open(&t, &ignored))
		return NULL;
	f = t.f;
	fprintf(f, "%s %s (", create ? "CREATE TABLE" : "INSERT INTO", epochs ? "epochs" : "trials");
	for (int i = 0; i < n; i++) {
		char name[COLUMN_NAME_MAX + 32];

		column_name(name, s, epochs, i);
		fputs(i ? ", " : "", f);
		put_name(f, name);
	}
	fputs(create ? ")" : ") VALUES (", f);
	for (int i = 0; !create && i < n; i++)
		fputs(i ? ",?" : "?", f);
	fputs(create ? "" : ")", f);
	if (text_close(&t, &ignored))
		text_release(&t);
	return t.bytes;
}

static int bind_number(sqlite3_stmt *st, int i, double v)
{
	if (isnan(v))
		return sqlite3_bind_null(st, i);
	if (v == rint(v) && fabs(v) < 1e15)
		return sqlite3_bind_int64(st, i, (sqlite3_int64)v);
	return sqlite3_bind_double(st, i, v);
}

static int insert_trials(sqlite3_stmt *st, const struct summary *s, int n)
{
	int rc = SQLITE_DONE;

	for (int t = 0; t < s->results->n_trials && rc == SQLITE_DONE; t++) {
		for (int i = 0; i < n; i++) {
			struct export_field f;

			export_field(&f, s, t, i);
			if (!f.is_text)
				bind_number(st, i + 1, f.number);
			else if (*f.text)
				sqlite3_bind_text(st, i + 1, f.text, -1, SQLITE_TRANSIENT);
			else
				sqlite3_bind_null(st, i + 1);
		}
		rc = sqlite3_step(st);
		sqlite3_reset(st);
	}
	return rc;
}

static int insert_epoch(sqlite3_stmt *st, const struct results *r, int trial, const struct epoch_row *row)
{
	int at = 1;
	int rc;

	bind_number(st, at++, trial);
	bind_number(st, at++, row->epoch);
	for (int m = 0; m < N_METRICS; m++)
		bind_number(st, at++, metric_value(row, m));
	for (int g = 0; g < r->study->n_groups; g++) {
		bind_number(st, at++, row->group[g].lr);
		bind_number(st, at++, row->group[g].grad_norm);
		bind_number(st, at++, row->group[g].update_ratio);
		bind_number(st, at++, row->group[g].drift);
	}
	rc = sqlite3_step(st);
	sqlite3_reset(st);
	return rc;
}

static int insert_epochs(sqlite3_stmt *st, const struct results *r)
{
	int rc = SQLITE_DONE;

	for (int t = 0; t < r->n_trials; t++)
		for (int i = 0; i < r->trial[t].n_rows && rc == SQLITE_DONE; i++) {
			struct epoch_row row;

			results_row(r, t, i, &row);
			rc = insert_epoch(st, r, t, &row);
		}
	return rc;
}

static int fill_table(sqlite3 *db, const char *path, const struct summary *s, bool epochs, struct err *e)
{
	int n = epochs ? epoch_columns(s->results->study) : export_n_fields(s->results->study);
	char *create = statement(s, epochs, n, true);
	char *insert = statement(s, epochs, n, false);
	sqlite3_stmt *st = NULL;
	int rc = 0;

	if (!create || !insert)
		rc = err_set(e, ERR_NOMEM, "%s: out of memory", path);
	else if (sqlite3_exec(db, create, NULL, NULL, NULL) || sqlite3_prepare_v2(db, insert, -1, &st, NULL) ||
		 (epochs ? insert_epochs(st, s->results) : insert_trials(st, s, n)) != SQLITE_DONE)
		rc = failed(db, path, e);
	sqlite3_finalize(st);
	free(create);
	free(insert);
	return rc;
}

int export_sqlite(const char *path, const struct summary *s, struct err *e)
{
	char temp[PATH_MAX];
	sqlite3 *db = NULL;
	int rc = 0;

	if (snprintf(temp, sizeof(temp), "%s.%ld.tmp", path, (long)getpid()) >= (int)sizeof(temp))
		return err_set(e, ERR_CANTCREAT, "%s: path too long", path);
	unlink(temp);
	if (sqlite3_open(temp, &db)) {
		rc = err_set(e, ERR_CANTCREAT, "%s: %s", path, db ? sqlite3_errmsg(db) : "out of memory");
	} else if (sqlite3_exec(db, "PRAGMA journal_mode = OFF; BEGIN", NULL, NULL, NULL)) {
		rc = failed(db, path, e);
	} else {
		rc = fill_table(db, path, s, false, e);
		if (!rc)
			rc = fill_table(db, path, s, true, e);
		if (!rc && sqlite3_exec(db, "COMMIT", NULL, NULL, NULL))
			rc = failed(db, path, e);
	}
	sqlite3_close(db);
	if (!rc && rename(temp, path))
		rc = err_set(e, ERR_CANTCREAT, "%s: %s", path, strerror(errno));
	if (rc)
		unlink(temp);
	return rc;
}
