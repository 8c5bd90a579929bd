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

static void max_start(float *y, uint8_t *arg, const float *x, int index, int c)
{
	memcpy(y, x, (size_t)c * sizeof(*y));
	memset(arg, index, (size_t)c);
}

static void max_take(float *y, uint8_t *arg, const float *x, int index, int c)
{
	int k = 0;

	for (; k + VL <= c; k += VL) {
		vf v = vf_load(x + k), top = vf_load(y + k);
		vi take = (vi)(v > top) | (vi)(v != v);
		vi old = __builtin_convertvector(*(const vb_u *)(arg + k), vi), new = (vi){0} + index;

		vf_store(y + k, (vf)(((vi)v & take) | ((vi)top & ~take)));
		*(vb_u *)(arg + k) = __builtin_convertvector((new &take) | (old & ~take), vb_u);
	}
	for (; k < c; k++) {
		if (x[k] > y[k] || x[k] != x[k]) {
			y[k] = x[k];
			arg[k] = (uint8_t)index;
		}
	}
}

static void max_window(float *y, uint8_t *arg, const float *x, const struct pool_shape *ps, int i, const struct span *v,
		       const struct span *u)
{
	bool first = true;

	for (int a = v->from; a < v->to; a++) {
		for (int b = u->from; b < u->to; b++, first = false) {
			const float *at = pixel(x, ps, i, v->base + a, u->base + b);

			if (first)
				max_start(y, arg, at, a * ps->r + b, ps->c);
			else
				max_take(y, arg, at, a * ps->r + b, ps->c);
		}
	}
}

static void max_forward(float *y, uint8_t *arg, const float *x, const struct pool_shape *ps, int n)
{
	for (int i = 0; i < n; i++) {
		for (int p = 0; p < ps->p; p++) {
			struct span v = span_of(p, ps->h, ps);

			for (int q = 0; q < ps->q; q++, y += ps->c, arg += ps->c) {
				struct span u = span_of(q, ps->w, ps);

				max_window(y, arg, x, ps, i, &v, &u);
			}
		}
	}
}

static size_t map_bytes(const struct pool_shape *ps, int n)
{
	return (size_t)n * (size_t)ps->h * (size_t)ps->w * (size_t)ps->c * sizeof(float);
}

static void max_backward(float *dx, const float *dy, const uint8_t *arg, const struct pool_shape *ps, int n)
{
	memset(dx, 0, map_bytes(ps, n));
	for (int i = 0; i < n; i++) {
		for (int p = 0; p < ps->p; p++) {
			for (int q = 0; q < ps->q; q++, dy += ps->c, arg += ps->c) {
				for (int k = 0; k < ps->c; k++) {
					int row = p * ps->stride - ps->pad + arg[k] / ps->r;
					int col = q * ps->stride - ps->pad + arg[k] % ps->r;

					dx[(((ptrdiff_t)i * ps->h + row) * ps->w + col) * ps->c + k] += dy[k];
				}
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
