/* store_read.c - the reading half of store.h */
#include "sweep/run/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "engine/base/file.h"
#include "engine/base/io.h"
#include "sweep/run/epochs.h"
#include "sweep/run/records.h"
#include "sweep/run/store_file.h"

const char *trial_state_word(enum trial_state s)
{
	static const char *const word[] = {"WAITING", "RUNNING", "COMPLETE", "PRUNED", "DIVERGED", "FAIL"};

	return word[s];
}

uint64_t checkpoint_hash(const struct checkpoint_head *head, const void *block)
{
	return XXH3_64bits_withSeed(block, head->bytes, XXH3_64bits(head, offsetof(struct checkpoint_head, hash)));
}

int store_path(const struct store *st, char *out, size_t size, const char *name, struct err *e)
{
	return path_join(out, size, st->dir, name, e);
}

int trial_path(const struct store *st, char out[4096], const char *key, const char *name, struct err *e)
{
	int n = snprintf(out, 4096, "%s/trials/%s%s%s", st->dir, key, name ? "/" : "", name ? name : "");

	return n < 4096 ? 0 : err_set(e, ERR_CANTCREAT, "%s/trials/%s: path too long", st->dir, key);
}

static int read_manifest(struct store *st, struct err *e)
{
	char path[4096];
	char *text;
	size_t n;
	int rc = store_path(st, path, sizeof(path), "manifest.json", e);

	if (!rc)
		rc = file_read(&text, &n, path, STORE_JSON_MAX, e);
	if (rc)
		return rc;
	rc = manifest_parse(&st->manifest, text, path, e);
	free(text);
	return rc;
}

static int read_study(struct study *s, const struct store *st, struct err *e)
{
	const char *const *sets = (const char *const *)st->manifest.set;
	char path[4096];
	char *text;
	size_t n;
	int rc = store_path(st, path, sizeof(path), "grid.yaml", e);

	if (!rc)
		rc = file_read(&text, &n, path, STORE_JSON_MAX, e);
	if (rc)
		return rc;
	rc = study_parse(s, text, n, path, sets, st->manifest.n_sets, e);
	free(text);
	return rc;
}

int store_read(struct store *st, struct study *s, const char *dir, struct err *e)
{
	int rc;

	*st = (struct store){.lock_fd = -1};
	*s = (struct study){0};
	if (snprintf(st->dir, sizeof(st->dir), "%s", dir) >= (int)sizeof(st->dir))
		return err_set(e, ERR_NOINPUT, "%s: path too long", dir);
	rc = read_manifest(st, e);
	if (!rc)
		rc = read_study(s, st, e);
	if (rc)
		store_close(st);
	return rc;
}

/* A record that could not be read is a failed one whose reason is the error. */
static int damaged(struct trial_end *end, struct err *e)
{
	*end = (struct trial_end){.state = STATE_FAIL};
	snprintf(end->reason, sizeof(end->reason), "%.*s", (int)sizeof(end->reason) - 1, e->msg);
	e->code = ERR_DATA;
	return ERR_DATA;
}

/* What cannot be read now (the device, a permission, no memory) may stand there whole: it is an error, never damage. */
static int unreadable(struct trial_end *end, struct err *e)
{
	int rc = e->code;

	damaged(end, e);
	e->code = rc;
	return rc;
}

/* result.json and the rows that it was published with. */
static int read_ended(const char *text, size_t n, const char *result, const char *epochs, const char *key,
		      struct trial_end *end, char **rows, size_t *n_bytes, struct err *e)
{
	uint64_t rows_hash;
	int rc = strlen(text) == n ? result_parse(end, &rows_hash, text, key, result, e)
				   : err_set(e, ERR_DATA, "%s: damaged: a NUL byte", result);

	if (rc)
		return rc == ERR_DATA ? damaged(end, e) : unreadable(end, e);
	if (file_read_maybe(rows, n_bytes, epochs, STORE_ROWS_MAX, e))
		return unreadable(end, e);
	if (*rows && XXH3_64bits(*rows, *n_bytes) == rows_hash)
		return 0;
	err_set(e, ERR_DATA, "%s: damaged: %s", epochs,
		*rows ? "not the rows that result.json was published with" : "it is missing, but result.json is there");
	free(*rows);
	*rows = NULL;
	return damaged(end, e);
}

/* State of a trial, whose result is file `name`, and the bytes of its epochs.csv (malloc'ed; NULL if there is none). */
static int read_files(const struct store *st, const char *key, const char *name, struct trial_end *end, char **rows,
		      size_t *n_bytes, struct err *e)
{
	char result[4096];
	char epochs[4096];
	char *text;
	size_t n;
	int rc;

	*end = (struct trial_end){.state = STATE_WAITING};
	*rows = NULL;
	*n_bytes = 0;
	if (trial_path(st, result, key, name, e) || trial_path(st, epochs, key, "epochs.csv", e))
		return damaged(end, e);
	rc = file_read_maybe(&text, &n, result, STORE_JSON_MAX, e);
	if (rc)
		return rc == ERR_DATA ? damaged(end, e) : unreadable(end, e);
	if (!text) {
		if (file_read_maybe(rows, n_bytes, epochs, STORE_ROWS_MAX, e))
			return unreadable(end, e);
		if (*rows)
			end->state = STATE_RUNNING;
		return 0;
	}
	rc = read_ended(text, n, result, epochs, key, end, rows, n_bytes, e);
	free(text);
	return rc;
}

int store_trial_state(const struct store *st, const char *key, struct trial_end *end, struct err *e)
{
	char *rows;
	size_t n;
	int rc = read_files(st, key, "result.json", end, &rows, &n, e);

	free(rows);
	return rc;
}

static bool has_bits(const struct store *st, const char *key)
{
	struct err ignored;
	char path[4096];

	return !trial_path(st, path, key, "correct.bits", &ignored) && !access(path, F_OK);
}

bool trial_result_whole(const struct store *st, const char *key, const char *name)
{
	struct trial_end end;
	struct err ignored;
	char *rows;
	size_t n;
	int rc = read_files(st, key, name, &end, &rows, &n, &ignored);

	free(rows);
	return !rc && end.state >= STATE_COMPLETE && (!*end.weights || has_bits(st, key));
}

int store_read_trial(const struct store *st, const struct study *s, const char *key, struct trial_record *r,
		     struct err *e)
{
	char path[4096];
	char *rows;
	size_t n;
	int rc;

	*r = (struct trial_record){0};
	rc = read_files(st, key, "result.json", &r->end, &rows, &n, e);
	if (!rc && rows) {
		rc = trial_path(st, path, key, "epochs.csv", e);
		if (!rc)
			rc = epochs_parse(&r->row, &r->n_rows, rows, n, s, path, e);
		if (!rc && r->end.state >= STATE_COMPLETE && r->n_rows != r->end.epochs)
			rc = err_set(e, ERR_DATA, "%s: %d rows; its result.json says %d", path, r->n_rows,
				     r->end.epochs);
		if (rc) {
			trial_record_release(r);
			rc = rc == ERR_DATA ? damaged(&r->end, e) : unreadable(&r->end, e);
		}
	}
	free(rows);
	return rc;
}

void trial_record_release(struct trial_record *r)
{
	free(r->row);
	r->row = NULL;
	r->n_rows = 0;
}

char *store_read_rows(const struct store *st, const struct study *s, const char *key, int n_rows, size_t *n)
{
	struct err ignored;
	char path[4096];
	char *bytes;
	size_t all;
	size_t head;
	size_t end;

	if (trial_path(st, path, key, "epochs.csv", &ignored) ||
	    file_read(&bytes, &all, path, STORE_ROWS_MAX, &ignored))
		return NULL;
	head = epochs_extent(bytes, all, s, 0);
	end = epochs_extent(bytes, all, s, n_rows);
	if (!head || !end) {
		free(bytes);
		return NULL;
	}
	*n = end - head;
	memmove(bytes, bytes + head, *n);
	bytes[*n] = 0;
	return bytes;
}

void bits_hash(char out[17], const void *bits, size_t n)
{
	snprintf(out, 17, "%016" PRIx64, XXH3_64bits(bits, n));
}

/* Versions that kept no hash are believed. */
static bool bits_are_those(const struct trial_end *end, const char *bits, size_t n)
{
	char hash[17];

	bits_hash(hash, bits, n);
	return !*end->correct_bits_xxh3 || !strcmp(hash, end->correct_bits_xxh3);
}

uint8_t *store_read_bits(const struct store *st, const char *key, const struct trial_end *end, int64_t n_bits,
			 struct err *e)
{
	char path[4096];
	char *bytes = NULL;
	size_t n;

	if (trial_path(st, path, key, "correct.bits", e) ||
	    file_read(&bytes, &n, path, n_bits > 0 ? (size_t)n_bits / 8 + 1 : 0, e))
		return NULL;
	if (n_bits <= 0 || n != (size_t)(n_bits + 7) / 8)
		err_set(e, ERR_DATA, "%s: damaged: %zu bytes", path, n);
	else if (!bits_are_those(end, bytes, n))
		err_set(e, ERR_DATA, "%s: damaged: not the bits that result.json was published with", path);
	else
		return (uint8_t *)bytes;
	free(bytes);
	return NULL;
}

long store_holder(const struct store *st)
{
	struct err ignored;
	char path[4096];
	char *text = NULL;
	size_t n = 0;
	long pid = 0;

	if (!store_path(st, path, sizeof(path), "lock", &ignored) &&
	    !file_read_maybe(&text, &n, path, STORE_JSON_MAX, &ignored) && text)
		pid = strtol(text, NULL, 10);
	free(text);
	return pid > 0 && (!kill((pid_t)pid, 0) || errno == EPERM) ? pid : 0;
}

/* Do the first rows of epochs.csv still read as they did when the checkpoint was written? */
static bool rows_still_stand(const struct store *st, const char *key, const struct checkpoint_head *head)
{
	struct err ignored;
	char path[4096];
	char *rows;
	size_t n;
	bool same;

	if (trial_path(st, path, key, "epochs.csv", &ignored) || file_read(&rows, &n, path, STORE_ROWS_MAX, &ignored))
		return false;
	same = n >= head->rows_bytes && XXH3_64bits(rows, head->rows_bytes) == head->rows_hash;
	free(rows);
	return same;
}

static bool checkpoint_sound(const char *file, size_t n, struct checkpoint_head *head)
{
	if (n < sizeof(*head))
		return false;
	memcpy(head, file, sizeof(*head));
	return !memcmp(head->magic, CHECKPOINT_MAGIC, sizeof(head->magic)) && head->version == CHECKPOINT_VERSION &&
	       head->bytes == n - sizeof(*head) && head->epochs >= 0 &&
	       head->hash == checkpoint_hash(head, file + sizeof(*head));
}

static int load_state(const struct store *st, const char *key, const char *name, void **block, size_t *bytes,
		      int *epochs, struct err *e)
{
	struct checkpoint_head head;
	char path[4096];
	char *file = NULL;
	size_t n = 0;
	int rc;

	*block = NULL;
	*bytes = 0;
	*epochs = 0;
	rc = trial_path(st, path, key, name, e);
	if (!rc)
		rc = file_read_maybe(&file, &n, path, SIZE_MAX / 4, e);
	if (rc || !file)
		return rc;
	if (checkpoint_sound(file, n, &head) && rows_still_stand(st, key, &head)) {
		*bytes = head.bytes;
		*epochs = head.epochs;
		*block = memmove(file, file + sizeof(head), head.bytes);
	} else {
		free(file);
	}
	return 0;
}

int store_load_checkpoint(const struct store *st, const char *key, void **block, size_t *bytes, int *epochs,
			  struct err *e)
{
	return load_state(st, key, "checkpoint", block, bytes, epochs, e);
}

int store_load_final(const struct store *st, const char *key, void **block, size_t *bytes, int *epochs, struct err *e)
{
	return load_state(st, key, "final", block, bytes, epochs, e);
}

/* The head alone: whether the rest is sound shows when it is loaded. */
static bool read_head(const char *path, struct checkpoint_head *head)
{
	int fd = io->open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0);
	bool ok = fd >= 0 && io->pread(fd, head, sizeof(*head), 0) == (ssize_t)sizeof(*head) &&
		  !memcmp(head->magic, CHECKPOINT_MAGIC, sizeof(head->magic)) && head->version == CHECKPOINT_VERSION;

	if (fd >= 0)
		io->close(fd);
	return ok;
}

static int by_final_key(const void *a, const void *b)
{
	return strcmp(((const struct store_final *)a)->key, ((const struct store_final *)b)->key);
}

int store_finals(const struct store *st, struct store_final **list, int *n, struct err *e)
{
	struct dirent *entry;
	char path[4096];
	size_t room = 0;
	DIR *d;
	int rc = store_path(st, path, sizeof(path), "trials", e);

	*list = NULL;
	*n = 0;
	if (rc)
		return rc;
	d = opendir(path);
	while (d && !rc && (entry = readdir(d))) {
		struct checkpoint_head head;

		if (strlen(entry->d_name) != TRIAL_KEY_MAX - 1 || trial_path(st, path, entry->d_name, "final", e) ||
		    !read_head(path, &head))
			continue;
		if ((size_t)*n == room) {
			struct store_final *more = realloc(*list, (room = 2 * room + 16) * sizeof(**list));

			if (!more) {
				rc = err_set(e, ERR_NOMEM, "out of memory");
				break;
			}
			*list = more;
		}
		(*list)[*n].epochs = head.epochs;
		memcpy((*list)[(*n)++].key, entry->d_name, TRIAL_KEY_MAX);
	}
	if (d)
		closedir(d);
	if (*list)
		qsort(*list, (size_t)*n, sizeof(**list), by_final_key);
	return rc;
}

const struct store_final *store_find_final(const struct store_final *list, int n, const char *key)
{
	struct store_final want = {0};

	snprintf(want.key, sizeof(want.key), "%s", key);
	return n ? bsearch(&want, list, (size_t)n, sizeof(*list), by_final_key) : NULL;
}
