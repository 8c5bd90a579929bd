/*
 * render.h - runs gnuplot on one script and puts its pictures in place; no shell in between.
 *
 * GAPSWEEP_GNUPLOT_TIMEOUT (seconds, default 60) bounds one run.
 */
#ifndef SWEEP_REPORT_RENDER_H
#define SWEEP_REPORT_RENDER_H

#include <stdbool.h>

#include "engine/base/err.h"

/*
 * Runs `gnuplot -d NAME.gp` in folder, which writes NAME.FORMAT for each of n formats under a temporary name, checks
 * exit code and sizes and renames them. Old pictures are removed first, so that a failure leaves none rather than a
 * stale or empty one. ERR_UNAVAILABLE: gnuplot is missing, failed (its first line is told), hung, or wrote nothing.
 */
int render(const char *folder, const char *name, const char *const *format, int n, struct err *e);

/*
 * Has fontconfig no such font as the charts ask for (so that png and pdf are drawn with the one that it has instead; "": with
 * none, without any text)? false also if it cannot be asked: there is no fc-match.
 */
bool render_font_missing(char instead[64]);

#endif
