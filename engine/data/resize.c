/* resize.c - see resize.h */
#include "engine/data/resize.h"

#include <math.h>
#include <string.h>

#define BITS 22

/* How one axis goes from `in` to `out` samples: each is a weighted sum of at most `most` neighbours. */
struct axis {
	int in, out, most;
	int32_t *first;  /* [out] leftmost neighbour */
	int32_t *count;  /* [out] how many */
	int32_t *weight; /* [out][most] in units of 2^-BITS */
};

static double axis_scale(int in, int out)
{
	return (double)in / out;
}

static double filter_width(int in, int out)
{
	return fmax(axis_scale(in, out), 1.0); /* enlarging interpolates between neighbours */
}

static int most_neighbours(int in, int out)
{
	return (int)ceil(filter_width(in, out)) * 2 + 1;
}

static size_t axis_ints(int in, int out)
{
	return (size_t)out * (2 + (size_t)most_neighbours(in, out));
}

static double triangle(double x)
{
	x = fabs(x);
	return x < 1 ? 1 - x : 0;
}

/* Fills the tables; returns what lies behind them. */
static int32_t *axis_fill(struct axis *a, int in, int out, int32_t *room)
{
	const double scale = axis_scale(in, out);
	const double width = filter_width(in, out);
	const double per = 1.0 / width;

	*a = (struct axis){.in = in, .out = out, .most = most_neighbours(in, out)};
	a->first = room;
	a->count = room + out;
	a->weight = room + 2 * (size_t)out;
	for (int i = 0; i < out; i++) {
		double centre = (i + 0.5) * scale;
		int first = (int)(centre - width + 0.5);
		int end = (int)(centre + width + 0.5);
		int32_t *w = a->weight + (size_t)i * (size_t)a->most;
		double sum = 0;

		first = first < 0 ? 0 : first;
		end = end > in ? in : end;
		for (int k = first; k < end; k++)
			sum += triangle((k - centre + 0.5) * per);
		for (int k = first; k < end; k++)
			w[k - first] = (int32_t)(0.5 + triangle((k - centre + 0.5) * per) / sum * (1 << BITS));
		a->first[i] = first;
		a->count[i] = end - first;
	}
	return a->weight + (size_t)out * (size_t)a->most;
}

static uint8_t rounded(int32_t sum)
{
	sum >>= BITS;
	return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

static void columns_rgb(uint8_t *dst, const uint8_t *src, const struct axis *a)
{
	for (int i = 0; i < a->out; i++, dst += 3) {
		const int32_t *w = a->weight + (size_t)i * (size_t)a->most;
		const uint8_t *v = src + 3 * (size_t)a->first[i];
		int32_t r = 1 << (BITS - 1), g = r, b = r;

		for (int k = 0; k < a->count[i]; k++, v += 3) {
			r += w[k] * v[0];
			g += w[k] * v[1];
			b += w[k] * v[2];
		}
		dst[0] = rounded(r);
		dst[1] = rounded(g);
		dst[2] = rounded(b);
	}
}

static void columns(uint8_t *dst, const uint8_t *src, const struct axis *a, int c)
{
	for (int i = 0; i < a->out; i++)
		for (int ch = 0; ch < c; ch++) {
			const int32_t *w = a->weight + (size_t)i * (size_t)a->most;
			const uint8_t *v = src + (size_t)a->first[i] * (size_t)c + ch;
			int32_t sum = 1 << (BITS - 1);

			for (int k = 0; k < a->count[i]; k++)
				sum += w[k] * v[(size_t)k * (size_t)c];
			*dst++ = rounded(sum);
		}
}

/* n bytes of row i of the result from rows `row` bytes apart. */
static void rows(uint8_t *dst, const uint8_t *src, size_t row, size_t n, const struct axis *a, int i)
{
	const int32_t *w = a->weight + (size_t)i * (size_t)a->most;
	const uint8_t *v = src + (size_t)a->first[i] * row;

	for (size_t at = 0; at < n; at += 64) {
		size_t some = n - at < 64 ? n - at : 64;
		int32_t sum[64];

		for (size_t j = 0; j < some; j++)
			sum[j] = 1 << (BITS - 1);
		for (int k = 0; k < a->count[i]; k++)
			for (size_t j = 0; j < some; j++)
				sum[j] += w[k] * v[(size_t)k * row + at + j];
		for (size_t j = 0; j < some; j++)
			dst[at + j] = rounded(sum[j]);
	}
}

size_t resize_scratch(int sh, int sw, int dh, int dw, int c)
{
	return 4 * (axis_ints(sw, dw) + axis_ints(sh, dh)) + (size_t)sh * (size_t)dw * (size_t)c;
}

void resize_bilinear(uint8_t *dst, int dh, int dw, const uint8_t *src, size_t src_row, int sh, int sw, int c,
		     void *scratch)
{
	const size_t n = (size_t)dw * (size_t)c;
	uint8_t *between;
	struct axis x, y;
	int32_t *room = scratch;

	room = axis_fill(&x, sw, dw, room);
	between = (uint8_t *)axis_fill(&y, sh, dh, room);
	for (int i = 0; i < sh && sw != dw; i++) {
		if (c == 3)
			columns_rgb(between + (size_t)i * n, src + (size_t)i * src_row, &x);
		else
			columns(between + (size_t)i * n, src + (size_t)i * src_row, &x, c);
	}
	if (sw != dw) {
		src = between;
		src_row = n;
	}
	for (int i = 0; i < dh; i++) {
		if (sh == dh)
			memcpy(dst + (size_t)i * n, src + (size_t)i * src_row, n);
		else
			rows(dst + (size_t)i * n, src, src_row, n, &y, i);
	}
}
