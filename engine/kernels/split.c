/* split.c - convolutions, pooling and elementwise work on a team; see split.h */
#include "engine/kernels/split.h"

#include <math.h>

/*
 * A call costs microseconds, but what one thread has written another must fetch from its cache: below these sizes a thread's
 * part was measured to be faster done by the calling thread (0.8 times as fast with a quarter of them).
 */
#define PART_MACS     40e6
#define PART_ELEMENTS 512e3

enum { LINE = 16 /* floats */, CHANNELS = 16 /* no kernel's panel of output channels reaches past such a border */ };

static int worth(const struct crew *crew, double work, double part)
{
	double most = crew->eager ? crew->threads : work / part;

	return most < 2 ? 1 : most < crew->threads ? (int)most : crew->threads;
}

void split_run(const struct crew *crew, double work, team_part part, void *ctx)
{
	team_run(crew->team, worth(crew, work, PART_ELEMENTS), part, ctx);
}

/* ---- convolution ---- */

struct conv_call {
	const struct crew *crew;
	float *out, *bias_grad;
	const float *in, *w;
	const struct conv_shape *cs;
	int n;
	const struct conv_tail *tail;
	bool accumulate, forward;
};

static int conv_worth(const struct conv_call *call)
{
	const struct conv_shape *cs = call->cs;

	return worth(call->crew, (double)call->n * cs->p * cs->q * cs->k * cs->r * cs->s * cs->c, PART_MACS);
}

static float *own_ws(const struct crew *crew, int i)
{
	return crew->ws + (size_t)i * crew->ws_floats;
}

/* One part of the output, of `images` images from `first` on and the channels that cs names. */
static void conv_part(const struct conv_call *call, const struct conv_shape *cs, int first, int images, float *ws)
{
	ptrdiff_t x = (ptrdiff_t)cs->h * cs->w * cs->c * first, y = (ptrdiff_t)cs->p * cs->q * cs->k * first;
	struct conv_tail tail = {0};

	if (call->tail)
		tail = *call->tail;
	if (tail.add)
		tail.add += y;
	if (call->forward)
		conv_forward(call->out + y, call->in + x, call->w, cs, images, call->tail ? &tail : NULL, ws);
	else
		conv_backward_data(call->out + x, call->in + y, call->w, cs, images, call->accumulate, ws);
}

static void conv_images(void *ctx, int i, int n)
{
	const struct conv_call *call = ctx;
	int first = (int)team_share(call->n, 1, i, n), end = (int)team_share(call->n, 1, i + 1, n);

	if (end > first)
		conv_part(call, call->cs, first, end - first, own_ws(call->crew, i));
}

/* False where part i of n has no channels. */
static bool part_shape(struct conv_shape *part, const struct conv_shape *cs, int channels, int i, int n)
{
	*part = *cs;
	part->from = (int)team_share(channels, CHANNELS, i, n);
	part->to = (int)team_share(channels, CHANNELS, i + 1, n);
	return part->to > part->from;
}

static void conv_channels(void *ctx, int i, int n)
{
	const struct conv_call *call = ctx;
	struct conv_shape part;

	if (part_shape(&part, call->cs, call->forward ? call->cs->k : call->cs->c, i, n))
		conv_part(call, &part, 0, call->n, own_ws(call->crew, i));
}

/* What the slowest of n threads does, in multiplications a point and input channel of Winograd's products: its share
 * of them, and the transform that all of them do for themselves. */
static double cost(int units, int n, double products, double transforms)
{
	return ceil((double)units / n) / units * products + 8 * transforms;
}

/* Few tiles and many weights: better each thread transforms all tiles than all weights. */
static bool by_channels(const struct conv_call *call, int threads)
{
	const struct conv_shape *cs = call->cs;
	bool small = call->forward || cs->stride == 2; /* dx of stride 2 has tiles of 8x8 */
	int p = small ? cs->p : cs->h, q = small ? cs->q : cs->w;
	int out = call->forward ? cs->k : cs->c;
	double tiles = (double)call->n * ((p + 3) / 4) * ((q + 3) / 4);

	return cs->algo == CONV_WINOGRAD && cost((out + CHANNELS - 1) / CHANNELS, threads, tiles * out, tiles) <
						    cost(call->n, threads, tiles * out, out);
}

static void run_conv(struct conv_call *call)
{
	int threads = conv_worth(call);

	team_run(call->crew->team, threads, threads > 1 && by_channels(call, threads) ? conv_channels : conv_images,
		 call);
}

void split_conv_forward(const struct crew *crew, float *y, const float *x, const float *w, const struct conv_shape *cs,
			int n, const struct conv_tail *tail)
{
	run_conv(&(struct conv_call){
		.crew = crew, .out = y, .in = x, .w = w, .cs = cs, .n = n, .tail = tail, .forward = true});
}

void split_conv_backward_data(const struct crew *crew, float *dx, const float *dy, const float *w,
			      const struct conv_shape *cs, int n, bool accumulate)
{
	run_conv(&(struct conv_call){
		.crew = crew, .out = dx, .in = dy, .w = w, .cs = cs, .n = n, .accumulate = accumulate});
}

static void conv_weights(void *ctx, int i, int n)
{
	const struct conv_call *call = ctx;
	struct conv_shape part;

	if (part_shape(&part, call->cs, call->cs->k, i, n))
		conv_backward_weights(call->out, call->bias_grad, call->in, call->w, &part, call->n,
				      own_ws(call->crew, i));
}

void split_conv_backward_weights(const struct crew *crew, float *dw, float *db, const float *dy, const float *x,
				 const struct conv_shape *cs, int n)
{
	struct conv_call call = {.crew = crew, .out = dw, .bias_grad = db, .in = dy, .w = x, .cs = cs, .n = n};

	team_run(crew->team, conv_worth(&call), conv_weights, &call);
}

/* ---- pooling ---- */

struct pool_call {
	float *y;
	uint8_t *arg;
	const float *x;
	const uint8_t *from;
	const struct pool_shape *ps;
	int n, hw, c;
};

static void maxpool_part(void *ctx, int i, int n)
{
	const struct pool_call *p = ctx;
	int first = (int)team_share(p->n, 1, i, n), images = (int)team_share(p->n, 1, i + 1, n) - first;
	ptrdiff_t in = (ptrdiff_t)p->ps->h * p->ps->w * p->ps->c * first;
	ptrdiff_t out = (ptrdiff_t)p->ps->p * p->ps->q * p->ps->c * first;

	if (p->arg)
		maxpool_forward(p->y + out, p->arg + out, p->x + in, p->ps, images);
	else
		maxpool_backward(p->y + in, p->x + out, p->from + out, p->ps, images);
}

static double pool_work(const struct pool_shape *ps, int n)
{
	return (double)n * ps->p * ps->q * ps->c * ps->r * ps->r;
}

void split_maxpool_forward(const struct crew *crew, float *y, uint8_t *arg, const float *x, const struct pool_shape *ps,
			   int n)
{
	split_run(crew, pool_work(ps, n), maxpool_part,
		  &(struct pool_call){.y = y, .arg = arg, .x = x, .ps = ps, .n = n});
}

void split_maxpool_backward(const struct crew *crew, float *dx, const float *dy, const uint8_t *arg,
			    const struct pool_shape *ps, int n)
{
	split_run(crew, pool_work(ps, n), maxpool_part,
		  &(struct pool_call){.y = dx, .from = arg, .x = dy, .ps = ps, .n = n});
}

static void global_forward_part(void *ctx, int i, int n)
{
	const struct pool_call *p = ctx;
	ptrdiff_t first = team_share(p->n, 1, i, n), images = team_share(p->n, 1, i + 1, n) - first;

	global_avgpool_forward(p->y + first * p->c, p->x + first * p->hw * p->c, (int)images, p->hw, p->c);
}

void split_global_avgpool_forward(const struct crew *crew, float *y, const float *x, int n, int hw, int c)
{
	split_run(crew, (double)n * hw * c, global_forward_part,
		  &(struct pool_call){.y = y, .x = x, .n = n, .hw = hw, .c = c});
}

static void global_backward_part(void *ctx, int i, int n)
{
	const struct pool_call *p = ctx;
	ptrdiff_t first = team_share(p->n, 1, i, n), images = team_share(p->n, 1, i + 1, n) - first;

	global_avgpool_backward(p->y + first * p->hw * p->c, p->x + first * p->c, (int)images, p->hw, p->c);
}

void split_global_avgpool_backward(const struct crew *crew, float *dx, const float *dy, int n, int hw, int c)
{
	split_run(crew, (double)n * hw * c, global_backward_part,
		  &(struct pool_call){.y = dx, .x = dy, .n = n, .hw = hw, .c = c});
}

/* ---- elementwise ---- */

enum each { RELU_FORWARD, RELU_BACKWARD, DROPOUT };

struct each_call {
	enum each what;
	float *out;
	const float *in, *y;
	const uint8_t *mask;
	float p;
	int64_t n;
};

static void each_part(void *ctx, int i, int n)
{
	const struct each_call *c = ctx;
	int64_t at = team_share(c->n, LINE, i, n), len = team_share(c->n, LINE, i + 1, n) - at;

	if (c->what == RELU_FORWARD)
		relu_forward(c->out + at, c->in + at, len);
	else if (c->what == RELU_BACKWARD)
		relu_backward(c->out + at, c->in + at, c->y + at, len);
	else
		dropout_apply(c->out + at, c->in + at, c->mask + at, c->p, len);
}

void split_relu_forward(const struct crew *crew, float *y, const float *x, int64_t n)
{
	split_run(crew, (double)n, each_part, &(struct each_call){.what = RELU_FORWARD, .out = y, .in = x, .n = n});
}

void split_relu_backward(const struct crew *crew, float *dx, const float *dy, const float *y, int64_t n)
{
	split_run(crew, (double)n, each_part,
		  &(struct each_call){.what = RELU_BACKWARD, .out = dx, .in = dy, .y = y, .n = n});
}

void split_dropout_apply(const struct crew *crew, float *y, const float *x, const uint8_t *mask, float p, int64_t n)
{
	split_run(crew, (double)n, each_part,
		  &(struct each_call){.what = DROPOUT, .out = y, .in = x, .mask = mask, .p = p, .n = n});
}
