/* compare.c - gapsweep compare DIR DIR...: the same cells of several runs side by side. */
#include "sweep/cmd/cmd.h"

#include <stdio.h>
#include <stdlib.h>

#include "sweep/report/compare.h"
#include "sweep/report/load.h"

static const char help[] =
	"Usage: gapsweep compare [OPTIONS] DIR DIR...\n"
	"\n"
	"Finds the cells that two or more runs have in common (equal settings) and shows how gap and validation\n"
	"accuracy differ, each run against the first, paired by seed: two checkpoints, two data sizes, or yesterday\n"
	"and today. Says first what else differs: versions, machine, data, weights, grid file. Up to 8 runs.\n"
	"\n"
	"  -o, --output DIR  also write compare.csv, compare.html and plots/gap_difference.{svg,png,gp,csv} there\n"
	"      --csv         print compare.csv instead of the tables\n"
	"  -h, --help        this text\n";

struct request {
	const char *output;
	bool csv, done;
};

static int read_arguments(struct request *q, int argc, char **argv, struct err *e)
{
	static const struct option longs[] = {{"output", required_argument, NULL, 'o'},
					      {"csv", no_argument, NULL, 'c'},
					      {"help", no_argument, NULL, 'h'},
					      {0}};
	int c;

	*q = (struct request){0};
	while ((c = cmd_option(argc, argv, "ho:", longs, e)) != CMD_END) {
		if (c < 0)
			return c;
		if (c == CMD_HELP) {
			fputs(help, stdout);
			q->done = true;
			return 0;
		}
		if (c == 'o')
			q->output = optarg;
		if (c == 'c')
			q->csv = true;
	}
	if (argc - optind < 2 || argc - optind > COMPARE_MAX_RUNS)
		return err_set(e, ERR_USAGE, "compare needs 2 to %d run directories; see gapsweep compare --help",
			       COMPARE_MAX_RUNS);
	return 0;
}

static int show(const struct request *q, const struct comparison *c, struct err *e)
{
	int rc = 0;

	if (q->output)
		rc = comparison_write(q->output, c, e);
	if (rc && rc != ERR_UNAVAILABLE)
		return rc;
	if (q->csv)
		comparison_csv(stdout, c);
	else
		comparison_print(stdout, c);
	if (q->output && !q->csv)
		printf("%s/compare.html\n", q->output);
	return rc;
}

int cmd_compare(int argc, char **argv, struct err *e)
{
	struct loaded *l = calloc(COMPARE_MAX_RUNS, sizeof(*l));
	struct summary s[COMPARE_MAX_RUNS] = {0};
	struct compared_run run[COMPARE_MAX_RUNS];
	struct comparison c = {0};
	struct request q = {0};
	int n = 0;
	int rc = l ? read_arguments(&q, argc, argv, e) : err_set(e, ERR_NOMEM, "out of memory");

	for (int i = optind; !rc && !q.done && i < argc; i++, n++) {
		rc = loaded_init(&l[n], argv[i], e);
		if (!rc)
			rc = summary_init(&s[n], &l[n].results, e);
		run[n] = (struct compared_run){argv[i], &s[n]};
	}
	if (!rc && n)
		rc = comparison_init(&c, run, n, e);
	if (!rc && n)
		rc = show(&q, &c, e);
	comparison_release(&c);
	for (int i = 0; i < n; i++) {
		summary_release(&s[i]);
		loaded_release(&l[i]);
	}
	free(l);
	return rc;
}
