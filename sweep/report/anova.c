/* anova.c - see anova.h */
#include "sweep/report/anova.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "sweep/report/infer.h"

static int level_of(int cell, int factor, const int *levels, int n_factors)
{
	for (int k = n_factors - 1; k > factor; k--)
		cell /= levels[k];
	return cell % levels[factor];
}

static int product(const int *levels, int n_factors, unsigned set)
{
	int p = 1;

	for (int k = 0; k < n_factors; k++)
		if (set & 1u << k)
			p *= levels[k];
	return p;
}

static int bits(unsigned set)
{
	return __builtin_popcount(set);
}

/* Where a cell's levels of the factors in `set` stand in that set's table. */
static int place_in(int cell, const int *levels, int n_factors, unsigned set)
{
	int at = 0;

	for (int k = 0; k < n_factors; k++)
		if (set & 1u << k)
			at = at * levels[k] + level_of(cell, k, levels, n_factors);
	return at;
}

/* Means of the cell means over the factors not in `set`, for each combination of levels in it; NULL without memory. */
static double *marginals(const struct anova_cell *cell, const int *levels, int n_factors, unsigned set)
{
	int n_cells = product(levels, n_factors, ~0u);
	int n = product(levels, n_factors, set);
	double *mean = calloc((size_t)n, sizeof(*mean));

	for (int i = 0; mean && i < n_cells; i++)
		mean[place_in(i, levels, n_factors, set)] += cell[i].mean * n / n_cells;
	return mean;
}

/* Summed over all cells each level of S counts (cells / levels of S) times: the product of the other factors' levels. */
static double effect_squares(double *const *mean, const int *levels, int n_factors, unsigned set)
{
	int n_cells = product(levels, n_factors, ~0u);
	double sum = 0;

	for (int i = 0; i < n_cells; i++) {
		double effect = 0;

		for (unsigned t = 0; t <= set; t++)
			if ((t & set) == t)
				effect += ((bits(set) - bits(t)) % 2 ? -1 : 1) *
					  mean[t][place_in(i, levels, n_factors, t)];
		sum += effect * effect;
	}
	return sum;
}

static int effect_df(const int *levels, int n_factors, unsigned set)
{
	int df = 1;

	for (int k = 0; k < n_factors; k++)
		if (set & 1u << k)
			df *= levels[k] - 1;
	return df;
}

static void add_effect(struct anova *a, double *const *mean, const int *levels, int n_factors, unsigned set,
		       double weight)
{
	struct anova_effect *e = &a->effect[a->n_effects++];

	e->factors = set;
	e->df = effect_df(levels, n_factors, set);
	e->ss = weight * effect_squares(mean, levels, n_factors, set);
	e->f = a->error_df > 0 && a->error_ss > 0 ? (e->ss / e->df) / (a->error_ss / a->error_df) : NAN;
	e->p = f_upper(e->f, e->df, a->error_df);
}

struct anova anova_of(const struct anova_cell *cell, const int *levels, int n_factors)
{
	int n_cells = product(levels, n_factors, ~0u);
	struct anova a = {0};
	double *mean[1 << ANOVA_MAX_FACTORS] = {NULL};
	double inverse = 0;
	double total;
	bool ok = true;

	for (int i = 0; i < n_cells; i++) {
		inverse += 1.0 / cell[i].n;
		a.error_ss += cell[i].squares;
		a.error_df += cell[i].n - 1;
	}
	for (unsigned set = 0; set < 1u << n_factors; set++) {
		mean[set] = marginals(cell, levels, n_factors, set);
		ok = ok && mean[set];
	}
	for (int size = 1; ok && size <= n_factors; size++)
		for (unsigned set = 1; set < 1u << n_factors; set++)
			if (bits(set) == size)
				add_effect(&a, mean, levels, n_factors, set, n_cells / inverse);
	for (unsigned set = 0; set < 1u << n_factors; set++)
		free(mean[set]);
	total = a.error_ss;
	for (int i = 0; i < a.n_effects; i++)
		total += a.effect[i].ss;
	for (int i = 0; i < a.n_effects; i++)
		a.effect[i].share = total > 0 ? a.effect[i].ss / total : NAN;
	return a;
}
