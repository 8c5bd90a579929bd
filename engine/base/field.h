/*
 * field.h - a described struct member: the one place where a setting's name, type, default, range and help stand.
 *
 * A .def file lists the settings of one struct (engine/train/hyper.def, engine/net/model.def); the struct and a table
 * of these descriptions are both made from it. The grid loader reads keys, ranges and defaults from the table, and
 * --help, the JSON Schema, the csv columns and a trial's key are written from it.
 */
#ifndef ENGINE_BASE_FIELD_H
#define ENGINE_BASE_FIELD_H

#include <stddef.h>

enum field_kind {
	FIELD_REAL, /* double */
	FIELD_INT,  /* int */
	FIELD_BOOL, /* int 0 or 1 */
	FIELD_ENUM, /* int: index into names */
	FIELD_PAIR, /* double[2], written [a, b] */
	FIELD_LIST, /* double[FIELD_VALUES]: whole numbers above 0, written [a, b, ...]; 0 behind the last, [] by default */
};

#define FIELD_VALUES 8 /* most numbers of one setting */

struct field {
	const char *name;
	enum field_kind kind;
	size_t offset;     /* of the member in its struct */
	double def[2];     /* default; a NAN stands for "decided by another setting" and help says by which */
	double min, max;   /* both inclusive, but see open_max */
	int open_max;      /* 1: max itself is out of range (a beta of 1, a dropout of 1) */
	const char *names; /* FIELD_ENUM: the words, separated by single spaces */
	const char *help;
};

/* The field called name in a table of n, or NULL. */
const struct field *field_find(const struct field *table, int n, const char *name);

/* Sets every member of *obj to its default. */
void field_defaults(const struct field *table, int n, void *obj);

/* 1 if word is one of words, which are separated by single spaces. */
int field_has_word(const char *words, const char *word);

/* Index of word in an enum field's names, or -1. */
int field_enum_index(const struct field *f, const char *word);

/* Word number i of an enum field, in out[size] (cut if too long; empty if there is none). */
void field_enum_word(const struct field *f, int i, char *out, size_t size);

/* How many numbers a member holds: 1, 2 of a PAIR, FIELD_VALUES of a LIST. */
int field_count(const struct field *f);

/* Member access, all numbers of any kind as doubles (writing rounds to int where the member is one; reading puts 0 behind
 * the last). Does not check ranges. */
void field_read(const struct field *f, const void *obj, double v[FIELD_VALUES]);
void field_write(const struct field *f, void *obj, const double v[FIELD_VALUES]);

/* The same of one number: the first, or the only one. */
double field_get(const struct field *f, const void *obj);
void field_set(const struct field *f, void *obj, double value);

/* 1 if the member is equal in both objects; two NANs are. */
int field_same(const struct field *f, const void *a, const void *b);

/* 1 if value is within the field's range (for FIELD_INT and FIELD_LIST also whole). NAN is never in range. */
int field_in_range(const struct field *f, double value);

#endif
