/*
 * images.h - two cells image by image: which validation images only one of them gets right, seed by seed.
 */
#ifndef SWEEP_REPORT_IMAGES_H
#define SWEEP_REPORT_IMAGES_H

#include "sweep/report/summary.h"

struct image_pair {
	uint64_t seed;
	struct agreement g; /* a: the first cell, b: the second */
	double mcnemar;     /* exact p (infer.h) */
	struct interval ci; /* of accuracy(a) - accuracy(b), bootstrap over the images, keyed by the seed */
};

/*
 * Pairs of the first seeds that both cells completed, from their correct.bits. Returns how
 * many (0 also if the results are in memory only, or the files are not there); -1: out of memory.
 */
#define IMAGES_MAX_SEEDS 10
int images_compare(struct image_pair out[IMAGES_MAX_SEEDS], const struct results *r, int a, int b);

/* images.csv: the best cell against the baseline, a row a seed. ERR_NOMEM. */
int table_images(FILE *out, const struct summary *s, struct err *e);

#endif
