/*
 * split_norm_pool.c - BatchNorm on a team with the max pooling that alone reads its map, and with the convolution that alone
 * makes it: neither map nor gradient is ever in memory whole; see split.h
 */
#include "engine/kernels/split_norm.h"

#include <string.h>

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

	for (int k = (int)team_share(norm_strips(no), 1, i, n); k < team_share(norm_strips(no), 1, i + 1, n); k++) {
		double *s = norm_sums(no, k);
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

		bn_spread(dy + r.at - first, NULL, r.d, NULL, no->y + r.at, no->mean, norm_factors(no), no->batch,
			  false, r.m, no->c);
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
	const double work = 2 * (double)(n * image) * c;
	struct pool_call call = {.norm = {.crew = crew,
					  .out = dy,
					  .y = y,
					  .mean = mean,
					  .rstd = rstd,
					  .gamma = gamma,
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
		norm_join(&call.norm);
	}
	if (dgamma)
		norm_own_gradients(dgamma, dbeta, &call.norm);
	if (!dy && !conv)
		return;
	norm_make_factors(&call.norm);
	if (conv) {
		split_run(crew, 8 * work, pool_use_part, &call); /* most of it is the convolution */
		join_weights(&call);
	} else {
		split_run(crew, work, pool_spread_part, &call);
	}
}
