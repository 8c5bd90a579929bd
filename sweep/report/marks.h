/*
 * marks.h - what several charts draw alike: a sign and colour an optimizer, the names of best and baseline, rate tics.
 */
#ifndef SWEEP_REPORT_MARKS_H
#define SWEEP_REPORT_MARKS_H

#include "sweep/report/axis.h"
#include "sweep/report/chart.h"

/* "sgd"; "" if there is no such word. */
const char *optimizer_word(char out[32], int optimizer);
/* Whether some cell has it. */
bool optimizer_used(const struct study *st, int optimizer);

/* How wide DejaVu Sans sets a line, in pixels of 1/96 inch; an estimate from above, by kinds of characters. */
double text_px(const char *text, double points);

/* A mark a cell, in the units of the axes, and the part of the plane that is drawn. */
struct point {
	int cell;
	double x, y;
};
struct window {
	double x0, x1, y0, y1;
};
/* Facts NOTE, NOTE_X, NOTE_Y, NOTE_UP (lines above its mark, or below): the names of best and baseline, where they lie on the
 * fewest other marks. */
void notes_write(FILE *f, const struct summary *s, const struct point *p, int n, const struct window *w);

enum { MAX_MARKS = 8 };
/* Facts OPTIMIZERS, MARK (colours), HOLLOW, SOLID (point types) of the optimizers that occur. */
void marks_write(FILE *f, const struct study *st);
/*
 * Which rates of an axis `pixels` long get a word, so that no two touch (of_x: words lie along the axis); a regular
 * choice where many go. shown has room for a->n; returns how many.
 */
enum { TIC_POINTS = 9, RATES_MAX = 2000 };
int rates_shown(bool *shown, const struct axis *a, int pixels, bool of_x);
/* Facts TIC, TIC_AT, TIC_PANEL: the rates of several axes `pixels` long, one axis after the other, as above. */
void rate_tics_of(FILE *f, const struct axis *a, int n_axes, int pixels);

#endif
