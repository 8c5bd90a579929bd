/* export.c - gapsweep export DIR --format F: a run for other tools. */
#include "sweep/cmd/cmd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/file.h"
#include "sweep/base/text.h"
#include "sweep/grid/suggest.h"
#include "sweep/report/export.h"
#include "sweep/report/load.h"

static const char help[] =
	"Usage: gapsweep export --format FORMAT [-o FILE] DIR\n"
	"\n"
	"Writes a run for other tools, on standard output or into FILE:\n"
	"\n"
	"  csv          a row a trial with Optuna's column names (number, value, params_..., state)\n"
	"  json         the same as a list of objects\n"
	"  sqlite       the same as a database with the tables trials and epochs (needs -o)\n"
	"  tensorboard  event files, a folder a trial (needs -o, a folder)\n"
	"  latex        a booktabs table of the cells\n"
	"  markdown     the same in Markdown\n"
	"\n"
	"      --format F     one of these\n"
	"  -o, --output FILE  where to (default: standard output)\n"
	"  -h, --help         this text\n";

struct request {
	int format;
	const char *output;
	const char *dir; /* NULL: help was asked for and printed */
};

static int read_format(int *format, const char *text, struct err *e)
{
	char hint[SUGGEST_MAX + 32];
	struct suggest g = {.word = text};

	for (int i = 0; i < N_EXPORTS; i++) {
		suggest_try(&g, export_word(i));
		*format = strcmp(text, export_word(i)) ? *format : i;
	}
	return *format >= 0 ? 0
			    : err_set(e, ERR_USAGE, "--format: unknown format '%.40s'%s; see gapsweep export --help",
				      text, suggest_text(&g, hint));
}

static int read_arguments(struct request *q, int argc, char **argv, struct err *e)
{
	static const struct option longs[] = {{"format", required_argument, NULL, 'f'},
					      {"output", required_argument, NULL, 'o'},
					      {"help", no_argument, NULL, 'h'},
					      {0}};
	int c;

	*q = (struct request){.format = -1};
	while ((c = cmd_option(argc, argv, "ho:", longs, e)) != CMD_END) {
		if (c < 0)
			return c;
		if (c == CMD_HELP) {
			fputs(help, stdout);
			return 0;
		}
		if (c == 'o')
			q->output = optarg;
		if (c == 'f' && read_format(&q->format, optarg, e))
			return e->code;
	}
	if (cmd_operand(&q->dir, argc, argv, "a run directory", e))
		return e->code;
	if (q->format < 0)
		return err_set(e, ERR_USAGE, "export needs --format; see gapsweep export --help");
	if (!q->output && !export_is_text(q->format))
		return err_set(e, ERR_USAGE, "--format %s needs --output", export_word(q->format));
	return 0;
}

static int write_text(const struct request *q, const struct summary *s, struct err *e)
{
	struct text t;
	int rc;

	if (!q->output) {
		export_text(stdout, q->format, s);
		return 0;
	}
	rc = text_open(&t, e);
	if (rc)
		return rc;
	export_text(t.f, q->format, s);
	rc = text_close(&t, e);
	if (!rc)
		rc = file_replace(q->output, t.bytes, t.n, e);
	text_release(&t);
	return rc;
}

int cmd_export(int argc, char **argv, struct err *e)
{
	struct loaded l = {0};
	struct summary s = {0};
	struct request q;
	int rc = read_arguments(&q, argc, argv, e);

	if (rc || !q.dir)
		return rc;
	rc = loaded_init(&l, q.dir, e);
	if (!rc)
		rc = summary_init(&s, &l.results, e);
	if (!rc && q.format == EXPORT_SQLITE)
		rc = export_sqlite(q.output, &s, e);
	else if (!rc && q.format == EXPORT_TENSORBOARD)
		rc = export_tensorboard(q.output, &s, e);
	else if (!rc)
		rc = write_text(&q, &s, e);
	summary_release(&s);
	loaded_release(&l);
	return rc;
}
