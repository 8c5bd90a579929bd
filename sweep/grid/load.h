/*
 * load.h - inside grid/: what the parts of the loader share while a grid file becomes a study.
 *
 * yaml.c makes a tree, set.c applies --set to it, grid.c reads the top level, load_data.c and load_images.c `data`, load_model.c `model`
 * and `groups`, load_space.c `parameters` and `linked`, load_expr.c `constraints` and `exclude`; space.c then expands
 * what they found into cells, and baseline.c marks one.
 */
#ifndef SWEEP_GRID_LOAD_H
#define SWEEP_GRID_LOAD_H

#include "sweep/grid/grid.h"
#include "sweep/grid/node.h"
#include "sweep/grid/pool.h"
#include "sweep/grid/suggest.h"

/* Values that vary together: one hyperparameter of `parameters`, or the rows of a `linked` table. */
struct axis {
	int n_slots, n_values;
	struct column *slot;           /* [n_slots] */
	double (*value)[FIELD_VALUES]; /* [n_values][n_slots] */
};

/* One map of `parameters`: the product of its axes, last fastest. */
struct space {
	const struct node *node; /* where to point when a combination is wrong */
	int n_axes;
	struct axis *axis;
	int64_t cells;
};

struct exclusion {
	struct expr *expr;
	const struct node *node;
};

struct load {
	struct study *s;
	struct pool *pool; /* lives as long as the study */
	struct pool *tree; /* lives while loading: nodes, axes */
	struct err *e;
	struct node *root;
	struct setting base; /* defaults and top-level constants; NAN where a group has none of its own */
	int n_spaces;
	struct space *space;
	int64_t total; /* cells of all spaces read so far */
	int n_exclusions;
	struct exclusion *exclusion;
	const struct node *baseline;
};

/* A key of a map and what reads its value into obj. Rules are applied in table order, whatever the file's. */
struct rule {
	const char *name;
	int (*read)(struct load *l, void *obj, const struct node *key, const struct node *value);
	bool required;
};

/* Checks that a map has no other keys than the table's, then reads it. */
int load_map(struct load *l, const struct node *map, const char *what, const struct rule *rules, int n_rules,
	     void *obj);
/* The parts of it, for a map that has other keys too. */
const struct rule *rule_find(const struct rule *rules, int n_rules, const char *name);
int load_rules(struct load *l, const struct node *map, const char *what, const struct rule *rules, int n_rules,
	       void *obj);
int unknown_key(struct load *l, const struct node *key, const struct suggest *g);

int load_nomem(struct load *l);
/* Memory that lives with the study; NULL is reported by the caller through load_nomem(). */
char *load_copy(struct load *l, const char *text);
/* A path of the file, resolved against the file's directory. */
int load_path(struct load *l, const struct node *n, const char *what, const char **path);

/* The parts. */
int load_data(struct load *l, void *obj, const struct node *key, const struct node *value);
/* Keys of a split or of all splits; obj is a struct data_spec. */
int image_resize(struct load *l, void *obj, const struct node *key, const struct node *value);
int image_crop(struct load *l, void *obj, const struct node *key, const struct node *value);
int image_exif(struct load *l, void *obj, const struct node *key, const struct node *value);
int image_bad(struct load *l, void *obj, const struct node *key, const struct node *value);
int image_cache(struct load *l, void *obj, const struct node *key, const struct node *value);
int image_augment(struct load *l, void *obj, const struct node *key, const struct node *value);
int load_model(struct load *l, void *obj, const struct node *key, const struct node *value);
int load_groups(struct load *l, const struct node *value); /* value NULL: the default groups */
int load_spaces(struct load *l);                           /* `parameters` and `linked` of l->root */
/* Cells of all spaces into the study; marks the baseline. */
int space_expand(struct load *l);
int baseline_mark(struct load *l);
int load_exclude(struct load *l, void *obj, const struct node *key, const struct node *value);
int load_constraints(struct load *l, void *obj, const struct node *key, const struct node *value);

/* A field's value in a node, in v (all numbers of a pair or list, 0 behind), checked against its range. */
int load_field(struct load *l, const struct field *f, const char *what, const struct node *n, double v[FIELD_VALUES]);
/* The same for a hyperparameter or a group's own setting. */
int load_slot(struct load *l, const struct column *slot, const struct node *n, double v[FIELD_VALUES]);

/* --set: applies one option to the tree. */
int set_apply(struct node **root, struct pool *pool, const char *option, struct err *e);

/* ---- setting.c ---- */

/* Fills *slot for a hyperparameter's name ("momentum", "backbone_lr"); false if there is none. */
bool slot_find(const struct study *s, const char *name, struct column *slot);
void slot_suggest(const struct study *s, struct suggest *g);
/* Slots by number, for expressions: hyper_fields, then each group's lr, then each group's weight_decay. */
int slot_count(const struct study *s);
void slot_at(const struct study *s, int i, struct column *slot);
/* Field that describes type and range of a slot's values. */
const struct field *slot_field(const struct column *slot);
void slot_set(const struct column *slot, struct setting *set, const double v[FIELD_VALUES]);
/* Whether it matters in this setting (momentum does not to Adam). */
bool slot_applies(const struct column *slot, const struct setting *set);
/* Its value as text, whether it matters or not. */
void slot_text(const struct column *slot, const struct setting *set, char out[COLUMN_TEXT_MAX]);
/* Its value, NAN where it does not matter. */
double slot_value(const struct column *slot, const struct setting *set);
bool slot_equal(const struct column *slot, const struct setting *set, const double v[FIELD_VALUES]);

/* Fills in what other settings decide and puts what does not matter to its default: equal trials, equal bits. */
void setting_resolve(const struct study *s, struct setting *set);
/* Whether a field of the model matters to its architecture (width does not to resnet18). */
bool model_applies(const struct field *f, const struct model_spec *m);
/* Whether the key must name it apart from the groups' own values (lr does not matter once every group has one). */
bool field_in_key(const struct field *f);

#endif
