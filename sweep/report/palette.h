/*
 * palette.h - colours for figures in a heat map, and which ink can be read on them.
 */
#ifndef SWEEP_REPORT_PALETTE_H
#define SWEEP_REPORT_PALETTE_H

#include <stdio.h>

/*
 * Lightness runs one way in each sequential palette, so that they work in grey and for colour-blind readers; light is
 * good in both: PALETTE_GAP goes from pale (no gap) to dark violet, PALETTE_ACC from dark violet to yellow (viridis).
 * PALETTE_SIGNED goes from blue through white (the middle) to brown, for gaps of both signs.
 */
enum palette { PALETTE_GAP, PALETTE_ACC, PALETTE_SIGNED };

/* 0xRRGGBB at t in 0..1. */
unsigned palette_rgb(enum palette p, double t);
/* Black or white (0xRRGGBB), whichever has the greater contrast by WCAG's relative luminance. */
unsigned palette_ink(unsigned rgb);
/* gnuplot's `set palette defined` line. */
void palette_write(FILE *out, enum palette p);

#endif
