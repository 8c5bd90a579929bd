/*
 * kern_conv.c - convolution by the direct kernel: forward and backward-data, see kernels.h
 *
 * The core is out[i][p][q][k] = sum over r, t of x[i][p][q][r][t] * w[r][t][k]: a kernel row covers a contiguous run of
 * t = s * C + c floats of the padded input, so the sum has two loops and no borders.
 * Images are copied, a few at a time, into a padded workspace; weights are packed in panels of output channels. The
 * backward pass to the data is the same kernel on dy: the inputs of one residue modulo the stride (a phase) see a
 * dense sub-kernel, flipped and with c and k exchanged, so that no zero is ever multiplied.
 */
#include "engine/kernels/kern_pad.h"
#include "engine/kernels/kern_table.h"
#include "engine/kernels/kern_vec.h"

/*
 * Padded images are held a block at a time: few enough to stay near the core, but where weights are many, more, since
 * each block reads them all again.
 */
enum { BLOCK_FLOATS = 16 << 10 };

/* Up to DIRECT_SLACK pixels are read (and not used) past the end of a map narrower than a tile. */
enum { DIRECT_SLACK = 8 };

struct direct {
	const float *x;
	ptrdiff_t x_image, x_row, x_pixel; /* floats from one output image, row, pixel to the next */
	ptrdiff_t x_line;                  /* floats from one kernel row to the next */
	int rows, run;                     /* r < rows, t < run */
	float *y;
	ptrdiff_t y_image, y_row, y_pixel;
	const float *add; /* strides of y, or NULL */
	const float *bias;
	bool relu, accumulate;
	bool plain; /* none of the above: y = sum */
	int n, p, q, k;
};

/* Neighbouring pixels of a row; only from <= j < to are stored. y is an offset. */
struct group {
	const float *x;
	ptrdiff_t y;
	int from, to;
};

/* sum[width] -> y: the tail and the last panel's missing channels are dealt with here. */
KERN_INLINE void store_pixel(const struct direct *d, ptrdiff_t at, const float *sum, int k0, int kn)
{
	int k = 0;

	for (; k + 4 <= kn; k += 4) {
		vf4 v = *(const vf4_u *)(sum + k);

		if (d->bias)
			v += *(const vf4_u *)(d->bias + k0 + k);
		if (d->add)
			v += *(const vf4_u *)(d->add + at + k);
		if (d->relu)
			v = (vf4)((vi4)v & ~(vi4)(v <= 0.0f));
		if (d->accumulate)
			v += *(const vf4_u *)(d->y + at + k);
		*(vf4_u *)(d->y + at + k) = v;
	}
	for (; k < kn; k++) {
		float v = sum[k];

		if (d->bias)
			v += d->bias[k0 + k];
		if (d->add)
			v += d->add[at + k];
		if (d->relu)
			v = relu1(v);
		d->y[at + k] = d->accumulate ? d->y[at + k] + v : v;
	}
}

/* ---- tiles: as many sums as registers allow, for maps whose width is (nearly) a multiple of 7 or of 4 ---- */

#if defined(KERN_avx512)
#define TILE_NAME tile7x32
#define TILE_V    vf16
#define TILE_NV   2
#define TILE_G    2
#define TILE_GS   7
#include "engine/kernels/kern_conv_tile.h"
#define TILE_NAME tile4x32
#define TILE_V    vf16
#define TILE_NV   2
#define TILE_G    3
#define TILE_GS   4
#include "engine/kernels/kern_conv_tile.h"
#define TILE_NAME tile7x16
#define TILE_V    vf16
#define TILE_NV   1
#define TILE_G    4
#define TILE_GS   7
#include "engine/kernels/kern_conv_tile.h"
#define TILE_NAME tile4x16
#define TILE_V    vf16
#define TILE_NV   1
#define TILE_G    6
#define TILE_GS   4
#include "engine/kernels/kern_conv_tile.h"
#define TILE_NAME tile7x8
#define TILE_V    vf8
#define TILE_NV   1
#define TILE_G    4
#define TILE_GS   7
#include "engine/kernels/kern_conv_tile.h"
#define TILE_NAME tile4x8
#define TILE_V    vf8
#define TILE_NV   1
#define TILE_G    6
#define TILE_GS   4
#include "engine/kernels/kern_conv_tile.h"
#else
#define TILE_NAME tile7
#define TILE_V    vf
#define TILE_NV   1
#define TILE_G    2
#define TILE_GS   7
#include "engine/kernels/kern_conv_tile.h"
#define TILE_NAME tile4
#define TILE_V    vf
#define TILE_NV   1
#define TILE_G    3
#define TILE_GS   4
#include "engine/kernels/kern_conv_tile.h"
#endif

typedef void (*tile_fn)(const struct direct *d, const float *w, const struct group *g, int k0, int kn);
struct tile {
	int width; /* output channels */
	int groups7, groups4;
	tile_fn by7, by4;
};
enum { MAX_GROUPS = 6 };

/* Widest first; the last takes what remains. */
static const struct tile tiles[] = {
#if defined(KERN_avx512)
	{32, 2, 3, tile7x32, tile4x32},
	{16, 4, 6, tile7x16, tile4x16},
	{8, 4, 6, tile7x8, tile4x8},
#else
	{VL, 2, 3, tile7, tile4},
#endif
};
enum { N_TILES = sizeof(tiles) / sizeof(tiles[0]) };

/* The widest tile that `left` channels fill but for less than the narrowest tile's width. */
static const struct tile *tile_for(int left)
{
	int i = 0;

	while (i + 1 < N_TILES && left <= tiles[i].width - tiles[N_TILES - 1].width)
		i++;
	return &tiles[i];
}

static int padded(int k)
{
	int sum = 0;

	for (int k0 = 0; k0 < k; k0 += tile_for(k - k0)->width)
		sum += tile_for(k - k0)->width;
	return sum;
}

/* ---- the run over all groups of a block ---- */

struct cursor {
	int image, row, col;
};

/* The group under the cursor; the last of a row is moved left, where it can, so that it stays within the row. */
static void take_group(struct group *g, const struct direct *d, struct cursor *c, int size)
{
	int col = c->col, from = 0, to = size;

	if (col + size > d->q && d->q >= size) {
		from = col + size - d->q;
		col = d->q - size;
	} else if (col + size > d->q) {
		to = d->q - col;
	}
	g->x = d->x + c->image * d->x_image + c->row * d->x_row + col * d->x_pixel;
	g->y = c->image * d->y_image + c->row * d->y_row + col * d->y_pixel;
	g->from = from;
	g->to = to;
	c->col += size;
	if (c->col < d->q)
		return;
	c->col = 0;
	if (++c->row < d->p)
		return;
	c->row = 0;
	c->image++;
}

static void run_panel(const struct direct *d, const float *w, tile_fn tile, int groups, int size, int k0, int kn)
{
	struct cursor c = {0, 0, 0};
	struct group g[MAX_GROUPS];

	while (c.image < d->n) {
		int i = 0;

		while (i < groups && c.image < d->n)
			take_group(&g[i++], d, &c, size);
		for (; i < groups; i++) {
			g[i] = g[0];
			g[i].to = g[i].from;
		}
		tile(d, w, g, k0, kn);
	}
}

static int round_up(int x, int to)
{
	return (x + to - 1) / to * to;
}

static void run_direct(const struct direct *d, const float *w)
{
	bool by7 = round_up(d->q, 7) <= round_up(d->q, 4);
	ptrdiff_t length = (ptrdiff_t)d->rows * d->run;

	for (int k0 = 0; k0 < d->k;) {
		const struct tile *t = tile_for(d->k - k0);
		int kn = d->k - k0 < t->width ? d->k - k0 : t->width;

		if (by7)
			run_panel(d, w, t->by7, t->groups7, 7, k0, kn);
		else
			run_panel(d, w, t->by4, t->groups4, 4, k0, kn);
		w += length * t->width;
		k0 += t->width;
	}
}

/* ---- packing ---- */

/* w [length][k] -> panels [length][width], the last filled up with zeros; returns w itself where it is one already */
static const float *pack_forward(float *out, const float *w, ptrdiff_t length, int k)
{
	float *o = out;

	if (tile_for(k)->width == k)
		return w;
	for (int k0 = 0; k0 < k;) {
		int width = tile_for(k - k0)->width, kn = k - k0 < width ? k - k0 : width;

		for (ptrdiff_t t = 0; t < length; t++, o += width) {
			memcpy(o, w + t * k + k0, (size_t)kn * sizeof(*o));
			memset(o + kn, 0, (size_t)(width - kn) * sizeof(*o));
		}
		k0 += width;
	}
	return out;
}

/* One kernel tap: from w [c][k] the channels c0..c0+cn-1, transposed to out [k][width]. */
static void transpose_tap(float *out, const float *w, int c0, int cn, int width, int k)
{
	enum { STRIP = 16 };

	for (int k0 = 0; k0 < k; k0 += STRIP) {
		int end = k0 + STRIP < k ? k0 + STRIP : k;

		for (int c = 0; c < width; c++)
			for (int i = k0; i < end; i++)
				out[i * width + c] = c < cn ? w[(ptrdiff_t)(c0 + c) * k + i] : 0;
	}
}

/* The taps r0, r0 + stride, ... (and columns alike) in reverse order, c and k exchanged, in panels of c. */
static void pack_phase(float *out, const float *w, const struct conv_shape *cs, int r0, int s0, int rows, int cols)
{
	for (int c0 = 0; c0 < cs->c;) {
		int width = tile_for(cs->c - c0)->width, cn = cs->c - c0 < width ? cs->c - c0 : width;

		for (int i = rows - 1; i >= 0; i--) {
			for (int j = cols - 1; j >= 0; j--) {
				ptrdiff_t tap = (ptrdiff_t)(r0 + i * cs->stride) * cs->s + s0 + j * cs->stride;

				transpose_tap(out, w + tap * cs->c * cs->k, c0, cn, width, cs->k);
				out += cs->k * width;
			}
		}
		c0 += width;
	}
}

/* A window of an [h][w][c] image: rows top.. and columns left.. (may be negative: zeros), rows x cols. */
struct window {
	int top, left, rows, cols;
};

/* The part of the window that lies in the image; what surrounds it is cleared once for all blocks. */
static void copy_window(float *out, const float *x, int h, int w, int c, const struct window *win)
{
	int left = win->left < 0 ? -win->left : 0;
	int right = win->left + win->cols > w ? w : win->left + win->cols;
	ptrdiff_t line = (ptrdiff_t)win->cols * c, length = (ptrdiff_t)(right - win->left - left) * c;

	if (length <= 0)
		return;
	for (int i = 0; i < win->rows; i++) {
		int row = win->top + i;

		if (row >= 0 && row < h)
			copy_floats(out + i * line + left * c, x + ((ptrdiff_t)row * w + win->left + left) * c, length);
	}
}

static size_t align16(size_t floats)
{
	return (floats + 15) & ~(size_t)15;
}

/* Images in a block of `size` floats each. */
static int block_images(size_t size, const struct conv_shape *cs, int n)
{
	size_t weights = (size_t)cs->r * (size_t)cs->s * (size_t)cs->c * (size_t)cs->k;
	size_t floats = weights / 4 > BLOCK_FLOATS ? weights / 4 : BLOCK_FLOATS;
	size_t fit = size ? floats / size : 1;

	if (fit < 1)
		fit = 1;
	return fit < (size_t)n ? (int)fit : n;
}

/* ---- forward ---- */

/* Pixels of the padded copy from one output to the next. */
static int forward_step(const struct conv_shape *cs)
{
	return conv_is_point(cs) ? 1 : cs->stride;
}

static struct window forward_window(const struct conv_shape *cs)
{
	int step = forward_step(cs);

	return (struct window){-cs->pad, -cs->pad, (cs->p - 1) * step + cs->r, (cs->q - 1) * step + cs->s};
}

static void take_image(float *out, const float *x, const struct conv_shape *cs, const struct window *win)
{
	if (conv_is_point(cs))
		pick_pixels(out, x, cs, 0, cs->p);
	else
		copy_window(out, x, cs->h, cs->w, cs->c, win);
}

static void forward(float *y, const float *x, const float *w, const struct conv_shape *cs, int n,
		    const struct conv_tail *tail, float *ws)
{
	struct window win = forward_window(cs);
	ptrdiff_t line = (ptrdiff_t)win.cols * cs->c, size = line * win.rows, x_size = (ptrdiff_t)cs->h * cs->w * cs->c;
	ptrdiff_t y_size = (ptrdiff_t)cs->p * cs->q * cs->k;
	ptrdiff_t length = (ptrdiff_t)cs->r * cs->s * cs->c, step = forward_step(cs);
	int block = block_images((size_t)size, cs, n);
	const float *packed = pack_forward(ws, w, length, cs->k);
	float *images = ws + align16((size_t)length * (size_t)padded(cs->k));
	struct direct d = {
		.x = images,
		.x_image = size,
		.x_row = line * step,
		.x_pixel = step * cs->c,
		.x_line = line,
		.rows = cs->r,
		.run = cs->s * cs->c,
		.y = y,
		.y_image = y_size,
		.y_row = (ptrdiff_t)cs->q * cs->k,
		.y_pixel = cs->k,
		.add = tail ? tail->add : NULL,
		.bias = tail ? tail->bias : NULL,
		.relu = tail && tail->relu,
		.plain = !tail || (!tail->add && !tail->bias && !tail->relu),
		.p = cs->p,
		.q = cs->q,
		.k = cs->k,
	};

	memset(images, 0, (size_t)(block * size + DIRECT_SLACK * d.x_pixel) * sizeof(*images));
	for (int i = 0; i < n; i += block) {
		d.n = n - i < block ? n - i : block;
		for (int j = 0; j < d.n; j++)
			take_image(images + j * size, x + (i + j) * x_size, cs, &win);
		d.y = y + i * y_size;
		d.add = tail && tail->add ? tail->add + i * y_size : NULL;
		run_direct(&d, packed);
	}
}

/* ---- backward to the data ---- */

/* The inputs first, first + stride, ... of one axis, and the taps first_tap, first_tap + stride, ... that reach them.
 */
struct phase {
	int first, count, first_tap, taps;
	int low; /* the output that meets the last tap at the first input: position of the window's first column */
};

static struct phase phase_of(int i, int size, int kernel, int stride, int pad)
{
	struct phase ph = {.first = i, .count = i < size ? (size - i + stride - 1) / stride : 0};

	ph.first_tap = (i + pad) % stride;
	ph.taps = ph.first_tap < kernel ? (kernel - ph.first_tap + stride - 1) / stride : 0;
	ph.low = (i + pad - ph.first_tap) / stride - (ph.taps - 1);
	return ph;
}

/* Outputs that any phase of one axis reads: *low .. *low + the value returned - 1 */
static int phase_span(int *low, int size, int kernel, int stride, int pad)
{
	int high = 0;

	*low = 0;
	for (int i = 0, seen = 0; i < stride; i++) {
		struct phase ph = phase_of(i, size, kernel, stride, pad);
		int end = ph.low + ph.taps - 1 + ph.count;

		if (!ph.count || !ph.taps)
			continue;
		*low = !seen || ph.low < *low ? ph.low : *low;
		high = !seen || end > high ? end : high;
		seen = 1;
	}
	return high - *low;
}

static struct window backward_window(const struct conv_shape *cs)
{
	struct window win;

	win.rows = phase_span(&win.top, cs->h, cs->r, cs->stride, cs->pad);
	win.cols = phase_span(&win.left, cs->w, cs->s, cs->stride, cs->pad);
	return win;
}

/* No tap reaches these inputs. */
static void clear_phase(float *dx, const struct conv_shape *cs, int n, const struct phase *v, const struct phase *u)
{
	for (int i = 0; i < n; i++)
		for (int a = 0; a < v->count; a++)
			for (int b = 0; b < u->count; b++)
				memset(dx + (((ptrdiff_t)i * cs->h + v->first + a * cs->stride) * cs->w + u->first +
					     b * cs->stride) *
						       cs->c,
				       0, (size_t)cs->c * sizeof(*dx));
}

static void run_phase(float *dx, const float *images, const float *packed, const struct conv_shape *cs, int n,
		      bool accumulate, const struct window *win, const struct phase *v, const struct phase *u)
{
	ptrdiff_t line = (ptrdiff_t)win->cols * cs->k;
	struct direct d = {
		.x = images + (v->low - win->top) * line + (ptrdiff_t)(u->low - win->left) * cs->k,
		.x_image = line * win->rows,
		.x_row = line,
		.x_pixel = cs->k,
		.x_line = line,
		.rows = v->taps,
		.run = u->taps * cs->k,
		.y = dx + ((ptrdiff_t)v->first * cs->w + u->first) * cs->c,
		.y_image = (ptrdiff_t)cs->h * cs->w * cs->c,
		.y_row = (ptrdiff_t)cs->stride * cs->w * cs->c,
		.y_pixel = (ptrdiff_t)cs->stride * cs->c,
		.accumulate = accumulate,
		.plain = !accumulate,
		.n = n,
		.p = v->count,
		.q = u->count,
		.k = cs->c,
	};

	run_direct(&d, packed);
}

/* All phases of one block of images; *packed holds their weights one after another. */
static void run_phases(float *dx, const float *images, const float *packed, const struct conv_shape *cs, int n,
		       bool accumulate, const struct window *win)
{
	for (int a = 0; a < cs->stride; a++) {
		struct phase v = phase_of(a, cs->h, cs->r, cs->stride, cs->pad);

		for (int b = 0; b < cs->stride; b++) {
			struct phase u = phase_of(b, cs->w, cs->s, cs->stride, cs->pad);

			if (!v.count || !u.count)
				continue;
			if (v.taps && u.taps)
				run_phase(dx, images, packed, cs, n, accumulate, win, &v, &u);
			else if (!accumulate)
				clear_phase(dx, cs, n, &v, &u);
			packed += (ptrdiff_t)v.taps * u.taps * cs->k * padded(cs->c);
		}
	}
}

static void pack_phases(float *out, const float *w, const struct conv_shape *cs)
{
	for (int a = 0; a < cs->stride; a++) {
		struct phase v = phase_of(a, cs->h, cs->r, cs->stride, cs->pad);

		for (int b = 0; b < cs->stride; b++) {
			struct phase u = phase_of(b, cs->w, cs->s, cs->stride, cs->pad);

			if (!v.count || !u.count)
				continue;
			pack_phase(out, w, cs, v.first_tap, u.first_tap, v.taps, u.taps);
			out += (ptrdiff_t)v.taps * u.taps * cs->k * padded(cs->c);
		}
	}
}

static void backward_data(float *dx, const float *dy, const float *w, const struct conv_shape *cs, int n,
			  bool accumulate, float *ws)
{
	struct window win = backward_window(cs);
	ptrdiff_t size = (ptrdiff_t)win.rows * win.cols * cs->k, y_size = (ptrdiff_t)cs->p * cs->q * cs->k;
	ptrdiff_t x_size = (ptrdiff_t)cs->h * cs->w * cs->c;
	int block = block_images((size_t)size, cs, n);
	float *images = ws + align16((size_t)cs->r * (size_t)cs->s * (size_t)cs->k * (size_t)padded(cs->c));

	pack_phases(ws, w, cs);
	memset(images, 0, (size_t)(block * size + (ptrdiff_t)DIRECT_SLACK * cs->k) * sizeof(*images));
	for (int i = 0; i < n; i += block) {
		int now = n - i < block ? n - i : block;

		for (int j = 0; j < now; j++)
			copy_window(images + j * size, dy + (i + j) * y_size, cs->p, cs->q, cs->k, &win);
		run_phases(dx + i * x_size, images, ws, cs, now, accumulate, &win);
	}
}

static size_t workspace_for(const struct window *win, int channels, int out, int step, const struct conv_shape *cs,
			    int n)
{
	size_t size = (size_t)win->rows * (size_t)win->cols * (size_t)channels;
	size_t weights = (size_t)cs->r * (size_t)cs->s * (size_t)channels * (size_t)padded(out);

	return align16(weights) +
	       align16((size_t)block_images(size, cs, n) * size + (size_t)DIRECT_SLACK * (size_t)(step * channels));
}

static size_t workspace(const struct conv_shape *cs, int n)
{
	struct window f = forward_window(cs), b = backward_window(cs);
	size_t fs = workspace_for(&f, cs->c, cs->k, cs->stride, cs, n);
	size_t bs = workspace_for(&b, cs->k, cs->c, 1, cs, n);

	return fs > bs ? fs : bs;
}

const struct kern_conv_table KERN_NAME(kern_conv_) = {workspace, forward, backward_data};
