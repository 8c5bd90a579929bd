/* selftest.c - see selftest.h */
#include "sweep/run/selftest.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "sweep/run/sched.h"

struct probing {
	uint64_t (*probe)(void);
	uint64_t alone;
	atomic_bool differs, no_memory;
};

static void probe_once(void *ctx, int i, int worker, struct team *team)
{
	struct probing *p = ctx;
	uint64_t hash = p->probe();

	(void)i;
	(void)worker;
	(void)team;
	if (!hash)
		atomic_store(&p->no_memory, true);
	else if (hash != p->alone)
		atomic_store(&p->differs, true);
}

int selftest(uint64_t (*probe)(void), int n_workers, struct err *e)
{
	struct probing p = {.probe = probe, .alone = probe()};
	const struct sched s = {.n = 4 * n_workers, .workers = n_workers, .job = probe_once, .ctx = &p};
	int rc = sched_try_threads(n_workers);

	if (rc)
		return err_set(e, ERR_NOMEM, "cannot start %d threads: %s", n_workers, strerror(rc));
	if (!p.alone || sched_run(&s) < 0 || atomic_load(&p.no_memory))
		return err_set(e, ERR_NOMEM, "out of memory for the self-test");
	if (atomic_load(&p.differs))
		return err_set(e, ERR_SOFTWARE,
			       "self-test: a matrix product gives other bits when %d threads call BLAS at once; "
			       "install libopenblas0-openmp or run with -j1",
			       n_workers);
	return 0;
}
