/* load_model.c - the `model` and the `groups` of a grid file */
#include "sweep/grid/load.h"

#include <stdio.h>
#include <string.h>

static int read_weights(struct load *l, const struct node *value)
{
	const char *path = NULL;
	int rc;

	if (node_is_null(value))
		return 0;
	rc = load_path(l, value, "weights", &path);
	l->s->weights_path = (char *)path;
	return rc;
}

static int read_head(struct load *l, const struct node *map, const struct node *value)
{
	char shown[NODE_SHOWN];

	if (value->kind != NODE_SCALAR || (strcmp(value->text, "new") && strcmp(value->text, "keep")))
		return node_error(value, l->e, "head is %s; expected new or keep", node_shown(value, shown));
	l->s->model.head_keep = !strcmp(value->text, "keep");
	if (l->s->model.head_keep && (!node_get(map, "weights") || node_is_null(node_get(map, "weights"))))
		return node_error(value, l->e, "head: keep without weights; expected weights: FILE to keep it from");
	return 0;
}

static int read_model_key(struct load *l, const struct node *map, const struct node *key, const struct node *value)
{
	const struct field *f = field_find(model_fields, n_model_fields, key->text);
	struct suggest g = {.word = key->text};
	double v[FIELD_VALUES];
	int rc;

	if (!strcmp(key->text, "weights"))
		return read_weights(l, value);
	if (!strcmp(key->text, "head"))
		return read_head(l, map, value);
	if (!f) {
		suggest_try_words(&g, "weights head");
		for (int i = 0; i < n_model_fields; i++)
			suggest_try(&g, model_fields[i].name);
		return unknown_key(l, key, &g);
	}
	rc = load_field(l, f, key->text, value, v);
	if (!rc)
		field_write(f, &l->s->model, v);
	return rc;
}

int load_model(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	int rc = node_want(value, NODE_MAP, key->text, l->e);

	(void)obj;
	for (int i = 0; !rc && i < value->n; i++)
		rc = read_model_key(l, value, value->key[i], value->item[i]);
	return rc;
}

/* ---- groups ---- */

static bool is_group_name(const char *name)
{
	if (*name < 'a' || *name > 'z' || strlen(name) >= ENGINE_NAME_MAX)
		return false;
	return !name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")];
}

static int read_patterns(struct load *l, struct group_spec *g, const struct node *value)
{
	int n = value->kind == NODE_LIST ? value->n : 1;
	const char **list = pool_alloc(l->pool, (size_t)(n ? n : 1) * sizeof(list[0]));
	int rc = 0;

	if (!list)
		return load_nomem(l);
	if (!n)
		return node_error(value, l->e, "group %s has no patterns; expected some, such as [\"fc.*\"]", g->name);
	for (int i = 0; !rc && i < n; i++) {
		const struct node *one = value->kind == NODE_LIST ? value->item[i] : value;
		const char *text = NULL;

		rc = node_text(one, "a pattern", &text, l->e);
		if (!rc && !*text)
			rc = node_error(one, l->e, "an empty pattern; expected one such as \"fc.*\"");
		list[i] = rc ? NULL : load_copy(l, text);
		if (!rc && !list[i])
			rc = load_nomem(l);
	}
	g->n_patterns = n;
	g->patterns = list;
	return rc;
}

static int read_group(struct load *l, const struct node *key, const struct node *value)
{
	struct group_spec *g = &l->s->group[l->s->n_groups];
	char shown[NODE_SHOWN];

	if (!is_group_name(key->text))
		return node_error(key, l->e, "group %s; expected a name of a-z, 0-9 and _, at most %d characters",
				  node_shown(key, shown), ENGINE_NAME_MAX - 1);
	strcpy(g->name, key->text);
	l->s->n_groups++;
	return read_patterns(l, g, value);
}

static int default_groups(struct load *l)
{
	static const char *const all[] = {"*"};
	const char **head = pool_alloc(l->pool, sizeof(head[0]));
	char pattern[ENGINE_NAME_MAX];

	snprintf(pattern, sizeof(pattern), "%s.*", model_head(l->s->model.arch));
	if (!head || !(head[0] = load_copy(l, pattern)))
		return load_nomem(l);
	l->s->group[0] = (struct group_spec){.name = "backbone", .n_patterns = 1, .patterns = all};
	l->s->group[1] = (struct group_spec){.name = "classifier", .n_patterns = 1, .patterns = head};
	l->s->n_groups = 2;
	return 0;
}

int load_groups(struct load *l, const struct node *value)
{
	int rc;

	if (!value)
		return default_groups(l);
	rc = node_want(value, NODE_MAP, "groups", l->e);
	if (!rc && (!value->n || value->n > ENGINE_MAX_GROUPS))
		rc = node_error(value, l->e, "%d groups; expected 1 to %d", value->n, ENGINE_MAX_GROUPS);
	for (int i = 0; !rc && i < value->n; i++)
		rc = read_group(l, value->key[i], value->item[i]);
	return rc;
}
