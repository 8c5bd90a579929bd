/* stats.c - see stats.h */
#include "sweep/report/stats.h"

#include <float.h>
#include <math.h>

struct estimate estimate_of(const double *x, int n, double t)
{
	struct estimate e = {.n = n, .mean = NAN, .sd = NAN, .lo = NAN, .hi = NAN};
	double sum = 0;
	double squares = 0;

	if (n < 1)
		return e;
	for (int i = 0; i < n; i++)
		sum += x[i];
	e.mean = sum / n;
	if (n < 2)
		return e;
	for (int i = 0; i < n; i++)
		squares += (x[i] - e.mean) * (x[i] - e.mean);
	e.sd = sqrt(squares / (n - 1));
	e.lo = e.mean - t * e.sd / sqrt(n);
	e.hi = e.mean + t * e.sd / sqrt(n);
	return e;
}

/* Coefficient m >= 1 of the continued fraction 1 / (1 + d1 / (1 + d2 / (1 + ...))). */
static double beta_term(int m, double x, double a, double b)
{
	int k = m / 2;

	if (m % 2)
		return -(a + k) * (a + b + k) * x / ((a + 2 * k) * (a + 2 * k + 1));
	return k * (b - k) * x / ((a + 2 * k - 1) * (a + 2 * k));
}

static double not_zero(double v)
{
	return fabs(v) < 1e-300 ? 1e-300 : v;
}

/* Lentz's method; converges fast for x < (a + 1) / (a + b + 2). */
static double beta_fraction(double x, double a, double b)
{
	double c = 1;
	double d = 0;
	double f = 1;

	for (int m = 1; m < 100000; m++) {
		double step;

		d = 1 / not_zero(1 + beta_term(m, x, a, b) * d);
		c = not_zero(1 + beta_term(m, x, a, b) / c);
		step = c * d;
		f *= step;
		if (fabs(step - 1) < DBL_EPSILON)
			break;
	}
	return 1 / f;
}

double incomplete_beta(double x, double a, double b)
{
	double front;

	if (x <= 0 || x >= 1)
		return x > 0;
	if (x > (a + 1) / (a + b + 2))
		return 1 - incomplete_beta(1 - x, b, a);
	front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
	return front / a * beta_fraction(x, a, b);
}

/* P(T > t) for t > 0. With y = t^2 / (v + t^2) where that is the smaller, so that nothing cancels. */
static double upper_tail(double t, double df)
{
	double y = t * t / (df + t * t);

	if (y < 0.5)
		return 0.5 * (1 - incomplete_beta(y, 0.5, df / 2));
	return 0.5 * incomplete_beta(df / (df + t * t), df / 2, 0.5);
}

double t_quantile(double p, double df)
{
	double lo = 0;
	double hi = 1;

	if (!(df > 0) || !(p > 0) || !(p < 1))
		return NAN;
	if (p < 0.5)
		return -t_quantile(1 - p, df);
	while (upper_tail(hi, df) > 1 - p && hi < 1e300)
		hi *= 2;
	for (int i = 0; i < 200 && hi - lo > 1e-15 * hi; i++) {
		double mid = lo + (hi - lo) / 2;

		if (upper_tail(mid, df) > 1 - p)
			lo = mid;
		else
			hi = mid;
	}
	return lo + (hi - lo) / 2;
}
