/* store.c - the run directory: see store.h; one trial in it is store_trial.c, reading store_read.c */
#include "sweep/run/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "engine/base/io.h"
#include "sweep/run/change.h"
#include "sweep/run/records.h"
#include "sweep/run/store_file.h"

int store_io_failed(struct err *e, const char *path)
{
	return err_set(e, ERR_IO, "%s: %s", path, strerror(errno));
}

int store_cannot_create(struct err *e, const char *path)
{
	return err_set(e, errno == ENOSPC || errno == EIO ? ERR_IO : ERR_CANTCREAT, "%s: %s", path, strerror(errno));
}

static int sync_directory(const char *path, struct err *e)
{
	int fd = io->open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	int rc = fd < 0 || io->fsync(fd) ? store_io_failed(e, path) : 0;

	if (fd >= 0)
		io->close(fd);
	return rc;
}

/* ---- the directory --------------------------------------------------------------------------------------- */

/* A directory of that name, not a symbolic link to one. *made: it is new. */
static int make_directory(const char *path, bool follow, bool *made, struct err *e)
{
	struct stat s;

	*made = !io->mkdir(path, 0755);
	if (*made)
		return 0;
	if (errno != EEXIST)
		return store_cannot_create(e, path);
	if (follow ? stat(path, &s) : lstat(path, &s))
		return store_cannot_create(e, path);
	return S_ISDIR(s.st_mode) ? 0 : err_set(e, ERR_CANTCREAT, "%s: exists and is not a directory", path);
}

/* One that is made stays made: its name is synced, whoever made it; what is not ours may refuse that. */
static int make_lasting(const char *path, struct err *e)
{
	char copy[4096];
	struct err refused;
	bool made;
	int rc = make_directory(path, true, &made, e);

	if (rc)
		return rc;
	snprintf(copy, sizeof(copy), "%s", path);
	rc = sync_directory(dirname(copy), made ? e : &refused);
	return made ? rc : 0;
}

static int make_parents(const char *dir, struct err *e)
{
	char path[4096];
	int rc = 0;

	snprintf(path, sizeof(path), "%s", dir);
	for (char *c = path + 1; *path && *c && !rc; c++)
		if (*c == '/') {
			*c = 0;
			rc = make_lasting(path, e);
			*c = '/';
		}
	return rc ? rc : make_lasting(path, e);
}

int store_fresh(char dir[4096], const char *base, struct err *e)
{
	size_t n = strlen(base);
	char parent[4096];
	int rc;

	while (n > 1 && base[n - 1] == '/')
		n--;
	if (!n || n > 4000)
		return err_set(e, ERR_CANTCREAT, "'%.40s': no good path of a run directory", base);
	snprintf(parent, sizeof(parent), "%.*s", (int)n, base);
	rc = make_parents(dirname(parent), e);
	for (int k = 1; k < 10000 && !rc; k++) {
		snprintf(dir, 4096, k > 1 ? "%.*s-%d" : "%.*s", (int)n, base, k);
		if (!io->mkdir(dir, 0755))
			return 0;
		if (errno != EEXIST)
			rc = store_cannot_create(e, dir);
	}
	return rc ? rc : err_set(e, ERR_CANTCREAT, "%s: 9999 of that name are there already", base);
}

static bool has(const struct store *st, const char *name)
{
	char path[4096];
	struct err ignored;
	struct stat s;

	return !store_path(st, path, sizeof(path), name, &ignored) && !lstat(path, &s);
}

/* `-o .` must not replace somebody's own grid.yaml. */
static int refuse_foreign(const struct store *st, struct err *e)
{
	static const char *const ours[] = {"grid.yaml",  "trials",    "trials.csv",
					   "epochs.csv", "cells.csv", "report.html"};

	if (has(st, "manifest.json") || has(st, "lock"))
		return 0;
	for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++)
		if (has(st, ours[i]))
			return err_set(e, ERR_CANTCREAT, "%s: is not a run directory, and '%s' in it would be replaced",
				       st->dir, ours[i]);
	return 0;
}

static int held_by(int fd, const char *dir, struct err *e)
{
	char pid[32] = "";
	ssize_t n = io->pread(fd, pid, sizeof(pid) - 1, 0);

	pid[n > 0 ? n : 0] = 0;
	pid[strspn(pid, "0123456789")] = 0;
	return err_set(e, ERR_CANTCREAT, "%s is in use by process %s", dir, *pid ? pid : "(unknown)");
}

/* Is the process whose number stands in the lock gone? Then its runner is about to go, and the lock with it. */
static bool holder_is_gone(int fd)
{
	char text[32] = "";
	ssize_t n = io->pread(fd, text, sizeof(text) - 1, 0);
	long pid = n > 0 ? strtol(text, NULL, 10) : 0;

	return pid > 0 && kill((pid_t)pid, 0) && errno == ESRCH;
}

static int lock_or_wait(int fd)
{
	int rc = flock(fd, LOCK_EX | LOCK_NB);

	for (int tries = 0; rc && errno == EWOULDBLOCK && tries < 100 && holder_is_gone(fd); tries++) {
		usleep(50000);
		rc = flock(fd, LOCK_EX | LOCK_NB);
	}
	return rc;
}

static int write_pid(int fd, long pid)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%ld\n", pid);

	return io->ftruncate(fd, 0) || io_write_all(fd, text, (size_t)n);
}

/* flock, not the file's existence, is the lock: it goes with the process that held it. Its name marks the directory as ours
 * (refuse_foreign()), and is there to stay before any other. */
static int take_lock(struct store *st, struct err *e)
{
	char path[4096];
	int rc = store_path(st, path, sizeof(path), "lock", e);

	if (rc)
		return rc;
	st->lock_fd = io->open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (st->lock_fd < 0)
		return store_cannot_create(e, path);
	if (lock_or_wait(st->lock_fd))
		rc = errno == EWOULDBLOCK ? held_by(st->lock_fd, st->dir, e) : store_cannot_create(e, path);
	else if (write_pid(st->lock_fd, getpid()))
		rc = store_io_failed(e, path);
	else
		rc = sync_directory(st->dir, e);
	if (rc) {
		io->close(st->lock_fd);
		st->lock_fd = -1;
	}
	return rc;
}

void store_held_for(struct store *st, long pid)
{
	if (write_pid(st->lock_fd, pid))
		errno = 0; /* a courtesy, as in store_close() */
}

static bool is_temp(const char *name)
{
	size_t n = strlen(name);

	return n > 4 && !strcmp(name + n - 4, ".tmp");
}

/* Temp files of a process that died while it wrote. */
static void remove_temps(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *entry;

	while (d && (entry = readdir(d)))
		if (is_temp(entry->d_name))
			unlinkat(dirfd(d), entry->d_name, 0);
	if (d)
		closedir(d);
}

/* A result that somebody may have seen before a power cut took its name: its temp file is whole, and so is what it belongs
 * to (file_publish()). */
static int take_up_result(const struct store *st, const char *key, const char *dir, struct err *e)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	char result[4096];
	char temp[4096];
	int rc = trial_path(st, result, key, "result.json", e);

	while (d && !rc && (entry = readdir(d))) {
		if (strncmp(entry->d_name, "result.json.", 12) != 0 || !is_temp(entry->d_name) ||
		    !trial_result_whole(st, key, entry->d_name))
			continue;
		rc = path_join(temp, sizeof(temp), dir, entry->d_name, e);
		if (!rc && io->link(temp, result) && errno != EEXIST)
			rc = store_io_failed(e, result);
		if (!rc)
			rc = sync_directory(dir, e);
	}
	if (d)
		closedir(d);
	return rc;
}

/* A process that died right behind publishing left its checkpoint. */
static void remove_spent_checkpoint(const struct store *st, const char *key)
{
	char result[4096];
	char checkpoint[4096];
	struct err ignored;

	if (!trial_path(st, result, key, "result.json", &ignored) && !access(result, F_OK) &&
	    !trial_path(st, checkpoint, key, "checkpoint", &ignored))
		io->unlink(checkpoint);
}

static int tidy_trial(const struct store *st, const char *key, struct err *e)
{
	char path[4096];
	int rc = trial_path(st, path, key, NULL, e);

	if (!rc)
		rc = take_up_result(st, key, path, e);
	if (rc)
		return rc;
	remove_temps(path);
	remove_spent_checkpoint(st, key);
	return 0;
}

/* What processes that died, and power cuts, left half done. */
static int tidy(const struct store *st, struct err *e)
{
	struct dirent *entry;
	char trials[4096];
	int rc = store_path(st, trials, sizeof(trials), "trials", e);
	DIR *d = rc ? NULL : opendir(trials);

	remove_temps(st->dir);
	while (d && !rc && (entry = readdir(d)))
		if (entry->d_name[0] != '.')
			rc = tidy_trial(st, entry->d_name, e);
	if (d)
		closedir(d);
	return rc;
}

static int copy_grid(const struct store *st, const struct study *s, struct err *e)
{
	char path[4096];
	struct err ignored;
	char *old = NULL;
	size_t n = 0;
	bool same;
	int rc = store_path(st, path, sizeof(path), "grid.yaml", e);

	if (rc)
		return rc;
	same = !file_read(&old, &n, path, STORE_JSON_MAX, &ignored) && n == s->text_bytes && !memcmp(old, s->text, n);
	free(old);
	return same ? 0 : file_replace(path, s->text, s->text_bytes, e);
}

static int write_manifest(const struct store *st, const char *path, struct err *e)
{
	char *text = manifest_write(&st->manifest);
	int rc = text ? file_replace(path, text, strlen(text), e) : err_set(e, ERR_NOMEM, "%s: out of memory", path);

	free(text);
	return rc;
}

/* Writes the manifest; the time of creation is that of the directory's first. */
static int put_manifest(struct store *st, const struct study *s, char note[1024], struct err *e)
{
	char path[4096];
	struct manifest old;
	struct err why;
	char *text = NULL;
	size_t n;
	int rc = store_path(st, path, sizeof(path), "manifest.json", e);

	if (rc)
		return rc;
	if (!file_read(&text, &n, path, STORE_JSON_MAX, &why)) {
		if (manifest_parse(&old, text, path, &why)) {
			snprintf(note, 1024, "%.900s; written anew", why.msg);
		} else {
			change_sources(note, &old, &st->manifest, s);
			memcpy(st->manifest.created, old.created, sizeof(old.created));
			manifest_release(&old);
		}
	}
	free(text);
	return write_manifest(st, path, e);
}

int store_set_workers(struct store *st, int workers, struct err *e)
{
	char path[4096];
	int rc = store_path(st, path, sizeof(path), "manifest.json", e);

	st->manifest.workers = workers;
	return rc ? rc : write_manifest(st, path, e);
}

int store_open(struct store *st, const char *dir, const struct study *s, const struct manifest *m, char note[1024],
	       struct err *e)
{
	char trials[4096];
	bool made;
	int rc;

	*st = (struct store){.lock_fd = -1};
	note[0] = 0;
	if (!*dir || snprintf(st->dir, sizeof(st->dir), "%s", dir) >= (int)sizeof(st->dir))
		return err_set(e, ERR_CANTCREAT, "'%.40s': no good path of a run directory", dir);
	rc = manifest_copy(&st->manifest, m, e);
	if (!rc)
		rc = make_parents(dir, e);
	if (!rc)
		rc = refuse_foreign(st, e);
	if (!rc)
		rc = take_lock(st, e);
	if (!rc)
		rc = store_path(st, trials, sizeof(trials), "trials", e);
	if (!rc)
		rc = make_directory(trials, false, &made, e);
	if (!rc)
		rc = tidy(st, e);
	if (!rc)
		rc = copy_grid(st, s, e);
	if (!rc)
		rc = put_manifest(st, s, note, e);
	if (rc)
		store_close(st);
	return rc;
}

int store_trial_make(const struct store *st, const char *key, struct err *e)
{
	char path[4096];
	bool made;
	int rc = trial_path(st, path, key, NULL, e);

	return rc ? rc : make_directory(path, false, &made, e);
}

int store_trials_made(const struct store *st, struct err *e)
{
	char path[4096];
	int rc = store_path(st, path, sizeof(path), "trials", e);

	return rc ? rc : sync_directory(path, e);
}

void store_close(struct store *st)
{
	if (st->lock_fd >= 0) {
		if (io->ftruncate(st->lock_fd, 0)) /* the pid is a courtesy; the lock goes with the descriptor */
			errno = 0;
		io->close(st->lock_fd);
	}
	st->lock_fd = -1;
	manifest_release(&st->manifest);
}
