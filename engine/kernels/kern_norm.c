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

/* Maps are asked for so far ahead: the hardware's own prefetching begins anew on every page of 4 KB. */
enum {
	AHEAD_ROWS = 16, /* where sums go down the rows */
	AHEAD = 1024     /* floats, where lines are taken one after another */
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

			if (!base) /* else they have just been read */
				__builtin_prefetch(y + v * VL + AHEAD_ROWS * pitch);
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

static void set_affine(struct affine *af, const float *mean, const float *rstd, const float *gamma, const float *beta,
		       const struct sheet *s)
{
	for (int k = 0; k < s->c; k++) {
		af->mean[k] = mean[s->first + k];
		af->scale[k] = gamma[s->first + k] * rstd[s->first + k];
		af->beta[k] = beta[s->first + k];
	}
	repeat(af->mean, s);
	repeat(af->scale, s);
	repeat(af->beta, s);
}

/* The backward pass computes it again, to the same bits, to know its sign. */
KERN_INLINE vf normal(const float *y, const struct affine *af, int j)
{
	return (vf_load(y) - vf_load(af->mean + j)) * vf_load(af->scale + j) + vf_load(af->beta + j);
}

KERN_INLINE float normal1(float y, const struct affine *af, int j)
{
	return (y - af->mean[j]) * af->scale[j] + af->beta[j];
}

KERN_INLINE void apply_line(float *z, const float *y, const struct affine *af, const float *add, bool relu, int lanes)
{
	int j = 0;

	for (; j + VL <= lanes; j += VL) {
		vf v = normal(y + j, af, j);

		__builtin_prefetch(y + j + AHEAD);
		__builtin_prefetch(z + j + AHEAD, 1);
		if (add) {
			__builtin_prefetch(add + j + AHEAD);
			v += vf_load(add + j);
		}
		vf_store(z + j, relu ? vf_relu(v) : v);
	}
	for (; j < lanes; j++) {
		float v = normal1(y[j], af, j);

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

	set_affine(&af, mean, rstd, gamma, beta, s);
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

/* What says where ReLU let values through: nothing, as there is none; its output z; or y, of which z is made again. */
enum gate { OPEN, BY_Z, BY_Y };

/* What reaches the affine map: dz, but 0 where ReLU stopped it (as torch: where z <= 0). */
KERN_INLINE vf gated(enum gate gate, const float *dz, const float *z, const float *y, const struct affine *af, int j)
{
	vf d = vf_load(dz);

	return gate == OPEN ? d : vf_and(d, ~(vi)((gate == BY_Z ? vf_load(z) : normal(y, af, j)) <= 0.0f));
}

KERN_INLINE float gated1(enum gate gate, float dz, const float *z, const float *y, const struct affine *af, int j)
{
	return gate != OPEN && (gate == BY_Z ? *z : normal1(*y, af, j)) <= 0.0f ? 0.0f : dz;
}

/* Maps from one place on, and how to read them. */
struct maps {
	const float *dz, *z, *y;
	const struct affine *af; /* only its mean, unless BY_Y */
};

KERN_INLINE struct maps maps_at(const struct maps *m, ptrdiff_t at)
{
	return (struct maps){m->dz + at, m->z + at, m->y + at, m->af};
}

/* Brings near what the sums and the gradient's spreading read there. */
KERN_INLINE void ask_for(const struct maps *m, ptrdiff_t at, enum gate gate)
{
	__builtin_prefetch(m->dz + at);
	__builtin_prefetch(m->y + at);
	if (gate == BY_Z)
		__builtin_prefetch(m->z + at);
}

/* s1[j] = sum of gated dz, s2[j] = sum of gated dz * (y - mean): `vectors` vectors of lanes from j on */
KERN_INLINE void sum_gated_lines(float *s1, float *s2, const struct maps *m, int j, enum gate gate, int64_t rows,
				 ptrdiff_t pitch, int vectors)
{
	vf a[GROUP] = {{0}}, b[GROUP] = {{0}}, mu[GROUP];

	KERN_UNROLL
	for (int v = 0; v < vectors; v++)
		mu[v] = vf_load(m->af->mean + j + v * VL);
	for (int64_t i = 0; i < rows; i++) {
		KERN_UNROLL
		for (int v = 0; v < vectors; v++) {
			int lane = j + v * VL;
			ptrdiff_t at = i * pitch + lane;
			vf d = gated(gate, m->dz + at, m->z + at, m->y + at, m->af, lane);

			ask_for(m, at + AHEAD_ROWS * pitch, gate);
			a[v] += d;
			b[v] += d * (vf_load(m->y + at) - mu[v]);
		}
	}
	KERN_UNROLL
	for (int v = 0; v < vectors; v++) {
		vf_store(s1 + j + v * VL, a[v]);
		vf_store(s2 + j + v * VL, b[v]);
	}
}

KERN_INLINE void sum_gated_rows(float *s1, float *s2, const struct maps *m, enum gate gate, int64_t rows,
				ptrdiff_t pitch, int lanes)
{
	int j = 0;

	for (; j + GROUP * VL <= lanes; j += GROUP * VL)
		sum_gated_lines(s1, s2, m, j, gate, rows, pitch, GROUP);
	for (; j + VL <= lanes; j += VL)
		sum_gated_lines(s1, s2, m, j, gate, rows, pitch, 1);
	for (; j < lanes; j++) {
		s1[j] = s2[j] = 0;
		for (int64_t i = 0; i < rows; i++) {
			ptrdiff_t at = i * pitch + j;
			float d = gated1(gate, m->dz[at], m->z + at, m->y + at, m->af, j);

			s1[j] += d;
			s2[j] += d * (m->y[at] - m->af->mean[j]);
		}
	}
}

struct gated_sums {
	double d[LANES], dy[LANES]; /* sum of gated dz; of gated dz * (y - mean) */
};

static void add_block(struct gated_sums *sums, const struct sheet *s, const struct maps *m, enum gate gate,
		      int64_t rows, int lanes)
{
	float s1[LANES], s2[LANES];
	double t1[LANES], t2[LANES];

	if (gate == BY_Y)
		sum_gated_rows(s1, s2, m, BY_Y, rows, s->pitch, lanes);
	else if (gate == BY_Z)
		sum_gated_rows(s1, s2, m, BY_Z, rows, s->pitch, lanes);
	else
		sum_gated_rows(s1, s2, m, OPEN, rows, s->pitch, lanes);
	fold_lanes(t1, s1, s, lanes);
	fold_lanes(t2, s2, s, lanes);
	for (int k = 0; k < s->c; k++) {
		sums->d[k] += t1[k];
		sums->dy[k] += t2[k];
	}
}

static void sum_gated(struct gated_sums *sums, const struct sheet *s, const struct maps *m, enum gate gate)
{
	struct maps block;

	memset(sums, 0, sizeof(*sums));
	for (int64_t i = 0; i < s->rows; i += BLOCK) {
		block = maps_at(m, i * s->pitch);
		add_block(sums, s, &block, gate, s->rows - i < BLOCK ? s->rows - i : BLOCK, s->lanes);
	}
	block = maps_at(m, s->rows * s->pitch);
	if (s->rest)
		add_block(sums, s, &block, gate, 1, s->rest);
}

/* dy = d * a - (y - mean) * b - c0, one line of parameters */
struct spread {
	float a[LANES], b[LANES], c0[LANES];
};

/*
 * dadd is written before dy and dz is read first, so that either may alias dz. Without batch statistics y has no part in dy
 * and is not read for it.
 */
KERN_INLINE void spread_line(float *dy, float *dadd, const struct maps *m, const struct spread *sp, enum gate gate,
			     bool batch, bool accumulate, int lanes)
{
	int j = 0;

	for (; j + VL <= lanes; j += VL) {
		vf d = gated(gate, m->dz + j, m->z + j, m->y + j, m->af, j);

		ask_for(m, j + AHEAD, gate);
		if (dadd)
			__builtin_prefetch(dadd + j + AHEAD, 1);
		if (dy)
			__builtin_prefetch(dy + j + AHEAD, 1);
		if (dadd)
			vf_store(dadd + j, accumulate ? vf_load(dadd + j) + d : d);
		if (dy && batch)
			vf_store(dy + j, d * vf_load(sp->a + j) - vf_load(sp->c0 + j) -
						 (vf_load(m->y + j) - vf_load(m->af->mean + j)) * vf_load(sp->b + j));
		else if (dy)
			vf_store(dy + j, d * vf_load(sp->a + j));
	}
	for (; j < lanes; j++) {
		float d = gated1(gate, m->dz[j], m->z + j, m->y + j, m->af, j);

		if (dadd)
			dadd[j] = accumulate ? dadd[j] + d : d;
		if (dy)
			dy[j] = batch ? d * sp->a[j] - sp->c0[j] - (m->y[j] - m->af->mean[j]) * sp->b[j] : d * sp->a[j];
	}
}

KERN_INLINE void spread_rows(float *dy, float *dadd, const struct maps *m, const struct spread *sp, enum gate gate,
			     bool batch, bool accumulate, const struct sheet *s)
{
	for (int64_t i = 0; i < s->rows + (s->rest > 0); i++) {
		ptrdiff_t at = i * s->pitch;
		struct maps line = maps_at(m, at);

		spread_line(dy ? dy + s->first + at : NULL, dadd ? dadd + s->first + at : NULL, &line, sp, gate, batch,
			    accumulate, i < s->rows ? s->lanes : s->rest);
	}
}

static void spread_sheet(float *dy, float *dadd, const struct maps *m, const struct spread *sp, enum gate gate,
			 bool batch, bool accumulate, const struct sheet *s)
{
	if (!dadd && dy && batch && gate == BY_Y)
		spread_rows(dy, NULL, m, sp, BY_Y, true, false, s);
	else if (!dadd && dy && batch && gate == BY_Z)
		spread_rows(dy, NULL, m, sp, BY_Z, true, false, s);
	else if (!dadd && dy && batch)
		spread_rows(dy, NULL, m, sp, OPEN, true, false, s);
	else
		spread_rows(dy, dadd, m, sp, gate, batch, accumulate, s);
}

static enum gate gate_of(const struct bn_gate *relu)
{
	return !relu ? OPEN : relu->z ? BY_Z : BY_Y;
}

/* A sheet's maps; z where it is not read is any that may be pointed into. */
static struct maps maps_of(struct affine *af, const float *dz, const struct bn_gate *relu, const float *y,
			   const float *mean, const struct sheet *s)
{
	const struct maps all = {dz, relu && relu->z ? relu->z : dz, y, af};

	if (gate_of(relu) == BY_Y) {
		set_affine(af, mean, relu->rstd, relu->gamma, relu->beta, s);
	} else {
		memcpy(af->mean, mean + s->first, (size_t)s->c * sizeof(*mean));
		repeat(af->mean, s);
	}
	return maps_at(&all, s->first);
}

static void sums(double *d, double *d_y, const float *dz, const struct bn_gate *relu, const float *y, const float *mean,
		 int64_t m, int c)
{
	for (int first = 0; first < c; first += LANES) {
		struct sheet s = sheet_at(first, m, c);
		struct gated_sums gs;
		struct affine af;
		struct maps maps = maps_of(&af, dz, relu, y, mean, &s);

		sum_gated(&gs, &s, &maps, gate_of(relu));
		memcpy(d + first, gs.d, (size_t)s.c * sizeof(*d));
		memcpy(d_y + first, gs.dy, (size_t)s.c * sizeof(*d_y));
	}
}

static void spread(float *dy, float *dadd, const float *dz, const struct bn_gate *relu, const float *y,
		   const float *mean, const float *factors, bool batch, bool accumulate_add, int64_t m, int c)
{
	for (int first = 0; first < c; first += LANES) {
		struct sheet s = sheet_at(first, m, c);
		size_t bytes = (size_t)s.c * sizeof(float);
		struct affine af;
		struct maps maps = maps_of(&af, dz, relu, y, mean, &s);
		struct spread sp;

		memcpy(sp.a, factors + first, bytes);
		memcpy(sp.b, factors + c + first, bytes);
		memcpy(sp.c0, factors + 2 * c + first, bytes);
		repeat(sp.a, &s);
		repeat(sp.b, &s);
		repeat(sp.c0, &s);
		spread_sheet(dy, dadd, &maps, &sp, gate_of(relu), batch, accumulate_add, &s);
	}
}

const struct kern_norm_table KERN_NAME(kern_norm_) = {moments, forward_eval, sums, spread};
