/* load.c - see load.h: maps by rules, and what every part needs */
#include "sweep/grid/load.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

int load_nomem(struct load *l)
{
	return err_set(l->e, ERR_NOMEM, "%s: out of memory", l->s->path ? l->s->path : "grid file");
}

char *load_copy(struct load *l, const char *text)
{
	return pool_copy(l->pool, text, strlen(text));
}

const struct rule *rule_find(const struct rule *rules, int n_rules, const char *name)
{
	for (int i = 0; i < n_rules; i++)
		if (!strcmp(rules[i].name, name))
			return &rules[i];
	return NULL;
}

int unknown_key(struct load *l, const struct node *key, const struct suggest *g)
{
	char hint[SUGGEST_MAX + 32], shown[NODE_SHOWN];

	return node_error(key, l->e, "unknown key %s%s", node_shown(key, shown), suggest_text(g, hint));
}

/* Without a near word the message lists all: these maps are small. */
static int unknown_in(struct load *l, const struct node *key, const struct rule *rules, int n_rules)
{
	struct suggest g = {.word = key->text};
	char list[200] = "", shown[NODE_SHOWN];

	for (int i = 0; i < n_rules; i++) {
		size_t used = strlen(list);

		suggest_try(&g, rules[i].name);
		snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "", rules[i].name);
	}
	if (*g.best)
		return unknown_key(l, key, &g);
	return node_error(key, l->e, "unknown key %s; expected one of: %s", node_shown(key, shown), list);
}

int load_rules(struct load *l, const struct node *map, const char *what, const struct rule *rules, int n_rules,
	       void *obj)
{
	int rc = 0;

	for (int i = 0; !rc && i < n_rules; i++) {
		int at = node_find(map, rules[i].name);

		if (at >= 0)
			rc = rules[i].read(l, obj, map->key[at], map->item[at]);
		else if (rules[i].required)
			rc = node_error(map, l->e, "%s has no '%s'; expected one", what, rules[i].name);
	}
	return rc;
}

int load_map(struct load *l, const struct node *map, const char *what, const struct rule *rules, int n_rules, void *obj)
{
	int rc = node_want(map, NODE_MAP, what, l->e);

	for (int i = 0; !rc && i < map->n; i++)
		if (!rule_find(rules, n_rules, map->key[i]->text))
			rc = unknown_in(l, map->key[i], rules, n_rules);
	return rc ? rc : load_rules(l, map, what, rules, n_rules, obj);
}

int load_path(struct load *l, const struct node *n, const char *what, const char **path)
{
	const char *slash = strrchr(l->s->path, '/');
	const char *text = NULL;
	int dir = slash ? (int)(slash - l->s->path + 1) : 0;
	char full[PATH_MAX];
	int rc = node_text(n, what, &text, l->e);

	if (rc)
		return rc;
	if (!*text)
		return node_error(n, l->e, "%s is an empty path; expected a file", what);
	if (*text == '/')
		dir = 0;
	if (snprintf(full, sizeof(full), "%.*s%s", dir, l->s->path, text) >= (int)sizeof(full))
		return node_error(n, l->e, "%s: the path is too long; expected fewer than %d bytes", what, PATH_MAX);
	*path = load_copy(l, full);
	return *path ? 0 : load_nomem(l);
}
