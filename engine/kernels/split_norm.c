/* split_norm.c - BatchNorm on a team: sums over rows in strips, then what follows from them row by row; see split.h */
#include "engine/kernels/split.h"

#include <math.h>
#include <string.h>

/* A strip's rows are a multiple of STRIP_UNIT, and as many as make STRIPS strips or STRIP_FLOATS floats. */
enum { STRIPS = 32, STRIP_UNIT = 128, STRIP_FLOATS = 256 << 10 };

static int64_t strip_rows(int64_t m, int c)
{
	int64_t even = (m + STRIPS - 1) / STRIPS, full = (STRIP_FLOATS + c - 1) / c, rows = even > full ? even : full;

	return (rows + STRIP_UNIT - 1) / STRIP_UNIT * STRIP_UNIT;
}

/* Two sums a channel and strip in double; the coefficients of the backward pass. */
size_t bn_workspace(int c)
{
	return ((size_t)STRIPS * 2 * 2 + 3) * (size_t)c + 16;
}

struct norm_call {
	const struct crew *crew;
	float *out, *dadd;
	const float *y, *dz, *z, *mean, *rstd, *gamma, *beta, *add, *factors;
	bool relu, batch, accumulate;
	int64_t m, strip;
	int c;
};

/* Rows of strip k, and where its sums lie. */
static int64_t strip_at(const struct norm_call *call, int64_t k, double **sums)
{
	int64_t left = call->m - k * call->strip;

	*sums = (double *)call->crew->ws + k * 2 * call->c;
	return left < call->strip ? left : call->strip;
}

static int64_t strips_of(const struct norm_call *call)
{
	return (call->m + call->strip - 1) / call->strip;
}

/* ---- forward ---- */

static void moments_part(void *ctx, int i, int n)
{
	const struct norm_call *call = ctx;

	for (int64_t k = team_share(strips_of(call), 1, i, n); k < team_share(strips_of(call), 1, i + 1, n); k++) {
		double *s;
		int64_t rows = strip_at(call, k, &s);

		bn_moments(s, s + call->c, call->y + k * call->strip * call->c, rows, call->c);
	}
}

/* Chan, Golub, LeVeque (1979): the strips' moments joined, in order, into the first one's place. */
static void join_moments(const struct norm_call *call)
{
	double *mean = (double *)call->crew->ws, *m2 = mean + call->c, n = (double)strip_at(call, 0, &mean);

	for (int64_t k = 1; k < strips_of(call); k++) {
		double *s;
		double count = (double)strip_at(call, k, &s), share = count / (n + count), weight = n * share;

		for (int ch = 0; ch < call->c; ch++) {
			double delta = s[ch] - mean[ch];

			m2[ch] += s[call->c + ch] + delta * delta * weight;
			mean[ch] += delta * share;
		}
		n += count;
	}
}

static void apply_part(void *ctx, int i, int n)
{
	const struct norm_call *call = ctx;
	int64_t row = team_share(call->m, STRIP_UNIT, i, n), rows = team_share(call->m, STRIP_UNIT, i + 1, n) - row;
	ptrdiff_t at = row * call->c;

	if (rows > 0)
		bn_forward_eval(call->out + at, call->y + at, call->mean, call->rstd, call->gamma, call->beta,
				call->add ? call->add + at : NULL, call->relu, rows, call->c);
}

void split_bn_forward_eval(const struct crew *crew, float *z, const float *y, const float *mean, const float *rstd,
			   const float *gamma, const float *beta, const float *add, bool relu, int64_t m, int c)
{
	struct norm_call call = {.crew = crew,
				 .out = z,
				 .y = y,
				 .mean = mean,
				 .rstd = rstd,
				 .gamma = gamma,
				 .beta = beta,
				 .add = add,
				 .relu = relu,
				 .m = m,
				 .c = c};

	split_run(crew, (double)m * c, apply_part, &call);
}

void bn_forward_train(const struct crew *crew, float *z, float *mean, float *rstd, float *running_mean,
		      float *running_var, const float *y, const float *gamma, const float *beta, const float *add,
		      bool relu, int64_t m, int c, float eps, float momentum)
{
	struct norm_call call = {.crew = crew, .y = y, .m = m, .c = c, .strip = strip_rows(m, c)};
	const double keep = 1 - (double)momentum, *sums = (double *)crew->ws;

	split_run(crew, 2 * (double)m * c, moments_part, &call);
	join_moments(&call);
	for (int ch = 0; ch < c; ch++) {
		double var = sums[c + ch] / (double)m, unbiased = sums[c + ch] / (double)(m - 1);

		mean[ch] = (float)sums[ch];
		rstd[ch] = (float)(1 / sqrt(var + (double)eps));
		running_mean[ch] = (float)(keep * (double)running_mean[ch] + (double)momentum * sums[ch]);
		running_var[ch] = (float)(keep * (double)running_var[ch] + (double)momentum * unbiased);
	}
	split_bn_forward_eval(crew, z, y, mean, rstd, gamma, beta, add, relu, m, c);
}

/* ---- backward ---- */

static void sums_part(void *ctx, int i, int n)
{
	const struct norm_call *call = ctx;

	for (int64_t k = team_share(strips_of(call), 1, i, n); k < team_share(strips_of(call), 1, i + 1, n); k++) {
		ptrdiff_t at = k * call->strip * call->c;
		double *s;
		int64_t rows = strip_at(call, k, &s);

		bn_sums(s, s + call->c, call->dz + at, call->z ? call->z + at : NULL, call->y + at, call->mean,
			call->relu, rows, call->c);
	}
}

/* The strips' sums added, in order, to the first one's. */
static void join_sums(const struct norm_call *call)
{
	double *all = (double *)call->crew->ws;

	for (int64_t k = 1; k < strips_of(call); k++)
		for (int i = 0; i < 2 * call->c; i++)
			all[i] += all[k * 2 * call->c + i];
}

/*
 * With batch statistics dy = gamma * rstd * (d - mean(d) - xhat * mean(d * xhat)), xhat = (y - mean) * rstd: linear in
 * d and y, with three numbers a channel.
 */
static void make_factors(float *factors, const struct norm_call *call, const double *sums)
{
	const int c = call->c;

	for (int ch = 0; ch < c; ch++) {
		double rstd = (double)call->rstd[ch], a = (double)call->gamma[ch] * rstd;

		factors[ch] = (float)a;
		factors[c + ch] = call->batch ? (float)(a * sums[c + ch] * rstd * rstd / (double)call->m) : 0;
		factors[2 * c + ch] = call->batch ? (float)(a * sums[ch] / (double)call->m) : 0;
	}
}

static void spread_part(void *ctx, int i, int n)
{
	const struct norm_call *call = ctx;
	int64_t row = team_share(call->m, STRIP_UNIT, i, n), rows = team_share(call->m, STRIP_UNIT, i + 1, n) - row;
	ptrdiff_t at = row * call->c;

	if (rows > 0)
		bn_spread(call->out ? call->out + at : NULL, call->dadd ? call->dadd + at : NULL, call->dz + at,
			  call->z ? call->z + at : NULL, call->y + at, call->mean, call->factors, call->relu,
			  call->batch, call->accumulate, rows, call->c);
}

void bn_backward(const struct crew *crew, float *dy, float *dgamma, float *dbeta, float *dadd, const float *dz,
		 const float *z, const float *y, const float *mean, const float *rstd, const float *gamma, bool relu,
		 bool batch_stats, bool accumulate_add, int64_t m, int c)
{
	const double *sums = (double *)crew->ws;
	float *factors = crew->ws + (size_t)STRIPS * 2 * 2 * (size_t)c;
	struct norm_call call = {.crew = crew,
				 .out = dy,
				 .dadd = dadd,
				 .y = y,
				 .dz = dz,
				 .z = z,
				 .mean = mean,
				 .rstd = rstd,
				 .gamma = gamma,
				 .factors = factors,
				 .relu = relu,
				 .batch = batch_stats,
				 .accumulate = accumulate_add,
				 .m = m,
				 .c = c,
				 .strip = strip_rows(m, c)};

	if (dgamma || (dy && batch_stats)) {
		split_run(crew, 2 * (double)m * c, sums_part, &call);
		join_sums(&call);
	}
	for (int ch = 0; dgamma && ch < c; ch++) {
		dgamma[ch] = (float)(sums[c + ch] * (double)rstd[ch]);
		dbeta[ch] = (float)sums[ch];
	}
	if (!dy && !dadd)
		return;
	make_factors(factors, &call, sums);
	split_run(crew, 2 * (double)m * c, spread_part, &call);
}
