/*
 * kern_winograd_shared.h - what Winograd's convolutions have in common: matrix products, tiles of a map, memory asked for
 * ahead, the tail. Included by kern_winograd.c, kern_phases.c and kern_stem.c only.
 *
 * Each has 36 different products of weights a channel pair (POINTS: what a line of taps becomes, twice).
 */
#ifndef ENGINE_KERNELS_KERN_WINOGRAD_SHARED_H
#define ENGINE_KERNELS_KERN_WINOGRAD_SHARED_H

#include "engine/kernels/kernels.h"
#include "engine/kernels/kern_vec.h"

enum { TILE = 4, PATCH = 6, POINTS = 36, PANEL = 2 * VL, PLANE_PAD = 16, LINE = 16 /* floats */ };

/* ---- matrix products ---- */

/* U does not fit beside V and M into the level-2 cache, and the hardware's own prefetching begins anew on every page of 4 KB.
 * So many rows of a panel are asked for ahead (8 and 24 no different from 16); the next panel follows where one ends. Sums ask
 * for V so many tiles ahead (16 and 28 no different from 8), and for the du of the sums to come, a line a tile: 1 to 4 % faster
 * than asking for their own, all at once, at their start. */
enum { AHEAD_U = 16, AHEAD_V = 8 };

#if defined(KERN_avx512)
enum { ROWS = 14, FEW_ROWS = 4, SUM_ROWS = 8 };
#define PRODUCT_NAME product14x2
#define TILE_M       14
#define SUM_NAME     sum8x2
#define STEP_NAME    sum8x2_step
#define TILE_T       8
#define TILE_NV      2
#include "engine/kernels/kern_winograd_tile.h"
#define PRODUCT_NAME product14x1
#define TILE_M       14
#define SUM_NAME     sum8x1
#define STEP_NAME    sum8x1_step
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
typedef void (*sum_fn)(float *du, const float *next, const float *v, const float *w, int tiles, bool add);
static const product_fn products[2][2] = {{product14x1, product14x2}, {product4x1, product4x2}};
static const sum_fn sums[2] = {sum8x1, sum8x2};
#else
enum { ROWS = 6, FEW_ROWS = 2, SUM_ROWS = 4 };
#define PRODUCT_NAME product6x2
#define TILE_M       6
#define SUM_NAME     sum4x2
#define STEP_NAME    sum4x2_step
#define TILE_T       4
#define TILE_NV      2
#include "engine/kernels/kern_winograd_tile.h"
#define PRODUCT_NAME product6x1
#define TILE_M       6
#define SUM_NAME     sum4x1
#define STEP_NAME    sum4x1_step
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
typedef void (*sum_fn)(float *du, const float *next, const float *v, const float *w, int tiles, bool add);
static const product_fn products[2][2] = {{product6x1, product6x2}, {product2x1, product2x2}};
static const sum_fn sums[2] = {sum4x1, sum4x2};
#endif

/* ---- geometry ---- */

/* A side of a map in tiles: `four` of 4, then `three` of 3. */
struct side {
	int four, three;
};

static inline struct side side_of(int outputs)
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

static inline struct job job_of(const struct conv_shape *cs, int h, int w, int c, int p, int q, int k, int pad, int n)
{
	return (struct job){h, w, c, p, q, k, pad, n, side_of(p), side_of(q), cs->from, cs->to ? cs->to : k};
}

/* The tiles of one kind: rows x cols outputs each (4 or 3), down x across of them an image from top, left on. */
struct kind {
	int rows, cols, down, across, top, left;
	int tiles; /* of all images */
};
enum { N_KINDS = 4 };

static inline struct kind kind_of(const struct job *j, int i)
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

static inline struct place place_of(const struct kind *kd, int t)
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

static inline int round_up(int x, int to)
{
	return (x + to - 1) / to * to;
}

static inline int min_int(int a, int b)
{
	return a < b ? a : b;
}

/* Tiles of the kind that has most. */
static inline int most_tiles(const struct job *j)
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

static inline int block_tiles(const struct job *j)
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
	int rows, cols;         /* a tile's new pixels, */
	int run;                /* of which so many of a row lie side by side, with nothing between them */
	int tile, end;          /* the one at hand ... */
	struct place place;     /* ... its first new pixel ... */
	int row, col;           /* ... and, from there, the run at hand */
	const float *at, *stop; /* lines of it that are still to come */
	int lines;              /* a call */
};

/* a: what is to be read. Of up to `tiles` tiles from `from` on, by so many calls of ahead_go(). */
static inline struct ahead ahead_of(struct ahead a, int from, int tiles, int calls)
{
	int lines;

	a.tile = from - 1; /* at its last pixel */
	a.rows = a.step * a.kd->rows;
	a.cols = a.step * a.kd->cols;
	a.run = a.count == a.c ? a.cols : 1;
	a.row = a.rows - 1;
	a.col = a.cols - a.run;
	a.end = min_int(from + tiles, a.kd->tiles);
	lines = (a.end - from) * a.rows * a.cols * ((a.count + LINE - 1) / LINE);
	a.lines = lines > 0 ? (lines + calls - 1) / calls : 0;
	return a;
}

static inline bool ahead_next_tile(struct ahead *a)
{
	if (++a->tile >= a->end)
		return false;
	a->place = place_of(a->kd, a->tile);
	a->place.row = a->border + a->step * a->place.row;
	a->place.col = a->border + a->step * a->place.col;
	a->row = 0;
	return true;
}

/* To the next run that lies in the map, or what of it does; false at the end. */
static inline bool ahead_next(struct ahead *a)
{
	int row, first, end;

	do {
		a->col += a->run;
		if (a->col == a->cols) {
			a->col = 0;
			if (++a->row == a->rows && !ahead_next_tile(a))
				return false;
		}
		row = a->place.row + a->row;
		first = a->place.col + a->col;
		end = min_int(first + a->run, a->w);
		first = first < 0 ? 0 : first;
	} while (row < 0 || row >= a->h || first >= end);
	a->at = a->map + (((ptrdiff_t)a->place.image * a->h + row) * a->w + first) * a->c;
	a->stop = a->at + (ptrdiff_t)(end - first - 1) * a->c + a->count;
	return true;
}

static inline void ahead_go(struct ahead *a)
{
	for (ptrdiff_t left = (ptrdiff_t)a->lines * LINE; left > 0;) {
		const float *at, *end;

		if (a->at >= a->stop && !ahead_next(a)) {
			a->lines = 0;
			return;
		}
		at = a->at;
		end = a->stop - at < left ? a->stop : at + left;
		left -= end - at;
		for (; at < end; at += LINE)
			__builtin_prefetch(at, 0, 2);
		a->at = at;
	}
}

static inline size_t align16(size_t floats)
{
	return (floats + 15) & ~(size_t)15;
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
