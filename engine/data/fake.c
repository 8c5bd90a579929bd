/* fake.c - noise images with random labels, the shape of torchvision.datasets.FakeData */
#include "engine/data/data.h"
#include "engine/base/rng.h"

#include <stdlib.h>

static int check(const struct data_spec *spec, struct err *e)
{
	if (spec->fake_n < 1 || spec->fake_shape[0] < 1 || spec->fake_shape[1] < 1 || spec->fake_shape[2] < 1)
		return err_set(e, ERR_CONFIG, "fake data: size %d and shape [%d, %d, %d] must be positive",
			       spec->fake_n, spec->fake_shape[0], spec->fake_shape[1], spec->fake_shape[2]);
	if (spec->fake_classes < 1 || spec->fake_classes > DATA_MAX_CLASSES)
		return err_set(e, ERR_CONFIG, "fake data: %d classes, not within 1 .. %d", spec->fake_classes,
			       DATA_MAX_CLASSES);
	return 0;
}

int fake_read(struct raw_samples *raw, const struct data_spec *spec, struct err *e)
{
	size_t bytes;
	int64_t one;
	int rc = check(spec, e);

	if (rc)
		return rc;
	raw->n = spec->fake_n;
	raw->c = spec->fake_shape[0];
	raw->h = spec->fake_shape[1];
	raw->w = spec->fake_shape[2];
	raw->is_float = true;
	raw->classes = spec->fake_classes;
	rc = raw_size(raw, &bytes, "fake data", e);
	if (rc)
		return rc;
	raw->values = malloc(bytes);
	raw->label = malloc((size_t)raw->n * sizeof(*raw->label));
	if (!raw->values || !raw->label)
		return err_set(e, ERR_NOMEM, "fake data: out of memory for %zu bytes", bytes);
	one = (int64_t)raw->c * raw->h * raw->w;
	for (int64_t i = 0; i < raw->n; i++) { /* a stream a sample: sample i is the same whatever n is */
		rng_normal((float *)raw->values + i * one, one, spec->fake_seed, RNG_FAKE_IMAGE, (uint64_t)i);
		raw->label[i] =
			rng_below(spec->fake_seed, RNG_FAKE_LABEL, (uint64_t)i, 0, (uint32_t)spec->fake_classes);
	}
	return 0;
}
