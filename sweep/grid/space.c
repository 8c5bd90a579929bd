/* space.c - from axes to cells: the product of each grid, without what is excluded, impossible or there already */
#include "sweep/grid/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

struct expansion {
	struct load *l;
	const struct column *slot; /* by number, for exclude */
	int n_slots;
	int *table; /* hash table of cell numbers + 1; 0 is free */
	size_t mask;
	double *digest; /* scratch: a setting as plain numbers */
	int n_digest;
};

struct view {
	const struct expansion *x;
	const struct setting *set;
};

static double slot_number(void *ctx, int slot)
{
	const struct view *v = ctx;

	return slot_value(&v->x->slot[slot], v->set);
}

static bool is_excluded(const struct expansion *x, const struct setting *set)
{
	struct view v = {x, set};

	for (int i = 0; i < x->l->n_exclusions; i++)
		if (expr_true(x->l->exclusion[i].expr, slot_number, &v))
			return true;
	return false;
}

/* ---- equal settings ---- */

/* What the canonical text would say, as numbers. */
static void digest(const struct expansion *x, const struct setting *set, double *out)
{
	const struct study *s = x->l->s;

	for (int i = 0; i < n_hyper_fields; i++) {
		double v[FIELD_VALUES] = {0};

		if (field_in_key(&hyper_fields[i]))
			field_read(&hyper_fields[i], &set->hyper, v);
		for (int j = 0; j < field_count(&hyper_fields[i]); j++)
			*out++ = v[j];
	}
	for (int g = 0; g < s->n_groups; g++) {
		*out++ = set->group_lr[g];
		*out++ = set->group_weight_decay[g];
	}
}

static bool equal(const struct expansion *x, const struct setting *set)
{
	double *mine = x->digest, *other = x->digest + x->n_digest;

	digest(x, set, other);
	return !memcmp(mine, other, (size_t)x->n_digest * sizeof(mine[0]));
}

/* Whether an equal cell stands already; if not, the next cell's number is put down for this one. */
static bool is_duplicate(struct expansion *x, const struct setting *set)
{
	const struct study *s = x->l->s;
	size_t at;

	digest(x, set, x->digest);
	at = XXH3_64bits(x->digest, (size_t)x->n_digest * sizeof(x->digest[0])) & x->mask;
	for (; x->table[at]; at = (at + 1) & x->mask)
		if (equal(x, &s->cell[x->table[at] - 1].setting))
			return true;
	x->table[at] = s->n_cells + 1;
	return false;
}

/* ---- impossible settings ---- */

static void describe(const struct space *sp, const struct setting *set, char *out, size_t size)
{
	char text[COLUMN_TEXT_MAX];
	size_t used = 0;

	*out = 0;
	for (int a = 0; a < sp->n_axes; a++)
		for (int i = 0; i < sp->axis[a].n_slots && used < size; i++) {
			slot_text(&sp->axis[a].slot[i], set, text);
			used += (size_t)snprintf(out + used, size - used, "%s%s=%s", used ? " " : "",
						 sp->axis[a].slot[i].name, text);
		}
}

/* The key that a rule between settings speaks of, in the grid or at the top level; else where the grid stands. */
static const struct node *culprit(const struct load *l, const struct space *sp, const char *message)
{
	const struct node *maps[] = {sp->node, l->root};
	const char *at;

	for (int m = 0; m < 2; m++)
		for (int i = 0; i < maps[m]->n; i++) {
			const char *name = maps[m]->key ? maps[m]->key[i]->text : "";

			at = field_find(hyper_fields, n_hyper_fields, name) ? strstr(message, name) : NULL;
			if (at)
				return maps[m]->key[i];
		}
	return sp->node;
}

static int check(struct load *l, const struct space *sp, const struct setting *set)
{
	char cell[300];
	struct err why;

	if (!hyper_check(&set->hyper, &why))
		return 0;
	describe(sp, set, cell, sizeof(cell));
	if (!*cell)
		return node_error(culprit(l, sp, why.msg), l->e, "%s", why.msg);
	return node_error(culprit(l, sp, why.msg), l->e, "%s, in the cell %s; expected no such cell (see exclude)",
			  why.msg, cell);
}

/* ---- the product ---- */

static void fill(const struct load *l, const struct space *sp, int64_t number, struct setting *set)
{
	*set = l->base;
	for (int a = sp->n_axes - 1; a >= 0; a--) {
		const struct axis *axis = &sp->axis[a];
		int row = (int)(number % axis->n_values);

		number /= axis->n_values;
		for (int i = 0; i < axis->n_slots; i++)
			slot_set(&axis->slot[i], set, axis->value[row * axis->n_slots + i]);
	}
	setting_resolve(l->s, set);
}

static int expand_space(struct expansion *x, const struct space *sp)
{
	struct study *s = x->l->s;
	int rc = 0;

	for (int64_t i = 0; !rc && i < sp->cells; i++) {
		struct setting *set = &s->cell[s->n_cells].setting;

		fill(x->l, sp, i, set);
		if (is_excluded(x, set)) {
			s->n_excluded++;
			continue;
		}
		rc = check(x->l, sp, set);
		if (!rc && is_duplicate(x, set))
			s->n_duplicates++;
		else
			s->n_cells += !rc;
	}
	return rc;
}

/* ---- columns ---- */

static void add_column(struct study *s, const struct column *slot)
{
	if (study_column(s, slot->name) < 0)
		s->column[s->n_columns++] = *slot;
}

static int list_columns(struct load *l)
{
	struct study *s = l->s;
	struct column slot;

	s->column = pool_alloc(l->pool, (size_t)slot_count(s) * sizeof(s->column[0]));
	if (!s->column)
		return load_nomem(l);
	for (int g = 0; g < s->n_groups; g++) {
		slot_at(s, n_hyper_fields + g, &slot);
		add_column(s, &slot);
	}
	if (slot_find(s, "optimizer", &slot))
		add_column(s, &slot);
	for (int i = 0; i < l->n_spaces; i++)
		for (int a = 0; a < l->space[i].n_axes; a++)
			for (int j = 0; j < l->space[i].axis[a].n_slots; j++)
				add_column(s, &l->space[i].axis[a].slot[j]);
	return 0;
}

/* ---- all ---- */

static int check_trials(struct load *l)
{
	const struct node *at = node_get(l->root, l->s->n_seeds > 1 ? "repeats" : "parameters");

	if (l->total * l->s->n_seeds <= STUDY_MAX_TRIALS)
		return 0;
	return node_error(at ? at : l->root, l->e,
			  "%lld cells with %d repeats are too many trials; expected at most %d", (long long)l->total,
			  l->s->n_seeds, STUDY_MAX_TRIALS);
}

static int begin(struct expansion *x)
{
	struct load *l = x->l;
	struct column *slots;
	size_t size = 16;

	while (size < 2 * (size_t)l->total)
		size *= 2;
	x->mask = size - 1;
	x->table = pool_alloc(l->tree, size * sizeof(x->table[0]));
	x->n_digest = 2 * l->s->n_groups;
	for (int i = 0; i < n_hyper_fields; i++)
		x->n_digest += field_count(&hyper_fields[i]);
	x->digest = pool_alloc(l->tree, 2 * (size_t)x->n_digest * sizeof(x->digest[0]));
	x->n_slots = slot_count(l->s);
	slots = pool_alloc(l->tree, (size_t)x->n_slots * sizeof(slots[0]));
	/* one more: the cell that turns out to be a duplicate is written, then forgotten */
	l->s->cell = pool_alloc(l->pool, (size_t)(l->total + 1) * sizeof(l->s->cell[0]));
	if (!x->table || !x->digest || !slots || !l->s->cell)
		return load_nomem(l);
	for (int i = 0; i < x->n_slots; i++)
		slot_at(l->s, i, &slots[i]);
	x->slot = slots;
	return 0;
}

int space_expand(struct load *l)
{
	struct expansion x = {.l = l};
	int rc = check_trials(l);

	if (!rc)
		rc = begin(&x);
	for (int i = 0; !rc && i < l->n_spaces; i++)
		rc = expand_space(&x, &l->space[i]);
	if (!rc && !l->s->n_cells)
		rc = node_error(l->n_exclusions ? l->exclusion[0].node : l->root, l->e,
				"no cell is left after exclude; expected at least one");
	if (!rc)
		rc = list_columns(l);
	return rc ? rc : baseline_mark(l);
}
