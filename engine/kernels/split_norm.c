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

	for (int64_t k = team_share(strips_of(call), 1, i, n); k < team_share(strips_of(call), 1, i + 1, n); k++) {
		ptrdiff_t at = k * call->strip * call->c;
		double *s;
		int64_t rows = strip_at(call, k, &s);
		struct bn_gate gate = gate_at(call, at);

		bn_sums(s, s + call->c, call->dz + at, call->relu ? &gate : NULL, call->y + at, call->mean, rows,
			call->c);
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
	struct bn_gate gate = gate_at(call, at);

	if (rows > 0)
		bn_spread(call->out ? call->out + at : NULL, call->dadd ? call->dadd + at : NULL, call->dz + at,
			  call->relu ? &gate : NULL, call->y + at, call->mean, call->factors, call->batch,
			  call->accumulate, rows, call->c);
}

static void own_gradients(float *dgamma, float *dbeta, const struct norm_call *call, const double *sums)
{
	for (int ch = 0; ch < call->c; ch++) {
		dgamma[ch] = (float)(sums[call->c + ch] * (double)call->rstd[ch]);
		dbeta[ch] = (float)sums[ch];
	}
}

void bn_backward(const struct crew *crew, float *dy, float *dgamma, float *dbeta, float *dadd, const float *dz,
		 const float *z, const float *y, const float *mean, const float *rstd, const float *gamma,
		 const float *beta, bool relu, bool batch_stats, bool accumulate_add, int64_t m, int c)
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
				 .beta = beta,
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
	if (dgamma)
		own_gradients(dgamma, dbeta, &call, sums);
	if (!dy && !dadd)
		return;
	make_factors(factors, &call, sums);
	split_run(crew, 2 * (double)m * c, spread_part, &call);
}

/* ---- with the max pooling that alone reads the map ---- */

/* Floats of the map's gradient that are made at a time, from the pooling's; and at least for a convolution to use up, by
 * whole images, as its own work has a part that does not depend on how many. */
enum { POOL_FLOATS = 16 << 10, USE_FLOATS = 256 << 10 };

struct pool_call {
	struct norm_call norm; /* of the map; norm.dz, norm.z unused */
	const struct pool_shape *ps;
	const float *dz; /* the pooling's */
	float *pooled;
	uint8_t *arg_out;
	const uint8_t *arg;
	int n, rows; /* images; rows of the map at a time */
	const struct conv_use *conv;
};

static size_t align16(size_t floats)
{
	return (floats + 15) & ~(size_t)15;
}

static int rows_at_once(const struct pool_shape *ps)
{
	int rows = POOL_FLOATS / (ps->w * ps->c);

	return rows < 1 ? 1 : rows < ps->h ? rows : ps->h;
}

static int images_at_once(const struct pool_shape *ps)
{
	int images = USE_FLOATS / (ps->h * ps->w * ps->c);

	return images < 1 ? 1 : images;
}

static size_t image_floats(const struct pool_shape *ps)
{
	return (size_t)ps->h * (size_t)ps->w * (size_t)ps->c;
}

static size_t weights_of(const struct conv_shape *cs)
{
	return align16((size_t)cs->r * (size_t)cs->s * (size_t)cs->c * (size_t)cs->k);
}

/* A thread's: as bn_workspace() and the strips' dw (the first one's serve all), rows of the map's gradient; that of images,
 * their dw, and what the convolution needs. */
struct room {
	float *dw, *rows, *map, *once, *conv;
};

static size_t room_for(struct room *r, float *ws, const struct pool_shape *ps, const struct conv_shape *cs)
{
	size_t at = align16(bn_workspace(ps->c)), dw = at, rows, map, once;

	rows = at += cs ? STRIPS * weights_of(cs) : 0;
	map = at += align16((size_t)rows_at_once(ps) * (size_t)ps->w * (size_t)ps->c);
	if (cs) {
		once = at += align16((size_t)images_at_once(ps) * image_floats(ps));
		at += weights_of(cs);
	} else {
		once = at;
	}
	if (r)
		*r = (struct room){ws + dw, ws + rows, ws + map, ws + once, ws + at};
	return at + (cs ? conv_workspace(cs, images_at_once(ps)) : 0);
}

size_t bn_pool_workspace(const struct pool_shape *ps, const struct conv_shape *cs)
{
	return align16(room_for(NULL, NULL, ps, cs));
}

static void pool_forward_part(void *ctx, int i, int n)
{
	const struct pool_call *call = ctx;
	const struct norm_call *no = &call->norm;
	ptrdiff_t first = team_share(call->n, 1, i, n), images = team_share(call->n, 1, i + 1, n) - first;
	ptrdiff_t in = first * call->ps->h * call->ps->w * no->c, out = first * call->ps->p * call->ps->q * no->c;

	bn_maxpool_forward(call->pooled + out, call->arg_out + out, no->y + in, no->mean, no->rstd, no->gamma, no->beta,
			   no->relu, call->ps, (int)images);
}

void bn_pool_forward(const struct crew *crew, float *z, uint8_t *arg, const float *y, const float *mean,
		     const float *rstd, const float *gamma, const float *beta, bool relu, const struct pool_shape *ps,
		     int n)
{
	struct pool_call call = {.norm = {.crew = crew,
					  .y = y,
					  .mean = mean,
					  .rstd = rstd,
					  .gamma = gamma,
					  .beta = beta,
					  .relu = relu,
					  .c = ps->c},
				 .ps = ps,
				 .pooled = z,
				 .arg_out = arg,
				 .n = n};

	split_run(crew, (double)n * ps->p * ps->q * ps->c * ps->r * ps->r, pool_forward_part, &call);
}

/* Some rows of an image: of the map's gradient, made here, and where they lie in the map. */
struct rows {
	const float *d;
	ptrdiff_t at;
	int64_t m;
};

static struct rows take_rows(const struct pool_call *call, float *room, int image, int row)
{
	const struct pool_shape *ps = call->ps;
	ptrdiff_t out = (ptrdiff_t)image * ps->p * ps->q * ps->c;
	int end = row + call->rows < ps->h ? row + call->rows : ps->h;

	maxpool_backward_rows(room, call->dz + out, call->arg + out, ps, row, end);
	return (struct rows){room, ((ptrdiff_t)image * ps->h + row) * ps->w * ps->c, (int64_t)(end - row) * ps->w};
}

static struct room own_room(const struct pool_call *call, int thread)
{
	const struct crew *crew = call->norm.crew;
	struct room r;

	room_for(&r, crew->ws + (size_t)thread * crew->ws_floats, call->ps, call->conv ? call->conv->cs : NULL);
	return r;
}

/* A strip is some whole images here. */
static void pool_sums_part(void *ctx, int i, int n)
{
	const struct pool_call *call = ctx;
	const struct norm_call *no = &call->norm;
	const struct pool_shape *ps = call->ps;
	const int each = (int)(no->strip / (ps->h * ps->w));

	for (int k = (int)team_share(strips_of(no), 1, i, n); k < team_share(strips_of(no), 1, i + 1, n); k++) {
		double *s = (double *)no->crew->ws + (ptrdiff_t)k * 2 * no->c;
		int first = k * each, images = call->n - first < each ? call->n - first : each;
		ptrdiff_t in = (ptrdiff_t)first * ps->h * ps->w * no->c, out = (ptrdiff_t)first * ps->p * ps->q * no->c;

		bn_maxpool_sums(s, s + no->c, call->dz + out, call->arg + out, no->y + in, no->mean, ps, images);
	}
}

/* The gradient of one image's map, to dy. */
static void spread_image(const struct pool_call *call, float *dy, float *rows, int image)
{
	const struct norm_call *no = &call->norm;
	const ptrdiff_t first = (ptrdiff_t)image_floats(call->ps) * image;

	for (int row = 0; row < call->ps->h; row += call->rows) {
		struct rows r = take_rows(call, rows, image, row);

		bn_spread(dy + r.at - first, NULL, r.d, NULL, no->y + r.at, no->mean, no->factors, no->batch, false,
			  r.m, no->c);
	}
}

static void pool_spread_part(void *ctx, int i, int n)
{
	const struct pool_call *call = ctx;
	struct room room = own_room(call, i);

	for (int image = (int)team_share(call->n, 1, i, n); image < team_share(call->n, 1, i + 1, n); image++)
		spread_image(call, call->norm.out + image_floats(call->ps) * (size_t)image, room.rows, image);
}

/* ---- and with the convolution that alone makes the map ---- */

static int groups_of(const struct pool_call *call)
{
	return (call->n + images_at_once(call->ps) - 1) / images_at_once(call->ps);
}

static int use_strips(const struct pool_call *call)
{
	return groups_of(call) < STRIPS ? groups_of(call) : STRIPS;
}

/* dw of some images. */
static void use_images(const struct pool_call *call, float *dw, const struct room *room, int first, int images)
{
	const struct conv_shape *cs = call->conv->cs;

	for (int i = 0; i < images; i++)
		spread_image(call, room->map + image_floats(call->ps) * (size_t)i, room->rows, first + i);
	conv_backward_weights(dw, NULL, room->map, call->conv->x + (ptrdiff_t)first * cs->h * cs->w * cs->c, cs, images,
			      room->conv);
}

/* What lies behind the weights, up to a whole line, is added as well and never read. */
static void add_floats(float *sum, const float *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum[i] += x[i];
}

static void pool_use_part(void *ctx, int i, int n)
{
	const struct pool_call *call = ctx;
	const struct room room = own_room(call, i), first = own_room(call, 0);
	const size_t weights = weights_of(call->conv->cs);
	const int each = images_at_once(call->ps), strips = use_strips(call);

	for (int s = (int)team_share(strips, 1, i, n); s < team_share(strips, 1, i + 1, n); s++) {
		int from = (int)team_share(groups_of(call), 1, s, strips);

		for (int g = from; g < team_share(groups_of(call), 1, s + 1, strips); g++) {
			float *sum = first.dw + (size_t)s * weights, *dw = g == from ? sum : room.once;

			use_images(call, dw, &room, g * each, call->n - g * each < each ? call->n - g * each : each);
			if (dw != sum)
				add_floats(sum, dw, weights);
		}
	}
}

/* The strips' sums, in order. */
static void join_weights(const struct pool_call *call)
{
	const struct conv_shape *cs = call->conv->cs;
	const struct room first = own_room(call, 0);

	for (int s = 1; s < use_strips(call); s++)
		add_floats(first.dw, first.dw + (size_t)s * weights_of(cs), weights_of(cs));
	memcpy(call->conv->dw, first.dw, (size_t)(cs->r * cs->s * cs->c * cs->k) * sizeof(float));
}

void bn_pool_backward(const struct crew *crew, float *dy, const struct conv_use *conv, float *dgamma, float *dbeta,
		      const float *dz, const uint8_t *arg, const float *y, const float *mean, const float *rstd,
		      const float *gamma, bool batch_stats, const struct pool_shape *ps, int n)
{
	const int c = ps->c;
	const int64_t image = (int64_t)ps->h * ps->w;
	const double *sums = (double *)crew->ws, work = 2 * (double)(n * image) * c;
	float *factors = crew->ws + (size_t)STRIPS * 2 * 2 * (size_t)c;
	struct pool_call call = {.norm = {.crew = crew,
					  .out = dy,
					  .y = y,
					  .mean = mean,
					  .rstd = rstd,
					  .gamma = gamma,
					  .factors = factors,
					  .batch = batch_stats,
					  .m = n * image,
					  .c = c,
					  .strip = (n + STRIPS - 1) / STRIPS * image},
				 .ps = ps,
				 .dz = dz,
				 .arg = arg,
				 .n = n,
				 .rows = rows_at_once(ps),
				 .conv = conv};

	if (dgamma || ((dy || conv) && batch_stats)) {
		split_run(crew, work, pool_sums_part, &call);
		join_sums(&call.norm);
	}
	if (dgamma)
		own_gradients(dgamma, dbeta, &call.norm, sums);
	if (!dy && !conv)
		return;
	make_factors(factors, &call.norm, sums);
	if (conv) {
		split_run(crew, 8 * work, pool_use_part, &call); /* most of it is the convolution */
		join_weights(&call);
	} else {
		split_run(crew, work, pool_spread_part, &call);
	}
}
