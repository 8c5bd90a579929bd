/*
 * fuzz_store.c - any bytes as a trial's checkpoint (byte 0 even) or its rows (odd). Of a checkpoint the head's hashes are
 * put right if bit 1 is set, so that what lies behind them is reached: the engine is given the block.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "sweep/run/epochs.h"
#include "sweep/run/plan.h"
#include "sweep/run/store_file.h"

#define KEY "0123456789abcdef"

static const char grid[] = "data:\n"
			   "  train: {fake: {n: 8, shape: [1, 2, 2], classes: 2}}\n"
			   "  val: {fake: {n: 8, shape: [1, 2, 2], classes: 2}}\n"
			   "model: {arch: mlp, hidden: 2}\n"
			   "parameters: {lr: 0.1, momentum: 0.9}\n";
static struct study study;
static struct plan plan;
static struct trial *trial;
static struct store store = {.lock_fd = -1};
static char rows_path[300], checkpoint_path[300];

static void remove_all(void)
{
	unlink(rows_path);
	unlink(checkpoint_path);
	snprintf(rows_path, sizeof(rows_path), "%.250s/trials/" KEY, store.dir);
	rmdir(rows_path);
	snprintf(rows_path, sizeof(rows_path), "%.250s/trials", store.dir);
	rmdir(rows_path);
	rmdir(store.dir);
}

static void put(const char *path, const void *bytes, size_t n)
{
	FILE *f = fopen(path, "w");

	if (!f || fwrite(bytes, 1, n, f) != n || fclose(f))
		abort();
}

static void set_up(void)
{
	char dir[] = "/dev/shm/gapsweep-fuzz-XXXXXX";
	struct trial_spec spec;
	struct err e;
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	if (!mkdtemp(dir) || !f || engine_init(&e) ||
	    study_parse(&study, grid, strlen(grid), "grid.yaml", NULL, 0, &e) || plan_open(&plan, &study, &e))
		abort();
	plan_spec(&spec, &plan, 0);
	if (trial_new(&trial, &spec, &e))
		abort();
	snprintf(store.dir, sizeof(store.dir), "%s", dir);
	snprintf(rows_path, sizeof(rows_path), "%s/trials", dir);
	mkdir(rows_path, 0755);
	snprintf(rows_path, sizeof(rows_path), "%s/trials/" KEY, dir);
	mkdir(rows_path, 0755);
	snprintf(rows_path, sizeof(rows_path), "%s/trials/" KEY "/epochs.csv", dir);
	snprintf(checkpoint_path, sizeof(checkpoint_path), "%s/trials/" KEY "/checkpoint", dir);
	epochs_header(f, &study);
	fclose(f);
	put(rows_path, text, n);
	free(text);
	atexit(remove_all);
}

static void rows(const uint8_t *bytes, size_t n)
{
	struct epoch_row *row;
	struct err e;
	int n_rows;

	if (!epochs_parse(&row, &n_rows, (const char *)bytes, n, &study, "epochs.csv", &e))
		free(row);
}

static void checkpoint(uint8_t *bytes, size_t n, bool right)
{
	struct checkpoint_head head;
	void *block;
	size_t size;
	int epochs;
	struct err e;

	if (right && n >= sizeof(head)) {
		memcpy(&head, bytes, sizeof(head));
		memcpy(head.magic, CHECKPOINT_MAGIC, sizeof(head.magic));
		head.version = CHECKPOINT_VERSION;
		head.rows_bytes = 0;
		head.rows_hash = XXH3_64bits("", 0);
		head.bytes = n - sizeof(head);
		head.hash = checkpoint_hash(&head, bytes + sizeof(head));
		memcpy(bytes, &head, sizeof(head));
	}
	put(checkpoint_path, bytes, n);
	if (store_load_checkpoint(&store, KEY, &block, &size, &epochs, &e))
		return;
	if (block)
		(void)trial_set_state(trial, block, size, &e);
	free(block);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	uint8_t copy[1 << 14];

	if (!trial)
		set_up();
	if (n < 1 || n > sizeof(copy))
		return 0;
	memcpy(copy, bytes + 1, n - 1);
	if (bytes[0] & 1)
		rows(copy, n - 1);
	else
		checkpoint(copy, n - 1, bytes[0] & 2);
	return 0;
}
