/* field.c - see field.h */
#include "engine/base/field.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const struct field *field_find(const struct field *table, int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (!strcmp(table[i].name, name))
			return &table[i];
	return NULL;
}

void field_defaults(const struct field *table, int n, void *obj)
{
	for (int i = 0; i < n; i++) {
		if (table[i].kind == FIELD_PAIR)
			field_set_pair(&table[i], obj, table[i].def[0], table[i].def[1]);
		else
			field_set(&table[i], obj, table[i].def[0]);
	}
}

int field_enum_index(const struct field *f, const char *word)
{
	const char *at = f->names;
	size_t len = strlen(word);

	for (int i = 0; at && *at && len; i++) {
		size_t n = strcspn(at, " ");

		if (n == len && !strncmp(at, word, n))
			return i;
		at += n + strspn(at + n, " ");
	}
	return -1;
}

void field_enum_word(const struct field *f, int i, char *out, size_t size)
{
	const char *at = f->names ? f->names : "";

	for (; i > 0 && *at; i--) {
		at += strcspn(at, " ");
		at += strspn(at, " ");
	}
	snprintf(out, size, "%.*s", (int)strcspn(at, " "), at);
}

double field_get(const struct field *f, const void *obj)
{
	const char *at = (const char *)obj + f->offset;

	return f->kind == FIELD_REAL ? *(const double *)at : (double)*(const int *)at;
}

void field_set(const struct field *f, void *obj, double value)
{
	char *at = (char *)obj + f->offset;

	if (f->kind == FIELD_REAL)
		*(double *)at = value;
	else
		*(int *)at = (int)lrint(value);
}

const double *field_pair(const struct field *f, const void *obj)
{
	return (const double *)((const char *)obj + f->offset);
}

void field_set_pair(const struct field *f, void *obj, double a, double b)
{
	double *at = (double *)((char *)obj + f->offset);

	at[0] = a;
	at[1] = b;
}

int field_in_range(const struct field *f, double value)
{
	if (!(value >= f->min && value <= f->max) || (f->open_max && value >= f->max))
		return 0;
	return f->kind == FIELD_REAL || f->kind == FIELD_PAIR || value == rint(value);
}
