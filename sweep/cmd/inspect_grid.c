/* inspect_grid.c - a grid's data sets, class by class and channel by channel, and its parameter groups (see inspect.h) */
#include "sweep/cmd/inspect.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sweep/base/num.h"
#include "sweep/run/plan.h"

struct channel {
	double mean, std, min, max; /* as the network gets it */
};

/* What one pass over a data set finds. */
struct split {
	const char *name;
	const struct dataset *d;
	const struct data_spec *spec;
	int64_t *count;          /* [classes] */
	struct channel *channel; /* [c] */
};

static void split_release(struct split *s)
{
	free(s->count);
	free(s->channel);
}

static void add_pixels(struct channel *ch, const float *x, const struct dataset_info *info)
{
	int64_t pixels = (int64_t)info->h * info->w;

	for (int64_t i = 0; i < pixels; i++)
		for (int c = 0; c < info->c; c++) {
			double v = (double)x[i * info->c + c];

			ch[c].mean += v;
			ch[c].std += v * v;
			ch[c].min = fmin(ch[c].min, v);
			ch[c].max = fmax(ch[c].max, v);
		}
}

static void finish(struct channel *ch, const struct dataset_info *info)
{
	double n = (double)info->n * info->h * info->w;

	for (int c = 0; c < info->c; c++) {
		ch[c].mean /= n;
		ch[c].std = sqrt(fmax(0, ch[c].std / n - ch[c].mean * ch[c].mean));
	}
}

/* One pass: counts and sums. */
static int add_up(struct split *s, float *x, struct err *e)
{
	const struct dataset_info *info = dataset_info(s->d);
	int rc = 0;

	for (int64_t i = 0; i < info->n && !rc; i++) {
		int label = 0;

		rc = dataset_sample(s->d, i, x, &label, e);
		if (rc)
			break;
		s->count[label]++;
		add_pixels(s->channel, x, info);
	}
	return rc;
}

static int measure(struct split *s, struct err *e)
{
	const struct dataset_info *info = dataset_info(s->d);
	float *x = malloc((size_t)info->c * (size_t)info->h * (size_t)info->w * sizeof(*x));
	int rc;

	s->count = calloc((size_t)info->classes, sizeof(*s->count));
	s->channel = calloc((size_t)info->c, sizeof(*s->channel));
	if (!x || !s->count || !s->channel) {
		free(x);
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	for (int c = 0; c < info->c; c++)
		s->channel[c] = (struct channel){0, 0, INFINITY, -INFINITY};
	rc = add_up(s, x, e);
	finish(s->channel, info);
	free(x);
	return rc;
}

/* ---- the whole --------------------------------------------------------------------------------------------- */

struct view {
	const struct study *s;
	struct split split[2];
	struct trial *trial;
	const struct setting *setting; /* of the baseline, or of cell 0 */
	const char *which;
};

static const char *group_of(const struct view *v, const struct trial_tensor *t)
{
	return t->group < 0 ? "" : v->s->group[t->group].name;
}

static const struct cell *choose(const struct study *s, const char **which)
{
	*which = "the baseline";
	for (int c = 0; c < s->n_cells; c++)
		if (s->cell[c].baseline)
			return &s->cell[c];
	*which = "cell 0";
	return &s->cell[0];
}

/* ---- text -------------------------------------------------------------------------------------------------- */

static void print_split(const struct split *s)
{
	const struct dataset_info *i = dataset_info(s->d);
	char bytes[NUM_MAX];

	printf("%-10s  %" PRId64 " images of %dx%dx%d, %d classes, %s, hash %s\n", s->name, i->n, i->c, i->h, i->w,
	       i->classes, num_bytes(bytes, (double)i->bytes), i->hash);
}

static void print_classes(const struct view *v)
{
	const char *const *names = dataset_info(v->split[0].d)->names;
	int classes[2] = {dataset_info(v->split[0].d)->classes, dataset_info(v->split[1].d)->classes};

	printf("\nclass  %10s  %10s\n", v->split[0].name, v->split[1].name);
	for (int k = 0; k < classes[0] || k < classes[1]; k++) {
		printf("%5d", k);
		for (int i = 0; i < 2; i++)
			printf("  %10" PRId64, k < classes[i] ? v->split[i].count[k] : 0);
		if (names && k < classes[0])
			inspect_name("  ", names[k]);
		putchar('\n');
	}
}

/* For four decimals: what rounds to zero has no sign. */
static double unsigned_zero(double v)
{
	return fabs(v) < 5e-5 ? 0 : v;
}

static void print_channels(const struct split *s)
{
	for (int c = 0; c < dataset_info(s->d)->c; c++) {
		const struct channel *ch = &s->channel[c];
		double at0 = inspect_undo(s->spec, c, 0);
		double scale = inspect_undo(s->spec, c, 1) - at0;

		printf("%-10s  %7d  %9.4f %9.4f %9.4f %9.4f  %9.4f %9.4f\n", s->name, c,
		       unsigned_zero(inspect_undo(s->spec, c, ch->mean)), scale * ch->std,
		       unsigned_zero(inspect_undo(s->spec, c, ch->min)),
		       unsigned_zero(inspect_undo(s->spec, c, ch->max)), unsigned_zero(ch->mean), ch->std);
	}
}

static void print_groups(const struct view *v)
{
	int width = 6;

	for (int i = 0; i < trial_tensors(v->trial); i++) {
		struct trial_tensor t;

		trial_tensor(&t, v->trial, i);
		width = (int)strlen(t.name) > width ? (int)strlen(t.name) : width;
	}
	printf("\nLearning rates of %s; running statistics belong to no group.\n\n%-*s  %-14s  %10s  %-12s  lr\n",
	       v->which, width, "tensor", "shape", "elements", "group");
	for (int i = 0; i < trial_tensors(v->trial); i++) {
		struct trial_tensor t;
		char shape[96], lr[NUM_MAX];

		trial_tensor(&t, v->trial, i);
		if (t.group < 0)
			continue;
		printf("%-*s  %-14s  %10" PRId64 "  %-12s  %s\n", width, t.name, inspect_shape(shape, t.rank, t.shape),
		       t.n, group_of(v, &t), num_text(lr, v->setting->group_lr[t.group]));
	}
}

static void print_text(const struct view *v)
{
	printf("%-10s  %s\n", "grid", v->s->path);
	for (int i = 0; i < 2; i++)
		print_split(&v->split[i]);
	print_classes(v);
	printf("\n%-10s  %7s  %19s %19s  %19s\n%-10s  %7s  %9s %9s %9s %9s  %9s %9s\n", "", "", "before normalisation",
	       "", "normalised", "data set", "channel", "mean", "std", "min", "max", "mean", "std");
	for (int i = 0; i < 2; i++)
		print_channels(&v->split[i]);
	print_groups(v);
}

/* ---- JSON -------------------------------------------------------------------------------------------------- */

static json_t *split_json(const struct split *s)
{
	const struct dataset_info *info = dataset_info(s->d);
	json_t *count = json_array();
	json_t *names = info->names ? json_array() : json_null();
	json_t *channels = json_array();

	for (int k = 0; k < info->classes; k++)
		json_array_append_new(count, json_integer(s->count[k]));
	for (int k = 0; info->names && k < info->classes; k++)
		json_array_append_new(names, json_string(info->names[k]));
	for (int c = 0; c < info->c; c++) {
		const struct channel *ch = &s->channel[c];
		double scale = inspect_undo(s->spec, c, 1) - inspect_undo(s->spec, c, 0);

		json_array_append_new(channels, json_pack("{s:f, s:f, s:f, s:f, s:f, s:f}", "mean",
							  inspect_undo(s->spec, c, ch->mean), "std", scale * ch->std,
							  "min", inspect_undo(s->spec, c, ch->min), "max",
							  inspect_undo(s->spec, c, ch->max), "normalised_mean",
							  ch->mean, "normalised_std", ch->std));
	}
	return json_pack("{s:I, s:[iii], s:i, s:s, s:o, s:o, s:o}", "n", (json_int_t)info->n, "shape", info->c, info->h,
			 info->w, "classes", info->classes, "hash", info->hash, "class_counts", count, "class_names",
			 names, "channels", channels);
}

static json_t *tensor_json(const struct view *v, int i)
{
	struct trial_tensor t;
	json_t *shape = json_array();
	json_t *j;

	trial_tensor(&t, v->trial, i);
	for (int d = 0; d < t.rank; d++)
		json_array_append_new(shape, json_integer(t.shape[d]));
	j = json_pack("{s:s, s:o, s:I}", "name", t.name, "shape", shape, "elements", (json_int_t)t.n);
	json_object_set_new(j, "group", t.group < 0 ? json_null() : json_string(group_of(v, &t)));
	json_object_set_new(j, "lr", t.group < 0 ? json_null() : json_real(v->setting->group_lr[t.group]));
	return j;
}

static void print_json(const struct view *v)
{
	json_t *tensors = json_array();
	json_t *j;

	for (int i = 0; i < trial_tensors(v->trial); i++)
		json_array_append_new(tensors, tensor_json(v, i));
	j = json_pack("{s:s, s:o, s:o, s:s, s:o}", "grid", v->s->path, "train", split_json(&v->split[0]), "val",
		      split_json(&v->split[1]), "rates_of", v->which, "tensors", tensors);
	json_dumpf(j, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(12));
	putchar('\n');
	json_decref(j);
}

/* ---- what the command does ---------------------------------------------------------------------------------- */

static int show(struct view *v, const struct sources *src, const struct sheet_options *sheet, bool json, struct err *e)
{
	struct trial_spec spec;
	int rc = 0;

	v->setting = &choose(v->s, &v->which)->setting;
	study_trial_spec(&spec, v->s, v->setting, v->s->seed[0], src->train, src->val, src->weights);
	for (int i = 0; i < 2 && !rc; i++)
		rc = measure(&v->split[i], e);
	if (!rc)
		rc = trial_new(&v->trial, &spec, e);
	if (!rc && sheet->path)
		rc = inspect_sheet(sheet, v->split[sheet->val].d, v->split[sheet->val].spec, e);
	if (!rc && json)
		print_json(v);
	else if (!rc)
		print_text(v);
	trial_free(v->trial);
	for (int i = 0; i < 2; i++)
		split_release(&v->split[i]);
	return rc;
}

int inspect_grid(const struct study *s, const struct sheet_options *sheet, bool json, struct err *e)
{
	struct sources src;
	struct view v = {.s = s};
	int rc = sources_open(&src, s, e);

	if (rc)
		return rc;
	v.split[0] = (struct split){.name = "training", .d = src.train, .spec = &s->train};
	v.split[1] = (struct split){.name = "validation", .d = src.val, .spec = &s->val};
	rc = show(&v, &src, sheet, json, e);
	sources_release(&src);
	return rc;
}
