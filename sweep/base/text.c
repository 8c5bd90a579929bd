/* text.c - see text.h */
#include "sweep/base/text.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 4096

static bool make_room(struct text *t, size_t n)
{
	size_t room = t->room ? t->room : FIRST_ROOM;
	char *more;

	while (room <= t->n + n)
		room *= 2;
	if (room == t->room)
		return true;
	more = realloc(t->bytes, room);
	if (!more)
		return false;
	t->bytes = more;
	t->room = room;
	return true;
}

static ssize_t append(void *cookie, const char *bytes, size_t n)
{
	struct text *t = cookie;

	if (t->incomplete || !make_room(t, n)) { /* what comes behind a gap must not close it */
		t->incomplete = true;
		return 0;
	}
	memcpy(t->bytes + t->n, bytes, n);
	t->n += n;
	t->bytes[t->n] = 0;
	return (ssize_t)n;
}

int text_open(struct text *t, struct err *e)
{
	*t = (struct text){0};
	if (make_room(t, 0)) {
		t->bytes[0] = 0;
		t->f = fopencookie(t, "w", (cookie_io_functions_t){.write = append});
	}
	if (t->f)
		return 0;
	text_release(t);
	return err_set(e, ERR_NOMEM, "out of memory");
}

int text_close(struct text *t, struct err *e)
{
	bool bad = fclose(t->f) != 0;

	t->f = NULL;
	return bad || t->incomplete ? err_set(e, ERR_NOMEM, "out of memory") : 0;
}

void text_release(struct text *t)
{
	if (t->f)
		fclose(t->f);
	free(t->bytes);
	*t = (struct text){0};
}
