/*
 * team.h - threads that a caller lends to the engine, which starts none of its own.
 */
#ifndef ENGINE_BASE_TEAM_H
#define ENGINE_BASE_TEAM_H

#include <stddef.h>

/* Part i of n of one piece of work; parts of one call run at the same time, on threads of their own. */
typedef void (*team_part)(void *ctx, int i, int n);

/*
 * run() calls part(ctx, 0, n) .. part(ctx, n - 1, n) and returns when all have: n is as many threads as the team has at
 * that moment, but at most `most` (>= 1). Part 0 runs on the calling thread. A team may grow or shrink between two calls,
 * never within one. Calls do not nest, and one thread at a time calls. An implementation embeds this struct.
 */
struct team {
	void (*run)(struct team *team, int most, team_part part, void *ctx);
};

/* team NULL: the calling thread alone. */
static inline void team_run(struct team *team, int most, team_part part, void *ctx)
{
	if (team && most > 1)
		team->run(team, most, part, ctx);
	else
		part(ctx, 0, 1);
}

/* Where part i of n begins in `items`, shared out as evenly as whole units allow; part n begins at the end. */
static inline ptrdiff_t team_share(ptrdiff_t items, ptrdiff_t unit, int i, int n)
{
	ptrdiff_t units = (items + unit - 1) / unit, at = units * i / n * unit;

	return at < items ? at : items;
}

#endif
