/*
 * kern_wgrad.c - convolution, backward to the weights, by a direct kernel; see kernels.h
 *
 * dw[r][t][k] = sum over pixels of x[pixel][r][t] * dy[pixel][k], t = s * C + c contiguous in the padded input. A tile
 * of (t, k) stays in registers over all pixels of a block, which is some images or some rows of one; blocks are added up
 * in order. Where there are many output channels dy is laid out in panels of them first, to be read in order.
 */
#include "engine/kernels/kern_pad.h"
#include "engine/kernels/kern_table.h"
#include "engine/kernels/kern_vec.h"

struct wgrad {
	ptrdiff_t x_line; /* floats from one kernel row to the next */
	ptrdiff_t x_image, x_row, x_pixel, dy_image, dy_row, dy_pixel;
	int n, p, q;
	int k;        /* floats from one t to the next in dw */
	int from, to; /* outputs to compute */
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
#define TILE_NAME tile11x32
#define TILE_V    vf16
#define TILE_NV   2
#define TILE_T    11
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
#define TILE_NAME stem32
#define TILE_V    vf16
#define TILE_NV   2
#define TILE_T    9
#define TILE_RUN  3
#include "engine/kernels/kern_wgrad_tile.h"
#define TILE_NAME stem16
#define TILE_V    vf16
#define TILE_NV   1
#define TILE_T    9
#define TILE_RUN  3
#include "engine/kernels/kern_wgrad_tile.h"
#define TILE_NAME stem8
#define TILE_V    vf8
#define TILE_NV   1
#define TILE_T    9
#define TILE_RUN  3
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
#define TILE_NAME stem1
#define TILE_V    vf
#define TILE_NV   1
#define TILE_T    9
#define TILE_RUN  3
#include "engine/kernels/kern_wgrad_tile.h"
/* More sums than registers: one vector after the other. */
static void stem2(float *dw, const struct wgrad *g, const float *x, const float *dy, bool add, int tn, int kn)
{
	stem1(dw, g, x, dy, add, tn, kn < VL ? kn : VL);
	if (kn > VL)
		stem1(dw + VL, g, x, dy + VL, add, tn, kn - VL);
}
#endif

typedef void (*tile_fn)(float *dw, const struct wgrad *g, const float *x, const float *dy, bool add, int tn, int kn);
enum { N_TILES = 5, SLACK = 32 /* floats behind the padded input that a tile may read */ };
struct panel {
	int width;
	struct {
		int t;
		tile_fn fn;
	} tile[N_TILES]; /* longest first; the last is 1 */
	tile_fn stem;    /* all nine inputs of a 3x3 kernel with one channel */
};

static const struct panel panels[] = {
#if defined(KERN_avx512)
	{32, {{12, tile12x32}, {11, tile11x32}, {8, tile8x32}, {3, tile3x32}, {1, tile1x32}}, stem32},
	{16, {{24, tile24x16}, {8, tile8x16}, {3, tile3x16}, {1, tile1x16}, {1, tile1x16}}, stem16},
	{8, {{24, tile24x8}, {8, tile8x8}, {3, tile3x8}, {1, tile1x8}, {1, tile1x8}}, stem8},
#else
	{2 * VL, {{6, tile6x2}, {3, tile3x2}, {1, tile1x2}, {1, tile1x2}, {1, tile1x2}}, stem2},
	{VL, {{12, tile12x1}, {8, tile8x1}, {3, tile3x1}, {1, tile1x1}, {1, tile1x1}}, stem1},
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

/* A block's padded input and dy are about this many floats, or half of what dw has if that is more. */
enum { BLOCK_FLOATS = 192 << 10 };
/* dy of more channels is laid out in panels. */
enum { PLAIN_CHANNELS = 64 };

struct plan {
	ptrdiff_t line, x_size; /* padded input: of a row; of the rows of a block's image */
	int step;               /* rows and pixels of it from one output to the next */
	int p, images;          /* a block: rows of outputs, images; one of both is all there are or 1 */
	int k_padded;
	bool panels; /* dy is in panels */
};

static struct plan plan_for(const struct conv_shape *cs, int n)
{
	struct plan pl = {.step = conv_is_point(cs) ? 1 : cs->stride, .p = cs->p, .k_padded = padded(cs->k)};
	ptrdiff_t weights = (ptrdiff_t)cs->r * cs->s * cs->c * cs->k, row, fit;

	pl.line = (ptrdiff_t)((cs->q - 1) * pl.step + cs->s) * cs->c;
	row = pl.line * pl.step + (ptrdiff_t)cs->q * pl.k_padded;
	fit = (weights / 2 > BLOCK_FLOATS ? weights / 2 : BLOCK_FLOATS) / row;
	pl.images = fit < 2 * cs->p ? 1 : fit / cs->p < n ? (int)(fit / cs->p) : n;
	if (fit < cs->p) {
		int parts = (int)((cs->p + (fit > 0 ? fit : 1) - 1) / (fit > 0 ? fit : 1));

		pl.p = (cs->p + parts - 1) / parts;
	}
	pl.x_size = pl.line * ((pl.p - 1) * pl.step + cs->r);
	pl.panels = cs->k != pl.k_padded || cs->k > PLAIN_CHANNELS;
	return pl;
}

static size_t align16(size_t floats)
{
	return (floats + 15) & ~(size_t)15;
}

/* The padded input, dy in panels. */
struct room {
	float *x, *dy;
};

static size_t room_for(struct room *r, float *ws, const struct conv_shape *cs, const struct plan *pl)
{
	size_t pixels = (size_t)pl->images * (size_t)pl->p * (size_t)cs->q;
	size_t x = align16((size_t)(pl->images * pl->x_size)) + SLACK;

	if (r)
		*r = (struct room){ws, ws + x};
	return x + (pl->panels ? align16(pixels * (size_t)pl->k_padded) : 0);
}

static size_t workspace(const struct conv_shape *cs, int n)
{
	struct plan pl = plan_for(cs, n);

	return room_for(NULL, NULL, cs, &pl);
}

/* The padded input under output rows p0 .. p0 + p - 1 of one image. */
static void pad_rows(float *out, const float *x, const struct conv_shape *cs, const struct plan *pl, int p0, int p)
{
	ptrdiff_t left = (ptrdiff_t)cs->pad * cs->c, width = (ptrdiff_t)cs->w * cs->c;

	if (left > pl->line)
		left = pl->line;
	if (width > pl->line - left)
		width = pl->line - left;
	for (int i = 0; i < (p - 1) * cs->stride + cs->r; i++, out += pl->line) {
		int row = p0 * cs->stride + i - cs->pad;

		if (row < 0 || row >= cs->h) {
			memset(out, 0, (size_t)pl->line * sizeof(*out));
			continue;
		}
		memset(out, 0, (size_t)left * sizeof(*out));
		memcpy(out + left, x + (ptrdiff_t)row * cs->w * cs->c, (size_t)width * sizeof(*out));
		memset(out + left + width, 0, (size_t)(pl->line - left - width) * sizeof(*out));
	}
}

/* dy [pixels][k] -> panels [pixels][width] of the outputs to compute, the last filled up with zeros; that of k0 begins at
 * (k0 - from) * pixels */
static void panel_dy(float *out, const float *dy, ptrdiff_t pixels, const struct wgrad *g)
{
	for (int k0 = g->from; k0 < g->to;) {
		int width = panel_for(g->to - k0)->width, kn = g->to - k0 < width ? g->to - k0 : width;
		float *o = out + (k0 - g->from) * pixels;

		for (ptrdiff_t i = 0; i < pixels; i++, o += width) {
			const float *at = dy + i * g->k + k0;

			copy_floats(o, at, kn);
			memset(o + kn, 0, (size_t)(width - kn) * sizeof(*o));
		}
		k0 += width;
	}
}

/*
 * The tile for `left` inputs: the shortest that takes them all unless much of it would be idle, else the longest they fill,
 * or the second where two of those take them (21, a row of a 7x7 stem: 11 + 10).
 */
static int tile_for(const struct panel *pn, int left)
{
	int i = 0;

	if (left <= 2 * pn->tile[1].t && left > pn->tile[0].t + pn->tile[2].t)
		return 1;
	while (i + 1 < N_TILES && pn->tile[i + 1].t >= left)
		i++;
	while (4 * pn->tile[i].t > 5 * left + 12)
		i++;
	return i;
}

/* One kernel row's weights of the panel at k0. What a tile reads behind the row's end is not stored. */
static void run_panel(float *dw, const struct wgrad *g, const float *x, const float *dy, bool add, int run, int k0)
{
	const struct panel *pn = panel_for(g->to - k0);
	int kn = g->to - k0 < pn->width ? g->to - k0 : pn->width;

	for (int t = 0; t < run;) {
		int i = tile_for(pn, run - t), tn = run - t < pn->tile[i].t ? run - t : pn->tile[i].t;

		pn->tile[i].fn(dw + (ptrdiff_t)t * g->k + k0, g, x + t, dy, add, tn, kn);
		t += tn;
	}
}

/* All rows at once, where they are three short ones. */
static void run_stem(float *dw, const struct wgrad *g, const float *x, const float *dy, bool add, int k0)
{
	const struct panel *pn = panel_for(g->to - k0);

	pn->stem(dw + k0, g, x, dy, add, 9, g->to - k0 < pn->width ? g->to - k0 : pn->width);
}

/* dy: of the block, in panels or as it came */
static void run_block(float *dw, const struct wgrad *g, const float *x, const float *dy, bool add,
		      const struct conv_shape *cs, const struct plan *pl)
{
	ptrdiff_t pixels = (ptrdiff_t)g->n * g->p * g->q;
	int run = cs->s * cs->c;

	for (int k0 = g->from; k0 < g->to;) {
		int width = panel_for(g->to - k0)->width;
		struct wgrad h = *g;
		const float *from;

		h.dy_pixel = pl->panels ? width : cs->k;
		h.dy_row = g->q * h.dy_pixel;
		h.dy_image = g->p * h.dy_row;
		from = dy + (pl->panels ? (k0 - g->from) * pixels : k0);
		if (cs->r == 3 && run == 3)
			run_stem(dw, &h, x, from, add, k0);
		for (int r = 0; r < cs->r && !(cs->r == 3 && run == 3); r++)
			run_panel(dw + (ptrdiff_t)r * run * cs->k, &h, x + r * pl->line, from, add, run, k0);
		k0 += width;
	}
}

enum { STRIP = 16 };

KERN_INLINE void add_strip(float *sum, const float *dy)
{
	KERN_UNROLL
	for (int c = 0; c < STRIP; c += VL)
		vf_store(sum + c, vf_load(sum + c) + vf_load(dy + c));
}

/* Sums of 64 pixels in float, of all pixels in double, 16 channels at a time. */
static void bias_gradient(float *db, const float *dy, const struct conv_shape *cs, int n)
{
	enum { RUN = 64 };
	const ptrdiff_t pixels = (ptrdiff_t)n * cs->p * cs->q;
	const int k = cs->k, to = cs->to ? cs->to : k;

	for (int k0 = cs->from; k0 < to; k0 += STRIP) {
		int kn = to - k0 < STRIP ? to - k0 : STRIP;
		double total[STRIP] = {0};

		for (ptrdiff_t i = 0; i < pixels; i += RUN) {
			ptrdiff_t end = i + RUN < pixels ? i + RUN : pixels;
			float sum[STRIP] = {0};

			if (kn == STRIP)
				for (ptrdiff_t j = i; j < end; j++)
					add_strip(sum, dy + j * k + k0);
			else
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

/* The padded input under rows p0 .. p0 + g->p - 1 of g->n images. */
static void take_input(float *out, const struct wgrad *g, const float *x, const struct conv_shape *cs,
		       const struct plan *pl, int p0)
{
	for (int j = 0; j < g->n; j++, out += pl->x_size, x += (ptrdiff_t)cs->h * cs->w * cs->c) {
		if (conv_is_point(cs))
			pick_pixels(out, x, cs, p0, g->p);
		else
			pad_rows(out, x, cs, pl, p0, g->p);
	}
}

static void backward_weights(float *dw, float *db, const float *dy, const float *x, const struct conv_shape *cs, int n,
			     float *ws)
{
	struct plan pl = plan_for(cs, n);
	ptrdiff_t x_size = (ptrdiff_t)cs->h * cs->w * cs->c, dy_row = (ptrdiff_t)cs->q * cs->k;
	struct room room;
	struct wgrad g = {
		.x_line = pl.line,
		.x_image = pl.x_size,
		.x_row = pl.line * pl.step,
		.x_pixel = (ptrdiff_t)pl.step * cs->c,
		.q = cs->q,
		.k = cs->k,
		.from = cs->from,
		.to = cs->to ? cs->to : cs->k,
	};

	room_for(&room, ws, cs, &pl);
	for (int i = 0; i < n; i += pl.images) {
		g.n = n - i < pl.images ? n - i : pl.images;
		for (int p = 0; p < cs->p; p += pl.p) {
			const float *block = dy + ((ptrdiff_t)i * cs->p + p) * dy_row;
			ptrdiff_t pixels;

			g.p = cs->p - p < pl.p ? cs->p - p : pl.p;
			pixels = (ptrdiff_t)g.n * g.p * cs->q; /* one run of them: either rows or images are all */
			take_input(room.x, &g, x + i * x_size, cs, &pl, p);
			if (pl.panels)
				panel_dy(room.dy, block, pixels, &g);
			run_block(dw, &g, room.x, pl.panels ? room.dy : block, i + p > 0, cs, &pl);
		}
	}
	if (db)
		bias_gradient(db, dy, cs, n);
}

const struct kern_wgrad_table KERN_NAME(kern_wgrad_) = {workspace, backward_weights, bias_gradient};
