/* marks.c - see marks.h */
#include "sweep/report/marks.h"

#include <string.h>

enum { MAX_TICS = 100, TIC_PIXELS = 50 };

const char *optimizer_word(char out[32], int optimizer)
{
	const struct field *f = field_find(hyper_fields, n_hyper_fields, "optimizer");

	*out = 0;
	if (f)
		field_enum_word(f, optimizer, out, 32);
	return out;
}

bool optimizer_used(const struct study *st, int optimizer)
{
	for (int i = 0; i < st->n_cells; i++)
		if (st->cell[i].setting.hyper.optimizer == optimizer)
			return true;
	return false;
}

void marks_write(FILE *f, const struct study *st)
{
	static const char *const colour[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
					     "#e69f00", "#56b4e9", "#202020", "#999999"};
	static const double hollow[] = {6, 8, 4, 10, 12, 14, 6, 8};
	char word[MAX_MARKS][32];
	const char *name[MAX_MARKS];
	const char *mark[MAX_MARKS];
	double pt[2][MAX_MARKS];
	int n = 0;

	for (int k = 0; k < 64 && n < MAX_MARKS; k++) {
		if (!optimizer_used(st, k))
			continue;
		name[n] = optimizer_word(word[n], k);
		mark[n] = colour[n];
		pt[0][n] = hollow[n];
		pt[1][n] = hollow[n] + 1;
		n++;
	}
	fact_texts(f, "OPTIMIZERS", name, n);
	fact_texts(f, "MARK", mark, n);
	fact_numbers(f, "HOLLOW", pt[0], n);
	fact_numbers(f, "SOLID", pt[1], n);
}

void rate_tics_of(FILE *f, const struct axis *a, int n_axes, int pixels)
{
	char text[MAX_TICS][NUM_MAX];
	const char *label[MAX_TICS];
	double at[MAX_TICS];
	double panel[MAX_TICS];
	int n = 0;

	for (int p = 0; p < n_axes; p++) {
		double apart = (a[p].high - a[p].low) * TIC_PIXELS / pixels;
		double last = -1e300;

		for (int i = 0; i < a[p].n && n < MAX_TICS; i++) {
			if (a[p].at[i] - last < apart)
				continue;
			last = a[p].at[i];
			label[n] = rate_text(text[n], a[p].value[i]);
			panel[n] = p + 1;
			at[n++] = last;
		}
	}
	fact_texts(f, "TIC", label, n);
	fact_numbers(f, "TIC_AT", at, n);
	fact_numbers(f, "TIC_PANEL", panel, n);
}

void rate_tics_write(FILE *f, const struct axis *a, int pixels)
{
	rate_tics_of(f, a, 1, pixels);
}
