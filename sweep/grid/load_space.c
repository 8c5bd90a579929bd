/* load_space.c - `parameters` and `linked`: hyperparameters and the values they take */
#include "sweep/grid/load.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char known_keys[] = "value values min max q count distribution";
static const char random_keys[] = "probabilities mu sigma a b";
static const char random_distributions[] =
	"log_uniform inv_log_uniform inv_log_uniform_values q_log_uniform q_log_uniform_values normal q_normal "
	"log_normal q_log_normal beta q_beta categorical_w_probabilities";

/* Makes room for n values, if the grid may still grow so far: the check comes before the memory. */
static int make_values(struct load *l, struct space *sp, struct axis *a, const struct node *at, double n)
{
	double room = (double)(STUDY_MAX_CELLS - l->total);

	if (!(n * (double)sp->cells <= room))
		return node_error(at, l->e, "the grid has more than %d cells from here on; expected fewer values",
				  STUDY_MAX_CELLS);
	sp->cells *= (int64_t)n;
	a->n_values = (int)n;
	a->value = pool_alloc(l->tree, (size_t)(a->n_values * a->n_slots) * sizeof(a->value[0]));
	return a->value ? 0 : load_nomem(l);
}

/* ---- one hyperparameter ---- */

static int read_list(struct load *l, struct space *sp, struct axis *a, const struct node *list)
{
	int rc;

	if (!list->n)
		return node_error(list, l->e, "%s has no values; expected at least one", a->slot->name);
	if (field_count(slot_field(a->slot)) > 1 && list->item[0]->kind == NODE_SCALAR)
		return node_error(list, l->e, "%s is a list of numbers; expected a list of %s", a->slot->name,
				  slot_field(a->slot)->kind == FIELD_PAIR ? "pairs, such as [[0.9, 0.999]]"
									  : "lists, such as [[3, 5]]");
	rc = make_values(l, sp, a, list, list->n);
	for (int i = 0; !rc && i < list->n; i++)
		rc = load_slot(l, a->slot, list->item[i], a->value[i]);
	return rc;
}

static int read_one(struct load *l, struct space *sp, struct axis *a, const struct node *value)
{
	int rc = make_values(l, sp, a, value, 1);

	return rc ? rc : load_slot(l, a->slot, value, a->value[0]);
}

/* min, max, count and q of a range, as far as they stand there. */
struct range {
	const struct node *map, *min_node, *max_node;
	double min, max, q, count;
};

static int read_ends(struct load *l, struct range *r)
{
	int rc = 0;

	r->min_node = node_get(r->map, "min");
	r->max_node = node_get(r->map, "max");
	if (!r->min_node || !r->max_node)
		return node_error(r->map, l->e, "no '%s'; expected value, values, or both min and max",
				  r->min_node ? "max" : "min");
	rc = node_number(r->min_node, "min", &r->min, l->e);
	if (!rc)
		rc = node_number(r->max_node, "max", &r->max, l->e);
	if (!rc && !(isfinite(r->min) && isfinite(r->max)))
		return node_error(r->map, l->e, "min or max is no finite number; expected two numbers");
	if (!rc && r->min >= r->max)
		return node_error(r->max_node, l->e, "max is %s, min %s; expected max to be larger", r->max_node->text,
				  r->min_node->text);
	return rc;
}

/* Twelve digits: 1e-4 on a log axis is then the 1e-4 that a person writes, bit for bit. */
static double tidy(double v)
{
	char text[32];

	snprintf(text, sizeof(text), "%.12g", v);
	return strtod(text, NULL);
}

static double range_value(const struct range *r, bool log, int i, int n)
{
	double t = n > 1 ? (double)i / (n - 1) : 0;

	if (i == 0 || i == n - 1)
		return i ? r->max : r->min;
	return tidy(log ? r->min * pow(r->max / r->min, t) : r->min + t * (r->max - r->min));
}

/* Every value goes the way of a written one, so that ranges and words are checked and said alike. */
static int put_value(struct load *l, struct axis *a, const struct range *r, int i, double v)
{
	const struct field *f = slot_field(a->slot);

	a->value[i][0] = v + 0.0;
	if (f->kind != FIELD_REAL && f->kind != FIELD_INT)
		return node_error(r->map, l->e, "%s does not take a range; expected values", a->slot->name);
	if (!field_in_range(f, v))
		return node_error(r->map, l->e, "%s would be %.12g; expected %s%.12g to %.12g", a->slot->name, v,
				  f->kind == FIELD_INT ? "whole numbers from " : "", f->min, f->max);
	return 0;
}

static int read_spaced(struct load *l, struct space *sp, struct axis *a, struct range *r, bool log)
{
	const struct node *count = node_get(r->map, "count");
	int64_t n = 0;
	int rc;

	if (!count)
		return node_error(r->map, l->e,
				  "a continuous range has no end of values in a grid; expected count: N or values");
	rc = node_integer(count, "count", 2, STUDY_MAX_CELLS, &n, l->e);
	if (!rc && log && r->min <= 0)
		return node_error(r->min_node, l->e, "min is %s on a log axis; expected more than 0",
				  r->min_node->text);
	if (!rc)
		rc = make_values(l, sp, a, count, (double)n);
	for (int i = 0; !rc && i < n; i++)
		rc = put_value(l, a, r, i, range_value(r, log, i, (int)n));
	return rc;
}

/* W&B's int_uniform: every whole number, both ends included. */
static int read_integers(struct load *l, struct space *sp, struct axis *a, struct range *r)
{
	int rc;

	if (r->min != rint(r->min) || r->max != rint(r->max))
		return node_error(r->map, l->e, "int_uniform from %s to %s; expected whole numbers", r->min_node->text,
				  r->max_node->text);
	rc = make_values(l, sp, a, r->map, r->max - r->min + 1);
	for (int i = 0; !rc && i < a->n_values; i++)
		rc = put_value(l, a, r, i, r->min + i);
	return rc;
}

/* W&B's q_uniform in a grid: min, min + q, ... below max, which is left out. */
static int read_steps(struct load *l, struct space *sp, struct axis *a, struct range *r)
{
	const struct node *q = node_get(r->map, "q");
	double step = 1;
	int rc = q ? node_number(q, "q", &step, l->e) : 0;

	if (!rc && !(step > 0 && isfinite(step)))
		return node_error(q, l->e, "q is %s; expected a step above 0", q->text);
	if (!rc)
		rc = make_values(l, sp, a, r->map, ceil((r->max - r->min) / step * (1 - 1e-12)));
	for (int i = 0; !rc && i < a->n_values; i++)
		rc = put_value(l, a, r, i, tidy(r->min + i * step));
	return rc;
}

static int refuse_key(struct load *l, const struct node *key)
{
	struct suggest g = {.word = key->text};

	if (field_has_word(random_keys, key->text))
		return node_error(key, l->e, "'%s' belongs to random search; expected values for a grid", key->text);
	if (!strcmp(key->text, "parameters"))
		return node_error(key, l->e,
				  "nested parameters are not supported; expected value, values or min and max");
	suggest_try_words(&g, known_keys);
	if (*g.best)
		return unknown_key(l, key, &g);
	return node_error(key, l->e, "unknown key '%.50s'; expected one of: %s", key->text, known_keys);
}

/* The keys that a shape allows beside `distribution`; everything else in the map contradicts it. */
static int only_keys(struct load *l, const struct node *map, const char *shape, const char *allowed)
{
	for (int i = 0; i < map->n; i++)
		if (strcmp(map->key[i]->text, "distribution") && !field_has_word(allowed, map->key[i]->text))
			return node_error(map->key[i], l->e, "'%s' does not go with %s; expected only: %s",
					  map->key[i]->text, shape, allowed);
	return 0;
}

static const char *implied_distribution(const struct node *map, const struct range *r)
{
	if (node_get(map, "value"))
		return "constant";
	if (node_get(map, "values"))
		return "categorical";
	/* as W&B: two whole numbers without point or exponent are integers */
	if (!node_get(map, "count") && !strpbrk(r->min_node->text, ".eE") && !strpbrk(r->max_node->text, ".eE"))
		return "int_uniform";
	return node_get(map, "count") ? "" : "uniform";
}

static int wrong_distribution(struct load *l, const struct node *map, const char *name)
{
	const struct node *at = node_get(map, "distribution");
	static const char mine[] = "constant categorical int_uniform q_uniform uniform log_uniform_values";
	struct suggest g = {.word = name};
	char hint[SUGGEST_MAX + 32];

	if (!at)
		return node_error(map, l->e,
				  "count alone does not say how values are spaced; expected distribution: "
				  "log_uniform_values or uniform beside it");
	if (field_has_word(random_distributions, name))
		return node_error(at, l->e, "distribution %s is drawn from at random; expected for a grid: %s", name,
				  mine);
	suggest_try_words(&g, mine);
	return node_error(at, l->e, "distribution '%.50s' is unknown; expected one of: %s%s", name, mine,
			  suggest_text(&g, hint));
}

static int read_constant(struct load *l, struct space *sp, struct axis *a, struct range *r)
{
	const struct node *value = node_get(r->map, "value");

	return value ? read_one(l, sp, a, value) : node_error(r->map, l->e, "no 'value'; expected one");
}

static int read_values(struct load *l, struct space *sp, struct axis *a, struct range *r)
{
	const struct node *values = node_get(r->map, "values");
	int rc = values ? node_want(values, NODE_LIST, "values", l->e)
			: node_error(r->map, l->e, "no 'values'; expected a list of them");

	return rc ? rc : read_list(l, sp, a, values);
}

static int read_linear(struct load *l, struct space *sp, struct axis *a, struct range *r)
{
	return read_spaced(l, sp, a, r, false);
}

static int read_log(struct load *l, struct space *sp, struct axis *a, struct range *r)
{
	return read_spaced(l, sp, a, r, true);
}

static const struct shape {
	const char *distribution;
	const char *said;    /* in a complaint: what the user sees of it */
	const char *allowed; /* keys beside `distribution` */
	int (*read)(struct load *l, struct space *sp, struct axis *a, struct range *r);
} shapes[] = {
	{"constant", "value", "value", read_constant},
	{"categorical", "values", "values", read_values},
	{"int_uniform", "int_uniform", "min max", read_integers},
	{"q_uniform", "q_uniform", "min max q", read_steps},
	{"uniform", "uniform", "min max count", read_linear},
	{"log_uniform_values", "log_uniform_values", "min max count", read_log},
};

static const struct shape *find_shape(const char *distribution)
{
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		if (!strcmp(shapes[i].distribution, distribution))
			return &shapes[i];
	return NULL;
}

static int read_spec(struct load *l, struct space *sp, struct axis *a, const struct node *map)
{
	const struct node *given = node_get(map, "distribution");
	const struct shape *shape;
	struct range r = {.map = map};
	const char *d = "";
	int rc = 0;

	for (int i = 0; i < map->n; i++)
		if (!field_has_word(known_keys, map->key[i]->text))
			return refuse_key(l, map->key[i]);
	if (given)
		rc = node_text(given, "distribution", &d, l->e);
	if (!rc && field_has_word(random_distributions, d))
		return wrong_distribution(l, map, d);
	if (!rc && !node_get(map, "value") && !node_get(map, "values"))
		rc = read_ends(l, &r);
	if (rc)
		return rc;
	if (!given)
		d = implied_distribution(map, &r);
	shape = find_shape(d);
	if (!shape)
		return wrong_distribution(l, map, d);
	rc = only_keys(l, map, shape->said, shape->allowed);
	return rc ? rc : shape->read(l, sp, a, &r);
}

/* ---- a map of them ---- */

static int find_slot(struct load *l, struct space *sp, const struct axis *a, const struct node *key,
		     struct column *slot)
{
	struct suggest g = {.word = key->text};

	if (!slot_find(l->s, key->text, slot)) {
		slot_suggest(l->s, &g);
		suggest_try(&g, "linked");
		return unknown_key(l, key, &g);
	}
	for (const struct axis *other = sp->axis; other <= a; other++)
		for (int i = 0; i < other->n_slots; i++)
			if (&other->slot[i] != slot && !strcmp(other->slot[i].name, slot->name))
				return node_error(key, l->e,
						  "%s is in parameters and in linked, or twice in linked; "
						  "expected it once",
						  slot->name);
	return 0;
}

static struct axis *new_axis(struct load *l, struct space *sp, int n_slots)
{
	struct axis *a = &sp->axis[sp->n_axes];

	a->n_slots = n_slots;
	a->slot = pool_alloc(l->tree, (size_t)n_slots * sizeof(a->slot[0]));
	return a->slot ? a : NULL;
}

static int read_axis(struct load *l, struct space *sp, const struct node *key, const struct node *value)
{
	struct axis *a = new_axis(l, sp, 1);
	int rc;

	if (!a)
		return load_nomem(l);
	rc = find_slot(l, sp, a, key, a->slot);
	if (rc)
		return rc;
	if (value->kind == NODE_LIST)
		rc = read_list(l, sp, a, value);
	else
		rc = value->kind == NODE_MAP ? read_spec(l, sp, a, value) : read_one(l, sp, a, value);
	sp->n_axes++;
	return rc;
}

/* ---- linked ---- */

static int read_linked_column(struct load *l, struct axis *a, int i, const struct node *list)
{
	int rc = 0;

	for (int row = 0; !rc && row < a->n_values; row++)
		rc = load_slot(l, &a->slot[i], list->item[row], a->value[row * a->n_slots + i]);
	return rc;
}

/* One table: lists of equal length under the names that vary together. */
static int read_linked(struct load *l, struct space *sp, const struct node *map)
{
	struct axis *a;
	int rc = node_want(map, NODE_MAP, "linked", l->e);

	if (!rc && !map->n)
		return node_error(map, l->e, "linked is empty; expected names with lists of equal length");
	if (rc)
		return rc;
	a = new_axis(l, sp, map->n);
	if (!a)
		return load_nomem(l);
	for (int i = 0; !rc && i < map->n; i++) {
		rc = find_slot(l, sp, a, map->key[i], &a->slot[i]);
		if (!rc)
			rc = node_want(map->item[i], NODE_LIST, map->key[i]->text, l->e);
		if (!rc && !map->item[i]->n)
			rc = node_error(map->item[i], l->e, "%s has no values; expected at least one",
					map->key[i]->text);
		if (!rc && map->item[i]->n != map->item[0]->n)
			rc = node_error(map->item[i], l->e, "%s has %d values, %s has %d; expected lists of one length",
					map->key[i]->text, map->item[i]->n, map->key[0]->text, map->item[0]->n);
	}
	if (!rc)
		rc = make_values(l, sp, a, map, map->item[0]->n);
	for (int i = 0; !rc && i < map->n; i++)
		rc = read_linked_column(l, a, i, map->item[i]);
	sp->n_axes++;
	return rc;
}

static int tables(const struct node *linked)
{
	return !linked ? 0 : linked->kind == NODE_LIST ? linked->n : 1;
}

static int read_tables(struct load *l, struct space *sp, const struct node *linked)
{
	int rc = 0;

	for (int i = 0; !rc && i < tables(linked); i++)
		rc = read_linked(l, sp, linked->kind == NODE_LIST ? linked->item[i] : linked);
	return rc;
}

/* ---- all ---- */

static int read_space(struct load *l, struct space *sp, const struct node *map)
{
	const struct node *shared = node_get(l->root, "linked"), *own = node_get(map, "linked");
	int n = (map ? map->n : 0) + tables(own) + tables(shared);
	int rc = 0;

	*sp = (struct space){.node = map ? map : l->root, .cells = 1};
	sp->axis = pool_alloc(l->tree, (size_t)(n ? n : 1) * sizeof(sp->axis[0]));
	if (!sp->axis)
		return load_nomem(l);
	if (map && map->kind != NODE_MAP)
		return node_want(map, NODE_MAP, "a grid of parameters", l->e);
	if (map && !map->n)
		return node_error(map, l->e, "parameters is empty; expected names with values");
	for (int i = 0; map && !rc && i < map->n; i++)
		if (map->item[i] != own)
			rc = read_axis(l, sp, map->key[i], map->item[i]);
	if (!rc)
		rc = read_tables(l, sp, own);
	if (!rc)
		rc = read_tables(l, sp, shared);
	if (!rc && l->total + sp->cells > STUDY_MAX_CELLS)
		rc = node_error(sp->node, l->e, "the grid has more than %d cells from here on; expected fewer grids",
				STUDY_MAX_CELLS);
	l->total += sp->cells;
	l->n_spaces++;
	return rc;
}

int load_spaces(struct load *l)
{
	const struct node *p = node_get(l->root, "parameters");
	int n = p && p->kind == NODE_LIST ? p->n : 1;
	int rc = 0;

	if (!n)
		return node_error(p, l->e, "parameters is empty; expected a map, or a list of maps");
	if (p && p->kind == NODE_SCALAR)
		return node_want(p, NODE_MAP, "parameters", l->e);
	l->space = pool_alloc(l->tree, (size_t)n * sizeof(l->space[0]));
	if (!l->space)
		return load_nomem(l);
	for (int i = 0; !rc && i < n; i++)
		rc = read_space(l, &l->space[i], p && p->kind == NODE_LIST ? p->item[i] : p);
	return rc;
}
