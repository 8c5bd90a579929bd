/*
 * watch.h - the runner's end of the line to its supervisor (supervise.h): what the supervisor knows from runners that died
 * before this one, and what this one tells of its trials.
 *
 * A message is one packet of text. To the runner, before it begins: `cap N`, `deadline S`, `failed KEY REASON`,
 * `suspect KEY DEATHS NOTED REASON`, `streak N REASON`, `go`. From it: `workers N`, `begin KEY`, `epoch KEY`, `checkpoint KEY`,
 * `stop KEY`, `end KEY STATE REASON`.
 */
#ifndef SWEEP_RUN_WATCH_H
#define SWEEP_RUN_WATCH_H

#include "sweep/run/store.h"

#define WATCH_ENV      "GAPSWEEP_RUNNER" /* the line's descriptor; set only for a runner */
#define WATCH_LINE     512               /* most bytes of a message */
#define WATCH_GO       "go"              /* the last message to the runner */
#define WATCH_TRIES    100               /* a call that fails for no lasting reason is tried again so often */
#define DEATHS_TO_FAIL 3

/* A trial that was under way when a runner died, or (deaths 0) that failed earlier in this command. */
struct suspect {
	char key[TRIAL_KEY_MAX];
	int deaths; /* in a row, without a checkpoint in between */
	int noted;  /* 1: the trial has begun since the last of them, and its `attempts` tell */
	char reason[256];
};

/* Start with {.fd = -1}: nobody watches. */
struct watch {
	int fd;
	int cap;           /* most workers; 0: no such limit */
	double deadline_s; /* on clock_s(); 0: none */
	int n_suspects, n_failed;
	struct suspect *suspect, *failed; /* owned */
	struct suspect streak;            /* deaths: how many trials failed in a row for this reason */
};

/* Is this process a runner under a supervisor? Then *w is filled in. ERR_NOMEM; otherwise 0. */
int watch_open(struct watch *w, struct err *e);
void watch_close(struct watch *w);
/* Says something, from any thread; silently nothing if nobody watches. */
void watch_say(const struct watch *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* NULL if the trial is not on the list. */
const struct suspect *watch_suspect(const struct watch *w, const char *key);
const struct suspect *watch_failed(const struct watch *w, const char *key);

/* Appends to a list of suspects; -1 if out of memory. */
int suspect_add(struct suspect **list, int *n, const struct suspect *s);

#endif
