/* train.c - gapsweep train: one configuration in the foreground */
#include "sweep/cmd/cmd.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sweep/run/epochs.h"
#include "sweep/run/plan.h"
#include "sweep/run/sched.h"

static const char help[] =
	"Usage: gapsweep train [OPTIONS] GRID.yaml\n\n"
	"Trains one configuration of the grid and prints a line an epoch. This is also how a backbone is "
	"pretrained.\n\n"
	"      --set PATH=VALUE    change the grid, e.g. --set parameters.backbone_lr=1e-4; may be repeated\n"
	"      --cell K            cell number (default: the grid's baseline, else 0); gapsweep plan --cells lists "
	"them\n"
	"      --threads N         threads (default: the CPUs this process may use); same figures for any number\n"
	"      --seed S            seed (default: the grid's first)\n"
	"      --save FILE         write the weights as safetensors at the end; Ctrl-C ends without saving\n"
	"      --epochs-csv FILE   write the epochs as a table with every metric and group\n"
	"      --json              one JSON object an epoch instead of the line\n"
	"  -h, --help              this text";

struct options {
	const char *grid, *save, *csv, *seed;
	long cell;    /* -1: choose */
	long threads; /* 0: as many as CPUs */
	bool json;
	struct cmd_sets sets;
};

static int parse(struct options *o, int argc, char **argv, struct err *e)
{
	enum { SET = 256, THREADS, CELL, SEED, SAVE, CSV, JSON };
	static const struct option longs[] = {
		{"set", required_argument, NULL, SET},
		{"threads", required_argument, NULL, THREADS},
		{"cell", required_argument, NULL, CELL},
		{"seed", required_argument, NULL, SEED},
		{"save", required_argument, NULL, SAVE},
		{"epochs-csv", required_argument, NULL, CSV},
		{"json", no_argument, NULL, JSON},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int c;
	int rc = cmd_sets_init(&o->sets, argc, e);

	while (!rc && (c = cmd_option(argc, argv, "h", longs, e)) != CMD_END) {
		if (c == SET)
			o->sets.text[o->sets.n++] = optarg;
		else if (c == CELL)
			rc = cmd_integer(&o->cell, "--cell", optarg, 0, STUDY_MAX_CELLS, e);
		else if (c == THREADS)
			rc = cmd_integer(&o->threads, "--threads", optarg, 1, 4096, e);
		else if (c == SEED)
			o->seed = optarg;
		else if (c == SAVE)
			o->save = optarg;
		else if (c == CSV)
			o->csv = optarg;
		else if (c == JSON)
			o->json = true;
		else
			return c;
	}
	return rc ? rc : cmd_operand(&o->grid, argc, argv, "a grid file", e);
}

static int choose_seed(uint64_t *seed, const struct study *s, const struct options *o, struct err *e)
{
	char *end;

	*seed = s->seed[0];
	if (!o->seed)
		return 0;
	errno = 0;
	*seed = strtoull(o->seed, &end, 10);
	if (*o->seed < '0' || *o->seed > '9' || *end || errno)
		return err_set(e, ERR_USAGE, "--seed '%s': expected a whole number", o->seed);
	return 0;
}

static void tell_choice(const struct study *s, int cell)
{
	fprintf(stderr, "gapsweep: training cell %d of %d%s:", cell, s->n_cells,
		s->cell[cell].baseline ? " (the baseline)" : "");
	for (int c = 0; c < s->n_columns; c++) {
		char text[COLUMN_TEXT_MAX];

		setting_text(s, &s->cell[cell].setting, c, text);
		fprintf(stderr, "%s %s %s", c ? "," : "", s->column[c].name, text);
	}
	fputc('\n', stderr);
}

static int choose_cell(const struct cell **cell, const struct study *s, const struct options *o, struct err *e)
{
	long choice = o->cell;

	if (choice >= s->n_cells)
		return err_set(e, ERR_USAGE, "--cell %ld: expected 0 to %d", choice, s->n_cells - 1);
	for (int c = 0; choice < 0 && c < s->n_cells; c++)
		if (s->cell[c].baseline)
			choice = c;
	choice = choice < 0 ? 0 : choice;
	if (s->n_cells > 1)
		tell_choice(s, (int)choice);
	*cell = &s->cell[choice];
	return 0;
}

static void print_json(const struct epoch_row *r, int64_t n_train)
{
	struct {
		const char *key;
		double value;
	} item[] = {
		{"train_loss", r->train_loss},
		{"train_acc", r->train_acc},
		{"train_eval_loss", r->train_eval_loss},
		{"train_eval_acc", r->train_eval_acc},
		{"val_loss", r->val_loss},
		{"val_acc", r->val_acc},
		{"train_s", r->train_s},
		{"eval_s", r->eval_s},
		{"images_per_s", (double)n_train / r->train_s},
	};
	json_t *j = json_object();

	json_object_set_new(j, "epoch", json_integer(r->epoch));
	for (size_t i = 0; i < sizeof(item) / sizeof(*item); i++)
		json_object_set_new(j, item[i].key, isfinite(item[i].value) ? json_real(item[i].value) : json_null());
	json_dumpf(j, stdout, JSON_COMPACT | JSON_REAL_PRECISION(17));
	fputc('\n', stdout);
	json_decref(j);
}

static void print_line(const struct epoch_row *r)
{
	printf("Epoch %d: Train Acc: %.2f%%, Train Loss: %.3f, Val Acc: %.2f%%, Val Loss: %.3f\n", r->epoch,
	       100 * r->train_acc, r->train_loss, 100 * r->val_acc, r->val_loss);
}

static int check_csv(FILE *csv, const char *path, struct err *e)
{
	return csv && (fflush(csv) || ferror(csv)) ? err_set(e, ERR_IO, "%s: %s", path, strerror(errno)) : 0;
}

static int train(struct trial *t, const struct options *o, const struct study *s, int64_t n_train, FILE *csv,
		 struct err *e)
{
	enum trial_status status = TRIAL_RUNNING;
	int rc = 0;

	if (csv)
		epochs_header(csv, s);
	while (!rc && status == TRIAL_RUNNING) {
		struct epoch_row row = {0};

		rc = trial_epoch(t, &row, &status, NULL, e);
		if (rc)
			return rc;
		if (o->json)
			print_json(&row, n_train);
		else
			print_line(&row);
		fflush(stdout); /* an epoch may take minutes, and stdout may be a pipe */
		if (csv)
			epochs_row(csv, &row, s->n_groups);
		rc = check_csv(csv, o->csv, e);
	}
	if (!rc && status == TRIAL_DIVERGED) {
		struct divergence d;

		trial_divergence(&d, t);
		rc = err_set(e, ERR_FAILED, "diverged in epoch %d (loss %g); group '%s' left first%s", d.epoch, d.loss,
			     s->group[d.group].name, o->save ? "; no weights saved" : "");
	}
	return rc;
}

/* What the one job of the scheduler needs. */
struct training {
	struct trial *t;
	const struct options *o;
	const struct study *s;
	int64_t n_train;
	FILE *csv;
	struct err *e;
	int rc;
};

static void job(void *ctx, int i, int worker, struct team *team)
{
	struct training *tr = ctx;

	(void)i;
	(void)worker;
	trial_set_team(tr->t, team);
	tr->rc = train(tr->t, tr->o, tr->s, tr->n_train, tr->csv, tr->e);
}

static int train_on(int threads, struct training *tr)
{
	if (sched_run(&(struct sched){.n = 1, .workers = 1, .threads = threads, .job = job, .ctx = tr}) < 1)
		return err_set(tr->e, ERR_NOMEM, "out of memory");
	return tr->rc;
}

/* No more threads than CPUs, whatever was asked for. */
static int choose_threads(long asked)
{
	int cpus = sched_cpus();

	if (asked > cpus)
		fprintf(stderr, "gapsweep: --threads %ld: this process may use %d: using %d\n", asked, cpus, cpus);
	return asked && asked < cpus ? (int)asked : cpus;
}

static int train_study(const struct study *s, const struct options *o, struct err *e)
{
	struct sources src = {0};
	struct trial *t = NULL;
	const struct cell *cell = NULL;
	struct trial_spec spec;
	int threads = choose_threads(o->threads);
	uint64_t seed;
	FILE *csv = NULL;
	int rc = choose_seed(&seed, s, o, e);

	if (!rc)
		rc = choose_cell(&cell, s, o, e);
	if (!rc)
		rc = sources_open(&src, s, e);
	if (!rc) {
		study_trial_spec(&spec, s, &cell->setting, seed, src.train, src.val, src.weights);
		spec.threads = threads;
		rc = trial_new(&t, &spec, e);
	}
	if (!rc && o->csv) {
		csv = fopen(o->csv, "we");
		if (!csv)
			rc = err_set(e, ERR_CANTCREAT, "%s: %s", o->csv, strerror(errno));
	}
	if (!rc)
		rc = train_on(threads, &(struct training){t, o, s, dataset_info(src.train)->n, csv, e, 0});
	if (!rc && o->save)
		rc = trial_save(t, o->save, e);
	if (csv && fclose(csv) && !rc)
		rc = err_set(e, ERR_IO, "%s: %s", o->csv, strerror(errno));
	trial_free(t);
	sources_release(&src);
	return rc;
}

int cmd_train(int argc, char **argv, struct err *e)
{
	struct options o = {.cell = -1};
	struct study s = {0};
	int rc = parse(&o, argc, argv, e);

	if (rc == CMD_HELP) {
		cmd_sets_release(&o.sets);
		puts(help);
		return 0;
	}
	if (!rc)
		rc = engine_init(e);
	if (!rc)
		rc = engine_threads(1, e);
	if (!rc)
		rc = study_load(&s, o.grid, o.sets.text, o.sets.n, e);
	if (!rc)
		rc = train_study(&s, &o, e);
	study_release(&s);
	cmd_sets_release(&o.sets);
	return rc;
}
