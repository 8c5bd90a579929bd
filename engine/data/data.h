/*
 * data.h - inside the engine: a data set's samples, batch by batch. dataset_open() and friends are in engine.h.
 *
 * A struct dataset holds the selected samples as they were in the file (uint8 or float32), decoded, resized and cropped,
 * and their labels; it never changes after opening. Augmentation and the conversion to the network's input happen a
 * batch at a time.
 */
#ifndef ENGINE_DATA_DATA_H
#define ENGINE_DATA_DATA_H

#include "engine/engine.h"

/* Which random crop and mirror image of a sample: a function of these two and the sample, never of its batch. */
struct augment_draw {
	uint64_t seed, epoch;
	void *scratch; /* dataset_scratch() bytes, aligned to 64; one thread's at a time */
};

/* What gathering with a draw needs; 0 if the data set has no augmentation. */
size_t dataset_scratch(const struct dataset *d);

/*
 * Samples index[0..n-1] (positions in the selected set) into x [n][h][w][c] float32 and their labels into y [n].
 * uint8 values become (v / 255 - mean[c]) / std[c] in float32 arithmetic, in that order, as torchvision's ToTensor and
 * Normalize do (mean and std rounded to float32 first); float32 values (v - mean[c]) / std[c]. index NULL: samples
 * first, first+1, ... draw: as in training; NULL: clean. Fails (ERR_NOINPUT, ERR_DATA) only where images are on disk;
 * e may be NULL where they are not.
 */
int dataset_gather(const struct dataset *d, float *x, int32_t *y, const uint32_t *index, int64_t first, int n,
		   const struct augment_draw *draw, struct err *e);

/* Their labels alone. */
void dataset_labels(const struct dataset *d, int32_t *y, const uint32_t *index, int64_t first, int n);
/* Does training see another image than evaluation, and anew in every epoch? */
bool dataset_augments(const struct dataset *d);

#define DATA_MAX_CLASSES 100000
#define DATA_MAX_PIXELS  (1 << 26)           /* h * w of one sample */
#define DATA_MAX_BYTES   ((int64_t)64 << 30) /* of all values of one source */

/* How one reader hands over what it found; the loader in data.c selects from it. All blocks are malloc'ed and stay the
 * caller's to free, also when a reader fails half-way (start from zeros). */
struct raw_samples {
	int64_t n;
	int c, h, w;   /* with paths, h and w are not known yet */
	bool is_float; /* values: float32 [n][h][w][c], else uint8 [n][h][w][c] */
	void *values;
	int64_t *label;    /* [n] */
	int classes;       /* of the source, whether they occur or not; 0: the largest label + 1 */
	const char **path; /* instead of values: [n] files to decode; the strings lie in `text` */
	const char **name; /* of classes, or NULL; strings in `text` */
	char *text;
};
void raw_release(struct raw_samples *raw);

/* What an error about pixels or labels names. */
const char *data_source(const struct data_spec *spec, bool labels);

/* Bytes of raw->values by its n, c, h, w and is_float, or ERR_DATA if they are none or over a cap; names `where`. */
int raw_size(const struct raw_samples *raw, size_t *bytes, const char *where, struct err *e);

/* The list of classes: ERR_CONFIG for a number out of range or listed twice. */
int select_check(const struct data_spec *spec, struct err *e);
/* Moves the samples that spec asks for to the front and sets raw->n; labels are renumbered as spec->classes says.
 * *classes: as in struct dataset_info, found before the cuts by offset, per_class and limit. */
int select_samples(struct raw_samples *raw, int *classes, const struct data_spec *spec, struct err *e);

/* The readers, one kind of source each. */
int idx_read(struct raw_samples *raw, const struct data_spec *spec, struct err *e);
int npy_read(struct raw_samples *raw, const struct data_spec *spec, struct err *e);
int fake_read(struct raw_samples *raw, const struct data_spec *spec, struct err *e);
int folder_read(struct raw_samples *raw, const struct data_spec *spec, struct err *e);
int cifar_read(struct raw_samples *raw, const struct data_spec *spec, struct err *e);

#endif
