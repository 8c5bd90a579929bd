/* signals.c - see signals.h */
#include "sweep/run/signals.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

static atomic_bool *flag;
static atomic_int received;
static const char *message;

static void on_signal(int number)
{
	int saved = errno;

	if (!atomic_fetch_add(&received, 1)) {
		atomic_store(flag, true);
		if (write(2, message, strlen(message)) < 0)
			errno = saved;
	} else if (number == SIGINT) {
		_exit(130);
	}
	errno = saved;
}

void signals_install(atomic_bool *stop)
{
	struct sigaction act = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	struct sigaction old;

	flag = stop;
	/* On a terminal the progress line stands there without its end. */
	message = isatty(2) ? "\ngapsweep: stopping after this step; run the same command to go on\n"
			    : "gapsweep: stopping after this step; run the same command to go on\n";
	sigemptyset(&act.sa_mask);
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
