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
	for (int i = 0; i < n; i++)
		field_write(&table[i], obj, (const double[FIELD_VALUES]){table[i].def[0], table[i].def[1]});
}

int field_has_word(const char *words, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = strstr(words, word); n && at; at = strstr(at + n, word))
		if ((at == words || at[-1] == ' ') && (at[n] == ' ' || !at[n]))
			return 1;
	return 0;
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

int field_count(const struct field *f)
{
	return f->kind == FIELD_LIST ? FIELD_VALUES : f->kind == FIELD_PAIR ? 2 : 1;
}

static int is_whole(const struct field *f)
{
	return f->kind == FIELD_INT || f->kind == FIELD_BOOL || f->kind == FIELD_ENUM;
}

void field_read(const struct field *f, const void *obj, double v[FIELD_VALUES])
{
	const char *at = (const char *)obj + f->offset;

	memset(v, 0, FIELD_VALUES * sizeof(v[0]));
	if (is_whole(f))
		v[0] = *(const int *)at;
	else
		memcpy(v, at, (size_t)field_count(f) * sizeof(v[0]));
}

void field_write(const struct field *f, void *obj, const double v[FIELD_VALUES])
{
	char *at = (char *)obj + f->offset;

	if (is_whole(f))
		*(int *)at = (int)lrint(v[0]);
	else
		memcpy(at, v, (size_t)field_count(f) * sizeof(v[0]));
}

double field_get(const struct field *f, const void *obj)
{
	double v[FIELD_VALUES];

	field_read(f, obj, v);
	return v[0];
}

void field_set(const struct field *f, void *obj, double value)
{
	field_write(f, obj, (const double[FIELD_VALUES]){value});
}

int field_same(const struct field *f, const void *a, const void *b)
{
	double va[FIELD_VALUES], vb[FIELD_VALUES];

	field_read(f, a, va);
	field_read(f, b, vb);
	for (int i = 0; i < FIELD_VALUES; i++)
		if (va[i] != vb[i] && !(isnan(va[i]) && isnan(vb[i])))
			return 0;
	return 1;
}

int field_in_range(const struct field *f, double value)
{
	if (!(value >= f->min && value <= f->max) || (f->open_max && value >= f->max))
		return 0;
	return f->kind == FIELD_REAL || f->kind == FIELD_PAIR || value == rint(value);
}
