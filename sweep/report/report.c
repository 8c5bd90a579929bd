/* report.c - see report.h */
#include "sweep/report/report.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "sweep/report/before_after.h"
#include "sweep/report/chart.h"
#include "sweep/report/html.h"
#include "sweep/report/load.h"
#include "sweep/report/render.h"
#include "sweep/report/table.h"

static int write_all(const char *dir, const struct summary *s, const struct report_options *o, struct err *e)
{
	unsigned formats = o && o->formats ? o->formats : REPORT_SVG | REPORT_PNG;
	bool drawn[N_CHARTS];
	char note[N_CHARTS][200];
	struct err page = {0};
	int rc = tables_write(dir, s, e);

	if (rc || (o && o->tables_only))
		return rc;
	rc = charts_write(dir, s, formats | REPORT_SVG, drawn, note, e);
	if (html_write(dir, s, drawn, note, &page) && (!rc || rc == ERR_UNAVAILABLE)) {
		*e = page; /* a full disk matters more than a missing program */
		rc = page.code;
	}
	return rc;
}

/* 0 where it is no terminal. */
static int terminal_columns(FILE *out)
{
	struct winsize w;

	return isatty(fileno(out)) && !ioctl(fileno(out), TIOCGWINSZ, &w) ? w.ws_col : 0;
}

int report_write(const char *dir, const struct report_options *o, struct err *e)
{
	struct loaded l = {0};
	struct summary s = {0};
	int rc = loaded_init(&l, dir, e);

	if (!rc)
		rc = summary_init(&s, &l.results, e);
	if (!rc) {
		rc = write_all(dir, &s, o, e);
		if (o && o->shown && (!rc || rc == ERR_UNAVAILABLE))
			table_before_after(o->shown, &s, terminal_columns(o->shown));
	}
	summary_release(&s);
	loaded_release(&l);
	return rc;
}

void report_warn_of_font(FILE *out, const struct report_options *o)
{
	char instead[64];

	if (o->tables_only || (o->formats && !(o->formats & (REPORT_PNG | REPORT_PDF))) || getenv("GAPSWEEP_PLOTS") ||
	    !render_font_missing(instead))
		return;
	fprintf(out,
		"gapsweep: warning: the font of png and pdf charts, DejaVu Sans, is missing (fonts-dejavu-core): "
		"%s%s\n",
		*instead ? "drawn with " : "drawn without text", instead);
}
