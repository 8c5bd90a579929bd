/* augment.c - see augment.h */
#include "engine/data/augment.h"

#include <math.h>

#include "engine/base/rng.h"

#define TRIES   10             /* torchvision's, before it takes the centre */
#define FLIP    (2 * TRIES)    /* place of the mirror's number behind two numbers a try */
#define COUNTER (FLIP / 4 + 1) /* first block of the stream that these numbers leave free */

bool augment_any(const struct augment_spec *a)
{
	return a->resized_crop[0] || a->crop_pad || a->hflip > 0;
}

static bool range_ok(const double v[2], double most)
{
	return v[0] > 0 && v[0] <= v[1] && v[1] <= most;
}

int augment_check(const struct augment_spec *a, struct err *e)
{
	if (!(a->hflip >= 0 && a->hflip <= 1))
		return err_set(e, ERR_CONFIG, "augment: hflip is %g; expected a probability, 0 to 1", a->hflip);
	if (a->crop_pad < 0 || a->crop_pad > 4096)
		return err_set(e, ERR_CONFIG, "augment: crop_pad is %d; expected 0 to 4096", a->crop_pad);
	if (!a->resized_crop[0] && !a->resized_crop[1])
		return 0;
	if (a->crop_pad)
		return err_set(e, ERR_CONFIG, "augment: random_resized_crop and crop_pad; expected one of them");
	if (a->resized_crop[0] < 1 || a->resized_crop[1] < 1)
		return err_set(e, ERR_CONFIG, "augment: random_resized_crop to %d x %d; expected positive sizes",
			       a->resized_crop[0], a->resized_crop[1]);
	if (!range_ok(a->scale, 1))
		return err_set(e, ERR_CONFIG, "augment: scale [%g, %g]; expected two rising shares, above 0, at most 1",
			       a->scale[0], a->scale[1]);
	if (!range_ok(a->ratio, 100))
		return err_set(e, ERR_CONFIG,
			       "augment: ratio [%g, %g]; expected two rising numbers, above 0, at most 100",
			       a->ratio[0], a->ratio[1]);
	return 0;
}

/* What RandomResizedCrop takes when no try fits: the largest window about the centre of an aspect within the range. */
static void centre(struct augment_pick *p, const struct augment_spec *a, int h, int w)
{
	double aspect = (double)w / h;

	p->h = aspect < a->ratio[0] ? (int)fmax(1, rint(w / a->ratio[0])) : h;
	p->w = aspect > a->ratio[1] ? (int)fmax(1, rint(h * a->ratio[1])) : w;
	p->top = (h - p->h) / 2;
	p->left = (w - p->w) / 2;
}

static void resized_crop(struct augment_pick *p, const struct augment_spec *a, int h, int w, const float *u,
			 uint64_t seed, uint64_t stream)
{
	const double area = (double)h * w;
	const double low = log(a->ratio[0]), high = log(a->ratio[1]);

	for (int t = 0; t < TRIES; t++) {
		double part = area * (a->scale[0] + (a->scale[1] - a->scale[0]) * (double)u[2 * t]);
		double aspect = exp(low + (high - low) * (double)u[2 * t + 1]);

		p->w = (int)rint(sqrt(part * aspect)); /* halves to even, as Python's round */
		p->h = (int)rint(sqrt(part / aspect));
		if (p->w < 1 || p->h < 1 || p->w > w || p->h > h)
			continue;
		p->top = (int)rng_below(seed, RNG_AUGMENT, stream, COUNTER, (uint32_t)(h - p->h + 1));
		p->left = (int)rng_below(seed, RNG_AUGMENT, stream, COUNTER + 1, (uint32_t)(w - p->w + 1));
		return;
	}
	centre(p, a, h, w);
}

struct augment_pick augment_pick(const struct augment_spec *a, int h, int w, uint64_t seed, uint64_t epoch,
				 uint64_t sample)
{
	const uint64_t stream = epoch << 32 | sample;
	struct augment_pick p = {.h = h, .w = w};
	float u[FLIP + 1];

	rng_uniform(u, FLIP + 1, 0, 1, seed, RNG_AUGMENT, stream);
	p.flip = (double)u[FLIP] < a->hflip;
	if (a->resized_crop[0])
		resized_crop(&p, a, h, w, u, seed, stream);
	if (a->crop_pad) {
		uint32_t places = 2 * (uint32_t)a->crop_pad + 1;

		p.top = (int)rng_below(seed, RNG_AUGMENT, stream, COUNTER, places) - a->crop_pad;
		p.left = (int)rng_below(seed, RNG_AUGMENT, stream, COUNTER + 1, places) - a->crop_pad;
	}
	return p;
}
