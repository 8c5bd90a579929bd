/* kern_pool.c - max, average and global average pooling, see kernels.h */
#include <math.h>
#include <string.h>

#include "engine/kernels/kern_table.h"
#include "engine/kernels/kern_vec.h"

/* The rows (or columns) of one output's window that lie within the map: index in the window, and in the map. */
struct span {
	int from, to, base;
};

static struct span span_of(int out, int size, const struct pool_shape *ps)
{
	struct span sp = {0, ps->r, out * ps->stride - ps->pad};

	if (sp.base < 0)
		sp.from = -sp.base;
	if (sp.base + sp.to > size)
		sp.to = size - sp.base;
	return sp;
}

static const float *pixel(const float *x, const struct pool_shape *ps, int i, int row, int col)
{
	return x + (((ptrdiff_t)i * ps->h + row) * ps->w + col) * ps->c;
}

/* One output's window. */
struct window {
	const float *x; /* where its first row and column would be */
	struct span v, u;
};

KERN_INLINE void max_vector(float *y, uint8_t *arg, const struct window *win, const struct pool_shape *ps, int k)
{
	const vi all = {0};
	vf top = {0};
	vi index = all;
	bool first = true;

	for (int a = win->v.from; a < win->v.to; a++) {
		const float *x = win->x + ((ptrdiff_t)a * ps->w + win->u.from) * ps->c + k;

		for (int b = win->u.from; b < win->u.to; b++, x += ps->c, first = false) {
			vf v = vf_load(x);
			vi take = first ? ~all : (vi)(v > top) | (vi)(v != v);

			top = (vf)(((vi)v & take) | ((vi)top & ~take));
			index = ((all + (a * ps->r + b)) & take) | (index & ~take);
		}
	}
	vf_store(y + k, top);
	*(vb_u *)(arg + k) = __builtin_convertvector(index, vb_u);
}

/* A whole window of r x r, r a constant where this is called; line: floats from one of its rows to the next. */
KERN_INLINE void max_whole(float *y, uint8_t *arg, const float *x, ptrdiff_t line, int c, int r)
{
	for (int k = 0; k < c; k += VL) {
		vf top = vf_load(x + k);
		vi index = {0};

		KERN_UNROLL
		for (int i = 1; i < r * r; i++) {
			vf v = vf_load(x + i / r * line + i % r * c + k);
			vi take = (vi)(v > top) | (vi)(v != v);

			top = (vf)(((vi)v & take) | ((vi)top & ~take));
			index = (((vi){0} + i) & take) | (index & ~take);
		}
		vf_store(y + k, top);
		*(vb_u *)(arg + k) = __builtin_convertvector(index, vb_u);
	}
}

static void max_one(float *y, uint8_t *arg, const struct window *win, const struct pool_shape *ps, int k)
{
	bool first = true;

	for (int a = win->v.from; a < win->v.to; a++) {
		for (int b = win->u.from; b < win->u.to; b++, first = false) {
			float v = win->x[((ptrdiff_t)a * ps->w + b) * ps->c + k];

			if (!first && !(v > y[k]) && v == v)
				continue;
			y[k] = v;
			arg[k] = (uint8_t)(a * ps->r + b);
		}
	}
}

static void max_window(float *y, uint8_t *arg, const struct window *win, const struct pool_shape *ps)
{
	const bool whole = !win->v.from && !win->u.from && win->v.to == ps->r && win->u.to == ps->r;
	const ptrdiff_t line = (ptrdiff_t)ps->w * ps->c;
	int k = 0;

	if (whole && ps->r == 2 && ps->c % VL == 0) {
		max_whole(y, arg, win->x, line, ps->c, 2);
		return;
	}
	if (whole && ps->r == 3 && ps->c % VL == 0) {
		max_whole(y, arg, win->x, line, ps->c, 3);
		return;
	}
	for (; k + VL <= ps->c; k += VL)
		max_vector(y, arg, win, ps, k);
	for (; k < ps->c; k++)
		max_one(y, arg, win, ps, k);
}

static void max_forward(float *y, uint8_t *arg, const float *x, const struct pool_shape *ps, int n)
{
	for (int i = 0; i < n; i++) {
		for (int p = 0; p < ps->p; p++) {
			struct window win = {.v = span_of(p, ps->h, ps)};

			for (int q = 0; q < ps->q; q++, y += ps->c, arg += ps->c) {
				win.u = span_of(q, ps->w, ps);
				win.x = pixel(x, ps, i, win.v.base, win.u.base);
				max_window(y, arg, &win, ps);
			}
		}
	}
}

static size_t map_bytes(const struct pool_shape *ps, int n)
{
	return (size_t)n * (size_t)ps->h * (size_t)ps->w * (size_t)ps->c * sizeof(float);
}

/* Is every pixel in exactly one window? */
static bool tiles_the_map(const struct pool_shape *ps)
{
	return ps->pad == 0 && ps->stride == ps->r && ps->p * ps->r == ps->h && ps->q * ps->r == ps->w;
}

/* A whole window of 2 x 2 that is the only one of its pixels: dx = dy where arg is the pixel's index, else 0. */
KERN_INLINE void share_alone(float *dx, const float *dy, const uint8_t *arg, ptrdiff_t line, int c)
{
	for (int k = 0; k < c; k += VL) {
		vf v = vf_load(dy + k);
		vi index = __builtin_convertvector(*(const vb_u *)(arg + k), vi);

		KERN_UNROLL
		for (int i = 0; i < 4; i++)
			vf_store(dx + i / 2 * line + i % 2 * c + k, vf_and(v, index == i));
	}
}

/* dx += dy where arg is index, elsewhere += 0 */
KERN_INLINE void share_more(float *dx, const float *dy, const uint8_t *arg, int index, int c)
{
	int k = 0;

	for (; k + VL <= c; k += VL)
		vf_store(dx + k,
			 vf_load(dx + k) + vf_and(vf_load(dy + k),
						  __builtin_convertvector(*(const vb_u *)(arg + k), vi) == index));
	for (; k < c; k++)
		dx[k] += arg[k] == index ? dy[k] : 0;
}

static void max_backward_alone(float *dx, const float *dy, const uint8_t *arg, const struct pool_shape *ps, int n)
{
	const ptrdiff_t line = (ptrdiff_t)ps->w * ps->c;

	for (int row = 0; row < n * ps->p; row++, dx += line)
		for (int q = 0; q < ps->q; q++, dx += 2 * ps->c, dy += ps->c, arg += ps->c)
			share_alone(dx, dy, arg, line, ps->c);
}

static void max_backward(float *dx, const float *dy, const uint8_t *arg, const struct pool_shape *ps, int n)
{
	if (ps->r == 2 && ps->c % VL == 0 && tiles_the_map(ps)) {
		max_backward_alone(dx, dy, arg, ps, n);
		return;
	}
	memset(dx, 0, map_bytes(ps, n));
	for (int i = 0; i < n; i++) {
		for (int p = 0; p < ps->p; p++) {
			struct span v = span_of(p, ps->h, ps);

			for (int q = 0; q < ps->q; q++, dy += ps->c, arg += ps->c) {
				struct span u = span_of(q, ps->w, ps);

				for (int a = v.from; a < v.to; a++)
					for (int b = u.from; b < u.to; b++)
						share_more((float *)pixel(dx, ps, i, v.base + a, u.base + b), dy, arg,
							   a * ps->r + b, ps->c);
			}
		}
	}
}

static void add_scaled(float *restrict y, const float *restrict x, float scale, int c)
{
	for (int k = 0; k < c; k++)
		y[k] += x[k] * scale;
}

static void avg_forward(float *y, const float *x, const struct pool_shape *ps, int n)
{
	float scale = 1.0f / (float)(ps->r * ps->r);

	for (int i = 0; i < n; i++) {
		for (int p = 0; p < ps->p; p++) {
			struct span v = span_of(p, ps->h, ps);

			for (int q = 0; q < ps->q; q++, y += ps->c) {
				struct span u = span_of(q, ps->w, ps);

				memset(y, 0, (size_t)ps->c * sizeof(*y));
				for (int a = v.from; a < v.to; a++)
					for (int b = u.from; b < u.to; b++)
						add_scaled(y, pixel(x, ps, i, v.base + a, u.base + b), scale, ps->c);
			}
		}
	}
}

static void avg_backward(float *dx, const float *dy, const struct pool_shape *ps, int n)
{
	float scale = 1.0f / (float)(ps->r * ps->r);

	memset(dx, 0, map_bytes(ps, n));
	for (int i = 0; i < n; i++) {
		for (int p = 0; p < ps->p; p++) {
			struct span v = span_of(p, ps->h, ps);

			for (int q = 0; q < ps->q; q++, dy += ps->c) {
				struct span u = span_of(q, ps->w, ps);

				for (int a = v.from; a < v.to; a++)
					for (int b = u.from; b < u.to; b++)
						add_scaled((float *)pixel(dx, ps, i, v.base + a, u.base + b), dy, scale,
							   ps->c);
			}
		}
	}
}

static void global_forward(float *y, const float *x, int n, int hw, int c)
{
	float scale = 1.0f / (float)hw;

	for (int i = 0; i < n; i++, y += c) {
		memset(y, 0, (size_t)c * sizeof(*y));
		for (int j = 0; j < hw; j++, x += c)
			add_scaled(y, x, 1, c);
		for (int k = 0; k < c; k++)
			y[k] *= scale;
	}
}

static void global_backward(float *dx, const float *dy, int n, int hw, int c)
{
	float scale = 1.0f / (float)hw;

	for (int i = 0; i < n; i++, dy += c)
		for (int j = 0; j < hw; j++, dx += c)
			for (int k = 0; k < c; k++)
				dx[k] = dy[k] * scale;
}

const struct kern_pool_table KERN_NAME(kern_pool_) = {max_forward,  max_backward,   avg_forward,
						      avg_backward, global_forward, global_backward};
