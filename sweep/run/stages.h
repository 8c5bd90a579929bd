/*
 * stages.h - states that trials leave on their way for those that start from them (struct fork of share.h).
 */
#ifndef SWEEP_RUN_STAGES_H
#define SWEEP_RUN_STAGES_H

#include "sweep/run/share.h"

struct stages;

/* At most `limit` bytes of states are held; what does not fit is not left, and who waits for it starts anew. */
int stages_new(struct stages **st, const struct share *s, const struct plan *p, size_t limit, struct err *e);
void stages_free(struct stages *st); /* accepts NULL */

/* All of these from any thread. A trial ends whatever becomes of it, also if it is not begun: others wait for it. */
void stages_end(struct stages *st, int trial);
/* Is somebody still to start from this trial's state after so many epochs? */
bool stages_wanted(struct stages *st, int trial, int epochs);
/* Takes over the malloc'ed block; NULL: there was no memory for it. */
void stages_leave(struct stages *st, int trial, int epochs, void *block, size_t bytes);
/*
 * The state that a trial starts from: waits until its parent has left it, or has ended. A parent's job is claimed before
 * its child's (struct share's order), but who claimed it may not have come to its first line yet. NULL: there is none, or
 * will be none. The block stays the stages'; stages_taken() says that it is not needed any more (also after NULL).
 */
const void *stages_take(struct stages *st, int trial, size_t *bytes);
void stages_taken(struct stages *st, int trial);

#endif
