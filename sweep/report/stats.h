/*
 * stats.h - mean, sample standard deviation and Student's t intervals of a few repeats.
 *
 * The t quantile inverts the regularised incomplete beta function, which is summed as the continued fraction of
 * DLMF 8.17.22 (https://dlmf.nist.gov/8.17#v); P(|T| > t) = I_x(v/2, 1/2) with x = v / (v + t^2).
 */
#ifndef SWEEP_REPORT_STATS_H
#define SWEEP_REPORT_STATS_H

/* What is not defined is NAN: everything at n = 0; sd, lo and hi at n = 1. */
struct estimate {
	int n;
	double mean, sd; /* sample sd: divides by n - 1 */
	double lo, hi;   /* interval for the mean */
};

/* t = t_quantile(1 - alpha/2, n - 1), which the caller may keep for many estimates of the same n. */
struct estimate estimate_of(const double *x, int n, double t);

/* The p quantile (0 < p < 1) of Student's t with df > 0 degrees of freedom; NAN for df <= 0. Relative error < 1e-12. */
double t_quantile(double p, double df);

/* Regularised incomplete beta function I_x(a, b), a, b > 0, 0 <= x <= 1. */
double incomplete_beta(double x, double a, double b);

#endif
