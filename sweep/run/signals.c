/* signals.c - see signals.h */
#include "sweep/run/signals.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

static atomic_bool *flag;
static atomic_bool time_up, interrupted;
static atomic_int direct, passed_on; /* how often we were told by others, and by our supervisor */
static pid_t parent;
static const char *message;

static void on_signal(int number, siginfo_t *info, void *context)
{
	bool from_parent = info->si_code <= 0 && info->si_pid == parent;
	int saved = errno;
	int nth;

	(void)context;
	if (number == SIGINT) /* before it counts: another thread may have the second one in hand at this moment */
		atomic_store(&interrupted, true);
	nth = atomic_fetch_add(from_parent ? &passed_on : &direct, 1) + 1;
	if (nth <= atomic_load(from_parent ? &direct : &passed_on))
		return; /* known already */
	if (nth == 1) {
		atomic_store(flag, true);
		if (write(2, message, strlen(message)) < 0)
			errno = saved;
	} else if (atomic_load(&interrupted)) {
		_exit(130);
	}
	errno = saved;
}

static void on_time_up(int number)
{
	(void)number;
	atomic_store(&time_up, true);
	atomic_store(flag, true);
}

bool signals_time_is_up(void)
{
	return atomic_load(&time_up);
}

void signals_install(atomic_bool *stop)
{
	struct sigaction act = {.sa_sigaction = on_signal, .sa_flags = SA_RESTART | SA_SIGINFO};
	struct sigaction clock = {.sa_handler = on_time_up, .sa_flags = SA_RESTART};
	struct sigaction old;

	flag = stop;
	parent = getppid();
	/* On a terminal the progress line stands there without its end. */
	message = isatty(2) ? "\ngapsweep: stopping after this step; run the same command to go on\n"
			    : "gapsweep: stopping after this step; run the same command to go on\n";
	sigemptyset(&act.sa_mask);
	sigemptyset(&clock.sa_mask);
	sigaction(SIGUSR1, &clock, NULL);
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	if (!sigaction(SIGHUP, NULL, &old) && old.sa_handler != SIG_IGN)
		sigaction(SIGHUP, &act, NULL);
}

void signals_ignore_io(void)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
}
