/*
 * kern_conv_pool.c - a 3x3 convolution of a grey or RGB image and the 2x2 max pooling that reads it, see kernels.h
 *
 * The four outputs of a window are summed side by side in registers and only the largest is stored; backward, a window's
 * gradient goes from its register to the one of them that was the largest. The map between the two is never in memory.
 */
#include <string.h>

#include "engine/kernels/kern_pad.h"
#include "engine/kernels/kern_table.h"

enum {
	WINDOW = 4,             /* outputs of the convolution in a window */
	ROWS = 4,               /* of the input that they read */
	MOST = VL == 16 ? 4 : 2 /* windows at once, so that their sums stay in registers */
};

/* Some images' calls: what stays the same from window to window. */
struct at_once {
	ptrdiff_t line; /* floats from one row of the padded input to the next */
	int k, p, q;    /* channels and windows of the output */
	bool relu;
};

static ptrdiff_t padded_line(const struct conv_shape *cs)
{
	return (ptrdiff_t)(cs->w + 2 * cs->pad) * cs->c;
}

static size_t workspace(const struct conv_shape *cs)
{
	return (size_t)(cs->h + 2 * cs->pad) * (size_t)padded_line(cs);
}

/* out: zeros before the first image, and around each */
static void pad_image(float *out, const float *x, const struct conv_shape *cs)
{
	ptrdiff_t line = padded_line(cs), row = (ptrdiff_t)cs->w * cs->c;

	out += cs->pad * (line + cs->c);
	for (int i = 0; i < cs->h; i++, out += line, x += row)
		copy_floats(out, x, row);
}

/* ---- forward ---- */

/* `windows` neighbours of VL channels; as conv_forward() and then maxpool_forward() compute them. */
KERN_INLINE void forward_windows(float *y, uint8_t *arg, const float *x, const float *w, const float *bias,
				 const struct at_once *o, int c, int windows)
{
	const float *row[ROWS] = {x, x + o->line, x + 2 * o->line, x + 3 * o->line};
	vf sum[MOST * WINDOW];

	KERN_UNROLL
	for (int i = 0; i < windows * WINDOW; i++)
		sum[i] = (vf){0};
	KERN_UNROLL
	for (int t = 0; t < 9 * c; t++) {
		vf wv = vf_load(w + (ptrdiff_t)t * o->k);

		KERN_UNROLL
		for (int i = 0; i < windows * WINDOW; i++) {
			int r = i % WINDOW / 2, s = i / WINDOW * 2 + i % 2;

			sum[i] += row[r + t / (3 * c)][s * c + t % (3 * c)] * wv;
		}
	}
	KERN_UNROLL
	for (int j = 0; j < windows; j++) {
		vf b = bias ? vf_load(bias) : (vf){0}, top = {0};
		vi index = {0};

		KERN_UNROLL
		for (int i = 0; i < WINDOW; i++) {
			vf v = bias ? sum[j * WINDOW + i] + b : sum[j * WINDOW + i];
			vi take = i ? (vi)(v > top) | (vi)(v != v) : ~(vi){0};

			top = (vf)(((vi)v & take) | ((vi)top & ~take));
			index = (((vi){0} + i) & take) | (index & ~take);
		}
		vf_store(y + (ptrdiff_t)j * o->k, o->relu ? vf_relu(top) : top);
		*(vb_u *)(arg + (ptrdiff_t)j * o->k) = __builtin_convertvector(index, vb_u);
	}
}

KERN_INLINE void forward_image(float *y, uint8_t *arg, const float *x, const float *w, const float *bias,
			       const struct at_once *o, int c)
{
	for (int p = 0; p < o->p; p++, x += 2 * o->line) {
		for (int k = 0; k < o->k; k += VL) {
			const float *b = bias ? bias + k : NULL;
			ptrdiff_t at = (ptrdiff_t)p * o->q * o->k + k;
			int q = 0;

			for (; q + MOST <= o->q; q += MOST, at += MOST * o->k)
				forward_windows(y + at, arg + at, x + q * 2 * c, w + k, b, o, c, MOST);
			for (; q < o->q; q++, at += o->k)
				forward_windows(y + at, arg + at, x + q * 2 * c, w + k, b, o, c, 1);
		}
	}
}

static void forward_grey(float *y, uint8_t *arg, const float *x, const float *w, const float *bias,
			 const struct at_once *o)
{
	forward_image(y, arg, x, w, bias, o, 1);
}

static void forward_rgb(float *y, uint8_t *arg, const float *x, const float *w, const float *bias,
			const struct at_once *o)
{
	forward_image(y, arg, x, w, bias, o, 3);
}

static struct at_once call_of(const struct conv_shape *cs, const struct pool_shape *ps, bool relu)
{
	return (struct at_once){.line = padded_line(cs), .k = cs->k, .p = ps->p, .q = ps->q, .relu = relu};
}

static void forward(float *y, uint8_t *arg, const float *x, const float *w, const float *bias,
		    const struct conv_shape *cs, const struct pool_shape *ps, bool relu, int n, float *ws)
{
	const struct at_once o = call_of(cs, ps, relu);
	const ptrdiff_t in = (ptrdiff_t)cs->h * cs->w * cs->c, out = (ptrdiff_t)ps->p * ps->q * cs->k;

	memset(ws, 0, workspace(cs) * sizeof(*ws));
	for (int i = 0; i < n; i++, x += in, y += out, arg += out) {
		pad_image(ws, x, cs);
		if (cs->c == 1)
			forward_grey(y, arg, ws, w, bias, &o);
		else
			forward_rgb(y, arg, ws, w, bias, &o);
	}
}

/* ---- backward to the weights ---- */

enum { TAPS = 9 }; /* whose sums are in registers: three rows of one channel, a row of three */

/* Adds an image's sums of VL channels to TAPS rows of dw and, where it is not NULL, to db. */
KERN_INLINE void backward_taps(float *dw, float *db, const float *dy, const float *y, const uint8_t *arg,
			       const float *x, const struct at_once *o, int c)
{
	vf sum[TAPS] = {{0}}, all = {0};

	for (int p = 0; p < o->p; p++, x += 2 * o->line) {
		const float *row[ROWS] = {x, x + o->line, x + 2 * o->line, x + 3 * o->line};

		for (int q = 0; q < o->q; q++, dy += o->k, y += o->k, arg += o->k) {
			vf d = o->relu ? vf_and(vf_load(dy), ~(vi)(vf_load(y) <= 0.0f)) : vf_load(dy);
			vi index = vi_bytes(arg);

			if (db)
				all += d;
			KERN_UNROLL
			for (int i = 0; i < WINDOW; i++) {
				vf share = vf_and(d, index == i);

				KERN_UNROLL
				for (int t = 0; t < TAPS; t++)
					sum[t] += row[i / 2 + t / (3 * c)][i % 2 * c + t % (3 * c)] * share;
			}
			KERN_UNROLL
			for (int i = 0; i < ROWS; i++)
				row[i] += 2 * c;
		}
	}
	KERN_UNROLL
	for (int t = 0; t < TAPS; t++)
		vf_store(dw + (ptrdiff_t)t * o->k, vf_load(dw + (ptrdiff_t)t * o->k) + sum[t]);
	if (db)
		vf_store(db, vf_load(db) + all);
}

static void backward_grey(float *dw, float *db, const float *dy, const float *y, const uint8_t *arg, const float *x,
			  const struct at_once *o)
{
	for (int k = 0; k < o->k; k += VL)
		backward_taps(dw + k, db + k, dy + k, y + k, arg + k, x, o, 1);
}

static void backward_rgb(float *dw, float *db, const float *dy, const float *y, const uint8_t *arg, const float *x,
			 const struct at_once *o)
{
	for (int k = 0; k < o->k; k += VL)
		for (int r = 0; r < 3; r++)
			backward_taps(dw + (ptrdiff_t)r * TAPS * o->k + k, r ? NULL : db + k, dy + k, y + k, arg + k,
				      x + r * o->line, o, 3);
}

static void backward_weights(float *dw, float *db, const float *dy, const float *y, const uint8_t *arg, const float *x,
			     const struct conv_shape *cs, const struct pool_shape *ps, int n, float *ws)
{
	const struct at_once o = call_of(cs, ps, y != NULL);
	const ptrdiff_t in = (ptrdiff_t)cs->h * cs->w * cs->c, out = (ptrdiff_t)ps->p * ps->q * cs->k;

	y = y ? y : dy;
	memset(ws, 0, workspace(cs) * sizeof(*ws));
	memset(dw, 0, (size_t)(9 * cs->c * cs->k) * sizeof(*dw));
	memset(db, 0, (size_t)cs->k * sizeof(*db));
	for (int i = 0; i < n; i++, x += in, dy += out, y += out, arg += out) {
		pad_image(ws, x, cs);
		if (cs->c == 1)
			backward_grey(dw, db, dy, y, arg, ws, &o);
		else
			backward_rgb(dw, db, dy, y, arg, ws, &o);
	}
}

const struct kern_conv_pool_table KERN_NAME(kern_conv_pool_) = {workspace, forward, backward_weights};
