/* results.c - see results.h */
#include "sweep/report/results.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD = 7, A_GROUP = 4 }; /* numbers a packed row has for the epoch and losses, and for each group */

static size_t row_width(const struct results *r)
{
	return (size_t)HEAD + (size_t)A_GROUP * (size_t)r->study->n_groups;
}

int results_init(struct results *r, const struct study *s, struct err *e)
{
	*r = (struct results){.study = s, .n_trials = s->n_cells * s->n_seeds};
	r->trial = calloc((size_t)r->n_trials + 1, sizeof(*r->trial));
	if (!r->trial)
		return err_set(e, ERR_NOMEM, "out of memory for %d trials", r->n_trials);
	for (int i = 0; i < r->n_trials; i++) {
		struct result_trial *t = &r->trial[i];

		t->cell = i / s->n_seeds;
		t->repeat = i % s->n_seeds;
		t->seed = s->seed[t->repeat];
		t->end.state = STATE_WAITING;
		t->best = -1;
	}
	return 0;
}

void results_release(struct results *r)
{
	for (int i = 0; r->trial && i < r->n_trials; i++)
		free(r->trial[i].row);
	free(r->trial);
	*r = (struct results){0};
}

static void pack(double *out, const struct epoch_row *row, int n_groups)
{
	double head[HEAD] = {row->epoch,          row->train_loss, row->train_acc, row->train_eval_loss,
			     row->train_eval_acc, row->val_loss,   row->val_acc};

	memcpy(out, head, sizeof(head));
	for (int g = 0; g < n_groups; g++) {
		double group[A_GROUP] = {row->group[g].lr, row->group[g].grad_norm, row->group[g].update_ratio,
					 row->group[g].drift};

		memcpy(out + HEAD + A_GROUP * g, group, sizeof(group));
	}
}

void results_row(const struct results *r, int trial, int i, struct epoch_row *row)
{
	const double *in = r->trial[trial].row + (size_t)i * row_width(r);

	row->epoch = (int)in[0];
	row->train_loss = in[1];
	row->train_acc = in[2];
	row->train_eval_loss = in[3];
	row->train_eval_acc = in[4];
	row->val_loss = in[5];
	row->val_acc = in[6];
	row->train_s = row->eval_s = 0;
	for (int g = 0; g < r->study->n_groups; g++) {
		const double *from = in + HEAD + A_GROUP * g;

		row->group[g] = (struct group_row){from[0], from[1], from[2], from[3]};
	}
}

double results_metric(const struct results *r, int trial, int i, int metric)
{
	struct epoch_row row;

	results_row(r, trial, i, &row);
	return metric_value(&row, metric);
}

int results_last_finite(const struct results *r, int trial)
{
	struct epoch_row row;

	for (int i = r->trial[trial].n_rows - 1; i >= 0; i--) {
		results_row(r, trial, i, &row);
		if (isfinite(row.train_loss) && isfinite(row.train_eval_loss) && isfinite(row.val_loss))
			return i;
	}
	return -1;
}

static double between(double a, double b, double part)
{
	return a + part * (b - a);
}

struct at_acc results_at_train_acc(const struct results *r, int trial, double acc)
{
	struct epoch_row before;
	struct epoch_row row;
	double part;

	for (int i = 0; i < r->trial[trial].n_rows; i++) {
		results_row(r, trial, i, &row);
		if (!(row.train_eval_acc >= acc)) {
			before = row;
			continue;
		}
		if (i == 0 && row.train_eval_acc > acc)
			break;
		if (i == 0 || isnan(before.train_eval_acc))
			before = row;
		part = row.train_eval_acc > before.train_eval_acc
			       ? (acc - before.train_eval_acc) / (row.train_eval_acc - before.train_eval_acc)
			       : 0;
		return (struct at_acc){between(before.epoch, row.epoch, part),
				       acc - between(before.val_acc, row.val_acc, part),
				       between(before.val_acc, row.val_acc, part)};
	}
	return (struct at_acc){NAN, NAN, NAN};
}

static double metric_slot(void *ctx, int slot)
{
	return ((const double *)ctx)[slot];
}

bool results_meet(const struct study *s, const double metric[N_METRICS])
{
	double copy[N_METRICS];

	memcpy(copy, metric, sizeof(copy));
	for (int i = 0; i < s->n_constraints; i++)
		if (!expr_true(s->constraint[i].expr, metric_slot, copy))
			return false;
	return true;
}

int results_set_rows(struct results *r, int trial, const struct epoch_row *row, int n, struct err *e)
{
	struct result_trial *t = &r->trial[trial];
	double last[N_METRICS];

	free(t->row);
	t->best = -1;
	t->row = n ? malloc((size_t)n * row_width(r) * sizeof(double)) : NULL;
	t->n_rows = t->row ? n : 0;
	if (n && !t->row)
		return err_set(e, ERR_NOMEM, "out of memory for %d epochs", n);
	for (int i = 0; i < n; i++) {
		pack(t->row + (size_t)i * row_width(r), &row[i], r->study->n_groups);
		if (!isnan(row[i].val_acc) && (t->best < 0 || row[i].val_acc > row[t->best].val_acc))
			t->best = i;
	}
	for (int m = 0; n && m < N_METRICS; m++)
		last[m] = metric_value(&row[n - 1], m);
	t->met = n && results_meet(r->study, last);
	return 0;
}

const char *rate_text(char out[NUM_MAX], double rate)
{
	char digits[NUM_MAX];
	char *mark;
	int exponent;

	if (rate == 0 || !isfinite(rate) || (fabs(rate) >= 0.1 && fabs(rate) < 1000)) {
		snprintf(out, NUM_MAX, "%.3g", rate);
		return out;
	}
	for (int n = 0; n <= 2; n++) {
		snprintf(digits, sizeof(digits), "%.*e", n, rate);
		if (fabs(strtod(digits, NULL) - rate) < 1e-9 * fabs(rate))
			break;
	}
	mark = strchr(digits, 'e');
	exponent = atoi(mark + 1);
	snprintf(out, NUM_MAX, "%.*se%d", (int)(mark - digits), digits, exponent);
	return out;
}

bool column_varies(const struct study *s, int column)
{
	char first[COLUMN_TEXT_MAX] = "";
	char other[COLUMN_TEXT_MAX] = "";

	for (int i = 0; i < s->n_cells; i++) {
		setting_text(s, &s->cell[i].setting, column, i ? other : first);
		if (i && strcmp(first, other))
			return true;
	}
	return false;
}

static void append(char out[CELL_LABEL_MAX], const char *text)
{
	size_t n = strlen(out);

	for (; *text && n < CELL_LABEL_MAX - 1; text++)
		out[n++] = (unsigned char)*text < ' ' ? ' ' : *text == '"' ? '\'' : *text;
	out[n] = 0;
}

static bool is_rate(const struct column *c)
{
	return !c->field && !c->is_weight_decay;
}

static bool is_optimizer(const struct column *c)
{
	return c->field && !strcmp(c->field->name, "optimizer");
}

/* The optimizer, then the rates in group order, which is the columns' order. */
static void append_rates(char out[CELL_LABEL_MAX], const struct study *s, const struct setting *set)
{
	char word[COLUMN_TEXT_MAX];
	bool any = false;

	for (int i = 0; i < s->n_columns; i++) {
		if (!is_optimizer(&s->column[i]))
			continue;
		setting_text(s, set, i, word);
		append(out, word);
	}
	for (int i = 0; i < s->n_columns; i++) {
		char rate[NUM_MAX];

		if (!is_rate(&s->column[i]))
			continue;
		append(out, any ? " / " : *out ? " " : "");
		append(out, rate_text(rate, setting_value(s, set, i)));
		any = true;
	}
}

const char *cell_label(char out[CELL_LABEL_MAX], const struct study *s, int cell)
{
	const struct setting *set = &s->cell[cell].setting;

	*out = 0;
	append_rates(out, s, set);
	for (int i = 0; i < s->n_columns; i++) {
		char word[COLUMN_TEXT_MAX];

		if (is_rate(&s->column[i]) || is_optimizer(&s->column[i]) || !column_varies(s, i))
			continue;
		setting_text(s, set, i, word);
		if (!*word)
			continue; /* means nothing to this optimizer */
		append(out, *out ? " " : "");
		append(out, s->column[i].name);
		append(out, "=");
		append(out, word);
	}
	return out;
}
