/* test_num_csv.c - numbers and tables as text: what is written reads back the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sweep/base/csv.h"
#include "sweep/base/num.h"

static bool same_bits(double a, double b)
{
	return (isnan(a) && isnan(b)) || !memcmp(&a, &b, sizeof(a));
}

static void check_text(double value, const char *want)
{
	char text[NUM_MAX];

	assert_string_equal(num_text(text, value), want);
}

static void numbers_are_short(void **state)
{
	(void)state;
	check_text(0.0001, "0.0001");
	check_text(1e-5, "1e-05");
	check_text(3, "3");
	check_text(0.1, "0.1");
	check_text(0.1 + 0.2, "0.30000000000000004");
	check_text(-0.0, "-0");
	check_text(NAN, "nan");
	check_text(-NAN, "nan");
	check_text(INFINITY, "inf");
	check_text(-INFINITY, "-inf");
	check_text(1.7976931348623157e308, "1.7976931348623157e+308");
}

static void numbers_read_back_to_the_bit(void **state)
{
	uint64_t bits = 88172645463325252u;

	(void)state;
	for (int i = 0; i < 50000; i++) {
		char text[NUM_MAX];
		double value;
		double back;

		bits ^= bits << 13; /* xorshift: every exponent, subnormals and nans too */
		bits ^= bits >> 7;
		bits ^= bits << 17;
		memcpy(&value, &bits, sizeof(value));
		assert_true(num_read(&back, num_text(text, value)));
		assert_true(same_bits(value, back));
		assert_true(strlen(text) < NUM_MAX);
	}
}

static void what_a_person_writes_is_a_number(void **state)
{
	static const struct {
		const char *text;
		double value;
	} good[] = {{"1e-4", 1e-4},       {".5", 0.5},   {"5.", 5},         {"+3", 3},
		    {"-0.25", -0.25},     {"1E3", 1000}, {"inf", INFINITY}, {".inf", INFINITY},
		    {"-.Inf", -INFINITY}, {"NaN", NAN},  {".nan", NAN},     {"010", 10},
		    {"5e-324", 5e-324}};
	static const char *const bad[] = {"",      " 1",       "1 ",       "0x1f",      "1_000",     "1,5",
					  "one",   "1e",       "e5",       "--1",       "+",         ".",
					  "1.2.3", "infinity", "nan(1)",   "1e-4x",     "1\n",       "1e 5",
					  "1e\n5", "1e+-5",    "1234567a", "12345678/", "0.1234567:"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		double value = 7;

		assert_true(num_read(&value, good[i].text));
		assert_true(same_bits(value, good[i].value));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		double value;

		if (num_read(&value, bad[i]))
			fail_msg("'%s' was read as a number", bad[i]);
	}
}

static void a_field_ends_at_its_separator(void **state)
{
	static const char *const bad[] = {",1", "\n", "1", "1 ,", "1;2,", "1e\n5\n", "\"1\",", "1\r\n", "one,", ""};
	static const char nul[] = "1\0,";
	char text[80];
	double v;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (num_field(&v, bad[i], bad[i] + strlen(bad[i])))
			fail_msg("'%s' begins with a number's field", bad[i]);
	assert_null(num_field(&v, nul, nul + 3));
	memset(text, '1', sizeof(text));
	text[79] = ',';
	assert_null(num_field(&v, text, text + 80)); /* no number is so long */
	assert_null(num_field(&v, text + 70, text + 79));
	assert_ptr_equal(num_field(&v, text + 70, text + 80), text + 79);
	assert_true(v == 111111111);
}

static void durations_and_sizes(void **state)
{
	char text[NUM_MAX];

	(void)state;
	assert_string_equal(num_seconds(text, 0.85), "850 ms");
	assert_string_equal(num_seconds(text, 12), "12 s");
	assert_string_equal(num_seconds(text, 59.6), "1 min 00 s");
	assert_string_equal(num_seconds(text, 200), "3 min 20 s");
	assert_string_equal(num_seconds(text, 7500), "2 h 05 min");
	assert_string_equal(num_seconds(text, NAN), "?");
	assert_string_equal(num_bytes(text, 84000), "84 KB");
	assert_string_equal(num_bytes(text, 1.3e6), "1.3 MB");
	assert_string_equal(num_bytes(text, 999.6), "1.0 KB");
	assert_string_equal(num_bytes(text, 0), "0 B");
}

static const char *const awkward[] = {"plain",        "a,b",        "say \"hi\"", "two\nlines", " lead",
				      "trail ",       "",           "\"",         "x;y",        "caf\xc3\xa9",
				      "a\"\"b,\"c\n", "cr\rinside", "-1e-4",      "+5",         ",last\r"};
#define N_AWKWARD (sizeof(awkward) / sizeof(*awkward))

static char *one_row(const char *const *text, size_t n)
{
	char *bytes = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&bytes, &size);
	struct csv_row r = {.out = f};

	for (size_t i = 0; i < n; i++) {
		char name[24];

		snprintf(name, sizeof(name), "c%zu", i);
		csv_text(&r, name);
	}
	csv_end(&r);
	for (size_t i = 0; i < n; i++)
		csv_text(&r, text[i]);
	csv_end(&r);
	fclose(f);
	return bytes;
}

static void text_reads_back(void **state)
{
	char *bytes = one_row(awkward, N_AWKWARD);
	struct csv_table t;
	struct err e = {0};

	(void)state;
	if (csv_parse(&t, bytes, strlen(bytes), "t.csv", &e))
		fail_msg("%s", e.msg);
	assert_int_equal(t.cols, N_AWKWARD);
	assert_int_equal(t.rows, 1);
	for (size_t i = 0; i < N_AWKWARD; i++)
		assert_string_equal(t.cell[i], awkward[i]);
	csv_release(&t);
	free(bytes);
}

static void fields_are_quoted_as_rfc_4180_says(void **state)
{
	char *bytes = one_row((const char *const[]){"a,b", "say \"hi\"", "plain", NULL}, 4);

	(void)state;
	assert_string_equal(bytes, "c0,c1,c2,c3\n\"a,b\",\"say \"\"hi\"\"\",plain,\n");
	free(bytes);
}

static void formulas_are_guarded(void **state)
{
	char *bytes = one_row((const char *const[]){"=1+1", "@x", "-2+3", "-1e-4", "+x,y", "-inf"}, 6);

	(void)state;
	assert_string_equal(bytes, "c0,c1,c2,c3,c4,c5\n'=1+1,'@x,'-2+3,-1e-4,\"'+x,y\",-inf\n");
	free(bytes);
}

static void missing_and_nan_differ(void **state)
{
	char *bytes = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&bytes, &size);
	struct csv_row r = {.out = f};
	struct csv_table t;
	struct err e;

	(void)state;
	csv_text(&r, "a");
	csv_text(&r, "b");
	csv_text(&r, "c");
	csv_text(&r, "d");
	csv_end(&r);
	csv_num(&r, NAN);
	csv_maybe(&r, NAN);
	csv_maybe(&r, 0.5);
	csv_int(&r, -7);
	csv_end(&r);
	fclose(f);
	assert_string_equal(bytes, "a,b,c,d\nnan,,0.5,-7\n");
	assert_int_equal(csv_parse(&t, bytes, size, "t.csv", &e), 0);
	assert_int_equal(csv_column(&t, "c"), 2);
	assert_int_equal(csv_column(&t, "z"), -1);
	assert_true(isnan(csv_number(&t, 0, 0)));
	assert_true(csv_number(&t, 0, 2) == 0.5);
	assert_true(isnan(csv_number(&t, 0, -1)));
	csv_release(&t);
	free(bytes);
}

static int parse(struct csv_table *t, const char *text, struct err *e)
{
	return csv_parse(t, text, strlen(text), "t.csv", e);
}

static void a_row_of_another_length_is_named(void **state)
{
	struct csv_table t;
	struct err e = {0};

	(void)state;
	assert_int_equal(parse(&t, "a,b\n1,2\n3\n", &e), ERR_DATA);
	assert_non_null(strstr(e.msg, "t.csv:3:"));
	assert_int_equal(parse(&t, "a,b\n1,2,3\n", &e), ERR_DATA);
	assert_non_null(strstr(e.msg, "t.csv:2:"));
}

static void other_writers_files_are_read(void **state)
{
	struct csv_table t;
	struct err e = {0};

	(void)state;
	assert_int_equal(parse(&t, "a,b\r\n1,\"x\"\r\n3,4", &e), 0); /* CRLF, no newline at the end */
	assert_int_equal(t.rows, 2);
	assert_string_equal(t.head[1], "b");
	assert_string_equal(t.cell[1], "x");
	assert_string_equal(t.cell[3], "4");
	csv_release(&t);
	assert_int_equal(parse(&t, "a,b\n", &e), 0);
	assert_int_equal(t.rows, 0);
	csv_release(&t);
}

/* The same number by num_read() and num_field(), and where the field ends. */
static void check_reads(const char *text, double want)
{
	char row[2 * NUM_MAX];
	int n = snprintf(row, sizeof(row), "%s%c7,8\n", text, strlen(text) % 2 ? ',' : '\n');
	double v = -1;

	if (!num_read(&v, text) || !same_bits(v, want))
		fail_msg("%s: %a, strtod says %a", text, v, want);
	v = -1;
	if (strlen(text) < NUM_MAX && (num_field(&v, row, row + n) != row + strlen(text) || !same_bits(v, want)))
		fail_msg("field %s: %a, strtod says %a", text, v, want);
}

/* The way round strtod() is as exact as strtod(): on what num_text() writes, on 1 to 19 digits, on ties. */
static void numbers_are_read_as_strtod_reads_them(void **state)
{
	static const char *const hard[] = {"9007199254740993",
					   "9007199254740992.5",
					   "0.1",
					   "1e23",
					   "8.5e-5",
					   "-0",
					   "18446744073709551615",
					   "123456789012345678e9",
					   "1e27",
					   "1e-27",
					   "5e-324",
					   "1.7976931348623157e308",
					   "0.000000000000000000000000000001",
					   "1e5",
					   "+7.",
					   "00000000.00000000",
					   "0.00000000123456789012345678",
					   "000000000000000000000001.5",
					   "12345678.87654321",
					   "1234567.7654321e0012",
					   "99999999999999999999",
					   "9999999999999999999e-300",
					   "4503599627370497.5",
					   "2.2250738585072011e-308",
					   ".5"};
	uint64_t x = 88172645463325252u;

	(void)state;
	for (size_t i = 0; i < sizeof(hard) / sizeof(hard[0]); i++)
		check_reads(hard[i], strtod(hard[i], NULL));
	for (int i = 0; i < 300000; i++) {
		char text[64];

		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		if (i % 3 == 0)
			num_text(text, ldexp((double)(x >> 11), (int)(x % 120) - 110));
		else if (i % 3 == 1)
			snprintf(text, sizeof(text), "%llu.%0*llue%d", (unsigned long long)(x >> 44), (int)(x % 10) + 1,
				 (unsigned long long)(x % 1000000000), (int)(x % 31) - 15);
		else /* exactly between two doubles, and one digit beside */
			snprintf(text, sizeof(text), "%llu",
				 (unsigned long long)(((x >> 11) | 1ull << 52) * 2 + 1 + i % 2));
		check_reads(text, strtod(text, NULL));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_read_as_strtod_reads_them),
		cmocka_unit_test(numbers_are_short),
		cmocka_unit_test(numbers_read_back_to_the_bit),
		cmocka_unit_test(what_a_person_writes_is_a_number),
		cmocka_unit_test(a_field_ends_at_its_separator),
		cmocka_unit_test(durations_and_sizes),
		cmocka_unit_test(text_reads_back),
		cmocka_unit_test(fields_are_quoted_as_rfc_4180_says),
		cmocka_unit_test(formulas_are_guarded),
		cmocka_unit_test(missing_and_nan_differ),
		cmocka_unit_test(a_row_of_another_length_is_named),
		cmocka_unit_test(other_writers_files_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
