/*
 * infer.h - how sure one can be: p values and intervals that a report states, each with its source.
 *
 * Everything here is exact or a named approximation, without tables; tests/unit/test_infer.c holds every formula
 * against scipy to 1e-9 (tests/unit/make_infer_fixture.py).
 */
#ifndef SWEEP_REPORT_INFER_H
#define SWEEP_REPORT_INFER_H

#include <stddef.h>
#include <stdint.h>

#include "sweep/report/stats.h"

/* P(|T| >= |t|) of Student's t: I_x(df/2, 1/2) with x = df / (df + t^2) (DLMF 8.17, Abramowitz and Stegun 26.7.1). */
double t_two_sided(double t, double df);
/* P(F >= f) with d1 and d2 degrees of freedom: I_x(d2/2, d1/2), x = d2 / (d2 + d1 f) (Abramowitz and Stegun 26.6.2). */
double f_upper(double f, double d1, double d2);

/*
 * Paired t test (Student 1908): d holds mean and sd of the differences, t = mean / (sd / sqrt(n)) on n - 1 degrees of
 * freedom, two-sided. NAN for fewer than two pairs. Differences without any spread give the limits: 1 if they are all
 * 0, else 0.
 */
double paired_p(const struct estimate *d);

/*
 * Holm's step-down correction (Holm 1979, Scand. J. Statist. 6:65): adjusted[i] of p sorted upwards is
 * max over j <= i of min(1, (m - j) p[j]), j from 0. NANs are no tests: they stay NAN and m does not count them.
 * Returns 0, or -1 without memory.
 */
int holm(double *adjusted, const double *p, int n);

/* Wilson's score interval for a share of k in n, 95 % (Wilson 1927, JASA 22:209); NAN for n = 0. */
struct interval {
	double lo, hi;
};
struct interval wilson95(int k, int n);

/* Two trials on the same images, from their correct.bits (bit i % 8 of byte i / 8). */
struct agreement {
	int64_t both, only_a, only_b, neither;
};
struct agreement agreement_of(const uint8_t *a, const uint8_t *b, int64_t n_images);

/*
 * McNemar's exact test (McNemar 1947; exact form: Fay 2010, Biostatistics 11:373): of the images on which the two
 * disagree, is one half right in each? Two-sided binomial p, min(1, 2 P(X <= min(only_a, only_b))); 1 if they agree on
 * all.
 */
double mcnemar_exact(const struct agreement *a);

/*
 * Percentile interval (95 %) of accuracy(a) - accuracy(b) over BOOTSTRAP_SAMPLES resamples of the images (Efron and
 * Tibshirani 1993, ch. 13). Paired: an image is drawn with both answers, so a resample is a draw from the three kinds
 * of images. Numbers are Philox's, keyed by seed: the same interval every time. NAN without images or memory.
 */
#define BOOTSTRAP_SAMPLES 10000
struct interval bootstrap95(const struct agreement *a, uint64_t seed);

#endif
