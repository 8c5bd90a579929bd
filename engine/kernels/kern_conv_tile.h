/*
 * kern_conv_tile.h - body of one register tile of kern_conv.c; included once a tile.
 *
 * TILE_NAME computes TILE_G groups of TILE_GS neighbouring pixels times TILE_NV vectors TILE_V of output channels.
 * Array bounds are constants of the preprocessor: with anything else gcc keeps the sums in memory. One pixel after another,
 * so that a single register holds what is multiplied: with more the 28 sums of AVX-512 would not all fit.
 */
#define ADD_PIXEL(sums, pixel)                    \
	do {                                      \
		float x_ = (pixel);               \
		KERN_UNROLL                       \
		for (int v = 0; v < TILE_NV; v++) \
			(sums)[v] += x_ * wv[v];  \
	} while (0)
/* store_pixel() of a whole vector */
#define AT(p) (*(KERN_JOIN(TILE_V, _u) *)(p))
#define STORE(at, k, value)                                                              \
	do {                                                                             \
		ptrdiff_t at_ = (at);                                                    \
		TILE_V v_ = (value);                                                     \
                                                                                         \
		if (!d->plain) {                                                         \
			if (d->bias)                                                     \
				v_ += AT(d->bias + (k));                                 \
			if (d->add)                                                      \
				v_ += AT(d->add + at_);                                  \
			if (d->relu)                                                     \
				v_ = (TILE_V)((__typeof__(v_ <= v_))v_ & ~(v_ <= 0.0f)); \
			if (d->accumulate)                                               \
				v_ += AT(d->y + at_);                                    \
		}                                                                        \
		AT(d->y + at_) = v_;                                                     \
	} while (0)
static void TILE_NAME(const struct direct *d, const float *w, const struct group *g, int k0, int kn)
{
	enum { LANES = sizeof(TILE_V) / sizeof(float), WIDTH = TILE_NV * LANES, LINE = 16 };
	TILE_V sum[TILE_G][TILE_GS][TILE_NV];
	float out[TILE_G * TILE_GS * WIDTH] __attribute__((aligned(64)));
	ptrdiff_t step = d->x_pixel, step3 = 3 * step;

	/* While sums are made, what they go to is brought near; small maps are. */
	for (int i = 0; i < TILE_G && d->y_image > BLOCK_FLOATS; i++)
		for (int j = g[i].from; j < g[i].to; j++)
			for (int v = 0; v < WIDTH; v += LINE)
				__builtin_prefetch(d->y + g[i].y + j * d->y_pixel + k0 + v, 1);
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
				ADD_PIXEL(sum[i][0], a[i][0]);
				ADD_PIXEL(sum[i][1], a[i][step]);
				ADD_PIXEL(sum[i][2], a[i][2 * step]);
				ADD_PIXEL(sum[i][3], a[i][step3]);
				a[i]++;
#if TILE_GS > 4
				KERN_OPAQUE(b[i]);
				ADD_PIXEL(sum[i][4], b[i][0]);
				ADD_PIXEL(sum[i][5], b[i][step]);
				ADD_PIXEL(sum[i][6], b[i][2 * step]);
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
	for (int i = 0; kn == WIDTH && i < TILE_G; i++)
		for (int j = g[i].from; j < g[i].to; j++)
			KERN_UNROLL
	for (int v = 0; v < WIDTH; v += LANES)
		STORE(g[i].y + j * d->y_pixel + k0 + v, k0 + v, *(const TILE_V *)(out + (i * TILE_GS + j) * WIDTH + v));
	if (kn == WIDTH)
		return;
	for (int i = 0; i < TILE_G; i++)
		for (int j = g[i].from; j < g[i].to; j++)
			store_pixel(d, g[i].y + j * d->y_pixel + k0, out + (i * TILE_GS + j) * WIDTH, k0, kn);
}
#undef AT
#undef STORE
#undef ADD_PIXEL
#undef TILE_NAME
#undef TILE_V
#undef TILE_NV
#undef TILE_G
#undef TILE_GS
