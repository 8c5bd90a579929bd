/*
 * kern_winograd_shared.h - what Winograd's convolutions of stride 1 and 2 have in common: matrix products, tiles of a map,
 * the weights' transforms in two dimensions, the tail. Included by kern_winograd.c and kern_phases.c only.
 *
 * Either has 36 different products of weights a channel pair (POINTS: what a line of 3 taps becomes, twice) and defines
 * weight_line() and weight_gradient_line().
 */
#ifndef ENGINE_KERNELS_KERN_WINOGRAD_SHARED_H
#define ENGINE_KERNELS_KERN_WINOGRAD_SHARED_H

#include "engine/kernels/kernels.h"
#include "engine/kernels/kern_vec.h"

enum { TILE = 4, PATCH = 6, POINTS = 36, PANEL = 2 * VL, PLANE_PAD = 16 };

/* ---- matrix products ---- */

#if defined(KERN_avx512)
enum { ROWS = 14, FEW_ROWS = 4, SUM_ROWS = 8 };
#define PRODUCT_NAME product14x2
#define TILE_M       14
#define SUM_NAME     sum8x2
#define TILE_T       8
#define TILE_NV      2
#include "engine/kernels/kern_winograd_tile.h"
#define PRODUCT_NAME product14x1
#define TILE_M       14
#define SUM_NAME     sum8x1
#define TILE_T       8
#define TILE_NV      1
#include "engine/kernels/kern_winograd_tile.h"
#define PRODUCT_NAME product4x2
#define TILE_M       4
#define TILE_NV      2
#include "engine/kernels/kern_winograd_tile.h"
#define PRODUCT_NAME product4x1
#define TILE_M       4
#define TILE_NV      1
#include "engine/kernels/kern_winograd_tile.h"
typedef void (*product_fn)(float *m, const float *v, const float *u, int depth);
typedef void (*sum_fn)(float *du, const float *v, const float *w, int tiles, bool add);
static const product_fn products[2][2] = {{product14x1, product14x2}, {product4x1, product4x2}};
static const sum_fn sums[2] = {sum8x1, sum8x2};
#else
enum { ROWS = 6, FEW_ROWS = 2, SUM_ROWS = 4 };
#define PRODUCT_NAME product6x2
#define TILE_M       6
#define SUM_NAME     sum4x2
#define TILE_T       4
#define TILE_NV      2
#include "engine/kernels/kern_winograd_tile.h"
#define PRODUCT_NAME product6x1
#define TILE_M       6
#define SUM_NAME     sum4x1
#define TILE_T       4
#define TILE_NV      1
#include "engine/kernels/kern_winograd_tile.h"
#define PRODUCT_NAME product2x2
#define TILE_M       2
#define TILE_NV      2
#include "engine/kernels/kern_winograd_tile.h"
#define PRODUCT_NAME product2x1
#define TILE_M       2
#define TILE_NV      1
#include "engine/kernels/kern_winograd_tile.h"
typedef void (*product_fn)(float *m, const float *v, const float *u, int depth);
typedef void (*sum_fn)(float *du, const float *v, const float *w, int tiles, bool add);
static const product_fn products[2][2] = {{product6x1, product6x2}, {product2x1, product2x2}};
static const sum_fn sums[2] = {sum4x1, sum4x2};
#endif

/* ---- geometry ---- */

/* A side of a map in tiles: `four` of 4, then `three` of 3. */
struct side {
	int four, three;
};

static struct side side_of(int outputs)
{
	int tiles = (outputs + TILE - 1) / TILE, spare = tiles * TILE - outputs, three = spare < tiles ? spare : tiles;

	return (struct side){tiles - three, three};
}

/* One convolution as this file sees it: maps in and out, and where tiles lie; backward-data has them exchanged. */
struct job {
	int h, w, c; /* in */
	int p, q, k; /* out */
	int pad, n;
	struct side rows, cols; /* tiles of an image */
	int from, to;           /* outputs to compute */
};

static struct job job_of(const struct conv_shape *cs, int h, int w, int c, int p, int q, int k, int pad, int n)
{
	return (struct job){h, w, c, p, q, k, pad, n, side_of(p), side_of(q), cs->from, cs->to ? cs->to : k};
}

/* The tiles of one kind: rows x cols outputs each (4 or 3), down x across of them an image from top, left on. */
struct kind {
	int rows, cols, down, across, top, left;
	int tiles; /* of all images */
};
enum { N_KINDS = 4 };

static struct kind kind_of(const struct job *j, int i)
{
	struct kind kd = {.rows = TILE - i / 2, .cols = TILE - i % 2};

	kd.down = i / 2 ? j->rows.three : j->rows.four;
	kd.across = i % 2 ? j->cols.three : j->cols.four;
	kd.top = i / 2 ? j->rows.four * TILE : 0;
	kd.left = i % 2 ? j->cols.four * TILE : 0;
	kd.tiles = j->n * kd.down * kd.across;
	return kd;
}

/* Where tile t's outputs begin. */
struct place {
	int image, row, col;
};

static struct place place_of(const struct kind *kd, int t)
{
	int each = kd->down * kd->across, at = t % each;

	return (struct place){t / each, kd->top + at / kd->across * kd->rows, kd->left + at % kd->across * kd->cols};
}

/* Calls call(..., rows, cols) with constants. */
#define BY_KIND(kd, call, ...)                                 \
	do {                                                   \
		if ((kd)->rows == TILE && (kd)->cols == TILE)  \
			call(__VA_ARGS__, TILE, TILE);         \
		else if ((kd)->rows == TILE)                   \
			call(__VA_ARGS__, TILE, TILE - 1);     \
		else if ((kd)->cols == TILE)                   \
			call(__VA_ARGS__, TILE - 1, TILE);     \
		else                                           \
			call(__VA_ARGS__, TILE - 1, TILE - 1); \
	} while (0)

static int round_up(int x, int to)
{
	return (x + to - 1) / to * to;
}

static int min_int(int a, int b)
{
	return a < b ? a : b;
}

/* Tiles of the kind that has most. */
static int most_tiles(const struct job *j)
{
	int most = 0;

	for (int i = 0; i < N_KINDS; i++)
		most = kind_of(j, i).tiles > most ? kind_of(j, i).tiles : most;
	return most;
}

/* ---- blocks of tiles, chunks of outputs ---- */

/*
 * Measured (512 channels at 7x7, 256 at 14x14; another program on the other core): larger blocks and chunks are up to
 * twice as slow as soon as the level-3 cache is shared, and never more than 5 % faster. Of stride 2: blocks of 14 and chunks
 * of half or twice as many floats within 3 %, but backward-data of 256-512 at 14x14 7 % faster with twice as many.
 */
enum { BLOCK_TILES = 28, CHUNK_FLOATS = 1200 << 10 /* of U */, KEPT_FLOATS = 2560 << 10 /* of V */ };

/* No second block of a few tiles follows, that would read all of U for them: then all are one. */
enum { MOST_TILES = BLOCK_TILES + BLOCK_TILES / 2 };

static int block_tiles(const struct job *j)
{
	int most = most_tiles(j);

	return most <= MOST_TILES ? most : BLOCK_TILES;
}

/* ---- memory asked for ahead ---- */

/*
 * What the next transform will read, brought into the level-2 cache a few lines at a time while products are computed,
 * which need no memory: `count` channels of the pixels that are new in tiles tile .. end - 1.
 */
struct ahead {
	const struct kind *kd;
	const float *map; /* [][h][w][c], from the first channel on */
	int h, w, c, count;
	int border, step;       /* tile i, j's first new pixel: border + step * i, border + step * j */
	int rows, cols;         /* a tile's new pixels */
	int tile, end;          /* the one at hand ... */
	struct place place;     /* ... its first new pixel ... */
	int row, col;           /* ... and, from there, the pixel at hand */
	const float *at, *stop; /* lines of it that are still to come */
	int lines;              /* a call */
};

enum { LINE = 16 /* floats */ };

/* a: what is to be read. Of up to `tiles` tiles from `from` on, by so many calls of ahead_go(). */
static struct ahead ahead_of(struct ahead a, int from, int tiles, int calls)
{
	int lines;

	a.tile = from - 1; /* at its last pixel */
	a.rows = a.step * a.kd->rows;
	a.cols = a.step * a.kd->cols;
	a.row = a.rows - 1;
	a.col = a.cols - 1;
	a.end = min_int(from + tiles, a.kd->tiles);
	lines = (a.end - from) * a.rows * a.cols * ((a.count + LINE - 1) / LINE);
	a.lines = lines > 0 ? (lines + calls - 1) / calls : 0;
	return a;
}

static bool ahead_next_tile(struct ahead *a)
{
	if (++a->tile >= a->end)
		return false;
	a->place = place_of(a->kd, a->tile);
	a->place.row = a->border + a->step * a->place.row;
	a->place.col = a->border + a->step * a->place.col;
	a->row = 0;
	return true;
}

/* To the next pixel that lies in the map; false at the end. */
static bool ahead_next(struct ahead *a)
{
	int row, col;

	do {
		if (++a->col == a->cols) {
			a->col = 0;
			if (++a->row == a->rows && !ahead_next_tile(a))
				return false;
		}
		row = a->place.row + a->row;
		col = a->place.col + a->col;
	} while (row < 0 || row >= a->h || col < 0 || col >= a->w);
	a->at = a->map + (((ptrdiff_t)a->place.image * a->h + row) * a->w + col) * a->c;
	a->stop = a->at + a->count;
	return true;
}

static void ahead_go(struct ahead *a)
{
	for (int i = 0; i < a->lines; i++) {
		if (a->at >= a->stop && !ahead_next(a)) {
			a->lines = 0;
			return;
		}
		__builtin_prefetch(a->at, 0, 2);
		a->at += LINE;
	}
}

static size_t align16(size_t floats)
{
	return (floats + 15) & ~(size_t)15;
}

/* ---- weights ---- */

/* G g */
KERN_INLINE void weight_line(vf o[PATCH], vf g0, vf g1, vf g2);
/* G^T u */
KERN_INLINE void weight_gradient_line(vf o[3], vf u0, vf u1, vf u2, vf u3, vf u4, vf u5);

/* u[plane][..VL] = G g G^T; tap r, s of the VL outputs lies at g + (3 r + s) * tap */
KERN_INLINE void transform_taps(float *u, ptrdiff_t plane, const float *g, ptrdiff_t tap, int n)
{
	vf t[3][PATCH], d[PATCH];

	KERN_UNROLL
	for (int s = 0; s < 3; s++) {
		KERN_UNROLL
		for (int r = 0; r < 3; r++)
			d[r] = n == VL ? vf_load(g + (3 * r + s) * tap) : vf_load_n(g + (3 * r + s) * tap, n);
		weight_line(t[s], d[0], d[1], d[2]);
	}
	KERN_UNROLL
	for (int a = 0; a < PATCH; a++) {
		weight_line(d, t[0][a], t[1][a], t[2][a]);
		KERN_UNROLL
		for (int b = 0; b < PATCH; b++)
			vf_store(u + (a * PATCH + b) * plane, d[b]);
	}
}

/* Outputs k0 .. k0 + kn - 1 of w [3][3][c][k] into panels. */
static void transform_weights(float *u, ptrdiff_t plane, const float *w, int c, int k, int k0, int kn)
{
	for (int i = 0; i < kn; i += VL) {
		float *out = u + (ptrdiff_t)(i / PANEL) * PANEL * c + i % PANEL;

		for (int ch = 0; ch < c; ch++, out += PANEL) {
			const float *g = w + (ptrdiff_t)ch * k + k0 + i;

			if (i + VL <= kn)
				transform_taps(out, plane, g, (ptrdiff_t)c * k, VL);
			else
				transform_taps(out, plane, g, (ptrdiff_t)c * k, kn - i);
		}
	}
}

/* out [k][VL] = w [c][k] transposed, for up to VL of both */
static void transpose_block(float *out, const float *w, int cn, int kn, ptrdiff_t pitch)
{
	if (cn < VL || kn < VL) {
		for (int i = 0; i < kn; i++)
			for (int c = 0; c < VL; c++)
				out[i * VL + c] = c < cn ? w[c * pitch + i] : 0;
		return;
	}
	for (int c = 0; c < VL; c += 4) {
		for (int i = 0; i < VL; i += 4) {
			const float *at = w + c * pitch + i;
			vf4 r0 = *(const vf4_u *)at, r1 = *(const vf4_u *)(at + pitch);
			vf4 r2 = *(const vf4_u *)(at + 2 * pitch), r3 = *(const vf4_u *)(at + 3 * pitch);
			vf4 a = __builtin_shufflevector(r0, r1, 0, 4, 1, 5);
			vf4 b = __builtin_shufflevector(r0, r1, 2, 6, 3, 7);
			vf4 d = __builtin_shufflevector(r2, r3, 0, 4, 1, 5);
			vf4 e = __builtin_shufflevector(r2, r3, 2, 6, 3, 7);

			*(vf4_u *)(out + i * VL + c) = __builtin_shufflevector(a, d, 0, 1, 4, 5);
			*(vf4_u *)(out + (i + 1) * VL + c) = __builtin_shufflevector(a, d, 2, 3, 6, 7);
			*(vf4_u *)(out + (i + 2) * VL + c) = __builtin_shufflevector(b, e, 0, 1, 4, 5);
			*(vf4_u *)(out + (i + 3) * VL + c) = __builtin_shufflevector(b, e, 2, 3, 6, 7);
		}
	}
}

/* The same for backward-data: inputs and outputs exchanged, taps turned; outputs (w's c) c0 .. c0 + cn - 1. */
static void transform_turned(float *u, ptrdiff_t plane, const float *w, int c, int k, int c0, int cn)
{
	for (int i = 0; i < cn; i += VL) {
		float *out = u + (ptrdiff_t)(i / PANEL) * PANEL * k + i % PANEL;

		for (int k0 = 0; k0 < k; k0 += VL) {
			float g[9][VL * VL] __attribute__((aligned(64)));
			int kn = min_int(k - k0, VL);

			for (int tap = 0; tap < 9; tap++)
				transpose_block(g[8 - tap], w + ((ptrdiff_t)tap * c + c0 + i) * k + k0,
						min_int(cn - i, VL), kn, k);
			for (int ch = 0; ch < kn; ch++, out += PANEL)
				transform_taps(out, plane, g[0] + ch * VL, VL * VL, VL);
		}
	}
}

/* dw = G^T du G of n <= VL outputs of one input channel */
KERN_INLINE void finish_taps(float *dw, ptrdiff_t tap, const float *du, ptrdiff_t plane, int n)
{
	vf t[PATCH][3], o[3];

	KERN_UNROLL
	for (int b = 0; b < PATCH; b++) {
		vf d[PATCH];

		KERN_UNROLL
		for (int a = 0; a < PATCH; a++)
			d[a] = vf_load(du + (a * PATCH + b) * plane);
		weight_gradient_line(t[b], d[0], d[1], d[2], d[3], d[4], d[5]);
	}
	KERN_UNROLL
	for (int r = 0; r < 3; r++) {
		weight_gradient_line(o, t[0][r], t[1][r], t[2][r], t[3][r], t[4][r], t[5][r]);
		KERN_UNROLL
		for (int s = 0; s < 3; s++) {
			if (n == VL)
				vf_store(dw + (3 * r + s) * tap, o[s]);
			else
				vf_store_n(dw + (3 * r + s) * tap, o[s], n);
		}
	}
}

static void finish_weights(float *dw, const float *du, ptrdiff_t plane, int c, int k, int k0, int kn)
{
	ptrdiff_t tap = (ptrdiff_t)c * k;

	for (int i = 0; i < kn; i += VL) {
		const float *from = du + (ptrdiff_t)(i / PANEL) * PANEL * round_up(c, VL) + i % PANEL;

		for (int ch = 0; ch < c; ch++, from += PANEL) {
			float *out = dw + (ptrdiff_t)ch * k + k0 + i;

			if (i + VL <= kn)
				finish_taps(out, tap, from, plane, VL);
			else
				finish_taps(out, tap, from, plane, kn - i);
		}
	}
}

/* ---- tail ---- */

struct tail {
	const float *bias, *add; /* or NULL; add has y's shape */
	bool relu, accumulate;
};

KERN_INLINE void store_output(float *y, vf v, const struct tail *tl, ptrdiff_t at, int k, int n)
{
	if (tl->bias)
		v += n == VL ? vf_load(tl->bias + k) : vf_load_n(tl->bias + k, n);
	if (tl->add)
		v += n == VL ? vf_load(tl->add + at) : vf_load_n(tl->add + at, n);
	if (tl->relu)
		v = vf_relu(v);
	if (tl->accumulate)
		v += n == VL ? vf_load(y + at) : vf_load_n(y + at, n);
	if (n == VL)
		vf_store(y + at, v);
	else
		vf_store_n(y + at, v, n);
}

#endif
