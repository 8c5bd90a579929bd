/* test_expr.c - comparisons: precedence, words, NANs, and every refusal with the byte where it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sweep/grid/expr.h"

/* Names a, b, c with values 1, 2, 3; n is NAN; opt has the words sgd (0) and adam (1) and is adam; on is true. */
static const char *const names[] = {"a", "b", "c", "n", "opt", "on"};
static const double values[] = {1, 2, 3, NAN, 1, 1};

static int resolve(void *ctx, const char *name)
{
	(void)ctx;
	for (int i = 0; i < 6; i++)
		if (!strcmp(names[i], name))
			return i;
	return -1;
}

static int word(void *ctx, int slot, const char *w)
{
	(void)ctx;
	if (slot == 4)
		return !strcmp(w, "sgd") ? 0 : !strcmp(w, "adam") ? 1 : -1;
	return slot != 5 ? -1 : !strcmp(w, "true") ? 1 : !strcmp(w, "false") ? 0 : -1;
}

static const char *nearest(void *ctx, const char *name)
{
	return (void)ctx, strcmp(name, "ot") ? NULL : "opt";
}

static const struct expr_names known = {resolve, word, nearest, NULL};

static double value(void *ctx, int slot)
{
	return (void)ctx, values[slot];
}

static double result(const char *text)
{
	struct expr *x;
	struct err e = {0};
	double v;

	if (expr_parse(&x, text, &known, NULL, &e))
		fail_msg("%s: %s", text, e.msg);
	v = expr_eval(x, value, NULL);
	assert_int_equal(v != 0, expr_true(x, value, NULL));
	expr_free(x);
	return v;
}

static void calculates(void **state)
{
	static const struct {
		const char *text;
		double value;
	} cases[] = {
		{"a", 1},
		{"1e-4", 1e-4},
		{".5", 0.5},
		{"1e+2", 100},
		{"1+2*3", 7},
		{"(1+2)*3", 9},
		{"8/2/2", 2},
		{"8-2-2", 4},
		{"-a+b", 1},
		{"- -a", 1},
		{"-(a+b)*c", -9},
		{"2*-c", -6},
		{"a < b", 1},
		{"a<=a", 1},
		{"b > c", 0},
		{"b>=c", 0},
		{"a == 1", 1},
		{"a != 1", 0},
		{"a + b == c", 1},
		{"a*2 >= b-0", 1},
		{"not a == 2", 1},
		{"not not a == 1", 1},
		{"a == 1 or b == 1 and c == 1", 1},
		{"(a == 1 or b == 1) and c == 1", 0},
		{"not a == 2 and b == 2", 1},
		{"not (a == 1 or b == 1)", 0},
		{"  a  <\tb ", 1},
		{"(((a)))", 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (result(cases[i].text) != cases[i].value)
			fail_msg("%s is %g", cases[i].text, result(cases[i].text));
}

static void compares_words(void **state)
{
	(void)state;
	assert_true(result("opt == adam"));
	assert_false(result("opt == sgd"));
	assert_true(result("opt != sgd"));
	assert_true(result("adam == opt"));
	assert_true(result("opt == 'adam' and \"sgd\" != opt"));
	assert_true(result("on == true"));
	assert_true(result("on"));
	assert_false(result("not on"));
	assert_true(result("(opt) == adam"));
}

static void nan_compares_to_nothing(void **state)
{
	static const char *const cases[] = {"n < 1",  "n <= 1", "n > 1",  "n >= 1",    "n == 1",
					    "n != 1", "n == n", "1 != n", "n + 1 > 0", "0/0 == 0"};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_true(result(cases[i]) == 0);
	assert_true(result("not n > 1"));
	assert_true(result("a/0 > 1e300"));
}

static void knows_conditions(void **state)
{
	static const struct {
		const char *text;
		bool is;
	} cases[] = {{"a > b", true}, {"not a", true},  {"(a == b)", true}, {"a or b", true},
		     {"a", false},    {"a + b", false}, {"3", false},       {"(a > b) + 1", false}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct expr *x;
		struct err e;

		assert_int_equal(expr_parse(&x, cases[i].text, &known, NULL, &e), 0);
		assert_int_equal(expr_is_condition(x), cases[i].is);
		expr_free(x);
	}
}

static void refuses(void **state)
{
	static const struct {
		const char *text, *message;
		int at;
	} cases[] = {
		{"", "the expression ends too early; expected a name or a number", 0},
		{"a >", "the expression ends too early; expected a name or a number", 3},
		{"a > > b", "'>' is out of place; expected a name or a number", 4},
		{"(a > b", "')' is missing", 6},
		{"a > b)", "')' is left over; expected the end, a comparison, 'and' or 'or'", 5},
		{"a b", "'b' is left over; expected the end, a comparison, 'and' or 'or'", 2},
		{"a = b", "'=' compares nothing; expected ==", 2},
		{"a < b < c", "a second comparison; expected 'and' between two (a < b and b < c)", 6},
		{"a === b", "'=' is out of place; expected a name or a number", 4},
		{"ot > 1", "unknown name 'ot'; did you mean 'opt'?", 0},
		{"a > zz", "unknown name 'zz'", 4},
		{"zz", "unknown name 'zz'", 0},
		{"a + sgd > 1", "unknown name 'sgd'", 4},
		{"-sgd", "unknown name 'sgd'", 1},
		{"opt == sdg", "unknown name 'sdg'", 7},
		{"a == sgd", "unknown name 'sgd'", 5},
		{"opt > sgd", "'sgd' is a word and has no order; expected == or !=", 6},
		{"sgd == adam", "unknown name 'sgd'", 0},
		{"opt == 'sgd", "a quote that does not end", 7},
		{"0x1f > a", "'0x1f' is not a number", 0},
		{"1_000 > a", "'1_000' is not a number", 0},
		{"010 > a", "'010' is not a number", 0},
		{"1.2.3 > a", "'1.2.3' is not a number", 0},
		{"a > 1e", "'1e' is not a number", 4},
		{"a & b", "'& b' is left over; expected the end, a comparison, 'and' or 'or'", 2},
		{"a $ 1", "'$ 1' is left over; expected the end, a comparison, 'and' or 'or'", 2},
		{"a > b and", "the expression ends too early; expected a name or a number", 9},
		{"and", "unknown name 'and'", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct expr *x = (void *)1;
		struct err e = {0};
		int at = -1;

		assert_int_equal(expr_parse(&x, cases[i].text, &known, &at, &e), ERR_CONFIG);
		assert_null(x);
		assert_string_equal(e.msg, cases[i].message);
		if (at != cases[i].at)
			fail_msg("%s: at %d, not %d", cases[i].text, at, cases[i].at);
	}
}

static void complains_of_unknown_words_without_callbacks(void **state)
{
	const struct expr_names few = {.resolve = resolve};
	struct expr *x;
	struct err e;

	(void)state;
	assert_int_equal(expr_parse(&x, "opt == sgd", &few, NULL, &e), ERR_CONFIG);
	assert_string_equal(e.msg, "unknown name 'sgd'");
}

/* n times `piece`, then `end`: parsed or refused, but neither slow nor deep in the stack. */
static const char *many(const char *piece, int n, const char *end)
{
	static struct err e;
	char *text = calloc(1, strlen(piece) * (size_t)n + strlen(end) + 1);
	struct expr *x;

	assert_non_null(text);
	for (int i = 0; i < n; i++)
		memcpy(text + strlen(piece) * (size_t)i, piece, strlen(piece));
	strcat(text, end);
	strcpy(e.msg, "(none)");
	expr_parse(&x, text, &known, NULL, &e);
	if (x)
		expr_eval(x, value, NULL);
	expr_free(x);
	free(text);
	return e.msg;
}

static void caps_depth_and_length(void **state)
{
	(void)state;
	assert_string_equal(many("(", 900, "a"), "nested too deeply; expected at most 64 levels");
	assert_string_equal(many("-", 900, "a"), "nested too deeply; expected at most 64 levels");
	assert_string_equal(many("not ", 200, "a"), "nested too deeply; expected at most 64 levels");
	assert_string_equal(many("a ", 600, ""), "an expression of 1200 characters; expected at most 1000");
	assert_string_equal(many("a or ", 199, "a"), "(none)");
	assert_string_equal(many("a+", 499, "a"), "(none)");
	assert_string_equal(many("not ", 60, "a"), "(none)");
	assert_string_equal(many("1", 200, ""), "a number of 200 characters; expected fewer than 64");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calculates),
		cmocka_unit_test(compares_words),
		cmocka_unit_test(nan_compares_to_nothing),
		cmocka_unit_test(knows_conditions),
		cmocka_unit_test(refuses),
		cmocka_unit_test(complains_of_unknown_words_without_callbacks),
		cmocka_unit_test(caps_depth_and_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
