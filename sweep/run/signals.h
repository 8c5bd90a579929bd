/*
 * signals.h - Ctrl-C and its kin as a flag that the sweep looks at.
 */
#ifndef SWEEP_RUN_SIGNALS_H
#define SWEEP_RUN_SIGNALS_H

#include <stdatomic.h>
#include <stdbool.h>

/*
 * SIGINT, SIGTERM and SIGHUP (unless nohup made it ignored) set *stop and say so once on stderr; a SIGINT after any of
 * them exits 130 at once. stop must live as long as the process.
 */
void signals_install(atomic_bool *stop);

/* A closed pipe or a file-size limit is an error of that write, not the process's end. Called by main. */
void signals_ignore_io(void);

#endif
