/* export.c - see export.h: the fields of a trial, and the formats that are text */
#include "sweep/report/export.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#include "sweep/base/csv.h"

static const char *const word[N_EXPORTS] = {"csv", "json", "latex", "markdown", "sqlite", "tensorboard"};

const char *export_word(int format)
{
	return format >= 0 && format < N_EXPORTS ? word[format] : NULL;
}

bool export_is_text(int format)
{
	return format < EXPORT_SQLITE;
}

/* ---- fields ------------------------------------------------------------------------------------------------ */

enum { F_NUMBER, F_VALUE, F_START, F_COMPLETE, F_DURATION, N_HEAD };
enum { F_CELL, F_SEED, F_KEY, F_EPOCHS, N_ATTRS };

int export_n_fields(const struct study *st)
{
	return N_HEAD + st->n_columns + N_ATTRS + N_METRICS + 1;
}

/* "2026-01-02 03:04:05", as pandas writes and reads it, of an ISO 8601 stamp. */
static void put_stamp(struct export_field *f, const char *name, const char *stamp)
{
	strcpy(f->name, name);
	f->is_text = true;
	snprintf(f->text, sizeof(f->text), "%.19s", stamp);
	if (strlen(f->text) > 10 && f->text[10] == 'T')
		f->text[10] = ' ';
}

static void put_number(struct export_field *f, const char *name, double v)
{
	snprintf(f->name, sizeof(f->name), "%s", name);
	f->number = v;
}

static void put_text(struct export_field *f, const char *name, const char *text)
{
	snprintf(f->name, sizeof(f->name), "%s", name);
	f->is_text = true;
	snprintf(f->text, sizeof(f->text), "%s", text);
}

/* pandas' form of a timedelta. */
static void put_duration(struct export_field *f, double s)
{
	char text[COLUMN_TEXT_MAX] = "";

	if (s >= 0 && s < 1e9)
		snprintf(text, sizeof(text), "%d days %02d:%02d:%09.6f", (int)(s / 86400), (int)(s / 3600) % 24,
			 (int)(s / 60) % 60, fmod(s, 60));
	put_text(f, "duration", text);
}

static double last_metric(const struct results *r, int trial, int metric)
{
	const struct result_trial *t = &r->trial[trial];

	return t->n_rows && t->end.state >= STATE_COMPLETE ? results_metric(r, trial, t->n_rows - 1, metric) : NAN;
}

static void head_field(struct export_field *f, const struct summary *s, int trial, int i)
{
	const struct result_trial *t = &s->results->trial[trial];
	bool ended = t->end.state >= STATE_COMPLETE;

	if (i == F_NUMBER)
		put_number(f, "number", trial);
	else if (i == F_VALUE)
		put_number(f, "value", last_metric(s->results, trial, s->metric));
	else if (i == F_START)
		put_stamp(f, "datetime_start", t->end.started);
	else if (i == F_COMPLETE)
		put_stamp(f, "datetime_complete", t->end.ended);
	else
		put_duration(f, ended ? t->end.wall_s : NAN);
}

static void param_field(struct export_field *f, const struct study *st, int cell, int i)
{
	char name[COLUMN_NAME_MAX + 8];
	char text[COLUMN_TEXT_MAX];
	double v;

	snprintf(name, sizeof(name), "params_%s", st->column[i].name);
	setting_text(st, &st->cell[cell].setting, i, text);
	if (*text && num_read(&v, text))
		put_number(f, name, v);
	else
		put_text(f, name, text);
}

static void attr_field(struct export_field *f, const struct result_trial *t, int i)
{
	char seed[32];

	snprintf(seed, sizeof(seed), "%llu", (unsigned long long)t->seed);
	if (i == F_CELL)
		put_number(f, "user_attrs_cell", t->cell);
	else if (i == F_SEED)
		put_text(f, "user_attrs_seed", seed);
	else if (i == F_KEY)
		put_text(f, "user_attrs_key", t->key);
	else
		put_number(f, "user_attrs_epochs", t->n_rows);
}

void export_field(struct export_field *f, const struct summary *s, int trial, int i)
{
	const struct study *st = s->results->study;
	const struct result_trial *t = &s->results->trial[trial];
	char name[64];

	*f = (struct export_field){.number = NAN};
	if (i < N_HEAD) {
		head_field(f, s, trial, i);
	} else if ((i -= N_HEAD) < st->n_columns) {
		param_field(f, st, t->cell, i);
	} else if ((i -= st->n_columns) < N_ATTRS) {
		attr_field(f, t, i);
	} else if ((i -= N_ATTRS) < N_METRICS) {
		snprintf(name, sizeof(name), "user_attrs_%s", metric_name(i));
		put_number(f, name, last_metric(s->results, trial, i));
	} else {
		put_text(f, "state", trial_state_word(t->end.state));
	}
}

/* ---- csv and json ------------------------------------------------------------------------------------------ */

static void export_csv(FILE *out, const struct summary *s)
{
	struct csv_row row = {.out = out};
	int n = export_n_fields(s->results->study);
	struct export_field f;

	for (int i = 0; i < n && s->results->n_trials; i++) {
		export_field(&f, s, 0, i);
		csv_text(&row, f.name);
	}
	csv_end(&row);
	for (int t = 0; t < s->results->n_trials; t++) {
		for (int i = 0; i < n; i++) {
			export_field(&f, s, t, i);
			if (f.is_text)
				csv_text(&row, f.text);
			else
				csv_maybe(&row, f.number);
		}
		csv_end(&row);
	}
}

/* JSON has no NaN: null. Numbers are written by num_text(), the shortest that reads back. */
static void json_value(FILE *out, const struct export_field *f)
{
	char text[NUM_MAX];
	json_t *string;

	if (!f->is_text) {
		fputs(isfinite(f->number) ? num_text(text, f->number) : "null", out);
		return;
	}
	string = json_stringn_nocheck(f->text, strlen(f->text));
	if (!*f->text || json_dumpf(string, out, JSON_ENCODE_ANY | JSON_ENSURE_ASCII))
		fputs("null", out);
	json_decref(string);
}

static void export_json(FILE *out, const struct summary *s)
{
	int n = export_n_fields(s->results->study);

	fputc('[', out);
	for (int t = 0; t < s->results->n_trials; t++) {
		fputs(t ? ",\n {" : "\n {", out);
		for (int i = 0; i < n; i++) {
			struct export_field f;
			struct export_field name = {.is_text = true};

			export_field(&f, s, t, i);
			snprintf(name.text, sizeof(name.text), "%s", f.name);
			fputs(i ? ", " : "", out);
			json_value(out, &name);
			fputs(": ", out);
			json_value(out, &f);
		}
		fputc('}', out);
	}
	fputs("\n]\n", out);
}

/* ---- tables of cells --------------------------------------------------------------------------------------- */

static void latex_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\\')
			fputs("\\textbackslash{}", out);
		else if (*text == '~')
			fputs("\\textasciitilde{}", out);
		else if (*text == '^')
			fputs("\\textasciicircum{}", out);
		else if (strchr("_&%#${}", *text))
			fprintf(out, "\\%c", *text);
		else
			fputc((unsigned char)*text < ' ' ? ' ' : *text, out);
	}
}

static void markdown_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (strchr("\\`*_[]<>|&#", *text))
			fputc('\\', out);
		fputc((unsigned char)*text < ' ' ? ' ' : *text, out);
	}
}

static void table_text(FILE *out, bool latex, const char *text)
{
	if (latex)
		latex_text(out, text);
	else
		markdown_text(out, text);
}

/* "87.3 +- 0.2" in the table's own signs. */
static void table_estimate(FILE *out, bool latex, const struct estimate *v)
{
	fputs(latex ? " & " : " | ", out);
	if (!v->n || isnan(v->mean)) {
		fputs(latex ? "--" : "–", out);
		return;
	}
	fprintf(out, latex ? "$%.1f" : "%.1f", 100 * v->mean);
	if (v->n > 1)
		fprintf(out, latex ? " \\pm %.1f" : " ± %.1f", 100 * v->sd);
	fputs(latex ? "$" : "", out);
}

static void table_difference(FILE *out, bool latex, const struct difference *d)
{
	fputs(latex ? " & " : " | ", out);
	if (d->d.n < 2 || isnan(d->d.lo))
		fputs(latex ? "--" : "–", out);
	else
		fprintf(out, latex ? "$%+.1f\\ [%+.1f, %+.1f]$" : "%+.1f [%+.1f, %+.1f]", 100 * d->d.mean,
			100 * d->d.lo, 100 * d->d.hi);
}

static void table_cells_for_people(FILE *out, const struct summary *s, bool latex)
{
	const struct study *st = s->results->study;

	for (int i = 0; i < st->n_cells; i++) {
		const struct cell_summary *c = &s->cell[i];
		char label[CELL_LABEL_MAX];

		fputs(latex ? "" : "| ", out);
		table_text(out, latex, cell_label(label, st, i));
		if (i == s->best)
			fputs(latex ? "$^\\star$" : " (best)", out);
		else if (i == s->baseline)
			fputs(latex ? "$^\\circ$" : " (baseline)", out);
		fprintf(out, latex ? " & %d" : " | %d", c->n);
		table_estimate(out, latex, &c->metric[METRIC_train_eval_acc]);
		table_estimate(out, latex, &c->metric[METRIC_val_acc]);
		table_estimate(out, latex, &c->metric[METRIC_gap]);
		table_difference(out, latex, &c->to_baseline[DIFF_GAP]);
		fputs(latex ? " \\\\\n" : " |\n", out);
	}
}

static void export_latex(FILE *out, const struct summary *s)
{
	fputs("% Needs \\usepackage{booktabs}. Accuracies in percent, gaps in points: mean and sample standard "
	      "deviation\n"
	      "% over n repeats after the last epoch; the difference is paired by seed, with its 95 % t interval.\n"
	      "{\\small\\setlength{\\tabcolsep}{4pt}%\n\\begin{tabular}{lrrrrr}\n\\toprule\n"
	      "cell & $n$ & train acc & val acc & gap & gap $-$ baseline \\\\\n\\midrule\n",
	      out);
	table_cells_for_people(out, s, true);
	fputs("\\bottomrule\n\\multicolumn{6}{l}{\\footnotesize $^\\star$ best, $^\\circ$ baseline; clean gap; mean "
	      "$\\pm$ sd, "
	      "paired 95\\,\\% $t$ intervals}\n\\end{tabular}}\n",
	      out);
}

static void export_markdown(FILE *out, const struct summary *s)
{
	fputs("| cell | n | train acc (%) | val acc (%) | gap (points) | gap − baseline (95 %) |\n"
	      "|---|--:|--:|--:|--:|--:|\n",
	      out);
	table_cells_for_people(out, s, false);
}

void export_text(FILE *out, int format, const struct summary *s)
{
	if (format == EXPORT_CSV)
		export_csv(out, s);
	else if (format == EXPORT_JSON)
		export_json(out, s);
	else if (format == EXPORT_LATEX)
		export_latex(out, s);
	else
		export_markdown(out, s);
}
