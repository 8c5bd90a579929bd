/* sched.c - see sched.h */
#include "sweep/run/sched.h"

#include <math.h>
#include <omp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int sched_run(int n, const int *order, int n_workers, sched_job job, sched_job done, void *ctx, const atomic_bool *stop)
{
	atomic_int next = 0;
	int ran = 0;

	if (n_workers > n)
		n_workers = n;
	if (n_workers < 1)
		n_workers = 1;
	omp_set_dynamic(0); /* else the runtime may give fewer workers than asked for */
#pragma omp parallel num_threads(n_workers) shared(next, ran)
	while (!stop || !atomic_load(stop)) {
		int claimed = atomic_fetch_add(&next, 1);
		int worker = omp_get_thread_num();
		int i;

		if (claimed >= n)
			break;
		i = order ? order[claimed] : claimed;
		job(ctx, i, worker);
#pragma omp critical(sched_done)
		{
			if (done)
				done(ctx, i, worker);
			ran++;
		}
	}
	return ran;
}

static int affinity_cpus(void)
{
	for (int cpus = 1024; cpus <= 1 << 20; cpus *= 2) { /* the kernel refuses a mask smaller than its own */
		cpu_set_t *set = CPU_ALLOC((size_t)cpus);
		size_t bytes = CPU_ALLOC_SIZE((size_t)cpus);
		int count = set && !sched_getaffinity(0, bytes, set) ? CPU_COUNT_S(bytes, set) : 0;

		if (set)
			CPU_FREE(set);
		if (count)
			return count;
	}
	return 1;
}

/* First line of dir/name in text; false if there is none. */
static bool read_line(char *text, int size, const char *dir, const char *name)
{
	char path[1024];
	bool ok;
	FILE *f;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return false;
	f = fopen(path, "re");
	ok = f && fgets(text, size, f);
	if (f)
		fclose(f);
	return ok;
}

/* CPUs that the quota of one cgroup directory is worth; infinity if it sets none. v2 has one file, v1 two. */
static double quota_of(const char *dir)
{
	double quota = -1;
	double period = 0;
	char text[128];

	if (read_line(text, sizeof(text), dir, "cpu.max")) {
		if (sscanf(text, "%lf %lf", &quota, &period) != 2)
			return INFINITY; /* "max 100000" */
	} else if (read_line(text, sizeof(text), dir, "cpu.cfs_quota_us")) {
		quota = atof(text);
		if (read_line(text, sizeof(text), dir, "cpu.cfs_period_us"))
			period = atof(text);
	}
	return quota > 0 && period > 0 ? quota / period : INFINITY;
}

/* The tightest quota from root/path up to root itself: a parent's binds its children. */
static double quota_up(const char *root, const char *path)
{
	double least = INFINITY;
	char dir[1024];
	char *slash;

	if (snprintf(dir, sizeof(dir), "%s%s", root, path) >= (int)sizeof(dir))
		return least;
	for (;;) {
		least = fmin(least, quota_of(dir));
		slash = strrchr(dir, '/');
		if (!slash || slash < dir + strlen(root))
			return least;
		*slash = 0;
	}
}

/* Is "cpu" one of the comma-separated controllers? */
static bool names_cpu(const char *controllers)
{
	char list[256];
	char *save;

	snprintf(list, sizeof(list), "%s", controllers);
	for (char *c = strtok_r(list, ",", &save); c; c = strtok_r(NULL, ",", &save))
		if (!strcmp(c, "cpu"))
			return true;
	return false;
}

static double cgroup_cpus(void)
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	double least = INFINITY;
	char line[1024];

	while (f && fgets(line, sizeof(line), f)) { /* "0::/path" is v2's line, "4:cpu,cpuacct:/path" one of v1 */
		char *controllers = strchr(line, ':');
		char *path = controllers ? strchr(controllers + 1, ':') : NULL;

		if (!path)
			continue;
		*path++ = 0;
		path[strcspn(path, "\n")] = 0;
		if (!controllers[1])
			least = fmin(least, quota_up("/sys/fs/cgroup", path));
		else if (names_cpu(controllers + 1))
			least = fmin(least, quota_up("/sys/fs/cgroup/cpu", path));
	}
	if (f)
		fclose(f);
	return least;
}

int sched_cpus(void)
{
	int cpus = affinity_cpus();
	double quota = ceil(cgroup_cpus());
	int limit = omp_get_thread_limit(); /* OMP_THREAD_LIMIT as the OpenMP runtime reads it */

	if (quota < cpus)
		cpus = (int)quota;
	if (limit > 0 && limit < cpus)
		cpus = limit;
	return cpus < 1 ? 1 : cpus;
}
