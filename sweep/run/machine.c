/* machine.c - see machine.h */
#include "sweep/run/machine.h"

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sweep/run/clock.h"

/* A command that says nothing for so long (a network's file system that hangs) is not waited for. */
#define COMMAND_MS 5000

/* At most `room` bytes; 0 at the end; -1 on an error, or when the command is not waited for any longer. */
static ssize_t read_within(int fd, char *bytes, size_t room)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, COMMAND_MS) > 0 ? read(fd, bytes, room) : -1;
}

/* First line of a command's output, "" if it fails, hangs or is not there. Its stderr is dropped. */
static void first_line_of(char *out, size_t size, char *const argv[])
{
	posix_spawn_file_actions_t fa;
	extern char **environ;
	ssize_t n = 0;
	ssize_t r = 0;
	int status = -1;
	int end[2];
	pid_t pid;

	out[0] = 0;
	if (pipe2(end, O_CLOEXEC))
		return;
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, end[1], 1);
	posix_spawn_file_actions_addopen(&fa, 2, "/dev/null", O_WRONLY, 0);
	if (posix_spawnp(&pid, argv[0], &fa, NULL, argv, environ))
		pid = -1;
	posix_spawn_file_actions_destroy(&fa);
	close(end[1]);
	while (pid > 0 && n < (ssize_t)size - 1 && (r = read_within(end[0], out + n, size - 1 - (size_t)n)) > 0)
		n += r;
	close(end[0]);
	if (r < 0)
		kill(pid, SIGKILL);
	out[n] = 0;
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || status)
		out[0] = 0;
	out[strcspn(out, "\n")] = 0;
}

/* "COMMIT" or "COMMIT-dirty" of the working tree that the grid file lies in. */
static void git_commit(char out[64], const char *grid)
{
	char copy[PATH_MAX];

	snprintf(copy, sizeof(copy), "%s", grid);
	first_line_of(out, 64,
		      (char *[]){"git", "-C", dirname(copy), "describe", "--always", "--dirty", "--abbrev=40",
				 "--exclude=*", NULL});
}

static void cpu_name(char *out, size_t size)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	char line[256];
	struct utsname u;

	snprintf(out, size, "%s", uname(&u) ? "unknown" : u.machine);
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "model name", 10) && strstr(line, ": ")) {
			line[strcspn(line, "\n")] = 0;
			snprintf(out, size, "%s", strstr(line, ": ") + 2);
			break;
		}
	if (f)
		fclose(f);
}

/* Absolute; "" if it cannot be told. */
static void grid_directory(char out[PATH_MAX], const char *grid)
{
	char path[PATH_MAX];

	if (realpath(grid, path))
		snprintf(out, PATH_MAX, "%s", dirname(path));
}

void machine_manifest(struct manifest *m, const struct plan *p, int workers, int threads)
{
	*m = (struct manifest){.numerics = ENGINE_NUMERICS_VERSION, .workers = workers, .threads = threads};
	snprintf(m->version, sizeof(m->version), "%s", GAPSWEEP_VERSION);
	snprintf(m->kernels, sizeof(m->kernels), "%s", engine_kernels());
	snprintf(m->blas, sizeof(m->blas), "%s", engine_blas());
	cpu_name(m->cpu, sizeof(m->cpu));
	gethostname(m->host, sizeof(m->host) - 1);
	clock_utc(m->created);
	snprintf(m->train_hash, sizeof(m->train_hash), "%s", p->src.keys.train_hash);
	snprintf(m->val_hash, sizeof(m->val_hash), "%s", p->src.keys.val_hash);
	snprintf(m->weights_hash, sizeof(m->weights_hash), "%s", p->src.keys.weights_hash);
	m->n_train = dataset_info(p->src.train)->n;
	m->n_val = dataset_info(p->src.val)->n;
	git_commit(m->git, p->study->path);
	grid_directory(m->grid_dir, p->study->path);
}

/* The number at the start of a file, or behind `key` in it; -1 if there is none. */
static double number_in(const char *path, const char *key)
{
	FILE *f = fopen(path, "re");
	double value = -1;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (!key || !strncmp(line, key, strlen(key))) {
			if (sscanf(line + (key ? strlen(key) : 0), "%lf", &value) != 1)
				value = -1;
			break;
		}
	if (f)
		fclose(f);
	return value;
}

/* What one cgroup directory's limit leaves, page cache that it would give up included; infinity if it has none. */
static double left_in(const char *dir, const char *limit_name, const char *used_name, const char *cache_key)
{
	char path[1100];
	double limit, used, cache;

	snprintf(path, sizeof(path), "%s/%s", dir, limit_name);
	limit = number_in(path, NULL);
	snprintf(path, sizeof(path), "%s/%s", dir, used_name);
	used = number_in(path, NULL);
	snprintf(path, sizeof(path), "%s/memory.stat", dir);
	cache = number_in(path, cache_key);
	if (limit < 0 || used < 0 || limit >= 0x1p62)
		return INFINITY;
	return fmax(0, limit - used + fmax(0, cache));
}

/* The least that any limit from root/path up to root leaves: a parent's binds its children. */
static double left_up(const char *root, const char *path, bool v2)
{
	double least = INFINITY;
	char dir[1024];
	char *slash;

	if (snprintf(dir, sizeof(dir), "%s%s", root, path) >= (int)sizeof(dir))
		return least;
	for (;;) {
		least = fmin(least, v2 ? left_in(dir, "memory.max", "memory.current", "inactive_file ")
				       : left_in(dir, "memory.limit_in_bytes", "memory.usage_in_bytes",
						 "total_inactive_file "));
		slash = strrchr(dir, '/');
		if (!slash || slash < dir + strlen(root))
			return least;
		*slash = 0;
	}
}

static double cgroup_memory(void)
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	double least = INFINITY;
	char line[1024];

	while (f && fgets(line, sizeof(line), f)) { /* "0::/path" is v2's line, "4:memory:/path" v1's */
		char *name = strchr(line, ':');
		char *path = name ? strchr(name + 1, ':') : NULL;

		if (!path)
			continue;
		*path++ = 0;
		path[strcspn(path, "\n")] = 0;
		if (!name[1])
			least = fmin(least, left_up("/sys/fs/cgroup", path, true));
		else if (!strcmp(name + 1, "memory"))
			least = fmin(least, left_up("/sys/fs/cgroup/memory", path, false));
	}
	if (f)
		fclose(f);
	return least;
}

/* What ulimit -v leaves. */
static double address_space(void)
{
	struct rlimit r;
	double used = number_in("/proc/self/statm", NULL) * (double)sysconf(_SC_PAGESIZE);

	if (getrlimit(RLIMIT_AS, &r) || r.rlim_cur == RLIM_INFINITY || used < 0)
		return INFINITY;
	return fmax(0, (double)r.rlim_cur - used);
}

size_t machine_memory(void)
{
	double machine = number_in("/proc/meminfo", "MemAvailable:") * 1024;
	double least = fmin(cgroup_memory(), address_space());

	if (machine >= 0)
		least = fmin(least, machine);
	return least >= 0x1p62 ? SIZE_MAX : (size_t)least;
}
