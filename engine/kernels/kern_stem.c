/*
 * kern_stem.c - 7x7 convolution of stride 2 on few channels, the first of a ResNet, forward and backward to the weights by
 * Winograd's F(3x3,4x4); see kernels.h
 *
 * Squares of 2x2 pixels count as one pixel of four times the channels: then the kernel has 4x4 taps (those of an eighth
 * line and column are zero) and stride 1. A tile of 3x3 outputs takes 36 multiplications for each of those channels and
 * output, where the direct sum has 9 * 49 for four of them: a third. Backward to the data is never asked for where it is a
 * network's first layer, and is left to the direct kernel.
 *
 * An image is laid out in squares, then its tiles are taken in blocks, and of each block a panel of outputs after the other.
 *   S  [row][col][lanes]                                    lanes: 4 c, rounded up to whole vectors; channel (2 a + b) * c + i
 *   V  [plane][group of ROWS tiles][lanes / VL][tile][VL]   forward;  [plane][lanes / VL][tile][VL]  backward to the weights
 *   U  [plane][panel][lanes][PANEL], M and W [plane][tile][PANEL]
 */
#include <string.h>

#include "engine/kernels/kern_table.h"
#include "engine/kernels/kern_winograd_points.h"
#include "engine/kernels/kern_winograd_shared.h"

enum { KERNEL = 7, TAPS = 4, OUT = 3, BLOCK = BLOCK_TILES };

/* Sums of all twelve channels of three times four at once, where there are registers for them. */
#if defined(KERN_avx512)
enum { STEM_ROWS = 12 };
#define SUM_NAME  sum12x2
#define STEP_NAME sum12x2_step
#define TILE_T    12
#define TILE_NV   2
#include "engine/kernels/kern_winograd_tile.h"
#define SUM_NAME  sum12x1
#define STEP_NAME sum12x1_step
#define TILE_T    12
#define TILE_NV   1
#include "engine/kernels/kern_winograd_tile.h"
static const sum_fn stem_sums[2] = {sum12x1, sum12x2};
#else
enum { STEM_ROWS = SUM_ROWS };
#define stem_sums sums
#endif

/* ---- the transforms of one line ---- */

/* A^T m */
KERN_INLINE void output_line(vf o[OUT], const vf m[PATCH])
{
	vf ea = m[1] + m[2], oa = m[1] - m[2], eb = m[3] + m[5], ob = m[3] - m[5];

	o[0] = m[0] + (ea + eb);
	o[1] = A1 * oa + B1 * ob;
	o[2] = m[4] + (A2 * ea + B2 * eb);
}

/* A y */
KERN_INLINE void gradient_line(vf o[PATCH], const vf y[OUT])
{
	vf ea = y[0] + A2 * y[2], oa = A1 * y[1], eb = y[0] + B2 * y[2], ob = B1 * y[1];

	o[0] = y[0];
	o[1] = ea + oa;
	o[2] = ea - oa;
	o[3] = eb + ob;
	o[4] = y[2];
	o[5] = eb - ob;
}

/* G g */
KERN_INLINE void weight_line(vf o[PATCH], const vf g[TAPS])
{
	vf ea = NA * g[0] + (NA * A2) * g[2], oa = (NA * A1) * g[1] + (NA * A3) * g[3];
	vf eb = NB * g[0] + (NB * B2) * g[2], ob = (NB * B1) * g[1] + (NB * B3) * g[3];

	o[0] = N0 * g[0];
	o[1] = ea + oa;
	o[2] = ea - oa;
	o[3] = eb + ob;
	o[4] = g[3];
	o[5] = eb - ob;
}

/* G^T u */
KERN_INLINE void weight_gradient_line(vf o[TAPS], const vf u[PATCH])
{
	vf ea = u[1] + u[2], oa = u[1] - u[2], eb = u[3] + u[5], ob = u[3] - u[5];

	o[0] = N0 * u[0] + (NA * ea + NB * eb);
	o[1] = (NA * A1) * oa + (NB * B1) * ob;
	o[2] = (NA * A2) * ea + (NB * B2) * eb;
	o[3] = u[4] + ((NA * A3) * oa + (NB * B3) * ob);
}

/* ---- the work ---- */

struct stem {
	const struct conv_shape *cs;
	int from, to;     /* outputs to compute */
	int depth, lanes; /* channels of a square; with those that fill the last vector */
	int rows, cols;   /* squares of an image */
	struct kind kd;   /* tiles of one image */
	ptrdiff_t v_plane, m_plane, u_plane;
};

static struct stem stem_of(const struct conv_shape *cs)
{
	struct stem st = {.cs = cs, .from = cs->from, .to = cs->to ? cs->to : cs->k, .depth = 4 * cs->c};

	st.lanes = round_up(st.depth, VL);
	st.kd = (struct kind){
		.rows = OUT, .cols = OUT, .down = (cs->p + OUT - 1) / OUT, .across = (cs->q + OUT - 1) / OUT};
	st.kd.tiles = st.kd.down * st.kd.across;
	st.rows = OUT * st.kd.down + TAPS - 1;
	st.cols = OUT * st.kd.across + TAPS - 1;
	st.v_plane = (ptrdiff_t)round_up(BLOCK, ROWS) * st.lanes + PLANE_PAD;
	st.m_plane = (ptrdiff_t)round_up(BLOCK, ROWS) * PANEL + PLANE_PAD;
	st.u_plane = (ptrdiff_t)round_up(st.to - st.from, PANEL) * round_up(st.lanes, STEM_ROWS) + PLANE_PAD;
	return st;
}

struct room {
	float *zero, *s, *v, *u, *m;
};

static size_t room_for(struct room *r, float *ws, const struct stem *st)
{
	size_t zero = align16((size_t)st->cs->k), s = align16((size_t)st->rows * (size_t)st->cols * (size_t)st->lanes);
	size_t v = align16((size_t)(POINTS * st->v_plane)), u = align16((size_t)(POINTS * st->u_plane));

	if (r)
		*r = (struct room){ws, ws + zero, ws + zero + s, ws + zero + s + v, ws + zero + s + v + u};
	return zero + s + v + u + align16((size_t)(POINTS * st->m_plane));
}

static size_t workspace(const struct conv_shape *cs, int n)
{
	struct stem st = stem_of(cs);

	(void)n;
	return room_for(NULL, NULL, &st);
}

/* ---- squares ---- */

/* One line of pixels, the first in the half `b` of its square: to out, a square `lanes` further each */
KERN_INLINE void take_line(float *out, const float *x, int pixels, int b, int lanes, int c)
{
	int i = 0;

	if (b) {
		memcpy(out + c, x, (size_t)c * sizeof(*x));
		out += lanes;
		i = 1;
	}
	for (; i + 2 <= pixels; i += 2, out += lanes)
		memcpy(out, x + (ptrdiff_t)i * c, 2 * (size_t)c * sizeof(*x));
	if (i < pixels)
		memcpy(out, x + (ptrdiff_t)i * c, (size_t)c * sizeof(*x));
}

/* What no pixel is written to is zero, before and after: squares outside of the image, lanes that fill up. */
static void take_squares(float *s, const float *x, const struct stem *st)
{
	const struct conv_shape *cs = st->cs;
	const ptrdiff_t line = (ptrdiff_t)st->cols * st->lanes;

	for (int row = 0; row < cs->h && (row + cs->pad) / 2 < st->rows; row++, x += (ptrdiff_t)cs->w * cs->c) {
		int at = row + cs->pad, left = cs->pad / 2, fit = 2 * st->cols - cs->pad;
		float *out = s + at / 2 * line + (ptrdiff_t)left * st->lanes + (at % 2) * 2 * cs->c;

		if (cs->c == 3)
			take_line(out, x, min_int(cs->w, fit), cs->pad % 2, st->lanes, 3);
		else
			take_line(out, x, min_int(cs->w, fit), cs->pad % 2, st->lanes, cs->c);
	}
}

/* v[plane] = B^T d B of VL channels of the patch at s */
KERN_INLINE void transform_patch(float *v, ptrdiff_t plane, const float *s, ptrdiff_t line, int lanes)
{
	vf t[PATCH][PATCH], d[PATCH];

	KERN_UNROLL
	for (int b = 0; b < PATCH; b++) {
		KERN_UNROLL
		for (int a = 0; a < PATCH; a++)
			d[a] = vf_load(s + a * line + b * lanes);
		six_points(t[b], d[0], d[1], d[2], d[3], d[4], d[5]);
	}
	KERN_UNROLL
	for (int a = 0; a < PATCH; a++) {
		six_points(d, t[0][a], t[1][a], t[2][a], t[3][a], t[4][a], t[5][a]);
		KERN_UNROLL
		for (int b = 0; b < PATCH; b++)
			vf_store(v + (a * PATCH + b) * plane, d[b]);
	}
}

/* `tiles` tiles from t0 on, in groups of so many. */
static void transform_input(float *v, const float *s, const struct stem *st, int t0, int tiles, int group)
{
	const ptrdiff_t line = (ptrdiff_t)st->cols * st->lanes;

	for (int t = 0; t < tiles; t++) {
		struct place at = place_of(&st->kd, t0 + t);
		const float *from = s + at.row * line + (ptrdiff_t)at.col * st->lanes;
		float *out = v + (ptrdiff_t)(t / group) * group * st->lanes + t % group * VL;

		for (int i = 0; i < st->lanes; i += VL, out += (ptrdiff_t)group * VL)
			transform_patch(out, st->v_plane, from + i, line, st->lanes);
	}
}

/* ---- weights ---- */

/* Tap (i, j) of channel `lane` of the squares: VL outputs from k on, or zero where the kernel has ended. */
static const float *tap_at(const float *w, const struct conv_shape *cs, int lane, int i, int j)
{
	int r = 2 * i + lane / (2 * cs->c), s = 2 * j + lane / cs->c % 2;

	return r < KERNEL && s < KERNEL ? w + ((ptrdiff_t)(r * KERNEL + s) * cs->c + lane % cs->c) * cs->k : NULL;
}

/* u[plane] = G g G^T of n outputs */
static void transform_taps(float *u, ptrdiff_t plane, const float *w, const struct conv_shape *cs, int lane, int k,
			   int n)
{
	vf t[TAPS][PATCH], d[PATCH], g[TAPS];

	for (int j = 0; j < TAPS; j++) {
		for (int i = 0; i < TAPS; i++) {
			const float *tap = tap_at(w, cs, lane, i, j);

			g[i] = tap ? vf_load_n(tap + k, n) : (vf){0};
		}
		weight_line(t[j], g);
	}
	for (int a = 0; a < PATCH; a++) {
		for (int j = 0; j < TAPS; j++)
			g[j] = t[j][a];
		weight_line(d, g);
		for (int b = 0; b < PATCH; b++)
			vf_store(u + (a * PATCH + b) * plane, d[b]);
	}
}

/* Floats of a panel's weights in a plane of U. */
static ptrdiff_t panel_floats(const struct stem *st)
{
	return (ptrdiff_t)round_up(st->lanes, STEM_ROWS) * PANEL;
}

/* Where output k's weights begin in a plane of U. */
static ptrdiff_t weights_at(const struct stem *st, int k)
{
	return (k - st->from) / PANEL * panel_floats(st) + (k - st->from) % PANEL;
}

static void transform_weights(float *u, const float *w, const struct stem *st)
{
	for (int k = st->from; k < st->to; k += VL) {
		float *out = u + weights_at(st, k);

		for (int lane = 0; lane < st->depth; lane++, out += PANEL)
			transform_taps(out, st->u_plane, w, st->cs, lane, k, min_int(st->to - k, VL));
	}
}

/* dw = G^T du G of n outputs of one channel of the squares */
static void finish_taps(float *dw, const float *du, ptrdiff_t plane, const struct conv_shape *cs, int lane, int k,
			int n)
{
	vf t[PATCH][TAPS], d[PATCH], o[TAPS];

	for (int b = 0; b < PATCH; b++) {
		for (int a = 0; a < PATCH; a++)
			d[a] = vf_load(du + (a * PATCH + b) * plane);
		weight_gradient_line(t[b], d);
	}
	for (int i = 0; i < TAPS; i++) {
		for (int b = 0; b < PATCH; b++)
			d[b] = t[b][i];
		weight_gradient_line(o, d);
		for (int j = 0; j < TAPS; j++) {
			float *tap = (float *)tap_at(dw, cs, lane, i, j);

			if (tap)
				vf_store_n(tap + k, o[j], n);
		}
	}
}

static void finish_weights(float *dw, const float *du, const struct stem *st)
{
	for (int k = st->from; k < st->to; k += VL) {
		const float *from = du + weights_at(st, k);

		for (int lane = 0; lane < st->depth; lane++, from += PANEL)
			finish_taps(dw, from, st->u_plane, st->cs, lane, k, min_int(st->to - k, VL));
	}
}

/* ---- forward ---- */

/* y = A^T m A of a tile, of which down x across lie in the map; n channels from k on */
KERN_INLINE void transform_product(float *y, const float *m, ptrdiff_t plane, const struct conv_shape *cs,
				   const struct tail *tl, ptrdiff_t at, int down, int across, int k, int n)
{
	vf t[PATCH][OUT], o[OUT], d[PATCH];

	KERN_UNROLL
	for (int b = 0; b < PATCH; b++) {
		KERN_UNROLL
		for (int a = 0; a < PATCH; a++)
			d[a] = vf_load(m + (a * PATCH + b) * plane);
		output_line(t[b], d);
	}
	KERN_UNROLL
	for (int a = 0; a < OUT; a++) {
		if (a >= down)
			continue;
		KERN_UNROLL
		for (int b = 0; b < PATCH; b++)
			d[b] = t[b][a];
		output_line(o, d);
		KERN_UNROLL
		for (int b = 0; b < OUT; b++)
			if (b < across)
				store_output(y, o[b], tl, at + (a * cs->q + b) * (ptrdiff_t)cs->k + k, k, n);
	}
}

/* Where this one is named, as for all whole tiles of a training step, the compiler leaves nothing of a tail's questions. */
static const struct tail no_tail;

/* kn outputs, of one panel, from k on */
static void transform_outputs(float *y, const float *m, const struct stem *st, const struct tail *tl, int t0, int tiles,
			      int k, int kn)
{
	const struct conv_shape *cs = st->cs;
	const bool plain = !tl->bias && !tl->add && !tl->relu;

	for (int t = 0; t < tiles; t++, m += PANEL) {
		struct place pl = place_of(&st->kd, t0 + t);
		int down = min_int(cs->p - pl.row, OUT), across = min_int(cs->q - pl.col, OUT);
		ptrdiff_t at = ((ptrdiff_t)pl.row * cs->q + pl.col) * cs->k;

		for (int i = 0; i < kn; i += VL) {
			if (i + VL <= kn && down == OUT && across == OUT && plain)
				transform_product(y, m + i, st->m_plane, cs, &no_tail, at, OUT, OUT, k + i, VL);
			else if (i + VL <= kn && down == OUT && across == OUT)
				transform_product(y, m + i, st->m_plane, cs, tl, at, OUT, OUT, k + i, VL);
			else
				transform_product(y, m + i, st->m_plane, cs, tl, at, down, across, k + i,
						  min_int(kn - i, VL));
		}
	}
}

static void multiply(float *m, const float *v, const float *u, const struct stem *st, int tiles, int kn)
{
	for (int point = 0; point < POINTS; point++, m += st->m_plane, v += st->v_plane, u += st->u_plane)
		for (int t = 0; t < tiles; t += ROWS)
			products[tiles - t <= FEW_ROWS][kn > VL](m + (ptrdiff_t)t * PANEL, v + (ptrdiff_t)t * st->lanes,
								 u, st->depth);
}

static void forward(float *y, const float *x, const float *w, const struct conv_shape *cs, int n,
		    const struct conv_tail *tail, float *ws)
{
	const struct stem st = stem_of(cs);
	struct tail tl = {0};
	struct room r;

	room_for(&r, ws, &st);
	memset(r.s, 0, (size_t)st.rows * (size_t)st.cols * (size_t)st.lanes * sizeof(float));
	transform_weights(r.u, w, &st);
	if (tail)
		tl = (struct tail){tail->bias, tail->add, tail->relu, false};
	for (int i = 0; i < n; i++, x += (ptrdiff_t)cs->h * cs->w * cs->c, y += (ptrdiff_t)cs->p * cs->q * cs->k) {
		take_squares(r.s, x, &st);
		for (int t = 0; t < st.kd.tiles; t += BLOCK) {
			int tiles = min_int(st.kd.tiles - t, BLOCK);

			transform_input(r.v, r.s, &st, t, tiles, ROWS);
			for (int k = st.from; k < st.to; k += PANEL) {
				int kn = min_int(st.to - k, PANEL);

				multiply(r.m, r.v, r.u + weights_at(&st, k), &st, tiles, kn);
				transform_outputs(y, r.m, &st, &tl, t, tiles, k, kn);
			}
		}
		tl.add = tl.add ? tl.add + (ptrdiff_t)cs->p * cs->q * cs->k : NULL;
	}
}

/* ---- backward to the weights ---- */

/* A dy A^T of n channels */
KERN_INLINE void transform_tile(float *w, ptrdiff_t plane, const float *const from[OUT * OUT], ptrdiff_t ahead, int n)
{
	vf t[OUT][PATCH], d[OUT], o[PATCH];

	KERN_UNROLL
	for (int b = 0; b < OUT; b++) {
		KERN_UNROLL
		for (int a = 0; a < OUT; a++) {
			d[a] = n == VL ? vf_load(from[a * OUT + b]) : vf_load_n(from[a * OUT + b], n);
			__builtin_prefetch(from[a * OUT + b] + ahead); /* the next tile's, mostly */
		}
		gradient_line(t[b], d);
	}
	KERN_UNROLL
	for (int a = 0; a < PATCH; a++) {
		KERN_UNROLL
		for (int b = 0; b < OUT; b++)
			d[b] = t[b][a];
		gradient_line(o, d);
		KERN_UNROLL
		for (int b = 0; b < PATCH; b++)
			vf_store(w + (a * PATCH + b) * plane, o[b]);
	}
}

/* kn channels of dy, from the first on, of up to BLOCK tiles from t0 on */
static struct ahead ahead_gradient(const float *dy, const struct stem *st, int t0, int kn)
{
	const struct conv_shape *cs = st->cs;

	return ahead_of(
		(struct ahead){.kd = &st->kd, .map = dy, .h = cs->p, .w = cs->q, .c = cs->k, .count = kn, .step = 1},
		t0, BLOCK, POINTS);
}

static void transform_gradient(float *w, const float *dy, const float *zero, const struct stem *st, int t0, int tiles,
			       int k, int kn)
{
	const struct conv_shape *cs = st->cs;

	for (int t = 0; t < tiles; t++, w += PANEL) {
		struct place pl = place_of(&st->kd, t0 + t);

		for (int i = 0; i < kn; i += VL) {
			const float *at = dy + ((ptrdiff_t)pl.row * cs->q + pl.col) * cs->k + k + i, *from[OUT * OUT];

			for (int j = 0; j < OUT * OUT; j++) {
				int a = j / OUT, b = j % OUT;

				from[j] = pl.row + a < cs->p && pl.col + b < cs->q
						  ? at + (a * cs->q + b) * (ptrdiff_t)cs->k
						  : zero;
			}
			if (i + VL <= kn)
				transform_tile(w + i, st->m_plane, from, OUT * (ptrdiff_t)cs->k, VL);
			else
				transform_tile(w + i, st->m_plane, from, OUT * (ptrdiff_t)cs->k, kn - i);
		}
	}
}

static void sum_products(float *du, const float *v, const float *w, const struct stem *st, int tiles, int kn, bool add,
			 struct ahead *next)
{
	for (int point = 0; point < POINTS; point++, du += st->u_plane, v += st->v_plane, w += st->m_plane) {
		ahead_go(next);
		for (int i = 0; i < st->depth; i += STEM_ROWS) {
			float *at = du + (ptrdiff_t)i * PANEL;

			stem_sums[kn > VL](at, at + st->u_plane, v + (ptrdiff_t)(i / VL) * VL * tiles + i % VL, w,
					   tiles, add);
		}
	}
}

static void backward_weights(float *dw, const float *dy, const float *x, const struct conv_shape *cs, int n, float *ws)
{
	const struct stem st = stem_of(cs);
	struct room r;

	room_for(&r, ws, &st);
	memset(r.zero, 0, (size_t)cs->k * sizeof(float));
	memset(r.s, 0, (size_t)st.rows * (size_t)st.cols * (size_t)st.lanes * sizeof(float));
	for (int i = 0; i < n; i++, x += (ptrdiff_t)cs->h * cs->w * cs->c, dy += (ptrdiff_t)cs->p * cs->q * cs->k) {
		take_squares(r.s, x, &st);
		for (int t = 0; t < st.kd.tiles; t += BLOCK) {
			int tiles = min_int(st.kd.tiles - t, BLOCK);

			transform_input(r.v, r.s, &st, t, tiles, tiles);
			for (int k = st.from; k < st.to; k += PANEL) {
				bool last = k + PANEL >= st.to;
				int kn = min_int(st.to - k, PANEL), k_next = last ? st.from : k + PANEL;
				struct ahead next = ahead_gradient(dy + k_next, &st, last ? t + BLOCK : t,
								   min_int(st.to - k_next, PANEL));

				transform_gradient(r.m, dy, r.zero, &st, t, tiles, k, kn);
				sum_products(r.u + weights_at(&st, k), r.v, r.m, &st, tiles, kn, i + t > 0, &next);
			}
		}
	}
	finish_weights(dw, r.u, &st);
}

const struct kern_winograd_table KERN_NAME(kern_stem_) = {workspace, forward, NULL, backward_weights};
