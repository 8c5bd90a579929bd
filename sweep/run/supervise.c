/* supervise.c - see supervise.h */
#include "sweep/run/supervise.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sweep/run/clock.h"
#include "sweep/run/watch.h"

#define IDLE_DEATHS_MAX 3    /* deaths in a row with no trial under way: start-up or the report crash */
#define LOOK_S          1.0  /* most time between two looks at the runner */
#define RESERVE_SHARE   0.02 /* of the time there is, kept for the report ... */
#define RESERVE_MAX_S   60.0 /* ... and no more than this */

/* A trial under way. */
struct flight {
	char key[TRIAL_KEY_MAX];
	double sign_s; /* when it last gave a sign of life */
	bool saved;    /* it has left a checkpoint in this runner */
	bool hung;     /* the runner was killed for it */
};

struct supervisor {
	const struct supervise_options *o;
	int fd;
	int workers, cap;
	int n_flights, n_suspects, n_failed;
	struct flight *flight;
	struct suspect *suspect, *failed;
	struct suspect streak;
	int idle_deaths;
	double stop_s; /* when the runner is told that time is up; INFINITY: never, or told */
	bool hung;     /* the runner was killed for those that hung: all of a bundle, as nobody can tell which */
	struct err *e;
};

static volatile sig_atomic_t child, asked;

static void pass_on(int number)
{
	int saved = errno;

	asked = number;
	if (child > 0)
		kill(child, number);
	errno = saved;
}

static const int passed[] = {SIGINT, SIGTERM, SIGHUP};

static void install(void (*handler)(int))
{
	struct sigaction act = {.sa_handler = handler};
	struct sigaction old;

	sigemptyset(&act.sa_mask);
	for (size_t i = 0; i < sizeof(passed) / sizeof(*passed); i++)
		/* nohup's wish is respected; a shell ignores SIGINT for whatever runs in the background */
		if (!sigaction(passed[i], NULL, &old) && (passed[i] != SIGHUP || old.sa_handler != SIG_IGN))
			sigaction(passed[i], &act, NULL);
}

static void tell(const struct supervisor *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void tell(const struct supervisor *s, const char *fmt, ...)
{
	char line[WATCH_LINE];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	n = n < (int)sizeof(line) ? n : (int)sizeof(line) - 1;
	for (int tries = 0; tries < WATCH_TRIES; tries++)
		if (send(s->fd, line, (size_t)n, MSG_NOSIGNAL) >= 0 || errno == EPIPE)
			return; /* said; or it died already, and the loop will see it */
}

/* All that a new runner must know. */
static void brief(const struct supervisor *s)
{
	if (s->cap)
		tell(s, "cap %d", s->cap);
	if (s->o->deadline_s > 0)
		tell(s, "deadline %.3f", s->o->deadline_s);
	if (s->streak.deaths)
		tell(s, "streak %d %s", s->streak.deaths, s->streak.reason);
	for (int i = 0; i < s->n_failed; i++)
		tell(s, "failed %s %s", s->failed[i].key, s->failed[i].reason);
	for (int i = 0; i < s->n_suspects; i++)
		tell(s, "suspect %s %d %d %s", s->suspect[i].key, s->suspect[i].deaths, s->suspect[i].noted,
		     s->suspect[i].reason);
	tell(s, WATCH_GO);
	shutdown(s->fd, SHUT_WR);
}

static void become_runner(char **argv, pid_t parent, const sigset_t *mask)
{
	install(SIG_DFL);
	sigprocmask(SIG_SETMASK, mask, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent)
		execv("/proc/self/exe", argv);
	_exit(-ERR_SOFTWARE);
}

static int start(struct supervisor *s, char **argv)
{
	pid_t parent = getpid();
	sigset_t all, mask;
	char text[16];
	int end[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, end))
		return err_set(s->e, ERR_SOFTWARE, "cannot start the runner: %s", strerror(errno));
	s->fd = end[0];
	snprintf(text, sizeof(text), "%d", end[1]);
	if (setenv(WATCH_ENV, text, 1)) {
		close(end[0]);
		close(end[1]);
		return err_set(s->e, ERR_NOMEM, "out of memory");
	}
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &mask);
	pid = fork();
	if (!pid) {
		close(end[0]);
		become_runner(argv, parent, &mask);
	}
	child = pid;
	sigprocmask(SIG_SETMASK, &mask, NULL); /* a signal that came in between is passed on now */
	close(end[1]);
	if (pid < 0) {
		close(s->fd);
		return err_set(s->e, ERR_SOFTWARE, "cannot start the runner: %s", strerror(errno));
	}
	brief(s);
	return 0;
}

static struct flight *flight_of(struct supervisor *s, const char *key)
{
	for (int i = 0; i < s->n_flights; i++)
		if (!strcmp(s->flight[i].key, key))
			return &s->flight[i];
	return NULL;
}

static int take_off(struct supervisor *s, const char *key)
{
	struct flight *more = realloc(s->flight, ((size_t)s->n_flights + 1) * sizeof(*more));

	if (!more)
		return err_set(s->e, ERR_NOMEM, "out of memory");
	s->flight = more;
	more[s->n_flights] = (struct flight){.sign_s = clock_s()};
	snprintf(more[s->n_flights++].key, TRIAL_KEY_MAX, "%s", key);
	for (int i = 0; i < s->n_suspects; i++)
		s->suspect[i].noted |= !strcmp(s->suspect[i].key, key);
	return 0;
}

static void forget(struct suspect *list, int *n, const char *key)
{
	for (int i = *n - 1; i >= 0; i--)
		if (!strcmp(list[i].key, key))
			list[i] = list[--*n];
}

static int ended(struct supervisor *s, const char *key, const char *state, int streak, const char *reason)
{
	struct suspect f = {0};

	s->idle_deaths = 0;
	forget(s->suspect, &s->n_suspects, key);
	s->streak.deaths = streak;
	snprintf(s->streak.reason, sizeof(s->streak.reason), "%s", reason);
	if (strcmp(state, trial_state_word(STATE_FAIL)) != 0)
		return 0;
	snprintf(f.key, sizeof(f.key), "%s", key);
	snprintf(f.reason, sizeof(f.reason), "%s", reason);
	return suspect_add(&s->failed, &s->n_failed, &f) ? err_set(s->e, ERR_NOMEM, "out of memory") : 0;
}

/* One message from the runner. */
static int hear(struct supervisor *s, const char *line)
{
	char word[16];
	char key[TRIAL_KEY_MAX];
	char state[16] = "";
	char reason[256] = "-";
	int streak = 0;
	struct flight *f;

	if (sscanf(line, "workers %d", &s->workers) == 1)
		return 0;
	if (sscanf(line, "%15s %16s %15s %d %255[^\n]", word, key, state, &streak, reason) < 2)
		return 0;
	if (!strcmp(word, "begin"))
		return take_off(s, key);
	f = flight_of(s, key);
	if (!f)
		return 0;
	f->sign_s = clock_s();
	f->saved |= !strcmp(word, "checkpoint");
	if (strcmp(word, "end") != 0 && strcmp(word, "stop") != 0)
		return 0;
	*f = s->flight[--s->n_flights];
	return !strcmp(word, "end") ? ended(s, key, state, streak, reason) : 0;
}

/* Milliseconds until something may have to be done. */
static int patience(const struct supervisor *s)
{
	double until = fmin(s->stop_s, clock_s() + LOOK_S);
	double left;

	for (int i = 0; i < s->n_flights && s->o->trial_timeout_s > 0; i++)
		until = fmin(until, s->flight[i].sign_s + s->o->trial_timeout_s);
	left = until - clock_s();
	return left < 0 ? 0 : (int)(left * 1000) + 1;
}

static void look_at_clock(struct supervisor *s)
{
	double now = clock_s();

	if (now >= s->stop_s) {
		s->stop_s = INFINITY;
		kill(child, SIGUSR1);
	}
	if (s->hung || s->o->trial_timeout_s <= 0 || asked != 0)
		return;
	for (int i = 0; i < s->n_flights; i++) {
		s->flight[i].hung = now >= s->flight[i].sign_s + s->o->trial_timeout_s;
		s->hung |= s->flight[i].hung;
	}
	if (s->hung)
		kill(child, SIGKILL);
}

/*
 * Until the runner has ended; its wait status in *status. Its end of the line closes with it; but who waits for that alone
 * waits for ever where somebody else has a copy of it.
 */
static int attend(struct supervisor *s, int *status)
{
	bool reaped = false;
	char line[WATCH_LINE];
	int rc = 0;

	while (!reaped) {
		struct pollfd p = {.fd = s->fd, .events = POLLIN};
		ssize_t n = poll(&p, 1, patience(s)) > 0 ? recv(s->fd, line, sizeof(line) - 1, 0) : -1;

		if (!n)
			break;
		if (n > 0) {
			line[n] = 0;
			if (!rc)
				rc = hear(s, line);
			if (rc)
				kill(child, SIGTERM);
		} else {
			reaped = waitpid(child, status, WNOHANG) == child;
		}
		look_at_clock(s);
	}
	close(s->fd);
	while (!reaped && waitpid(child, status, 0) < 0 && errno == EINTR)
		;
	child = 0;
	return rc;
}

/* Notes a death against one trial. */
static int suspect(struct supervisor *s, const struct flight *f, const char *reason)
{
	struct suspect new = {.deaths = 1};

	for (int i = 0; i < s->n_suspects; i++)
		if (!strcmp(s->suspect[i].key, f->key)) {
			s->suspect[i].deaths = f->saved ? 1 : s->suspect[i].deaths + 1;
			s->suspect[i].noted = 0;
			snprintf(s->suspect[i].reason, sizeof(s->suspect[i].reason), "%s", reason);
			return 0;
		}
	memcpy(new.key, f->key, sizeof(new.key));
	snprintf(new.reason, sizeof(new.reason), "%s", reason);
	return suspect_add(&s->suspect, &s->n_suspects, &new) ? err_set(s->e, ERR_NOMEM, "out of memory") : 0;
}

static void why(char out[128], const struct supervisor *s, int number)
{
	const char *name = sigabbrev_np(number);

	if (s->hung)
		snprintf(out, 128, "hung: no epoch ended in %g s", s->o->trial_timeout_s);
	else if (number == SIGKILL)
		snprintf(out, 128, "killed (out of memory?)");
	else
		snprintf(out, 128, "killed by SIG%s", name ? name : "?");
}

/* The runner was killed: who is to blame, and how does it go on? */
static int bury(struct supervisor *s, int number)
{
	char reason[128];
	int rc = 0;

	why(reason, s, number);
	if (!s->n_flights && ++s->idle_deaths >= IDLE_DEATHS_MAX)
		return err_set(s->e, ERR_SOFTWARE, "the runner was %s %d times with no trial under way", reason,
			       s->idle_deaths);
	if (s->n_flights)
		s->idle_deaths = 0;
	if (number == SIGKILL && !s->hung && s->workers > 1)
		s->cap = s->workers / 2;
	fprintf(stderr, "%sgapsweep: the runner was %s with %d trial%s under way; starting it again%s\n",
		isatty(2) ? "\n" : "", s->hung ? "stopped" : reason, s->n_flights, s->n_flights == 1 ? "" : "s",
		s->cap && s->cap < s->workers ? " with fewer workers" : "");
	for (int i = 0; i < s->n_flights && !rc; i++) {
		if (s->hung && !s->flight[i].hung)
			continue;
		if (s->hung)
			fprintf(stderr, "gapsweep: trial %s %s\n", s->flight[i].key, reason);
		rc = suspect(s, &s->flight[i], reason);
	}
	s->n_flights = 0;
	s->hung = false;
	return rc;
}

static int keep_running(struct supervisor *s, char **argv)
{
	for (;;) {
		int status = 0;
		int rc = start(s, argv);

		if (!rc)
			rc = attend(s, &status);
		if (rc)
			return rc;
		if (WIFEXITED(status)) {
			s->e->msg[0] = 0;
			return s->e->code = -WEXITSTATUS(status);
		}
		if (asked)
			return err_set(s->e, ERR_INTERRUPTED, "stopped; run the same command to go on");
		rc = bury(s, WTERMSIG(status));
		if (rc)
			return rc;
	}
}

int supervise(const struct supervise_options *o, char **argv, struct err *e)
{
	double left = o->deadline_s - clock_s();
	struct supervisor s = {.o = o, .fd = -1, .stop_s = INFINITY, .e = e};
	int rc;

	if (o->deadline_s > 0)
		s.stop_s = o->deadline_s - fmin(RESERVE_MAX_S, RESERVE_SHARE * left);
	install(pass_on);
	rc = keep_running(&s, argv);
	free(s.flight);
	free(s.suspect);
	free(s.failed);
	return rc;
}
