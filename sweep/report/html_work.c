/* html_work.c - what each trial computed and what it had from others (see html_parts.h) */
#include "sweep/base/num.h"
#include "sweep/report/html.h"
#include "sweep/report/html_parts.h"

#define MOST_ROWS 1000

static void work_row(FILE *out, int trial, const struct trial_end *end)
{
	char share[NUM_MAX] = "";

	if (end->macs > 0)
		snprintf(share, sizeof(share), "%.1f", 100 * end->macs_reused / end->macs);
	fprintf(out, "<tr><td>%d</td><td>%.4g</td><td>%.4g</td><td>%s</td><td>%d</td><td class=\"l\">", trial,
		(end->macs - end->macs_reused) / 1e9, end->macs_reused / 1e9, share, end->epochs_reused);
	html_text(out, end->reused_from);
	fprintf(out, "</td><td>%.3f</td><td>%.3f</td></tr>\n", end->train_s, end->eval_s);
}

void html_work(FILE *out, const struct results *r)
{
	double macs = 0;
	double reused = 0;
	int rows = 0;
	int forks = 0;

	for (int i = 0; i < r->n_trials; i++) {
		macs += r->trial[i].end.macs;
		reused += r->trial[i].end.macs_reused;
		forks += r->trial[i].end.epochs_reused > 0;
	}
	if (!(macs > 0))
		return;
	fprintf(out,
		"<h2 id=\"work\">Work shared</h2>\n<p>%.1f %% of %.4g multiply-adds were not computed again: frozen "
		"layers "
		"were run for several trials at once or kept; %d trial%s behind first epochs that another had "
		"run.</p>\n"
		"<details><summary>What each trial computed and reused</summary>\n<div class=\"scroll\" "
		"role=\"region\" "
		"tabindex=\"0\" aria-labelledby=\"work\"><table><thead><tr><th scope=\"col\">trial</th><th "
		"scope=\"col\">computed (10<sup>9</sup>)</th><th scope=\"col\">reused (10<sup>9</sup>)</th><th "
		"scope=\"col\">reused (%%)</th><th scope=\"col\">epochs reused</th><th scope=\"col\" class=\"l\">of "
		"trial</th><th scope=\"col\">train (s)</th><th scope=\"col\">eval (s)</th></tr></thead><tbody>\n",
		100 * reused / macs, macs, forks, forks == 1 ? " began" : "s began");
	for (int i = 0; i < r->n_trials && rows < MOST_ROWS; i++)
		if (r->trial[i].end.macs > 0) {
			work_row(out, i, &r->trial[i].end);
			rows++;
		}
	fputs("</tbody></table></div>\n<p class=\"soft\">Of the process that ended the trial; all in timings.csv.</p>"
	      "</details>\n",
	      out);
}
