/*
 * suggest.h - the known word nearest to a mistyped one, by edit distance.
 *
 *	struct suggest g = {.word = "parameter"};
 *	suggest_try(&g, "parameters");     ... every word that would have been right
 *	suggest_text(&g, hint);            "; did you mean 'parameters'?", or "" if none is near
 */
#ifndef SWEEP_GRID_SUGGEST_H
#define SWEEP_GRID_SUGGEST_H

#define SUGGEST_MAX 64

struct suggest {
	const char *word;
	char best[SUGGEST_MAX]; /* "" while none is near enough */
	int distance;           /* of best */
};

void suggest_try(struct suggest *g, const char *known);
/* Every word of a list that is separated by single spaces. */
void suggest_try_words(struct suggest *g, const char *words);
const char *suggest_text(const struct suggest *g, char out[SUGGEST_MAX + 32]);

#endif
