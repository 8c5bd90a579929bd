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

static void job(void *ctx, int i, int worker, struct team *team)
{
	struct board *b = ctx;
	int now = atomic_fetch_add(&b->running, 1) + 1;

	(void)team;
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

/* n jobs on so many workers and as many threads. */
static int run(struct board *b, int n, const int *order, int workers)
{
	return sched_run(&(struct sched){
		.n = n, .order = order, .workers = workers, .job = job, .done = done, .ctx = b, .stop = &b->stop});
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

		assert_int_equal(run(&b, MAX_JOBS, NULL, workers), MAX_JOBS);
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
	assert_int_equal(run(&b, 40, NULL, 4), 40);
	check_clean(&b);
	assert_in_range(b.most_running, 2, 4);
}

static void more_workers_than_jobs(void **state)
{
	struct board b = {.n_workers = 3};

	(void)state;
	assert_int_equal(run(&b, 3, NULL, 8), 3);
	assert_int_equal(b.n_done, 3);
	check_clean(&b);
	b = (struct board){.n_workers = 1};
	assert_int_equal(run(&b, 0, NULL, 8), 0);
	assert_int_equal(sched_run(&(struct sched){.n = 2, .workers = -1, .job = job, .ctx = &b}),
			 2); /* no done, no stop */
}

static void jobs_begin_in_the_given_order(void **state)
{
	struct board b = {.n_workers = 1};
	int order[MAX_JOBS];

	(void)state;
	for (int i = 0; i < MAX_JOBS; i++)
		order[i] = (i * 7 + 3) % MAX_JOBS;
	assert_int_equal(run(&b, 100, order, 1), 100);
	assert_memory_equal(b.claimed, order, 100 * sizeof(*order));
}

static void stop_ends_what_began_and_claims_no_more(void **state)
{
	(void)state;
	for (int workers = 1; workers <= 4; workers++) {
		struct board b = {.n_workers = workers, .nap_ns = 500000, .stop_after = 5};
		int ran = run(&b, MAX_JOBS, NULL, workers);
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
		assert_int_equal(run(&b, 10, NULL, 2), 0);
	}
}

/* ---- teams ---- */

struct parts {
	atomic_int seen[64], calls;
	int n;
};

static void part(void *ctx, int i, int n)
{
	struct parts *p = ctx;

	atomic_fetch_add(&p->seen[i], 1);
	if (!i)
		p->n = n;
}

/* Every part once, whatever the team's size, in each of many calls. */
static void call_often(void *ctx, int i, int worker, struct team *team)
{
	struct board *b = ctx;

	(void)worker;
	for (int k = 0; k < 300; k++) {
		struct parts p = {0};
		int most = 1 + (k + i) % 5;

		team_run(team, most, part, &p);
		if (p.n < 1 || p.n > most)
			atomic_fetch_add(&b->strangers, 1);
		for (int j = 0; j < 5; j++)
			if (p.seen[j] != (j < p.n))
				atomic_fetch_add(&b->overlaps, 1);
		if (p.n > atomic_load(&b->most_running))
			atomic_store(&b->most_running, p.n);
	}
	atomic_fetch_add(&b->jobs[i], 1);
}

static void teams_run_every_part_once(void **state)
{
	(void)state;
	for (int threads = 1; threads <= 6; threads++) {
		for (int workers = 1; workers <= 3; workers++) {
			struct board b = {.n_workers = workers};

			assert_int_equal(
				sched_run(&(struct sched){
					.n = 7, .workers = workers, .threads = threads, .job = call_often, .ctx = &b}),
				7);
			check_clean(&b);
			for (int i = 0; i < 7; i++)
				assert_int_equal(b.jobs[i], 1);
			assert_in_range(b.most_running, 1, threads > workers ? threads : workers);
		}
	}
}

/* Calls its team until it has so many threads. */
static void wait_for_team(void *ctx, int i, int worker, struct team *team)
{
	struct board *b = ctx;
	int want = b->claimed[i];

	(void)worker;
	for (int n = 0; n < want; nap(10000)) {
		struct parts p = {0};

		team_run(team, 64, part, &p);
		n = p.n;
	}
}

/* Threads that no job begins with, and those of jobs that have ended, join what still runs. */
static void idle_threads_join(void **state)
{
	struct board b = {.claimed = {4}};
	struct board two = {.claimed = {1, 3}};

	(void)state;
	assert_int_equal(
		sched_run(&(struct sched){.n = 1, .workers = 2, .threads = 4, .job = wait_for_team, .ctx = &b}), 1);
	assert_int_equal(
		sched_run(&(struct sched){.n = 2, .workers = 2, .threads = 3, .job = wait_for_team, .ctx = &two}), 2);
}

/* ---- memory ---- */

struct weigher {
	const size_t *bytes;
	atomic_size_t used, most;
	int order[8];
	atomic_int claims;
};

static void weigh(void *ctx, int i, int worker, struct team *team)
{
	struct weigher *w = ctx;
	size_t now = atomic_fetch_add(&w->used, w->bytes[i]) + w->bytes[i];

	(void)worker;
	(void)team;
	if (now > atomic_load(&w->most))
		atomic_store(&w->most, now);
	w->order[atomic_fetch_add(&w->claims, 1)] = i;
	nap(2000000);
	atomic_fetch_sub(&w->used, w->bytes[i]);
}

/* Jobs wait until they fit in beside the others; nothing overtakes them; one that never fits runs alone. */
static void memory_admits(void **state)
{
	static const size_t bytes[8] = {60, 50, 30, 10, 70, 200, 40, 40};
	struct weigher w = {.bytes = bytes};
	const struct sched s = {.n = 8, .workers = 4, .bytes = bytes, .memory = 100, .job = weigh, .ctx = &w};

	(void)state;
	assert_int_equal(sched_run(&s), 8);
	assert_int_equal(w.most, 200);
	w = (struct weigher){.bytes = bytes};
	assert_int_equal(sched_run(&(struct sched){
				 .n = 5, .workers = 4, .bytes = bytes, .memory = 100, .job = weigh, .ctx = &w}),
			 5);
	assert_in_range(w.most, 80, 100);
}

static void cpus_is_at_least_one(void **state)
{
	(void)state;
	int all;

	unsetenv("OMP_NUM_THREADS");
	all = sched_cpus();
	assert_in_range(all, 1, 1 << 20);
	setenv("OMP_NUM_THREADS", "1", 1);
	assert_int_equal(sched_cpus(), 1);
	setenv("OMP_NUM_THREADS", "1,8", 1);
	assert_int_equal(sched_cpus(), 1);
	for (int i = 0; i < 4; i++) { /* what is no number of threads, or more than there are */
		setenv("OMP_NUM_THREADS", (const char *[]){"", "many", "0", "99999999"}[i], 1);
		assert_int_equal(sched_cpus(), all);
	}
	unsetenv("OMP_NUM_THREADS");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_job_once_on_any_number_of_workers),
		cmocka_unit_test(done_is_serial_while_jobs_overlap),
		cmocka_unit_test(more_workers_than_jobs),
		cmocka_unit_test(jobs_begin_in_the_given_order),
		cmocka_unit_test(stop_ends_what_began_and_claims_no_more),
		cmocka_unit_test(teams_run_every_part_once),
		cmocka_unit_test(idle_threads_join),
		cmocka_unit_test(memory_admits),
		cmocka_unit_test(cpus_is_at_least_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
