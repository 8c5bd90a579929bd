/* run_options.c - see run_options.h */
#include "sweep/cmd/run_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sweep/run/clock.h"

const char run_help[] =
	"Usage: gapsweep run [OPTIONS] GRID.yaml\n\n"
	"Runs every trial of the grid that is not finished yet, many at a time, and reports the sweep. The same "
	"command\n"
	"goes on after a stop, a crash, or a change of the grid: finished trials are found again, failed ones run "
	"again.\n\n"
	"  -o, --output DIR      run directory (default: results/NAME)\n"
	"      --fresh           start anew beside what is there: into results/NAME-2, or -3, ...\n"
	"  -j, --workers N       trials at a time (default: the CPUs this process may use, by --threads; in a long "
	"sweep\n"
	"                        fewer, if a measurement of a hundredth of its time finds that faster)\n"
	"      --threads N       threads a trial has at least (default: CPUs by workers; idle ones join what runs)\n"
	"      --memory SIZE     what trials may use together, e.g. 8G or 512M (default: what is free)\n"
	"      --set PATH=VALUE  change the grid, e.g. --set epochs=2 --set parameters.optimizer=sgd; may be repeated\n"
	"      --trials LIST     only these trial numbers, e.g. 0-9,12\n"
	"      --checkpoint-every T  leave checkpoints every 5m (90s, 1h) or every 3e, three epochs (default: 60s)\n"
	"      --trial-timeout T a trial that ends no epoch for so long (90s, 10m) is taken for hung\n"
	"      --budget T        stop in time (30m, 8h) with a finished report of what there is; exit 75\n"
	"      --finish-by HH:MM the same, by a time of day\n"
	"      --no-share        run every trial on its own: the same figures, slower where layers are frozen or "
	"first\n"
	"                        epochs are the same\n"
	"      --no-report       tables only: no charts, no report.html\n"
	"  -q, --quiet           no progress\n"
	"      --json            one JSON object a finished trial on stdout\n"
	"  -h, --help            this text\n\n"
	"A crash (also for want of memory) costs the trials under way their last minute; the run goes on by itself.\n"
	"A trial that crashes three times in a row is FAIL; five failures in a row for one reason end the run.\n"
	"Ctrl-C: every trial under way finishes its step and leaves a checkpoint; exit 75. Twice: out at once.\n"
	"Exit codes: 0 done, 1 some trials failed, 69 no gnuplot (tables are written), 74 disk full, 75 interrupted.";

/* "90s", "30m", "8h"; false if it is no such thing. */
static bool read_duration(double *seconds, const char *text)
{
	char *end;
	double unit;

	*seconds = strtod(text, &end);
	unit = !strcmp(end, "s") ? 1 : !strcmp(end, "m") ? 60 : !strcmp(end, "h") ? 3600 : 0;
	*seconds *= unit;
	return end != text && *seconds > 0 && *seconds < 1e9;
}

/* "8G", "512M", "1.5G", "64K": powers of 1024; plain bytes. */
static int read_size(double *bytes, const char *text, struct err *e)
{
	char *end;
	double unit;

	*bytes = strtod(text, &end);
	unit = !*end               ? 1
	       : !strcmp(end, "K") ? 0x1p10
	       : !strcmp(end, "M") ? 0x1p20
	       : !strcmp(end, "G") ? 0x1p30
	       : !strcmp(end, "T") ? 0x1p40
				   : 0;
	*bytes *= unit;
	return end != text && *bytes >= 1 && *bytes < 0x1p62
		       ? 0
		       : err_set(e, ERR_USAGE, "--memory '%.40s': expected a size like 8G or 512M", text);
}

/* Seconds until the clock on the wall next shows HH:MM. */
static bool read_time_of_day(double *seconds, const char *text)
{
	time_t now = time(NULL);
	struct tm t;
	int n = 0;

	localtime_r(&now, &t);
	if (sscanf(text, "%2d:%2d%n", &t.tm_hour, &t.tm_min, &n) != 2 || text[n] || t.tm_hour < 0 || t.tm_hour > 23 ||
	    t.tm_min < 0 || t.tm_min > 59)
		return false;
	t.tm_sec = 0;
	t.tm_isdst = -1;
	if (mktime(&t) <= now) {
		t.tm_mday++;
		t.tm_isdst = -1;
	}
	*seconds = difftime(mktime(&t), now);
	return true;
}

/* The options that are a time, in their order from --checkpoint-every on. */
static int parse_time(struct run_options *o, int which, const char *text, struct err *e)
{
	static const char *const name[] = {"--checkpoint-every", "--trial-timeout", "--budget", "--finish-by"};
	static const char *const expected[] = {"a time or epochs like 90s, 5m or 3e", "a time like 90s, 5m or 2h",
					       "a time like 90s, 30m or 8h", "a time of day like 07:00"};
	double left = 0;
	int n = 0;
	bool ok;

	if (which == 0)
		ok = (sscanf(text, "%5d%n", &o->checkpoint_epochs, &n) == 1 && o->checkpoint_epochs > 0 &&
		      !strcmp(text + n, "e")) ||
		     (o->checkpoint_epochs = 0, read_duration(&o->checkpoint_s, text));
	else if (which == 1)
		ok = read_duration(&o->trial_timeout_s, text);
	else
		ok = which == 2 ? read_duration(&left, text) : read_time_of_day(&left, text);
	if (left > 0 && (o->deadline_s <= 0 || clock_s() + left < o->deadline_s)) /* of two, the earlier */
		o->deadline_s = clock_s() + left;
	return ok ? 0 : err_set(e, ERR_USAGE, "%s '%.40s': expected %s", name[which], text, expected[which]);
}

int run_options_parse(struct run_options *o, int argc, char **argv, struct err *e)
{
	enum {
		SET = 256,
		THREADS,
		MEMORY,
		TRIALS,
		JSON,
		NO_REPORT,
		NO_SHARE,
		FRESH,
		CHECKPOINT,
		TIMEOUT,
		BUDGET,
		FINISH
	};
	static const struct option longs[] = {
		{"output", required_argument, NULL, 'o'},
		{"workers", required_argument, NULL, 'j'},
		{"threads", required_argument, NULL, THREADS},
		{"memory", required_argument, NULL, MEMORY},
		{"set", required_argument, NULL, SET},
		{"trials", required_argument, NULL, TRIALS},
		{"checkpoint-every", required_argument, NULL, CHECKPOINT},
		{"trial-timeout", required_argument, NULL, TIMEOUT},
		{"budget", required_argument, NULL, BUDGET},
		{"finish-by", required_argument, NULL, FINISH},
		{"fresh", no_argument, NULL, FRESH},
		{"quiet", no_argument, NULL, 'q'},
		{"json", no_argument, NULL, JSON},
		{"no-report", no_argument, NULL, NO_REPORT},
		{"no-share", no_argument, NULL, NO_SHARE},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int c;
	int rc = cmd_sets_init(&o->sets, argc, e);

	while (!rc && (c = cmd_option(argc, argv, "o:j:qh", longs, e)) != CMD_END) {
		if (c == 'o')
			o->dir = optarg;
		else if (c == 'j')
			rc = cmd_integer(&o->workers, "--workers", optarg, 1, 4096, e);
		else if (c == THREADS)
			rc = cmd_integer(&o->threads, "--threads", optarg, 1, 4096, e);
		else if (c == MEMORY)
			rc = read_size(&o->memory, optarg, e);
		else if (c == SET)
			o->sets.text[o->sets.n++] = optarg;
		else if (c == TRIALS)
			o->trials = optarg;
		else if (c == 'q')
			o->quiet = true;
		else if (c == JSON)
			o->json = true;
		else if (c == NO_REPORT)
			o->no_report = true;
		else if (c == NO_SHARE)
			o->no_share = true;
		else if (c == FRESH)
			o->fresh = argv[optind - 1];
		else if (c >= CHECKPOINT)
			rc = parse_time(o, c - CHECKPOINT, optarg, e);
		else
			return c;
	}
	return rc ? rc : cmd_operand(&o->grid, argc, argv, "a grid file", e);
}
