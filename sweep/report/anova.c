/* anova.c - see anova.h */
#include "sweep/report/anova.h"

#include <math.h>
#include <stdbool.h>

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

/* Mean of the cell means that share the levels of `like` in the factors of `set`. */
static double marginal(const struct anova_cell *cell, const int *levels, int n_factors, int like, unsigned set)
{
	int n_cells = product(levels, n_factors, ~0u);
	double sum = 0;
	int n = 0;

	for (int i = 0; i < n_cells; i++) {
		bool same = true;

		for (int k = 0; k < n_factors && same; k++)
			if (set & 1u << k)
				same = level_of(i, k, levels, n_factors) == level_of(like, k, levels, n_factors);
		if (same) {
			sum += cell[i].mean;
			n++;
		}
	}
	return sum / n;
}

/* effect_S at the levels of one cell. */
static double effect_at(const struct anova_cell *cell, const int *levels, int n_factors, int at, unsigned set)
{
	double effect = 0;

	for (unsigned t = 0; t <= set; t++)
		if ((t & set) == t)
			effect += (bits(set) - bits(t)) % 2 ? -marginal(cell, levels, n_factors, at, t)
							    : marginal(cell, levels, n_factors, at, t);
	return effect;
}

/* Summed over all cells each level of S counts (cells / levels of S) times: the product of the other factors' levels. */
static double effect_squares(const struct anova_cell *cell, const int *levels, int n_factors, unsigned set)
{
	int n_cells = product(levels, n_factors, ~0u);
	double sum = 0;

	for (int i = 0; i < n_cells; i++) {
		double e = effect_at(cell, levels, n_factors, i, set);

		sum += e * e;
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

static void add_effect(struct anova *a, const struct anova_cell *cell, const int *levels, int n_factors, unsigned set,
		       double weight)
{
	struct anova_effect *e = &a->effect[a->n_effects++];

	e->factors = set;
	e->df = effect_df(levels, n_factors, set);
	e->ss = weight * effect_squares(cell, levels, n_factors, set);
	e->f = a->error_df > 0 && a->error_ss > 0 ? (e->ss / e->df) / (a->error_ss / a->error_df) : NAN;
	e->p = f_upper(e->f, e->df, a->error_df);
}

struct anova anova_of(const struct anova_cell *cell, const int *levels, int n_factors)
{
	int n_cells = product(levels, n_factors, ~0u);
	struct anova a = {0};
	double inverse = 0;
	double total;

	for (int i = 0; i < n_cells; i++) {
		inverse += 1.0 / cell[i].n;
		a.error_ss += cell[i].squares;
		a.error_df += cell[i].n - 1;
	}
	for (int size = 1; size <= n_factors; size++)
		for (unsigned set = 1; set < 1u << n_factors; set++)
			if (bits(set) == size)
				add_effect(&a, cell, levels, n_factors, set, n_cells / inverse);
	total = a.error_ss;
	for (int i = 0; i < a.n_effects; i++)
		total += a.effect[i].ss;
	for (int i = 0; i < a.n_effects; i++)
		a.effect[i].share = total > 0 ? a.effect[i].ss / total : NAN;
	return a;
}
