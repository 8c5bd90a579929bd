/* test_selftest.c - sweep/run/selftest: passes with the engine's own probe, and tells a probe that differs */
#include "sweep/run/selftest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "engine/engine.h"

static atomic_int calls;

static uint64_t now_and_then_other(void)
{
	return atomic_fetch_add(&calls, 1) == 5 ? 2 : 1;
}

static uint64_t no_memory(void)
{
	return atomic_fetch_add(&calls, 1) == 3 ? 0 : 1;
}

static void the_engine_passes(void **state)
{
	struct err e;

	(void)state;
	assert_int_equal(engine_init(&e), 0);
	assert_true(engine_probe() != 0);
	for (int workers = 1; workers <= 4; workers++)
		assert_int_equal(selftest(engine_probe, workers, &e), 0);
}

static void one_other_hash_is_told(void **state)
{
	struct err e;

	(void)state;
	atomic_store(&calls, 0);
	assert_int_equal(selftest(now_and_then_other, 2, &e), ERR_SOFTWARE);
	assert_non_null(strstr(e.msg, "2 threads"));
	atomic_store(&calls, 0);
	assert_int_equal(selftest(no_memory, 2, &e), ERR_NOMEM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_engine_passes),
		cmocka_unit_test(one_other_hash_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
