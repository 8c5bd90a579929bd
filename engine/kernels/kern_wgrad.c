/*
 * kern_wgrad.c - convolution, backward to the weights, by a direct kernel; see kernels.h
 *
 * dw[r][t][k] = sum over pixels of x[pixel][r][t] * dy[pixel][k], t = s * C + c contiguous in the padded input. A tile
 * of (t, k) stays in registers over all pixels of a block of images; blocks are added up in order.
 */
#include <string.h>

#include "engine/kernels/kern_table.h"
#include "engine/kernels/kern_vec.h"

struct wgrad {
	ptrdiff_t x_image, x_row, x_pixel, dy_image, dy_row, dy_pixel;
	int n, p, q;
	int k; /* floats from one t to the next in dw */
};

KERN_INLINE void store_sums(float *dw, const float *sum, bool add, int kn)
{
	int k = 0;

	for (; k + 4 <= kn; k += 4) {
		vf4 v = *(const vf4_u *)(sum + k);

		if (add)
			v += *(const vf4_u *)(dw + k);
		*(vf4_u *)(dw + k) = v;
	}
	for (; k < kn; k++)
		dw[k] = add ? dw[k] + sum[k] : sum[k];
}

#if defined(KERN_avx512)
#define TILE_NAME tile12x32
#define TILE_V    vf16
#define TILE_NV   2
#define TILE_T    12
#include "engine/kernels/kern_wgrad_tile.h"
#define TILE_NAME tile8x32
#define TILE_V    vf16
#define TILE_NV   2
#define TILE_T    8
#include "engine/kernels/kern_wgrad_tile.h"
#define TILE_NAME tile3x32
#define TILE_V    vf16
#define TILE_NV   2
#define TILE_T    3
#include "engine/kernels/kern_wgrad_tile.h"
#define TILE_NAME tile1x32
#define TILE_V    vf16
#define TILE_NV   2
#define TILE_T    1
#include "engine/kernels/kern_wgrad_tile.h"
#define TILE_NAME tile24x16
#define TILE_V    vf16
#define TILE_NV   1
#define TILE_T    24
#include "engine/kernels/kern_wgrad_tile.h"
#define TILE_NAME tile8x16
#define TILE_V    vf16
#define TILE_NV   1
#define TILE_T    8
#include "engine/kernels/kern_wgrad_tile.h"
#define TILE_NAME tile3x16
#define TILE_V    vf16
#define TILE_NV   1
#define TILE_T    3
#include "engine/kernels/kern_wgrad_tile.h"
#define TILE_NAME tile1x16
#define TILE_V    vf16
#define TILE_NV   1
#define TILE_T    1
#include "engine/kernels/kern_wgrad_tile.h"
#define TILE_NAME tile24x8
#define TILE_V    vf8
#define TILE_NV   1
#define TILE_T    24
#include "engine/kernels/kern_wgrad_tile.h"
#define TILE_NAME tile8x8
#define TILE_V    vf8
#define TILE_NV   1
#define TILE_T    8
#include "engine/kernels/kern_wgrad_tile.h"
#define TILE_NAME tile3x8
#define TILE_V    vf8
#define TILE_NV   1
#define TILE_T    3
#include "engine/kernels/kern_wgrad_tile.h"
#define TILE_NAME tile1x8
#define TILE_V    vf8
#define TILE_NV   1
#define TILE_T    1
#include "engine/kernels/kern_wgrad_tile.h"
#else
#define TILE_NAME tile6x2
#define TILE_V    vf
#define TILE_NV   2
#define TILE_T    6
#include "engine/kernels/kern_wgrad_tile.h"
#define TILE_NAME tile3x2
#define TILE_V    vf
#define TILE_NV   2
#define TILE_T    3
#include "engine/kernels/kern_wgrad_tile.h"
#define TILE_NAME tile1x2
#define TILE_V    vf
#define TILE_NV   2
#define TILE_T    1
#include "engine/kernels/kern_wgrad_tile.h"
#define TILE_NAME tile12x1
#define TILE_V    vf
#define TILE_NV   1
#define TILE_T    12
#include "engine/kernels/kern_wgrad_tile.h"
#define TILE_NAME tile8x1
#define TILE_V    vf
#define TILE_NV   1
#define TILE_T    8
#include "engine/kernels/kern_wgrad_tile.h"
#define TILE_NAME tile3x1
#define TILE_V    vf
#define TILE_NV   1
#define TILE_T    3
#include "engine/kernels/kern_wgrad_tile.h"
#define TILE_NAME tile1x1
#define TILE_V    vf
#define TILE_NV   1
#define TILE_T    1
#include "engine/kernels/kern_wgrad_tile.h"
#endif

typedef void (*tile_fn)(float *dw, const struct wgrad *g, const float *x, const float *dy, bool add, int kn);
struct panel {
	int width;
	struct {
		int t;
		tile_fn fn;
	} tile[4]; /* longest first; the last is 1 */
};

static const struct panel panels[] = {
#if defined(KERN_avx512)
	{32, {{12, tile12x32}, {8, tile8x32}, {3, tile3x32}, {1, tile1x32}}},
	{16, {{24, tile24x16}, {8, tile8x16}, {3, tile3x16}, {1, tile1x16}}},
	{8, {{24, tile24x8}, {8, tile8x8}, {3, tile3x8}, {1, tile1x8}}},
#else
	{2 * VL, {{6, tile6x2}, {3, tile3x2}, {1, tile1x2}, {1, tile1x2}}},
	{VL, {{12, tile12x1}, {8, tile8x1}, {3, tile3x1}, {1, tile1x1}}},
#endif
};
enum { N_PANELS = sizeof(panels) / sizeof(panels[0]) };

/* The widest that `left` channels fill but for less than the narrowest panel's width. */
static const struct panel *panel_for(int left)
{
	int i = 0;

	while (i + 1 < N_PANELS && left <= panels[i].width - panels[N_PANELS - 1].width)
		i++;
	return &panels[i];
}

static int padded(int k)
{
	int sum = 0;

	for (int k0 = 0; k0 < k; k0 += panel_for(k - k0)->width)
		sum += panel_for(k - k0)->width;
	return sum;
}

/* Padded images are held a block at a time, in about this many floats, or half of what dw has if that is more. */
enum { BLOCK_FLOATS = 64 << 10 };

/* What one image of a block takes: the padded input and, where K does not fill its panels, dy with K padded. */
struct plan {
	ptrdiff_t line, x_size, dy_size;
	int rows, k_padded, block;
	bool copy_dy;
};

static struct plan plan_for(const struct conv_shape *cs, int n)
{
	struct plan pl;
	ptrdiff_t fit, weights;

	pl.line = (ptrdiff_t)((cs->q - 1) * cs->stride + cs->s) * cs->c;
	pl.rows = (cs->p - 1) * cs->stride + cs->r;
	pl.x_size = pl.line * pl.rows;
	pl.k_padded = padded(cs->k);
	pl.copy_dy = pl.k_padded != cs->k;
	pl.dy_size = (ptrdiff_t)cs->p * cs->q * pl.k_padded;
	weights = (ptrdiff_t)cs->r * cs->s * cs->c * cs->k;
	fit = (weights / 2 > BLOCK_FLOATS ? weights / 2 : BLOCK_FLOATS) / (pl.x_size + pl.dy_size);
	pl.block = fit < 1 ? 1 : fit < n ? (int)fit : n;
	return pl;
}

static size_t align16(size_t floats)
{
	return (floats + 15) & ~(size_t)15;
}

static size_t workspace(const struct conv_shape *cs, int n)
{
	struct plan pl = plan_for(cs, n);

	return align16((size_t)(pl.block * pl.x_size)) + (pl.copy_dy ? align16((size_t)(pl.block * pl.dy_size)) : 0);
}

static void pad_image(float *out, const float *x, const struct conv_shape *cs, const struct plan *pl)
{
	ptrdiff_t left = (ptrdiff_t)cs->pad * cs->c, width = (ptrdiff_t)cs->w * cs->c;

	if (left > pl->line)
		left = pl->line;
	if (width > pl->line - left)
		width = pl->line - left;
	for (int i = 0; i < pl->rows; i++, out += pl->line) {
		int row = i - cs->pad;

		if (row < 0 || row >= cs->h) {
			memset(out, 0, (size_t)pl->line * sizeof(*out));
			continue;
		}
		memset(out, 0, (size_t)left * sizeof(*out));
		memcpy(out + left, x + (ptrdiff_t)row * cs->w * cs->c, (size_t)width * sizeof(*out));
		memset(out + left + width, 0, (size_t)(pl->line - left - width) * sizeof(*out));
	}
}

static void pad_channels(float *out, const float *dy, ptrdiff_t pixels, int k, int k_padded)
{
	for (ptrdiff_t i = 0; i < pixels; i++, out += k_padded, dy += k) {
		memcpy(out, dy, (size_t)k * sizeof(*out));
		memset(out + k, 0, (size_t)(k_padded - k) * sizeof(*out));
	}
}

/* All k of one kernel row's weights t0 .. t0 + what the tile covers; returns that. */
static int run_tiles(float *dw, const struct wgrad *g, const float *x, const float *dy, bool add, int run, int k0)
{
	const struct panel *pn = panel_for(g->k - k0);
	int kn = g->k - k0 < pn->width ? g->k - k0 : pn->width;

	for (int t = 0, i = 0; t < run; t += pn->tile[i].t) {
		while (pn->tile[i].t > run - t)
			i++;
		pn->tile[i].fn(dw + (ptrdiff_t)t * g->k + k0, g, x + t, dy + k0, add, kn);
	}
	return pn->width;
}

static void run_block(float *dw, const struct wgrad *g, const float *x, const float *dy, bool add,
		      const struct conv_shape *cs, const struct plan *pl)
{
	int run = cs->s * cs->c;

	for (int r = 0; r < cs->r; r++)
		for (int k0 = 0; k0 < cs->k;)
			k0 += run_tiles(dw + (ptrdiff_t)r * run * cs->k, g, x + r * pl->line, dy, add, run, k0);
}

/* Sums of 64 pixels in float, of all pixels in double, 16 channels at a time. */
static void bias_gradient(float *db, const float *dy, ptrdiff_t pixels, int k)
{
	enum { STRIP = 16, RUN = 64 };

	for (int k0 = 0; k0 < k; k0 += STRIP) {
		int kn = k - k0 < STRIP ? k - k0 : STRIP;
		double total[STRIP] = {0};

		for (ptrdiff_t i = 0; i < pixels; i += RUN) {
			ptrdiff_t end = i + RUN < pixels ? i + RUN : pixels;
			float sum[STRIP] = {0};

			for (ptrdiff_t j = i; j < end; j++)
				for (int c = 0; c < kn; c++)
					sum[c] += dy[j * k + k0 + c];
			for (int c = 0; c < kn; c++)
				total[c] += (double)sum[c];
		}
		for (int c = 0; c < kn; c++)
			db[k0 + c] = (float)total[c];
	}
}

static void backward_weights(float *dw, float *db, const float *dy, const float *x, const struct conv_shape *cs, int n,
			     float *ws)
{
	struct plan pl = plan_for(cs, n);
	ptrdiff_t x_size = (ptrdiff_t)cs->h * cs->w * cs->c, pixels = (ptrdiff_t)cs->p * cs->q;
	float *xs = ws, *dys = ws + align16((size_t)(pl.block * pl.x_size));
	struct wgrad g = {
		.x_image = pl.x_size,
		.x_row = pl.line * cs->stride,
		.x_pixel = (ptrdiff_t)cs->stride * cs->c,
		.dy_image = pl.dy_size,
		.dy_row = (ptrdiff_t)cs->q * pl.k_padded,
		.dy_pixel = pl.k_padded,
		.p = cs->p,
		.q = cs->q,
		.k = cs->k,
	};

	for (int i = 0; i < n; i += pl.block) {
		const float *dyi = dy + i * pixels * cs->k;

		g.n = n - i < pl.block ? n - i : pl.block;
		for (int j = 0; j < g.n; j++)
			pad_image(xs + j * pl.x_size, x + (i + j) * x_size, cs, &pl);
		if (pl.copy_dy)
			pad_channels(dys, dyi, g.n * pixels, cs->k, pl.k_padded);
		run_block(dw, &g, xs, pl.copy_dy ? dys : dyi, i > 0, cs, &pl);
	}
	if (db)
		bias_gradient(db, dy, n * pixels, cs->k);
}

const struct kern_wgrad_table KERN_NAME(kern_wgrad_) = {workspace, backward_weights, bias_gradient};
