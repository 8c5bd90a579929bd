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

/* ---- of a normalised map ---- */

/*
 * What BatchNorm makes of x grows with x, or falls, in each rounded step: so its largest value is that of the largest x
 * or, where scale is negative, of the smallest. Where it is 0 the first pixel wins.
 */
struct normal {
	const float *mean, *scale, *sign, *beta;
	bool relu;
};

KERN_INLINE void normal_window(float *y, uint8_t *arg, const struct window *win, const struct pool_shape *ps,
			       const struct normal *no, int k)
{
	vf sign = vf_load(no->sign + k), top = {0};
	vi index = {0};
	bool first = true;

	for (int a = win->v.from; a < win->v.to; a++) {
		const float *x = win->x + ((ptrdiff_t)a * ps->w + win->u.from) * ps->c + k;

		for (int b = win->u.from; b < win->u.to; b++, x += ps->c, first = false) {
			vf v = vf_load(x) * sign;
			vi take = first ? ~(vi){0} : (vi)(v > top) | (vi)(v != v);

			top = (vf)(((vi)v & take) | ((vi)top & ~take));
			index = (((vi){0} + (a * ps->r + b)) & take) | (index & ~take);
		}
	}
	top = (top * sign - vf_load(no->mean + k)) * vf_load(no->scale + k) + vf_load(no->beta + k);
	vf_store(y + k, no->relu ? vf_relu(top) : top);
	*(vb_u *)(arg + k) = __builtin_convertvector(index, vb_u);
}

/* The same of a whole 3x3 window. */
KERN_INLINE void normal_whole(float *y, uint8_t *arg, const float *x, ptrdiff_t line, int c, const struct normal *no,
			      bool relu)
{
	for (int k = 0; k < c; k += VL) {
		vf sign = vf_load(no->sign + k), top = vf_load(x + k) * sign;
		vi index = {0};

		KERN_UNROLL
		for (int i = 1; i < 9; i++) {
			vf v = vf_load(x + i / 3 * line + i % 3 * c + k) * sign;
			vi take = (vi)(v > top) | (vi)(v != v);

			top = (vf)(((vi)v & take) | ((vi)top & ~take));
			index = (((vi){0} + i) & take) | (index & ~take);
		}
		top = (top * sign - vf_load(no->mean + k)) * vf_load(no->scale + k) + vf_load(no->beta + k);
		vf_store(y + k, relu ? vf_relu(top) : top);
		*(vb_u *)(arg + k) = __builtin_convertvector(index, vb_u);
	}
}

static void normal_row(float *y, uint8_t *arg, const float *x, const struct pool_shape *ps, const struct normal *no,
		       int p)
{
	struct window win = {.v = span_of(p, ps->h, ps)};

	for (int q = 0; q < ps->q; q++, y += ps->c, arg += ps->c) {
		win.u = span_of(q, ps->w, ps);
		win.x = pixel(x, ps, 0, win.v.base, win.u.base);
		if (ps->r == 3 && win.v.to - win.v.from == 3 && win.u.to - win.u.from == 3)
			normal_whole(y, arg, win.x, (ptrdiff_t)ps->w * ps->c, ps->c, no, no->relu);
		else
			for (int k = 0; k < ps->c; k += VL)
				normal_window(y, arg, &win, ps, no, k);
	}
}

static void normal_forward(float *y, uint8_t *arg, const float *x, const float *mean, const float *rstd,
			   const float *gamma, const float *beta, bool relu, const struct pool_shape *ps, int n)
{
	float scale[BN_POOL_CHANNELS], sign[BN_POOL_CHANNELS];
	const struct normal no = {.mean = mean, .scale = scale, .sign = sign, .beta = beta, .relu = relu};
	const ptrdiff_t in = (ptrdiff_t)ps->h * ps->w * ps->c, row = (ptrdiff_t)ps->q * ps->c;

	for (int k = 0; k < ps->c; k++) {
		scale[k] = gamma[k] * rstd[k];
		sign[k] = scale[k] > 0 ? 1.0f : scale[k] < 0 ? -1.0f : 0.0f;
	}
	for (int i = 0; i < n; i++, x += in)
		for (int p = 0; p < ps->p; p++, y += row, arg += row)
			normal_row(y, arg, x, ps, &no, p);
}

/* The value that won a window. */
KERN_INLINE vf winner(const struct window *win, const struct pool_shape *ps, vi index, int k, bool whole)
{
	vf v = {0};

	if (whole) {
		KERN_UNROLL
		for (int i = 0; i < 9; i++) {
			vi take = index == i;
			const float *x = win->x + (i / 3 * (ptrdiff_t)ps->w + i % 3) * ps->c + k;

			v = (vf)(((vi)vf_load(x) & take) | ((vi)v & ~take));
		}
		return v;
	}
	for (int a = win->v.from; a < win->v.to; a++)
		for (int b = win->u.from; b < win->u.to; b++) {
			vi take = index == a * ps->r + b;
			const float *x = win->x + (a * (ptrdiff_t)ps->w + b) * ps->c + k;

			v = (vf)(((vi)vf_load(x) & take) | ((vi)v & ~take));
		}
	return v;
}

/* One window: s1 += dz, s2 += dz * (y - mean) */
KERN_INLINE void sum_window(float *s1, float *s2, const float *dz, const uint8_t *arg, const float *mean,
			    const struct pool_shape *ps, const struct window *win, bool whole)
{
	for (int k = 0; k < ps->c; k += VL) {
		vf d = vf_load(dz + k);

		vf_store(s1 + k, vf_load(s1 + k) + d);
		vf_store(s2 + k,
			 vf_load(s2 + k) + d * (winner(win, ps, vi_bytes(arg + k), k, whole) - vf_load(mean + k)));
	}
}

static void sum_row(double *d, double *d_y, const float *dz, const uint8_t *arg, const float *y, const float *mean,
		    const struct pool_shape *ps, int p)
{
	struct window win = {.v = span_of(p, ps->h, ps)};
	float s1[BN_POOL_CHANNELS] = {0}, s2[BN_POOL_CHANNELS] = {0};

	for (int q = 0; q < ps->q; q++, dz += ps->c, arg += ps->c) {
		win.u = span_of(q, ps->w, ps);
		win.x = pixel(y, ps, 0, win.v.base, win.u.base);
		if (ps->r == 3 && win.v.to - win.v.from == 3 && win.u.to - win.u.from == 3)
			sum_window(s1, s2, dz, arg, mean, ps, &win, true);
		else
			sum_window(s1, s2, dz, arg, mean, ps, &win, false);
	}
	for (int k = 0; k < ps->c; k++) {
		d[k] += (double)s1[k];
		d_y[k] += (double)s2[k];
	}
}

static void normal_sums(double *d, double *d_y, const float *dz, const uint8_t *arg, const float *y, const float *mean,
			const struct pool_shape *ps, int n)
{
	const ptrdiff_t in = (ptrdiff_t)ps->h * ps->w * ps->c, row = (ptrdiff_t)ps->q * ps->c;

	memset(d, 0, (size_t)ps->c * sizeof(*d));
	memset(d_y, 0, (size_t)ps->c * sizeof(*d_y));
	for (int i = 0; i < n; i++, y += in)
		for (int p = 0; p < ps->p; p++, dz += row, arg += row)
			sum_row(d, d_y, dz, arg, y, mean, ps, p);
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
		vi index = vi_bytes(arg + k);

		KERN_UNROLL
		for (int i = 0; i < 4; i++)
			vf_store(dx + i / 2 * line + i % 2 * c + k, vf_and(v, index == i));
	}
}

static void max_backward_alone(float *dx, const float *dy, const uint8_t *arg, const struct pool_shape *ps, int n)
{
	const ptrdiff_t line = (ptrdiff_t)ps->w * ps->c;

	for (int row = 0; row < n * ps->p; row++, dx += line)
		for (int q = 0; q < ps->q; q++, dx += 2 * ps->c, dy += ps->c, arg += ps->c)
			share_alone(dx, dy, arg, line, ps->c);
}

/* The windows that a row (or a column) of the map lies in; moves on with it. */
struct reach {
	int first, end;
};

static void reach_to(struct reach *re, int at, int outputs, const struct pool_shape *ps)
{
	while (re->first < outputs && re->first * ps->stride - ps->pad + ps->r <= at)
		re->first++;
	while (re->end < outputs && re->end * ps->stride - ps->pad <= at)
		re->end++;
}

enum { SOURCES = 4 };

/* A pixel's windows: where they lie in the output, and what arg says where the pixel is the largest. */
struct source {
	ptrdiff_t at;
	int index;
};

/* dx (+)= dy of those of n windows in which the pixel was the largest, in order */
KERN_INLINE void collect(float *dx, const float *dy, const uint8_t *arg, const struct source *from, int n, bool add,
			 int c)
{
	int k = 0;

	for (; k + VL <= c; k += VL) {
		vf sum = add ? vf_load(dx + k) : (vf){0};

		KERN_UNROLL
		for (int i = 0; i < SOURCES; i++)
			if (i < n)
				sum += vf_and(vf_load(dy + from[i].at + k),
					      vi_bytes(arg + from[i].at + k) == from[i].index);
		vf_store(dx + k, sum);
	}
	for (; k < c; k++) {
		float sum = add ? dx[k] : 0;

		for (int i = 0; i < n; i++)
			sum += arg[from[i].at + k] == from[i].index ? dy[from[i].at + k] : 0;
		dx[k] = sum;
	}
}

static void collect_some(float *dx, const float *dy, const uint8_t *arg, const struct source *from, int n, bool add,
			 int c)
{
	if (n == 4 && !add)
		collect(dx, dy, arg, from, 4, false, c);
	else if (n == 2 && !add)
		collect(dx, dy, arg, from, 2, false, c);
	else if (n == 1 && !add)
		collect(dx, dy, arg, from, 1, false, c);
	else
		collect(dx, dy, arg, from, n, add, c);
}

static void collect_pixel(float *dx, const float *dy, const uint8_t *arg, const struct pool_shape *ps,
			  const struct reach *v, const struct reach *u, int row, int col)
{
	struct source from[SOURCES];
	int n = 0;
	bool add = false;

	for (int p = v->first; p < v->end; p++) {
		for (int q = u->first; q < u->end; q++) {
			int a = row + ps->pad - p * ps->stride, b = col + ps->pad - q * ps->stride;

			from[n++] = (struct source){((ptrdiff_t)p * ps->q + q) * ps->c, a * ps->r + b};
			if (n < SOURCES)
				continue;
			collect_some(dx, dy, arg, from, n, add, ps->c);
			add = true;
			n = 0;
		}
	}
	if (n || !add)
		collect_some(dx, dy, arg, from, n, add, ps->c);
}

static void max_backward_rows(float *dx, const float *dy, const uint8_t *arg, const struct pool_shape *ps, int from,
			      int to)
{
	struct reach v = {0, 0};

	for (int row = from; row < to; row++) {
		struct reach u = {0, 0};

		reach_to(&v, row, ps->p, ps);
		for (int col = 0; col < ps->w; col++, dx += ps->c) {
			reach_to(&u, col, ps->q, ps);
			collect_pixel(dx, dy, arg, ps, &v, &u, row, col);
		}
	}
}

static void max_backward(float *dx, const float *dy, const uint8_t *arg, const struct pool_shape *ps, int n)
{
	if (ps->r == 2 && ps->c % VL == 0 && tiles_the_map(ps)) {
		max_backward_alone(dx, dy, arg, ps, n);
		return;
	}
	for (int i = 0; i < n; i++) {
		max_backward_rows(dx, dy, arg, ps, 0, ps->h);
		dx += (ptrdiff_t)ps->h * ps->w * ps->c;
		dy += (ptrdiff_t)ps->p * ps->q * ps->c;
		arg += (ptrdiff_t)ps->p * ps->q * ps->c;
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

const struct kern_pool_table KERN_NAME(kern_pool_) = {max_forward,       max_backward,   avg_forward,
						      avg_backward,      global_forward, global_backward,
						      max_backward_rows, normal_sums,    normal_forward};
