/*
 * supervise.h - keeps a runner alive: starts this program again as the runner (fork and exec, for OpenMP does not survive a
 * bare fork), and once more whenever it dies by a signal.
 *
 * A death counts against the trials that were under way. From the second on such a trial runs alone; at the third in a
 * row, without a checkpoint in between, it is FAIL. A runner that was killed (SIGKILL: the kernel, out of memory) is
 * started with half the workers. The supervisor has no threads, opens no file of the run directory, and passes on
 * SIGINT, SIGTERM and SIGHUP; if it is killed itself, the runner goes with it.
 */
#ifndef SWEEP_RUN_SUPERVISE_H
#define SWEEP_RUN_SUPERVISE_H

#include "engine/base/err.h"

struct supervise_options {
	double trial_timeout_s; /* a trial may go so long without ending an epoch; 0: for ever */
	double deadline_s;      /* on clock_s(): when all must be reported; 0: never */
};

/*
 * argv: the subcommand and its arguments, as main() got them. Returns what the runner returned (a negative err_code,
 * with an empty message: it has said why), or an error of its own.
 */
int supervise(const struct supervise_options *o, char **argv, struct err *e);

#endif
