/* node.c - see node.h */
#include "sweep/grid/node.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sweep/base/num.h"

#define SHOW_COLUMNS 100 /* of a source line */
#define SHOW_BEFORE  60  /* of them before the caret, where the line is longer */

int node_find(const struct node *map, const char *key)
{
	for (int i = 0; map && map->kind == NODE_MAP && i < map->n; i++)
		if (!strcmp(map->key[i]->text, key))
			return i;
	return -1;
}

struct node *node_get(const struct node *map, const char *key)
{
	int i = node_find(map, key);

	return i < 0 ? NULL : map->item[i];
}

bool node_is_null(const struct node *n)
{
	if (n->kind != NODE_SCALAR || n->quoted || n->tag == TAG_STR)
		return false;
	return n->tag == TAG_NULL || !*n->text || !strcmp(n->text, "~") || !strcasecmp(n->text, "null");
}

/* ---- messages ---- */

/* Length of the line break at text[i], by YAML 1.1's rules (the parser counts lines by them), or 0. */
static size_t line_break(const char *t, size_t i, size_t n)
{
	if (t[i] == '\r')
		return i + 1 < n && t[i + 1] == '\n' ? 2 : 1;
	if (t[i] == '\n')
		return 1;
	if (i + 1 < n && !memcmp(t + i, "\xc2\x85", 2))
		return 2;
	return i + 2 < n && (!memcmp(t + i, "\xe2\x80\xa8", 3) || !memcmp(t + i, "\xe2\x80\xa9", 3)) ? 3 : 0;
}

static bool starts_character(char c)
{
	return ((unsigned char)c & 0xc0) != 0x80;
}

/* The source line and the caret below it, each behind a newline. */
static void show_line(const struct source *s, int line, int col, char *out, size_t size)
{
	size_t i = s->option ? 0 : s->start;
	int first = col > SHOW_COLUMNS ? col - SHOW_BEFORE : 1;
	char below[SHOW_COLUMNS + 2];
	size_t used = 0;
	int at = 0, n_below = 0;

	while (line > 1 && i < s->bytes) {
		size_t b = line_break(s->text, i, s->bytes);

		line -= b > 0;
		i += b ? b : 1;
	}
	out[used++] = '\n';
	for (; i < s->bytes && !line_break(s->text, i, s->bytes) && used + 2 < size; i++) {
		at += starts_character(s->text[i]) || !at;
		if (at >= first + SHOW_COLUMNS)
			break;
		if (at < first)
			continue;
		if (at < col && starts_character(s->text[i]))
			below[n_below++] = s->text[i] == '\t' ? '\t' : ' ';
		out[used++] = iscntrl((unsigned char)s->text[i]) && s->text[i] != '\t' ? '?' : s->text[i];
	}
	out[used] = 0;
	if (used + (size_t)n_below + 3 < size)
		sprintf(out + used, "\n%.*s^", n_below, below);
}

/* A message may quote a file: nothing of it may steer a terminal. */
static void make_printable(char *text)
{
	for (; *text; text++)
		if (iscntrl((unsigned char)*text))
			*text = '?';
}

static int complain(const struct source *s, int line, int col, struct err *e, const char *fmt, va_list ap)
{
	char text[420], tail[4 * SHOW_COLUMNS + SHOW_COLUMNS + 8], head[sizeof(e->msg)];
	int room;

	vsnprintf(text, sizeof(text), fmt, ap);
	if (s->option)
		snprintf(head, sizeof(head), "--set %s: %s", s->name, text);
	else
		snprintf(head, sizeof(head), "%s:%d:%d: %s", s->name, line, col, text);
	make_printable(head);
	show_line(s, line, col, tail, sizeof(tail));
	room = (int)(sizeof(e->msg) - strlen(tail) - 1);
	return err_set(e, ERR_CONFIG, "%.*s%s", room, head, tail);
}

int node_error(const struct node *n, struct err *e, const char *fmt, ...)
{
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = complain(n->source, n->line, n->col, e, fmt, ap);
	va_end(ap);
	return rc;
}

int source_error(const struct source *s, int line, int col, struct err *e, const char *fmt, ...)
{
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = complain(s, line, col, e, fmt, ap);
	va_end(ap);
	return rc;
}

const char *node_shown(const struct node *n, char out[NODE_SHOWN])
{
	static const char *const kinds[] = {[NODE_LIST] = "a list", [NODE_MAP] = "a map"};
	size_t length;

	if (n->kind != NODE_SCALAR)
		return strcpy(out, kinds[n->kind]);
	if (node_is_null(n))
		return strcpy(out, "nothing");
	length = strlen(n->text);
	snprintf(out, NODE_SHOWN, "'%.50s%s'", n->text, length > 50 ? "..." : "");
	return out;
}

/* ---- values ---- */

static int is_not(const struct node *n, const char *what, struct err *e, const char *expected)
{
	char shown[NODE_SHOWN];

	return node_error(n, e, "%s is %s; expected %s", what, node_shown(n, shown), expected);
}

int node_want(const struct node *n, enum node_kind kind, const char *what, struct err *e)
{
	static const char *const kinds[] = {[NODE_SCALAR] = "one value", [NODE_LIST] = "a list", [NODE_MAP] = "a map"};

	return n->kind == kind ? 0 : is_not(n, what, e, kinds[kind]);
}

int node_text(const struct node *n, const char *what, const char **text, struct err *e)
{
	if (n->kind != NODE_SCALAR || node_is_null(n))
		return is_not(n, what, e, "text");
	*text = n->text;
	return 0;
}

/* Says of a common slip what is wrong with it. */
static int not_a_number(const struct node *n, const char *what, struct err *e)
{
	const char *digits = n->text + (*n->text == '-' || *n->text == '+');
	char shown[NODE_SHOWN];

	node_shown(n, shown);
	if (!strncasecmp(digits, "0x", 2))
		return node_error(n, e, "%s is %s: hexadecimal; expected a decimal number", what, shown);
	if (isdigit((unsigned char)*digits) && strspn(digits, "0123456789._,") == strlen(digits))
		return node_error(n, e, "%s is %s: digit groups; expected plain digits, such as 1000", what, shown);
	return node_error(n, e, "%s is %s; expected a number", what, shown);
}

int node_number(const struct node *n, const char *what, double *value, struct err *e)
{
	bool tagged = n->tag == TAG_INT || n->tag == TAG_FLOAT;
	char shown[NODE_SHOWN], plain[NUM_MAX];
	const char *digits;

	if (n->kind != NODE_SCALAR || node_is_null(n))
		return is_not(n, what, e, "a number");
	if (n->tag == TAG_STR || (n->quoted && !tagged))
		return node_error(n, e, "%s is the text %s; expected a number, without quotes", what,
				  node_shown(n, shown));
	if (!num_read(value, n->text) || n->tag == TAG_BOOL)
		return not_a_number(n, what, e);
	digits = n->text + (*n->text == '-' || *n->text == '+');
	if (digits[0] == '0' && isdigit((unsigned char)digits[1]))
		return node_error(n, e, "%s is %s: a leading zero may mean octal; expected %s", what,
				  node_shown(n, shown), num_text(plain, *value));
	if (isinf(*value) && !strpbrk(n->text, "nN"))
		return node_error(n, e, "%s is %s: too large for a number; expected at most 1.8e308", what,
				  node_shown(n, shown));
	if (n->tag == TAG_INT && *value != rint(*value))
		return node_error(n, e, "%s is !!int %s; expected a whole number", what, node_shown(n, shown));
	*value += 0.0; /* -0 and 0 are one setting */
	return 0;
}

int node_integer(const struct node *n, const char *what, int64_t min, int64_t max, int64_t *value, struct err *e)
{
	char shown[NODE_SHOWN];
	double number;
	int rc = node_number(n, what, &number, e);

	if (rc)
		return rc;
	if (number != rint(number))
		return node_error(n, e, "%s is %s; expected a whole number", what, node_shown(n, shown));
	/* The double only guards the conversion: beyond 2^53 it may be a neighbour of the written number. */
	if (fabs(number) < 9.2e18)
		*value = strpbrk(n->text, ".eE") ? (int64_t)number : strtoll(n->text, NULL, 10);
	if (!(fabs(number) < 9.2e18) || *value < min || *value > max)
		return node_error(n, e, "%s is %s; expected %" PRId64 " to %" PRId64, what, node_shown(n, shown), min,
				  max);
	return 0;
}

int node_bool(const struct node *n, const char *what, bool *value, struct err *e)
{
	static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};

	if (n->kind == NODE_SCALAR && !n->quoted && n->tag != TAG_STR)
		for (int i = 0; i < 6; i++)
			if (!strcasecmp(n->text, words[i])) {
				*value = i % 2;
				return 0;
			}
	return is_not(n, what, e, "true or false");
}
