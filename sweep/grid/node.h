/*
 * node.h - a YAML document as a tree whose every key and value knows its place, and the complaints that show it.
 *
 * Reading functions take `what`, the name under which a message speaks of the value. They return 0, or ERR_CONFIG with
 * `file:line:col: what is wrong; what was expected`, the source line and a caret.
 */
#ifndef SWEEP_GRID_NODE_H
#define SWEEP_GRID_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

/* Where nodes come from: a file, or one --set option. */
struct source {
	const char *name; /* path, or the whole option */
	const char *text;
	size_t bytes;
	size_t start; /* where the YAML begins: behind a byte order mark, or behind an option's `path=` */
	bool option;
};

enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAP };
enum node_tag { TAG_NONE, TAG_STR, TAG_INT, TAG_FLOAT, TAG_BOOL, TAG_NULL };

struct node {
	enum node_kind kind;
	enum node_tag tag;
	bool quoted;   /* a scalar in quotes or a block scalar: text, whatever it looks like */
	bool open;     /* still being read: an alias to it would have no end */
	int line, col; /* from 1; columns count characters */
	const struct source *source;
	const char *text;   /* NODE_SCALAR */
	int n, room;        /* items of a list, pairs of a map */
	struct node **key;  /* NODE_MAP: scalars; else NULL */
	struct node **item; /* values */
};

/* Value of a map's key, or NULL (also if map is NULL or no map). */
struct node *node_get(const struct node *map, const char *key);
/* Place of a key in a map, or -1. */
int node_find(const struct node *map, const char *key);
/* A scalar that says nothing: empty, ~ or null. */
bool node_is_null(const struct node *n);

/* Fills e with the message and the place of n; returns ERR_CONFIG. */
int node_error(const struct node *n, struct err *e, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The same for a place that has no node. */
int source_error(const struct source *s, int line, int col, struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

#define NODE_SHOWN 64
/* A value for a message: 'text' (cut if long), "a list", "a map", "nothing". */
const char *node_shown(const struct node *n, char out[NODE_SHOWN]);

int node_want(const struct node *n, enum node_kind kind, const char *what, struct err *e);
int node_text(const struct node *n, const char *what, const char **text, struct err *e);
int node_number(const struct node *n, const char *what, double *value, struct err *e);
int node_integer(const struct node *n, const char *what, int64_t min, int64_t max, int64_t *value, struct err *e);
int node_bool(const struct node *n, const char *what, bool *value, struct err *e);

#endif
