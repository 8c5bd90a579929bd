/* watch.c - see watch.h */
#include "sweep/run/watch.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int suspect_add(struct suspect **list, int *n, const struct suspect *s)
{
	struct suspect *more = realloc(*list, ((size_t)*n + 1) * sizeof(*more));

	if (!more)
		return -1;
	more[(*n)++] = *s;
	*list = more;
	return 0;
}

/* One message from the supervisor into *w. */
static int take(struct watch *w, const char *line)
{
	struct suspect s = {0};

	if (sscanf(line, "cap %d", &w->cap) == 1 || sscanf(line, "deadline %lf", &w->deadline_s) == 1)
		return 0;
	if (sscanf(line, "streak %d %255[^\n]", &w->streak.deaths, w->streak.reason) == 2)
		return 0;
	if (sscanf(line, "failed %16s %255[^\n]", s.key, s.reason) == 2)
		return suspect_add(&w->failed, &w->n_failed, &s);
	if (sscanf(line, "suspect %16s %d %d %255[^\n]", s.key, &s.deaths, &s.noted, s.reason) == 4)
		return suspect_add(&w->suspect, &w->n_suspects, &s);
	return 0;
}

int watch_open(struct watch *w, struct err *e)
{
	const char *text = getenv(WATCH_ENV);
	char line[WATCH_LINE] = "";
	int failed = 0;

	*w = (struct watch){.fd = text ? atoi(text) : -1};
	if (w->fd < 0)
		return 0;
	fcntl(w->fd, F_SETFD, FD_CLOEXEC); /* not for gnuplot and git */
	while (strcmp(line, WATCH_GO) != 0) {
		ssize_t n = recv(w->fd, line, sizeof(line) - 1, 0);

		if (n < 0 && ++failed < WATCH_TRIES)
			continue;
		if (n <= 0)
			break; /* nobody there: prctl() will end this process */
		line[n] = 0;
		if (take(w, line)) {
			watch_close(w);
			return err_set(e, ERR_NOMEM, "out of memory");
		}
	}
	return 0;
}

void watch_close(struct watch *w)
{
	free(w->suspect);
	free(w->failed);
	*w = (struct watch){.fd = -1}; /* the line itself ends with the process */
}

void watch_say(const struct watch *w, const char *fmt, ...)
{
	char line[WATCH_LINE];
	va_list ap;
	int n;

	if (w->fd < 0)
		return;
	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof(line))
		n = (int)sizeof(line) - 1;
	if (send(w->fd, line, (size_t)n, MSG_NOSIGNAL) < 0)
		return; /* the supervisor is gone, and this process with it */
}

static const struct suspect *find(const struct suspect *list, int n, const char *key)
{
	for (int i = 0; i < n; i++)
		if (!strcmp(list[i].key, key))
			return &list[i];
	return NULL;
}

const struct suspect *watch_suspect(const struct watch *w, const char *key)
{
	return find(w->suspect, w->n_suspects, key);
}

const struct suspect *watch_failed(const struct watch *w, const char *key)
{
	return find(w->failed, w->n_failed, key);
}
