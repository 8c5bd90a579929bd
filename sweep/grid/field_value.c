/* field_value.c - a described setting's value in a grid file: type and range from its field, said in words */
#include "sweep/grid/load.h"

#include <string.h>

#include "sweep/base/num.h"

static int out_of_range(struct load *l, const struct field *f, const char *what, const struct node *n, double v)
{
	char shown[NUM_MAX], min[NUM_MAX], max[NUM_MAX];
	bool whole = f->kind == FIELD_INT || f->kind == FIELD_LIST;

	return node_error(n, l->e, "%s is %s; expected %s%s to %s%s", what, num_text(shown, v),
			  whole ? "a whole number, " : "", num_text(min, f->min), f->open_max ? "below " : "",
			  num_text(max, f->max));
}

static int read_number(struct load *l, const struct field *f, const char *what, const struct node *n, double *v)
{
	int rc = node_number(n, what, v, l->e);

	if (rc)
		return rc;
	return field_in_range(f, *v) ? 0 : out_of_range(l, f, what, n, *v);
}

static int read_pair(struct load *l, const struct field *f, const char *what, const struct node *n,
		     double v[FIELD_VALUES])
{
	char shown[NODE_SHOWN];
	int rc;

	if (n->kind != NODE_LIST || n->n != 2)
		return node_error(n, l->e, "%s is %s; expected two numbers [a, b]", what, node_shown(n, shown));
	rc = read_number(l, f, what, n->item[0], &v[0]);
	return rc ? rc : read_number(l, f, what, n->item[1], &v[1]);
}

static int read_list(struct load *l, const struct field *f, const char *what, const struct node *n,
		     double v[FIELD_VALUES])
{
	char shown[NODE_SHOWN];
	int rc = 0;

	if (n->kind != NODE_LIST || !n->n || n->n > FIELD_VALUES)
		return node_error(n, l->e, "%s is %s; expected 1 to %d whole numbers [a, b, ...]", what,
				  node_shown(n, shown), FIELD_VALUES);
	for (int i = 0; !rc && i < n->n; i++)
		rc = read_number(l, f, what, n->item[i], &v[i]);
	return rc;
}

static int read_word(struct load *l, const struct field *f, const char *what, const struct node *n, double *v)
{
	char hint[SUGGEST_MAX + 32], shown[NODE_SHOWN];
	struct suggest g = {0};
	int word;

	if (n->kind != NODE_SCALAR || node_is_null(n))
		return node_error(n, l->e, "%s is %s; expected one of: %s", what, node_shown(n, shown), f->names);
	word = strchr(n->text, ' ') ? -1 : field_enum_index(f, n->text);
	*v = word;
	if (word >= 0)
		return 0;
	g.word = n->text;
	suggest_try_words(&g, f->names);
	return node_error(n, l->e, "%s is %s; expected one of: %s%s", what, node_shown(n, shown), f->names,
			  suggest_text(&g, hint));
}

int load_field(struct load *l, const struct field *f, const char *what, const struct node *n, double v[FIELD_VALUES])
{
	bool yes = false;
	int rc;

	memset(v, 0, FIELD_VALUES * sizeof(v[0]));
	switch (f->kind) {
	case FIELD_BOOL:
		rc = node_bool(n, what, &yes, l->e);
		v[0] = yes;
		return rc;
	case FIELD_ENUM:
		return read_word(l, f, what, n, v);
	case FIELD_PAIR:
		return read_pair(l, f, what, n, v);
	case FIELD_LIST:
		return read_list(l, f, what, n, v);
	default:
		return read_number(l, f, what, n, v);
	}
}

int load_slot(struct load *l, const struct column *slot, const struct node *n, double v[FIELD_VALUES])
{
	return load_field(l, slot_field(slot), slot->name, n, v);
}
