/* yaml.c - see yaml.h */
#include "sweep/grid/yaml.h"

#include <stdio.h>
#include <string.h>
#include <yaml.h>

struct anchor {
	const char *name;
	struct node *node;
};

struct reader {
	yaml_parser_t parser;
	struct pool *pool;
	const struct source *source;
	struct err *e;
	int nodes, depth, n_anchors;
	int start_col; /* characters before source->start on its line */
	struct anchor anchor[YAML_MAX_ANCHORS];
};

static int out_of_memory(struct err *e)
{
	return err_set(e, ERR_NOMEM, "out of memory while reading a grid file");
}

int node_append(struct pool *pool, struct node *to, struct node *key, struct node *value, struct err *e)
{
	if (to->n == to->room) {
		size_t bytes = (size_t)to->n * sizeof(to->item[0]), least = 4 * sizeof(to->item[0]);
		bool is_map = to->kind == NODE_MAP;

		to->item = pool_grow(pool, to->item, bytes, least);
		to->key = is_map ? pool_grow(pool, to->key, bytes, least) : NULL;
		if (!to->item || (is_map && !to->key))
			return out_of_memory(e);
		to->room = to->room ? 2 * to->room : 4;
	}
	if (to->kind == NODE_MAP)
		to->key[to->n] = key;
	to->item[to->n++] = value;
	return 0;
}

/* ---- what libyaml would pass, stumble over, or take long for ---- */

/* Line and column, from 1, of byte number `at`. */
static void place_of(const struct source *s, size_t at, int *line, int *col)
{
	*line = *col = 1;
	for (size_t i = s->start; i < at && i < s->bytes; i++) {
		bool ends = s->text[i] == '\n' || (s->text[i] == '\r' && s->text[i + 1] != '\n');

		*line += ends;
		*col = ends ? 1 : *col + (((unsigned char)s->text[i] & 0xc0) != 0x80);
	}
}

static int error_at_byte(const struct source *s, size_t at, struct err *e, const char *what)
{
	int line, col;

	place_of(s, at, &line, &col);
	return source_error(s, line, col, e, "%s", what);
}

static int check_bytes(struct source *s, struct err *e)
{
	const char *found;

	if (s->bytes > YAML_MAX_BYTES)
		return err_set(e, ERR_CONFIG, "%s: %zu bytes; expected a grid file of at most %d", s->name, s->bytes,
			       YAML_MAX_BYTES);
	if (s->bytes >= 2 && (!memcmp(s->text, "\xff\xfe", 2) || !memcmp(s->text, "\xfe\xff", 2)))
		return err_set(e, ERR_CONFIG, "%s:1:1: the text is in UTF-16; expected UTF-8", s->name);
	if (!s->start && s->bytes >= 3 && !memcmp(s->text, "\xef\xbb\xbf", 3))
		s->start = 3;
	found = memchr(s->text, 0, s->bytes);
	if (found)
		return error_at_byte(s, (size_t)(found - s->text), e, "a NUL byte; expected text in UTF-8");
	/* libyaml compares each %TAG line with all before it. */
	found = memmem(s->text, s->bytes, "%TAG", 4);
	if (found && (found == s->text + s->start || found[-1] == '\n'))
		return error_at_byte(s, (size_t)(found - s->text), e, "a tag directive; expected a grid file without");
	return 0;
}

/* ---- places and errors ---- */

static int characters(const char *text, size_t n)
{
	int count = 0;

	for (size_t i = 0; i < n; i++)
		count += ((unsigned char)text[i] & 0xc0) != 0x80;
	return count;
}

static int column_of(const struct reader *r, const yaml_mark_t *m)
{
	return (int)m->column + 1 + (m->line ? 0 : r->start_col);
}

static int event_error(struct reader *r, const yaml_event_t *ev, const char *what)
{
	const yaml_mark_t *m = &ev->start_mark;

	return source_error(r->source, (int)m->line + 1, column_of(r, m), r->e, "%s", what);
}

static int syntax_error(struct reader *r)
{
	const yaml_parser_t *p = &r->parser;
	const struct source *s = r->source;
	const yaml_mark_t *m = &p->problem_mark;
	int line = (int)m->line + 1, col = column_of(r, m);
	size_t at = s->start + m->index;

	if (p->error == YAML_MEMORY_ERROR)
		return out_of_memory(r->e);
	if (p->error == YAML_READER_ERROR)
		return error_at_byte(s, s->start + p->problem_offset, r->e,
				     "not text in UTF-8, or a control character; expected printable UTF-8");
	if (s->option && line > 1) /* the end of the option */
		return source_error(s, 1, characters(s->text, s->bytes) + 1, r->e, "%s", p->problem);
	/* The index counts characters: exact for ASCII, which is where a tab slips in. */
	if (at < s->bytes && s->text[at] == '\t')
		return source_error(s, line, col, r->e, "a tab; expected spaces (YAML is indented by spaces alone)");
	if (p->context)
		return source_error(s, line, col, r->e, "%s %s that starts at %d:%d", p->problem, p->context,
				    (int)p->context_mark.line + 1, column_of(r, &p->context_mark));
	return source_error(s, line, col, r->e, "%s", p->problem);
}

static int next(struct reader *r, yaml_event_t *ev)
{
	return yaml_parser_parse(&r->parser, ev) ? 0 : syntax_error(r);
}

/* ---- nodes ---- */

static int count_node(struct reader *r, const yaml_event_t *ev)
{
	char what[64];

	if (++r->nodes <= YAML_MAX_NODES)
		return 0;
	snprintf(what, sizeof(what), "too many values; expected at most %d", YAML_MAX_NODES);
	return event_error(r, ev, what);
}

static int read_tag(struct reader *r, const yaml_event_t *ev, const char *tag, struct node *n)
{
	static const struct {
		const char *name;
		enum node_kind kind;
		enum node_tag tag;
	} known[] = {
		{YAML_STR_TAG, NODE_SCALAR, TAG_STR},
		{"!", NODE_SCALAR, TAG_STR},
		{YAML_INT_TAG, NODE_SCALAR, TAG_INT},
		{YAML_FLOAT_TAG, NODE_SCALAR, TAG_FLOAT},
		{YAML_BOOL_TAG, NODE_SCALAR, TAG_BOOL},
		{YAML_NULL_TAG, NODE_SCALAR, TAG_NULL},
		{YAML_SEQ_TAG, NODE_LIST, TAG_NONE},
		{YAML_MAP_TAG, NODE_MAP, TAG_NONE},
		{"!", NODE_LIST, TAG_NONE},
		{"!", NODE_MAP, TAG_NONE},
	};

	for (size_t i = 0; tag && i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(tag, known[i].name) && n->kind == known[i].kind) {
			n->tag = known[i].tag;
			return 0;
		}
	return tag ? event_error(r, ev, "a tag that does not fit here; expected !!str, !!int, !!float, !!bool or none")
		   : 0;
}

static int add_anchor(struct reader *r, const yaml_event_t *ev, const char *name, struct node *n)
{
	char *copy;

	if (!name)
		return 0;
	if (r->n_anchors == YAML_MAX_ANCHORS)
		return event_error(r, ev, "too many anchors; expected at most 1000");
	copy = pool_copy(r->pool, name, strlen(name));
	if (!copy)
		return out_of_memory(r->e);
	r->anchor[r->n_anchors++] = (struct anchor){copy, n};
	return 0;
}

static int new_node(struct reader *r, const yaml_event_t *ev, enum node_kind kind, const yaml_char_t *tag,
		    const yaml_char_t *anchor, struct node **out)
{
	struct node *n;
	int rc = count_node(r, ev);

	if (rc)
		return rc;
	n = pool_alloc(r->pool, sizeof(*n));
	if (!n)
		return out_of_memory(r->e);
	n->kind = kind;
	n->line = (int)ev->start_mark.line + 1;
	n->col = column_of(r, &ev->start_mark);
	n->source = r->source;
	*out = n;
	rc = read_tag(r, ev, (const char *)tag, n);
	return rc ? rc : add_anchor(r, ev, (const char *)anchor, n);
}

static int read_scalar(struct reader *r, const yaml_event_t *ev, struct node **out)
{
	const char *text = (const char *)ev->data.scalar.value;
	int rc = new_node(r, ev, NODE_SCALAR, ev->data.scalar.tag, ev->data.scalar.anchor, out);

	if (rc)
		return rc;
	if (strlen(text) != ev->data.scalar.length)
		return event_error(r, ev, "text with a NUL character; expected none");
	(*out)->quoted = ev->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	(*out)->text = pool_copy(r->pool, text, ev->data.scalar.length);
	return (*out)->text ? 0 : out_of_memory(r->e);
}

/* A copy, so that what --set changes at one place stays as it was at the other; counted, so that a few lines of
 * aliases to aliases cannot fill the memory. Depth is bounded by the recursion's own count. */
static int copy_tree(struct reader *r, const yaml_event_t *ev, const struct node *from, int depth, struct node **out)
{
	struct node *n;
	int rc = count_node(r, ev);

	if (rc)
		return rc;
	if (from->kind != NODE_SCALAR && depth > YAML_MAX_DEPTH)
		return event_error(r, ev, "nested too deeply; expected at most 32 levels");
	n = *out = pool_alloc(r->pool, sizeof(*n));
	if (!n)
		return out_of_memory(r->e);
	*n = *from;
	n->n = n->room = 0;
	n->key = n->item = NULL;
	for (int i = 0; !rc && i < from->n; i++) {
		struct node *item;

		rc = copy_tree(r, ev, from->item[i], depth + 1, &item);
		if (!rc)
			rc = node_append(r->pool, n, from->key ? from->key[i] : NULL, item, r->e);
	}
	return rc;
}

static int read_alias(struct reader *r, const yaml_event_t *ev, struct node **out)
{
	const char *name = (const char *)ev->data.alias.anchor;

	for (int i = r->n_anchors - 1; i >= 0; i--) {
		if (strcmp(r->anchor[i].name, name))
			continue;
		if (r->anchor[i].node->open)
			return event_error(r, ev, "an alias to what it stands in; expected an anchor that has ended");
		return copy_tree(r, ev, r->anchor[i].node, r->depth + 1, out);
	}
	return event_error(r, ev, "an alias without an anchor before it; expected &name at an earlier value");
}

static int read_node(struct reader *r, yaml_event_t *ev, struct node **out);

static int read_next(struct reader *r, yaml_event_type_t end, bool *ended, struct node **out)
{
	yaml_event_t ev;
	int rc = next(r, &ev);

	if (rc)
		return rc;
	*ended = ev.type == end;
	if (!*ended)
		rc = read_node(r, &ev, out);
	yaml_event_delete(&ev);
	return rc;
}

static int read_list(struct reader *r, struct node *list)
{
	struct node *item;
	bool ended = false;
	int rc = 0;

	while (!rc) {
		rc = read_next(r, YAML_SEQUENCE_END_EVENT, &ended, &item);
		if (rc || ended)
			break;
		rc = node_append(r->pool, list, NULL, item, r->e);
	}
	return rc;
}

static int check_key(struct reader *r, const struct node *map, const struct node *key)
{
	char shown[NODE_SHOWN];
	int before;

	if (key->kind != NODE_SCALAR)
		return node_error(key, r->e, "a key is %s; expected a word", node_shown(key, shown));
	before = node_find(map, key->text);
	if (before >= 0)
		return node_error(key, r->e, "key %s is given twice; first at %d:%d", node_shown(key, shown),
				  map->key[before]->line, map->key[before]->col);
	if (map->n == YAML_MAX_KEYS)
		return node_error(key, r->e, "too many keys; expected at most %d in one map", YAML_MAX_KEYS);
	return 0;
}

static int merge_map(struct reader *r, struct node *map, const struct node *from)
{
	int rc = 0;

	if (from->kind != NODE_MAP)
		return node_error(from, r->e, "<< does not merge a map; expected an alias to one");
	for (int i = 0; !rc && i < from->n; i++)
		if (node_find(map, from->key[i]->text) < 0)
			rc = node_append(r->pool, map, from->key[i], from->item[i], r->e);
	return rc;
}

/* `<<: *other` brings in the keys that the map does not have itself. */
static int merge(struct reader *r, struct node *map)
{
	int at = node_find(map, "<<");
	struct node *from;
	int rc = 0;

	if (at < 0 || map->key[at]->quoted)
		return 0;
	from = map->item[at];
	map->n--;
	memmove(&map->key[at], &map->key[at + 1], (size_t)(map->n - at) * sizeof(map->key[0]));
	memmove(&map->item[at], &map->item[at + 1], (size_t)(map->n - at) * sizeof(map->item[0]));
	if (from->kind != NODE_LIST)
		return merge_map(r, map, from);
	for (int i = 0; !rc && i < from->n; i++)
		rc = merge_map(r, map, from->item[i]);
	return rc;
}

static int read_map(struct reader *r, struct node *map)
{
	struct node *key, *value;
	bool ended = false;
	int rc = 0;

	while (!rc) {
		rc = read_next(r, YAML_MAPPING_END_EVENT, &ended, &key);
		if (!rc && ended)
			return merge(r, map);
		if (!rc)
			rc = check_key(r, map, key);
		if (!rc)
			rc = read_next(r, YAML_MAPPING_END_EVENT, &ended, &value);
		if (!rc)
			rc = node_append(r->pool, map, key, value, r->e);
	}
	return rc;
}

static int read_collection(struct reader *r, yaml_event_t *ev, enum node_kind kind, struct node **out)
{
	yaml_char_t *tag = kind == NODE_LIST ? ev->data.sequence_start.tag : ev->data.mapping_start.tag;
	yaml_char_t *anchor = kind == NODE_LIST ? ev->data.sequence_start.anchor : ev->data.mapping_start.anchor;
	int rc = new_node(r, ev, kind, tag, anchor, out);

	if (rc)
		return rc;
	if (++r->depth > YAML_MAX_DEPTH)
		return event_error(r, ev, "nested too deeply; expected at most 32 levels");
	(*out)->open = true;
	rc = kind == NODE_LIST ? read_list(r, *out) : read_map(r, *out);
	(*out)->open = false;
	r->depth--;
	return rc;
}

static int read_node(struct reader *r, yaml_event_t *ev, struct node **out)
{
	switch (ev->type) {
	case YAML_SCALAR_EVENT:
		return read_scalar(r, ev, out);
	case YAML_SEQUENCE_START_EVENT:
		return read_collection(r, ev, NODE_LIST, out);
	case YAML_MAPPING_START_EVENT:
		return read_collection(r, ev, NODE_MAP, out);
	case YAML_ALIAS_EVENT:
		return read_alias(r, ev, out);
	default:
		return event_error(r, ev, "a document ends too early; expected a value");
	}
}

/* ---- the document ---- */

static int read_events(struct reader *r, struct node **root)
{
	yaml_event_t ev;
	int rc = 0;

	for (bool more = true; !rc && more;) {
		rc = next(r, &ev);
		if (rc)
			return rc;
		more = ev.type != YAML_STREAM_END_EVENT;
		if (ev.type == YAML_DOCUMENT_START_EVENT && *root)
			rc = event_error(r, &ev, "a second document; expected one in a file");
		else if (more && ev.type != YAML_STREAM_START_EVENT && ev.type != YAML_DOCUMENT_START_EVENT &&
			 ev.type != YAML_DOCUMENT_END_EVENT)
			rc = read_node(r, &ev, root);
		yaml_event_delete(&ev);
	}
	return rc;
}

int yaml_read(struct node **root, struct pool *pool, struct source *s, struct err *e)
{
	struct reader r = {.pool = pool, .source = s, .e = e};
	int rc;

	*root = NULL;
	rc = check_bytes(s, e);
	if (rc)
		return rc;
	if (!yaml_parser_initialize(&r.parser))
		return out_of_memory(e);
	r.start_col = s->option ? characters(s->text, s->start) : 0;
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)s->text + s->start, s->bytes - s->start);
	rc = read_events(&r, root);
	yaml_parser_delete(&r.parser);
	return rc;
}
