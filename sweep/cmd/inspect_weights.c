/* inspect_weights.c - a weights file's tensors (see inspect.h) */
#include "sweep/cmd/inspect.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sweep/base/num.h"

/* Of the finite values; NAN if there are none. */
struct stats {
	double mean, std, min, max; /* std as numpy's: divided by n */
	int64_t not_finite;
};

static struct stats stats_of(const struct tensor *t)
{
	struct stats s = {0, 0, INFINITY, -INFINITY, 0};
	double n;

	for (int64_t i = 0; i < t->n; i++) {
		double v = (double)t->data[i];

		if (!isfinite(v)) {
			s.not_finite++;
			continue;
		}
		s.mean += v;
		s.min = fmin(s.min, v);
		s.max = fmax(s.max, v);
	}
	n = (double)(t->n - s.not_finite);
	if (n < 1)
		return (struct stats){NAN, NAN, NAN, NAN, s.not_finite};
	s.mean /= n;
	for (int64_t i = 0; i < t->n; i++)
		if (isfinite(t->data[i]))
			s.std += ((double)t->data[i] - s.mean) * ((double)t->data[i] - s.mean);
	s.std = sqrt(s.std / n);
	return s;
}

struct totals {
	int64_t values, not_finite;
	int name_width, shape_width;
};

static struct totals totals_of(const struct weights *w)
{
	struct totals sum = {.name_width = 4, .shape_width = 5};
	char shape[96];

	for (int i = 0; i < weights_count(w); i++) {
		const struct tensor *t = weights_at(w, i);
		int wide = (int)strlen(t->name);
		int long_shape = (int)strlen(inspect_shape(shape, t->rank, t->shape));

		sum.values += t->n;
		sum.name_width = wide > sum.name_width ? wide : sum.name_width;
		sum.shape_width = long_shape > sum.shape_width ? long_shape : sum.shape_width;
	}
	if (sum.name_width > 60)
		sum.name_width = 60;
	return sum;
}

/* ---- text -------------------------------------------------------------------------------------------------- */

/* The settings of a network that its weights tell. */
static const char *const told[] = {"width", "stages", "blocks", "hidden"};
#define N_TOLD (int)(sizeof(told) / sizeof(*told))

/* The field of told[i] if it is one of that network's: its help says whose it is ("resnet-slim: ..."). */
static const struct field *told_field(int i, const char *arch)
{
	const struct field *f = field_find(model_fields, n_model_fields, told[i]);

	return strstr(f->help, arch) ? f : NULL;
}

static void print_network(const struct weights_guess *g)
{
	char word[32];

	printf("%-9s ", "network");
	if (!g->found) {
		printf("none that is known: %s\n", g->why);
		return;
	}
	field_enum_word(field_find(model_fields, n_model_fields, "arch"), g->model.arch, word, sizeof(word));
	printf("%s", word);
	for (int i = 0; i < N_TOLD; i++)
		if (told_field(i, word))
			printf(", %s %d", told[i], (int)field_get(told_field(i, word), &g->model));
	printf("; input: %d %s", g->channels,
	       !strcmp(word, "mlp") ? "values"
	       : g->channels == 1   ? "channel"
				    : "channels");
	if (g->classes)
		printf("; %d classes\n", g->classes);
	else
		puts("; no head");
}

static void print_tensor(const struct tensor *t, const struct totals *sum)
{
	struct stats s = stats_of(t);
	char shape[96];
	int width;

	width = inspect_name("", t->name);
	printf("%*s  %-5s  %-*s  %10" PRId64 "  %11.4g %11.4g %11.4g %11.4g",
	       width < sum->name_width ? sum->name_width - width : 0, "", t->dtype, sum->shape_width,
	       inspect_shape(shape, t->rank, t->shape), t->n, s.mean, s.std, s.min, s.max);
	if (s.not_finite)
		printf("  %" PRId64 " not finite", s.not_finite);
	putchar('\n');
}

static void print_text(const char *path, const struct weights *w, const struct weights_guess *g)
{
	const struct weights_info *info = weights_info(w);
	struct totals sum = totals_of(w);
	char bytes[NUM_MAX];

	printf("%-9s %s\n%-9s %s", "file", path, "format", info->format);
	if (*info->under)
		printf(", the state dict under '%s'", info->under);
	printf("\n%-9s %d with %" PRId64 " values (%s as float32)", "tensors", weights_count(w), sum.values,
	       num_bytes(bytes, 4 * (double)sum.values));
	if (info->skipped)
		printf("; %d of integers not read", info->skipped);
	printf("\n%-9s %s\n", "hash", weights_hash(w));
	print_network(g);
	printf("\n%-*s  dtype  %-*s  %10s  %11s %11s %11s %11s\n", sum.name_width, "name", sum.shape_width, "shape",
	       "elements", "mean", "std", "min", "max");
	for (int i = 0; i < weights_count(w); i++)
		print_tensor(weights_at(w, i), &sum);
}

/* ---- JSON -------------------------------------------------------------------------------------------------- */

static json_t *number(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

static json_t *network_json(const struct weights_guess *g)
{
	json_t *j;
	char word[32];

	if (!g->found)
		return json_null();
	field_enum_word(field_find(model_fields, n_model_fields, "arch"), g->model.arch, word, sizeof(word));
	j = json_pack("{s:s, s:i, s:i}", "arch", word, "channels", g->channels, "classes", g->classes);
	for (int i = 0; i < N_TOLD; i++)
		if (told_field(i, word))
			json_object_set_new(j, told[i],
					    json_integer((json_int_t)field_get(told_field(i, word), &g->model)));
	return j;
}

static json_t *tensor_json(const struct tensor *t)
{
	struct stats s = stats_of(t);
	json_t *shape = json_array();

	for (int i = 0; i < t->rank; i++)
		json_array_append_new(shape, json_integer(t->shape[i]));
	return json_pack("{s:s, s:s, s:o, s:I, s:o, s:o, s:o, s:o, s:I}", "name", t->name, "dtype", t->dtype, "shape",
			 shape, "elements", (json_int_t)t->n, "mean", number(s.mean), "std", number(s.std), "min",
			 number(s.min), "max", number(s.max), "not_finite", (json_int_t)s.not_finite);
}

static void print_json(const char *path, const struct weights *w, const struct weights_guess *g)
{
	const struct weights_info *info = weights_info(w);
	json_t *list = json_array();
	json_t *j;

	for (int i = 0; i < weights_count(w); i++)
		json_array_append_new(list, tensor_json(weights_at(w, i)));
	j = json_pack("{s:s, s:s, s:s?, s:s, s:I, s:i, s:o, s:o}", "file", path, "format", info->format, "under",
		      *info->under ? info->under : NULL, "hash", weights_hash(w), "values",
		      (json_int_t)totals_of(w).values, "integer_tensors", info->skipped, "network", network_json(g),
		      "tensors", list);
	json_dumpf(j, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
	putchar('\n');
	json_decref(j);
}

int inspect_weights(const char *path, bool json, struct err *e)
{
	struct weights *w;
	struct weights_guess g;
	int rc = weights_open(&w, path, e);

	if (!rc)
		rc = weights_guess(&g, w, e);
	if (!rc && json)
		print_json(path, w, &g);
	else if (!rc)
		print_text(path, w, &g);
	weights_free(w);
	return rc;
}
