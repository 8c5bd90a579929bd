/* plan.c - gapsweep plan: what would run, and what of it is finished */
#include "sweep/cmd/cmd.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sweep/base/num.h"
#include "sweep/run/change.h"
#include "sweep/run/machine.h"
#include "sweep/run/room.h"
#include "sweep/run/sched.h"
#include "sweep/run/share.h"

static const char help[] =
	"Usage: gapsweep plan [OPTIONS] GRID.yaml\n\n"
	"Reads the grid, its data and weights, and shows what gapsweep run would do. Writes nothing.\n\n"
	"  -o, --output DIR      run directory to look into (default: results/NAME)\n"
	"      --set PATH=VALUE  change the grid, e.g. --set epochs=2; may be repeated\n"
	"      --cells           list every cell with its settings\n"
	"      --json            all of it as JSON on stdout\n"
	"      --parameters      list every hyperparameter a grid may name (needs no grid file)\n"
	"      --schema          print the JSON Schema of grid files (needs no grid file)\n"
	"  -h, --help            this text";

struct options {
	const char *grid, *dir;
	bool cells, json, parameters, schema;
	struct cmd_sets sets;
};

/* Tensors and elements of each group, from a trial of the first cell. */
struct sizes {
	int tensors[ENGINE_MAX_GROUPS];
	int64_t elements[ENGINE_MAX_GROUPS];
};

static int parse(struct options *o, int argc, char **argv, struct err *e)
{
	enum { SET = 256, CELLS, JSON, PARAMETERS, SCHEMA };
	static const struct option longs[] = {
		{"output", required_argument, NULL, 'o'},
		{"set", required_argument, NULL, SET},
		{"cells", no_argument, NULL, CELLS},
		{"json", no_argument, NULL, JSON},
		{"parameters", no_argument, NULL, PARAMETERS},
		{"schema", no_argument, NULL, SCHEMA},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int c;
	int rc = cmd_sets_init(&o->sets, argc, e);

	while (!rc && (c = cmd_option(argc, argv, "o:h", longs, e)) != CMD_END) {
		if (c == 'o')
			o->dir = optarg;
		else if (c == SET)
			o->sets.text[o->sets.n++] = optarg;
		else if (c == CELLS)
			o->cells = true;
		else if (c == JSON)
			o->json = true;
		else if (c == PARAMETERS)
			o->parameters = true;
		else if (c == SCHEMA)
			o->schema = true;
		else
			return c;
	}
	if (rc || o->parameters || o->schema)
		return rc;
	return cmd_operand(&o->grid, argc, argv, "a grid file", e);
}

static int measure_groups(struct sizes *sz, const struct plan *p, struct err *e)
{
	struct trial_spec spec;
	struct trial *t;
	int rc;

	*sz = (struct sizes){0};
	plan_spec(&spec, p, 0);
	rc = trial_new(&t, &spec, e);
	for (int g = 0; !rc && g < p->study->n_groups; g++)
		trial_group_size(t, g, &sz->tensors[g], &sz->elements[g]);
	trial_free(t);
	return rc;
}

static const char *arch_name(const struct study *s, char out[COLUMN_TEXT_MAX])
{
	const struct field *f = field_find(model_fields, n_model_fields, "arch");

	field_enum_word(f, s->model.arch, out, COLUMN_TEXT_MAX);
	return out;
}

static int count_state(const struct plan *p, enum trial_state state)
{
	int n = 0;

	for (int t = 0; t < p->n_trials; t++)
		n += p->trial[t].state == state;
	return n;
}

static void print_data(const char *what, const struct dataset *d)
{
	const struct dataset_info *i = dataset_info(d);
	char bytes[NUM_MAX];

	printf("%-12s %" PRId64 " images of %dx%dx%d, %d classes, %s", what, i->n, i->c, i->h, i->w, i->classes,
	       num_bytes(bytes, (double)i->bytes));
	if (i->on_disk)
		printf(", %s in the cache", num_bytes(bytes, (double)i->on_disk));
	if (i->skipped)
		printf(", %" PRId64 " bad image%s skipped", i->skipped, i->skipped > 1 ? "s" : "");
	putchar('\n');
}

static void print_model(const struct plan *p, const struct sizes *sz)
{
	const struct study *s = p->study;
	char text[COLUMN_TEXT_MAX];

	printf("%-12s %s, start weights: %s\n", "model", arch_name(s, text),
	       s->weights_path ? s->weights_path : "random");
	for (int g = 0; g < s->n_groups; g++)
		printf("%-12s %s: %" PRId64 " parameters in %d tensors\n", g ? "" : "groups", s->group[g].name,
		       sz->elements[g], sz->tensors[g]);
}

static void print_counts(const struct plan *p, const struct room *room, const char *dir)
{
	const struct study *s = p->study;
	char free_bytes[NUM_MAX];
	char bytes[NUM_MAX];

	printf("%-12s %d", "cells", s->n_cells);
	if (s->n_duplicates)
		printf(", %d duplicate%s removed", s->n_duplicates, s->n_duplicates > 1 ? "s" : "");
	if (s->n_excluded)
		printf(", %d excluded", s->n_excluded);
	printf("\n%-12s %d (%d seed%s a cell)\n", "trials", p->n_trials, s->n_seeds, s->n_seeds > 1 ? "s" : "");
	printf("%-12s %s %s\n", "metric", s->goal == GOAL_MAXIMIZE ? "maximize" : "minimize", s->metric);
	for (int i = 0; i < s->n_constraints; i++)
		printf("%-12s %s\n", i ? "" : "constraints", s->constraint[i].text);
	printf("%-12s %s a trial at most, %s free\n", "memory", num_bytes(bytes, (double)p->trial_bytes),
	       num_bytes(free_bytes, room->memory_free));
	printf("%-12s about %s for what is to run, %s free\n", "disk", num_bytes(bytes, room->disk),
	       num_bytes(free_bytes, room->disk_free));
	printf("%-12s %s: %d finished, %d begun, %d failed, %d to run\n", "directory", dir, p->n_finished,
	       count_state(p, STATE_RUNNING), count_state(p, STATE_FAIL), p->n_todo);
}

static void print_shared(const struct plan *p, const struct share_sum *sum)
{
	const char *what = "shared";
	char bytes[NUM_MAX];

	if (sum->bundles) {
		printf("%-12s %d trials run their frozen layers together, in %d bundle%s\n", what, sum->in_bundles,
		       sum->bundles, sum->bundles > 1 ? "s" : "");
		what = "";
	}
	if (sum->feature_sets) {
		printf("%-12s frozen layers that are the same in every epoch are computed once: %d set%s, %s\n", what,
		       sum->feature_sets, sum->feature_sets > 1 ? "s" : "",
		       num_bytes(bytes, (double)sum->feature_bytes));
		what = "";
	}
	if (sum->forks) {
		printf("%-12s %d trial%s behind first epochs that another one runs too\n", what, sum->forks,
		       sum->forks > 1 ? "s begin" : " begins");
		what = "";
	}
	if (sum->extended) {
		printf("%-12s %d trial%s from the end of %s\n", what, sum->extended,
		       sum->extended > 1 ? "s go on" : " goes on",
		       sum->extended > 1 ? "shorter runs that were kept" : "a shorter run that was kept");
		what = "";
	}
	if (p->n_anew) {
		printf("%-12s not: %d trial%s a shorter run that was kept, but rates that depend on the number of "
		       "epochs\n",
		       what, p->n_anew, p->n_anew > 1 ? "s have" : " has");
		what = "";
	}
	if (sum->macs > 0)
		printf("%-12s %.1f %% of %.4g multiply-adds saved\n", what, 100 * sum->reused / sum->macs, sum->macs);
}

static void print_cells(const struct study *s)
{
	printf("\ncell");
	for (int c = 0; c < s->n_columns; c++)
		printf("  %-*s", (int)strlen(s->column[c].name) < 8 ? 8 : (int)strlen(s->column[c].name),
		       s->column[c].name);
	putchar('\n');
	for (int i = 0; i < s->n_cells; i++) {
		printf("%4d", i);
		for (int c = 0; c < s->n_columns; c++) {
			int width = (int)strlen(s->column[c].name);
			char text[COLUMN_TEXT_MAX];

			setting_text(s, &s->cell[i].setting, c, text);
			printf("  %-*s", width < 8 ? 8 : width, text);
		}
		puts(s->cell[i].baseline ? "  baseline" : "");
	}
}

static json_t *data_json(const struct dataset *d)
{
	const struct dataset_info *i = dataset_info(d);

	return json_pack("{s:I, s:[iii], s:i, s:I, s:I, s:I, s:s}", "n", (json_int_t)i->n, "shape", i->c, i->h, i->w,
			 "classes", i->classes, "bytes", (json_int_t)i->bytes, "on_disk", (json_int_t)i->on_disk,
			 "skipped", (json_int_t)i->skipped, "hash", i->hash);
}

static json_t *groups_json(const struct study *s, const struct sizes *sz)
{
	json_t *groups = json_array();

	for (int g = 0; g < s->n_groups; g++)
		json_array_append_new(groups, json_pack("{s:s, s:i, s:I}", "name", s->group[g].name, "tensors",
							sz->tensors[g], "parameters", (json_int_t)sz->elements[g]));
	return groups;
}

static json_t *constraints_json(const struct study *s)
{
	json_t *list = json_array();

	for (int i = 0; i < s->n_constraints; i++)
		json_array_append_new(list, json_string(s->constraint[i].text));
	return list;
}

static json_t *cells_json(const struct plan *p)
{
	const struct study *s = p->study;
	json_t *cells = json_array();

	for (int i = 0; i < s->n_cells; i++) {
		json_t *cell = json_pack("{s:i, s:b}", "cell", i, "baseline", s->cell[i].baseline);
		json_t *params = json_object();

		for (int c = 0; c < s->n_columns; c++) {
			char text[COLUMN_TEXT_MAX];
			double value;

			setting_text(s, &s->cell[i].setting, c, text);
			json_object_set_new(params, s->column[c].name,
					    num_read(&value, text) ? json_real(value) : json_string(text));
		}
		json_object_set_new(cell, "params", params);
		json_array_append_new(cells, cell);
	}
	return cells;
}

static json_t *shared_json(const struct plan *p, const struct share_sum *sum)
{
	return json_pack("{s:i, s:i, s:i, s:I, s:i, s:i, s:i, s:f, s:f}", "bundles", sum->bundles, "in_bundles",
			 sum->in_bundles, "feature_sets", sum->feature_sets, "feature_bytes",
			 (json_int_t)sum->feature_bytes, "forks", sum->forks, "extended", sum->extended, "anew",
			 p->n_anew, "macs", sum->macs, "macs_reused", sum->reused);
}

static void print_json(const struct plan *p, const struct sizes *sz, const struct share_sum *sum,
		       const struct change *change, const struct room *room, const char *dir, bool with_cells)
{
	const struct study *s = p->study;
	char arch[COLUMN_TEXT_MAX];
	json_t *j = json_pack("{s:s, s:o, s:o, s:s, s:s?, s:o}", "name", s->name, "train", data_json(p->src.train),
			      "val", data_json(p->src.val), "arch", arch_name(s, arch), "weights", s->weights_path,
			      "groups", groups_json(s, sz));
	json_t *counts = json_pack("{s:i, s:i, s:i, s:i, s:i, s:I}", "cells", s->n_cells, "duplicates", s->n_duplicates,
				   "excluded", s->n_excluded, "seeds", s->n_seeds, "trials", p->n_trials, "trial_bytes",
				   (json_int_t)p->trial_bytes);
	json_t *look =
		json_pack("{s:s, s:i, s:i, s:i, s:i}", "directory", dir, "finished", p->n_finished, "begun",
			  count_state(p, STATE_RUNNING), "failed", count_state(p, STATE_FAIL), "to_run", p->n_todo);

	json_object_update(j, counts);
	json_object_update(j, look);
	json_object_set_new(j, "disk_bytes", json_real(room->disk));
	if (change->grid_before)
		json_object_set_new(j, "change",
				    json_pack("{s:i, s:i, s:i}", "new", change->n_new, "reused", change->n_reused,
					      "left", change->n_left));
	json_object_set_new(j, "shared", shared_json(p, sum));
	json_object_set_new(j, "metric", json_string(s->metric));
	json_object_set_new(j, "constraints", constraints_json(s));
	if (with_cells)
		json_object_set_new(j, "cell_list", cells_json(p));
	json_dumpf(j, stdout, JSON_INDENT(1));
	putchar('\n');
	json_decref(counts);
	json_decref(look);
	json_decref(j);
}

/* What gapsweep run would share with as many workers as it takes by default. */
static int count_shared(struct share_sum *sum, const struct plan *p, struct err *e)
{
	const int workers = sched_cpus();
	struct share share;
	int rc = share_init(&share, p, p->todo, p->n_todo, 0, share_most(p, workers, machine_memory()), workers,
			    workers, e);

	if (!rc)
		rc = share_count(sum, &share, p, e);
	share_release(&share);
	return rc;
}

static int show(const struct study *s, const struct options *o, struct err *e)
{
	struct store st = {.lock_fd = -1}; /* to look only: no lock is taken */
	struct change change = {0};
	struct room room;
	struct share_sum sum;
	struct sizes sz;
	struct plan p;
	int damaged;
	int rc;

	snprintf(st.dir, sizeof(st.dir), o->dir ? "%s" : "results/%s", o->dir ? o->dir : s->name);
	rc = plan_open(&p, s, e);
	if (!rc)
		rc = measure_groups(&sz, &p, e);
	if (!rc)
		rc = plan_look(&p, &st, NULL, &damaged, e);
	if (!rc && damaged)
		fprintf(stderr, "gapsweep: %d damaged trial%s: %s\n", damaged, damaged > 1 ? "s" : "", e->msg);
	if (!rc)
		rc = change_look(&change, &p, st.dir, e);
	if (!rc)
		rc = count_shared(&sum, &p, e);
	if (!rc)
		room_look(&room, &p, st.dir, sched_cpus(), 1, true);
	if (!rc && o->json) {
		print_json(&p, &sz, &sum, &change, &room, st.dir, o->cells);
	} else if (!rc) {
		print_data("training", p.src.train);
		print_data("validation", p.src.val);
		print_model(&p, &sz);
		print_counts(&p, &room, st.dir);
		print_shared(&p, &sum);
		if (change_any(&change))
			change_print(stdout, &change, st.dir, o->cells ? p.n_trials : 5);
		if (o->cells)
			print_cells(s);
	}
	change_release(&change);
	plan_release(&p);
	return rc;
}

static int show_grid(const struct options *o, struct err *e)
{
	struct study s = {0};
	int rc = engine_init(e);

	if (!rc)
		rc = study_load(&s, o->grid, o->sets.text, o->sets.n, e);
	if (!rc)
		rc = show(&s, o, e);
	study_release(&s);
	return rc;
}

int cmd_plan(int argc, char **argv, struct err *e)
{
	struct options o = {0};
	int rc = parse(&o, argc, argv, e);

	if (rc == CMD_HELP) {
		puts(help);
		rc = 0;
	} else if (!rc && o.parameters) {
		study_write_parameters(stdout);
	} else if (!rc && o.schema) {
		study_write_schema(stdout);
	} else if (!rc) {
		rc = show_grid(&o, e);
	}
	cmd_sets_release(&o.sets);
	return rc;
}
