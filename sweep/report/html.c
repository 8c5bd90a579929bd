/* html.c - see html.h */
#include "sweep/report/html.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/base/file.h"
#include "sweep/base/text.h"
#include "sweep/report/embed.h"
#include "sweep/report/html_parts.h"

enum { MAX_FAILURES = 20, MAX_ALIKE = 8, MAX_GRID_BYTES = 100000 };

EMBED(page_css, "sweep/report/page.css");
EMBED(page_js, "sweep/report/page.js");

static void escaped(FILE *out, const char *text, size_t n)
{
	for (; n && *text; text++, n--) {
		unsigned char c = (unsigned char)*text;

		if (c == '&')
			fputs("&amp;", out);
		else if (c == '<')
			fputs("&lt;", out);
		else if (c == '>')
			fputs("&gt;", out);
		else if (c == '"')
			fputs("&quot;", out);
		else if (c == '\'')
			fputs("&#39;", out);
		else
			fputc(c < ' ' && c != '\n' && c != '\t' ? ' ' : c, out);
	}
}

void html_text(FILE *out, const char *text)
{
	escaped(out, text, SIZE_MAX);
}

void html_element(FILE *out, const char *tag, const char *text)
{
	fprintf(out, "<%s>", tag);
	html_text(out, text);
	fprintf(out, "</%s>", tag);
}

/* "87.3 ± 0.2" may be broken before the sign only. */
static void unbroken(FILE *out, const char *text)
{
	const char *sign = strstr(text, " ± ");

	if (sign)
		fprintf(out, "%.*s ±&nbsp;%s", (int)(sign - text), text, sign + strlen(" ± "));
	else
		fputs(text, out);
}

/* A table cell that sorts by its mean. */
void html_estimate(FILE *out, const struct estimate *v, double scale, int digits)
{
	char text[ESTIMATE_MAX];
	char number[NUM_MAX];
	bool none = v->n == 0 || isnan(v->mean);

	fprintf(out, "<td data-v=\"%s\">", none ? "" : num_text(number, scale * v->mean));
	unbroken(out, estimate_text(text, v, scale, digits));
	fputs("</td>", out);
}

/* ---- the first screen ------------------------------------------------------------------------------------- */

static void before_after_row(FILE *out, const struct summary *s, const char *word, int cell)
{
	const struct cell_summary *c = &s->cell[cell];
	char label[CELL_LABEL_MAX];

	fprintf(out, "<tr><th scope=\"row\">%s</th><td class=\"l\">", word);
	html_text(out, cell_label(label, s->results->study, cell));
	fputs("</td>", out);
	html_estimate(out, &c->metric[METRIC_train_eval_acc], 100, 1);
	html_estimate(out, &c->metric[METRIC_val_acc], 100, 1);
	html_estimate(out, &c->metric[METRIC_train_eval_loss], 1, 3);
	html_estimate(out, &c->metric[METRIC_val_loss], 1, 3);
	html_estimate(out, &c->metric[METRIC_gap], 100, 1);
	fputs("</tr>\n", out);
}

static void before_after(FILE *out, const struct summary *s)
{
	if (s->best < 0)
		return;
	fputs("<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Before and after\"><table "
	      "class=\"before\"><thead><tr>"
	      "<td></td><th scope=\"col\" class=\"l\">rates</th><th scope=\"col\">Train Acc (%)</th><th "
	      "scope=\"col\">Val Acc (%)</th><th scope=\"col\">Train Loss</th><th scope=\"col\">Val Loss</th><th "
	      "scope=\"col\">gap (points)</th></tr></thead><tbody>\n",
	      out);
	if (s->baseline >= 0)
		before_after_row(out, s, "before", s->baseline);
	if (s->single >= 0 && s->single != s->baseline && s->single != s->best)
		before_after_row(out, s, "best single rate", s->single);
	before_after_row(out, s, "after", s->best);
	fputs("</tbody></table></div>\n<p class=\"soft\">Mean ± sample standard deviation over repeats, last epoch. "
	      "Train "
	      "figures are clean: the weights that validation sees, eval mode, no augmentation. Rates: ",
	      out);
	for (int g = 0; g < s->results->study->n_groups; g++) {
		fputs(g ? " / " : "", out);
		html_text(out, s->results->study->group[g].name);
	}
	fputs(".</p>\n", out);
}

static void base64(FILE *out, const char *text)
{
	static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *b = (const unsigned char *)text;
	size_t n = strlen(text);

	for (size_t i = 0; i < n; i += 3) {
		unsigned v =
			(unsigned)b[i] << 16 | (i + 1 < n ? (unsigned)b[i + 1] << 8 : 0) | (i + 2 < n ? b[i + 2] : 0);

		fputc(digit[v >> 18], out);
		fputc(digit[v >> 12 & 63], out);
		fputc(i + 1 < n ? digit[v >> 6 & 63] : '=', out);
		fputc(i + 2 < n ? digit[v & 63] : '=', out);
	}
}

void html_picture(FILE *out, const char *alt, const char *svg)
{
	fputs("<img alt=\"", out);
	html_text(out, alt);
	fputs("\" src=\"data:image/svg+xml;base64,", out);
	base64(out, svg);
	fputs("\">", out);
}

static void figure(FILE *out, const struct chart *c, const char *svg, const char *note)
{
	fputs("<figure>", out);
	if (svg) {
		html_picture(out, c->alt, svg);
	} else {
		fputs("<figcaption>", out);
		html_text(out, c->title);
		fputs(": not drawn (", out);
		html_text(out, note);
		fputs(")</figcaption>", out);
	}
	fputs("</figure>\n", out);
}

static void figures(FILE *out, int from, int to, const char *const svg[N_CHARTS], const char note[N_CHARTS][200])
{
	fputs("<div class=\"charts\">\n", out);
	for (int i = from; i < to; i++)
		figure(out, &charts[i], svg[i], note[i]);
	fputs("</div>\n", out);
}

/* ---- trials, grid file, environment ------------------------------------------------------------------------ */

static void trial_counts(FILE *out, const struct summary *s)
{
	static const char *const meaning[] = {"not begun",
					      "begun, not ended",
					      "ran to the end",
					      "stopped early by rule",
					      "a loss became NaN or infinite, or passed diverge_above",
					      "ended by an error"};

	fputs("<h2 id=\"trials\">Trials</h2>\n<div class=\"scroll\" role=\"region\" tabindex=\"0\" "
	      "aria-labelledby=\"trials\"><table><tbody>",
	      out);
	for (int i = 0; i <= STATE_FAIL; i++)
		if (s->by_state[i])
			fprintf(out, "<tr><td>%s</td><td class=\"l\">%s</td><td>%d</td></tr>",
				trial_state_word((enum trial_state)i), meaning[i], s->by_state[i]);
	fprintf(out, "<tr><td>all</td><td></td><td>%d</td></tr></tbody></table></div>\n", s->results->n_trials);
}

/* "; last finite figures: epoch 2, val 61.2 %, gap 3.1 points" of a diverged trial. */
static void last_finite(FILE *out, const struct results *r, int trial)
{
	struct epoch_row row;
	int i = results_last_finite(r, trial);

	if (i < 0) {
		fputs("; no epoch has finite figures", out);
		return;
	}
	results_row(r, trial, i, &row);
	fprintf(out, "; last finite figures: epoch %d, val %.1f %%, loss %.3g, gap %.1f points", row.epoch,
		100 * row.val_acc, row.val_loss, 100 * (row.train_eval_acc - row.val_acc));
}

/* The trials of a state that has reasons, and those. */
static void reasons(FILE *out, const struct results *r, enum trial_state state)
{
	int n = 0;

	for (int i = 0; i < r->n_trials; i++) {
		const struct trial_end *end = &r->trial[i].end;

		if (end->state != state || ++n > MAX_FAILURES)
			continue;
		fprintf(out, "%s<li>trial %d (%s), %s: ", n == 1 ? "<ul>" : "", i, r->trial[i].key,
			trial_state_word(state));
		html_text(out, end->reason);
		if (state == STATE_DIVERGED)
			last_finite(out, r, i);
		fputs("</li>\n", out);
	}
	if (n > MAX_FAILURES)
		fprintf(out, "<li>… and %d more, see trials.csv</li>", n - MAX_FAILURES);
	fputs(n ? "</ul>\n" : "", out);
}

static void grid_file(FILE *out, const struct study *st)
{
	if (!st->text)
		return;
	fputs("<h2 id=\"grid\">Grid file</h2>\n<div class=\"scroll\" role=\"region\" tabindex=\"0\" "
	      "aria-labelledby=\"grid\"><pre>",
	      out);
	escaped(out, st->text, st->text_bytes < MAX_GRID_BYTES ? st->text_bytes : MAX_GRID_BYTES);
	fputs("</pre></div>\n", out);
}

static void fact(FILE *out, const char *name, const char *value)
{
	if (!*value)
		return;
	fprintf(out, "<dt>%s</dt>", name);
	html_element(out, "dd", value);
	fputc('\n', out);
}

/* "0, 1, 2, 3, 4", cut where they are many; and how many trials were gone on with after a stop. */
static void seeds_and_attempts(FILE *out, const struct results *r)
{
	char text[200];
	size_t n = 0;
	int again = 0;

	for (int i = 0; i < r->study->n_seeds && n < sizeof(text) - 32; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%llu", i ? ", " : "",
				      (unsigned long long)r->study->seed[i]);
	fact(out, "seeds", n ? text : "");
	for (int i = 0; i < r->n_trials; i++)
		again += r->trial[i].end.attempt > 1;
	snprintf(text, sizeof(text), "%d of %d", again, r->n_trials);
	fact(out, "trials begun more than once", text);
}

static void environment(FILE *out, const struct results *r)
{
	const struct manifest *m = r->manifest;
	char text[64];

	if (!m)
		return;
	fputs("<h2>Environment</h2>\n<dl>\n", out);
	fact(out, "gapsweep", m->version);
	fact(out, "created", m->created);
	fact(out, "host", m->host);
	fact(out, "CPU", m->cpu);
	fact(out, "kernels", m->kernels);
	fact(out, "BLAS", m->blas);
	snprintf(text, sizeof(text), "%d", m->workers);
	fact(out, "workers", m->workers ? text : "");
	snprintf(text, sizeof(text), "%d", m->numerics);
	fact(out, "numerics version", text);
	snprintf(text, sizeof(text), "%lld / %lld", (long long)m->n_train, (long long)m->n_val);
	fact(out, "train / val samples", text);
	fact(out, "train hash", m->train_hash);
	fact(out, "val hash", m->val_hash);
	fact(out, "weights hash", m->weights_hash);
	fact(out, "git", m->git);
	seeds_and_attempts(out, r);
	for (int i = 0; i < m->n_sets; i++)
		fact(out, "--set", m->set[i]);
	fputs("</dl>\n", out);
}

void html_open(FILE *out, const char *title, const char *heading)
{
	fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>",
	      out);
	html_text(out, title);
	fprintf(out, " – gapsweep</title>\n<style>%s</style>\n</head>\n<body>\n<main>\n<h1>", page_css);
	html_text(out, heading);
	fputs("</h1>\n", out);
}

void html_close(FILE *out)
{
	fprintf(out, "</main>\n<script>%s</script>\n</body>\n</html>\n", page_js);
}

/* How far it is, while it is not done; the script adds a box that loads the page again. */
static void unfinished(FILE *out, const struct summary *s)
{
	int open = s->by_state[STATE_WAITING] + s->by_state[STATE_RUNNING];
	time_t now = time(NULL);
	char stamp[32];
	struct tm tm;

	if (!open)
		return;
	strftime(stamp, sizeof(stamp), "%Y-%m-%d %H:%M UTC", gmtime_r(&now, &tm));
	fprintf(out,
		"<p class=\"unfinished\"><strong>%d of %d trials have ended</strong> (%s): what follows is of "
		"those.</p>\n",
		s->results->n_trials - open, s->results->n_trials, stamp);
}

/* What the answer leans on: said at once, not in a footnote of the manual. */
static void caveats(FILE *out, const struct summary *s)
{
	const struct study *st = s->results->study;
	char label[CELL_LABEL_MAX];
	int like = 0;
	int told = 0;

	if (s->best < 0)
		return;
	for (int i = 0; i < st->n_cells; i++)
		like += s->cell[i].like_best && i != s->best;
	fputs("<h2 id=\"sure\">How sure</h2>\n<ul class=\"soft\">\n", out);
	if (like) {
		fprintf(out, "<li>In %s, %d other cell%s not told from the best (paired t tests, Holm, 5 %%): ",
			metric_name(s->metric), like, like == 1 ? " is" : "s are");
		for (int i = 0; i < st->n_cells && told < MAX_ALIKE; i++)
			if (s->cell[i].like_best && i != s->best) {
				fputs(told++ ? ", " : "", out);
				html_text(out, cell_label(label, st, i));
			}
		fputs(like > told ? ", ….</li>\n" : ".</li>\n", out);
	}
	fprintf(out,
		"<li>The best of %d cells was chosen by these validation images: its own figures are a little too "
		"good. "
		"Confirm it with new seeds, or on images that chose nothing.</li>\n",
		st->n_cells);
	fputs("<li>Intervals speak of the seed (start values of new layers, order of the images). Another checkpoint "
	      "or other training images may move the figures by more than the seed does: run the grid with those and "
	      "compare.</li>\n</ul>\n",
	      out);
}

bool html_page(FILE *out, const struct summary *s, const char *const svg[N_CHARTS], const char note[N_CHARTS][200])
{
	const struct study *st = s->results->study;
	char sentence[SENTENCE_MAX];
	char title[600];
	bool whole;

	snprintf(title, sizeof(title), "%s%s%s", st->name ? st->name : "sweep", st->description ? ": " : "",
		 st->description ? st->description : "");
	html_open(out, st->name ? st->name : "sweep", title);
	summary_sentence(sentence, s);
	fputs("<p class=\"answer\">", out);
	html_text(out, sentence);
	fputs("</p>\n", out);
	summary_single_sentence(sentence, s);
	if (*sentence)
		html_element(out, "p", sentence);
	unfinished(out, s);
	before_after(out, s);
	figures(out, CHART_gap_heatmap, CHART_gap_along_rates, svg, note);
	caveats(out, s);
	fputs("<h2>How it came about</h2>\n", out);
	figures(out, CHART_gap_along_rates, N_CHARTS, svg, note);
	whole = html_statistics(out, s);
	html_cells(out, s);
	html_curves(out, s, st->n_cells < HTML_MAX_CURVES ? st->n_cells : HTML_MAX_CURVES);
	trial_counts(out, s);
	reasons(out, s->results, STATE_FAIL);
	reasons(out, s->results, STATE_DIVERGED);
	html_work(out, s->results);
	environment(out, s->results);
	grid_file(out, st);
	html_close(out);
	return whole;
}

/* One that somebody has taken away since it was drawn is left out. */
static int read_pictures(char *svg[N_CHARTS], const char *dir, const bool drawn[N_CHARTS], struct err *e)
{
	char path[PATH_MAX + 64];
	size_t n;
	int rc = 0;

	for (int i = 0; i < N_CHARTS && !rc; i++) {
		snprintf(path, sizeof(path), "%s/plots/%s.svg", dir, charts[i].name);
		if (drawn[i])
			rc = file_read_maybe(&svg[i], &n, path, (size_t)1 << 26, e);
	}
	return rc;
}

int html_write(const char *dir, const struct summary *s, const bool drawn[N_CHARTS], const char note[N_CHARTS][200],
	       struct err *e)
{
	char *svg[N_CHARTS] = {NULL};
	char path[PATH_MAX];
	struct err ignored;
	struct text t;
	int rc = path_join(path, sizeof(path), dir, "report.html", e);

	if (!rc && text_open(&t, e))
		rc = err_prefix(e, "report.html: ");
	if (rc)
		return rc;
	rc = read_pictures(svg, dir, drawn, e);
	if (!rc && !html_page(t.f, s, (const char *const *)svg, note))
		rc = err_set(e, ERR_NOMEM, "report.html: out of memory");
	for (int i = 0; i < N_CHARTS; i++)
		free(svg[i]);
	if (text_close(&t, rc ? &ignored : e) && !rc)
		rc = err_prefix(e, "report.html: ");
	if (!rc)
		rc = file_replace(path, t.bytes, t.n, e);
	text_release(&t);
	return rc;
}
