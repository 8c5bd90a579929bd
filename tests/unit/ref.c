/* ref.c - see ref.h */
#include "tests/unit/ref.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ref_each_isa(void (*test)(void))
{
	static const char *const names[] = {"baseline", "avx2", "avx512"};
	int ran = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct err e;

		setenv("GAPSWEEP_ISA", names[i], 1);
		if (kernels_init(&e)) {
			print_message("           (%s)\n", e.msg);
			continue;
		}
		assert_string_equal(kernels_isa(), names[i]);
		print_message("           with %s\n", names[i]);
		test();
		ran++;
	}
	unsetenv("GAPSWEEP_ISA");
	assert_true(ran >= 1);
}

float *ref_alloc(size_t n)
{
	void *p = NULL;

	assert_int_equal(posix_memalign(&p, 64, n ? n * sizeof(float) : 1), 0);
	return p;
}

double ref_uniform(void)
{
	static uint64_t state = 1;

	state = state * 6364136223846793005u + 1442695040888963407u;
	return (double)(state >> 40) / (double)(1 << 24);
}

float *ref_random(size_t n)
{
	float *x = ref_alloc(n);

	for (size_t i = 0; i < n; i++)
		x[i] = (float)(2 * ref_uniform() - 1);
	return x;
}

double *ref_widen(const float *x, size_t n)
{
	double *d = malloc((n + 1) * sizeof(*d));

	assert_non_null(d);
	for (size_t i = 0; i < n; i++)
		d[i] = (double)x[i];
	return d;
}

float *ref_copy(const float *x, size_t n)
{
	return memcpy(ref_alloc(n), x, n * sizeof(*x));
}

void ref_near(const char *what, const float *got, const double *want, size_t n, double tol)
{
	double scale = 1;

	for (size_t i = 0; i < n; i++)
		scale = fmax(scale, fabs(want[i]));
	for (size_t i = 0; i < n; i++)
		if (!(fabs((double)got[i] - want[i]) <= tol * scale))
			fail_msg("%s [%zu of %zu] (%s): got %.9g, want %.9g", what, i, n, kernels_isa(), (double)got[i],
				 want[i]);
}

void ref_same(const char *what, const float *got, const float *want, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (memcmp(&got[i], &want[i], sizeof(*got)) != 0)
			fail_msg("%s [%zu of %zu] (%s): got %.9g, want the same bits as %.9g", what, i, n,
				 kernels_isa(), (double)got[i], (double)want[i]);
}

double ref_slope(double (*f)(void *ctx), void *ctx, double *at, double step)
{
	double old = *at, up, down;

	*at = old + step;
	up = f(ctx);
	*at = old - step;
	down = f(ctx);
	*at = old;
	return (up - down) / (2 * step);
}

double ref_dot(const double *x, const float *coef, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += x[i] * (double)coef[i];
	return sum;
}

/* Calls one multiply-add for every (output, tap, input) that meet: y += x w, dx += dy w or dw += dy x. */
static void every_product(double *y, double *x, double *w, const struct conv_shape *cs, int n, char which)
{
	for (int i = 0; i < n; i++)
		for (int p = 0; p < cs->p; p++)
			for (int q = 0; q < cs->q; q++)
				for (int r = 0; r < cs->r; r++)
					for (int s = 0; s < cs->s; s++) {
						int row = p * cs->stride + r - cs->pad;
						int col = q * cs->stride + s - cs->pad;

						if (row < 0 || row >= cs->h || col < 0 || col >= cs->w)
							continue;
						for (int c = 0; c < cs->c; c++)
							for (int k = 0; k < cs->k; k++) {
								double *a =
									y + ((i * cs->p + p) * cs->q + q) * cs->k + k;
								double *b = x +
									    ((i * cs->h + row) * cs->w + col) * cs->c +
									    c;
								double *m =
									w + ((r * cs->s + s) * cs->c + c) * cs->k + k;

								if (which == 'y')
									*a += *b * *m;
								else if (which == 'x')
									*b += *a * *m;
								else
									*m += *a * *b;
							}
					}
}

void ref_conv_forward(double *y, const double *x, const double *w, const struct conv_shape *cs, int n)
{
	memset(y, 0, (size_t)(n * cs->p * cs->q * cs->k) * sizeof(*y));
	every_product(y, (double *)x, (double *)w, cs, n, 'y');
}

void ref_conv_backward_data(double *dx, const double *dy, const double *w, const struct conv_shape *cs, int n)
{
	memset(dx, 0, (size_t)(n * cs->h * cs->w * cs->c) * sizeof(*dx));
	every_product((double *)dy, dx, (double *)w, cs, n, 'x');
}

void ref_conv_backward_weights(double *dw, const double *dy, const double *x, const struct conv_shape *cs, int n)
{
	memset(dw, 0, (size_t)(cs->r * cs->s * cs->c * cs->k) * sizeof(*dw));
	every_product((double *)dy, (double *)x, dw, cs, n, 'w');
}

static void batch_statistics(double *mean, double *var, const double *y, int64_t m, int c)
{
	for (int k = 0; k < c; k++) {
		mean[k] = var[k] = 0;
		for (int64_t i = 0; i < m; i++)
			mean[k] += y[i * c + k] / (double)m;
		for (int64_t i = 0; i < m; i++)
			var[k] += (y[i * c + k] - mean[k]) * (y[i * c + k] - mean[k]) / (double)m;
	}
}

void ref_bn(double *z, double *mean, double *var, const double *y, const double *gamma, const double *beta,
	    const double *add, bool relu, bool batch, int64_t m, int c, double eps)
{
	if (batch)
		batch_statistics(mean, var, y, m, c);
	for (int64_t i = 0; i < m * c; i++) {
		int k = (int)(i % c);

		z[i] = gamma[k] * (y[i] - mean[k]) / sqrt(var[k] + eps) + beta[k] + (add ? add[i] : 0);
		if (relu && z[i] < 0)
			z[i] = 0;
	}
}

void ref_linear(double *y, const double *x, const double *w, const double *b, int n, int d, int o)
{
	for (int i = 0; i < n; i++)
		for (int j = 0; j < o; j++) {
			y[i * o + j] = b[j];
			for (int k = 0; k < d; k++)
				y[i * o + j] += x[i * d + k] * w[j * d + k];
		}
}

void ref_linear_backward(double *dx, double *dw, double *db, const double *dy, const double *x, const double *w, int n,
			 int d, int o)
{
	memset(dx, 0, (size_t)n * (size_t)d * sizeof(*dx));
	memset(dw, 0, (size_t)o * (size_t)d * sizeof(*dw));
	memset(db, 0, (size_t)o * sizeof(*db));
	for (int i = 0; i < n; i++) {
		for (int j = 0; j < o; j++) {
			double g = dy[(size_t)i * (size_t)o + (size_t)j];

			db[j] += g;
			for (int k = 0; k < d; k++) {
				dx[(size_t)i * (size_t)d + (size_t)k] += g * w[(size_t)j * (size_t)d + (size_t)k];
				dw[(size_t)j * (size_t)d + (size_t)k] += g * x[(size_t)i * (size_t)d + (size_t)k];
			}
		}
	}
}

void ref_pool(double *y, const double *x, const struct pool_shape *ps, int n, bool max)
{
	for (int i = 0; i < n; i++)
		for (int p = 0; p < ps->p; p++)
			for (int q = 0; q < ps->q; q++)
				for (int k = 0; k < ps->c; k++, y++) {
					*y = max ? -INFINITY : 0;
					for (int a = 0; a < ps->r * ps->r; a++) {
						int row = p * ps->stride - ps->pad + a / ps->r;
						int col = q * ps->stride - ps->pad + a % ps->r;
						double v;

						if (row < 0 || row >= ps->h || col < 0 || col >= ps->w)
							continue;
						v = x[((i * ps->h + row) * ps->w + col) * ps->c + k];
						*y = max ? fmax(*y, v) : *y + v / (ps->r * ps->r);
					}
				}
}

double ref_cross_entropy(const double *logits, int label, int classes, double smooth)
{
	double sum = 0, loss = 0;

	for (int j = 0; j < classes; j++)
		sum += exp(logits[j]);
	for (int j = 0; j < classes; j++)
		loss += (log(sum) - logits[j]) * ((j == label ? 1 - smooth : 0) + smooth / classes);
	return loss;
}
