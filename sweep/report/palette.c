/* palette.c - see palette.h */
#include "sweep/report/palette.h"

#include <math.h>

#define STOPS 9
static const unsigned stop[][STOPS] = {
	[PALETTE_GAP] = {0xfdf6d8, 0xfee3a8, 0xfdc57f, 0xfa9f68, 0xee7763, 0xd25069, 0xa83472, 0x782271, 0x471365},
	[PALETTE_ACC] = {0x440154, 0x472d7b, 0x3b528b, 0x2c728e, 0x21918c, 0x28ae80, 0x5ec962, 0xaddc30, 0xfde725},
	[PALETTE_SIGNED] = {0x053061, 0x2f79b5, 0x7db8da, 0xcfe4ef, 0xf7f7f7, 0xf6e0bb, 0xdfb265, 0xb5742a, 0x663005},
};

static unsigned mix(unsigned a, unsigned b, double t, int shift)
{
	double x = a >> shift & 255;
	double y = b >> shift & 255;

	return (unsigned)lround(x + (y - x) * t) << shift;
}

unsigned palette_rgb(enum palette p, double t)
{
	double at = fmin(fmax(isnan(t) ? 0 : t, 0), 1) * (STOPS - 1);
	int i = at >= STOPS - 1 ? STOPS - 2 : (int)at;

	at -= i;
	return mix(stop[p][i], stop[p][i + 1], at, 16) | mix(stop[p][i], stop[p][i + 1], at, 8) |
	       mix(stop[p][i], stop[p][i + 1], at, 0);
}

static double linear(unsigned rgb, int shift)
{
	double v = (rgb >> shift & 255) / 255.0;

	return v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4);
}

unsigned palette_ink(unsigned rgb)
{
	double y = 0.2126 * linear(rgb, 16) + 0.7152 * linear(rgb, 8) + 0.0722 * linear(rgb, 0);

	return (y + 0.05) / 0.05 >= 1.05 / (y + 0.05) ? 0x000000 : 0xffffff;
}

void palette_write(FILE *out, enum palette p)
{
	fputs("set palette defined (", out);
	for (int i = 0; i < STOPS; i++)
		fprintf(out, "%s%d '#%06x'", i ? ", " : "", i, stop[p][i]);
	fputs(")\n", out);
}
