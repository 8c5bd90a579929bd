/* report.c - gapsweep report DIR: rebuilds the tables, charts and report.html of a run directory. */
#include "sweep/cmd/cmd.h"

#include <stdio.h>
#include <string.h>

#include "sweep/report/report.h"

static const char help[] =
	"Usage: gapsweep report [OPTIONS] DIR\n"
	"\n"
	"Rebuilds what is derived from a run directory: trials.csv, epochs.csv, cells.csv, effects.csv,\n"
	"images.csv, timings.csv, plots/ (each chart with its data and gnuplot script) and report.html, and prints the "
	"table of\n"
	"before (baseline) and after (best cell). May be called while the sweep runs.\n"
	"\n"
	"      --formats LIST  picture formats, any of svg,png,pdf (default svg,png; svg is always made)\n"
	"      --tables        only the tables: no charts, no report.html\n"
	"  -h, --help          this text\n"
	"\n"
	"GAPSWEEP_PLOTS: a folder with own gnuplot templates (style.gp, heatmap.gp, ...), used before the built-in\n"
	"ones. GAPSWEEP_GNUPLOT_TIMEOUT: seconds that gnuplot may take for one chart (default 60).\n";

static int read_formats(unsigned *formats, const char *list, struct err *e)
{
	static const char *const word[] = {"svg", "png", "pdf"};

	*formats = 0;
	for (const char *at = list; *at;) {
		size_t n = strcspn(at, ",");
		unsigned bit = 0;

		for (unsigned i = 0; i < 3; i++)
			if (n == 3 && !strncmp(at, word[i], 3))
				bit = 1u << i;
		if (!bit)
			return err_set(e, ERR_USAGE, "--formats: unknown format '%.*s'; expected svg, png or pdf",
				       (int)n, at);
		*formats |= bit;
		at += n + (at[n] == ',');
	}
	return *formats ? 0 : err_set(e, ERR_USAGE, "--formats: expected svg, png or pdf");
}

struct request {
	struct report_options options;
	const char *dir; /* NULL: help was asked for and printed */
};

static int read_arguments(struct request *q, int argc, char **argv, struct err *e)
{
	static const struct option longs[] = {{"formats", required_argument, NULL, 'f'},
					      {"tables", no_argument, NULL, 't'},
					      {"help", no_argument, NULL, 'h'},
					      {0}};
	int c;

	*q = (struct request){0};
	while ((c = cmd_option(argc, argv, "h", longs, e)) != CMD_END) {
		if (c < 0)
			return c;
		if (c == CMD_HELP) {
			fputs(help, stdout);
			return 0;
		}
		if (c == 't')
			q->options.tables_only = true;
		if (c == 'f' && read_formats(&q->options.formats, optarg, e))
			return e->code;
	}
	return cmd_operand(&q->dir, argc, argv, "a run directory", e);
}

int cmd_report(int argc, char **argv, struct err *e)
{
	struct request q;
	int rc = read_arguments(&q, argc, argv, e);

	if (rc || !q.dir)
		return rc;
	q.options.shown = stdout;
	rc = report_write(q.dir, &q.options, e);
	if (rc && rc != ERR_UNAVAILABLE)
		return rc;
	report_warn_of_font(stderr, &q.options);
	printf("%s/%s\n", q.dir, q.options.tables_only ? "cells.csv" : "report.html");
	return rc;
}
