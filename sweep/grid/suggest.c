/* suggest.c - see suggest.h */
#include "sweep/grid/suggest.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static int least(int a, int b)
{
	return a < b ? a : b;
}

/* Insertions, deletions, changes and swaps of neighbours that make b of a; upper and lower case are one. */
static int edit_distance(const char *a, const char *b)
{
	int d[3][SUGGEST_MAX + 1]; /* rows i-2, i-1, i, modulo 3 */
	int n = (int)strlen(a), m = (int)strlen(b);

	for (int j = 0; j <= m; j++)
		d[0][j] = j;
	for (int i = 1; i <= n; i++) {
		int *row = d[i % 3], *up = d[(i + 2) % 3], *upper = d[(i + 1) % 3];

		row[0] = i;
		for (int j = 1; j <= m; j++) {
			int change = tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]);

			row[j] = least(least(up[j], row[j - 1]) + 1, up[j - 1] + change);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], upper[j - 2] + 1);
		}
	}
	return d[n % 3][m];
}

void suggest_try(struct suggest *g, const char *known)
{
	size_t length = strlen(g->word);
	int d;

	if (!length || length >= SUGGEST_MAX || strlen(known) >= SUGGEST_MAX)
		return;
	d = edit_distance(g->word, known);
	if (d > (int)(length < 3 ? 0 : 1 + length / 4) || (*g->best && d >= g->distance))
		return;
	g->distance = d;
	strcpy(g->best, known);
}

void suggest_try_words(struct suggest *g, const char *words)
{
	char one[SUGGEST_MAX];

	while (*words) {
		size_t n = strcspn(words, " ");

		if (n < sizeof(one)) {
			memcpy(one, words, n);
			one[n] = 0;
			suggest_try(g, one);
		}
		words += n + strspn(words + n, " ");
	}
}

const char *suggest_text(const struct suggest *g, char out[SUGGEST_MAX + 32])
{
	*out = 0;
	if (*g->best)
		snprintf(out, SUGGEST_MAX + 32, "; did you mean '%s'?", g->best);
	return out;
}
