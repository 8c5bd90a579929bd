/* test_yaml.c - text to tree: places, tags, aliases, numbers, every refusal with its place, and the limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sweep/grid/suggest.h"
#include "sweep/grid/yaml.h"

static struct pool pool;
static struct source source;
static struct err e;

static struct node *read_bytes(const char *text, size_t n)
{
	struct node *root = NULL;

	pool_release(&pool);
	source = (struct source){.name = "g.yaml", .text = text, .bytes = n};
	memset(&e, 0, sizeof(e));
	yaml_read(&root, &pool, &source, &e);
	return e.code ? NULL : root;
}

static struct node *read_text(const char *text)
{
	return read_bytes(text, strlen(text));
}

static const char *error_of(const char *text)
{
	read_text(text);
	return e.code ? e.msg : "(none)";
}

static int empty_pool(void **state)
{
	(void)state;
	pool_release(&pool);
	return 0;
}

static void knows_places(void **state)
{
	struct node *root = read_text("a: 1\n\nb:\n  - x\n  - {c: \"d\"}\n");
	const struct node *b = node_get(root, "b");

	(void)state;
	assert_non_null(root);
	assert_int_equal(root->n, 2);
	assert_int_equal(root->key[1]->line, 3);
	assert_int_equal(root->key[1]->col, 1);
	assert_int_equal(b->kind, NODE_LIST);
	assert_int_equal(b->item[0]->line, 4);
	assert_int_equal(b->item[0]->col, 5);
	assert_int_equal(b->item[1]->item[0]->col, 9);
	assert_true(b->item[1]->item[0]->quoted);
	assert_null(node_get(root, "c"));
	assert_null(node_get(b, "x"));
}

static void counts_characters_not_bytes(void **state)
{
	struct node *root = read_text("{\u00e4\u00f6: 1, b: 2}");

	(void)state;
	assert_int_equal(root->key[1]->col, 9);
	assert_string_equal(error_of("{\u00e4\u00f6: 1, \u00e4\u00f6: 2}"),
			    "g.yaml:1:9: key '\u00e4\u00f6' is given twice; first at 1:2\n{\u00e4\u00f6: 1, "
			    "\u00e4\u00f6: 2}\n        ^");
}

static void reads_any_line_end(void **state)
{
	static const char *const ends[] = {"\n", "\r\n", "\r", "\xc2\x85", "\u2028"};
	char text[100];

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		snprintf(text, sizeof(text), "a: 1%sb: 2%sa: 3%s", ends[i], ends[i], ends[i]);
		assert_string_equal(error_of(text), "g.yaml:3:1: key 'a' is given twice; first at 1:1\na: 3\n^");
	}
}

static void skips_a_byte_order_mark(void **state)
{
	struct node *root = read_text("\xef\xbb\xbf"
				      "a: 1\n");

	(void)state;
	assert_non_null(root);
	assert_int_equal(root->key[0]->col, 1);
	assert_string_equal(error_of("\xef\xbb\xbf"
				     "a: 1\na: 2"),
			    "g.yaml:2:1: key 'a' is given twice; first at 1:1\na: 2\n^");
	assert_string_equal(error_of("\xef\xbb\xbf"
				     "{a: 1, a: 2}"),
			    "g.yaml:1:8: key 'a' is given twice; first at 1:2\n{a: 1, a: 2}\n       ^");
}

static void refuses_what_is_no_text(void **state)
{
	(void)state;
	assert_null(read_bytes("a: 1\nb: \0", 9));
	assert_string_equal(e.msg, "g.yaml:2:4: a NUL byte; expected text in UTF-8\nb: ?\n   ^");
	assert_null(read_bytes("\xff\xfe"
			       "a\0",
			       4));
	assert_string_equal(e.msg, "g.yaml:1:1: the text is in UTF-16; expected UTF-8");
	assert_null(read_bytes("\xfe\xff\0a", 4));
	assert_string_equal(e.msg, "g.yaml:1:1: the text is in UTF-16; expected UTF-8");
	assert_string_equal(error_of("a: 1\nb: \x1b[31m\n"),
			    "g.yaml:2:4: not text in UTF-8, or a control character; expected printable UTF-8\n"
			    "b: ?[31m\n   ^");
	assert_string_equal(error_of("a: 1\nbc: \xc3(\n"),
			    "g.yaml:2:6: not text in UTF-8, or a control character; expected printable UTF-8\n"
			    "bc: \xc3(\n     ^");
	assert_string_equal(error_of("a: \"\\0\"\n"),
			    "g.yaml:1:4: text with a NUL character; expected none\na: \"\\0\"\n   ^");
	assert_string_equal(error_of("%TAG ! tag:x,2000:\n---\na: 1\n"),
			    "g.yaml:1:1: a tag directive; expected a grid file without\n%TAG ! tag:x,2000:\n^");
}

static void shows_a_tab_with_its_caret_below(void **state)
{
	(void)state;
	assert_string_equal(error_of("a:\n\tb: 1\n"), "g.yaml:2:1: a tab; expected spaces (YAML is indented by spaces "
						      "alone)\n\tb: 1\n^");
	assert_string_equal(error_of("a:\t1\na: 2\n"), "g.yaml:2:1: key 'a' is given twice; first at 1:1\na: 2\n^");
	assert_string_equal(error_of("{a:\t1,\ta: 2}\n"),
			    "g.yaml:1:8: key 'a' is given twice; first at 1:2\n{a:\t1,\ta: "
			    "2}\n   \t  \t^");
}

static void no_control_character_reaches_a_terminal(void **state)
{
	(void)state;
	error_of("\"\\e[31m\": 1\n\"\\e[31m\": 2\n");
	assert_string_equal(e.msg, "g.yaml:2:1: key '?[31m' is given twice; first at 1:1\n\"\\e[31m\": 2\n^");
}

static void cuts_a_long_line_around_the_caret(void **state)
{
	static char text[5000];
	const char *line;

	(void)state;
	strcpy(text, "{a: 1");
	for (int i = 0; i < 400; i++)
		sprintf(text + strlen(text), ", k%03d: 1", i);
	strcat(text, ", a: 2}");
	error_of(text);
	assert_non_null(strstr(e.msg, "key 'a' is given twice; first at 1:2\n"));
	line = strchr(e.msg, '\n') + 1;
	assert_true(strcspn(line, "\n") <= 100);
	assert_int_equal(line[strlen(strchr(line, '\n') + 1) - 1], 'a'); /* the caret stands under it */
	assert_int_equal(e.msg[strlen(e.msg) - 1], '^');
}

static void says_what_is_wrong_in_the_syntax(void **state)
{
	(void)state;
	assert_string_equal(error_of("a: [1, 2\nb: 3\n"),
			    "g.yaml:2:2: did not find expected ',' or ']' while parsing a flow sequence that starts at "
			    "1:4\nb: 3\n ^");
	assert_string_equal(error_of("a: 1\n  b: 2\n"),
			    "g.yaml:2:4: mapping values are not allowed in this context\n  b: 2\n   ^");
	assert_string_equal(error_of("a: 1\n---\nb: 2\n"),
			    "g.yaml:2:1: a second document; expected one in a file\n---\n^");
	assert_string_equal(error_of("? [a]\n: 1\n"), "g.yaml:1:3: a key is a list; expected a word\n? [a]\n  ^");
	assert_string_equal(error_of("a: 1\nb: 2\na: 3\n"),
			    "g.yaml:3:1: key 'a' is given twice; first at 1:1\na: 3\n^");
	assert_string_equal(error_of("a: !frob 1\n"),
			    "g.yaml:1:4: a tag that does not fit here; expected !!str, !!int, "
			    "!!float, !!bool or none\na: !frob 1\n   ^");
	assert_string_equal(error_of("a: !!int [1]\n"),
			    "g.yaml:1:4: a tag that does not fit here; expected !!str, !!int, "
			    "!!float, !!bool or none\na: !!int [1]\n   ^");
	assert_string_equal(error_of(""), "(none)");
	assert_null(read_text("# nothing\n"));
	assert_null(read_text("---\n...\n")->n ? &pool : NULL);
}

static void follows_aliases_and_merges(void **state)
{
	struct node *root = read_text("a: &x {p: 1, q: [2, 3]}\nb: *x\nc: {<<: *x, p: 4}\nd: {<<: [*x, {r: 5}]}\n");
	const struct node *b = node_get(root, "b"), *c = node_get(root, "c"), *d = node_get(root, "d");

	(void)state;
	assert_non_null(root);
	assert_string_equal(node_get(b, "q")->item[1]->text, "3");
	assert_ptr_not_equal(b, node_get(root, "a"));
	assert_int_equal(c->n, 2);
	assert_string_equal(node_get(c, "p")->text, "4");
	assert_int_equal(node_get(c, "q")->n, 2);
	assert_string_equal(node_get(d, "p")->text, "1");
	assert_string_equal(node_get(d, "r")->text, "5");
	root = read_text("a: &x 1\nb: &x 2\nc: *x\n");
	assert_string_equal(node_get(root, "c")->text, "2");
	assert_string_equal(error_of("a: &x [*x]\n"),
			    "g.yaml:1:8: an alias to what it stands in; expected an anchor that "
			    "has ended\na: &x [*x]\n       ^");
	assert_string_equal(error_of("a: *y\n"),
			    "g.yaml:1:4: an alias without an anchor before it; expected &name at an "
			    "earlier value\na: *y\n   ^");
	assert_string_equal(error_of("a: {<<: 1}\n"),
			    "g.yaml:1:9: << does not merge a map; expected an alias to one\na: "
			    "{<<: 1}\n        ^");
}

static const char *number_error(const char *text)
{
	struct node *n = read_text(text);
	double v;

	assert_non_null(n);
	return node_number(n->item[0], "x", &v, &e) ? e.msg : "(none)";
}

static double number_of(const char *text)
{
	struct node *n = read_text(text);
	double v = -1;

	assert_non_null(n);
	assert_int_equal(node_number(n->item[0], "x", &v, &e), 0);
	return v;
}

static void reads_numbers_as_a_person_means_them(void **state)
{
	(void)state;
	assert_true(number_of("[1e-4]") == 0.0001);
	assert_true(number_of("[1E-4]") == 0.0001);
	assert_true(number_of("[.5]") == 0.5);
	assert_true(number_of("[5.]") == 5);
	assert_true(number_of("[+3]") == 3);
	assert_true(number_of("[0]") == 0);
	assert_true(number_of("[0.10]") == 0.1);
	assert_true(number_of("[5e-324]") == 5e-324);
	assert_true(number_of("[!!float 1e-4]") == 0.0001);
	assert_true(number_of("[!!float \"1e-4\"]") == 0.0001);
	assert_true(number_of("[!!int \"3\"]") == 3);
	assert_true(isinf(number_of("[.inf]")));
	assert_true(isnan(number_of("[NaN]")));
	assert_false(signbit(number_of("[-0.0]")));
}

static void says_which_numbers_it_does_not_take(void **state)
{
	(void)state;
	assert_string_equal(number_error("[1_000]"),
			    "g.yaml:1:2: x is '1_000': digit groups; expected plain digits, such as 1000\n[1_000]\n ^");
	assert_string_equal(number_error("[0x1f]"),
			    "g.yaml:1:2: x is '0x1f': hexadecimal; expected a decimal number\n[0x1f]\n ^");
	assert_string_equal(number_error("[010]"),
			    "g.yaml:1:2: x is '010': a leading zero may mean octal; expected 10\n[010]\n ^");
	assert_string_equal(number_error("[-010]"),
			    "g.yaml:1:2: x is '-010': a leading zero may mean octal; expected -10\n[-010]\n ^");
	assert_string_equal(number_error("[00]"),
			    "g.yaml:1:2: x is '00': a leading zero may mean octal; expected 0\n[00]\n ^");
	assert_string_equal(number_error("[\"1e-4\"]"),
			    "g.yaml:1:2: x is the text '1e-4'; expected a number, without quotes\n[\"1e-4\"]\n ^");
	assert_string_equal(number_error("[!!str 3]"),
			    "g.yaml:1:2: x is the text '3'; expected a number, without quotes\n[!!str 3]\n ^");
	assert_string_equal(number_error("[!!int 1.5]"),
			    "g.yaml:1:2: x is !!int '1.5'; expected a whole number\n[!!int 1.5]\n ^");
	assert_string_equal(number_error("[yes]"), "g.yaml:1:2: x is 'yes'; expected a number\n[yes]\n ^");
	assert_string_equal(number_error("[1e999]"),
			    "g.yaml:1:2: x is '1e999': too large for a number; expected at most 1.8e308\n[1e999]\n ^");
	assert_string_equal(number_error("[~]"), "g.yaml:1:2: x is nothing; expected a number\n[~]\n ^");
	assert_string_equal(number_error("[[]]"), "g.yaml:1:2: x is a list; expected a number\n[[]]\n ^");
	assert_string_equal(number_error("[1e]"), "g.yaml:1:2: x is '1e'; expected a number\n[1e]\n ^");
	assert_string_equal(number_error("[1 2]"), "g.yaml:1:2: x is '1 2'; expected a number\n[1 2]\n ^");
}

static void reads_whole_numbers(void **state)
{
	struct node *n = read_text("[9007199254740993, 1e3, 1.5, 11, -1, 1e300, nan]");
	int64_t v = 0;

	(void)state;
	assert_int_equal(node_integer(n->item[0], "x", 0, INT64_MAX, &v, &e), 0);
	assert_true(v == 9007199254740993); /* more than a double holds */
	assert_int_equal(node_integer(n->item[1], "x", 0, 1000, &v, &e), 0);
	assert_int_equal(v, 1000);
	assert_int_equal(node_integer(n->item[2], "x", 0, 10, &v, &e), ERR_CONFIG);
	assert_non_null(strstr(e.msg, "x is '1.5'; expected a whole number"));
	assert_int_equal(node_integer(n->item[3], "x", 0, 10, &v, &e), ERR_CONFIG);
	assert_non_null(strstr(e.msg, "x is '11'; expected 0 to 10"));
	assert_int_equal(node_integer(n->item[4], "x", 0, 10, &v, &e), ERR_CONFIG);
	assert_int_equal(node_integer(n->item[5], "x", 0, INT64_MAX, &v, &e), ERR_CONFIG);
	assert_int_equal(node_integer(n->item[6], "x", 0, 10, &v, &e), ERR_CONFIG);
}

static void reads_truth(void **state)
{
	struct node *n = read_text("[true, False, yes, no, ON, off, !!bool true, 'true', 1, maybe]");
	static const bool expected[] = {true, false, true, false, true, false, true};
	bool v;

	(void)state;
	for (int i = 0; i < 7; i++) {
		assert_int_equal(node_bool(n->item[i], "x", &v, &e), 0);
		assert_int_equal(v, expected[i]);
	}
	for (int i = 7; i < 10; i++)
		assert_int_equal(node_bool(n->item[i], "x", &v, &e), ERR_CONFIG);
	assert_non_null(strstr(e.msg, "g.yaml:1:57: x is 'maybe'; expected true or false\n"));
}

/* ---- limits ---- */

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static char *repeated(const char *piece, size_t n)
{
	size_t length = strlen(piece);
	char *text = malloc(n * length + 1);

	assert_non_null(text);
	for (size_t i = 0; i < n; i++)
		memcpy(text + i * length, piece, length);
	text[n * length] = 0;
	return text;
}

/* Reads n times piece within a second; returns the first line of the complaint. */
static const char *hostile(const char *piece, size_t n)
{
	char *text = repeated(piece, n);
	double start = seconds();

	error_of(text);
	assert_true(seconds() - start < 1);
	free(text);
	if (!e.code)
		return "(none)";
	e.msg[strcspn(e.msg, "\n")] = 0;
	return e.msg;
}

static void refuses_depth(void **state)
{
	char *deep = repeated("[", 32);

	(void)state;
	assert_string_equal(hostile("[", 100000), "g.yaml:1:33: nested too deeply; expected at most 32 levels");
	assert_string_equal(hostile("{a: ", 100000), "g.yaml:1:129: nested too deeply; expected at most 32 levels");
	assert_string_equal(hostile("- ", 100000), "g.yaml:1:65: nested too deeply; expected at most 32 levels");
	error_of(deep); /* deep enough: what is wrong is the end */
	assert_non_null(strstr(e.msg, "did not find expected node content"));
	free(deep);
	error_of("a: &a [[[[[[[[[[1]]]]]]]]]]\nb: &b [[[[[[[[[[*a]]]]]]]]]]\nc: [[[[[[[[[[[[*b]]]]]]]]]]]]\n");
	assert_non_null(strstr(e.msg, "g.yaml:3:16: nested too deeply"));
}

static void refuses_size(void **state)
{
	(void)state;
	assert_string_equal(hostile("#", 1048577), "g.yaml: 1048577 bytes; expected a grid file of at most 1048576");
	assert_string_equal(hostile("#", 1048576), "(none)");
	assert_string_equal(hostile("- 1\n", 100000), "g.yaml:100000:3: too many values; expected at most 100000");
	assert_string_equal(hostile("- 1\n", 99999), "(none)");
}

static void refuses_an_alias_bomb(void **state)
{
	double start = seconds();

	(void)state;
	error_of("a: &a [x, x, x, x, x, x, x, x, x]\n"
		 "b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\n"
		 "c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]\n"
		 "d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c]\n"
		 "e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d]\n"
		 "f: &f [*e, *e, *e, *e, *e, *e, *e, *e, *e]\n"
		 "g: &g [*f, *f, *f, *f, *f, *f, *f, *f, *f]\n");
	assert_non_null(strstr(e.msg, "g.yaml:6:8: too many values; expected at most 100000\n"));
	assert_true(seconds() - start < 1);
}

static void refuses_many_keys_and_anchors(void **state)
{
	static char text[400000];
	double start = seconds();

	(void)state;
	for (int i = 0, at = 0; i < 1001; i++)
		at += sprintf(text + at, "k%d: 1\n", i);
	error_of(text);
	assert_non_null(strstr(e.msg, "g.yaml:1001:1: too many keys; expected at most 1000 in one map\n"));
	for (int i = 0, at = 0; i < 20000; i++)
		at += sprintf(text + at, "- &a%d 1\n", i);
	error_of(text);
	assert_non_null(strstr(e.msg, "g.yaml:1001:3: too many anchors; expected at most 1000\n"));
	assert_true(seconds() - start < 1);
}

static void stays_fast_on_long_tokens(void **state)
{
	(void)state;
	hostile("a", 1000000);
	hostile("\"", 1000000);
	hostile("? ", 500000);
	hostile(": ", 500000);
	hostile("*", 1000000);
	hostile("&a ", 300000);
	hostile("!", 1000000);
	hostile("---\n", 250000);
	hostile("%YAML 1.1\n", 100000);
	hostile("#\n", 500000);
	hostile("a b\n", 250000);
	hostile("| \n", 300000);
	hostile("\n", 1000000);
	hostile("\t", 1000000);
	hostile("{},", 300000);
	hostile("a: ", 300000);
}

static void suggests_near_words_only(void **state)
{
	static const char *const known[] = {"parameters", "metric", "momentum", "lr", "epochs"};
	static const char *const cases[][2] = {
		{"parameter", "parameters"},
		{"Parameters", "parameters"},
		{"paramters", "parameters"},
		{"mertic", "metric"},
		{"momentun", "momentum"},
		{"epoch", "epochs"},
		{"lrr", "lr"},
		{"zebra", ""},
		{"l", ""},
		{"", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct suggest g = {.word = cases[i][0]};

		for (size_t k = 0; k < 5; k++)
			suggest_try(&g, known[k]);
		assert_string_equal(g.best, cases[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_places),
		cmocka_unit_test(counts_characters_not_bytes),
		cmocka_unit_test(reads_any_line_end),
		cmocka_unit_test(skips_a_byte_order_mark),
		cmocka_unit_test(refuses_what_is_no_text),
		cmocka_unit_test(shows_a_tab_with_its_caret_below),
		cmocka_unit_test(no_control_character_reaches_a_terminal),
		cmocka_unit_test(cuts_a_long_line_around_the_caret),
		cmocka_unit_test(says_what_is_wrong_in_the_syntax),
		cmocka_unit_test(follows_aliases_and_merges),
		cmocka_unit_test(reads_numbers_as_a_person_means_them),
		cmocka_unit_test(says_which_numbers_it_does_not_take),
		cmocka_unit_test(reads_whole_numbers),
		cmocka_unit_test(reads_truth),
		cmocka_unit_test(refuses_depth),
		cmocka_unit_test(refuses_size),
		cmocka_unit_test(refuses_an_alias_bomb),
		cmocka_unit_test(refuses_many_keys_and_anchors),
		cmocka_unit_test(stays_fast_on_long_tokens),
		cmocka_unit_test(suggests_near_words_only),
	};

	return cmocka_run_group_tests(tests, NULL, empty_pool);
}
