/*
 * fault.h - faults on request, for tests. GAPSWEEP_FAULT in the environment says which; unset, nothing here does
 * anything. One or more of these, with ; between them:
 *
 *   fail=N:WHAT         the Nth file call (from 1) fails: EIO, ENOSPC, EINTR (reads and writes only) or SHORT
 *   fail=N:WHAT:on      the Nth and every one after it (EINTR: every other one)
 *   trace=FILE          a line "OP NAME" for every call that changes the disk, in order, appended to FILE
 *   kill=before:OP NAME:N, kill=after:OP NAME:N
 *                       SIGKILL for the supervisor and the runner around the Nth such call, NAME as traced
 *   nosync, lie, torn   for controls that must lose something: fsync does nothing; a write that failed is taken for
 *                       done; a name that is published is there for a while with half of its bytes ("torn NAME" is the
 *                       kill point in between)
 *   trial=KEY:HOW       that trial ends its process (segv, abort, kill) or never ends (hang) as it begins
 *   trial=any:HOW       every trial does
 */
#ifndef SWEEP_RUN_FAULT_H
#define SWEEP_RUN_FAULT_H

#include "engine/base/err.h"

/* Sets io to a table that does what spec says, from the first call on; NULL or "": io_system. ERR_USAGE: a bad spec. */
int fault_install(const char *spec, struct err *e);
/* File calls since fault_install(). */
int fault_calls(void);
/* Called by the runner as a trial begins. */
void fault_trial(const char *key);

#endif
