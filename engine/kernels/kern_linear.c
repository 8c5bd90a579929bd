/*
 * kern_linear.c - the linear layer: products of matrices as they lie, nothing packed, see kernels.h
 *
 * Forward: y[i][j] is the dot product of two rows, x[i] and w[j]. A tile of XS x WS of them keeps a vector of sums for each;
 * their lanes are added at the end. Long rows are taken in runs, so that a tile's rows stay near the core.
 * Backward, both ways: out[i][..] = sum over k of a(i,k) * b[k][..]. A tile of ROWS rows times COLS vectors stays in
 * registers over all k.
 * A tile at the edge repeats its last row and does not store it, so each number's sum is the same in every tile.
 */
#include <string.h>

#include "engine/kernels/kern_table.h"
#include "engine/kernels/kern_vec.h"

/* ---- forward ---- */

/* XS: a group of four lanes becomes a row of the tile. */
enum { XS = VL / 4, WS = 6, RUN = 1024, BLOCK = 64 };

#if VL == 16
#define LANES(a, b, f0, f1, s0, s1)                                                                               \
	__builtin_shufflevector(a, b, f0, f1, 16 + s0, 16 + s1, 4 + f0, 4 + f1, 20 + s0, 20 + s1, 8 + f0, 8 + f1, \
				24 + s0, 24 + s1, 12 + f0, 12 + f1, 28 + s0, 28 + s1)
/* Each of a, b, c, d becomes four lanes of sums. */
KERN_INLINE vf rows_of_four(const vf v[4])
{
	vf t[2];

	for (int i = 0; i < 2; i++)
		t[i] = __builtin_shufflevector(v[2 * i], v[2 * i + 1], 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21,
					       22, 23) +
		       __builtin_shufflevector(v[2 * i], v[2 * i + 1], 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28,
					       29, 30, 31);
	return __builtin_shufflevector(t[0], t[1], 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27) +
	       __builtin_shufflevector(t[0], t[1], 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
}
#elif VL == 8
#define LANES(a, b, f0, f1, s0, s1) \
	__builtin_shufflevector(a, b, f0, f1, 8 + s0, 8 + s1, 4 + f0, 4 + f1, 12 + s0, 12 + s1)
KERN_INLINE vf rows_of_four(const vf v[2])
{
	return __builtin_shufflevector(v[0], v[1], 0, 1, 2, 3, 8, 9, 10, 11) +
	       __builtin_shufflevector(v[0], v[1], 4, 5, 6, 7, 12, 13, 14, 15);
}
#else
#define LANES(a, b, f0, f1, s0, s1) __builtin_shufflevector(a, b, f0, f1, 4 + s0, 4 + s1)
KERN_INLINE vf rows_of_four(const vf v[1])
{
	return v[0];
}
#endif

/* In each group of four lanes, the sums of that group in a, b, c, d. */
KERN_INLINE vf sums_of_four(vf a, vf b, vf c, vf d)
{
	vf ab = LANES(a, b, 0, 2, 0, 2) + LANES(a, b, 1, 3, 1, 3);
	vf cd = LANES(c, d, 0, 2, 0, 2) + LANES(c, d, 1, 3, 1, 3);

	return LANES(ab, cd, 0, 2, 0, 2) + LANES(ab, cd, 1, 3, 1, 3);
}

struct dots {
	const float *x[XS], *w[WS];
	int run;
};

KERN_INLINE void dots_step(vf sum[WS][XS], const vf x[XS], const vf w[WS])
{
	KERN_UNROLL
	for (int j = 0; j < WS; j++)
		KERN_UNROLL
	for (int i = 0; i < XS; i++)
		sum[j][i] += x[i] * w[j];
}

/* out[0]: in four lanes a row, the products with w[0..3]; out[1]: with w[4], w[5], w[4], w[5] */
static void dots_tile(vf out[2], const struct dots *d)
{
	vf sum[WS][XS], q[WS], x[XS], w[WS];
	int t = 0;

	KERN_UNROLL
	for (int j = 0; j < WS; j++)
		KERN_UNROLL
	for (int i = 0; i < XS; i++)
		sum[j][i] = (vf){0};
	for (; t + VL <= d->run; t += VL) {
		KERN_UNROLL
		for (int i = 0; i < XS; i++)
			x[i] = vf_load(d->x[i] + t);
		KERN_UNROLL
		for (int j = 0; j < WS; j++)
			w[j] = vf_load(d->w[j] + t);
		dots_step(sum, x, w);
	}
	if (t < d->run) {
		KERN_UNROLL
		for (int i = 0; i < XS; i++)
			x[i] = vf_load_n(d->x[i] + t, d->run - t);
		KERN_UNROLL
		for (int j = 0; j < WS; j++)
			w[j] = vf_load_n(d->w[j] + t, d->run - t);
		dots_step(sum, x, w);
	}
	KERN_UNROLL
	for (int j = 0; j < WS; j++)
		q[j] = rows_of_four(sum[j]);
	out[0] = sums_of_four(q[0], q[1], q[2], q[3]);
	out[1] = sums_of_four(q[4], q[5], q[4], q[5]);
}

/* y[j] = from[j] + sum[j], xn rows of wn */
KERN_INLINE void store_dots(float *y, const vf sum[2], const float *from, ptrdiff_t y_row, ptrdiff_t from_row, int xn,
			    int wn)
{
	float row[2][VL];

	vf_store(row[0], sum[0]);
	vf_store(row[1], sum[1]);
	for (int i = 0; i < xn; i++, y += y_row, from += from_row) {
		if (wn == WS) {
			*(vf4_u *)y = *(const vf4_u *)from + *(const vf4_u *)(row[0] + 4 * i);
			y[4] = from[4] + row[1][4 * i];
			y[5] = from[5] + row[1][4 * i + 1];
			continue;
		}
		for (int j = 0; j < wn; j++)
			y[j] = from[j] + row[j / 4][4 * i + j % 4];
	}
}

static int least(int a, int b)
{
	return a < b ? a : b;
}

/* A run of the rows i0 .. i1 - 1 of x times all of w. */
static void forward_block(float *y, const float *x, const float *w, const float *b, int i0, int i1, int d, int o, int t)
{
	struct dots tile = {.run = least(RUN, d - t)};

	for (int j = 0; j < o; j += WS) {
		int wn = least(WS, o - j);

		for (int k = 0; k < WS; k++)
			tile.w[k] = w + (ptrdiff_t)(j + least(k, wn - 1)) * d + t;
		for (int i = i0; i < i1; i += XS) {
			int xn = least(XS, i1 - i);
			float *to = y + (ptrdiff_t)i * o + j;
			vf sum[2];

			for (int k = 0; k < XS; k++)
				tile.x[k] = x + (ptrdiff_t)(i + least(k, xn - 1)) * d + t;
			dots_tile(sum, &tile);
			store_dots(to, sum, t ? to : b + j, o, t ? o : 0, xn, wn);
		}
	}
}

static void forward(float *y, const float *x, const float *w, const float *b, int n, int d, int o)
{
	for (int i = 0; i < n; i += BLOCK)
		for (int t = 0; t == 0 || t < d; t += RUN)
			forward_block(y, x, w, b, i, least(n, i + BLOCK), d, o, t);
}

/* ---- backward ---- */

#if defined(KERN_avx512)
enum { ROWS = 6, COLS = 4, MOST = 4 << 20 };
#else
enum { ROWS = 6, COLS = 2, MOST = 1 << 19 };
#endif

struct product {
	float *out;         /* [m][d] */
	const float *a, *b; /* a(i,k) = a[i * a_row + k * a_k]; b [depth][d] */
	ptrdiff_t a_row, a_k;
	int m, depth, d;
};

/* Rows i .. i + rows - 1; vectors from column c on, of the last of which `last` lanes. vectors is a constant. */
KERN_INLINE void product_tile(const struct product *p, int i, int rows, int c, int vectors, int last)
{
	vf sum[ROWS][COLS], bv[COLS];
	const float *a[ROWS], *b = p->b + c;
	float *out = p->out + (ptrdiff_t)i * p->d + c;

	KERN_UNROLL
	for (int r = 0; r < ROWS; r++) {
		a[r] = p->a + (i + least(r, rows - 1)) * p->a_row;
		KERN_UNROLL
		for (int v = 0; v < vectors; v++)
			sum[r][v] = (vf){0};
	}
	for (ptrdiff_t k = p->depth, at = 0; k > 0; k--, at += p->a_k, b += p->d) {
		KERN_UNROLL
		for (int v = 0; v < vectors; v++)
			bv[v] = v < vectors - 1 || last == VL ? vf_load(b + v * VL) : vf_load_n(b + v * VL, last);
		KERN_UNROLL
		for (int r = 0; r < ROWS; r++)
			KERN_UNROLL
		for (int v = 0; v < vectors; v++)
			sum[r][v] += a[r][at] * bv[v];
	}
	KERN_UNROLL
	for (int r = 0; r < ROWS; r++)
		KERN_UNROLL
	for (int v = 0; v < vectors; v++)
		if (r < rows && (v < vectors - 1 || last == VL))
			vf_store(out + (ptrdiff_t)r * p->d + v * VL, sum[r][v]);
		else if (r < rows)
			vf_store_n(out + (ptrdiff_t)r * p->d + v * VL, sum[r][v], last);
}

/* All rows of some columns; returns how many. */
static int product_columns(const struct product *p, int c)
{
	const int left = p->d - c, vectors = left >= COLS * VL ? COLS : left >= 2 * VL ? 2 : 1;

	for (int i = 0; i < p->m; i += ROWS) {
		int rows = least(ROWS, p->m - i);

		if (vectors == COLS)
			product_tile(p, i, rows, c, COLS, VL);
		else if (vectors == 2)
			product_tile(p, i, rows, c, 2, VL);
		else if (left >= VL)
			product_tile(p, i, rows, c, 1, VL);
		else
			product_tile(p, i, rows, c, 1, left);
	}
	return vectors * VL;
}

static void multiply(const struct product *p)
{
	for (int c = 0; c < p->d;)
		c += product_columns(p, c);
}

static void column_sums(float *db, const float *dy, int n, int o)
{
	memset(db, 0, (size_t)o * sizeof(*db));
	for (int i = 0; i < n; i++)
		for (int j = 0; j < o; j++)
			db[j] += dy[(ptrdiff_t)i * o + j];
}

static void backward(float *dx, float *dw, float *db, const float *dy, const float *x, const float *w, int n, int d,
		     int o)
{
	if (dx)
		multiply(&(struct product){
			.out = dx, .a = dy, .b = w, .a_row = o, .a_k = 1, .m = n, .depth = o, .d = d});
	if (dw)
		multiply(&(struct product){
			.out = dw, .a = dy, .b = x, .a_row = 1, .a_k = o, .m = o, .depth = n, .d = d});
	if (db)
		column_sums(db, dy, n, o);
}

const struct kern_linear_table KERN_NAME(kern_linear_) = {MOST, forward, backward};
