/*
 * signals.h - Ctrl-C and its kin as a flag that the sweep looks at.
 */
#ifndef SWEEP_RUN_SIGNALS_H
#define SWEEP_RUN_SIGNALS_H

#include <stdatomic.h>
#include <stdbool.h>

/*
 * SIGINT, SIGTERM and SIGHUP (unless nohup made it ignored) set *stop and say so once on stderr; a second one exits
 * 130 at once if either was SIGINT (two at the same moment have no order). What a terminal or a kill of the group sends arrives a second time through the supervisor, and
 * counts once. SIGUSR1, from the supervisor, says that the time given is up. stop must live as long as the process.
 */
void signals_install(atomic_bool *stop);
/* Was it the clock that set *stop? */
bool signals_time_is_up(void);

/* A closed pipe or a file-size limit is an error of that write, not the process's end. Called by main. */
void signals_ignore_io(void);

#endif
