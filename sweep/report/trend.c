/* trend.c - see trend.h */
#include "sweep/report/trend.h"

#include <math.h>
#include <stdbool.h>

enum { K = 4 };

static void centre(double *x, int n)
{
	double sum = 0;

	for (int i = 0; i < n; i++)
		sum += x[i];
	for (int i = 0; i < n; i++)
		x[i] -= sum / n;
}

static void design_row(double x[K], double u, double v)
{
	x[0] = 1;
	x[1] = u;
	x[2] = v;
	x[3] = u * v;
}

/* Gauss-Jordan with the largest pivot; false if a is singular to rounding. */
static bool invert(double inverse[K][K], double a[K][K])
{
	for (int i = 0; i < K; i++)
		for (int j = 0; j < K; j++)
			inverse[i][j] = i == j;
	for (int c = 0; c < K; c++) {
		int top = c;
		double scale;

		for (int i = c + 1; i < K; i++)
			top = fabs(a[i][c]) > fabs(a[top][c]) ? i : top;
		scale = a[top][c];
		if (!(fabs(scale) > 1e-10))
			return false;
		for (int j = 0; j < K; j++) {
			double x = a[top][j];
			double y = inverse[top][j];

			a[top][j] = a[c][j];
			inverse[top][j] = inverse[c][j];
			a[c][j] = x / scale;
			inverse[c][j] = y / scale;
		}
		for (int i = 0; i < K; i++) {
			double f = i == c ? 0 : a[i][c];

			for (int j = 0; j < K; j++) {
				a[i][j] -= f * a[c][j];
				inverse[i][j] -= f * inverse[c][j];
			}
		}
	}
	return true;
}

static double residual_squares(const double b[K], const double *u, const double *v, const double *y, int n)
{
	double sum = 0;

	for (int i = 0; i < n; i++) {
		double x[K];
		double r = y[i];

		design_row(x, u[i], v[i]);
		for (int k = 0; k < K; k++)
			r -= b[k] * x[k];
		sum += r * r;
	}
	return sum;
}

struct trend trend_of(double *u, double *v, const double *y, int n)
{
	struct trend t = {.n = n};
	double normal[K][K] = {{0}};
	double inverse[K][K];
	double right[K] = {0};
	double b[K] = {0};
	double s;

	for (int k = 0; k < N_TRENDS; k++) {
		t.slope[k] = NAN;
		t.ci[k] = (struct interval){NAN, NAN};
	}
	centre(u, n);
	centre(v, n);
	for (int i = 0; i < n; i++) {
		double x[K];

		design_row(x, u[i], v[i]);
		for (int k = 0; k < K; k++) {
			right[k] += x[k] * y[i] / n;
			for (int j = 0; j < K; j++)
				normal[k][j] += x[k] * x[j] / n;
		}
	}
	if (n < K || !invert(inverse, normal))
		return t;
	for (int k = 0; k < K; k++)
		for (int j = 0; j < K; j++)
			b[k] += inverse[k][j] * right[j];
	s = n > K ? sqrt(residual_squares(b, u, v, y, n) / (n - K)) * t_quantile(0.975, n - K) : NAN;
	for (int k = 0; k < N_TRENDS; k++) {
		double half = s * sqrt(inverse[k + 1][k + 1] / n);

		t.slope[k] = b[k + 1];
		t.ci[k] = (struct interval){b[k + 1] - half, b[k + 1] + half};
	}
	return t;
}
