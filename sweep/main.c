/* main.c - finds the subcommand, prints the one error, exits. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/engine.h"
#include "sweep/cmd/cmd.h"
#include "sweep/grid/suggest.h"
#include "sweep/run/fault.h"
#include "sweep/run/signals.h"

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv, struct err *e);
	const char *operand, *summary;
} commands[] = {
	{"run", cmd_run, "GRID.yaml", "run or continue a sweep into results/NAME"},
	{"plan", cmd_plan, "GRID.yaml", "show what would run, and what of it is finished"},
	{"status", cmd_status, "DIR", "show how far a sweep is; only reads"},
	{"verify", cmd_verify, "DIR", "run finished trials again and compare bit for bit"},
	{"report", cmd_report, "DIR", "rebuild tables, charts and report.html of a run directory"},
	{"compare", cmd_compare, "DIR DIR...", "the same cells of several runs side by side"},
	{"export", cmd_export, "DIR", "write a run as csv, json, sqlite, tensorboard, latex or markdown"},
	{"train", cmd_train, "GRID.yaml", "train one configuration in the foreground"},
	{"inspect", cmd_inspect, "FILE", "show what a weights file holds, or a grid's data sets and groups"},
};
#define N_COMMANDS (sizeof(commands) / sizeof(*commands))

static void print_help(void)
{
	puts("gapsweep - sweeps learning rates and optimizers over a fine-tuning task on the CPU\n"
	     "and shows where the gap between training and validation closes.\n\n"
	     "Usage: gapsweep COMMAND [OPTIONS] ARGUMENT\n");
	for (size_t i = 0; i < N_COMMANDS; i++)
		printf("  %-7s %-10s %s\n", commands[i].name, commands[i].operand, commands[i].summary);
	puts("\ngapsweep COMMAND --help   options of a command\n"
	     "gapsweep --version        version\n\n"
	     "Exit codes: 0 done, 1 some trials failed, 64 usage, 65 bad data or weights, 66 missing input,\n"
	     "69 gnuplot missing, 70 self-test failed, 71 out of memory, 73 cannot create, 74 disk full or I/O error,\n"
	     "75 interrupted (run the same command to go on), 78 bad grid file.");
}

static int unknown_command(const char *name, struct err *e)
{
	char hint[SUGGEST_MAX + 32];
	struct suggest g = {.word = name};

	for (size_t i = 0; i < N_COMMANDS; i++)
		suggest_try(&g, commands[i].name);
	return err_set(e, ERR_USAGE, "unknown command '%.60s'%s; see gapsweep --help", name, suggest_text(&g, hint));
}

static int dispatch(int argc, char **argv, struct err *e)
{
	const char *name = argc > 1 ? argv[1] : "";

	if (!strcmp(name, "help") && argc > 2) { /* help run = run --help */
		argv[1] = argv[2];
		argv[2] = "--help";
		return dispatch(3, argv, e);
	}
	if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help")) {
		print_help();
		return 0;
	}
	if (!strcmp(name, "--version") || !strcmp(name, "-V")) {
		puts("gapsweep " GAPSWEEP_VERSION);
		return 0;
	}
	if (!*name)
		return err_set(e, ERR_USAGE, "no command; see gapsweep --help");
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (!strcmp(name, commands[i].name))
			return commands[i].run(argc - 1, argv + 1, e);
	return unknown_command(name, e);
}

/* "grids/x.yaml:14:3: ..." stands as a compiler's message does, so that an editor can jump to it. */
static int has_position(const struct err *e)
{
	int line;
	int col;
	char path[sizeof(e->msg)];

	return e->code == ERR_CONFIG && sscanf(e->msg, "%1023[^:\n]:%d:%d:", path, &line, &col) == 3;
}

/* A standard stream that the caller closed would be the next file that is opened: messages would be written into it. */
static int open_closed_streams(struct err *e)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return err_set(e, ERR_IO, "/dev/null: %s", strerror(errno));
	return 0;
}

/* Without memory for its buffers OpenBLAS would hang before main() begins. stdio is not set up yet. */
static void before_libraries(int argc, char **argv, char **envp)
{
	struct err e;

	(void)argc;
	(void)argv;
	if (!engine_may_load(envp, &e))
		return;
	dprintf(STDERR_FILENO, "gapsweep: %s\n", e.msg);
	_exit(-ERR_NOMEM);
}
__attribute__((section(".preinit_array"), used)) static void (*const preinit)(int, char **, char **) = before_libraries;

int main(int argc, char **argv)
{
	struct err e = {0};
	int rc = open_closed_streams(&e);

	signals_ignore_io();
	if (!rc)
		rc = fault_install(getenv("GAPSWEEP_FAULT"), &e);
	if (!rc)
		rc = dispatch(argc, argv, &e);
	/* A reader that has seen enough (| head) is no failure; a full disk is. */
	errno = 0;
	if ((fflush(stdout) || ferror(stdout)) && errno != EPIPE && !rc)
		rc = err_set(&e, ERR_IO, "standard output: %s", errno ? strerror(errno) : "cannot write");
	if (rc && *e.msg) /* an empty one: another process has said it */
		fprintf(stderr, "%s%s\n", has_position(&e) ? "" : "gapsweep: ", e.msg);
	return -rc;
}
