/*
 * kern_conv_tile.h - body of one register tile of kern_conv.c; included once a tile.
 *
 * TILE_NAME computes TILE_G groups of TILE_GS neighbouring pixels times TILE_NV vectors TILE_V of output channels.
 * Array bounds are constants of the preprocessor: with anything else gcc keeps the sums in memory.
 */
static void TILE_NAME(const struct direct *d, const float *w, const struct group *g, int k0, int kn)
{
	enum { LANES = sizeof(TILE_V) / sizeof(float), WIDTH = TILE_NV * LANES };
	TILE_V sum[TILE_G][TILE_GS][TILE_NV];
	float out[TILE_G * TILE_GS * WIDTH] __attribute__((aligned(64)));
	ptrdiff_t step = d->x_pixel, step3 = 3 * step;

	KERN_UNROLL
	for (int i = 0; i < TILE_G; i++)
		KERN_UNROLL
	for (int j = 0; j < TILE_GS; j++)
		KERN_UNROLL
	for (int v = 0; v < TILE_NV; v++)
		sum[i][j][v] = (TILE_V){0};
	KERN_OPAQUE(step);
	KERN_OPAQUE(step3);
	for (int r = 0; r < d->rows; r++) {
		const float *a[TILE_G];
#if TILE_GS > 4
		const float *b[TILE_G];
#endif

		KERN_UNROLL
		for (int i = 0; i < TILE_G; i++) {
			a[i] = g[i].x + r * d->x_line;
#if TILE_GS > 4
			b[i] = a[i] + 4 * step;
#endif
		}
		for (int t = d->run; t > 0; t--) {
			TILE_V wv[TILE_NV];

			KERN_UNROLL
			for (int v = 0; v < TILE_NV; v++)
				wv[v] = *(const KERN_JOIN(TILE_V, _u) *)(w + v * LANES);
			w += WIDTH;
			KERN_UNROLL
			for (int i = 0; i < TILE_G; i++) {
				KERN_OPAQUE(a[i]);
				KERN_UNROLL
				for (int v = 0; v < TILE_NV; v++) {
					sum[i][0][v] += a[i][0] * wv[v];
					sum[i][1][v] += a[i][step] * wv[v];
					sum[i][2][v] += a[i][2 * step] * wv[v];
					sum[i][3][v] += a[i][step3] * wv[v];
				}
				a[i]++;
#if TILE_GS > 4
				KERN_OPAQUE(b[i]);
				KERN_UNROLL
				for (int v = 0; v < TILE_NV; v++) {
					sum[i][4][v] += b[i][0] * wv[v];
					sum[i][5][v] += b[i][step] * wv[v];
					sum[i][6][v] += b[i][2 * step] * wv[v];
				}
				b[i]++;
#endif
			}
		}
	}
	KERN_UNROLL
	for (int i = 0; i < TILE_G; i++)
		KERN_UNROLL
	for (int j = 0; j < TILE_GS; j++)
		KERN_UNROLL
	for (int v = 0; v < TILE_NV; v++)
		*(TILE_V *)(out + ((i * TILE_GS + j) * TILE_NV + v) * LANES) = sum[i][j][v];
	if (kn == WIDTH && d->plain) {
		for (int i = 0; i < TILE_G; i++)
			for (int j = g[i].from; j < g[i].to; j++)
				KERN_UNROLL
		for (int v = 0; v < WIDTH; v += LANES)
			*(KERN_JOIN(TILE_V, _u) *)(d->y + g[i].y + j * d->y_pixel + k0 + v) =
				*(const TILE_V *)(out + (i * TILE_GS + j) * WIDTH + v);
		return;
	}
	for (int i = 0; i < TILE_G; i++)
		for (int j = g[i].from; j < g[i].to; j++)
			store_pixel(d, g[i].y + j * d->y_pixel + k0, out + (i * TILE_GS + j) * WIDTH, k0, kn);
}
#undef TILE_NAME
#undef TILE_V
#undef TILE_NV
#undef TILE_G
#undef TILE_GS
