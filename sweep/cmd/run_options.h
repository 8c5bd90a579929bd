/*
 * run_options.h - the command line of gapsweep run.
 */
#ifndef SWEEP_CMD_RUN_OPTIONS_H
#define SWEEP_CMD_RUN_OPTIONS_H

#include "sweep/cmd/cmd.h"

struct run_options {
	const char *grid, *dir, *trials;
	long workers, threads;                            /* 0: as many as CPUs */
	double memory;                                    /* 0: what is free */
	double checkpoint_s, trial_timeout_s, deadline_s; /* 0: not given */
	int checkpoint_epochs;
	bool quiet, json, no_report, no_share;
	const char *fresh; /* the argument that said --fresh; NULL: none did */
	struct cmd_sets sets;
};

extern const char run_help[];

/* Fills in zeroed options, whose texts stay argv's. As cmd_option(): CMD_HELP, or ERR_USAGE. The sets are the caller's
 * to free, whatever it returns. */
int run_options_parse(struct run_options *o, int argc, char **argv, struct err *e);

#endif
