/* set.c - `--set a.b=c`: one value put into a grid file's tree before it is read */
#include "sweep/grid/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sweep/grid/yaml.h"

struct setter {
	struct pool *pool;
	struct source *source;
	const char *at; /* next part of the path */
	const char *end;
	struct err *e;
};

static int nomem(struct setter *s)
{
	return err_set(s->e, ERR_NOMEM, "out of memory for --set");
}

static int wrong(struct setter *s, const char *part, const char *what)
{
	return source_error(s->source, 1, (int)(part - s->source->text) + 1, s->e, "%s", what);
}

static struct node *new_node(struct setter *s, enum node_kind kind, const char *at)
{
	struct node *n = pool_alloc(s->pool, sizeof(*n));

	if (n)
		*n = (struct node){
			.kind = kind, .line = 1, .col = (int)(at - s->source->text) + 1, .source = s->source};
	return n;
}

/* Where item number `part` of a list stands. */
static int list_place(struct setter *s, struct node *list, const char *part, struct node ***place)
{
	char *end;
	long i = strtol(part, &end, 10);
	char what[96];

	snprintf(what, sizeof(what), "a list of %d items stands here; expected its item's number, from 0", list->n);
	if (*part < '0' || *part > '9' || *end || i >= list->n)
		return wrong(s, s->at, what);
	*place = &list->item[i];
	return 0;
}

/* Where a key's value stands in a map; a key that is not there is added. */
static int map_place(struct setter *s, struct node *map, const char *part, struct node ***place)
{
	struct node *key = new_node(s, NODE_SCALAR, s->at);
	int i = node_find(map, part);
	int rc = 0;

	if (!key)
		return nomem(s);
	key->text = part;
	if (i < 0) {
		rc = node_append(s->pool, map, key, NULL, s->e);
		i = map->n - 1;
	}
	if (rc)
		return rc;
	map->key[i] = key; /* complaints about the key now belong to the option */
	*place = &map->item[i];
	return 0;
}

static int descend(struct setter *s, struct node ***place)
{
	struct node *here = **place;
	size_t n = strcspn(s->at, ".=");
	const char *part = pool_copy(s->pool, s->at, n);
	int rc;

	if (!part)
		return nomem(s);
	if (!n)
		return wrong(s, s->at, "an empty name in the path; expected a.b=value");
	if (!here || node_is_null(here))
		here = **place = new_node(s, NODE_MAP, s->at);
	if (!here)
		return nomem(s);
	if (here->kind == NODE_SCALAR)
		return wrong(s, s->at, "what stands before it is a single value; expected a map or a list");
	rc = here->kind == NODE_LIST ? list_place(s, here, part, place) : map_place(s, here, part, place);
	s->at += n + (s->at[n] == '.');
	return rc;
}

int set_apply(struct node **root, struct pool *pool, const char *option, struct err *e)
{
	struct source *source = pool_alloc(pool, sizeof(*source));
	char *copy = pool_copy(pool, option, strlen(option));
	const char *equals = strchr(option, '=');
	struct setter s = {.pool = pool, .source = source, .at = copy, .e = e};
	struct node *value, **place = root;
	int rc = 0;

	if (!source || !copy)
		return nomem(&s);
	*source = (struct source){.name = copy, .text = copy, .bytes = strlen(copy), .option = true};
	if (!equals)
		return wrong(&s, copy, "no '='; expected path=value, such as epochs=2");
	s.end = copy + (equals - option);
	source->start = (size_t)(equals - option) + 1;
	rc = yaml_read(&value, pool, source, e);
	if (!rc && !value) {
		value = new_node(&s, NODE_SCALAR, s.end);
		if (!value)
			return nomem(&s);
		value->text = "";
	}
	do
		rc = rc ? rc : descend(&s, &place);
	while (!rc && s.at < s.end);
	if (!rc && s.end[-1] == '.')
		rc = wrong(&s, s.end, "an empty name in the path; expected a.b=value");
	if (!rc)
		*place = value;
	return rc;
}
