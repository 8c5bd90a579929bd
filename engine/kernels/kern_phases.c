/*
 * kern_phases.c - 3x3 convolution of stride 2 by Winograd in phases, all three passes; see kernels.h
 *
 * Along a line, an output of stride 2 is y[i] = w0 x[2i] + w1 x[2i+1] + w2 x[2i+2]: on the even pixels a convolution of 2
 * taps and stride 1, which Winograd's F(4,2) gives for 4 outputs in 5 multiplications, and on the odd ones a product each:
 * 9 instead of 12. In two dimensions a 4x4 tile of outputs takes 81 multiplications a channel pair, where the direct sum has 144.
 * Backward-data takes the same 81 for the 8x8 pixels that an odd and an even phase of 4 make, backward-weights is the
 * transpose: each line of the three has 9 products with 6 different weights, of which the last, w1, serves the 4 odd ones.
 *
 * So this is kern_winograd.c with 36 matrix products of unequal height: that of points a and b has as many rows a tile
 * as there are products with their weights (1, 4 or 16; rows of a tile lie side by side). Points are +-7/16, +-5/4 and
 * infinity; for 3 outputs (14 = 4 + 4 + 3 + 3) -5/4 falls away, and the weights' transform stays as in kern_winograd.c.
 *
 * V is transformed for a block of tiles; products and transforms of M (or W) then go panel by panel of outputs, so that M
 * stays near the core. Layouts, `row` counting through all products:
 *   V  [group of ROWS rows][c / VL][row][VL]      forward, backward-data: a register tile reads one run of floats
 *   V  [c / VL][row][VL]                          backward-weights
 *   U  [product][panel][c][PANEL], M and W [row][PANEL]
 */
#include <string.h>

#include "engine/kernels/kern_table.h"
#include "engine/kernels/kern_winograd_taps.h"

enum { EVEN = TILE + 1, ODD = PATCH - 1 /* its weight */, WIDE = EVEN + TILE, PRODUCTS = WIDE * WIDE, OUT = 2 * TILE };

/* ---- the transforms of one line; matrices as in the paper, points A, -A, B, infinity, -B; of these F(3,2) lacks -B ---- */

#define A1 0.4375f
#define B1 1.25f
#define A2 (A1 * A1)
#define B2 (B1 * B1)
#define A3 (A2 * A1)
#define B3 (B2 * B1)
/* 1 / product of the distances to the other points; the sign of -A's and -B's is B^T's */
#define NA (1 / (2 * A1 * (A2 - B2)))
#define NB (1 / (2 * B1 * (B2 - A2)))

/* B^T d; for 3 outputs times (point + B), which is what the weights' transform divides by too much */
KERN_INLINE void even_points(vf o[EVEN], int outputs, vf d0, vf d1, vf d2, vf d3, vf d4)
{
	if (outputs == TILE) {
		vf ea = d3 - B2 * d1, oa = A1 * d2 - (A1 * B2) * d0, eb = d3 - A2 * d1, ob = B1 * d2 - (B1 * A2) * d0;

		o[0] = oa + ea;
		o[1] = oa - ea;
		o[2] = ob + eb;
		o[3] = d4 - (A2 + B2) * d2 + (A2 * B2) * d0;
		o[4] = ob - eb;
	} else {
		vf e0 = d1 - B1 * d0, e1 = d2 - B1 * d1, e2 = d3 - B1 * d2;

		o[0] = (A1 + B1) * e1 + ((A1 + B1) * A1) * e0;
		o[1] = ((B1 - A1) * A1) * e0 - (B1 - A1) * e1;
		o[2] = (2 * B1) * d2 - (2 * B1 * A2) * d0;
		o[3] = e2 - A2 * e0;
	}
}

/* A^T m */
KERN_INLINE void even_sums(vf o[TILE], int outputs, vf m0, vf m1, vf m2, vf m3, vf m4)
{
	vf ea = m0 + m1, oa = m0 - m1;

	if (outputs == TILE) {
		vf eb = m2 + m4, ob = m2 - m4;

		o[0] = ea + eb;
		o[1] = A1 * oa + B1 * ob;
		o[2] = A2 * ea + B2 * eb;
		o[3] = m3 + (A3 * oa + B3 * ob);
	} else {
		o[0] = ea + m2;
		o[1] = A1 * oa + B1 * m2;
		o[2] = m3 + (A2 * ea + B2 * m2);
	}
}

/* A y */
KERN_INLINE void gradient_points(vf o[EVEN], int outputs, vf y0, vf y1, vf y2, vf y3)
{
	if (outputs == TILE) {
		vf ea = y0 + A2 * y2, oa = A1 * y1 + A3 * y3, eb = y0 + B2 * y2, ob = B1 * y1 + B3 * y3;

		o[0] = ea + oa;
		o[1] = ea - oa;
		o[2] = eb + ob;
		o[3] = y3;
		o[4] = eb - ob;
	} else {
		vf ea = y0 + A2 * y2, oa = A1 * y1;

		o[0] = ea + oa;
		o[1] = ea - oa;
		o[2] = y0 + (B1 * y1 + B2 * y2);
		o[3] = y2;
	}
}

KERN_INLINE void weight_line(vf o[PATCH], vf g0, vf g1, vf g2)
{
	o[0] = NA * g0 + (NA * A1) * g2;
	o[1] = NA * g0 - (NA * A1) * g2;
	o[2] = NB * g0 + (NB * B1) * g2;
	o[3] = g2;
	o[4] = NB * g0 - (NB * B1) * g2;
	o[ODD] = g1;
}

KERN_INLINE void weight_gradient_line(vf o[3], vf u0, vf u1, vf u2, vf u3, vf u4, vf u5)
{
	o[0] = NA * (u0 + u1) + NB * (u2 + u4);
	o[1] = u5;
	o[2] = u3 + ((NA * A1) * (u0 - u1) + (NB * B1) * (u2 - u4));
}

/* What a line of a patch is, and how many pixels it has for `outputs` outputs. */
enum patch { INPUT, GRADIENT_FOR_DATA, GRADIENT_FOR_WEIGHTS };

KERN_INLINE int pixels(enum patch what, int outputs)
{
	return what == INPUT ? 2 * outputs + 1 : what == GRADIENT_FOR_DATA ? outputs + 1 : outputs;
}

/* Its products: the even phase's outputs + 1, then the odd one's. */
KERN_INLINE void patch_line(vf o[WIDE], enum patch what, int outputs, const vf d[WIDE])
{
	if (what == INPUT)
		even_points(o, outputs, d[0], d[2], d[4], d[6], d[2 * outputs]);
	else if (what == GRADIENT_FOR_DATA)
		even_points(o, outputs, d[0], d[1], d[2], d[3], d[outputs]);
	else
		gradient_points(o, outputs, d[0], d[1], d[2], d[outputs - 1]);
	KERN_UNROLL
	for (int i = 0; i < outputs; i++)
		o[outputs + 1 + i] = what == INPUT ? d[2 * i + 1] : d[i];
}

/* Products to outputs; or, spread, to pixels of the odd and the even phase in turns. */
KERN_INLINE void product_line(vf o[OUT], bool spread, int outputs, const vf m[WIDE])
{
	vf even[TILE];

	even_sums(even, outputs, m[0], m[1], m[2], m[3], m[outputs]);
	KERN_UNROLL
	for (int i = 0; i < outputs; i++) {
		if (spread) {
			o[2 * i] = m[outputs + 1 + i];
			o[2 * i + 1] = even[i];
		} else
			o[i] = even[i] + m[outputs + 1 + i];
	}
}

/* ---- blocks ---- */

/*
 * Forward: the tiles are y's. Backward-data: each output of a tile is a pair of dx's rows and columns, the odd phase's and the
 * even one's, which the first pair may hang over the map with.
 */
static struct job job_for(const struct conv_shape *cs, int n, bool data)
{
	int hang = cs->pad % 2 ? 0 : 1;
	struct job j;

	if (!data)
		return job_of(cs, cs->h, cs->w, cs->c, cs->p, cs->q, cs->k, cs->pad, n);
	j = job_of(cs, cs->p, cs->q, cs->k, cs->h, cs->w, cs->c, cs->pad, n);
	j.rows = side_of((cs->h + hang + 1) / 2);
	j.cols = side_of((cs->w + hang + 1) / 2);
	return j;
}

/* Where the products of a block of tiles lie, counted in rows: that of line positions i / WIDE and i % WIDE has its first at
 * first[i] and one every step[i]; all those of points a and b begin at begin[a * PATCH + b]. */
struct rows {
	int first[PRODUCTS], step[PRODUCTS];
	int begin[POINTS], count[POINTS];
	int all;
};

static int copies(int point, int outputs)
{
	return point == ODD ? outputs : point == ODD - 1 && outputs < TILE ? 0 : 1;
}

/* Each product's rows rounded up to a multiple of `group`. */
static struct rows rows_of(const struct kind *kd, int tiles, int group)
{
	struct rows r = {.all = 0};

	for (int i = 0; i < POINTS; i++) {
		int down = copies(i / PATCH, kd->rows), across = copies(i % PATCH, kd->cols);

		r.begin[i] = r.all;
		r.count[i] = down * across * tiles;
		r.all += round_up(r.count[i], group);
		for (int copy = 0; copy < down * across; copy++) {
			int a = i / PATCH == ODD ? kd->rows + 1 + copy / across : i / PATCH;
			int b = i % PATCH == ODD ? kd->cols + 1 + copy % across : i % PATCH;

			r.first[a * WIDE + b] = r.begin[i] + copy;
			r.step[a * WIDE + b] = down * across;
		}
	}
	return r;
}

struct blocks {
	int tiles, group;
	int chunk;  /* outputs whose U is at hand, a multiple of PANEL */
	bool keeps; /* V of all tiles, for every chunk */
	ptrdiff_t v_floats, m_floats, u_plane, u_floats;
};

static ptrdiff_t v_floats(const struct job *j, const struct kind *kd, const struct blocks *b)
{
	return (ptrdiff_t)rows_of(kd, b->tiles, b->group).all * round_up(j->c, VL) +
	       round_up(j->c, VL) / VL * PLANE_PAD;
}

static struct blocks blocks_of(const struct job *j, int tiles, int group)
{
	struct blocks b = {.tiles = tiles, .group = group};
	struct kind full = {.rows = TILE, .cols = TILE};
	int fit = CHUNK_FLOATS / (POINTS * j->c) / PANEL * PANEL, outputs = round_up(j->to - j->from, PANEL);
	ptrdiff_t all = 0;

	b.chunk = fit < PANEL ? PANEL : min_int(fit, outputs);
	b.u_plane = (ptrdiff_t)b.chunk * round_up(j->c, VL) + PLANE_PAD;
	b.u_floats = POINTS * b.u_plane;
	b.m_floats = (ptrdiff_t)rows_of(&full, tiles, group).all * PANEL;
	b.v_floats = v_floats(j, &full, &b);
	for (int i = 0; i < N_KINDS; i++) {
		struct kind kd = kind_of(j, i);

		all += kd.tiles ? v_floats(j, &kd, &b) : 0;
	}
	if (b.chunk < outputs) {
		b.keeps = most_tiles(j) <= MOST_TILES && all <= KEPT_FLOATS;
		all = all < KEPT_FLOATS ? all : KEPT_FLOATS; /* so that fewer images need no more */
		b.v_floats = all > b.v_floats ? all : b.v_floats;
	}
	return b;
}

struct room {
	float *zero, *v, *u, *m;
};

static size_t room_for(struct room *r, float *ws, const struct job *j, const struct blocks *b)
{
	size_t zero = align16((size_t)(j->c > j->k ? j->c : j->k)) + VL, v = align16((size_t)b->v_floats);
	size_t u = align16((size_t)b->u_floats), m = align16((size_t)b->m_floats);

	zero = align16(zero);
	if (r) {
		*r = (struct room){ws, ws + zero, ws + zero + v, ws + zero + v + u};
		memset(r->zero, 0, zero * sizeof(float));
	}
	return zero + v + u + m;
}

/* ---- patches ---- */

/* Patches of a map [n][h][w][c]: tile (i, j)'s begins at pixel (top + step * i, left + step * j). */
struct map {
	const float *x;
	int h, w, c;
	int top, step;
	const float *zero; /* is read outside of the map */
};

static struct map map_of(const float *x, const struct job *j, enum patch what, const float *zero)
{
	if (what == INPUT)
		return (struct map){x, j->h, j->w, j->c, -j->pad, 2, zero};
	if (what == GRADIENT_FOR_DATA)
		return (struct map){x, j->h, j->w, j->c, j->pad ? 0 : -1, 1, zero};
	return (struct map){x, j->p, j->q, j->k, 0, 1, zero};
}

static void patch_of(const float *from[PRODUCTS], const struct map *map, const struct kind *kd, int t, int down,
		     int across)
{
	struct place at = place_of(kd, t);
	int top = map->top + map->step * at.row, left = map->top + map->step * at.col;
	const float *x = map->x + (ptrdiff_t)at.image * map->h * map->w * map->c;

	for (int a = 0; a < down; a++) {
		bool row_in = top + a >= 0 && top + a < map->h;

		for (int b = 0; b < across; b++)
			from[a * WIDE + b] = row_in && left + b >= 0 && left + b < map->w
						     ? x + ((ptrdiff_t)(top + a) * map->w + left + b) * map->c
						     : map->zero;
	}
}

/* Products of VL channels, of which n are there, to v + at[] */
KERN_INLINE void transform_patch(float *v, const ptrdiff_t at[PRODUCTS], const float *const from[PRODUCTS], int c,
				 int n, enum patch what, int rows, int cols)
{
	vf t[WIDE][WIDE], d[WIDE], o[WIDE];

	for (int a = 0; a < 2 * rows + 1; a++)
		for (int b = 0; b < 2 * cols + 1; b++)
			__builtin_prefetch(v + at[a * WIDE + b], 1);
	KERN_UNROLL
	for (int b = 0; b < pixels(what, cols); b++) {
		KERN_UNROLL
		for (int a = 0; a < pixels(what, rows); a++)
			d[a] = n == VL ? vf_load(from[a * WIDE + b] + c) : vf_load_n(from[a * WIDE + b] + c, n);
		patch_line(t[b], what, rows, d);
	}
	KERN_UNROLL
	for (int a = 0; a < 2 * rows + 1; a++) {
		KERN_UNROLL
		for (int b = 0; b < pixels(what, cols); b++)
			d[b] = t[b][a];
		patch_line(o, what, cols, d);
		KERN_UNROLL
		for (int b = 0; b < 2 * cols + 1; b++)
			vf_store(v + at[a * WIDE + b], o[b]);
	}
}

/* How rows lie: channel c0 of `row` begins at row / group * (group * pitch) + row % group * width. */
struct layout {
	int group, width;
	ptrdiff_t pitch, step; /* from one vector of channels to the next */
};

/* Channels c0 .. c0 + count - 1 of a block of tiles */
KERN_INLINE void transform_patches(float *v, const struct layout *l, const struct rows *r, const struct map *map,
				   const struct kind *kd, int t0, int tiles, int c0, int count, enum patch what,
				   int rows, int cols)
{
	for (int t = 0; t < tiles; t++) {
		const float *from[PRODUCTS];
		ptrdiff_t at[PRODUCTS];
		float *out = v;
		int c = 0;

		patch_of(from, map, kd, t0 + t, pixels(what, rows), pixels(what, cols));
		for (int a = 0; a < 2 * rows + 1; a++) {
			for (int b = 0; b < 2 * cols + 1; b++) {
				int i = a * WIDE + b, row = r->first[i] + t * r->step[i];

				at[i] = row / l->group * l->pitch + row % l->group * l->width;
			}
		}
		for (; c + VL <= count; c += VL, out += l->step)
			transform_patch(out, at, from, c0 + c, VL, what, rows, cols);
		if (c < count)
			transform_patch(out, at, from, c0 + c, count - c, what, rows, cols);
	}
}

static void transform(float *v, const struct layout *l, const struct rows *r, const struct map *map,
		      const struct kind *kd, int t0, int tiles, int c0, int count, enum patch what)
{
	if (what == INPUT)
		BY_KIND(kd, transform_patches, v, l, r, map, kd, t0, tiles, c0, count, INPUT);
	else if (what == GRADIENT_FOR_DATA)
		BY_KIND(kd, transform_patches, v, l, r, map, kd, t0, tiles, c0, count, GRADIENT_FOR_DATA);
	else
		BY_KIND(kd, transform_patches, v, l, r, map, kd, t0, tiles, c0, count, GRADIENT_FOR_WEIGHTS);
}

/* `count` channels from `first` on of what patches of a map read. */
static struct ahead ahead_map(const struct kind *kd, const struct map *map, enum patch what, int first, int count)
{
	return (struct ahead){.kd = kd,
			      .map = map->x + first,
			      .h = map->h,
			      .w = map->w,
			      .c = map->c,
			      .count = count,
			      /* the first line of others belongs to the tile before as well */
			      .border = map->top + (what != GRADIENT_FOR_WEIGHTS),
			      .step = map->step};
}

/* ---- forward and backward-data ---- */

/* The part of a tile of outputs that lies in the map. */
struct part {
	int top, bottom, left, right;
};

/* n channels from k on of the tile whose first pixel is y[at] */
KERN_INLINE void transform_product(float *y, const float *m, const int row[PRODUCTS], const struct job *j,
				   const struct tail *tl, ptrdiff_t at, struct part part, int k, int n, bool spread,
				   int rows, int cols)
{
	vf t[WIDE][OUT], d[WIDE], o[OUT];

	KERN_UNROLL
	for (int b = 0; b < 2 * cols + 1; b++) {
		KERN_UNROLL
		for (int a = 0; a < 2 * rows + 1; a++)
			d[a] = vf_load(m + (ptrdiff_t)row[a * WIDE + b] * PANEL);
		product_line(t[b], spread, rows, d);
	}
	for (int a = part.top; a < part.bottom; a++) {
		KERN_UNROLL
		for (int b = 0; b < 2 * cols + 1; b++)
			d[b] = t[b][a];
		product_line(o, spread, cols, d);
		for (int b = part.left; b < part.right; b++) {
			ptrdiff_t pixel = at + (a * j->q + b) * (ptrdiff_t)j->k + k;

			if (!spread)
				__builtin_prefetch(y + pixel + cols * (ptrdiff_t)j->k, 1); /* the next tile's, mostly */
			store_output(y, o[b], tl, pixel, k, n);
		}
	}
}

/* One panel's outputs, k .. k + kn - 1, of a block of tiles */
KERN_INLINE void transform_products(float *y, const float *m, const struct rows *r, const struct job *j,
				    const struct kind *kd, const struct tail *tl, int t0, int tiles, int k, int kn,
				    bool spread, int rows, int cols)
{
	const int each = spread ? 2 : 1, hang = spread && j->pad % 2 == 0 ? 1 : 0;
	const struct part full = {0, each * rows, 0, each * cols};

	for (int t = 0; t < tiles; t++) {
		struct place pl = place_of(kd, t0 + t);
		int top = each * pl.row - hang, left = each * pl.col - hang;
		struct part part = {top < 0, min_int(j->p - top, full.bottom), left < 0,
				    min_int(j->q - left, full.right)};
		ptrdiff_t at = (((ptrdiff_t)pl.image * j->p + top) * j->q + left) * j->k;
		bool whole = top >= 0 && left >= 0 && part.bottom == full.bottom && part.right == full.right;
		int row[PRODUCTS];

		for (int a = 0; a < 2 * rows + 1; a++)
			for (int b = 0; b < 2 * cols + 1; b++)
				row[a * WIDE + b] = r->first[a * WIDE + b] + t * r->step[a * WIDE + b];
		for (int i = 0; i < kn; i += VL) {
			if (whole && i + VL <= kn)
				transform_product(y, m + i, row, j, tl, at, full, k + i, VL, spread, rows, cols);
			else
				transform_product(y, m + i, row, j, tl, at, part, k + i, min_int(kn - i, VL), spread,
						  rows, cols);
		}
	}
}

static void transform_outputs(float *y, const float *m, const struct rows *r, const struct job *j,
			      const struct kind *kd, const struct tail *tl, int t0, int tiles, int k, int kn,
			      bool spread)
{
	if (spread)
		BY_KIND(kd, transform_products, y, m, r, j, kd, tl, t0, tiles, k, kn, true);
	else
		BY_KIND(kd, transform_products, y, m, r, j, kd, tl, t0, tiles, k, kn, false);
}

static void multiply(float *m, const float *v, const float *u, const struct rows *r, ptrdiff_t u_plane, int c, int kn,
		     struct ahead *next)
{
	for (int i = 0; i < POINTS; i++, u += u_plane) {
		for (int at = 0; at < r->count[i]; at += ROWS) {
			ptrdiff_t row = r->begin[i] + at;

			ahead_go(next);
			products[r->count[i] - at <= FEW_ROWS][kn > VL](m + row * PANEL, v + row * round_up(c, VL), u,
									c);
		}
	}
}

/* w as given for forward, or (data) of the layer whose backward-data this is */
static void run(float *y, const float *x, const float *w, const struct job *j, bool data, const struct tail *tl,
		float *ws)
{
	const enum patch what = data ? GRADIENT_FOR_DATA : INPUT;
	const struct blocks b = blocks_of(j, block_tiles(j), ROWS);
	const struct layout l = {ROWS, VL, (ptrdiff_t)ROWS * round_up(j->c, VL), ROWS * VL};
	struct room r;
	struct map map;

	room_for(&r, ws, j, &b);
	map = map_of(x, j, what, r.zero);
	for (int k0 = j->from; k0 < j->to; k0 += b.chunk) {
		int kn = min_int(j->to - k0, b.chunk);
		float *v = r.v;

		if (data)
			transform_turned(r.u, b.u_plane, w, j->k, j->c, k0, kn);
		else
			transform_weights(r.u, b.u_plane, w, j->c, j->k, k0, kn);
		for (int i = 0; i < N_KINDS; i++) {
			struct kind kd = kind_of(j, i);

			for (int t = 0; t < kd.tiles; t += b.tiles) {
				int tiles = min_int(kd.tiles - t, b.tiles);
				struct rows rows = rows_of(&kd, tiles, ROWS);
				struct ahead next;

				if (k0 == j->from || !b.keeps)
					transform(v, &l, &rows, &map, &kd, t, tiles, 0, j->c, what);
				next = ahead_of(ahead_map(&kd, &map, what, 0, j->c), t + b.tiles, b.tiles,
						rows.all / ROWS * ((kn + PANEL - 1) / PANEL));
				for (int k = 0; k < kn; k += PANEL) {
					int n = min_int(kn - k, PANEL);

					multiply(r.m, v, r.u + (ptrdiff_t)k * j->c, &rows, b.u_plane, j->c, n, &next);
					transform_outputs(y, r.m, &rows, j, &kd, tl, t, tiles, k0 + k, n, data);
				}
				v += b.keeps ? v_floats(j, &kd, &b) : 0;
			}
		}
	}
}

static void forward(float *y, const float *x, const float *w, const struct conv_shape *cs, int n,
		    const struct conv_tail *tail, float *ws)
{
	struct job j = job_for(cs, n, false);
	struct tail tl = {0};

	if (tail)
		tl = (struct tail){tail->bias, tail->add, tail->relu, false};
	run(y, x, w, &j, false, &tl, ws);
}

static void backward_data(float *dx, const float *dy, const float *w, const struct conv_shape *cs, int n,
			  bool accumulate, float *ws)
{
	struct job j = job_for(cs, n, true);
	struct tail tl = {.accumulate = accumulate};

	run(dx, dy, w, &j, true, &tl, ws);
}

/* ---- backward-weights ---- */

/* du [product][c][PANEL] (+)= V^T W of one block of tiles and one panel */
static void sum_products(float *du, const float *v, ptrdiff_t v_step, const float *w, const struct rows *r,
			 ptrdiff_t u_plane, int c, int kn, bool add, struct ahead *in, struct ahead *out)
{
	sum_fn sum = sums[kn > VL];

	for (int i = 0; i < POINTS; i++, du += u_plane) {
		if (!r->count[i])
			continue;
		for (int ch = 0; ch < c; ch += SUM_ROWS) {
			float *at = du + (ptrdiff_t)ch * PANEL;

			ahead_go(in);
			ahead_go(out);
			sum(at, at + SUM_ROWS * PANEL, v + ch / VL * v_step + (ptrdiff_t)r->begin[i] * VL + ch % VL,
			    w + (ptrdiff_t)r->begin[i] * PANEL, r->count[i], add);
		}
	}
}

static void backward_weights(float *dw, const float *dy, const float *x, const struct conv_shape *cs, int n, float *ws)
{
	const struct job j = job_for(cs, n, false);
	const struct blocks b = blocks_of(&j, block_tiles(&j), 1);
	const struct layout lw = {1, 0, PANEL, VL};
	struct map in, gradient;
	struct room r;

	room_for(&r, ws, &j, &b);
	in = map_of(x, &j, INPUT, r.zero);
	gradient = map_of(dy, &j, GRADIENT_FOR_WEIGHTS, r.zero);
	for (int k0 = j.from; k0 < j.to; k0 += b.chunk) {
		int kn = min_int(j.to - k0, b.chunk);
		float *v = r.v;

		if (!j.rows.four || !j.cols.four) /* no tile has all products, so none may begin their sums */
			memset(r.u, 0, (size_t)b.u_floats * sizeof(float));
		for (int i = 0; i < N_KINDS; i++) {
			struct kind kd = kind_of(&j, i);

			for (int t = 0; t < kd.tiles; t += b.tiles) {
				int tiles = min_int(kd.tiles - t, b.tiles);
				struct rows rows = rows_of(&kd, tiles, 1);
				int calls = POINTS * ((j.c + SUM_ROWS - 1) / SUM_ROWS) * ((kn + PANEL - 1) / PANEL);
				struct ahead ahead_in, ahead_out;
				struct layout lv = {1, 0, VL, (ptrdiff_t)rows.all * VL + PLANE_PAD};

				if (k0 == j.from || !b.keeps)
					transform(v, &lv, &rows, &in, &kd, t, tiles, 0, j.c, INPUT);
				ahead_in = ahead_of(ahead_map(&kd, &in, INPUT, 0, j.c), t + b.tiles, b.tiles, calls);
				ahead_out = ahead_of(ahead_map(&kd, &gradient, GRADIENT_FOR_WEIGHTS, k0, kn),
						     t + b.tiles, b.tiles, calls);
				for (int k = 0; k < kn; k += PANEL) {
					int some = min_int(kn - k, PANEL);

					transform(r.m, &lw, &rows, &gradient, &kd, t, tiles, k0 + k, some,
						  GRADIENT_FOR_WEIGHTS);
					sum_products(r.u + (ptrdiff_t)k * round_up(j.c, VL), v, lv.step, r.m, &rows,
						     b.u_plane, j.c, some, i + t > 0, &ahead_in, &ahead_out);
				}
				v += b.keeps ? v_floats(&j, &kd, &b) : 0;
			}
		}
		finish_weights(dw, r.u, b.u_plane, j.c, j.k, k0, kn);
	}
}

static size_t workspace(const struct conv_shape *cs, int n)
{
	struct job f = job_for(cs, n, false), d = job_for(cs, n, true);
	int f_tiles = min_int(most_tiles(&f), MOST_TILES),
	    d_tiles = min_int(most_tiles(&d), MOST_TILES); /* for all <= n */
	struct blocks fb = blocks_of(&f, f_tiles, ROWS), db = blocks_of(&d, d_tiles, ROWS);
	struct blocks sb = blocks_of(&f, f_tiles, 1);
	size_t a[3] = {room_for(NULL, NULL, &f, &fb), room_for(NULL, NULL, &d, &db), room_for(NULL, NULL, &f, &sb)};

	for (int i = 1; i < 3; i++)
		a[0] = a[i] > a[0] ? a[i] : a[0];
	return a[0];
}

const struct kern_winograd_table KERN_NAME(kern_phases_) = {workspace, forward, backward_data, backward_weights};
