/*
 * prepare.h - inside data/: from selected samples to the images that a data set keeps, decoded, resized and cropped, or
 * found in the cache.
 */
#ifndef ENGINE_DATA_PREPARE_H
#define ENGINE_DATA_PREPARE_H

#include "engine/data/data.h"
#include "engine/data/samples.h"

/* The rules between resize, crop and augmentation: 0 or ERR_CONFIG. */
int prepare_check(const struct data_spec *spec, struct err *e);
/* Whether samples can stay as the reader gave them. */
bool prepare_nothing(const struct data_spec *spec);
/*
 * Images a sample: 1, or 2 with augment.resized_crop: what evaluation sees, then the whole image that training crops are
 * taken from.
 */
int prepare_per(const struct data_spec *spec);
/* raw->h and w become evaluation's; n and labels shrink by the *skipped ones. */
int prepare_samples(struct samples *out, struct raw_samples *raw, int64_t *skipped, const struct data_spec *spec,
		    struct err *e);

#endif
