/* epochs.c - see epochs.h */
#include "sweep/run/epochs.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "sweep/base/csv.h"
#include "sweep/base/num.h"
#include "sweep/base/text.h"
#include "sweep/grid/metric.h"

/* The members that are read back, by their column: of a row, and of each group with `_NAME` behind. */
struct member {
	const char *name;
	size_t offset;
};
static const struct member row_member[] = {
	{"train_loss", offsetof(struct epoch_row, train_loss)},
	{"train_acc", offsetof(struct epoch_row, train_acc)},
	{"train_eval_loss", offsetof(struct epoch_row, train_eval_loss)},
	{"train_eval_acc", offsetof(struct epoch_row, train_eval_acc)},
	{"val_loss", offsetof(struct epoch_row, val_loss)},
	{"val_acc", offsetof(struct epoch_row, val_acc)},
};
static const struct member group_member[] = {
	{"lr", offsetof(struct group_row, lr)},
	{"grad_norm", offsetof(struct group_row, grad_norm)},
	{"update_ratio", offsetof(struct group_row, update_ratio)},
	{"drift", offsetof(struct group_row, drift)},
};
enum {
	ROW_MEMBERS = sizeof(row_member) / sizeof(*row_member),
	GROUP_MEMBERS = sizeof(group_member) / sizeof(*group_member)
};

static void group_column(char name[COLUMN_NAME_MAX], const struct member *m, const struct group_spec *g)
{
	snprintf(name, COLUMN_NAME_MAX, "%s_%s", m->name, g->name);
}

void epochs_header(FILE *out, const struct study *s)
{
	struct csv_row r = {.out = out};
	char name[COLUMN_NAME_MAX];

	csv_text(&r, "epoch");
	for (int m = 0; m < N_METRICS; m++)
		csv_text(&r, metric_name(m));
	for (int g = 0; g < s->n_groups; g++)
		for (int m = 0; m < GROUP_MEMBERS; m++) {
			group_column(name, &group_member[m], &s->group[g]);
			csv_text(&r, name);
		}
	csv_end(&r);
}

void epochs_row(FILE *out, const struct epoch_row *row, int n_groups)
{
	struct csv_row r = {.out = out};

	csv_int(&r, row->epoch);
	for (int m = 0; m < N_METRICS; m++)
		csv_num(&r, metric_value(row, m));
	for (int g = 0; g < n_groups; g++)
		for (int m = 0; m < GROUP_MEMBERS; m++)
			csv_num(&r, *(const double *)((const char *)&row->group[g] + group_member[m].offset));
	csv_end(&r);
}

size_t epochs_extent(const char *bytes, size_t n, const struct study *s, int rows)
{
	const char *at = bytes;
	struct err ignored;
	struct text head;
	bool same;

	if (text_open(&head, &ignored))
		return 0;
	epochs_header(head.f, s);
	same = !text_close(&head, &ignored) && n >= head.n && !memcmp(bytes, head.bytes, head.n);
	at += head.n;
	text_release(&head);
	if (!same)
		return 0;
	for (; rows > 0; rows--) {
		const char *end = memchr(at, '\n', n - (size_t)(at - bytes));

		if (!end)
			return 0;
		at = end + 1;
	}
	return (size_t)(at - bytes);
}

static int bad_cell(const struct csv_table *t, long row, int col, const char *path, struct err *e)
{
	return err_set(e, ERR_DATA, "%s:%ld: column %s: '%.40s' is not a number", path, row + 2, t->head[col],
		       t->cell[row * t->cols + col]);
}

/* One member of all rows, from the column called name into the structs at first, stride bytes apart. */
static int read_column(const struct csv_table *t, const char *name, void *first, size_t stride, const char *path,
		       struct err *e)
{
	int col = csv_column(t, name);

	if (col < 0)
		return err_set(e, ERR_DATA, "%s: no column '%s'", path, name);
	for (long i = 0; i < t->rows; i++)
		if (!num_read((double *)((char *)first + (size_t)i * stride), t->cell[i * t->cols + col]))
			return bad_cell(t, i, col, path, e);
	return 0;
}

static int read_rows(struct epoch_row *row, const struct csv_table *t, const struct study *s, const char *path,
		     struct err *e)
{
	size_t stride = sizeof(*row);
	char name[COLUMN_NAME_MAX];
	int rc = 0;

	for (int m = 0; m < ROW_MEMBERS && !rc; m++)
		rc = read_column(t, row_member[m].name, (char *)row + row_member[m].offset, stride, path, e);
	for (int g = 0; g < s->n_groups; g++)
		for (int m = 0; m < GROUP_MEMBERS && !rc; m++) {
			group_column(name, &group_member[m], &s->group[g]);
			rc = read_column(t, name, (char *)&row->group[g] + group_member[m].offset, stride, path, e);
		}
	for (long i = 0; i < t->rows && !rc; i++) {
		row[i].epoch = (int)i + 1;
		if (csv_number(t, i, csv_column(t, "epoch")) != (double)(i + 1))
			rc = err_set(e, ERR_DATA, "%s:%ld: expected epoch %ld", path, i + 2, i + 1);
	}
	return rc;
}

/* Where the number of a column goes, in bytes from the row's start; 0 (the epoch's place) for what follows from the rest. */
static size_t place_of(int col)
{
	int of_groups = col - 1 - N_METRICS;

	for (int m = 0; col && m < ROW_MEMBERS && of_groups < 0; m++)
		if (!strcmp(metric_name(col - 1), row_member[m].name))
			return row_member[m].offset;
	if (of_groups < 0)
		return 0;
	return offsetof(struct epoch_row, group) + (size_t)(of_groups / GROUP_MEMBERS) * sizeof(struct group_row) +
	       group_member[of_groups % GROUP_MEMBERS].offset;
}

/*
 * Rows as epochs_row() writes them, number after number: many times faster than by way of a table. False if they are
 * anything else, or wrong: read_rows() can read that, or tell what is wrong.
 */
static bool read_own_rows(struct epoch_row *row, long n_rows, const char *at, const char *end, int n_groups)
{
	size_t place[1 + N_METRICS + GROUP_MEMBERS * ENGINE_MAX_GROUPS];
	int cols = 1 + N_METRICS + GROUP_MEMBERS * n_groups;

	for (int col = 0; col < cols; col++)
		place[col] = place_of(col);
	for (long i = 0; i < n_rows; i++) {
		row[i].epoch = (int)i + 1;
		row[i].train_s = row[i].eval_s = 0;
		for (int col = 0; col < cols; col++, at++) {
			double value;

			at = num_field(&value, at, end);
			if (!at || *at != (col < cols - 1 ? ',' : '\n') || (!col && value != (double)(i + 1)))
				return false;
			if (place[col])
				memcpy((char *)&row[i] + place[col], &value, sizeof(value));
		}
	}
	return true;
}

static long count_lines(const char *at, const char *end)
{
	long n = 0;

	for (; at < end && (at = memchr(at, '\n', (size_t)(end - at))); at++)
		n++;
	return n;
}

int epochs_parse(struct epoch_row **row, int *n_rows, const char *bytes, size_t n, const struct study *s,
		 const char *path, struct err *e)
{
	const char *last = memrchr(bytes, '\n', n);
	struct csv_table t;
	size_t head;
	long own;
	int rc;

	*row = NULL;
	*n_rows = 0;
	if (!last) /* not even a header yet */
		return 0;
	head = epochs_extent(bytes, n, s, 0);
	own = head ? count_lines(bytes + head, last + 1) : 0;
	*row = own ? malloc((size_t)own * sizeof(**row)) : NULL;
	if (*row && read_own_rows(*row, own, bytes + head, last + 1, s->n_groups)) {
		*n_rows = (int)own;
		return 0;
	}
	free(*row);
	*row = NULL;
	rc = csv_parse(&t, bytes, (size_t)(last + 1 - bytes), path, e);
	if (rc)
		return rc;
	if (t.rows) {
		*row = calloc((size_t)t.rows, sizeof(**row));
		rc = *row ? read_rows(*row, &t, s, path, e) : err_set(e, ERR_NOMEM, "%s: out of memory", path);
	}
	if (rc) {
		free(*row);
		*row = NULL;
	} else {
		*n_rows = (int)t.rows;
	}
	csv_release(&t);
	return rc;
}
