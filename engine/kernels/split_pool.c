/* split_pool.c - a convolution and the max pooling that alone reads it, on a team; see split.h */
#include "engine/kernels/split.h"

#include <string.h>

enum {
	STRIPS = 32, /* most strips of images that have sums of their own */
	MACS = 80    /* multiply-adds that take as long as an element of plain arithmetic */
};

struct pooled_call {
	const struct crew *crew;
	float *out;
	uint8_t *arg;
	const float *x, *w, *bias, *dy, *y;
	const uint8_t *from;
	const struct conv_shape *cs;
	const struct pool_shape *ps;
	int n;
	bool relu;
};

static size_t align16(size_t floats)
{
	return (floats + 15) & ~(size_t)15;
}

static size_t weights_of(const struct conv_shape *cs)
{
	return (size_t)cs->r * (size_t)cs->s * (size_t)cs->c * (size_t)cs->k;
}

/* Floats of one strip's sums: dw, and db behind it. */
static size_t sums_of(const struct conv_shape *cs)
{
	return align16(weights_of(cs) + (size_t)cs->k);
}

/* The strips' sums, in the first thread's room, before each thread's own. */
size_t split_conv_pool_workspace(const struct conv_shape *cs)
{
	return STRIPS * sums_of(cs) + conv_pool_workspace(cs);
}

static float *own_room(const struct pooled_call *call, int thread)
{
	return call->crew->ws + (size_t)thread * call->crew->ws_floats + STRIPS * sums_of(call->cs);
}

static void run(const struct pooled_call *call, team_part part)
{
	const struct conv_shape *cs = call->cs;
	double map = (double)call->n * cs->p * cs->q * cs->k;

	split_run(call->crew, map * cs->r * cs->s * cs->c / MACS + map, part, (void *)call);
}

static ptrdiff_t pooled_at(const struct pooled_call *call, int image)
{
	return (ptrdiff_t)image * call->ps->p * call->ps->q * call->ps->c;
}

static ptrdiff_t input_at(const struct pooled_call *call, int image)
{
	return (ptrdiff_t)image * call->cs->h * call->cs->w * call->cs->c;
}

static void forward_part(void *ctx, int i, int n)
{
	const struct pooled_call *call = ctx;
	int at = (int)team_share(call->n, 1, i, n), images = (int)team_share(call->n, 1, i + 1, n) - at;

	conv_pool_forward(call->out + pooled_at(call, at), call->arg + pooled_at(call, at),
			  call->x + input_at(call, at), call->w, call->bias, call->cs, call->ps, call->relu, images,
			  own_room(call, i));
}

void split_conv_pool_forward(const struct crew *crew, float *y, uint8_t *arg, const float *x, const float *w,
			     const float *bias, const struct conv_shape *cs, const struct pool_shape *ps, bool relu,
			     int n)
{
	run(&(struct pooled_call){.crew = crew,
				  .out = y,
				  .arg = arg,
				  .x = x,
				  .w = w,
				  .bias = bias,
				  .cs = cs,
				  .ps = ps,
				  .n = n,
				  .relu = relu},
	    forward_part);
}

static int strips_of(const struct pooled_call *call)
{
	return call->n < STRIPS ? call->n : STRIPS;
}

static void backward_part(void *ctx, int i, int n)
{
	const struct pooled_call *call = ctx;
	int strips = strips_of(call);

	for (int s = (int)team_share(strips, 1, i, n); s < (int)team_share(strips, 1, i + 1, n); s++) {
		int at = (int)team_share(call->n, 1, s, strips), end = (int)team_share(call->n, 1, s + 1, strips);
		float *sums = call->crew->ws + (size_t)s * sums_of(call->cs);

		conv_pool_backward_weights(sums, sums + weights_of(call->cs), call->dy + pooled_at(call, at),
					   call->y ? call->y + pooled_at(call, at) : NULL,
					   call->from + pooled_at(call, at), call->x + input_at(call, at), call->cs,
					   call->ps, end - at, own_room(call, i));
	}
}

void split_conv_pool_backward_weights(const struct crew *crew, float *dw, float *db, const float *dy, const float *y,
				      const uint8_t *arg, const float *x, const struct conv_shape *cs,
				      const struct pool_shape *ps, int n)
{
	struct pooled_call call = {.crew = crew, .dy = dy, .y = y, .from = arg, .x = x, .cs = cs, .ps = ps, .n = n};
	const size_t weights = weights_of(cs), k = (size_t)cs->k;

	run(&call, backward_part);
	for (int s = 1; s < strips_of(&call); s++)
		for (size_t i = 0; i < weights + k; i++)
			crew->ws[i] += crew->ws[(size_t)s * sums_of(cs) + i];
	memcpy(dw, crew->ws, weights * sizeof(*dw));
	if (db)
		memcpy(db, crew->ws + weights, k * sizeof(*db));
}
