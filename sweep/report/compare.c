/* compare.c - see compare.h */
#include "sweep/report/compare.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/base/file.h"
#include "sweep/base/csv.h"
#include "sweep/base/text.h"
#include "sweep/report/chart.h"
#include "sweep/report/compare_html.h"

/* ---- matching ---------------------------------------------------------------------------------------------- */

static bool fields_match(const struct hyper *a, const struct hyper *b)
{
	for (int i = 0; i < n_hyper_fields; i++) {
		const struct field *f = &hyper_fields[i];

		/* lr is only the default of the groups' own, which are looked at themselves */
		if (strcmp(f->name, "lr") != 0 && hyper_applies(f, a) && !field_same(f, a, b))
			return false;
	}
	return true;
}

static bool cells_match(const struct study *a, int i, const struct study *b, int k)
{
	const struct setting *x = &a->cell[i].setting;
	const struct setting *y = &b->cell[k].setting;

	if (a->n_groups != b->n_groups || !fields_match(&x->hyper, &y->hyper))
		return false;
	for (int g = 0; g < a->n_groups; g++) {
		int other = 0;

		while (other < b->n_groups && strcmp(a->group[g].name, b->group[other].name) != 0)
			other++;
		if (other == b->n_groups || x->group_lr[g] != y->group_lr[other] ||
		    x->group_weight_decay[g] != y->group_weight_decay[other])
			return false;
	}
	return true;
}

static int find_cell(const struct study *a, int cell, const struct study *b)
{
	for (int k = 0; k < b->n_cells; k++)
		if (cells_match(a, cell, b, k))
			return k;
	return -1;
}

/* ---- differences ------------------------------------------------------------------------------------------- */

static const struct result_trial *trial_of(const struct results *r, int cell, uint64_t seed)
{
	for (int i = 0; i < r->study->n_seeds; i++) {
		const struct result_trial *t = &r->trial[(size_t)cell * (size_t)r->study->n_seeds + (size_t)i];

		if (t->seed == seed && result_complete(t))
			return t;
	}
	return NULL;
}

static double last_of(const struct results *r, const struct result_trial *t, int metric)
{
	return results_metric(r, (int)(t - r->trial), t->n_rows - 1, metric);
}

static struct difference difference(const struct results *a, int i, const struct results *b, int k, int metric,
				    double *room)
{
	struct difference d = {.holm = NAN};
	int n = 0;

	for (int s = 0; s < a->study->n_seeds; s++) {
		const struct result_trial *ta = trial_of(a, i, a->study->seed[s]);
		const struct result_trial *tb = k < 0 ? NULL : trial_of(b, k, a->study->seed[s]);

		if (ta && tb)
			room[n++] = last_of(b, tb, metric) - last_of(a, ta, metric);
	}
	d.d = estimate_of(room, n, n > 1 ? t_quantile(0.975, n - 1) : NAN);
	d.p = paired_p(&d.d);
	return d;
}

static int correct(struct comparison *c, int run, int diff)
{
	double *p = calloc((size_t)c->n_cells * 2 + 1, sizeof(*p));
	int rc = p ? 0 : -1;

	for (int i = 0; p && i < c->n_cells; i++)
		p[i] = c->cell[i].diff[run][diff].p;
	if (p)
		rc = holm(p + c->n_cells, p, c->n_cells);
	for (int i = 0; !rc && i < c->n_cells; i++)
		c->cell[i].diff[run][diff].holm = p[c->n_cells + i];
	free(p);
	return rc;
}

static bool add_cell(struct comparison *c, int cell)
{
	struct compared_cell *to = &c->cell[c->n_cells];
	bool shared = false;

	to->cell[0] = cell;
	for (int r = 1; r < c->n_runs; r++) {
		to->cell[r] = find_cell(c->run[0].s->results->study, cell, c->run[r].s->results->study);
		shared |= to->cell[r] >= 0;
		c->n_alone[r] -= to->cell[r] >= 0;
	}
	c->n_cells += shared;
	c->n_alone[0] -= shared;
	return shared;
}

static int compare_cells(struct comparison *c)
{
	static const int metric[N_DIFFS] = {[DIFF_GAP] = METRIC_gap, [DIFF_VAL_ACC] = METRIC_val_acc};
	const struct results *first = c->run[0].s->results;
	double *room = calloc((size_t)first->study->n_seeds + 1, sizeof(*room));
	int rc = room ? 0 : -1;

	for (int r = 1; r < c->n_runs && !rc; r++)
		for (int d = 0; d < N_DIFFS && !rc; d++) {
			for (int i = 0; i < c->n_cells; i++)
				c->cell[i].diff[r][d] = difference(first, c->cell[i].cell[0], c->run[r].s->results,
								   c->cell[i].cell[r], metric[d], room);
			rc = correct(c, r, d);
		}
	free(room);
	return rc;
}

int comparison_init(struct comparison *c, const struct compared_run *run, int n_runs, struct err *e)
{
	int n = run[0].s->results->study->n_cells;

	*c = (struct comparison){.n_runs = n_runs};
	memcpy(c->run, run, (size_t)n_runs * sizeof(*run));
	for (int r = 0; r < n_runs; r++)
		c->n_alone[r] = run[r].s->results->study->n_cells;
	c->cell = calloc((size_t)n + 1, sizeof(*c->cell));
	for (int i = 0; c->cell && i < n; i++)
		add_cell(c, i);
	if (c->cell && !compare_cells(c))
		return 0;
	comparison_release(c);
	return err_set(e, ERR_NOMEM, "out of memory for %d cells", n);
}

void comparison_release(struct comparison *c)
{
	free(c->cell);
	*c = (struct comparison){0};
}

/* ---- what differs ------------------------------------------------------------------------------------------ */

const char *comparison_fact(char out[COMPARE_FACT_TEXT], const struct results *r, int k)
{
	static const struct manifest none;
	const struct manifest *m = r->manifest ? r->manifest : &none;
	size_t n = 0;

	*out = 0;
	switch (k) {
	case 0:
		snprintf(out, COMPARE_FACT_TEXT, "%s", m->version);
		break;
	case 1:
		snprintf(out, COMPARE_FACT_TEXT, "%d", m->numerics);
		break;
	case 2:
		snprintf(out, COMPARE_FACT_TEXT, "%s", m->kernels);
		break;
	case 3:
		snprintf(out, COMPARE_FACT_TEXT, "%s", m->blas);
		break;
	case 4:
		snprintf(out, COMPARE_FACT_TEXT, "%s", m->cpu);
		break;
	case 5:
		snprintf(out, COMPARE_FACT_TEXT, "%s", m->host);
		break;
	case 6:
		snprintf(out, COMPARE_FACT_TEXT, "%s (%lld images)", m->train_hash, (long long)m->n_train);
		break;
	case 7:
		snprintf(out, COMPARE_FACT_TEXT, "%s (%lld images)", m->val_hash, (long long)m->n_val);
		break;
	case 8:
		snprintf(out, COMPARE_FACT_TEXT, "%s", *m->weights_hash ? m->weights_hash : "none");
		break;
	case 9:
		snprintf(out, COMPARE_FACT_TEXT, "%s", m->git);
		break;
	case 10:
		snprintf(out, COMPARE_FACT_TEXT, "%d", r->study->n_seeds);
		break;
	case 11:
		for (int i = 0; i < m->n_sets && n < COMPARE_FACT_TEXT; i++)
			n += (size_t)snprintf(out + n, COMPARE_FACT_TEXT - n, "%s%s", i ? " " : "", m->set[i]);
		break;
	default:
		snprintf(out, COMPARE_FACT_TEXT, "%s (%zu bytes)", r->study->name ? r->study->name : "",
			 r->study->text_bytes);
	}
	return out;
}

const char *const comparison_fact_name[COMPARE_FACTS] = {"gapsweep", "numerics",   "kernels",  "BLAS",    "CPU",
							 "host",     "train data", "val data", "weights", "git",
							 "repeats",  "--set",      "grid file"};
bool comparison_fact_differs(const struct comparison *c, int k)
{
	const struct study *first = c->run[0].s->results->study;
	char a[COMPARE_FACT_TEXT];
	char b[COMPARE_FACT_TEXT];

	for (int r = 1; r < c->n_runs; r++) {
		const struct study *other = c->run[r].s->results->study;

		if (strcmp(comparison_fact(a, c->run[0].s->results, k), comparison_fact(b, c->run[r].s->results, k)) !=
		    0)
			return true;
		if (k == COMPARE_FACTS - 1 && (first->text_bytes != other->text_bytes ||
					       memcmp(first->text, other->text, first->text_bytes) != 0))
			return true;
	}
	return false;
}

/* ---- on a terminal ----------------------------------------------------------------------------------------- */

static void print_facts(FILE *out, const struct comparison *c)
{
	char text[COMPARE_FACT_TEXT];
	int n = 0;

	for (int k = 0; k < COMPARE_FACTS; k++) {
		if (!comparison_fact_differs(c, k))
			continue;
		fprintf(out, "%s%s:\n", n++ ? "" : "What differs\n", comparison_fact_name[k]);
		for (int r = 0; r < c->n_runs; r++)
			fprintf(out, "  %-24s %s\n", c->run[r].name, comparison_fact(text, c->run[r].s->results, k));
	}
	if (!n)
		fputs("The runs have version, machine, data, weights and grid file in common.\n", out);
	for (int r = 0; r < c->n_runs; r++)
		if (c->n_alone[r])
			fprintf(out, "%s: %d of %d cells match no other run's\n", c->run[r].name, c->n_alone[r],
				c->run[r].s->results->study->n_cells);
}

const char *comparison_difference(char out[96], const struct difference *d)
{
	if (!d->d.n || isnan(d->d.mean))
		return strcpy(out, "–");
	if (d->d.n == 1)
		snprintf(out, 96, "%+.1f", 100 * d->d.mean);
	else
		snprintf(out, 96, "%+.1f [%+.1f, %+.1f]%s", 100 * d->d.mean, 100 * d->d.lo, 100 * d->d.hi,
			 d->holm < 0.05 ? " *" : "");
	return out;
}

const char *comparison_verdict(char out[COMPARE_VERDICT_MAX], const struct comparison *c, int r)
{
	int n = 0;
	int wider = 0;
	int narrower = 0;
	double sum = 0;

	for (int i = 0; i < c->n_cells; i++) {
		const struct difference *d = &c->cell[i].diff[r][DIFF_GAP];

		if (c->cell[i].cell[r] < 0 || !d->d.n || isnan(d->d.mean))
			continue;
		n++;
		sum += 100 * d->d.mean;
		wider += d->holm < 0.05 && d->d.mean > 0;
		narrower += d->holm < 0.05 && d->d.mean < 0;
	}
	if (!n)
		snprintf(out, COMPARE_VERDICT_MAX, "No cell was completed with the same seed in both runs.");
	else
		snprintf(
			out, COMPARE_VERDICT_MAX,
			"Over %d common cells the clean gap differs by %+.1f points on average; it is told wider in %d "
			"and narrower in %d of them (paired t tests, Holm, 5 %%).",
			n, sum / n, wider, narrower);
	return out;
}

/* "best sgd 3e-4 / 3e-2: gap 2.7, validation 87.3 %" of each run. */
static void print_best(FILE *out, const struct comparison *c)
{
	for (int r = 0; r < c->n_runs; r++) {
		const struct summary *s = c->run[r].s;
		char label[CELL_LABEL_MAX];

		if (s->best >= 0)
			fprintf(out, "%s: best %s: gap %.1f, validation %.1f %%\n", c->run[r].name,
				cell_label(label, s->results->study, s->best),
				100 * s->cell[s->best].metric[METRIC_gap].mean,
				100 * s->cell[s->best].metric[METRIC_val_acc].mean);
	}
}

void comparison_print(FILE *out, const struct comparison *c)
{
	char verdict[COMPARE_VERDICT_MAX];

	print_facts(out, c);
	print_best(out, c);
	for (int r = 1; r < c->n_runs; r++) {
		fprintf(out, "\n%s − %s (points; paired by seed, 95 %% t interval; *: p < 0.05 after Holm)\n",
			c->run[r].name, c->run[0].name);
		fprintf(out, "%s\n", comparison_verdict(verdict, c, r));
		fprintf(out, "%-28s  %-26s %s\n", "", "clean gap", "validation accuracy");
		for (int i = 0; i < c->n_cells; i++) {
			const struct compared_cell *cell = &c->cell[i];
			char label[CELL_LABEL_MAX];
			char gap[96];
			char acc[96];

			if (cell->cell[r] >= 0)
				fprintf(out, "%-28s  %-26s %s\n",
					cell_label(label, c->run[0].s->results->study, cell->cell[0]),
					comparison_difference(gap, &cell->diff[r][DIFF_GAP]),
					comparison_difference(acc, &cell->diff[r][DIFF_VAL_ACC]));
		}
	}
	if (!c->n_cells)
		fputs("\nNo cell of the first run is in another.\n", out);
}

/* ---- compare.csv ------------------------------------------------------------------------------------------- */

static void csv_difference(struct csv_row *row, const struct difference *d)
{
	csv_maybe(row, d->d.mean);
	csv_maybe(row, d->d.lo);
	csv_maybe(row, d->d.hi);
	csv_maybe(row, d->p);
	csv_maybe(row, d->holm);
}

void comparison_csv(FILE *out, const struct comparison *c)
{
	const struct study *st = c->run[0].s->results->study;
	struct csv_row row = {.out = out};

	csv_text(&row, "run");
	csv_text(&row, "cell_first");
	csv_text(&row, "cell_run");
	for (int i = 0; i < st->n_columns; i++) {
		char name[COLUMN_NAME_MAX + 8];

		snprintf(name, sizeof(name), "params_%s", st->column[i].name);
		csv_text(&row, name);
	}
	fputs(",pairs,gap_first,gap_run,val_acc_first,val_acc_run,gap_difference_mean,gap_difference_ci95_lo,"
	      "gap_difference_ci95_hi,gap_difference_p,gap_difference_p_holm,val_acc_difference_mean,"
	      "val_acc_difference_ci95_lo,val_acc_difference_ci95_hi,val_acc_difference_p,val_acc_difference_p_holm",
	      out);
	csv_end(&row);
	for (int r = 1; r < c->n_runs; r++)
		for (int i = 0; i < c->n_cells; i++) {
			const struct compared_cell *cell = &c->cell[i];
			const struct cell_summary *a = &c->run[0].s->cell[cell->cell[0]];
			const struct cell_summary *b;

			if (cell->cell[r] < 0)
				continue;
			b = &c->run[r].s->cell[cell->cell[r]];
			csv_text(&row, c->run[r].name);
			csv_int(&row, cell->cell[0]);
			csv_int(&row, cell->cell[r]);
			for (int k = 0; k < st->n_columns; k++) {
				char text[COLUMN_TEXT_MAX];

				setting_text(st, &st->cell[cell->cell[0]].setting, k, text);
				csv_text(&row, text);
			}
			csv_int(&row, cell->diff[r][DIFF_GAP].d.n);
			csv_maybe(&row, a->metric[METRIC_gap].mean);
			csv_maybe(&row, b->metric[METRIC_gap].mean);
			csv_maybe(&row, a->metric[METRIC_val_acc].mean);
			csv_maybe(&row, b->metric[METRIC_val_acc].mean);
			csv_difference(&row, &cell->diff[r][DIFF_GAP]);
			csv_difference(&row, &cell->diff[r][DIFF_VAL_ACC]);
			csv_end(&row);
		}
}

/* ---- the chart --------------------------------------------------------------------------------------------- */

enum { CHART_ROWS = 60 };

struct shown {
	int cell;
	double size;
};

static int by_size(const void *a, const void *b)
{
	const struct shown *x = a;
	const struct shown *y = b;

	if (x->size != y->size)
		return x->size > y->size ? -1 : 1;
	return (x->cell > y->cell) - (x->cell < y->cell);
}

static double largest(const struct compared_cell *cell, int n_runs)
{
	double most = NAN;

	for (int r = 1; r < n_runs; r++)
		most = fmax(most, fabs(cell->diff[r][DIFF_GAP].d.mean));
	return most;
}

/* The CHART_ROWS cells whose gap differs most, largest first. */
static int choose_rows(struct shown *row, const struct comparison *c)
{
	int n = 0;

	for (int i = 0; i < c->n_cells; i++) {
		double size = largest(&c->cell[i], c->n_runs);

		if (!isnan(size))
			row[n++] = (struct shown){i, size};
	}
	qsort(row, (size_t)n, sizeof(*row), by_size);
	return n < CHART_ROWS ? n : CHART_ROWS;
}

static void chart_facts(FILE *f, const struct comparison *c, const struct shown *row, int n, double low, double high)
{
	char text[CHART_ROWS][CELL_LABEL_MAX];
	const char *label[CHART_ROWS];
	const char *name[COMPARE_MAX_RUNS];
	size_t longest = 0;

	for (int i = 0; i < n; i++) {
		label[i] = cell_label(text[i], c->run[0].s->results->study, c->cell[row[i].cell].cell[0]);
		longest = strlen(label[i]) > longest ? strlen(label[i]) : longest;
	}
	for (int r = 1; r < c->n_runs; r++)
		name[r - 1] = c->run[r].name;
	fact_text(f, "TITLE", "Gap: difference to the first run");
	fact_text(f, "SUBTITLE", "last epoch, paired by seed; bars: 95 % t interval; largest difference first");
	fact_text(f, "FIRST", c->run[0].name);
	fact_texts(f, "LABELS", label, n);
	fact_texts(f, "RUNS", name, c->n_runs - 1);
	fact_number(f, "LABEL_W", fmin(7.0 * (double)longest + 10, 300));
	fact_number(f, "X_LOW", low - 0.05 * (high - low));
	fact_number(f, "X_HIGH", high + 0.05 * (high - low));
	fact_number(f, "N_ROWS", n);
	fact_number(f, "ROW_H", 20);
	fact_number(f, "WIDTH", 600);
	fact_number(f, "HEIGHT", 48 + n * 20 + 62 + 18 * (c->n_runs - 1));
}

static bool chart_data(struct chart_out *out, const void *ctx)
{
	const struct comparison *c = ctx;
	struct shown *shown = calloc((size_t)c->n_cells + 1, sizeof(*shown));
	int n = shown ? choose_rows(shown, c) : 0;
	struct csv_row row = {.out = out->csv};
	double low = -0.5;
	double high = 0.5;

	fputs("row,run,y,difference,lo,hi\n", out->csv);
	for (int i = 0; i < n; i++)
		for (int r = 1; r < c->n_runs; r++) {
			const struct estimate *d = &c->cell[shown[i].cell].diff[r][DIFF_GAP].d;
			double mean = 100 * d->mean;
			double lo = d->n > 1 ? fmax(100 * d->lo, mean - 20) : mean;
			double hi = d->n > 1 ? fmin(100 * d->hi, mean + 20) : mean;

			if (!d->n || isnan(mean))
				continue;
			low = fmin(low, lo);
			high = fmax(high, hi);
			csv_int(&row, i + 1);
			csv_int(&row, r);
			csv_num(&row, i + 1 + 0.5 * (r - c->n_runs / 2.0) / c->n_runs);
			csv_num(&row, mean);
			csv_num(&row, lo);
			csv_num(&row, hi);
			csv_end(&row);
		}
	if (n)
		chart_facts(out->facts, c, shown, n, low, high);
	else
		snprintf(out->note, sizeof(out->note), "no cell was completed with the same seed in two runs");
	free(shown);
	return n > 0;
}

/* ---- files ------------------------------------------------------------------------------------------------- */

static int save_page(const char *dir, const char *name, const struct comparison *c, const char *svg, const char *note,
		     struct err *e)
{
	char path[PATH_MAX];
	struct text t;
	int rc = path_join(path, sizeof(path), dir, name, e);

	if (!rc && text_open(&t, e))
		rc = err_prefix(e, "%s: ", name);
	if (rc)
		return rc;
	if (strstr(name, ".csv"))
		comparison_csv(t.f, c);
	else
		comparison_page(t.f, c, svg, note);
	if (text_close(&t, e))
		rc = err_prefix(e, "%s: ", name);
	else
		rc = file_replace(path, t.bytes, t.n, e);
	text_release(&t);
	return rc;
}

int comparison_write(const char *dir, const struct comparison *c, struct err *e)
{
	char folder[PATH_MAX];
	char path[PATH_MAX + 32];
	char note[200] = "";
	char *svg = NULL;
	struct err other = {0};
	size_t n;
	int drawn;
	int rc = path_join(folder, sizeof(folder), dir, "plots", e);

	if (!rc && ((mkdir(dir, 0755) && errno != EEXIST) || (mkdir(folder, 0755) && errno != EEXIST)))
		rc = err_set(e, ERR_CANTCREAT, "%s: %s", dir, strerror(errno));
	if (rc)
		return rc;
	drawn = chart_draw(folder, "gap_difference", "compare", REPORT_SVG | REPORT_PNG, chart_data, c, note, e);
	snprintf(path, sizeof(path), "%s/gap_difference.svg", folder);
	if (!drawn && !*note)
		rc = file_read_maybe(&svg, &n, path, (size_t)1 << 26, &other);
	if (!rc)
		rc = save_page(dir, "compare.csv", c, svg, note, &other);
	if (!rc)
		rc = save_page(dir, "compare.html", c, svg, note, &other);
	free(svg);
	if (rc)
		*e = other;
	return rc ? rc : drawn;
}
