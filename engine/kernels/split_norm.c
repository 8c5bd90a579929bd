/* split_norm.c - BatchNorm on a team: sums over rows in strips, then what follows from them row by row; see split.h */
#include "engine/kernels/split_norm.h"

#include <math.h>
#include <string.h>

/* A strip's rows are a multiple of STRIP_UNIT, and as many as make STRIPS strips or STRIP_FLOATS floats. */
enum { STRIP_UNIT = 128, STRIP_FLOATS = 256 << 10 };

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

int64_t norm_strips(const struct norm_call *call)
{
	return (call->m + call->strip - 1) / call->strip;
}

double *norm_sums(const struct norm_call *call, int64_t k)
{
	return (double *)call->crew->ws + k * 2 * call->c;
}

float *norm_factors(const struct norm_call *call)
{
	return (float *)norm_sums(call, STRIPS);
}

static int64_t rows_of(const struct norm_call *call, int64_t k)
{
	int64_t left = call->m - k * call->strip;

	return left < call->strip ? left : call->strip;
}

/* ---- forward ---- */

static void moments_part(void *ctx, int i, int n)
{
	const struct norm_call *call = ctx;

	for (int64_t k = team_share(norm_strips(call), 1, i, n); k < team_share(norm_strips(call), 1, i + 1, n); k++) {
		double *s = norm_sums(call, k);

		bn_moments(s, s + call->c, call->y + k * call->strip * call->c, rows_of(call, k), call->c);
	}
}

/* Chan, Golub, LeVeque (1979): the strips' moments joined, in order, into the first one's place. */
static void join_moments(const struct norm_call *call)
{
	double *mean = norm_sums(call, 0), *m2 = mean + call->c, n = (double)rows_of(call, 0);

	for (int64_t k = 1; k < norm_strips(call); k++) {
		const double *s = norm_sums(call, k);
		double count = (double)rows_of(call, k), share = count / (n + count), weight = n * share;

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
	const double keep = 1 - (double)momentum, *sums = norm_sums(&call, 0);

	split_run(crew, 2 * (double)m * c, moments_part, &call);
	join_moments(&call);
	for (int ch = 0; ch < c; ch++) {
		double var = sums[c + ch] / (double)m, unbiased = sums[c + ch] / (double)(m - 1);

		mean[ch] = (float)sums[ch];
		rstd[ch] = (float)(1 / sqrt(var + (double)eps));
		running_mean[ch] = (float)(keep * (double)running_mean[ch] + (double)momentum * sums[ch]);
		running_var[ch] = (float)(keep * (double)running_var[ch] + (double)momentum * unbiased);
	}
	if (z)
		split_bn_forward_eval(crew, z, y, mean, rstd, gamma, beta, add, relu, m, c);
}

/* ---- backward ---- */

static struct bn_gate gate_at(const struct norm_call *call, ptrdiff_t at)
{
	return (struct bn_gate){call->z ? call->z + at : NULL, call->rstd, call->gamma, call->beta};
}

static void sums_part(void *ctx, int i, int n)
{
	const struct norm_call *call = ctx;

	for (int64_t k = team_share(norm_strips(call), 1, i, n); k < team_share(norm_strips(call), 1, i + 1, n); k++) {
		ptrdiff_t at = k * call->strip * call->c;
		double *s = norm_sums(call, k);
		struct bn_gate gate = gate_at(call, at);

		bn_sums(s, s + call->c, call->dz + at, call->relu ? &gate : NULL, call->y + at, call->mean,
			rows_of(call, k), call->c);
	}
}

void norm_join(const struct norm_call *call)
{
	double *all = norm_sums(call, 0);

	for (int64_t k = 1; k < norm_strips(call); k++)
		for (int i = 0; i < 2 * call->c; i++)
			all[i] += norm_sums(call, k)[i];
}

/*
 * With batch statistics dy = gamma * rstd * (d - mean(d) - xhat * mean(d * xhat)), xhat = (y - mean) * rstd: linear in
 * d and y, with three numbers a channel.
 */
void norm_make_factors(const struct norm_call *call)
{
	const double *sums = norm_sums(call, 0);
	float *factors = norm_factors(call);
	const int c = call->c;

	for (int ch = 0; ch < c; ch++) {
		double rstd = (double)call->rstd[ch], a = (double)call->gamma[ch] * rstd;

		factors[ch] = (float)a;
		factors[c + ch] = call->batch ? (float)(a * sums[c + ch] * rstd * rstd / (double)call->m) : 0;
		factors[2 * c + ch] = call->batch ? (float)(a * sums[ch] / (double)call->m) : 0;
	}
}

void norm_own_gradients(float *dgamma, float *dbeta, const struct norm_call *call)
{
	const double *sums = norm_sums(call, 0);

	for (int ch = 0; ch < call->c; ch++) {
		dgamma[ch] = (float)(sums[call->c + ch] * (double)call->rstd[ch]);
		dbeta[ch] = (float)sums[ch];
	}
}

static void spread_part(void *ctx, int i, int n)
{
	const struct norm_call *call = ctx;
	int64_t row = team_share(call->m, STRIP_UNIT, i, n), rows = team_share(call->m, STRIP_UNIT, i + 1, n) - row;
	ptrdiff_t at = row * call->c;
	struct bn_gate gate = gate_at(call, at);

	if (rows > 0)
		bn_spread(call->out ? call->out + at : NULL, call->dadd ? call->dadd + at : NULL, call->dz + at,
			  call->relu ? &gate : NULL, call->y + at, call->mean, norm_factors(call), call->batch,
			  call->accumulate, rows, call->c);
}

void bn_backward(const struct crew *crew, float *dy, float *dgamma, float *dbeta, float *dadd, const float *dz,
		 const float *z, const float *y, const float *mean, const float *rstd, const float *gamma,
		 const float *beta, bool relu, bool batch_stats, bool accumulate_add, int64_t m, int c)
{
	struct norm_call call = {.crew = crew,
				 .out = dy,
				 .dadd = dadd,
				 .y = y,
				 .dz = dz,
				 .z = z,
				 .mean = mean,
				 .rstd = rstd,
				 .gamma = gamma,
				 .beta = beta,
				 .relu = relu,
				 .batch = batch_stats,
				 .accumulate = accumulate_add,
				 .m = m,
				 .c = c,
				 .strip = strip_rows(m, c)};

	if (dgamma || (dy && batch_stats)) {
		split_run(crew, 2 * (double)m * c, sums_part, &call);
		norm_join(&call);
	}
	if (dgamma)
		norm_own_gradients(dgamma, dbeta, &call);
	if (!dy && !dadd)
		return;
	norm_make_factors(&call);
	split_run(crew, 2 * (double)m * c, spread_part, &call);
}
