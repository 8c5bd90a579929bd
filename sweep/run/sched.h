/*
 * sched.h - runs jobs on workers; the one place that decides parallelism (OpenMP).
 *
 * One `#pragma omp parallel` region; idle workers claim the next job of the order with an atomic counter.
 */
#ifndef SWEEP_RUN_SCHED_H
#define SWEEP_RUN_SCHED_H

#include <stdatomic.h>
#include <stdbool.h>

/* Bundle i, on worker 0..n_workers-1. Runs on many threads at once. */
typedef void (*sched_job)(void *ctx, int i, int worker);

/*
 * job() runs for order[0], order[1], ... (n jobs; order NULL: 0..n-1), done() after each: one at a time, so that it
 * may write results without a lock, in the order in which jobs end. When *stop becomes true nothing new is claimed;
 * what began ends and is done()d. done may be NULL. Returns how many jobs ran.
 */
int sched_run(int n, const int *order, int n_workers, sched_job job, sched_job done, void *ctx,
	      const atomic_bool *stop);

/* CPUs this process may use: affinity mask, cgroup quota (rounded up) and OMP_THREAD_LIMIT respected. At least 1. */
int sched_cpus(void);

#endif
