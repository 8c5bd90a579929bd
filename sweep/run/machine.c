/* machine.c - see machine.h */
#include "sweep/run/machine.h"

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sweep/run/clock.h"

/* First line of a command's output, "" if it fails or is not there. Its stderr is dropped. */
static void first_line_of(char *out, size_t size, char *const argv[])
{
	posix_spawn_file_actions_t fa;
	extern char **environ;
	ssize_t n = 0;
	ssize_t r;
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
	while (pid > 0 && n < (ssize_t)size - 1 && (r = read(end[0], out + n, size - 1 - (size_t)n)) > 0)
		n += r;
	close(end[0]);
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

void machine_manifest(struct manifest *m, const struct plan *p, int workers)
{
	*m = (struct manifest){.numerics = ENGINE_NUMERICS_VERSION, .workers = workers};
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

size_t machine_memory(void)
{
	double available = number_in("/proc/meminfo", "MemAvailable:") * 1024;
	double limit = number_in("/sys/fs/cgroup/memory.max", NULL);
	double used = number_in("/sys/fs/cgroup/memory.current", NULL);

	if (limit < 0) { /* cgroup v1 */
		limit = number_in("/sys/fs/cgroup/memory/memory.limit_in_bytes", NULL);
		used = number_in("/sys/fs/cgroup/memory/memory.usage_in_bytes", NULL);
	}
	if (limit >= 0 && used >= 0 && (available < 0 || limit - used < available))
		available = limit > used ? limit - used : 0;
	return available < 0 || available >= 0x1p62 ? SIZE_MAX : (size_t)available;
}
