/* sched.c - see sched.h */
#include "sweep/run/sched.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <math.h>
#include <omp.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- a gang: the threads of one running job ---- */

/* Around a millisecond of looking before a thread sleeps: the gaps between two calls within a step are shorter, and to be woken
 * takes as long as a small net's layer. */
#define SPINS 20000
/* A call's word: its number, and how many threads it is for. */
#define CALL_THREADS 10
#define MOST_MEMBERS ((1 << CALL_THREADS) - 1)

struct gang {
	struct team team;
	bool open;          /* its job runs, and more may join; under the scheduler's lock */
	atomic_int members; /* with the leader; grows under that lock */
	int spins; /* SPINS, or 0 where there are more threads than CPUs: to look would keep the others from working */
	atomic_bool over;      /* the job has ended: helpers leave */
	_Atomic unsigned call; /* helpers wait for it to change */
	atomic_int asleep;     /* helpers that may need to be woken */
	atomic_int at_work;    /* helpers that have not done their part of the call */
	team_part part;        /* of the call; the leader's, until all have done theirs */
	void *ctx;
};

static void pause_cpu(void)
{
#ifdef __x86_64__
	__builtin_ia32_pause();
#endif
}

static void call_gang(struct gang *g, unsigned threads)
{
	unsigned number = (atomic_load(&g->call) >> CALL_THREADS) + 1;

	atomic_store(&g->call, number << CALL_THREADS | threads);
	if (atomic_load(&g->asleep))
		syscall(SYS_futex, &g->call, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static void wait_until_zero(atomic_int *count, int spins)
{
	for (int i = 0; atomic_load_explicit(count, memory_order_acquire) > 0; i++) {
		if (i < spins)
			pause_cpu();
		else
			sched_yield();
	}
}

static void gang_run(struct team *team, int most, team_part part, void *ctx)
{
	struct gang *g = (struct gang *)team;
	int n = atomic_load_explicit(&g->members, memory_order_acquire);

	n = n < most ? n : most;
	if (n > 1) {
		g->part = part;
		g->ctx = ctx;
		atomic_store_explicit(&g->at_work, n - 1, memory_order_relaxed);
		call_gang(g, (unsigned)n);
	}
	part(ctx, 0, n);
	if (n > 1)
		wait_until_zero(&g->at_work, g->spins);
}

/* The call that follows `seen`. */
static unsigned next_call(struct gang *g, unsigned seen)
{
	unsigned call;

	for (int i = 0; (call = atomic_load(&g->call)) == seen; i++) {
		if (i < g->spins) {
			pause_cpu();
			continue;
		}
		atomic_fetch_add(&g->asleep, 1);
		syscall(SYS_futex, &g->call, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
		atomic_fetch_sub(&g->asleep, 1);
	}
	return call;
}

/* Works as member number `me` until the job is over. Calls for fewer threads are none of its business. */
static void help(struct gang *g, int me, unsigned seen)
{
	for (;;) {
		int n;

		seen = next_call(g, seen);
		if (atomic_load(&g->over))
			break;
		n = (int)(seen & MOST_MEMBERS);
		if (me >= n)
			continue;
		g->part(g->ctx, me, n);
		atomic_fetch_sub_explicit(&g->at_work, 1, memory_order_release);
	}
	atomic_fetch_sub(&g->members, 1);
}

static void gang_open(struct gang *g)
{
	g->team.run = gang_run;
	atomic_store(&g->members, 1);
	atomic_store(&g->over, false);
	g->open = true;
}

/* Nobody joins any more: sends the helpers away, and waits until they are gone, as the next job will have the gang. */
static void gang_dismiss(struct gang *g)
{
	if (atomic_fetch_sub(&g->members, 1) == 1)
		return;
	atomic_store(&g->over, true);
	call_gang(g, 0);
	wait_until_zero(&g->members, g->spins);
}

/* ---- the scheduler ---- */

struct state {
	const struct sched *s;
	int threads, workers;
	pthread_mutex_t lock;   /* all below, and who joins a gang */
	pthread_cond_t changed; /* a job began or ended */
	pthread_mutex_t done;   /* done() runs one at a time */
	int next;               /* of the order */
	int running, ran;
	size_t used;       /* of the memory */
	bool *slot_taken;  /* [workers] */
	struct gang *gang; /* [workers] */
};

static size_t bytes_of(const struct sched *s, int i)
{
	return s->bytes ? s->bytes[i] : 0;
}

/* The next job of the order, or -1: none is left, or it must wait for memory. A job alone always fits: its fate is its own. */
static int claim(struct state *st)
{
	const struct sched *s = st->s;
	int i = s->order && st->next < s->n ? s->order[st->next] : st->next;

	if (st->next == s->n || st->running == st->workers || (s->stop && atomic_load(s->stop)))
		return -1;
	if (st->running && s->memory && st->used + bytes_of(s, i) > s->memory)
		return -1;
	st->next++;
	return i;
}

/* The gang with the fewest threads that may have one more, or NULL. While jobs are left to begin with them, threads are
 * shared out evenly. */
static struct gang *gang_to_join(struct state *st)
{
	bool waiting = st->next < st->s->n && st->running == st->workers && !(st->s->stop && atomic_load(st->s->stop));
	int most = waiting ? (st->threads + st->workers - 1) / st->workers : MOST_MEMBERS;
	struct gang *best = NULL;

	for (int w = 0; w < st->workers; w++) {
		struct gang *g = &st->gang[w];

		if (g->open && atomic_load(&g->members) < most && (!best || g->members < best->members))
			best = g;
	}
	return best;
}

/* Called with the lock, and returns with it; between, it is free. */
static void lead(struct state *st, int i)
{
	const struct sched *s = st->s;
	struct gang *g;
	int worker = 0;

	while (st->slot_taken[worker])
		worker++;
	g = &st->gang[worker];
	st->slot_taken[worker] = true;
	st->running++;
	st->used += bytes_of(s, i);
	gang_open(g);
	pthread_cond_broadcast(&st->changed);
	pthread_mutex_unlock(&st->lock);

	s->job(s->ctx, i, worker, &g->team);

	pthread_mutex_lock(&st->lock);
	g->open = false;
	pthread_mutex_unlock(&st->lock);
	gang_dismiss(g);
	pthread_mutex_lock(&st->done);
	if (s->done)
		s->done(s->ctx, i, worker);
	pthread_mutex_unlock(&st->done);

	pthread_mutex_lock(&st->lock);
	st->slot_taken[worker] = false;
	st->running--;
	st->ran++;
	st->used -= bytes_of(s, i);
	pthread_cond_broadcast(&st->changed);
}

/* Called with the lock, and returns with it. */
static void join(struct state *st, struct gang *g)
{
	unsigned seen = atomic_load(&g->call);
	int me = atomic_fetch_add(&g->members, 1);

	pthread_mutex_unlock(&st->lock);
	help(g, me, seen);
	pthread_mutex_lock(&st->lock);
}

/* What each thread does: begin a job, else help with one, else wait, until there is nothing left to do. */
static void work(struct state *st)
{
	pthread_mutex_lock(&st->lock);
	for (;;) {
		int i = claim(st);
		struct gang *g;

		if (i >= 0)
			lead(st, i);
		else if ((g = gang_to_join(st)))
			join(st, g);
		else if (st->running)
			pthread_cond_wait(&st->changed, &st->lock);
		else
			break;
	}
	pthread_mutex_unlock(&st->lock);
}

static int at_least_1(int n)
{
	return n < 1 ? 1 : n;
}

int sched_run(const struct sched *s)
{
	struct state st = {.s = s,
			   .lock = PTHREAD_MUTEX_INITIALIZER,
			   .changed = PTHREAD_COND_INITIALIZER,
			   .done = PTHREAD_MUTEX_INITIALIZER};

	st.workers = at_least_1(s->workers < s->n ? s->workers : s->n);
	st.threads = s->threads > st.workers ? s->threads : st.workers;
	st.threads = st.threads < MOST_MEMBERS ? st.threads : MOST_MEMBERS;
	st.slot_taken = calloc((size_t)st.workers, sizeof(*st.slot_taken));
	st.gang = calloc((size_t)st.workers, sizeof(*st.gang));
	for (int w = 0; st.gang && w < st.workers; w++)
		st.gang[w].spins = st.threads > sched_cpus() ? 0 : SPINS;
	if (!st.slot_taken || !st.gang) {
		st.ran = -1;
	} else {
		omp_set_dynamic(0); /* else the runtime may give fewer threads than asked for */
#pragma omp parallel num_threads(st.threads) shared(st)
		work(&st);
	}
	free(st.slot_taken);
	free(st.gang);
	return st.ran;
}

static void *pass_through(void *lock)
{
	pthread_mutex_lock(lock);
	pthread_mutex_unlock(lock);
	return NULL;
}

int sched_try_threads(int n)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* held until all are there: they must be had at once */
	pthread_t *thread = calloc((size_t)at_least_1(n), sizeof(*thread));
	int made = 0;
	int rc = thread ? 0 : ENOMEM;

	pthread_mutex_lock(&lock);
	while (!rc && made < n - 1) { /* the caller is one */
		rc = pthread_create(&thread[made], NULL, pass_through, &lock);
		made += !rc;
	}
	pthread_mutex_unlock(&lock);
	while (made)
		pthread_join(thread[--made], NULL);
	free(thread);
	return rc;
}

/* ---- CPUs ---- */

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

/* OMP_NUM_THREADS, or its first level. Not asked of the runtime, in which OpenBLAS has put its own number by now. */
static int wanted_threads(void)
{
	const char *text = getenv("OMP_NUM_THREADS");
	char *end;
	long n = text ? strtol(text, &end, 10) : 0;

	return n > 0 && n < INT_MAX && (!*end || *end == ',') ? (int)n : INT_MAX;
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
	if (wanted_threads() < cpus)
		cpus = wanted_threads();
	return at_least_1(cpus);
}
