/*
 * kern_norm.c - BatchNorm with residual add and ReLU, see kernels.h
 *
 * Rows of few channels are folded: f rows count as one wide row of f * C lanes whose parameters repeat, so that the
 * loops always run over long lines; many channels are taken in stripes. Either way a `sheet` is a matrix of rows with
 * at most LANES lanes, of which lane j belongs to channel j % c.
 */
#include <math.h>
#include <string.h>

#include "engine/kernels/kern_table.h"
#include "engine/kernels/kern_vec.h"

enum {
	LANES = 128, /* most lanes of a sheet, but a single row of up to LANES channels is always one */
	BLOCK = 128, /* rows that are summed in float before their sums go on in double */
	GROUP = 4    /* vectors of lanes whose sums stay in registers */
};

struct sheet {
	int lanes, c;    /* lanes = fold * c */
	int64_t rows;    /* whole rows */
	int rest;        /* lanes of the last, incomplete row; 0 if there is none */
	ptrdiff_t pitch; /* floats from one row to the next */
	int first;       /* first channel */
};

static struct sheet sheet_at(int first, int64_t m, int c)
{
	struct sheet s = {.first = first, .pitch = c};
	int fold = 1;

	s.c = c - first < LANES ? c - first : LANES;
	if (c <= LANES / 2)
		fold = LANES / c;
	s.lanes = fold * s.c;
	s.pitch = (ptrdiff_t)fold * c;
	s.rows = m / fold;
	s.rest = (int)(m % fold) * s.c;
	return s;
}

static void repeat(float *out, const struct sheet *s)
{
	for (int j = s->c; j < s->lanes; j++)
		out[j] = out[j - s->c];
}

/* ---- statistics ---- */

/* out[j] = sum over rows of (y - base[j]), or of its square: `vectors` vectors of lanes at once */
KERN_INLINE void sum_lines(float *out, const float *y, const float *base, bool square, int64_t rows, ptrdiff_t pitch,
			   int vectors)
{
	vf sum[GROUP] = {{0}}, b[GROUP];

	KERN_UNROLL
	for (int v = 0; v < vectors; v++)
		b[v] = base ? vf_load(base + v * VL) : (vf){0};
	for (int64_t i = 0; i < rows; i++, y += pitch) {
		KERN_UNROLL
		for (int v = 0; v < vectors; v++) {
			vf d = base ? vf_load(y + v * VL) - b[v] : vf_load(y + v * VL);

			sum[v] += square ? d * d : d;
		}
	}
	KERN_UNROLL
	for (int v = 0; v < vectors; v++)
		vf_store(out + v * VL, sum[v]);
}

KERN_INLINE void sum_rows(float *out, const float *y, const float *base, bool square, int64_t rows, ptrdiff_t pitch,
			  int lanes)
{
	int j = 0;

	for (; j + GROUP * VL <= lanes; j += GROUP * VL)
		sum_lines(out + j, y + j, base ? base + j : NULL, square, rows, pitch, GROUP);
	for (; j + VL <= lanes; j += VL)
		sum_lines(out + j, y + j, base ? base + j : NULL, square, rows, pitch, 1);
	for (; j < lanes; j++) {
		float sum = 0;

		for (int64_t i = 0; i < rows; i++) {
			float d = base ? y[i * pitch + j] - base[j] : y[i * pitch + j];

			sum += square ? d * d : d;
		}
		out[j] = sum;
	}
}

/* Lanes of one channel added in double, in order. */
static void fold_lanes(double *out, const float *sum, const struct sheet *s, int lanes)
{
	for (int k = 0; k < s->c; k++)
		out[k] = 0;
	for (int j = 0; j < lanes; j += s->c)
		for (int k = 0; k < s->c; k++)
			out[k] += (double)sum[j + k];
}

struct moments {
	double n, mean[LANES], m2[LANES]; /* m2: sum of squared deviations */
};

/* Chan, Golub, LeVeque (1979): joins the moments of one block of `count` values a channel to what is there. */
static void join_block(struct moments *mo, const struct sheet *s, const float *y, int64_t rows, int lanes)
{
	double count = (double)rows * (lanes / s->c), all = mo->n + count;
	double sum[LANES], square[LANES], share = count / all, weight = mo->n * count / all;
	float line[LANES], base[LANES];

	sum_rows(line, y, NULL, false, rows, s->pitch, lanes);
	fold_lanes(sum, line, s, lanes);
	for (int k = 0; k < s->c; k++)
		base[k] = (float)(sum[k] / count);
	repeat(base, s);
	sum_rows(line, y, base, true, rows, s->pitch, lanes);
	fold_lanes(square, line, s, lanes);
	for (int k = 0; k < s->c; k++) {
		double mean = sum[k] / count, off = mean - (double)base[k], delta = mean - mo->mean[k];

		mo->m2[k] += square[k] - count * off * off + delta * delta * weight;
		mo->mean[k] += delta * share;
	}
	mo->n = all;
}

static void batch_moments(struct moments *mo, const struct sheet *s, const float *y)
{
	mo->n = 0;
	memset(mo->mean, 0, sizeof(mo->mean));
	memset(mo->m2, 0, sizeof(mo->m2));
	y += s->first;
	for (int64_t i = 0; i < s->rows; i += BLOCK)
		join_block(mo, s, y + i * s->pitch, s->rows - i < BLOCK ? s->rows - i : BLOCK, s->lanes);
	if (s->rest)
		join_block(mo, s, y + s->rows * s->pitch, 1, s->rest);
}

/* ---- forward ---- */

/* One line of parameters. The mean is taken off first: y * scale + shift would cancel where it is large. */
struct affine {
	float mean[LANES], scale[LANES], beta[LANES];
};

KERN_INLINE void apply_line(float *z, const float *y, const struct affine *af, const float *add, bool relu, int lanes)
{
	int j = 0;

	for (; j + VL <= lanes; j += VL) {
		vf v = (vf_load(y + j) - vf_load(af->mean + j)) * vf_load(af->scale + j) + vf_load(af->beta + j);

		if (add)
			v += vf_load(add + j);
		vf_store(z + j, relu ? vf_relu(v) : v);
	}
	for (; j < lanes; j++) {
		float v = (y[j] - af->mean[j]) * af->scale[j] + af->beta[j];

		if (add)
			v += add[j];
		z[j] = relu ? relu1(v) : v;
	}
}

KERN_INLINE void apply_rows(float *z, const float *y, const struct affine *af, const float *add, bool relu,
			    const struct sheet *s)
{
	for (int64_t i = 0; i < s->rows; i++) {
		ptrdiff_t at = i * s->pitch + s->first;

		apply_line(z + at, y + at, af, add ? add + at : NULL, relu, s->lanes);
	}
	if (s->rest) {
		ptrdiff_t at = s->rows * s->pitch + s->first;

		apply_line(z + at, y + at, af, add ? add + at : NULL, relu, s->rest);
	}
}

static void apply_sheet(float *z, const float *y, const float *mean, const float *rstd, const float *gamma,
			const float *beta, const float *add, bool relu, const struct sheet *s)
{
	struct affine af;

	for (int k = 0; k < s->c; k++) {
		af.mean[k] = mean[s->first + k];
		af.scale[k] = gamma[s->first + k] * rstd[s->first + k];
		af.beta[k] = beta[s->first + k];
	}
	repeat(af.mean, s);
	repeat(af.scale, s);
	repeat(af.beta, s);
	if (add && relu)
		apply_rows(z, y, &af, add, true, s);
	else if (add)
		apply_rows(z, y, &af, add, false, s);
	else
		apply_rows(z, y, &af, NULL, relu, s);
}

static void moments(double *mean, double *m2, const float *y, int64_t m, int c)
{
	for (int first = 0; first < c; first += LANES) {
		struct sheet s = sheet_at(first, m, c);
		struct moments mo;

		batch_moments(&mo, &s, y);
		memcpy(mean + first, mo.mean, (size_t)s.c * sizeof(*mean));
		memcpy(m2 + first, mo.m2, (size_t)s.c * sizeof(*m2));
	}
}

static void forward_eval(float *z, const float *y, const float *mean, const float *rstd, const float *gamma,
			 const float *beta, const float *add, bool relu, int64_t m, int c)
{
	for (int first = 0; first < c; first += LANES) {
		struct sheet s = sheet_at(first, m, c);

		apply_sheet(z, y, mean, rstd, gamma, beta, add, relu, &s);
	}
}

/* ---- backward ---- */

/* What reaches the affine map: dz, but 0 where ReLU stopped it (as torch: where z <= 0). */
KERN_INLINE vf gate(const float *dz, const float *z, bool relu)
{
	return relu ? vf_and(vf_load(dz), ~(vi)(vf_load(z) <= 0.0f)) : vf_load(dz);
}

KERN_INLINE float gate1(float dz, const float *z, bool relu)
{
	return relu && *z <= 0.0f ? 0.0f : dz;
}

/* s1[j] = sum of gated dz, s2[j] = sum of gated dz * (y - mean) */
KERN_INLINE void sum_gated_lines(float *s1, float *s2, const float *dz, const float *z, const float *y,
				 const float *mean, bool relu, int64_t rows, ptrdiff_t pitch, int vectors)
{
	vf a[GROUP] = {{0}}, b[GROUP] = {{0}}, mu[GROUP];

	KERN_UNROLL
	for (int v = 0; v < vectors; v++)
		mu[v] = vf_load(mean + v * VL);
	for (int64_t i = 0; i < rows; i++) {
		ptrdiff_t at = i * pitch;

		KERN_UNROLL
		for (int v = 0; v < vectors; v++) {
			vf d = gate(dz + at + v * VL, z + at + v * VL, relu);

			a[v] += d;
			b[v] += d * (vf_load(y + at + v * VL) - mu[v]);
		}
	}
	KERN_UNROLL
	for (int v = 0; v < vectors; v++) {
		vf_store(s1 + v * VL, a[v]);
		vf_store(s2 + v * VL, b[v]);
	}
}

KERN_INLINE void sum_gated_rows(float *s1, float *s2, const float *dz, const float *z, const float *y,
				const float *mean, bool relu, int64_t rows, ptrdiff_t pitch, int lanes)
{
	int j = 0;

	for (; j + GROUP * VL <= lanes; j += GROUP * VL)
		sum_gated_lines(s1 + j, s2 + j, dz + j, z + j, y + j, mean + j, relu, rows, pitch, GROUP);
	for (; j + VL <= lanes; j += VL)
		sum_gated_lines(s1 + j, s2 + j, dz + j, z + j, y + j, mean + j, relu, rows, pitch, 1);
	for (; j < lanes; j++) {
		s1[j] = s2[j] = 0;
		for (int64_t i = 0; i < rows; i++) {
			ptrdiff_t at = i * pitch + j;
			float d = gate1(dz[at], z + at, relu);

			s1[j] += d;
			s2[j] += d * (y[at] - mean[j]);
		}
	}
}

struct gated_sums {
	double d[LANES], dy[LANES]; /* sum of gated dz; of gated dz * (y - mean) */
};

static void add_block(struct gated_sums *sums, const struct sheet *s, ptrdiff_t at, int64_t rows, int lanes,
		      const float *dz, const float *z, const float *y, const float *mean, bool relu)
{
	float s1[LANES], s2[LANES];
	double t1[LANES], t2[LANES];

	if (relu)
		sum_gated_rows(s1, s2, dz + at, z + at, y + at, mean, true, rows, s->pitch, lanes);
	else
		sum_gated_rows(s1, s2, dz + at, dz + at, y + at, mean, false, rows, s->pitch, lanes);
	fold_lanes(t1, s1, s, lanes);
	fold_lanes(t2, s2, s, lanes);
	for (int k = 0; k < s->c; k++) {
		sums->d[k] += t1[k];
		sums->dy[k] += t2[k];
	}
}

static void sum_gated(struct gated_sums *sums, const struct sheet *s, const float *dz, const float *z, const float *y,
		      const float *mean, bool relu)
{
	memset(sums, 0, sizeof(*sums));
	for (int64_t i = 0; i < s->rows; i += BLOCK)
		add_block(sums, s, i * s->pitch + s->first, s->rows - i < BLOCK ? s->rows - i : BLOCK, s->lanes, dz, z,
			  y, mean, relu);
	if (s->rest)
		add_block(sums, s, s->rows * s->pitch + s->first, 1, s->rest, dz, z, y, mean, relu);
}

/* dy = d * a - (y - mean) * b - c0, one line of parameters */
struct spread {
	float a[LANES], b[LANES], c0[LANES], mean[LANES];
};

/*
 * dadd is written before dy and dz is read first, so that either may alias dz. Without batch statistics y has no part
 * and is not read.
 */
KERN_INLINE void spread_line(float *dy, float *dadd, const float *dz, const float *z, const float *y,
			     const struct spread *sp, bool relu, bool batch, bool accumulate, int lanes)
{
	int j = 0;

	for (; j + VL <= lanes; j += VL) {
		vf d = gate(dz + j, z + j, relu);

		if (dadd)
			vf_store(dadd + j, accumulate ? vf_load(dadd + j) + d : d);
		if (dy && batch)
			vf_store(dy + j, d * vf_load(sp->a + j) - vf_load(sp->c0 + j) -
						 (vf_load(y + j) - vf_load(sp->mean + j)) * vf_load(sp->b + j));
		else if (dy)
			vf_store(dy + j, d * vf_load(sp->a + j));
	}
	for (; j < lanes; j++) {
		float d = gate1(dz[j], z + j, relu);

		if (dadd)
			dadd[j] = accumulate ? dadd[j] + d : d;
		if (dy)
			dy[j] = batch ? d * sp->a[j] - sp->c0[j] - (y[j] - sp->mean[j]) * sp->b[j] : d * sp->a[j];
	}
}

KERN_INLINE void spread_rows(float *dy, float *dadd, const float *dz, const float *z, const float *y,
			     const struct spread *sp, bool relu, bool batch, bool accumulate, const struct sheet *s)
{
	for (int64_t i = 0; i < s->rows + (s->rest > 0); i++) {
		ptrdiff_t at = i * s->pitch + s->first;
		int lanes = i < s->rows ? s->lanes : s->rest;

		spread_line(dy ? dy + at : NULL, dadd ? dadd + at : NULL, dz + at, z + at, y + at, sp, relu, batch,
			    accumulate, lanes);
	}
}

static void spread_sheet(float *dy, float *dadd, const float *dz, const float *z, const float *y,
			 const struct spread *sp, bool relu, bool batch, bool accumulate, const struct sheet *s)
{
	if (!relu)
		z = dz;
	if (!dadd && dy && relu && batch)
		spread_rows(dy, NULL, dz, z, y, sp, true, true, false, s);
	else if (!dadd && dy && batch)
		spread_rows(dy, NULL, dz, z, y, sp, false, true, false, s);
	else
		spread_rows(dy, dadd, dz, z, y, sp, relu, batch, accumulate, s);
}

static void sums(double *d, double *d_y, const float *dz, const float *z, const float *y, const float *mean, bool relu,
		 int64_t m, int c)
{
	for (int first = 0; first < c; first += LANES) {
		struct sheet s = sheet_at(first, m, c);
		struct gated_sums gs;
		float mu[LANES];

		memcpy(mu, mean + first, (size_t)s.c * sizeof(*mu));
		repeat(mu, &s);
		sum_gated(&gs, &s, dz, z, y, mu, relu);
		memcpy(d + first, gs.d, (size_t)s.c * sizeof(*d));
		memcpy(d_y + first, gs.dy, (size_t)s.c * sizeof(*d_y));
	}
}

static void spread(float *dy, float *dadd, const float *dz, const float *z, const float *y, const float *mean,
		   const float *factors, bool relu, bool batch, bool accumulate_add, int64_t m, int c)
{
	for (int first = 0; first < c; first += LANES) {
		struct sheet s = sheet_at(first, m, c);
		size_t bytes = (size_t)s.c * sizeof(float);
		struct spread sp;

		memcpy(sp.a, factors + first, bytes);
		memcpy(sp.b, factors + c + first, bytes);
		memcpy(sp.c0, factors + 2 * c + first, bytes);
		memcpy(sp.mean, mean + first, bytes);
		repeat(sp.a, &s);
		repeat(sp.b, &s);
		repeat(sp.c0, &s);
		repeat(sp.mean, &s);
		spread_sheet(dy, dadd, dz, z, y, &sp, relu, batch, accumulate_add, &s);
	}
}

const struct kern_norm_table KERN_NAME(kern_norm_) = {moments, forward_eval, sums, spread};
