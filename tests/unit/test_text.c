/* text.h: what was written is there, whole; and if it is not, that is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "sweep/base/text.h"

static void test_whole(void **state)
{
	enum { LINES = 20000 };
	struct text t;
	struct err e;

	(void)state;
	assert_int_equal(text_open(&t, &e), 0);
	for (int i = 0; i < LINES; i++)
		fprintf(t.f, "%06d\n", i);
	assert_int_equal(text_close(&t, &e), 0);
	assert_int_equal(t.n, 7 * LINES);
	assert_int_equal(strlen(t.bytes), t.n);
	for (int i = 0; i < LINES; i++)
		assert_int_equal(strtol(t.bytes + 7L * i, NULL, 10), i);
	text_release(&t);
	text_release(&t);
}

static void test_empty(void **state)
{
	struct text t;
	struct err e;

	(void)state;
	assert_int_equal(text_open(&t, &e), 0);
	assert_int_equal(text_close(&t, &e), 0);
	assert_string_equal(t.bytes, "");
	text_release(&t);
	assert_int_equal(text_open(&t, &e), 0);
	text_release(&t); /* open */
}

/* A block too large for the address space; open_memstream() would lose it and say nothing. */
static void test_no_memory(void **state)
{
	static char block[1 << 20];
	struct rlimit was;
	struct rlimit low;
	struct text t;
	struct err e;
	int rc;

	(void)state;
#ifdef __SANITIZE_ADDRESS__
	skip(); /* its allocator ends the process */
#endif
	memset(block, 'x', sizeof(block));
	assert_int_equal(text_open(&t, &e), 0);
	assert_int_equal(getrlimit(RLIMIT_AS, &was), 0);
	low = was;
	low.rlim_cur = 1 << 20; /* less than there is: no more */
	assert_int_equal(setrlimit(RLIMIT_AS, &low), 0);
	for (int i = 0; i < 64; i++)
		fwrite(block, 1, sizeof(block), t.f);
	fputs("the end", t.f);
	rc = text_close(&t, &e);
	assert_int_equal(setrlimit(RLIMIT_AS, &was), 0);
	assert_int_equal(rc, ERR_NOMEM);
	text_release(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
