/*
 * trend.h - by how much a figure moves when a learning rate is made ten times larger.
 *
 * Ordinary least squares of y = b0 + b1 u + b2 v + b3 u v, where u and v are the decimal logarithms of two rates less
 * their means over the data, so that b1 and b2 are the slopes in the middle of the plane and b3 how much one slope changes
 * along the other rate. b = (X'X)^-1 X'y; intervals b_k +- t(0.975, n - 4) s sqrt((X'X)^-1_kk), s^2 = RSS / (n - 4) (Draper
 * and Smith 1998, Applied Regression Analysis, ch. 5; Seber and Lee 2003, ch. 3). A straight line through what bends is an
 * average, not a law: the analysis of variance (anova.h) takes rates as levels and needs no line.
 */
#ifndef SWEEP_REPORT_TREND_H
#define SWEEP_REPORT_TREND_H

#include "sweep/report/infer.h"

enum { TREND_U, TREND_V, TREND_UV, N_TRENDS };

struct trend {
	int n;
	double slope[N_TRENDS];       /* in units of y; NAN if the data have no such slope (a rate with one value) */
	struct interval ci[N_TRENDS]; /* 95 %; NAN for n <= 4 */
};

/* u, v (decimal logarithms) and y of n observations; u and v are centred in place. */
struct trend trend_of(double *u, double *v, const double *y, int n);

#endif
