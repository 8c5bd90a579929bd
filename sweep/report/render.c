/* render.c - see render.h */
#include "sweep/report/render.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FONT "DejaVu Sans" /* of plots/style.gp */

extern char **environ;

/* Pictures must not depend on the user's locale: a decimal comma would get into the svg's numbers. */
static char **plain_environment(void)
{
	size_t n = 0;
	char **copy;

	for (char **v = environ; *v; v++)
		n++;
	copy = calloc(n + 2, sizeof(char *));
	n = 0;
	for (char **v = environ; copy && *v; v++)
		if (strncmp(*v, "LC_", 3) && strncmp(*v, "LANG", 4))
			copy[n++] = *v;
	if (copy)
		copy[n] = "LC_ALL=C.UTF-8";
	return copy;
}

static int redirect(posix_spawn_file_actions_t *files, int to, int fd)
{
	return to < 0 ? posix_spawn_file_actions_addopen(files, fd, "/dev/null", O_WRONLY, 0)
		      : posix_spawn_file_actions_adddup2(files, to, fd);
}

/* out, errors: descriptors for its output, -1: dropped. */
static int spawn(pid_t *pid, const char *folder, char *const argv[], int out, int errors)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	char **env = plain_environment();
	int rc = ENOMEM;

	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP); /* so that its children can be killed with it */
	if (env && !posix_spawn_file_actions_addchdir_np(&files, folder) &&
	    !posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0) && !redirect(&files, out, 1) &&
	    !redirect(&files, errors, 2))
		rc = posix_spawnp(pid, argv[0], &files, &attr, argv, env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	free(env);
	return rc;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double time_limit(void)
{
	const char *text = getenv("GAPSWEEP_GNUPLOT_TIMEOUT");
	double limit = text ? strtod(text, NULL) : 0;

	return limit > 0 ? limit : 60;
}

/* Wait status, or -1 if it ran too long and was killed. */
static int wait_for(pid_t pid)
{
	const struct timespec pause = {.tv_nsec = 5000000};
	double limit = seconds() + time_limit();
	int status = 0;

	for (;;) {
		pid_t got = waitpid(pid, &status, WNOHANG);

		if (got == pid)
			return status;
		if (got < 0 && errno != EINTR)
			return -1;
		if (seconds() > limit) {
			kill(-pid, SIGKILL);
			waitpid(pid, &status, 0);
			return -1;
		}
		nanosleep(&pause, NULL);
	}
}

/* The line that says what went wrong: gnuplot repeats the script's line and points at it first. */
static void complaint(char *out, size_t size, int errors)
{
	char text[4096];
	ssize_t n = pread(errors, text, sizeof(text) - 1, 0);
	char *save = NULL;

	*out = 0;
	text[n > 0 ? n : 0] = 0;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		line += strspn(line, " \t");
		if (strstr(line, "line ") && !strstr(line, "warning"))
			snprintf(out, size, ": %s", line);
	}
}

static int picture_path(char out[PATH_MAX], const char *folder, const char *prefix, const char *name,
			const char *format, struct err *e)
{
	if (snprintf(out, PATH_MAX, "%s/%s%s.%s", folder, prefix, name, format) >= PATH_MAX)
		return err_set(e, ERR_CANTCREAT, "%s/%s: path too long", folder, name);
	return 0;
}

static int failed(struct err *e, const char *folder, const char *name, const char *why)
{
	return err_set(e, ERR_UNAVAILABLE, "no chart %s: %s; by hand: (cd '%s' && gnuplot %s.gp)", name, why, folder,
		       name);
}

static int run_gnuplot(const char *folder, const char *name, struct err *e)
{
	char out[PATH_MAX];
	char script[PATH_MAX];
	char why[400] = "";
	char words[300];
	pid_t pid;
	int status;
	int rc;
	int errors = memfd_create("gnuplot-stderr", MFD_CLOEXEC);

	if (errors < 0)
		return err_set(e, ERR_IO, "memfd_create: %s", strerror(errno));
	snprintf(out, sizeof(out), "OUT='.tmp-%s'", name);
	snprintf(script, sizeof(script), "%s.gp", name);
	rc = spawn(&pid, folder, (char *[]){"gnuplot", "-d", "-e", out, script, NULL}, -1, errors);
	if (rc) {
		snprintf(why, sizeof(why), "cannot run gnuplot: %s", strerror(rc));
	} else {
		status = wait_for(pid);
		complaint(words, sizeof(words), errors);
		if (status == -1)
			snprintf(why, sizeof(why), "gnuplot took more than %g s", time_limit());
		else if (WIFSIGNALED(status))
			snprintf(why, sizeof(why), "gnuplot was killed by signal %d", WTERMSIG(status));
		else if (WEXITSTATUS(status) == 127 && !*words)
			snprintf(why, sizeof(why), "cannot run gnuplot");
		else if (WEXITSTATUS(status))
			snprintf(why, sizeof(why), "gnuplot ended with %d%s", WEXITSTATUS(status), words);
	}
	close(errors);
	return *why ? failed(e, folder, name, why) : 0;
}

static bool is_empty(const char *path)
{
	struct stat st;

	return stat(path, &st) || st.st_size == 0;
}

int render(const char *folder, const char *name, const char *const *format, int n, struct err *e)
{
	char temp[PATH_MAX];
	char path[PATH_MAX];
	int rc = 0;

	for (int i = 0; i < n && !rc; i++) {
		rc = picture_path(path, folder, "", name, format[i], e);
		unlink(path);
	}
	if (!rc)
		rc = run_gnuplot(folder, name, e);
	for (int i = 0; i < n; i++) {
		struct err ignored;

		if (picture_path(temp, folder, ".tmp-", name, format[i], &ignored) ||
		    picture_path(path, folder, "", name, format[i], &ignored))
			continue;
		if (!rc && is_empty(temp))
			rc = failed(e, folder, name, "gnuplot wrote an empty picture");
		if (!rc && rename(temp, path))
			rc = err_set(e, ERR_IO, "%s: %s", path, strerror(errno));
		unlink(temp);
	}
	return rc;
}

bool render_font_missing(char instead[64])
{
	pid_t pid;
	ssize_t n = -1;
	int out = memfd_create("fc-match-stdout", MFD_CLOEXEC);

	if (out >= 0 && !spawn(&pid, ".", (char *[]){"fc-match", "-f", "%{family[0]}", FONT, NULL}, out, -1) &&
	    !wait_for(pid))
		n = pread(out, instead, 63, 0);
	if (out >= 0)
		close(out);
	instead[n > 0 ? n : 0] = 0;
	return n >= 0 && strcmp(instead, FONT) != 0;
}
