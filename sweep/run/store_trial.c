/* store_trial.c - one trial in the run directory, see store.h */
#include "sweep/run/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "engine/base/file.h"
#include "engine/base/io.h"
#include "sweep/base/text.h"
#include "sweep/run/clock.h"
#include "sweep/run/epochs.h"
#include "sweep/run/records.h"
#include "sweep/run/store_file.h"

static int trial_failed_io(const struct trial_log *log, const char *name, struct err *e)
{
	return err_set(e, ERR_IO, "%s/trials/%s/%s: %s", log->store->dir, log->key, name, strerror(errno));
}

static int remove_file(const struct store *st, const char *key, const char *name, struct err *e)
{
	char path[4096];
	int rc = trial_path(st, path, key, name, e);

	if (rc)
		return rc;
	return io->unlink(path) && errno != ENOENT ? store_io_failed(e, path) : 0;
}

/* A failed or damaged result makes room for a new one; any other is final. */
static int clear_result(const struct store *st, const char *key, struct err *e)
{
	struct trial_end end;
	int rc = store_trial_state(st, key, &end, e);

	if (end.state == STATE_WAITING || (rc && rc != ERR_DATA))
		return rc;
	if (end.state == STATE_COMPLETE || end.state == STATE_DIVERGED || end.state == STATE_PRUNED)
		return err_set(e, ERR_CANTCREAT, "%s/trials/%s: has ended already", st->dir, key);
	rc = remove_file(st, key, "result.json", e);
	if (!rc)
		rc = remove_file(st, key, "final", e);
	return rc ? rc : remove_file(st, key, "correct.bits", e);
}

/* A line in the trial's `attempts`: stamp, host, process, and what else there is to say. */
static int add_attempt(const struct trial_log *log, const char *more, struct err *e)
{
	char stamp[CLOCK_TEXT_MAX];
	char host[64] = "";
	char path[4096];
	char line[480];
	int rc = trial_path(log->store, path, log->key, "attempts", e);
	int fd = rc ? -1 : io->open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644);
	int n;

	if (rc)
		return rc;
	if (fd < 0)
		return store_cannot_create(e, path);
	clock_utc(stamp);
	gethostname(host, sizeof(host) - 1);
	n = snprintf(line, sizeof(line), "%s %s %ld%.300s\n", stamp, host, (long)getpid(), more);
	if (io_write_all(fd, line, (size_t)n))
		rc = store_io_failed(e, path);
	if (io->close(fd) && !rc)
		rc = store_io_failed(e, path);
	return rc;
}

static int count(const char *text, const char *word)
{
	int n = 0;

	for (const char *at = text; (at = strstr(at, word)); at++)
		n++;
	return n;
}

/* Notes this start and counts all that there were. */
static int note_attempt(struct trial_log *log, struct err *e)
{
	char path[4096];
	char *text = NULL;
	size_t n = 0;
	int rc = add_attempt(log, "", e);

	if (!rc)
		rc = trial_path(log->store, path, log->key, "attempts", e);
	if (!rc)
		rc = file_read(&text, &n, path, STORE_JSON_MAX, e);
	if (!rc)
		log->attempt = count(text, "\n") - count(text, " died: ");
	free(text);
	return rc;
}

int store_trial_note_death(const struct trial_log *log, const char *reason, struct err *e)
{
	char more[300];

	snprintf(more, sizeof(more), " died: %.280s", reason);
	return add_attempt(log, more, e);
}

static int write_header(struct trial_log *log, const struct study *s, struct err *e)
{
	struct text t;
	int rc = text_open(&t, e);

	if (rc)
		return rc;
	epochs_header(t.f, s);
	rc = text_close(&t, e);
	if (!rc && io_write_all(log->fd, t.bytes, t.n))
		rc = trial_failed_io(log, "epochs.csv", e);
	text_release(&t);
	return rc;
}

/* Opens epochs.csv with the header and the first `keep` rows in it, or the header alone. */
static int open_rows(struct trial_log *log, const struct study *s, int keep, struct err *e)
{
	char path[4096];
	char *old = NULL;
	size_t n = 0;
	size_t extent = 0;
	int rc = trial_path(log->store, path, log->key, "epochs.csv", e);

	if (rc)
		return rc;
	log->fd = io->open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (log->fd < 0)
		return store_cannot_create(e, path);
	if (keep > 0 && file_read(&old, &n, path, STORE_ROWS_MAX, e))
		return e->code;
	if (old)
		extent = epochs_extent(old, n, s, keep);
	free(old);
	log->epochs_done = extent ? keep : 0;
	if (io->ftruncate(log->fd, (off_t)extent))
		return trial_failed_io(log, "epochs.csv", e);
	return extent ? 0 : write_header(log, s, e);
}

int store_trial_begin(struct trial_log *log, const struct store *st, const struct study *s, const char *key,
		      int keep_epochs, struct err *e)
{
	int rc;

	*log = (struct trial_log){.store = st, .fd = -1, .n_groups = s->n_groups};
	snprintf(log->key, sizeof(log->key), "%s", key);
	rc = clear_result(st, key, e);
	if (!rc)
		rc = note_attempt(log, e);
	if (!rc)
		rc = open_rows(log, s, keep_epochs, e);
	if (rc)
		store_trial_close(log);
	return rc;
}

int store_trial_epoch(struct trial_log *log, const struct epoch_row *row, struct err *e)
{
	struct text t;
	int rc = text_open(&t, e);

	if (rc)
		return rc;
	epochs_row(t.f, row, log->n_groups);
	rc = text_close(&t, e);
	if (!rc && io_write_all(log->fd, t.bytes, t.n))
		rc = trial_failed_io(log, "epochs.csv", e);
	if (!rc)
		log->epochs_done++;
	text_release(&t);
	return rc;
}

static int sync_rows(const struct trial_log *log, struct err *e)
{
	return io->fsync(log->fd) ? trial_failed_io(log, "epochs.csv", e) : 0;
}

/* Of the file as it stands. */
static int hash_rows(const struct trial_log *log, uint64_t *hash, size_t *n, struct err *e)
{
	char path[4096];
	char *rows;
	int rc = trial_path(log->store, path, log->key, "epochs.csv", e);

	if (!rc)
		rc = file_read(&rows, n, path, STORE_ROWS_MAX, e);
	if (rc)
		return rc;
	*hash = XXH3_64bits(rows, *n);
	free(rows);
	return 0;
}

/* Atomic, checksummed, behind the rows that it belongs to. */
static int write_state(struct trial_log *log, const char *name, const void *block, size_t bytes, struct err *e)
{
	struct checkpoint_head head = {
		.magic = CHECKPOINT_MAGIC, .version = CHECKPOINT_VERSION, .epochs = log->epochs_done, .bytes = bytes};
	char path[4096];
	size_t rows_bytes;
	char *file;
	int rc = sync_rows(log, e);

	if (!rc)
		rc = hash_rows(log, &head.rows_hash, &rows_bytes, e);
	if (!rc)
		rc = trial_path(log->store, path, log->key, name, e);
	if (rc)
		return rc;
	head.rows_bytes = rows_bytes;
	head.hash = checkpoint_hash(&head, block);
	file = malloc(sizeof(head) + bytes);
	if (!file)
		return err_set(e, ERR_NOMEM, "%s: out of memory (%zu bytes)", path, bytes);
	memcpy(file, &head, sizeof(head));
	memcpy(file + sizeof(head), block, bytes);
	rc = file_replace(path, file, sizeof(head) + bytes, e);
	free(file);
	return rc;
}

int store_trial_checkpoint(struct trial_log *log, const void *block, size_t bytes, struct err *e)
{
	return write_state(log, "checkpoint", block, bytes, e);
}

int store_trial_keep(struct trial_log *log, const void *block, size_t bytes, struct err *e)
{
	return write_state(log, "final", block, bytes, e);
}

int store_trial_adopt(struct trial_log *log, const struct study *s, const char *from, int epochs, struct err *e)
{
	size_t n = 0;
	char *rows = store_read_rows(log->store, s, from, epochs, &n);
	int rc = 0;

	if (!rows || log->epochs_done)
		log->epochs_done = 0;
	else if (io_write_all(log->fd, rows, n))
		rc = trial_failed_io(log, "epochs.csv", e);
	else
		log->epochs_done = epochs;
	free(rows);
	return rc;
}

/* A temp file for `name` in the trial's directory, written and no more. */
static int begin_file(const struct trial_log *log, struct file_writer *w, const char *name, const void *bytes, size_t n,
		      struct err *e)
{
	char path[4096];
	int rc = trial_path(log->store, path, log->key, name, e);

	if (!rc)
		rc = file_begin(w, path, e);
	return rc ? rc : file_add(w, bytes, n, e);
}

static int begin_result(const struct trial_log *log, struct file_writer *w, const struct trial_end *end, struct err *e)
{
	uint64_t rows_hash = 0;
	char *text;
	size_t n;
	int rc = hash_rows(log, &rows_hash, &n, e);

	if (rc)
		return rc;
	text = result_write(end, log->key, rows_hash);
	if (!text)
		return err_set(e, ERR_NOMEM, "%s/trials/%s/result.json: out of memory", log->store->dir, log->key);
	rc = begin_file(log, w, "result.json", text, strlen(text), e);
	free(text);
	return rc;
}

/*
 * The rows, the bits (whose writer may be without a file) and the result are all written before the first is synced: a
 * journal commits them together. Until the last is synced a power cut may leave any of them and lose any other; a result
 * so left counts only where its rows are those it has the hash of and its bits have their name (trial_result_whole()).
 */
static int publish_together(const struct trial_log *log, struct file_writer *bits, struct file_writer *result,
			    struct err *e)
{
	bool won;
	int rc;

	file_start_writing(log->fd);
	if (bits->fd >= 0)
		file_start_writing(bits->fd);
	file_start_writing(result->fd);
	rc = sync_rows(log, e);
	if (!rc && bits->fd >= 0)
		rc = file_settle(bits, e);
	return rc ? rc : file_publish(result, &won, e);
}

int store_trial_finish(struct trial_log *log, const struct trial_end *end, const uint8_t *bits, int64_t n_bits,
		       struct err *e)
{
	struct file_writer bits_file = {.fd = -1}, result_file = {.fd = -1};
	const size_t n = ((size_t)n_bits + 7) / 8;
	struct trial_end sealed = *end;
	char path[4096];
	int rc = trial_path(log->store, path, log->key, "result.json", e);

	if (rc)
		return rc;
	if (!access(path, F_OK)) /* somebody was first: leave all of theirs as it is */
		return remove_file(log->store, log->key, "checkpoint", e);
	if (bits) {
		bits_hash(sealed.correct_bits_xxh3, bits, n);
		rc = begin_file(log, &bits_file, "correct.bits", bits, n, e);
	}
	if (!rc)
		rc = begin_result(log, &result_file, &sealed, e);
	if (!rc)
		rc = publish_together(log, &bits_file, &result_file, e);
	file_drop(&bits_file);
	file_drop(&result_file);
	return rc ? rc : remove_file(log->store, log->key, "checkpoint", e);
}

void store_trial_close(struct trial_log *log)
{
	if (log->fd >= 0)
		io->close(log->fd);
	log->fd = -1;
}
