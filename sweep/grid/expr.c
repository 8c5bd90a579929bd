/* expr.c - see expr.h */
#include "sweep/grid/expr.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sweep/base/num.h"

enum op { NUMBER, SLOT, WORD, OR, AND, NOT, LT, LE, GT, GE, EQ, NE, ADD, SUB, MUL, DIV, NEG };

/* Operands are numbers of earlier nodes, so the array is a tree whose root comes last. */
struct term {
	enum op op;
	int a, b; /* operands; SLOT: a is the slot; WORD: a is its byte in the text, b its length */
	double number;
};

struct expr {
	int n;
	struct term term[];
};

struct parser {
	const char *text;
	int at, depth;
	int rc; /* of the first complaint; from then on nothing moves */
	int error_at;
	const struct expr_names *names;
	struct expr *x;
	struct err *e;
};

static int parse_or(struct parser *p);

/* Keeps the first complaint only; -1 is no node. */
#define FAIL(p, where, ...) \
	((p)->rc ? -1 : ((p)->error_at = (where), (p)->rc = err_set((p)->e, ERR_CONFIG, __VA_ARGS__), -1))

static int add(struct parser *p, enum op op, int a, int b, double number)
{
	if (p->rc)
		return -1;
	p->x->term[p->x->n] = (struct term){op, a, b, number};
	return p->x->n++;
}

static void skip_space(struct parser *p)
{
	while (isspace((unsigned char)p->text[p->at]))
		p->at++;
}

static bool is_name(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* Takes a sign (or a word such as `and`) if it is what comes next. */
static bool take(struct parser *p, const char *token)
{
	size_t n = strlen(token);

	skip_space(p);
	if (p->rc || strncmp(p->text + p->at, token, n) ||
	    (isalpha((unsigned char)*token) && is_name(p->text[p->at + (int)n])))
		return false;
	p->at += (int)n;
	return true;
}

static int parse_number(struct parser *p)
{
	char copy[NUM_MAX * 2];
	int start = p->at;
	double value;
	size_t n;

	while (is_name(p->text[p->at]) || p->text[p->at] == '.' ||
	       (strchr("+-", p->text[p->at]) && p->text[p->at] && p->at > start && strchr("eE", p->text[p->at - 1])))
		p->at++;
	n = (size_t)(p->at - start);
	if (n >= sizeof(copy))
		return FAIL(p, start, "a number of %zu characters; expected fewer than %zu", n, sizeof(copy));
	memcpy(copy, p->text + start, n);
	copy[n] = 0;
	if (!num_read(&value, copy) || (n > 1 && copy[0] == '0' && isdigit((unsigned char)copy[1])))
		return FAIL(p, start, "'%s' is not a number", copy);
	return add(p, NUMBER, 0, 0, value);
}

/* A quoted word, or the name that starts here if no slot has it: decided by the comparison around it. */
static int parse_word(struct parser *p)
{
	char quote = p->text[p->at];
	int start = ++p->at;

	while (p->text[p->at] && p->text[p->at] != quote)
		p->at++;
	if (!p->text[p->at])
		return FAIL(p, start - 1, "a quote that does not end");
	p->at++;
	return add(p, WORD, start, p->at - 1 - start, 0);
}

static int parse_name(struct parser *p)
{
	int start = p->at, slot;
	char name[64];

	while (is_name(p->text[p->at]))
		p->at++;
	snprintf(name, sizeof(name), "%.*s", p->at - start, p->text + start);
	slot = p->names->resolve(p->names->ctx, name);
	if (slot >= 0 && p->at - start < (int)sizeof(name))
		return add(p, SLOT, slot, 0, 0);
	return add(p, WORD, start, p->at - start, 0);
}

static int parse_primary(struct parser *p)
{
	char c;
	int x;

	skip_space(p);
	c = p->text[p->at];
	if (take(p, "(")) {
		x = parse_or(p);
		return take(p, ")") ? x : FAIL(p, p->at, "')' is missing");
	}
	if (isdigit((unsigned char)c) || c == '.')
		return parse_number(p);
	if (c == '"' || c == '\'')
		return parse_word(p);
	if (is_name(c))
		return parse_name(p);
	if (!c)
		return FAIL(p, p->at, "the expression ends too early; expected a name or a number");
	return FAIL(p, p->at, "'%c' is out of place; expected a name or a number", isprint((unsigned char)c) ? c : '?');
}

/* A word that no comparison took is a name that nothing has. */
static int no_word(struct parser *p, int x)
{
	const struct term *t = x < 0 ? NULL : &p->x->term[x];
	const char *near;
	char name[64];

	if (p->rc || !t || t->op != WORD)
		return x;
	snprintf(name, sizeof(name), "%.*s", t->b, p->text + t->a);
	near = p->names->nearest ? p->names->nearest(p->names->ctx, name) : NULL;
	if (near)
		return FAIL(p, t->a, "unknown name '%s'; did you mean '%s'?", name, near);
	return FAIL(p, t->a, "unknown name '%s'", name);
}

static int parse_unary(struct parser *p)
{
	int x;

	if (p->depth >= EXPR_MAX_DEPTH)
		return FAIL(p, p->at, "nested too deeply; expected at most %d levels", EXPR_MAX_DEPTH);
	if (!take(p, "-"))
		return parse_primary(p);
	p->depth++;
	x = no_word(p, parse_unary(p));
	p->depth--;
	return add(p, NEG, x, 0, 0);
}

static int parse_product(struct parser *p)
{
	int x = parse_unary(p);

	while (!p->rc) {
		enum op op = take(p, "*") ? MUL : take(p, "/") ? DIV : NUMBER;

		if (op == NUMBER)
			break;
		x = no_word(p, x);
		x = add(p, op, x, no_word(p, parse_unary(p)), 0);
	}
	return x;
}

static int parse_sum(struct parser *p)
{
	int x = parse_product(p);

	while (!p->rc) {
		enum op op = take(p, "+") ? ADD : take(p, "-") ? SUB : NUMBER;

		if (op == NUMBER)
			break;
		x = no_word(p, x);
		x = add(p, op, x, no_word(p, parse_product(p)), 0);
	}
	return x;
}

/* Turns a WORD next to a SLOT into the number it has there. */
static int resolve_word(struct parser *p, enum op op, int word, int slot)
{
	struct term *t = &p->x->term[word];
	const struct term *s = &p->x->term[slot];
	char name[64];
	int value;

	if (p->rc || t->op != WORD || s->op != SLOT || !p->names->word)
		return no_word(p, word);
	snprintf(name, sizeof(name), "%.*s", t->b, p->text + t->a);
	value = p->names->word(p->names->ctx, s->a, name);
	if (value < 0)
		return no_word(p, word);
	if (op != EQ && op != NE)
		return FAIL(p, t->a, "'%s' is a word and has no order; expected == or !=", name);
	*t = (struct term){NUMBER, 0, 0, value};
	return word;
}

static enum op take_comparison(struct parser *p)
{
	static const struct {
		const char *sign;
		enum op op;
	} signs[] = {{"<=", LE}, {">=", GE}, {"==", EQ}, {"!=", NE}, {"<", LT}, {">", GT}};

	for (int i = 0; i < 6; i++)
		if (take(p, signs[i].sign))
			return signs[i].op;
	return NUMBER;
}

static int parse_comparison(struct parser *p)
{
	int a = parse_sum(p), b;
	enum op op = p->rc ? NUMBER : take_comparison(p);

	if (op == NUMBER)
		return take(p, "=") ? FAIL(p, p->at - 1, "'=' compares nothing; expected ==") : no_word(p, a);
	b = parse_sum(p);
	if (p->rc)
		return -1;
	a = resolve_word(p, op, a, b);
	b = resolve_word(p, op, b, a < 0 ? b : a);
	skip_space(p);
	if (!p->rc && (p->text[p->at] == '<' || p->text[p->at] == '>' || p->text[p->at] == '='))
		return FAIL(p, p->at, "a second comparison; expected 'and' between two (a < b and b < c)");
	return add(p, op, a, b, 0);
}

static int parse_not(struct parser *p)
{
	int x;

	if (++p->depth > EXPR_MAX_DEPTH)
		return FAIL(p, p->at, "nested too deeply; expected at most %d levels", EXPR_MAX_DEPTH);
	if (take(p, "not")) {
		x = parse_not(p);
		x = add(p, NOT, x, 0, 0);
	} else {
		x = parse_comparison(p);
	}
	p->depth--;
	return x;
}

static int parse_and(struct parser *p)
{
	int x = parse_not(p);

	while (take(p, "and"))
		x = add(p, AND, x, parse_not(p), 0);
	return x;
}

static int parse_or(struct parser *p)
{
	int x = parse_and(p);

	while (take(p, "or"))
		x = add(p, OR, x, parse_and(p), 0);
	return x;
}

int expr_parse(struct expr **x, const char *text, const struct expr_names *names, int *at, struct err *e)
{
	size_t length = strlen(text);
	struct parser p = {.text = text, .names = names, .e = e};

	*x = NULL;
	if (length <= EXPR_MAX_LENGTH) {
		/* every node but a NEG or NOT takes a character of its own, and so do they */
		p.x = malloc(sizeof(*p.x) + (length + 1) * sizeof(p.x->term[0]));
		if (!p.x)
			return err_set(e, ERR_NOMEM, "out of memory for an expression");
		p.x->n = 0;
		parse_or(&p);
		skip_space(&p);
		if (text[p.at])
			FAIL(&p, p.at, "'%.20s' is left over; expected the end, a comparison, 'and' or 'or'",
			     text + p.at);
	} else {
		FAIL(&p, 0, "an expression of %zu characters; expected at most %d", length, EXPR_MAX_LENGTH);
	}
	if (p.rc)
		expr_free(p.x);
	else
		*x = p.x;
	if (at)
		*at = p.error_at;
	return p.rc;
}

static bool compare(enum op op, double a, double b)
{
	if (isnan(a) || isnan(b))
		return false;
	switch (op) {
	case LT:
		return a < b;
	case LE:
		return a <= b;
	case GT:
		return a > b;
	case GE:
		return a >= b;
	case EQ:
		return a == b;
	default:
		return a != b;
	}
}

static double eval(const struct expr *x, int i, expr_value value, void *ctx)
{
	const struct term *t = &x->term[i];
	double a, b;

	if (t->op == NUMBER)
		return t->number;
	if (t->op == SLOT)
		return value(ctx, t->a);
	a = eval(x, t->a, value, ctx);
	if (t->op == NEG)
		return -a;
	if (t->op == NOT)
		return !(a != 0);
	b = eval(x, t->b, value, ctx);
	switch (t->op) {
	case OR:
		return a != 0 || b != 0;
	case AND:
		return a != 0 && b != 0;
	case ADD:
		return a + b;
	case SUB:
		return a - b;
	case MUL:
		return a * b;
	case DIV:
		return a / b;
	default:
		return compare(t->op, a, b);
	}
}

double expr_eval(const struct expr *x, expr_value value, void *ctx)
{
	return eval(x, x->n - 1, value, ctx);
}

bool expr_is_condition(const struct expr *x)
{
	enum op op = x->term[x->n - 1].op;

	return op >= OR && op <= NE;
}

void expr_free(struct expr *x)
{
	free(x);
}
