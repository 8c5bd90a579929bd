/*
 * sched.h - runs jobs on threads; the one place that decides parallelism (OpenMP).
 *
 * One `#pragma omp parallel` region. A thread that is free begins the next job of the order that fits into memory; if there is
 * none, it joins a job under way as one of the job's team (base/team.h), and is free again when that job ends.
 */
#ifndef SWEEP_RUN_SCHED_H
#define SWEEP_RUN_SCHED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "engine/engine.h"

/* Job i, on worker 0..workers-1; the team's threads are its own until it returns. Many run at once. */
typedef void (*sched_job)(void *ctx, int i, int worker, struct team *team);
typedef void (*sched_done)(void *ctx, int i, int worker);

struct sched {
	int n;               /* jobs ... */
	const int *order;    /* ... in this order; NULL: 0..n-1 */
	int workers;         /* most jobs at a time */
	int threads;         /* in all; fewer than workers: as many */
	const size_t *bytes; /* [n] memory that job i needs while it runs; NULL: none */
	size_t memory;       /* that all running jobs may need together; 0: no limit */
	sched_job job;
	sched_done done; /* NULL: none */
	void *ctx;
	const atomic_bool *stop; /* NULL: never */
};

/*
 * job() runs for each of the jobs, done() after each: one at a time, so that it may write results without a lock, in the
 * order in which jobs end. Jobs begin in their order: one may wait for what another before it does. If the next does not fit in
 * beside those that run it waits, and all behind it; one job at least always runs. While jobs are left that may begin, a team has threads / workers threads, rounded up; after that, and where
 * memory keeps jobs waiting, free threads join the smallest teams. When *stop becomes true nothing new is begun; what began
 * ends and is done()d. Returns how many jobs ran; -1 if there was no memory to begin.
 */
int sched_run(const struct sched *s);
/*
 * Can so many threads be had? 0, or pthread_create()'s error. The OpenMP runtime does not say: it ends the process, with 1,
 * which is what trials that failed end with.
 */
int sched_try_threads(int n);

/*
 * CPUs this process may use: affinity mask, cgroup quota (rounded up), OMP_NUM_THREADS and OMP_THREAD_LIMIT respected. At
 * least 1.
 */
int sched_cpus(void);

#endif
