/*
 * cmd.h - the subcommands, and what their command lines share.
 *
 * A subcommand gets its own argv (argv[0] is its name), prints data on stdout and messages on stderr, and returns 0 or
 * a negative err_code with *e filled in; main prints the error.
 */
#ifndef SWEEP_CMD_CMD_H
#define SWEEP_CMD_CMD_H

#include <getopt.h>
#include <stdbool.h>

#include "engine/base/err.h"

int cmd_run(int argc, char **argv, struct err *e);
int cmd_plan(int argc, char **argv, struct err *e);
int cmd_status(int argc, char **argv, struct err *e);
int cmd_report(int argc, char **argv, struct err *e);
int cmd_compare(int argc, char **argv, struct err *e);
int cmd_export(int argc, char **argv, struct err *e);
int cmd_train(int argc, char **argv, struct err *e);
int cmd_verify(int argc, char **argv, struct err *e);
int cmd_inspect(int argc, char **argv, struct err *e);

#define CMD_END  (-1) /* no more options: operands start at argv[optind] */
#define CMD_HELP 'h'

/*
 * The next option of argv: its letter or `val`, CMD_END, or ERR_USAGE (with the nearest known option named). shorts is
 * getopt's string without a leading + or :; it must hold h, and longs {"help", no_argument, NULL, 'h'}.
 */
int cmd_option(int argc, char **argv, const char *shorts, const struct option *longs, struct err *e);

/* The single operand that is left in argv (what: "a grid file"), or ERR_USAGE. */
int cmd_operand(const char **operand, int argc, char **argv, const char *what, struct err *e);

/* An option's whole number between min and max, or ERR_USAGE. */
int cmd_integer(long *value, const char *option, const char *text, long min, long max, struct err *e);

/* --set options as they come; at most one an argument. */
struct cmd_sets {
	int n;
	const char **text; /* calloc'ed for argc of them */
};
int cmd_sets_init(struct cmd_sets *s, int argc, struct err *e);
void cmd_sets_release(struct cmd_sets *s);

#endif
