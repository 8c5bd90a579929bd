/* pickle.c - see pickle.h: the machine, then the list of tensors in what it leaves */
#include "engine/net/pickle.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUES_MAX 1000000 /* a ResNet-152 with Adam's state has about 50,000 */
#define MARKS_MAX  1000    /* nesting; a checkpoint has about 5 */
#define NAME_MAX_  512     /* bytes of a tensor's name */

enum kind { NONE, BOOL, INT, REAL, TEXT, TUPLE, LIST, DICT, GLOBAL, STORAGE, TENSOR };
static const char *const kind_name[] = {"None",   "a bool", "an integer", "a number",  "text",    "a tuple",
					"a list", "a dict", "a class",    "a storage", "a tensor"};

enum callable { ORDERED_DICT, REBUILD_TENSOR, REBUILD_PARAMETER, STORAGE_TYPE };

struct value {
	enum kind kind;
	int n, room;                  /* of item; a dict's items are key, value, key, value ... */
	int *item;                    /* numbers of values; of a tensor and a storage: of their arguments */
	const unsigned char *text;    /* TEXT: n bytes in the pickle */
	int64_t integer;              /* BOOL, INT; GLOBAL: enum callable */
	const struct dtype_row *type; /* GLOBAL of a storage */
};

struct machine {
	const unsigned char *at, *begin, *end;
	struct err *e;
	struct value *value;
	int n_values, value_room;
	int *stack, n_stack, stack_room;
	int *memo, memo_room; /* -1: nothing there */
	int mark[MARKS_MAX], n_marks;
};

#define BAD(m, ...) err_set((m)->e, ERR_DATA, __VA_ARGS__)

/* ---- memory ------------------------------------------------------------------------------------------------ */

/* Room for n + 1 in the block that the pointer `array` points at. */
static int grow(struct machine *m, void *array, int n, int *room, size_t size)
{
	int more = *room < 8 ? 16 : *room * 2;
	void *block;

	if (n < *room)
		return 0;
	memcpy(&block, array, sizeof(block));
	block = realloc(block, (size_t)more * size);
	if (!block)
		return err_set(m->e, ERR_NOMEM, "out of memory");
	memcpy(array, &block, sizeof(block));
	*room = more;
	return 0;
}

static int push(struct machine *m, int value)
{
	int rc = grow(m, &m->stack, m->n_stack, &m->stack_room, sizeof(*m->stack));

	if (!rc)
		m->stack[m->n_stack++] = value;
	return rc;
}

static int push_new(struct machine *m, struct value v)
{
	int rc = grow(m, &m->value, m->n_values, &m->value_room, sizeof(*m->value));

	if (!rc && m->n_values == VALUES_MAX)
		rc = BAD(m, "more than %d values", VALUES_MAX);
	if (rc) {
		free(v.item);
		return rc;
	}
	m->value[m->n_values] = v;
	return push(m, m->n_values++);
}

static int append(struct machine *m, struct value *v, int item)
{
	int rc = grow(m, &v->item, v->n, &v->room, sizeof(*v->item));

	if (!rc)
		v->item[v->n++] = item;
	return rc;
}

/* ---- what an opcode takes ---------------------------------------------------------------------------------- */

/* The next n bytes of the pickle; NULL (and *m->e) at its end. */
static const unsigned char *take(struct machine *m, size_t n)
{
	const unsigned char *at = m->at;

	if ((size_t)(m->end - m->at) < n) {
		BAD(m, "ends inside an argument");
		return NULL;
	}
	m->at += n;
	return at;
}

/* A little-endian number of n bytes, with its sign if n is 4 or `is_signed`. */
static int take_number(struct machine *m, int n, bool is_signed, int64_t *out)
{
	const unsigned char *b = take(m, (size_t)n);
	uint64_t v = 0;

	if (!b)
		return ERR_DATA;
	for (int i = n - 1; i >= 0; i--)
		v = v << 8 | b[i];
	if (is_signed && n > 0 && n < 8 && b[n - 1] & 0x80)
		v |= ~(uint64_t)0 << 8 * n;
	*out = (int64_t)v;
	return 0;
}

/* Where the current mark's items begin, or 0 without one. */
static int base(const struct machine *m)
{
	return m->n_marks ? m->mark[m->n_marks - 1] : 0;
}

static struct value *value_at(const struct machine *m, int from_top)
{
	return &m->value[m->stack[m->n_stack - 1 - from_top]];
}

/* n values above the last mark. */
static int want(struct machine *m, int n)
{
	return m->n_stack - base(m) < n ? BAD(m, "takes more values than there are") : 0;
}

/* Takes the last mark away; *n: how many values lie above it. */
static int pop_mark(struct machine *m, int *n)
{
	if (!m->n_marks)
		return BAD(m, "takes values up to a mark, but there is none");
	*n = m->n_stack - m->mark[--m->n_marks];
	return 0;
}

/* ---- opcodes ----------------------------------------------------------------------------------------------- */

static int op_proto(struct machine *m)
{
	int64_t version = 0;
	int rc = take_number(m, 1, false, &version);

	if (!rc && version != 2)
		rc = BAD(m, "pickle protocol %d; only 2, torch.save's default, is read", (int)version);
	return rc;
}

static int op_integer(struct machine *m, int bytes, bool is_signed)
{
	struct value v = {.kind = INT};
	int rc = take_number(m, bytes, is_signed, &v.integer);

	return rc ? rc : push_new(m, v);
}

static int op_long1(struct machine *m)
{
	int64_t n = 0;
	int rc = take_number(m, 1, false, &n);

	if (!rc && n > 8)
		rc = BAD(m, "an integer of %d bytes, at most 8", (int)n);
	return rc ? rc : op_integer(m, (int)n, true);
}

static int op_text(struct machine *m)
{
	struct value v = {.kind = TEXT};
	int64_t n = 0;
	int rc = take_number(m, 4, false, &n);

	if (rc)
		return rc;
	v.text = take(m, (size_t)n);
	v.n = (int)n; /* take() knows that it is at most PICKLE_MAX */
	return v.text ? push_new(m, v) : ERR_DATA;
}

static int op_real(struct machine *m)
{
	return take(m, 8) ? push_new(m, (struct value){.kind = REAL}) : ERR_DATA;
}

/* The rest of a line, without its end. */
static const unsigned char *take_line(struct machine *m, int *n)
{
	const unsigned char *line = m->at;
	const unsigned char *end = memchr(line, '\n', (size_t)(m->end - line));

	if (!end) {
		BAD(m, "ends inside a name");
		return NULL;
	}
	m->at = end + 1;
	*n = (int)(end - line);
	return line;
}

static bool find_global(struct value *v, const char *name)
{
	static const char *const known[] = {"collections.OrderedDict", "torch._utils._rebuild_tensor_v2",
					    "torch._utils._rebuild_parameter"}; /* in enum callable's order */

	for (int i = 0; i < (int)(sizeof(known) / sizeof(*known)); i++) {
		v->integer = i;
		if (!strcmp(known[i], name))
			return true;
	}
	v->integer = STORAGE_TYPE;
	v->type = strncmp(name, "torch.", 6) ? NULL : dtype_of_storage(name + 6);
	return v->type;
}

static int op_global(struct machine *m)
{
	struct value v = {.kind = GLOBAL};
	char name[SHOWN + 2], text[SHOWN_MAX];
	int n_module = 0, n = 0;
	const unsigned char *module = take_line(m, &n_module);
	const unsigned char *leaf = module ? take_line(m, &n) : NULL;

	if (!leaf)
		return ERR_DATA;
	snprintf(name, sizeof(name), "%.*s.%.*s", n_module < SHOWN ? n_module : SHOWN, (const char *)module,
		 n < SHOWN ? n : SHOWN, (const char *)leaf);
	if (!find_global(&v, name))
		return BAD(m,
			   "it names '%s', and a state dict needs only OrderedDict, tensors and their storages; save "
			   "torch.save(model.state_dict(), ...)",
			   shown(text, name));
	return push_new(m, v);
}

/* A tuple or list of the n values on top. */
static int collect(struct machine *m, enum kind kind, int n)
{
	struct value v = {.kind = kind};
	int rc = want(m, n);

	for (int i = 0; !rc && i < n; i++)
		rc = append(m, &v, m->stack[m->n_stack - n + i]);
	if (rc) {
		free(v.item);
		return rc;
	}
	m->n_stack -= n;
	return push_new(m, v);
}

static int op_tuple(struct machine *m)
{
	int n = 0;
	int rc = pop_mark(m, &n);

	return rc ? rc : collect(m, TUPLE, n);
}

/* Adds the n values on top to the container below them. */
static int extend(struct machine *m, enum kind kind, int n)
{
	struct value *to;
	int rc = want(m, n + 1);

	if (rc)
		return rc;
	to = value_at(m, n);
	if (to->kind != kind)
		return BAD(m, "adds to %s", kind_name[to->kind]);
	if (kind == DICT && n % 2)
		return BAD(m, "a key without a value");
	for (int i = 0; !rc && i < n; i++)
		rc = append(m, to, m->stack[m->n_stack - n + i]);
	m->n_stack -= n;
	return rc;
}

static int op_extend_marked(struct machine *m, enum kind kind)
{
	int n = 0;
	int rc = pop_mark(m, &n);

	return rc ? rc : extend(m, kind, n);
}

static int op_put(struct machine *m, int bytes)
{
	int64_t at = 0;
	int rc = take_number(m, bytes, false, &at);

	if (!rc)
		rc = want(m, 1);
	if (!rc && at >= VALUES_MAX)
		rc = BAD(m, "memo %" PRId64 ", at most %d", at, VALUES_MAX - 1);
	while (!rc && m->memo_room <= at) {
		int was = m->memo_room;

		rc = grow(m, &m->memo, was, &m->memo_room, sizeof(*m->memo));
		for (int i = was; !rc && i < m->memo_room; i++)
			m->memo[i] = -1;
	}
	if (!rc)
		m->memo[at] = m->stack[m->n_stack - 1];
	return rc;
}

static int op_get(struct machine *m, int bytes)
{
	int64_t at = 0;
	int rc = take_number(m, bytes, false, &at);

	if (!rc && (at >= m->memo_room || m->memo[at] < 0))
		rc = BAD(m, "memo %" PRId64 " was never filled", at);
	return rc ? rc : push(m, m->memo[at]);
}

static int op_mark(struct machine *m)
{
	if (m->n_marks == MARKS_MAX)
		return BAD(m, "nested more than %d deep", MARKS_MAX);
	m->mark[m->n_marks++] = m->n_stack;
	return 0;
}

static const struct value *item(const struct machine *m, const struct value *v, int i)
{
	return &m->value[v->item[i]];
}

/* Calls nothing: what the call would make is noted with its arguments. */
static int op_reduce(struct machine *m)
{
	struct value made = {.kind = TENSOR};
	const struct value *f, *args;
	int rc = want(m, 2);

	if (rc)
		return rc;
	f = value_at(m, 1);
	args = value_at(m, 0);
	if (f->kind != GLOBAL || f->integer == STORAGE_TYPE || args->kind != TUPLE)
		return BAD(m, "calls %s", f->kind == GLOBAL ? "a storage" : kind_name[f->kind]);
	m->n_stack -= 2;
	if (f->integer == ORDERED_DICT && args->n)
		return BAD(m, "OrderedDict with arguments");
	if (f->integer == ORDERED_DICT)
		return push_new(m, (struct value){.kind = DICT});
	if (f->integer == REBUILD_PARAMETER)
		return args->n && item(m, args, 0)->kind == TENSOR ? push(m, args->item[0])
								   : BAD(m, "a parameter without its tensor");
	rc = append(m, &made, m->stack[m->n_stack + 1]);
	return rc ? rc : push_new(m, made);
}

/* An OrderedDict's _metadata: versions of modules, not needed. */
static int op_build(struct machine *m)
{
	int rc = want(m, 2);

	if (!rc && (value_at(m, 0)->kind != DICT || value_at(m, 1)->kind != DICT))
		rc = BAD(m, "gives %s a state", kind_name[value_at(m, 1)->kind]);
	m->n_stack -= !rc;
	return rc;
}

/* ("storage", torch.XStorage, key, device, elements) */
static int op_persistent(struct machine *m)
{
	struct value made = {.kind = STORAGE};
	const struct value *id;
	int rc = want(m, 1);

	if (rc)
		return rc;
	id = value_at(m, 0);
	if (id->kind != TUPLE || id->n != 5 || item(m, id, 0)->kind != TEXT || item(m, id, 1)->kind != GLOBAL ||
	    !item(m, id, 1)->type || item(m, id, 2)->kind != TEXT || item(m, id, 4)->kind != INT)
		return BAD(m, "a persistent id that is no storage");
	m->n_stack--;
	rc = append(m, &made, m->stack[m->n_stack]);
	return rc ? rc : push_new(m, made);
}

/* ---- the machine ------------------------------------------------------------------------------------------- */

static const char *refused_name(int op)
{
	static const struct {
		int op;
		const char *name;
	} known[] = {
		{'i', "INST"},          {'o', "OBJ"},
		{0x81, "NEWOBJ"},       {0x92, "NEWOBJ_EX"},
		{0x93, "STACK_GLOBAL"}, {0x82, "EXT1"},
		{0x83, "EXT2"},         {0x84, "EXT4"},
		{'P', "PERSID"},        {'S', "STRING"},
		{'V', "UNICODE"},       {'U', "SHORT_BINSTRING"},
		{'T', "BINSTRING"},     {0x8c, "SHORT_BINUNICODE"},
		{'B', "BINBYTES"},      {'C', "SHORT_BINBYTES"},
		{'0', "POP"},           {'1', "POP_MARK"},
		{'2', "DUP"},           {'I', "INT"},
		{'L', "LONG"},          {0x8b, "LONG4"},
		{'F', "FLOAT"},         {'d', "DICT"},
		{'l', "LIST"},          {'p', "PUT"},
		{'g', "GET"},           {0x94, "MEMOIZE"},
		{0x95, "FRAME"},        {0x8f, "EMPTY_SET"},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (known[i].op == op)
			return known[i].name;
	return "unknown";
}

static int step(struct machine *m, int op)
{
	switch (op) {
	case 0x80: /* PROTO */
		return op_proto(m);
	case '}': /* EMPTY_DICT */
		return push_new(m, (struct value){.kind = DICT});
	case ']': /* EMPTY_LIST */
		return push_new(m, (struct value){.kind = LIST});
	case ')': /* EMPTY_TUPLE */
		return push_new(m, (struct value){.kind = TUPLE});
	case 't': /* TUPLE */
		return op_tuple(m);
	case 0x85: /* TUPLE1, TUPLE2, TUPLE3 */
	case 0x86:
	case 0x87:
		return collect(m, TUPLE, op - 0x84);
	case '(': /* MARK */
		return op_mark(m);
	case 'X': /* BINUNICODE */
		return op_text(m);
	case 'N': /* NONE */
		return push_new(m, (struct value){.kind = NONE});
	case 0x88: /* NEWTRUE, NEWFALSE */
	case 0x89:
		return push_new(m, (struct value){.kind = BOOL, .integer = op == 0x88});
	case 'K': /* BININT1 */
		return op_integer(m, 1, false);
	case 'M': /* BININT2 */
		return op_integer(m, 2, false);
	case 'J': /* BININT */
		return op_integer(m, 4, true);
	case 0x8a: /* LONG1 */
		return op_long1(m);
	case 'G': /* BINFLOAT */
		return op_real(m);
	case 'q': /* BINPUT, LONG_BINPUT */
	case 'r':
		return op_put(m, op == 'q' ? 1 : 4);
	case 'h': /* BINGET, LONG_BINGET */
	case 'j':
		return op_get(m, op == 'h' ? 1 : 4);
	case 'c': /* GLOBAL */
		return op_global(m);
	case 'R': /* REDUCE */
		return op_reduce(m);
	case 'b': /* BUILD */
		return op_build(m);
	case 'Q': /* BINPERSID */
		return op_persistent(m);
	case 's': /* SETITEM, SETITEMS */
		return extend(m, DICT, 2);
	case 'u':
		return op_extend_marked(m, DICT);
	case 'a': /* APPEND, APPENDS */
		return extend(m, LIST, 1);
	case 'e':
		return op_extend_marked(m, LIST);
	}
	return BAD(m, "opcode %s (0x%02x) is none that a state dict needs; refused", refused_name(op), op);
}

/* Runs to STOP; one value is left, *top. */
static int run(struct machine *m, const char *where, const struct value **top)
{
	int rc = 0;

	while (!rc) {
		const unsigned char *op = m->at;

		if (op == m->end)
			return BAD(m, "%s: ends without STOP", where);
		m->at++;
		if (*op == '.')
			break;
		rc = step(m, *op);
		if (rc)
			return err_prefix(m->e, "%s: byte %td", where, op - m->begin);
	}
	if (m->at != m->end || m->n_stack != 1 || m->n_marks)
		return BAD(m, "%s: STOP with %td bytes and %d values left", where, m->end - m->at, m->n_stack);
	*top = value_at(m, 0);
	return 0;
}

/* ---- the state dict ---------------------------------------------------------------------------------------- */

static bool is_text(const struct value *v, const char *text)
{
	return v->kind == TEXT && (size_t)v->n == strlen(text) && !memcmp(v->text, text, (size_t)v->n);
}

/* The dict of tensors: the whole, or what stands under a checkpoint's usual keys. */
static int find_dict(struct pickle *p, const struct machine *m, const struct value *top, const struct value **dict,
		     const char *where)
{
	static const char *const usual[] = {"state_dict", "model_state_dict", "model"};

	if (top->kind != DICT)
		return BAD(m, "%s: it holds %s; expected a dict of tensors", where, kind_name[top->kind]);
	*dict = top;
	for (int k = 0; k < (int)(sizeof(usual) / sizeof(*usual)); k++) {
		for (int i = 0; i < top->n; i += 2) {
			if (!is_text(item(m, top, i), usual[k]) || item(m, top, i + 1)->kind != DICT)
				continue;
			*dict = item(m, top, i + 1);
			p->under = usual[k];
			return 0;
		}
	}
	return 0;
}

/* UTF-8 without a NUL, in the shortest form, no surrogates. */
static bool is_utf8(const unsigned char *s, int n)
{
	static const uint32_t least[] = {0, 1, 0x80, 0x800, 0x10000};

	for (int i = 0, len; i < n; i += len) {
		uint32_t code = s[i];

		len = code < 0x80 ? 1 : code < 0xc0 ? 0 : code < 0xe0 ? 2 : code < 0xf0 ? 3 : code < 0xf8 ? 4 : 0;
		if (!len || len > n - i)
			return false;
		code &= len == 1 ? 0x7f : 0x7fu >> len;
		for (int k = 1; k < len; k++) {
			if ((s[i + k] & 0xc0) != 0x80)
				return false;
			code = code << 6 | (s[i + k] & 0x3f);
		}
		if (code < least[len] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
			return false;
	}
	return true;
}

/* Copies into p->text; *out stays valid as long as p. */
static void keep_text(char **at, const char **out, const struct value *v)
{
	memcpy(*at, v->text, (size_t)v->n);
	(*at)[v->n] = '\0';
	*out = *at;
	*at += v->n + 1;
}

static int read_extents(struct pickle_view *w, const struct machine *m, const struct value *shape,
			const struct value *stride)
{
	int64_t last = w->offset;
	int64_t reach;

	if (shape->kind != TUPLE || stride->kind != TUPLE || shape->n != stride->n)
		return BAD(m, "shape and strides are not two tuples of one length");
	if (shape->n > TENSOR_MAX_RANK)
		return BAD(m, "%d dimensions, at most %d", shape->n, TENSOR_MAX_RANK);
	w->rank = shape->n;
	w->n = 1;
	for (int i = 0; i < w->rank; i++) {
		const struct value *size = item(m, shape, i);
		const struct value *by = item(m, stride, i);

		if (size->kind != INT || by->kind != INT || size->integer < 0 || by->integer < 0)
			return BAD(m, "a shape or stride that is no whole number from 0 up");
		w->shape[i] = size->integer;
		w->stride[i] = by->integer;
		if (__builtin_mul_overflow(w->n, size->integer, &w->n) ||
		    (size->integer && (__builtin_mul_overflow(size->integer - 1, by->integer, &reach) ||
				       __builtin_add_overflow(last, reach, &last))))
			return BAD(m, "its shape and strides reach over 2^63");
	}
	if (w->n && last >= w->storage_n)
		return BAD(m, "it reaches to element %" PRId64 " of a storage of %" PRId64, last, w->storage_n);
	return 0;
}

/* _rebuild_tensor_v2(storage, offset, shape, stride, requires_grad, hooks[, metadata]) */
static int read_view(struct pickle_view *w, const struct machine *m, const struct value *tensor, char **text)
{
	const struct value *args = item(m, tensor, 0);
	const struct value *id, *key;

	if (args->n < 6 || args->n > 7 || item(m, args, 0)->kind != STORAGE || item(m, args, 1)->kind != INT)
		return BAD(m, "not made of a storage, an offset, a shape and strides");
	if (args->n == 7 && item(m, args, 6)->n)
		return BAD(m, "it has metadata (a conjugate or negated view?); save its .contiguous() copy");
	id = item(m, item(m, args, 0), 0);
	key = item(m, id, 2);
	for (int i = 0; i < key->n; i++)
		if (!strchr("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_", key->text[i]) ||
		    !key->text[i])
			return BAD(m, "the name of its storage holds something else than letters and digits");
	if (!key->n || key->n > PICKLE_KEY_MAX)
		return BAD(m, "the name of its storage has %d bytes; 1 to %d expected", key->n, PICKLE_KEY_MAX);
	keep_text(text, &w->key, key);
	w->type = item(m, id, 1)->type;
	w->storage_n = item(m, id, 4)->integer;
	w->offset = item(m, args, 1)->integer;
	if (w->storage_n < 0 || w->offset < 0)
		return BAD(m, "a negative size or offset");
	return read_extents(w, m, item(m, args, 2), item(m, args, 3));
}

static int read_tensor(struct pickle_view *w, const struct machine *m, const struct value *name, const struct value *v,
		       char **text, const char *where)
{
	char out[SHOWN_MAX];
	int rc;

	if (name->kind != TEXT || name->n > NAME_MAX_ || !is_utf8(name->text, name->n))
		return BAD(m, "%s: a key that is no name of a tensor (%s)", where, kind_name[name->kind]);
	keep_text(text, &w->name, name);
	if (v->kind != TENSOR)
		return BAD(m,
			   "%s: '%s' is %s, not a tensor; expected a state dict, or one under 'state_dict', "
			   "'model_state_dict' or 'model'",
			   where, shown(out, w->name), kind_name[v->kind]);
	rc = read_view(w, m, v, text);
	return rc ? blame(where, w->name, m->e) : 0;
}

static int list_dict(struct pickle *p, const struct machine *m, const struct value *dict, const char *where)
{
	int n = dict->n / 2;
	char *text;
	int rc = 0;

	if (n > TENSORS_MAX)
		return BAD(m, "%s: %d tensors, at most %d", where, n, TENSORS_MAX);
	p->view = calloc((size_t)n + 1, sizeof(*p->view));
	p->text = malloc((size_t)n * (NAME_MAX_ + PICKLE_KEY_MAX + 2) + 1);
	if (!p->view || !p->text)
		return err_set(m->e, ERR_NOMEM, "%s: out of memory", where);
	text = p->text;
	for (int i = 0; i < n && !rc; i++)
		rc = read_tensor(&p->view[i], m, item(m, dict, 2 * i), item(m, dict, 2 * i + 1), &text, where);
	p->n = n;
	return rc;
}

int pickle_read(struct pickle *p, const unsigned char *bytes, size_t n, const char *where, struct err *e)
{
	struct machine m = {.at = bytes, .begin = bytes, .end = bytes + n, .e = e};
	const struct value *top = NULL, *dict = NULL;
	int rc = run(&m, where, &top);

	if (!rc)
		rc = find_dict(p, &m, top, &dict, where);
	if (!rc)
		rc = list_dict(p, &m, dict, where);
	for (int i = 0; i < m.n_values; i++)
		free(m.value[i].item);
	free(m.value);
	free(m.stack);
	free(m.memo);
	return rc;
}

void pickle_release(struct pickle *p)
{
	free(p->view);
	free(p->text);
	*p = (struct pickle){0};
}
