/*
 * kern_wgrad_tile.h - body of one register tile of kern_wgrad.c; included once a tile.
 *
 * TILE_NAME sums, over all pixels of a block, TILE_T inputs times TILE_NV vectors TILE_V of output channels, of which tn
 * and kn are there. The inputs are neighbours in a kernel row, or TILE_RUN (a whole row) in each of several rows. x and dy
 * point at the first pixel's; dw at the tile's first weight.
 */
#ifndef TILE_RUN
#define TILE_RUN TILE_T
#endif
static void TILE_NAME(float *dw, const struct wgrad *g, const float *x, const float *dy, bool add, int tn, int kn)
{
	enum { LANES = sizeof(TILE_V) / sizeof(float), WIDTH = TILE_NV * LANES };
	TILE_V sum[TILE_T][TILE_NV];
	float out[TILE_T * WIDTH] __attribute__((aligned(64)));
	const ptrdiff_t line = g->x_line;

	KERN_UNROLL
	for (int t = 0; t < TILE_T; t++)
		KERN_UNROLL
	for (int v = 0; v < TILE_NV; v++)
		sum[t][v] = (TILE_V){0};
	for (int i = 0; i < g->n; i++) {
		for (int p = 0; p < g->p; p++) {
			const float *a = x + i * g->x_image + p * g->x_row;
			const float *b = dy + i * g->dy_image + p * g->dy_row;

			for (int q = g->q; q > 0; q--) {
				TILE_V dv[TILE_NV];

				KERN_UNROLL
				for (int v = 0; v < TILE_NV; v++)
					dv[v] = *(const KERN_JOIN(TILE_V, _u) *)(b + v * LANES);
				KERN_UNROLL
				for (int t = 0; t < TILE_T; t++)
					KERN_UNROLL
				for (int v = 0; v < TILE_NV; v++)
					sum[t][v] += a[t / TILE_RUN * line + t % TILE_RUN] * dv[v];
				a += g->x_pixel;
				b += g->dy_pixel;
			}
		}
	}
	if (tn == TILE_T && kn == WIDTH) {
		KERN_UNROLL
		for (int t = 0; t < TILE_T; t++)
			KERN_UNROLL
		for (int v = 0; v < TILE_NV; v++) {
			KERN_JOIN(TILE_V, _u) *at = (KERN_JOIN(TILE_V, _u) *)(dw + (ptrdiff_t)t * g->k + v * LANES);

			if (add)
				sum[t][v] += *at;
			*at = sum[t][v];
		}
		return;
	}
	KERN_UNROLL
	for (int t = 0; t < TILE_T; t++)
		KERN_UNROLL
	for (int v = 0; v < TILE_NV; v++)
		*(TILE_V *)(out + (t * TILE_NV + v) * LANES) = sum[t][v];
	for (int t = 0; t < tn; t++)
		store_sums(dw + (ptrdiff_t)t * g->k, out + t * WIDTH, add, kn);
}
#undef TILE_NAME
#undef TILE_V
#undef TILE_NV
#undef TILE_T
#undef TILE_RUN
