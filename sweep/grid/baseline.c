/* baseline.c - the one cell that `baseline:` names */
#include "sweep/grid/load.h"

/* Takes the mark from every cell that has another value; complains if no cell at all has this one. */
static int narrow(struct load *l, const struct column *slot, const struct node *value)
{
	struct setting one = l->base;
	char shown[COLUMN_TEXT_MAX];
	struct study *s = l->s;
	double v[FIELD_VALUES];
	int rc = load_slot(l, slot, value, v), n = 0;

	if (rc)
		return rc;
	for (int i = 0; i < s->n_cells; i++) {
		bool equal = slot_equal(slot, &s->cell[i].setting, v);

		n += equal;
		s->cell[i].baseline = s->cell[i].baseline && equal;
	}
	if (n)
		return 0;
	slot_set(slot, &one, v);
	slot_text(slot, &one, shown);
	return node_error(value, l->e, "no cell has %s %s; expected a value of the grid", slot->name, shown);
}

static int read_key(struct load *l, const struct node *key, const struct node *value)
{
	struct suggest g = {.word = key->text};
	struct column slot;

	if (slot_find(l->s, key->text, &slot))
		return narrow(l, &slot, value);
	slot_suggest(l->s, &g);
	return unknown_key(l, key, &g);
}

int baseline_mark(struct load *l)
{
	const struct node *map = l->baseline;
	struct study *s = l->s;
	int n = 0;
	int rc = map ? node_want(map, NODE_MAP, "baseline", l->e) : 0;

	if (!map || rc)
		return rc;
	for (int i = 0; i < s->n_cells; i++)
		s->cell[i].baseline = true;
	for (int k = 0; !rc && k < map->n; k++)
		rc = read_key(l, map->key[k], map->item[k]);
	for (int i = 0; i < s->n_cells; i++)
		n += s->cell[i].baseline;
	if (rc || n == 1)
		return rc;
	return node_error(
		map, l->e,
		n ? "baseline fits %d cells; expected settings that fit just one"
		  : "baseline fits %d cells: each value is in the grid, but not together; expected settings that "
		    "fit one",
		n);
}
