/*
 * tensorboard.c - export_tensorboard(), see export.h.
 *
 * An event file is a line of records: length (u64, little endian), masked CRC-32C of those 8 bytes, the bytes, their
 * masked CRC-32C. Each holds one tensorflow.Event in protobuf's wire format: wall_time = 1 (double), step = 2 (varint),
 * file_version = 3 (string, in the first record only), summary = 5 (message: repeated value = 1 (message: tag = 1,
 * simple_value = 2 (float))).
 */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "engine/base/file.h"
#include "sweep/base/text.h"
#include "sweep/report/export.h"

uint32_t crc32c(const void *bytes, size_t n)
{
	const uint8_t *b = bytes;
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < n; i++) {
		crc ^= b[i];
		for (int k = 0; k < 8; k++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

uint32_t crc32c_masked(uint32_t crc)
{
	return (crc >> 15 | crc << 17) + 0xa282ead8;
}

static void put_little(FILE *f, uint64_t v, int bytes)
{
	for (int i = 0; i < bytes; i++)
		fputc((int)(v >> 8 * i & 0xff), f);
}

static void put_varint(FILE *f, uint64_t v)
{
	for (; v > 0x7f; v >>= 7)
		fputc((int)(v & 0x7f) | 0x80, f);
	fputc((int)v, f);
}

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

static void put_tag(FILE *f, int field, int wire)
{
	put_varint(f, (uint64_t)field << 3 | (uint64_t)wire);
}

static void put_bytes(FILE *f, int field, const void *bytes, size_t n)
{
	put_tag(f, field, WIRE_BYTES);
	put_varint(f, n);
	fwrite(bytes, 1, n, f);
}

static void put_double(FILE *f, int field, double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	put_tag(f, field, WIRE_64);
	put_little(f, bits, 8);
}

/* Ends a message that was built apart, because its length stands before it. If it is incomplete, so is what it goes into. */
static bool message_end(struct text *message, struct text *into)
{
	struct err ignored; /* told by whoever closes the outermost */

	if (text_close(message, &ignored))
		into->incomplete = true;
	return !into->incomplete;
}

static bool message_begin(struct text *message, struct text *into)
{
	struct err ignored;

	if (text_open(message, &ignored))
		into->incomplete = true;
	return message->f;
}

static void put_record(FILE *out, const void *bytes, size_t n)
{
	uint8_t length[8];

	for (int i = 0; i < 8; i++)
		length[i] = (uint8_t)((uint64_t)n >> 8 * i);
	fwrite(length, 1, 8, out);
	put_little(out, crc32c_masked(crc32c(length, 8)), 4);
	fwrite(bytes, 1, n, out);
	put_little(out, crc32c_masked(crc32c(bytes, n)), 4);
}

static void put_scalar(struct text *summary, const char *tag, double v)
{
	struct text value;
	float single = (float)v;
	uint32_t bits;

	if (!message_begin(&value, summary))
		return;
	memcpy(&bits, &single, sizeof(bits));
	put_bytes(value.f, 1, tag, strlen(tag));
	put_tag(value.f, 2, WIRE_32);
	put_little(value.f, bits, 4);
	if (message_end(&value, summary))
		put_bytes(summary->f, 1, value.bytes, value.n);
	text_release(&value);
}

static void put_group(struct text *summary, const char *name, const struct group_row *g)
{
	static const char *const word[] = {"lr", "grad_norm", "update_ratio", "drift"};
	const double v[] = {g->lr, g->grad_norm, g->update_ratio, g->drift};

	for (int i = 0; i < 4; i++) {
		char tag[128];

		snprintf(tag, sizeof(tag), "%s/%s", word[i], name);
		if (!isnan(v[i]))
			put_scalar(summary, tag, v[i]);
	}
}

static void put_summary(struct text *event, const struct epoch_row *row, const struct study *st)
{
	struct text summary;

	if (!message_begin(&summary, event))
		return;
	for (int m = 0; m < N_METRICS; m++)
		put_scalar(&summary, metric_name(m), metric_value(row, m));
	for (int g = 0; g < st->n_groups; g++)
		put_group(&summary, st->group[g].name, &row->group[g]);
	put_tag(event->f, 2, WIRE_VARINT);
	put_varint(event->f, (uint64_t)row->epoch);
	if (message_end(&summary, event))
		put_bytes(event->f, 5, summary.bytes, summary.n);
	text_release(&summary);
}

static void put_event(struct text *out, double wall_time, const struct epoch_row *row, const struct study *st)
{
	struct text event;

	if (!message_begin(&event, out))
		return;
	put_double(event.f, 1, wall_time);
	if (row)
		put_summary(&event, row, st);
	else
		put_bytes(event.f, 3, "brain.Event:2", 13);
	if (message_end(&event, out))
		put_record(out->f, event.bytes, event.n);
	text_release(&event);
}

/* Epochs are spread evenly from begin to end: single ones have no stamp. */
static void put_trial(struct text *out, const struct results *r, int trial)
{
	const struct result_trial *t = &r->trial[trial];
	struct tm tm = {0};
	double start = strptime(t->end.started, "%Y-%m-%dT%H:%M:%SZ", &tm) ? (double)timegm(&tm) : 0;

	put_event(out, start, NULL, r->study);
	for (int i = 0; i < t->n_rows; i++) {
		struct epoch_row row;

		results_row(r, trial, i, &row);
		put_event(out, start + t->end.wall_s * (i + 1) / t->n_rows, &row, r->study);
	}
}

/* "12-sgd 1e-4_1e-2-seed0": what TensorBoard shows as the run. */
static void folder_name(char out[CELL_LABEL_MAX + 64], const struct results *r, int trial)
{
	const struct result_trial *t = &r->trial[trial];
	char label[CELL_LABEL_MAX];

	snprintf(out, CELL_LABEL_MAX + 64, "%d-%.150s-seed%llu", trial, cell_label(label, r->study, t->cell),
		 (unsigned long long)t->seed);
	for (char *c = out; *c; c++)
		if (*c == '/' || *c == ' ')
			*c = '_';
}

static int write_trial(const char *dir, const struct results *r, int trial, struct err *e)
{
	char name[CELL_LABEL_MAX + 64];
	char folder[PATH_MAX];
	char path[PATH_MAX];
	struct text file;
	int rc;

	folder_name(name, r, trial);
	rc = path_join(folder, sizeof(folder), dir, name, e);
	if (!rc)
		rc = path_join(path, sizeof(path), folder, "events.out.tfevents.0.gapsweep", e);
	if (!rc && mkdir(folder, 0755) && errno != EEXIST)
		rc = err_set(e, ERR_CANTCREAT, "%s: %s", folder, strerror(errno));
	if (rc)
		return rc;
	if (text_open(&file, e))
		return err_prefix(e, "%s: ", path);
	put_trial(&file, r, trial);
	if (text_close(&file, e))
		rc = err_prefix(e, "%s: ", path);
	else
		rc = file_replace(path, file.bytes, file.n, e);
	text_release(&file);
	return rc;
}

int export_tensorboard(const char *dir, const struct summary *s, struct err *e)
{
	int rc = 0;

	if (mkdir(dir, 0755) && errno != EEXIST)
		return err_set(e, ERR_CANTCREAT, "%s: %s", dir, strerror(errno));
	for (int i = 0; !rc && i < s->results->n_trials; i++)
		if (s->results->trial[i].n_rows)
			rc = write_trial(dir, s->results, i, e);
	return rc;
}
