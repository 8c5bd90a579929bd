/* test_sched.c - every job once, done() alone and after its job, order, stop flag, any number of workers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <time.h>

#include "sweep/run/sched.h"

enum { MAX_JOBS = 500 };

struct board {
	atomic_int jobs[MAX_JOBS], dones[MAX_JOBS];
	atomic_int inside_done, overlaps, strangers, early;
	atomic_int running, most_running, claims;
	int claimed[MAX_JOBS]; /* jobs in the order in which they began */
	int n_workers, stop_after, n_done;
	long nap_ns;
	atomic_bool stop;
};

static void nap(long ns)
{
	nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
}

static void job(void *ctx, int i, int worker)
{
	struct board *b = ctx;
	int now = atomic_fetch_add(&b->running, 1) + 1;

	if (now > atomic_load(&b->most_running))
		atomic_store(&b->most_running, now);
	if (worker < 0 || worker >= b->n_workers)
		atomic_fetch_add(&b->strangers, 1);
	b->claimed[atomic_fetch_add(&b->claims, 1)] = i;
	atomic_fetch_add(&b->jobs[i], 1);
	if (b->nap_ns)
		nap(b->nap_ns);
	atomic_fetch_sub(&b->running, 1);
}

static void done(void *ctx, int i, int worker)
{
	struct board *b = ctx;

	(void)worker;
	if (atomic_exchange(&b->inside_done, 1))
		atomic_fetch_add(&b->overlaps, 1);
	if (!atomic_load(&b->jobs[i]))
		atomic_fetch_add(&b->early, 1);
	atomic_fetch_add(&b->dones[i], 1);
	if (b->nap_ns)
		nap(b->nap_ns / 4);
	b->n_done++; /* no lock: done() runs one at a time */
	if (b->n_done == b->stop_after)
		atomic_store(&b->stop, true);
	atomic_store(&b->inside_done, 0);
}

static void check_clean(struct board *b)
{
	assert_int_equal(atomic_load(&b->overlaps), 0);
	assert_int_equal(atomic_load(&b->strangers), 0);
	assert_int_equal(atomic_load(&b->early), 0);
}

static void every_job_once_on_any_number_of_workers(void **state)
{
	(void)state;
	for (int workers = 1; workers <= 8; workers++) {
		struct board b = {.n_workers = workers};

		assert_int_equal(sched_run(MAX_JOBS, NULL, workers, job, done, &b, &b.stop), MAX_JOBS);
		for (int i = 0; i < MAX_JOBS; i++) {
			assert_int_equal(b.jobs[i], 1);
			assert_int_equal(b.dones[i], 1);
		}
		assert_int_equal(b.n_done, MAX_JOBS);
		check_clean(&b);
	}
}

static void done_is_serial_while_jobs_overlap(void **state)
{
	struct board b = {.n_workers = 4, .nap_ns = 2000000};

	(void)state;
	assert_int_equal(sched_run(40, NULL, 4, job, done, &b, &b.stop), 40);
	check_clean(&b);
	assert_in_range(b.most_running, 2, 4);
}

static void more_workers_than_jobs(void **state)
{
	struct board b = {.n_workers = 3};

	(void)state;
	assert_int_equal(sched_run(3, NULL, 8, job, done, &b, &b.stop), 3);
	assert_int_equal(b.n_done, 3);
	check_clean(&b);
	b = (struct board){.n_workers = 1};
	assert_int_equal(sched_run(0, NULL, 8, job, done, &b, &b.stop), 0);
	assert_int_equal(sched_run(2, NULL, -1, job, NULL, &b, NULL), 2); /* no done, no stop */
}

static void jobs_begin_in_the_given_order(void **state)
{
	struct board b = {.n_workers = 1};
	int order[MAX_JOBS];

	(void)state;
	for (int i = 0; i < MAX_JOBS; i++)
		order[i] = (i * 7 + 3) % MAX_JOBS;
	assert_int_equal(sched_run(100, order, 1, job, done, &b, &b.stop), 100);
	assert_memory_equal(b.claimed, order, 100 * sizeof(*order));
}

static void stop_ends_what_began_and_claims_no_more(void **state)
{
	(void)state;
	for (int workers = 1; workers <= 4; workers++) {
		struct board b = {.n_workers = workers, .nap_ns = 500000, .stop_after = 5};
		int ran = sched_run(MAX_JOBS, NULL, workers, job, done, &b, &b.stop);
		int begun = 0;

		for (int i = 0; i < MAX_JOBS; i++) {
			assert_int_equal(b.jobs[i], b.dones[i]);
			begun += b.jobs[i];
		}
		assert_int_equal(ran, begun);
		assert_int_equal(ran, b.n_done);
		assert_in_range(ran, 5, 5 + workers);
	}
	{
		struct board b = {.n_workers = 2};

		atomic_store(&b.stop, true);
		assert_int_equal(sched_run(10, NULL, 2, job, done, &b, &b.stop), 0);
	}
}

static void cpus_is_at_least_one(void **state)
{
	(void)state;
	assert_in_range(sched_cpus(), 1, 1 << 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_job_once_on_any_number_of_workers),
		cmocka_unit_test(done_is_serial_while_jobs_overlap),
		cmocka_unit_test(more_workers_than_jobs),
		cmocka_unit_test(jobs_begin_in_the_given_order),
		cmocka_unit_test(stop_ends_what_began_and_claims_no_more),
		cmocka_unit_test(cpus_is_at_least_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
