/*
 * anova.h - main effects and interactions of two or three factors (the rates, the optimizer) on a figure.
 *
 * Fixed-effects analysis of variance of a full factorial table by unweighted cell means (Searle 1971, Linear Models,
 * ch. 8.3; Winer 1971, ch. 6): with cell means m, n~ the harmonic mean of the cells' counts, and for a set S of factors
 *
 *   effect_S(levels) = sum over T subset of S of (-1)^(|S| - |T|) * (mean of m over all factors not in T)
 *   SS_S = n~ * (product of the level counts of factors not in S) * sum over the levels of S of effect_S^2
 *   df_S = product over S of (levels - 1)
 *   SS_error = sum over cells of squares within, df_error = sum over cells of (n - 1)
 *   F_S = (SS_S / df_S) / (SS_error / df_error)
 *
 * With equal counts this is the ordinary analysis of variance. Learning rates are levels (0 is one), not numbers.
 */
#ifndef SWEEP_REPORT_ANOVA_H
#define SWEEP_REPORT_ANOVA_H

enum { ANOVA_MAX_FACTORS = 3, ANOVA_MAX_EFFECTS = 7 };

struct anova_effect {
	unsigned factors; /* bit k: factor k takes part */
	int df;
	double ss, f, p; /* f and p are NAN without spread or degrees of freedom */
	double share;    /* eta squared: ss over the sum of all ss and the error's */
};

struct anova {
	int n_effects; /* 2^factors - 1: main effects first, then interactions */
	struct anova_effect effect[ANOVA_MAX_EFFECTS];
	int error_df;
	double error_ss;
};

/* A cell's repeats: count, mean, sum of squares about the mean. */
struct anova_cell {
	int n;
	double mean, squares;
};

/* levels[k] of each of n_factors factors (2 or 3); cell[...] row-major, last factor fastest, each with n >= 1. No
 * effects (n_effects 0) without memory. */
struct anova anova_of(const struct anova_cell *cell, const int *levels, int n_factors);

#endif
