/* axis.c - see axis.h */
#include "sweep/report/axis.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

static int keep_distinct(double *v, int n)
{
	int kept = 0;

	for (int i = 0; i < n; i++)
		if (!kept || v[i] != v[kept - 1])
			v[kept++] = v[i];
	return kept;
}

/* Cells 1..n-1 (or 0..n-1 if no rate is 0) between midpoints; the outer ones are symmetric about their rate. */
static void place_positive(struct axis *a, int first)
{
	int last = a->n - 1;

	for (int i = first; i <= last; i++)
		a->at[i] = a->even ? i : log10(a->value[i]);
	for (int i = first; i < last; i++)
		a->hi[i] = a->lo[i + 1] = (a->at[i] + a->at[i + 1]) / 2;
	if (first > last)
		return;
	if (first == last) {
		a->lo[first] = a->at[first] - 0.5;
		a->hi[first] = a->at[first] + 0.5;
		return;
	}
	a->lo[first] = 2 * a->at[first] - a->hi[first];
	a->hi[last] = 2 * a->at[last] - a->lo[last];
}

static void place_zero(struct axis *a)
{
	double width = a->n > 1 ? (a->hi[a->n - 1] - a->lo[1]) / (a->n - 1) : 1;

	a->hi[0] = a->n > 1 ? a->lo[1] - 0.15 * width : 0.5;
	a->lo[0] = a->hi[0] - width;
	a->at[0] = (a->lo[0] + a->hi[0]) / 2;
}

static void place(struct axis *a)
{
	bool zero = a->value[0] <= 0;

	place_positive(a, zero);
	if (zero)
		place_zero(a);
	a->low = a->lo[0];
	a->high = a->hi[a->n - 1];
}

double axis_narrowest(const struct axis *a)
{
	double least = INFINITY;

	for (int i = 0; i < a->n; i++)
		least = fmin(least, a->hi[i] - a->lo[i]);
	return least / (a->high - a->low);
}

bool axis_init(struct axis *a, const double *values, int n, double least)
{
	double *block = calloc((size_t)n * 4 + 1, sizeof(double));

	*a = (struct axis){.value = block};
	if (!block)
		return false;
	memcpy(a->value, values, (size_t)n * sizeof(double));
	qsort(a->value, (size_t)n, sizeof(double), by_value);
	a->n = keep_distinct(a->value, n);
	a->at = block + n;
	a->lo = block + 2 * n;
	a->hi = block + 3 * n;
	if (!a->n)
		return true;
	place(a);
	if (axis_narrowest(a) < least) {
		a->even = true;
		place(a);
	}
	return true;
}

void axis_release(struct axis *a)
{
	free(a->value);
	*a = (struct axis){0};
}

int axis_find(const struct axis *a, double value)
{
	for (int i = 0; i < a->n; i++)
		if (a->value[i] == value)
			return i;
	return -1;
}
