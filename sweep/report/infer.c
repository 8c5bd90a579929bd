/* infer.c - see infer.h */
#include "sweep/report/infer.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "engine/base/rng.h"

double t_two_sided(double t, double df)
{
	double y = t * t / (df + t * t);

	if (isnan(t) || !(df > 0))
		return NAN;
	if (isinf(t))
		return 0;
	if (y < 0.5) /* the smaller of the two arguments, so that nothing cancels */
		return 1 - incomplete_beta(y, 0.5, df / 2);
	return incomplete_beta(df / (df + t * t), df / 2, 0.5);
}

double f_upper(double f, double d1, double d2)
{
	if (isnan(f) || !(d1 > 0) || !(d2 > 0))
		return NAN;
	return isinf(f) ? 0 : incomplete_beta(d2 / (d2 + d1 * f), d2 / 2, d1 / 2);
}

double paired_p(const struct estimate *d)
{
	if (d->n < 2 || isnan(d->mean) || isnan(d->sd))
		return NAN;
	if (d->sd <= 1e-14 * fabs(d->mean) || d->sd == 0)
		return d->mean == 0;
	return t_two_sided(d->mean / (d->sd / sqrt(d->n)), d->n - 1);
}

struct ranked {
	double p;
	int at;
};

static int by_p(const void *a, const void *b)
{
	const struct ranked *x = a;
	const struct ranked *y = b;

	if (x->p != y->p)
		return x->p < y->p ? -1 : 1;
	return (x->at > y->at) - (x->at < y->at);
}

int holm(double *adjusted, const double *p, int n)
{
	struct ranked *r = malloc(((size_t)n + 1) * sizeof(*r));
	double least = 0;
	int m = 0;

	if (!r)
		return -1;
	for (int i = 0; i < n; i++) {
		adjusted[i] = NAN;
		if (!isnan(p[i]))
			r[m++] = (struct ranked){p[i], i};
	}
	qsort(r, (size_t)m, sizeof(*r), by_p);
	for (int j = 0; j < m; j++) {
		least = fmax(least, fmin(1, (m - j) * r[j].p));
		adjusted[r[j].at] = least;
	}
	free(r);
	return 0;
}

struct interval wilson95(int k, int n)
{
	const double z = 1.959963984540054; /* the normal's 0.975 quantile */
	double share = (double)k / n;
	double shrink = 1 + z * z / n;
	double centre = (share + z * z / (2.0 * n)) / shrink;
	double half = z * sqrt(share * (1 - share) / n + z * z / (4.0 * n * n)) / shrink;

	if (n < 1)
		return (struct interval){NAN, NAN};
	return (struct interval){k == 0 ? 0 : centre - half, k == n ? 1 : centre + half};
}

struct agreement agreement_of(const uint8_t *a, const uint8_t *b, int64_t n_images)
{
	struct agreement g = {0};

	for (int64_t i = 0; i < n_images; i++) {
		bool in_a = a[i / 8] >> (i % 8) & 1;
		bool in_b = b[i / 8] >> (i % 8) & 1;

		g.both += in_a && in_b;
		g.only_a += in_a && !in_b;
		g.only_b += !in_a && in_b;
		g.neither += !in_a && !in_b;
	}
	return g;
}

double mcnemar_exact(const struct agreement *a)
{
	double n = (double)(a->only_a + a->only_b);
	double k = (double)(a->only_a < a->only_b ? a->only_a : a->only_b);

	if (a->only_a == a->only_b)
		return 1;
	return fmin(1, 2 * incomplete_beta(0.5, n - k, k + 1)); /* P(X <= k) = I_1/2(n - k, k + 1), DLMF 8.17.5 */
}

/* One resample: how many images more a has right than b. Numbers below `a` are a's, the next below `b` are b's. */
static int64_t resample(int64_t n, double a, double b, uint64_t seed, uint32_t sample)
{
	const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
	uint32_t counter[4] = {0, 0, sample, 0x626f6f74}; /* "boot": no other use of the seed draws these */
	int64_t more = 0;

	for (int64_t i = 0; i < n; i += 4) {
		uint32_t u[4];

		counter[0] = (uint32_t)(i / 4);
		counter[1] = (uint32_t)(i / 4 >> 32);
		rng_philox(u, counter, key);
		for (int64_t k = 0; k < 4 && i + k < n; k++)
			more += u[k] < a ? 1 : u[k] < b ? -1 : 0;
	}
	return more;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Quantile of sorted values between the two it falls between (Hyndman and Fan's type 7). */
static double quantile(const double *sorted, int n, double p)
{
	double at = p * (n - 1);
	int i = (int)at;

	return i + 1 < n ? sorted[i] + (at - i) * (sorted[i + 1] - sorted[i]) : sorted[n - 1];
}

struct interval bootstrap95(const struct agreement *g, uint64_t seed)
{
	int64_t n = g->both + g->only_a + g->only_b + g->neither;
	double scale = 4294967296.0 / (double)(n ? n : 1);
	double d[BOOTSTRAP_SAMPLES];

	if (!n)
		return (struct interval){NAN, NAN};
	for (uint32_t s = 0; s < BOOTSTRAP_SAMPLES; s++)
		d[s] = (double)resample(n, scale * (double)g->only_a, scale * (double)(g->only_a + g->only_b), seed,
					s) /
		       (double)n;
	qsort(d, BOOTSTRAP_SAMPLES, sizeof(*d), by_size);
	return (struct interval){quantile(d, BOOTSTRAP_SAMPLES, 0.025), quantile(d, BOOTSTRAP_SAMPLES, 0.975)};
}
