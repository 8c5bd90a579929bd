/* html.c - see html.h */
#include "sweep/report/html.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/file.h"
#include "sweep/report/html_parts.h"

enum { MAX_CELL_ROWS = 2000, MAX_FAILURES = 20, MAX_GRID_BYTES = 100000 };

static const char style[] =
	":root{color-scheme:light dark;--bg:#fff;--ink:#1d2126;--soft:#5c6570;--line:#d9dde2;--card:#f6f7f9;"
	"--good:#00664f;--accent:#005a8f;--mark:#e8f1f8}"
	"@media(prefers-color-scheme:dark){:root{--bg:#14171a;--ink:#e6e8ea;--soft:#9aa4ae;--line:#343a40;--card:#"
	"1d2125;"
	"--good:#5fd0ab;--accent:#78bdea;--mark:#1c2c3a}}"
	"*{box-sizing:border-box}"
	"body{margin:0 auto;max-width:1280px;padding:24px 20px 60px;background:var(--bg);color:var(--ink);"
	"font:16px/1.5 system-ui,'DejaVu Sans',sans-serif}"
	"h1{font-size:1.2rem;margin:0;color:var(--soft);font-weight:500;overflow-wrap:anywhere}"
	"h2{font-size:1.15rem;margin:40px 0 10px}"
	".answer{font-size:1.45rem;line-height:1.35;margin:8px 0 18px;max-width:60ch;font-weight:600}"
	".soft,figcaption{color:var(--soft);font-size:.875rem}"
	".scroll{overflow-x:auto;border:1px solid var(--line);border-radius:8px}"
	"table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:.9rem}"
	"th,td{padding:7px 12px;text-align:right;white-space:nowrap;border-top:1px solid var(--line)}"
	"tr:first-child>*{border-top:0}thead th{background:var(--card);font-weight:600}"
	"th:first-child,td:first-child,.l{text-align:left}"
	"tr.best td{background:var(--mark);font-weight:600}.yes{color:var(--good)}"
	"button{all:unset;cursor:pointer;font-weight:600}button:focus-visible{outline:2px solid var(--accent)}"
	"th[aria-sort=ascending] button:after{content:' \\2191'}th[aria-sort=descending] button:after{content:' "
	"\\2193'}"
	".charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,480px),1fr));gap:20px;"
	"align-items:start}"
	"figure{margin:0;background:#fff;border:1px solid var(--line);border-radius:8px;padding:10px}"
	"figure img{display:block;width:100%;max-width:640px;margin:auto;height:auto}"
	"dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 18px;margin:0;font-size:.9rem}"
	"dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}"
	"pre{margin:0;padding:14px;font:13px/1.45 'DejaVu Sans Mono',monospace;background:var(--card)}"
	"summary{cursor:pointer}"
	"@media(max-width:600px){body{padding:16px 12px 40px}.answer{font-size:1.2rem}th,td{padding:6px 8px}"
	"figure{padding:4px}dl{grid-template-columns:1fr}dd{margin-bottom:6px}}"
	".small{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:10px}"
	".small figure{background:none;padding:8px;font-size:.8rem}.small figure:target{outline:3px solid "
	"var(--accent)}"
	".small svg{display:block;width:100%;margin-top:4px}.small figcaption{font-size:.75rem;overflow-wrap:anywhere}"
	"polyline{fill:none;stroke-width:2;vector-effect:non-scaling-stroke}"
	".v{stroke:var(--accent)}.t{stroke:var(--soft);stroke-dasharray:5 3}"
	"a{color:var(--accent)}.filter input{font:inherit;padding:4px 8px;max-width:100%}"
	".scroll:focus-visible,a:focus-visible,input:focus-visible{outline:2px solid var(--accent)}"
	"@media print{.filter{display:none}}@media "
	"print{body{max-width:none;padding:0;font-size:10pt}.scroll{overflow:visible;border:0}"
	"figure,tr{break-inside:avoid}table{font-size:7.5pt}th,td{padding:2px 5px}}";

/*
 * Sorts a table by the column of the pressed button (numbers by data-v) and filters its rows by words that must all occur.
 * The address keeps both: #sort=COLUMN&down=1&filter=WORDS. The page is whole without it.
 */
static const char script[] =
	"(function(){var t=document.querySelector('table.sort');if(!t||!t.tBodies.length)return;"
	"var b=t.tBodies[0],all=Array.from(b.rows),hs=Array.from(t.querySelectorAll('thead th'));"
	"var q={};location.hash.slice(1).split('&').forEach(function(p){var k=p.split('=');"
	"try{q[k[0]]=decodeURIComponent(k.slice(1).join('='))}catch(e){}});"
	"function v(x,i){var c=x.cells[i];return "
	"c.dataset.v!==undefined?(c.dataset.v===''?NaN:+c.dataset.v):c.textContent}"
	"function sort(i,up){hs.forEach(function(o){o.removeAttribute('aria-sort')});"
	"hs[i].setAttribute('aria-sort',up?'ascending':'descending');q.sort=i;q.down=up?'':'1';"
	"all.sort(function(x,y){var p=v(x,i),z=v(y,i);if(typeof p==='number'){if(isNaN(p)||isNaN(z))return "
	"isNaN(p)-isNaN(z);"
	"return up?p-z:z-p}return up?p.localeCompare(z):z.localeCompare(p)});"
	"all.forEach(function(x){b.appendChild(x)})}"
	"var d=document.createElement('p'),l=document.createElement('label'),f=document.createElement('input'),"
	"n=document.createElement('span');d.className='filter';f.type='search';l.append('Filter "
	"',f);n.setAttribute('role',"
	"'status');d.append(l,' ',n);t.parentNode.before(d);"
	"function filter(){var w=f.value.toLowerCase().split(/\\s+/),k=0;all.forEach(function(x){"
	"var s=x.textContent.toLowerCase();x.hidden=!w.every(function(y){return s.indexOf(y)>=0});k+=!x.hidden});"
	"n.textContent=k+' of '+all.length;q.filter=f.value}"
	"function keep(){var h=['sort','down','filter'].filter(function(k){return q[k]!==undefined&&q[k]!==''}).map("
	"function(k){return k+'='+encodeURIComponent(q[k])}).join('&');history.replaceState(null,'',h?'#'+h:'#')}"
	"hs.forEach(function(h,i){var u=h.querySelector('button');if(u)u.addEventListener('click',function(){"
	"sort(i,h.getAttribute('aria-sort')!=='ascending');keep()})});"
	"f.addEventListener('input',function(){filter();keep()});"
	"if(hs[+q.sort]&&q.sort!==undefined)sort(+q.sort,!q.down);if(q.filter)f.value=q.filter;filter()})();";

void html_text(FILE *out, const char *text)
{
	for (; *text; text++) {
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

static void element(FILE *out, const char *tag, const char *text)
{
	fprintf(out, "<%s>", tag);
	html_text(out, text);
	fprintf(out, "</%s>", tag);
}

/* A table cell that sorts by its mean. */
static void estimate_cell(FILE *out, const struct estimate *v, double scale, int digits)
{
	char text[ESTIMATE_MAX];
	char number[NUM_MAX];
	bool none = v->n == 0 || isnan(v->mean);

	fprintf(out, "<td data-v=\"%s\">%s</td>", none ? "" : num_text(number, scale * v->mean),
		estimate_text(text, v, scale, digits));
}

/* ---- the first screen ------------------------------------------------------------------------------------- */

static void before_after_row(FILE *out, const struct summary *s, const char *word, int cell)
{
	const struct cell_summary *c = &s->cell[cell];
	char label[CELL_LABEL_MAX];

	fprintf(out, "<tr><th scope=\"row\">%s</th><td class=\"l\">", word);
	html_text(out, cell_label(label, s->results->study, cell));
	fputs("</td>", out);
	estimate_cell(out, &c->metric[METRIC_train_eval_acc], 100, 1);
	estimate_cell(out, &c->metric[METRIC_val_acc], 100, 1);
	estimate_cell(out, &c->metric[METRIC_train_eval_loss], 1, 3);
	estimate_cell(out, &c->metric[METRIC_val_loss], 1, 3);
	estimate_cell(out, &c->metric[METRIC_gap], 100, 1);
	fputs("</tr>\n", out);
}

static void before_after(FILE *out, const struct summary *s)
{
	if (s->best < 0)
		return;
	fputs("<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Before and after\"><table><thead><tr>"
	      "<td></td><th scope=\"col\" class=\"l\">rates</th><th scope=\"col\">Train Acc (%)</th><th "
	      "scope=\"col\">Val Acc (%)</th><th scope=\"col\">Train Loss</th><th scope=\"col\">Val Loss</th><th "
	      "scope=\"col\">gap (points)</th></tr></thead><tbody>\n",
	      out);
	if (s->baseline >= 0)
		before_after_row(out, s, "before", s->baseline);
	before_after_row(out, s, "after", s->best);
	fputs("</tbody></table></div>\n<p class=\"soft\">Mean ± sample standard deviation over repeats, after the last "
	      "epoch. Train figures are clean: the same weights as validation, eval mode, no augmentation. "
	      "Rates: ",
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

/* ---- all cells --------------------------------------------------------------------------------------------- */

static void heading(FILE *out, const char *text, bool left)
{
	fprintf(out, "<th scope=\"col\"%s><button type=\"button\">", left ? " class=\"l\"" : "");
	html_text(out, text);
	fputs("</button></th>", out);
}

static void cell_headings(FILE *out, const struct study *st)
{
	static const char *const word[] = {"n",        "gap (points)", "Val Acc (%)",           "Train Acc (%)",
					   "Val Loss", "Train Loss",   "Train Acc, running (%)"};

	fputs("<thead><tr>", out);
	heading(out, "cell", true);
	for (int i = 0; i < st->n_columns; i++)
		heading(out, st->column[i].name, false);
	for (size_t i = 0; i < sizeof(word) / sizeof(word[0]); i++)
		heading(out, word[i], false);
	if (st->n_constraints)
		heading(out, "meets", false);
	heading(out, "gap − baseline (95 %)", false);
	heading(out, "p, Holm", false);
	heading(out, "gap at best epoch", false);
	heading(out, "gap at equal train acc", false);
	heading(out, "remarks", true);
	fputs("</tr></thead>", out);
}

static void param_cells(FILE *out, const struct study *st, int cell)
{
	for (int i = 0; i < st->n_columns; i++) {
		const struct setting *set = &st->cell[cell].setting;
		bool rate = !st->column[i].field;
		char text[COLUMN_TEXT_MAX];
		char number[NUM_MAX];

		setting_text(st, set, i, text);
		if (rate)
			fprintf(out, "<td data-v=\"%s\">%s</td>", num_text(number, setting_value(st, set, i)),
				rate_text(text, setting_value(st, set, i)));
		else
			element(out, "td", text);
	}
}

static void meets_cell(FILE *out, const struct summary *s, int cell)
{
	const struct cell_summary *c = &s->cell[cell];
	int tried = c->n + c->n_diverged;

	if (!tried) {
		fputs("<td data-v=\"\">–</td>", out);
		return;
	}
	fprintf(out, "<td data-v=\"%g\"%s>%.0f/%d%s</td>", c->met_share + (c->feasible ? 1 : 0),
		c->feasible ? " class=\"yes\"" : "", c->met_share * tried, tried, c->feasible ? " ✓" : "");
}

static void difference_cell(FILE *out, const struct estimate *d)
{
	char number[NUM_MAX];

	if (!d->n || isnan(d->mean))
		fputs("<td data-v=\"\">–</td>", out);
	else if (d->n == 1)
		fprintf(out, "<td data-v=\"%s\">%+.1f</td>", num_text(number, d->mean), 100 * d->mean);
	else
		fprintf(out, "<td data-v=\"%s\">%+.1f [%+.1f, %+.1f]</td>", num_text(number, d->mean), 100 * d->mean,
			100 * d->lo, 100 * d->hi);
}

/* "best", "baseline", "2 diverged", ... */
static void marks_cell(FILE *out, const struct summary *s, int cell)
{
	const struct cell_summary *c = &s->cell[cell];

	fprintf(out, "<td class=\"l\">%s%s", cell == s->best ? "★ best " : "",
		cell == s->baseline ? "▲ baseline " : "");
	if (c->like_best && cell != s->best)
		fputs("≈ not told from best ", out);
	if (c->n_diverged)
		fprintf(out, "%d diverged ", c->n_diverged);
	if (c->n_failed)
		fprintf(out, "%d failed ", c->n_failed);
	if (c->n_pruned)
		fprintf(out, "%d pruned ", c->n_pruned);
	if (c->n_open)
		fprintf(out, "%d open", c->n_open);
	fputs("</td>", out);
}

static void cell_row(FILE *out, const struct summary *s, int cell)
{
	static const struct {
		int metric, digits;
		double scale;
	} shown[] = {{METRIC_gap, 1, 100},    {METRIC_val_acc, 1, 100},       {METRIC_train_eval_acc, 1, 100},
		     {METRIC_val_loss, 3, 1}, {METRIC_train_eval_loss, 3, 1}, {METRIC_train_acc, 1, 100}};
	const struct cell_summary *c = &s->cell[cell];

	fprintf(out, "<tr%s>", cell == s->best ? " class=\"best\"" : "");
	if (cell < HTML_MAX_CURVES)
		fprintf(out, "<td data-v=\"%d\"><a href=\"#cell-%d\">%d</a></td>", cell, cell, cell);
	else
		fprintf(out, "<td data-v=\"%d\">%d</td>", cell, cell);
	param_cells(out, s->results->study, cell);
	fprintf(out, "<td data-v=\"%d\">%d</td>", c->n, c->n);
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
		estimate_cell(out, &c->metric[shown[i].metric], shown[i].scale, shown[i].digits);
	if (s->results->study->n_constraints)
		meets_cell(out, s, cell);
	difference_cell(out, &c->to_baseline[DIFF_GAP].d);
	if (isnan(c->to_baseline[DIFF_GAP].holm))
		fputs("<td data-v=\"\">–</td>", out);
	else
		fprintf(out, "<td data-v=\"%g\">%.2g</td>", c->to_baseline[DIFF_GAP].holm,
			c->to_baseline[DIFF_GAP].holm);
	estimate_cell(out, &c->best_gap, 100, 1);
	estimate_cell(out, &c->at_gap, 100, 1);
	marks_cell(out, s, cell);
	fputs("</tr>\n", out);
}

static void cell_table(FILE *out, const struct summary *s)
{
	const struct study *st = s->results->study;
	int n = st->n_cells < MAX_CELL_ROWS ? st->n_cells : MAX_CELL_ROWS;

	fputs("<h2 id=\"cells\">All cells</h2>\n<p class=\"soft\">Mean ± sample standard deviation over complete "
	      "repeats, last "
	      "epoch. ",
	      out);
	if (st->n_constraints)
		fputs("meets: repeats that meet every constraint one by one; ✓ where the means do and none diverged. ",
		      out);
	fprintf(out,
		"The difference to the baseline is paired by seed, with its 95 %% t interval and the paired t test's p "
		"after "
		"Holm's correction. Equal train acc: where clean train accuracy passes %g %%. ≈: in %s not told from "
		"the best "
		"cell at 5 %%. A cell's number leads to its curves; press a heading to sort.",
		100 * st->at_train_acc, metric_name(s->metric));
	if (n < st->n_cells)
		fprintf(out, " The first %d of %d cells; cells.csv has all.", n, st->n_cells);
	fputs("</p>\n<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-labelledby=\"cells\"><table "
	      "class=\"sort\">",
	      out);
	cell_headings(out, st);
	fputs("<tbody>\n", out);
	for (int i = 0; i < n; i++)
		cell_row(out, s, i);
	fputs("</tbody></table></div>\n", out);
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
	size_t n = st->text_bytes < MAX_GRID_BYTES ? st->text_bytes : MAX_GRID_BYTES;
	char *text = st->text ? strndup(st->text, n) : NULL;

	if (!text)
		return;
	fputs("<h2 id=\"grid\">Grid file</h2>\n<div class=\"scroll\" role=\"region\" tabindex=\"0\" "
	      "aria-labelledby=\"grid\"><pre>",
	      out);
	html_text(out, text);
	fputs("</pre></div>\n", out);
	free(text);
}

static void fact(FILE *out, const char *name, const char *value)
{
	if (!*value)
		return;
	fprintf(out, "<dt>%s</dt>", name);
	element(out, "dd", value);
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

void html_open(FILE *out, const char *title)
{
	fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>",
	      out);
	html_text(out, title);
	fprintf(out, " – gapsweep</title>\n<style>%s</style>\n</head>\n<body>\n<main>\n<h1>", style);
	html_text(out, title);
	fputs("</h1>\n", out);
}

void html_close(FILE *out)
{
	fprintf(out, "</main>\n<script>%s</script>\n</body>\n</html>\n", script);
}

void html_page(FILE *out, const struct summary *s, const char *const svg[N_CHARTS], const char note[N_CHARTS][200])
{
	const struct study *st = s->results->study;
	char sentence[SENTENCE_MAX];

	summary_sentence(sentence, s);
	html_open(out, st->name ? st->name : "sweep");
	fputs("<p class=\"answer\">", out);
	html_text(out, sentence);
	fputs("</p>\n", out);
	if (st->description)
		element(out, "p", st->description);
	before_after(out, s);
	figures(out, CHART_gap_heatmap, CHART_gap_along_rates, svg, note);
	fputs("<h2>How it came about</h2>\n", out);
	figures(out, CHART_gap_along_rates, N_CHARTS, svg, note);
	html_statistics(out, s);
	cell_table(out, s);
	html_curves(out, s, st->n_cells < HTML_MAX_CURVES ? st->n_cells : HTML_MAX_CURVES);
	trial_counts(out, s);
	reasons(out, s->results, STATE_FAIL);
	reasons(out, s->results, STATE_DIVERGED);
	environment(out, s->results);
	grid_file(out, st);
	html_close(out);
}

static char *read_svg(const char *dir, const char *name)
{
	char path[PATH_MAX];
	char *text = NULL;
	size_t n;
	struct err ignored;

	if (snprintf(path, sizeof(path), "%s/plots/%s.svg", dir, name) < (int)sizeof(path) &&
	    file_read(&text, &n, path, (size_t)1 << 26, &ignored))
		return NULL;
	return text;
}

int html_write(const char *dir, const struct summary *s, const bool drawn[N_CHARTS], const char note[N_CHARTS][200],
	       struct err *e)
{
	char *svg[N_CHARTS] = {NULL};
	char path[PATH_MAX];
	char *bytes = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&bytes, &n);
	int rc = path_join(path, sizeof(path), dir, "report.html", e);
	bool bad;

	if (!f)
		return err_set(e, ERR_NOMEM, "report.html: out of memory");
	for (int i = 0; i < N_CHARTS; i++)
		if (drawn[i])
			svg[i] = read_svg(dir, charts[i].name);
	html_page(f, s, (const char *const *)svg, note);
	for (int i = 0; i < N_CHARTS; i++)
		free(svg[i]);
	bad = ferror(f);
	bad |= fclose(f) != 0;
	if (bad && !rc)
		rc = err_set(e, ERR_NOMEM, "report.html: out of memory");
	if (!rc)
		rc = file_replace(path, bytes, n, e);
	free(bytes);
	return rc;
}
