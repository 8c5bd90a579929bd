/*
 * kern_winograd.c - 3x3 convolution of stride 1 by Winograd's F(4x4,3x3), and F(3,3) where that fits, all three passes; see
 * kernels.h
 *
 * Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks" (2016): a 4x4 tile of outputs is
 * A^T [(G g G^T) . (B^T d B)] A of the 6x6 patch d under it: 36 multiplications a channel pair where the direct sum has
 * 144. Summed over channels, each of the 36 points is a matrix product M = V U. The same map serves backward-data (g
 * turned by 180 degrees, channels exchanged), and its transpose backward-weights: dg = G^T [V^T (A dy A^T)] G.
 *
 * Maps whose sides are no multiples of 4 are covered by tiles of 4 and of 3 (7 = 4 + 3, 14 = 4 + 4 + 3 + 3). The latter's points
 * are the first five of the same six: the factors by which their B^T differs from the usual one make the weights' transform
 * the same, so that both kinds of tiles share U, and the products of a tile of 3x3 are those of 25 of the 36 points. The
 * four kinds (4 or 3 rows, 4 or 3 columns) are taken one after another.
 *
 * Tiles are taken in blocks, so that V and M stay near the core; where the weights are many, outputs are taken in chunks
 * of panels, so that U does. Layouts, each plane one of the points, padded so that planes do not share cache sets:
 *   V  [plane][group of ROWS tiles][c / VL][tile][VL]      forward: a register tile reads one run of floats
 *   V  [plane][c / VL][tile][VL]                           backward-weights
 *   U  [plane][panel][c][PANEL], M [plane][group][panel][tile][PANEL], W [plane][panel][tile][PANEL]
 */
#include <string.h>

#include "engine/kernels/kern_table.h"
#include "engine/kernels/kern_winograd_points.h"
#include "engine/kernels/kern_winograd_taps.h"

/* ---- the transforms of one line; F(3,3) lacks the point -B ---- */

/* B^T d; for 3 outputs times (point + B), which is what the weights' transform divides by too much */
KERN_INLINE void input_line(vf o[PATCH], int outputs, vf d0, vf d1, vf d2, vf d3, vf d4, vf d5)
{
	if (outputs == TILE) {
		six_points(o, d0, d1, d2, d3, d4, d5);
	} else {
		vf e1 = d1 - B1 * d0, e2 = d2 - B1 * d1, e3 = d3 - B1 * d2, e4 = d4 - B1 * d3;

		o[0] = B1 * e3 - (B1 * A2) * e1;
		o[1] = (A1 + B1) * e3 + ((A1 + B1) * A1) * e2;
		o[2] = (B1 - A1) * e3 - ((B1 - A1) * A1) * e2;
		o[3] = (2 * B1) * d3 - (2 * B1 * A2) * d1;
		o[4] = e4 - A2 * e2;
	}
}

/* A^T m */
KERN_INLINE void output_line(vf o[TILE], int outputs, vf m0, vf m1, vf m2, vf m3, vf m4, vf m5)
{
	if (outputs == TILE) {
		vf ea = m1 + m2, oa = m1 - m2, eb = m3 + m5, ob = m3 - m5;

		o[0] = m0 + (ea + eb);
		o[1] = A1 * oa + B1 * ob;
		o[2] = A2 * ea + B2 * eb;
		o[3] = m4 + (A3 * oa + B3 * ob);
	} else {
		vf ea = m1 + m2, oa = m1 - m2;

		o[0] = m0 + (ea + m3);
		o[1] = A1 * oa + B1 * m3;
		o[2] = m4 + (A2 * ea + B2 * m3);
	}
}

/* A y */
KERN_INLINE void gradient_line(vf o[PATCH], int outputs, vf y0, vf y1, vf y2, vf y3)
{
	if (outputs == TILE) {
		vf ea = y0 + A2 * y2, oa = A1 * y1 + A3 * y3, eb = y0 + B2 * y2, ob = B1 * y1 + B3 * y3;

		o[0] = y0;
		o[1] = ea + oa;
		o[2] = ea - oa;
		o[3] = eb + ob;
		o[4] = y3;
		o[5] = eb - ob;
	} else {
		vf ea = y0 + A2 * y2, oa = A1 * y1;

		o[0] = y0;
		o[1] = ea + oa;
		o[2] = ea - oa;
		o[3] = y0 + (B1 * y1 + B2 * y2);
		o[4] = y2;
	}
}

/* G g */
KERN_INLINE void weight_line(vf o[PATCH], vf g0, vf g1, vf g2)
{
	vf ea = NA * g0 + (NA * A2) * g2, oa = (NA * A1) * g1, eb = NB * g0 + (NB * B2) * g2, ob = (NB * B1) * g1;

	o[0] = N0 * g0;
	o[1] = ea + oa;
	o[2] = ea - oa;
	o[3] = eb + ob;
	o[4] = g2;
	o[5] = eb - ob;
}

/* G^T u */
KERN_INLINE void weight_gradient_line(vf o[3], vf u0, vf u1, vf u2, vf u3, vf u4, vf u5)
{
	vf ea = u1 + u2, oa = u1 - u2, eb = u3 + u5, ob = u3 - u5;

	o[0] = N0 * u0 + (NA * ea + NB * eb);
	o[1] = (NA * A1) * oa + (NB * B1) * ob;
	o[2] = u4 + ((NA * A2) * ea + (NB * B2) * eb);
}

/* ---- blocks ---- */

/* Is point a, b among the products of tiles of this kind? */
static bool has_point(const struct kind *kd, int point)
{
	return point / PATCH < kd->rows + 2 && point % PATCH < kd->cols + 2;
}

static int points_of(const struct kind *kd)
{
	return (kd->rows + 2) * (kd->cols + 2);
}

/* V: room for one block of tiles; or for all, which then stand for every chunk of outputs after the first. */
struct v_room {
	ptrdiff_t plane, floats;
	bool keeps;
};

/* Fewer images, which may be given the same room, need no more. */
static struct v_room v_room_of(const struct job *j, int tiles, bool again)
{
	struct v_room r = {.plane = (ptrdiff_t)tiles * round_up(j->c, VL) + PLANE_PAD};
	ptrdiff_t all = 0, one = POINTS * r.plane;

	for (int i = 0; i < N_KINDS; i++) {
		struct kind kd = kind_of(j, i);

		all += kd.tiles ? points_of(&kd) * r.plane : 0;
	}
	r.keeps = again && most_tiles(j) <= MOST_TILES && all <= KEPT_FLOATS;
	all = all < KEPT_FLOATS ? all : KEPT_FLOATS;
	r.floats = again && all > one ? all : one;
	return r;
}

/*
 * Blocks of tiles and chunks of outputs. V and M of a block are to stay in the level-2 cache beside a panel of U; with
 * more weights, more tiles share each reading of them.
 */
struct blocks {
	int tiles; /* a multiple of ROWS */
	int chunk; /* outputs, a multiple of PANEL */
	struct v_room v;
	ptrdiff_t u_plane, m_plane;
};

static int chunk_for(int c, int k)
{
	int fit = CHUNK_FLOATS / (POINTS * c) / PANEL * PANEL, all = round_up(k, PANEL);

	return fit < PANEL ? PANEL : min_int(fit, all);
}

static struct blocks blocks_of(const struct job *j, int tiles)
{
	struct blocks b = {.tiles = round_up(tiles, ROWS)};

	b.chunk = chunk_for(j->c, j->to - j->from);
	b.v = v_room_of(j, b.tiles, b.chunk < j->to - j->from);
	b.u_plane = (ptrdiff_t)b.chunk * j->c + PLANE_PAD;
	b.m_plane = (ptrdiff_t)b.tiles * b.chunk + PLANE_PAD;
	return b;
}

/* ---- input transform ---- */

/* Where the pixels of tile t's patch lie; those outside of the map are `zero`. */
static void patch_of(const float *from[POINTS], const float *x, const struct job *j, const struct kind *kd, int t,
		     const float *zero)
{
	struct place at = place_of(kd, t);
	int top = at.row - j->pad, left = at.col - j->pad;

	x += (ptrdiff_t)at.image * j->h * j->w * j->c;
	for (int a = 0; a < kd->rows + 2; a++) {
		bool row_in = top + a >= 0 && top + a < j->h;

		for (int b = 0; b < kd->cols + 2; b++)
			from[a * PATCH + b] = row_in && left + b >= 0 && left + b < j->w
						      ? x + ((ptrdiff_t)(top + a) * j->w + left + b) * j->c
						      : zero;
	}
}

/* v[plane] = B^T d B of VL channels, of which n are there; `next` is brought near for the next tile */
KERN_INLINE void transform_patch(float *v, ptrdiff_t plane, const float *const from[POINTS],
				 const float *const next[POINTS], int c, int n, int rows, int cols)
{
	vf t[PATCH][PATCH], d[POINTS];

	for (int i = 0; i < (rows + 2) * (cols + 2); i++)
		__builtin_prefetch(v + i * plane, 1);
	KERN_UNROLL
	for (int b = 0; b < cols + 2; b++) {
		KERN_UNROLL
		for (int a = 0; a < rows + 2; a++) {
			d[a] = n == VL ? vf_load(from[a * PATCH + b] + c) : vf_load_n(from[a * PATCH + b] + c, n);
			if (b >= 2)
				__builtin_prefetch(next[a * PATCH + b] + c);
		}
		input_line(t[b], rows, d[0], d[1], d[2], d[3], d[4], d[rows + 1]);
	}
	KERN_UNROLL
	for (int a = 0; a < rows + 2; a++) {
		input_line(d, cols, t[0][a], t[1][a], t[2][a], t[3][a], t[4][a], t[cols + 1][a]);
		KERN_UNROLL
		for (int b = 0; b < cols + 2; b++)
			vf_store(v + (a * (cols + 2) + b) * plane, d[b]);
	}
}

KERN_INLINE void transform_patches(float *v, ptrdiff_t plane, ptrdiff_t step, const float *x, const struct job *j,
				   const struct kind *kd, int t0, int tiles, bool grouped, const float *zero, int rows,
				   int cols)
{
	const float *patch[2][POINTS];

	patch_of(patch[0], x, j, kd, t0, zero);
	for (int t = 0; t < tiles; t++) {
		const float *const *from = patch[t & 1], *const *next = patch[~t & 1];
		float *out =
			grouped ? v + (ptrdiff_t)(t / ROWS) * ROWS * round_up(j->c, VL) + t % ROWS * VL : v + t * VL;
		int c = 0;

		patch_of(patch[~t & 1], x, j, kd, min_int(t0 + t + 1, kd->tiles - 1), zero);
		for (; c + VL <= j->c; c += VL, out += step)
			transform_patch(out, plane, from, next, c, VL, rows, cols);
		if (c < j->c)
			transform_patch(out, plane, from, next, c, j->c - c, rows, cols);
	}
}

/* Tiles t0 .. t0 + tiles - 1 of a kind into v; `step` floats from one vector of channels to the next. */
static void transform_input(float *v, ptrdiff_t plane, ptrdiff_t step, const float *x, const struct job *j,
			    const struct kind *kd, int t0, int tiles, bool grouped, const float *zero)
{
	BY_KIND(kd, transform_patches, v, plane, step, x, j, kd, t0, tiles, grouped, zero);
}

static struct ahead ahead_input(const struct kind *kd, const float *x, const struct job *j)
{
	return (struct ahead){.kd = kd,
			      .map = x,
			      .h = j->h,
			      .w = j->w,
			      .c = j->c,
			      .count = j->c,
			      .border = 2 - j->pad, /* the first two lines belong to the tile before as well */
			      .step = 1};
}

/* ---- output transform ---- */

/* y = A^T m A of a tile of rows x cols, of which `down` x `across` lie in the map; n channels from k on */
KERN_INLINE void transform_product(float *y, const float *m, ptrdiff_t plane, const struct job *j,
				   const struct tail *tl, ptrdiff_t at, int down, int across, int k, int n, int rows,
				   int cols)
{
	vf t[PATCH][TILE], o[TILE];

	KERN_UNROLL
	for (int b = 0; b < cols + 2; b++) {
		vf d[PATCH];

		KERN_UNROLL
		for (int a = 0; a < rows + 2; a++)
			d[a] = vf_load(m + (a * (cols + 2) + b) * plane);
		output_line(t[b], rows, d[0], d[1], d[2], d[3], d[4], d[rows + 1]);
	}
	for (int a = 0; a < down; a++) {
		output_line(o, cols, t[0][a], t[1][a], t[2][a], t[3][a], t[4][a], t[cols + 1][a]);
		for (int b = 0; b < across; b++) {
			ptrdiff_t pixel = at + (a * j->q + b) * (ptrdiff_t)j->k + k;

			__builtin_prefetch(y + pixel + cols * (ptrdiff_t)j->k, 1); /* the next tile's, mostly */
			store_output(y, o[b], tl, pixel, k, n);
		}
	}
}

KERN_INLINE void transform_products(float *y, const float *m, const struct blocks *bl, const struct job *j,
				    const struct kind *kd, const struct tail *tl, int t0, int tiles, int k0, int kn,
				    int rows, int cols)
{
	int padded = round_up(kn, PANEL);

	for (int t = 0; t < tiles; t++) {
		struct place pl = place_of(kd, t0 + t);
		int down = min_int(j->p - pl.row, rows), across = min_int(j->q - pl.col, cols);
		ptrdiff_t at = (((ptrdiff_t)pl.image * j->p + pl.row) * j->q + pl.col) * j->k;
		const float *mt = m + (ptrdiff_t)(t / ROWS) * ROWS * padded + t % ROWS * PANEL;

		for (int k = 0; k < kn; k += VL) {
			const float *mk = mt + (ptrdiff_t)(k / PANEL) * ROWS * PANEL + k % PANEL;

			if (k + VL <= kn && down == rows && across == cols)
				transform_product(y, mk, bl->m_plane, j, tl, at, rows, cols, k0 + k, VL, rows, cols);
			else
				transform_product(y, mk, bl->m_plane, j, tl, at, down, across, k0 + k,
						  min_int(kn - k, VL), rows, cols);
		}
	}
}

static void transform_outputs(float *y, const float *m, const struct blocks *bl, const struct job *j,
			      const struct kind *kd, const struct tail *tl, int t0, int tiles, int k0, int kn)
{
	BY_KIND(kd, transform_products, y, m, bl, j, kd, tl, t0, tiles, k0, kn);
}

/* ---- forward and backward-data ---- */

static void multiply(float *m, const float *v, const float *u, const struct blocks *bl, const struct kind *kd, int c,
		     int tiles, int kn, struct ahead *next)
{
	int padded = round_up(kn, PANEL);

	for (int point = 0; point < POINTS; point++, u += bl->u_plane) {
		if (!has_point(kd, point))
			continue;
		for (int k = 0; k < kn; k += PANEL) {
			for (int t = 0; t < tiles; t += ROWS) {
				ahead_go(next);
				products[tiles - t <= FEW_ROWS][kn - k > VL](
					m + (ptrdiff_t)t * padded + (ptrdiff_t)k * ROWS,
					v + (ptrdiff_t)t * round_up(c, VL), u + (ptrdiff_t)k * c, c);
			}
		}
		m += bl->m_plane;
		v += bl->v.plane;
	}
}

struct room {
	float *zero, *v, *u, *m;
};

static size_t room_for(struct room *r, float *ws, const struct job *j, const struct blocks *b)
{
	size_t zero = align16((size_t)j->c) + VL, v = align16((size_t)b->v.floats);
	size_t u = align16((size_t)(POINTS * b->u_plane)), m = align16((size_t)(POINTS * b->m_plane));

	if (r)
		*r = (struct room){ws, ws + align16(zero), ws + align16(zero) + v, ws + align16(zero) + v + u};
	return align16(zero) + v + u + m;
}

/* w as given for forward, or (turned) of the layer whose backward-data this is */
static void run(float *y, const float *x, const float *w, const struct job *j, bool turned, const struct tail *tl,
		float *ws)
{
	struct blocks b = blocks_of(j, block_tiles(j));
	struct room r;
	float *v;

	room_for(&r, ws, j, &b);
	memset(r.zero, 0, (size_t)j->c * sizeof(float));
	for (int k0 = j->from; k0 < j->to; k0 += b.chunk) {
		int kn = min_int(j->to - k0, b.chunk);

		if (turned)
			transform_turned(r.u, b.u_plane, w, j->k, j->c, k0, kn);
		else
			transform_weights(r.u, b.u_plane, w, j->c, j->k, k0, kn);
		v = r.v;
		for (int i = 0; i < N_KINDS; i++) {
			struct kind kd = kind_of(j, i);

			for (int t = 0; t < kd.tiles; t += b.tiles) {
				int tiles = min_int(kd.tiles - t, b.tiles), calls;
				struct ahead next;

				if (k0 == j->from || !b.v.keeps)
					transform_input(v, b.v.plane, ROWS * VL, x, j, &kd, t, tiles, true, r.zero);
				calls = points_of(&kd) * (round_up(kn, PANEL) / PANEL) * (round_up(tiles, ROWS) / ROWS);
				next = ahead_of(ahead_input(&kd, x, j), t + b.tiles, b.tiles, calls);
				multiply(r.m, v, r.u, &b, &kd, j->c, tiles, kn, &next);
				transform_outputs(y, r.m, &b, j, &kd, tl, t, tiles, k0, kn);
				v += b.v.keeps ? points_of(&kd) * b.v.plane : 0;
			}
		}
	}
}

static struct job forward_job(const struct conv_shape *cs, int n)
{
	return job_of(cs, cs->h, cs->w, cs->c, cs->p, cs->q, cs->k, cs->pad, n);
}

static struct job backward_job(const struct conv_shape *cs, int n)
{
	return job_of(cs, cs->p, cs->q, cs->k, cs->h, cs->w, cs->c, 2 - cs->pad, n);
}

static void forward(float *y, const float *x, const float *w, const struct conv_shape *cs, int n,
		    const struct conv_tail *tail, float *ws)
{
	struct job j = forward_job(cs, n);
	struct tail tl = {0};

	if (tail)
		tl = (struct tail){tail->bias, tail->add, tail->relu, false};
	run(y, x, w, &j, false, &tl, ws);
}

static void backward_data(float *dx, const float *dy, const float *w, const struct conv_shape *cs, int n,
			  bool accumulate, float *ws)
{
	struct job j = backward_job(cs, n);
	struct tail tl = {.accumulate = accumulate};

	run(dx, dy, w, &j, true, &tl, ws);
}

/* ---- backward-weights ---- */

struct sum_blocks {
	int tiles, chunk; /* as in struct blocks, */
	struct v_room v;
	ptrdiff_t w_plane, u_plane;
};

static struct sum_blocks sum_blocks_of(const struct job *j, int tiles)
{
	struct sum_blocks b = {.tiles = tiles};

	b.chunk = chunk_for(j->c, j->to - j->from);
	b.v = v_room_of(j, b.tiles, b.chunk < j->to - j->from);
	b.w_plane = (ptrdiff_t)b.tiles * b.chunk + PLANE_PAD;
	b.u_plane = (ptrdiff_t)b.chunk * round_up(j->c, VL) + PLANE_PAD;
	return b;
}

static size_t sum_room_for(struct room *r, float *ws, const struct job *j, const struct sum_blocks *b)
{
	size_t zero = align16((size_t)(j->c > j->k ? j->c : j->k)) + VL, v = align16((size_t)b->v.floats);
	size_t u = align16((size_t)(POINTS * b->u_plane)), m = align16((size_t)(POINTS * b->w_plane));

	if (r)
		*r = (struct room){ws, ws + align16(zero), ws + align16(zero) + v, ws + align16(zero) + v + u};
	return align16(zero) + v + u + m;
}

/* A dy A^T of VL channels, of which n are there */
KERN_INLINE void transform_tile(float *w, ptrdiff_t plane, const float *const from[TILE * TILE], ptrdiff_t ahead, int k,
				int n, int rows, int cols)
{
	vf t[TILE][PATCH], d[PATCH];

	for (int i = 0; i < (rows + 2) * (cols + 2); i++)
		__builtin_prefetch(w + i * plane, 1);
	KERN_UNROLL
	for (int b = 0; b < cols; b++) {
		KERN_UNROLL
		for (int a = 0; a < rows; a++) {
			d[a] = n == VL ? vf_load(from[a * TILE + b] + k) : vf_load_n(from[a * TILE + b] + k, n);
			__builtin_prefetch(from[a * TILE + b] + k + ahead); /* the next tile's, mostly */
		}
		gradient_line(t[b], rows, d[0], d[1], d[2], d[rows - 1]);
	}
	KERN_UNROLL
	for (int a = 0; a < rows + 2; a++) {
		gradient_line(d, cols, t[0][a], t[1][a], t[2][a], t[cols - 1][a]);
		KERN_UNROLL
		for (int b = 0; b < cols + 2; b++)
			vf_store(w + (a * (cols + 2) + b) * plane, d[b]);
	}
}

KERN_INLINE void transform_tiles(float *w, const struct sum_blocks *bl, const float *dy, const struct job *j,
				 const struct kind *kd, int t0, int tiles, int k0, int kn, const float *zero, int rows,
				 int cols)
{
	for (int t = 0; t < tiles; t++) {
		struct place pl = place_of(kd, t0 + t);
		const float *at = dy + (((ptrdiff_t)pl.image * j->p + pl.row) * j->q + pl.col) * j->k + k0;
		const float *from[TILE * TILE];

		for (int i = 0; i < TILE * TILE; i++) {
			int a = i / TILE, b = i % TILE;

			from[i] = pl.row + a < j->p && pl.col + b < j->q ? at + (a * j->q + b) * (ptrdiff_t)j->k : zero;
		}
		for (int k = 0; k < kn; k += VL) {
			float *out = w + (ptrdiff_t)(k / PANEL) * PANEL * bl->tiles + t * PANEL + k % PANEL;

			if (k + VL <= kn)
				transform_tile(out, bl->w_plane, from, cols * (ptrdiff_t)j->k, k, VL, rows, cols);
			else
				transform_tile(out, bl->w_plane, from, cols * (ptrdiff_t)j->k, k, kn - k, rows, cols);
		}
	}
}

static void transform_gradient(float *w, const struct sum_blocks *bl, const float *dy, const struct job *j,
			       const struct kind *kd, int t0, int tiles, int k0, int kn, const float *zero)
{
	BY_KIND(kd, transform_tiles, w, bl, dy, j, kd, t0, tiles, k0, kn, zero);
}

/* kn channels of dy from k0 on */
static struct ahead ahead_gradient(const struct kind *kd, const float *dy, const struct job *j, int k0, int kn)
{
	return (struct ahead){
		.kd = kd, .map = dy + k0, .h = j->p, .w = j->q, .c = j->k, .count = kn, .border = 0, .step = 1};
}

/* du [plane][panel][c][PANEL] (+)= V^T W of one block of tiles */
static void sum_products(float *du, const float *v, const float *w, const struct sum_blocks *bl, const struct kind *kd,
			 int c, int tiles, int kn, bool add, struct ahead *next_x, struct ahead *next_dy)
{
	int c_padded = round_up(c, VL);

	for (int point = 0; point < POINTS; point++, du += bl->u_plane) {
		if (!has_point(kd, point))
			continue;
		for (int k = 0; k < kn; k += PANEL) {
			sum_fn sum = sums[kn - k > VL];

			for (int i = 0; i < c; i += SUM_ROWS) {
				float *at = du + (ptrdiff_t)k * c_padded + i * PANEL;

				ahead_go(next_x);
				ahead_go(next_dy);
				sum(at, at + SUM_ROWS * PANEL, v + (ptrdiff_t)(i / VL) * VL * bl->tiles + i % VL,
				    w + (ptrdiff_t)k * bl->tiles, tiles, add);
			}
		}
		v += bl->v.plane;
		w += bl->w_plane;
	}
}

static void backward_weights(float *dw, const float *dy, const float *x, const struct conv_shape *cs, int n, float *ws)
{
	struct job j = forward_job(cs, n);
	struct sum_blocks b = sum_blocks_of(&j, block_tiles(&j));
	struct room r;
	float *v;

	sum_room_for(&r, ws, &j, &b);
	memset(r.zero, 0, (size_t)(j.c > j.k ? j.c : j.k) * sizeof(float));
	for (int k0 = j.from; k0 < j.to; k0 += b.chunk) {
		int kn = min_int(j.to - k0, b.chunk);

		if (!j.rows.four || !j.cols.four) /* no tile has all points, so none may begin their sums */
			memset(r.u, 0, (size_t)(POINTS * b.u_plane) * sizeof(float));
		v = r.v;
		for (int i = 0; i < N_KINDS; i++) {
			struct kind kd = kind_of(&j, i);

			for (int t = 0; t < kd.tiles; t += b.tiles) {
				int tiles = min_int(kd.tiles - t, b.tiles), calls;
				struct ahead next_x, next_dy;

				if (k0 == j.from || !b.v.keeps)
					transform_input(v, b.v.plane, (ptrdiff_t)b.tiles * VL, x, &j, &kd, t, tiles,
							false, r.zero);
				transform_gradient(r.m, &b, dy, &j, &kd, t, tiles, k0, kn, r.zero);
				calls = points_of(&kd) * (round_up(kn, PANEL) / PANEL) *
					((j.c + SUM_ROWS - 1) / SUM_ROWS);
				next_x = ahead_of(ahead_input(&kd, x, &j), t + b.tiles, b.tiles, calls);
				next_dy = ahead_of(ahead_gradient(&kd, dy, &j, k0, kn), t + b.tiles, b.tiles, calls);
				sum_products(r.u, v, r.m, &b, &kd, j.c, tiles, kn, i + t > 0, &next_x, &next_dy);
				v += b.v.keeps ? points_of(&kd) * b.v.plane : 0;
			}
		}
		finish_weights(dw, r.u, b.u_plane, j.c, j.k, k0, kn);
	}
}

static size_t workspace(const struct conv_shape *cs, int n)
{
	struct job f = forward_job(cs, n), b = backward_job(cs, n);
	int f_tiles = min_int(most_tiles(&f), MOST_TILES),
	    b_tiles = min_int(most_tiles(&b), MOST_TILES); /* for all <= n */
	struct blocks fb = blocks_of(&f, f_tiles), bb = blocks_of(&b, b_tiles);
	struct sum_blocks sb = sum_blocks_of(&f, f_tiles);
	size_t a[3] = {room_for(NULL, NULL, &f, &fb), room_for(NULL, NULL, &b, &bb), sum_room_for(NULL, NULL, &f, &sb)};

	for (int i = 1; i < 3; i++)
		a[0] = a[i] > a[0] ? a[i] : a[0];
	return a[0];
}

const struct kern_winograd_table KERN_NAME(kern_winograd_) = {workspace, forward, backward_data, backward_weights};
