/*
 * yaml.h - text to a tree of nodes; the only user of libyaml.
 *
 * Read by events and not as libyaml's own document, whose time grows with the square of the nesting. Anchors, aliases
 * (copied) and merge keys (<<) work; duplicate keys, further documents, unknown tags and other encodings than UTF-8
 * do not. The limits keep any file under a second.
 */
#ifndef SWEEP_GRID_YAML_H
#define SWEEP_GRID_YAML_H

#include "sweep/grid/node.h"
#include "sweep/grid/pool.h"

#define YAML_MAX_BYTES   1048576
#define YAML_MAX_DEPTH   32
#define YAML_MAX_NODES   100000
#define YAML_MAX_KEYS    1000 /* in one map */
#define YAML_MAX_ANCHORS 1000

/* Reads source->text from source->start (moved behind a byte order mark). The tree's memory is the pool's. *root is
 * NULL for a document without content. ERR_CONFIG shows the place; ERR_NOMEM. */
int yaml_read(struct node **root, struct pool *pool, struct source *source, struct err *e);

/* Puts key: value at the end of a map, or value at the end of a list (key is not looked at). ERR_NOMEM. */
int node_append(struct pool *pool, struct node *to, struct node *key, struct node *value, struct err *e);

#endif
