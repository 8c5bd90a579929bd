/* select.c - which samples of a source are taken; the four rules are in struct data_spec */
#include "engine/data/data.h"

#include <stdlib.h>
#include <string.h>

#define DROPPED (-1) /* the label of a sample whose class is not listed */

static int by_value(const void *a, const void *b)
{
	int x = *(const int *)a;
	int y = *(const int *)b;

	return (x > y) - (x < y);
}

int select_check(const struct data_spec *spec, struct err *e)
{
	int n = spec->n_classes;
	int rc = 0;
	int *sorted;

	if (n < 0 || n > DATA_MAX_CLASSES)
		return err_set(e, ERR_CONFIG, "classes: %d entries, at most %d", n, DATA_MAX_CLASSES);
	if (!n)
		return 0;
	sorted = malloc((size_t)n * sizeof(*sorted));
	if (!sorted)
		return err_set(e, ERR_NOMEM, "classes: out of memory");
	memcpy(sorted, spec->classes, (size_t)n * sizeof(*sorted));
	qsort(sorted, (size_t)n, sizeof(*sorted), by_value);
	if (sorted[0] < 0 || sorted[n - 1] >= DATA_MAX_CLASSES)
		rc = err_set(e, ERR_CONFIG, "classes: %d is not within 0 .. %d",
			     sorted[0] < 0 ? sorted[0] : sorted[n - 1], DATA_MAX_CLASSES - 1);
	for (int i = 1; i < n && !rc; i++)
		if (sorted[i] == sorted[i - 1])
			rc = err_set(e, ERR_CONFIG, "classes: %d is listed twice", sorted[i]);
	free(sorted);
	return rc;
}

/* What the cuts need to know of each class; label[i] is the class' own number in the file. */
struct tally {
	int n;
	int64_t *count;
	int64_t *seen; /* filled while picking */
	const int *listed;
};

static int tally_label(const struct tally *t, int k)
{
	return t->listed ? t->listed[k] : k;
}

/* Rule 1: labels become positions in the list of classes, or DROPPED. */
static int renumber(struct raw_samples *raw, const struct data_spec *spec, struct err *e)
{
	int32_t *position = malloc(DATA_MAX_CLASSES * sizeof(*position));

	if (!position)
		return err_set(e, ERR_NOMEM, "%s: out of memory", data_source(spec, true));
	for (int i = 0; i < DATA_MAX_CLASSES; i++)
		position[i] = DROPPED;
	for (int i = 0; i < spec->n_classes; i++)
		position[spec->classes[i]] = i;
	for (int64_t i = 0; i < raw->n; i++) {
		bool known = raw->label[i] >= 0 && raw->label[i] < DATA_MAX_CLASSES;

		raw->label[i] = known ? position[raw->label[i]] : DROPPED;
	}
	free(position);
	return 0;
}

static int check_labels(const struct raw_samples *raw, const char *where, struct err *e)
{
	for (int64_t i = 0; i < raw->n; i++)
		if (raw->label[i] < 0 || raw->label[i] >= DATA_MAX_CLASSES)
			return err_set(e, ERR_DATA, "%s: sample %lld has label %lld, not within 0 .. %d", where,
				       (long long)i, (long long)raw->label[i], DATA_MAX_CLASSES - 1);
	return 0;
}

static int count_classes(struct tally *t, const struct raw_samples *raw, const struct data_spec *spec, struct err *e)
{
	int64_t largest = -1;

	for (int64_t i = 0; i < raw->n; i++)
		largest = raw->label[i] > largest ? raw->label[i] : largest;
	t->listed = spec->n_classes ? spec->classes : NULL;
	t->n = spec->n_classes ? spec->n_classes : (int)largest + 1;
	t->count = calloc((size_t)t->n, sizeof(*t->count));
	t->seen = calloc((size_t)t->n, sizeof(*t->seen));
	if (!t->count || !t->seen)
		return err_set(e, ERR_NOMEM, "%s: out of memory", data_source(spec, true));
	for (int64_t i = 0; i < raw->n; i++)
		if (raw->label[i] != DROPPED)
			t->count[raw->label[i]]++;
	return 0;
}

/* A listed class must occur, and any class that occurs must have enough for the cuts. */
static int check_counts(const struct tally *t, const struct data_spec *spec, struct err *e)
{
	const char *where = data_source(spec, true);

	for (int k = 0; k < t->n; k++) {
		if (!t->count[k] && t->listed)
			return err_set(e, ERR_DATA, "%s: no sample of class %d", where, tally_label(t, k));
		if (spec->per_class && t->count[k] && t->count[k] - spec->per_class < spec->offset)
			return err_set(
				e, ERR_DATA,
				"%s: class %d has %lld samples, but offset %lld and per_class %lld are asked for",
				where, tally_label(t, k), (long long)t->count[k], (long long)spec->offset,
				(long long)spec->per_class);
	}
	return 0;
}

/* Rules 2 to 4: moves the samples to keep to the front, in their order, and sets raw->n. */
static void pick(struct raw_samples *raw, struct tally *t, const struct data_spec *spec)
{
	size_t one = raw->values ? (size_t)raw->c * (size_t)raw->h * (size_t)raw->w * (raw->is_float ? 4 : 1) : 0;
	char *v = raw->values;
	int64_t kept = 0;
	int64_t all = 0;

	for (int64_t i = 0; i < raw->n && (!spec->limit || kept < spec->limit); i++) {
		int64_t k = raw->label[i];
		int64_t before;

		if (k == DROPPED)
			continue;
		before = spec->per_class ? t->seen[k]++ : all++;
		if (before < spec->offset || (spec->per_class && before - spec->offset >= spec->per_class))
			continue;
		if (raw->path)
			raw->path[kept] = raw->path[i];
		else if (kept < i)
			memcpy(v + (size_t)kept * one, v + (size_t)i * one, one);
		raw->label[kept++] = k;
	}
	raw->n = kept;
}

int select_samples(struct raw_samples *raw, int *classes, const struct data_spec *spec, struct err *e)
{
	const char *where = data_source(spec, true);
	struct tally t = {0};
	int64_t had = raw->n;
	int rc;

	if (spec->n_classes)
		rc = renumber(raw, spec, e);
	else
		rc = check_labels(raw, where, e);
	if (!rc)
		rc = count_classes(&t, raw, spec, e);
	if (!rc)
		rc = check_counts(&t, spec, e);
	if (!rc) {
		pick(raw, &t, spec);
		*classes = raw->classes && !spec->n_classes ? raw->classes : t.n;
		if (!raw->n)
			rc = err_set(e, ERR_DATA, "%s: no sample is left of %lld after offset %lld", where,
				     (long long)had, (long long)spec->offset);
	}
	free(t.count);
	free(t.seen);
	return rc;
}
