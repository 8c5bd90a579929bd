/* fault.c - see fault.h */
#include "sweep/run/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/io.h"
#include "sweep/run/watch.h"

#define LABEL_MAX 128

static struct {
	atomic_int calls, hits;
	int at;     /* fail: the call that fails; 0: none */
	bool on;    /* ... and those after it */
	bool cut;   /* ... by doing half of it */
	int error;  /* ... with this errno */
	int trace;  /* fd + 1 */
	bool after; /* kill: after the call */
	int nth;    /* ... the Nth of that label; 0: none */
	char label[LABEL_MAX];
	bool no_sync, lie, torn;
	char key[32], how[16]; /* trial */
} fault;

/* The last part of a path; a temp file (NAME.PID-SERIAL.tmp) has its target's name, a trial's directory is "KEY". */
static void name_of(char out[64], const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t n;

	snprintf(out, 64, "%.63s", slash && slash[1] ? slash + 1 : path); /* the root is "/" */
	n = strlen(out);
	if (n > 4 && !strcmp(out + n - 4, ".tmp")) {
		out[n - 4] = 0;
		if (strrchr(out, '.')) /* the process number */
			*strrchr(out, '.') = 0;
	}
	if (strlen(out) == 16 && strspn(out, "0123456789abcdef") == 16)
		snprintf(out, 64, "KEY");
}

static void die_both(void)
{
	if (getenv(WATCH_ENV))
		kill(getppid(), SIGKILL);
	kill(getpid(), SIGKILL);
}

static void mark(const char *label, bool after)
{
	if (fault.trace && !after) {
		char line[LABEL_MAX + 1];
		int n = snprintf(line, sizeof(line), "%s\n", label);

		if (write(fault.trace - 1, line, (size_t)n) != n)
			fault.trace = 0;
	}
	if (fault.nth && after == fault.after && !strcmp(label, fault.label) &&
	    atomic_fetch_add(&fault.hits, 1) + 1 == fault.nth)
		die_both();
}

static void mark_path(const char *op, const char *path, bool after)
{
	int saved = errno;
	char label[LABEL_MAX];
	char name[64];

	if (!fault.trace && !fault.nth)
		return;
	name_of(name, path);
	snprintf(label, sizeof(label), "%s %s", op, name);
	mark(label, after);
	errno = saved;
}

static void mark_fd(const char *op, int fd, bool after)
{
	char link_path[64];
	char path[4096];
	ssize_t n;

	if (!fault.trace && !fault.nth)
		return;
	snprintf(link_path, sizeof(link_path), "/proc/self/fd/%d", fd);
	n = readlink(link_path, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = 0;
	mark_path(op, path, after);
}

/* Counts a call; is it one that fails? */
static bool hit(void)
{
	int call = atomic_fetch_add(&fault.calls, 1) + 1;

	if (fault.on && fault.error == EINTR && (call - fault.at) % 2) /* for ever would never end: every other one */
		return false;
	return fault.at && (call == fault.at || (fault.on && call > fault.at));
}

/* A call that can neither be interrupted nor be short. */
static bool fails(void)
{
	if (!hit() || fault.cut || fault.error == EINTR)
		return false;
	errno = fault.error;
	return true;
}

static size_t half(size_t n)
{
	return n > 1 ? n / 2 : n;
}

static int f_open(const char *path, int flags, mode_t mode)
{
	int fd;

	if (fails())
		return -1;
	if (flags & O_CREAT)
		mark_path("create", path, false);
	fd = io_system.open(path, flags, mode);
	if (flags & O_CREAT)
		mark_path("create", path, true);
	return fd;
}

static int f_close(int fd)
{
	bool bad = fails();
	int error = errno;
	int rc = io_system.close(fd); /* a failed close has closed */

	if (bad)
		errno = error;
	return bad ? -1 : rc;
}

static ssize_t f_read(int fd, void *bytes, size_t n)
{
	if (hit()) {
		errno = fault.error;
		return fault.cut ? io_system.read(fd, bytes, half(n)) : -1;
	}
	return io_system.read(fd, bytes, n);
}

static ssize_t f_pread(int fd, void *bytes, size_t n, off_t at)
{
	if (hit()) {
		errno = fault.error;
		return fault.cut ? io_system.pread(fd, bytes, half(n), at) : -1;
	}
	return io_system.pread(fd, bytes, n, at);
}

static ssize_t f_write(int fd, const void *bytes, size_t n)
{
	ssize_t w;

	if (hit()) {
		errno = fault.error;
		if (fault.lie)
			return (ssize_t)n;
		return fault.cut ? io_system.write(fd, bytes, half(n)) : -1;
	}
	mark_fd("write", fd, false);
	w = io_system.write(fd, bytes, n);
	mark_fd("write", fd, true);
	return w < 0 && fault.lie ? (ssize_t)n : w;
}

static int f_ftruncate(int fd, off_t n)
{
	int rc;

	if (fails())
		return -1;
	mark_fd("truncate", fd, false);
	rc = io_system.ftruncate(fd, n);
	mark_fd("truncate", fd, true);
	return rc;
}

static int f_fsync(int fd)
{
	int rc;

	if (fails())
		return fault.lie ? 0 : -1;
	if (fault.no_sync)
		return 0;
	mark_fd("fsync", fd, false);
	rc = io_system.fsync(fd);
	mark_fd("fsync", fd, true);
	return fault.lie ? 0 : rc;
}

static int f_rename(const char *from, const char *to)
{
	int rc;

	if (fails())
		return fault.lie ? 0 : -1;
	mark_path("rename", to, false);
	rc = io_system.rename(from, to);
	mark_path("rename", to, true);
	return rc;
}

/* A name that is there before its bytes are, as a store has it that writes in place. */
static int torn_link(const char *from, const char *to)
{
	char bytes[1 << 14];
	int in = io_system.open(from, O_RDONLY | O_CLOEXEC, 0);
	ssize_t n = in < 0 ? -1 : io_system.read(in, bytes, sizeof(bytes));
	int out = n < 0 ? -1 : io_system.open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	int rc = -1;

	if (out >= 0 && io_system.write(out, bytes, (size_t)n / 2) == n / 2) {
		mark_path("torn", to, false);
		usleep(20000);
		rc = io_system.write(out, bytes + n / 2, (size_t)(n - n / 2)) == n - n / 2 ? 0 : -1;
	}
	if (in >= 0)
		io_system.close(in);
	if (out >= 0)
		io_system.close(out);
	return rc;
}

static int f_link(const char *from, const char *to)
{
	int rc;

	if (fails())
		return fault.lie ? 0 : -1;
	mark_path("link", to, false);
	rc = fault.torn ? torn_link(from, to) : io_system.link(from, to);
	mark_path("link", to, true);
	return rc;
}

static int f_unlink(const char *path)
{
	int rc;

	if (fails())
		return -1;
	mark_path("unlink", path, false);
	rc = io_system.unlink(path);
	mark_path("unlink", path, true);
	return rc;
}

static int f_mkdir(const char *path, mode_t mode)
{
	int rc;

	if (fails())
		return -1;
	mark_path("mkdir", path, false);
	rc = io_system.mkdir(path, mode);
	mark_path("mkdir", path, true);
	return rc;
}

static const struct io_ops faulty = {
	.open = f_open,
	.close = f_close,
	.read = f_read,
	.pread = f_pread,
	.write = f_write,
	.ftruncate = f_ftruncate,
	.fsync = f_fsync,
	.rename = f_rename,
	.link = f_link,
	.unlink = f_unlink,
	.mkdir = f_mkdir,
};

static bool read_fail(const char *spec)
{
	static const struct {
		const char *word;
		int error;
	} what[] = {{"EIO", EIO}, {"ENOSPC", ENOSPC}, {"EINTR", EINTR}, {"SHORT", 0}};
	char word[16] = "";
	char on[8] = "";

	if (sscanf(spec, "%d:%15[A-Z]:%7s", &fault.at, word, on) < 2)
		return false;
	fault.on = !strcmp(on, "on");
	fault.cut = !strcmp(word, "SHORT");
	for (size_t i = 0; i < sizeof(what) / sizeof(*what); i++)
		if (!strcmp(word, what[i].word)) {
			fault.error = what[i].error;
			return true;
		}
	return false;
}

static bool read_kill(const char *spec)
{
	char when[8];

	if (sscanf(spec, "%7[a-z]:%127[^:]:%d", when, fault.label, &fault.nth) != 3)
		return false;
	fault.after = !strcmp(when, "after");
	return true;
}

static bool read_spec(const char *spec)
{
	const char *value = strchr(spec, '=');

	value = value ? value + 1 : "";
	if (!strncmp(spec, "fail=", 5))
		return read_fail(value);
	if (!strncmp(spec, "kill=", 5))
		return read_kill(value);
	if (!strncmp(spec, "trace=", 6))
		return (fault.trace = open(value, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) + 1) > 0;
	if (!strncmp(spec, "trial=", 6))
		return sscanf(value, "%31[^:]:%15s", fault.key, fault.how) == 2;
	if (!strcmp(spec, "nosync"))
		return fault.no_sync = true;
	if (!strcmp(spec, "lie"))
		return fault.lie = true;
	return !strcmp(spec, "torn") && (fault.torn = true);
}

static bool read_specs(const char *specs)
{
	char one[256];
	bool ok = true;

	for (const char *at = specs; ok && *at;) {
		size_t n = strcspn(at, ";");

		ok = n < sizeof(one);
		snprintf(one, sizeof(one), "%.*s", (int)n, at);
		ok = ok && read_spec(one);
		at += n + (at[n] == ';');
	}
	return ok;
}

int fault_install(const char *spec, struct err *e)
{
	memset(&fault, 0, sizeof(fault));
	io = &io_system;
	if (!spec || !*spec)
		return 0;
	if (!read_specs(spec))
		return err_set(e, ERR_USAGE, "GAPSWEEP_FAULT '%.60s': see sweep/run/fault.h", spec);
	io = &faulty;
	return 0;
}

int fault_calls(void)
{
	return atomic_load(&fault.calls);
}

void fault_trial(const char *key)
{
	if (!*fault.how || (strcmp(fault.key, "any") != 0 && strcmp(fault.key, key) != 0))
		return;
	if (!strcmp(fault.how, "segv"))
		raise(SIGSEGV);
	if (!strcmp(fault.how, "abort"))
		raise(SIGABRT);
	if (!strcmp(fault.how, "kill"))
		raise(SIGKILL);
	while (!strcmp(fault.how, "hang"))
		pause();
}
