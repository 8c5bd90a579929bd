/*
 * store.h - a run directory: the only writer of it while a sweep runs, and the reader that reports use.
 *
 *   DIR/grid.yaml                    byte copy of the grid file
 *   DIR/manifest.json                versions, machine, hashes, --set options
 *   DIR/lock                         flock'ed while a runner lives; holds its pid
 *   DIR/trials/KEY/attempts          a line each time the trial was begun: stamp, host, pid; and one
 *                                    with `died: REASON` behind if its process was killed
 *   DIR/trials/KEY/epochs.csv        a row an epoch, appended whole (epochs.h)
 *   DIR/trials/KEY/result.json       exists <=> the trial ended; first writer wins
 *   DIR/trials/KEY/checkpoint        only while unfinished
 *   DIR/trials/KEY/correct.bits      one bit a validation sample, with result.json
 *   DIR/trials/KEY/final             `keep: final`: the state at the end, as a checkpoint
 *
 * The tables, charts and report.html beside them are derived (sweep/report/) and may be deleted at any time.
 * results/README.md describes the format for people.
 */
#ifndef SWEEP_RUN_STORE_H
#define SWEEP_RUN_STORE_H

#include "engine/engine.h"
#include "sweep/grid/grid.h"
#include "sweep/grid/metric.h"

/* Optuna's state words (trial_state_word), plus DIVERGED, which is a result and not a failure. */
enum trial_state { STATE_WAITING, STATE_RUNNING, STATE_COMPLETE, STATE_PRUNED, STATE_DIVERGED, STATE_FAIL };
const char *trial_state_word(enum trial_state s);

struct manifest {
	char version[32]; /* gapsweep's */
	int numerics;     /* ENGINE_NUMERICS_VERSION */
	char kernels[16]; /* engine_kernels() */
	char blas[128];
	char cpu[128];
	char host[64];
	char created[32];     /* ISO 8601 UTC */
	int workers, threads; /* trials at a time; threads in all (0: an older run) */
	char train_hash[33], val_hash[33], weights_hash[33];
	int64_t n_train, n_val;
	char grid_dir[4096]; /* where the grid file lay: its relative paths start there; "" if not known */
	char git[64];        /* commit of the grid file's directory, with "-dirty"; "" if none */
	int n_sets;
	char **set; /* --set options, in order */
};

/* Start with {.lock_fd = -1}. */
struct store {
	char dir[4096];
	int lock_fd;              /* -1: not held */
	struct manifest manifest; /* owned */
};

/* --- writing: one process at a time ------------------------------------------------------------------------- */

/*
 * Creates DIR (and parents) or opens it again, takes the lock (ERR_CANTCREAT names the pid that holds it), copies the
 * grid file and writes the manifest. On an existing DIR: the copy is replaced if the grid changed (finished trials are
 * found again by their keys); if data, weights, numerics or kernels differ from the manifest, *note gets one line that
 * says so. Stray temp files are removed. A DIR that is no run directory but holds files of such names is refused.
 */
int store_open(struct store *st, const char *dir, const struct study *s, const struct manifest *m, char note[1024],
	       struct err *e);
/* How many trials at a time it has become: writes the manifest again, as store_open() does, with its errors. */
int store_set_workers(struct store *st, int workers, struct err *e);
/* Makes the first of BASE, BASE-2, BASE-3 ... that is not there yet, empty, and the directories above it. */
int store_fresh(char dir[4096], const char *base, struct err *e);
/* Writes another process's number into the lock: the one that a user should signal. */
void store_held_for(struct store *st, long pid);
void store_close(struct store *st); /* accepts a zeroed one with lock_fd -1 */

/* Where a trial's rows go while it runs. One thread owns it. */
struct trial_log {
	const struct store *store;
	char key[TRIAL_KEY_MAX];
	int fd; /* epochs.csv; -1: closed */
	int n_groups;
	int epochs_done; /* rows that stand */
	int attempt;     /* how often this trial was begun, this time included */
};
/*
 * A trial's directory is there, empty or as it was left, once store_trial_make() was called for it, and to stay once
 * store_trials_made() was, which one call does for any number of them: also for those that a process made which was killed
 * before it came to that. ERR_CANTCREAT: it cannot be made, or is no directory but a file or a link; ERR_IO: it cannot be
 * synced, or there is no room.
 */
int store_trial_make(const struct store *st, const char *key, struct err *e);
int store_trials_made(const struct store *st, struct err *e);
/*
 * In a directory that is there to stay: cuts epochs.csv back to the first keep_epochs whole rows (0, or fewer stand:
 * none). A checkpoint stays. Removes a result that is FAIL or damaged; a trial that has ended otherwise is refused
 * (ERR_CANTCREAT).
 */
int store_trial_begin(struct trial_log *log, const struct store *st, const struct study *s, const char *key,
		      int keep_epochs, struct err *e);
/* Notes in `attempts` why the attempt before this one ended. */
int store_trial_note_death(const struct trial_log *log, const char *reason, struct err *e);
int store_trial_epoch(struct trial_log *log, const struct epoch_row *row, struct err *e);
/* Atomic, checksummed; it belongs to the rows that stand, which are synced first. */
int store_trial_checkpoint(struct trial_log *log, const void *block, size_t bytes, struct err *e);
/*
 * Newest valid checkpoint of a trial: malloc'ed block and its epochs; *block NULL if there is none, or it is damaged,
 * or its rows are no longer in epochs.csv as they were (not an error: the trial starts anew).
 */
int store_load_checkpoint(const struct store *st, const char *key, void **block, size_t *bytes, int *epochs,
			  struct err *e);

/* The same under another name, to stay behind the result: a longer run may go on from it. */
int store_trial_keep(struct trial_log *log, const void *block, size_t bytes, struct err *e);
int store_load_final(const struct store *st, const char *key, void **block, size_t *bytes, int *epochs, struct err *e);
struct store_final {
	char key[TRIAL_KEY_MAX];
	int epochs;
};
/* All that are kept, sorted by key; *list is malloc'ed. */
int store_finals(const struct store *st, struct store_final **list, int *n, struct err *e);
const struct store_final *store_find_final(const struct store_final *list, int n, const char *key);
/* Copies the first rows of another trial's epochs.csv into the empty one of this; none (epochs_done 0) if they are gone. */
int store_trial_adopt(struct trial_log *log, const struct study *s, const char *from, int epochs, struct err *e);

struct trial_end {
	enum trial_state state;         /* COMPLETE, DIVERGED, FAIL, PRUNED */
	int epochs;                     /* rows in epochs.csv */
	char reason[256];               /* "" if COMPLETE */
	double train_s, eval_s, wall_s; /* this process's share of it */
	char host[64];
	char started[32], ended[32]; /* ISO 8601 UTC */
	int attempt, worker;         /* attempt counts from 1 */
	char weights[17];            /* trial_weights_hash() at the end; "" if FAIL, or of a version that kept none */
	char correct_bits_xxh3[17];  /* of that file, in hex; "" as above, or without bits */
	/* This process's share too: what was computed for this trial alone or first, and what another had done. */
	double macs, macs_reused;        /* multiply-adds, a backward pass counted as two forward */
	int epochs_reused;               /* first epochs, which are another trial's ... */
	char reused_from[TRIAL_KEY_MAX]; /* ... of this key; "": none */
	/* DIVERGED only (see struct divergence); result.json has them too. */
	int diverged_epoch;
	int64_t diverged_step;
	double diverged_loss;
	char diverged_group[ENGINE_NAME_MAX];
	int last_finite_epoch;         /* the last epoch whose three losses are finite; 0: none */
	double last_finite[N_METRICS]; /* its figures; not read back: epochs.csv has the row */
};
/*
 * Writes correct.bits (bits may be NULL where end->weights is "") and result.json, syncs both and epochs.csv, publishes the
 * result (its correct_bits_xxh3 is made of bits, whatever stands in end), removes the checkpoint. If a result stands there
 * already, it stays.
 */
int store_trial_finish(struct trial_log *log, const struct trial_end *end, const uint8_t *bits, int64_t n_bits,
		       struct err *e);
void store_trial_close(struct trial_log *log);

/* --- reading: any process, also while a sweep runs ----------------------------------------------------------- */

/* Opens for reading: manifest and grid copy; the study is parsed from the copy with the manifest's --set options. */
int store_read(struct store *st, struct study *s, const char *dir, struct err *e);

/*
 * How a trial stands, without its rows: WAITING, RUNNING (begun, no result), or what result.json says. Damage - of
 * result.json, or an epochs.csv other than the one it was published with - is ERR_DATA, and the state is FAIL then. What
 * could not be read (ERR_IO, ERR_NOINPUT) is FAIL too, but may be whole: nobody may replace it.
 */
int store_trial_state(const struct store *st, const char *key, struct trial_end *end, struct err *e);

struct trial_record {
	struct trial_end end; /* state WAITING or RUNNING (rows but no result) if unfinished */
	int n_rows;
	struct epoch_row *row; /* owned; train_s and eval_s are 0 here */
};
/* Reads one trial; a torn last row is ignored. A damaged file is ERR_DATA and the record is state FAIL with the reason.
 */
int store_read_trial(const struct store *st, const struct study *s, const char *key, struct trial_record *r,
		     struct err *e);
void trial_record_release(struct trial_record *r);
/*
 * The text of a trial's first n_rows rows (malloc'ed, without header), each a line in the columns of epochs.h; NULL if
 * they do not stand there as this version writes them.
 */
char *store_read_rows(const struct store *st, const struct study *s, const char *key, int n_rows, size_t *n);
/* correct.bits of a trial that ended so, malloc'ed; NULL if it is not there, has not the bytes of n_bits or the hash that
 * result.json has of it (ERR_DATA), or cannot be read: *e. */
uint8_t *store_read_bits(const struct store *st, const char *key, const struct trial_end *end, int64_t n_bits,
			 struct err *e);
/* Number of the process that works on the directory; 0 if none does (told by the lock's text: no lock is taken). */
long store_holder(const struct store *st);
/* Path of a file inside the run directory. */
int store_path(const struct store *st, char *out, size_t size, const char *name, struct err *e);

#endif
