/*
 * kern_winograd_tile.h - register tiles of kern_winograd.c's matrix products; included once a tile size (by kern_winograd_shared.h).
 *
 * PRODUCT_NAME (forward, backward to the data): m [rows][PANEL] = v [rows][depth] u [depth][PANEL], TILE_M rows (Winograd
 * tiles) times TILE_NV vectors of outputs. SUM_NAME (backward to the weights): du [TILE_T][PANEL] (+)= sum over tiles of
 * v [tile][VL] w [tile][PANEL]; `next` is the du of the call to come, mostly. Array bounds are constants of the preprocessor: see
 * kern_conv_tile.h.
 */
#ifdef PRODUCT_NAME
static void PRODUCT_NAME(float *m, const float *v, const float *u, int depth)
{
	vf sum[TILE_M][TILE_NV];

	KERN_UNROLL
	for (int i = 0; i < TILE_M; i++)
		KERN_UNROLL
	for (int j = 0; j < TILE_NV; j++)
		sum[i][j] = (vf){0};
	for (; depth > 0; depth -= VL, v += (ROWS - 1) * VL) {
		KERN_UNROLL
		for (int i = 0; i < TILE_M; i++) /* V of many channels has left the level-2 cache */
			__builtin_prefetch(v + (2 * ROWS + i) * VL);
		for (int left = depth < VL ? depth : VL; left > 0; left--, v++, u += PANEL) {
			vf uv[TILE_NV];

			KERN_UNROLL
			for (int j = 0; j < TILE_NV * VL; j += LINE)
				__builtin_prefetch(u + AHEAD_U * PANEL + j);
			KERN_UNROLL
			for (int j = 0; j < TILE_NV; j++)
				uv[j] = vf_load(u + j * VL);
			KERN_UNROLL
			for (int i = 0; i < TILE_M; i++)
				KERN_UNROLL
			for (int j = 0; j < TILE_NV; j++)
				sum[i][j] += v[i * VL] * uv[j];
		}
		if (depth < VL)
			break;
	}
	KERN_UNROLL
	for (int i = 0; i < TILE_M; i++)
		KERN_UNROLL
	for (int j = 0; j < TILE_NV; j++)
		vf_store(m + i * PANEL + j * VL, sum[i][j]);
}
#undef PRODUCT_NAME
#undef TILE_M
#endif

#ifdef SUM_NAME
KERN_INLINE void STEP_NAME(vf sum[TILE_T][TILE_NV], const float *v, const float *w)
{
	vf wv[TILE_NV];

	__builtin_prefetch(v + AHEAD_V * VL);
	KERN_UNROLL
	for (int j = 0; j < TILE_NV; j++)
		wv[j] = vf_load(w + j * VL);
	KERN_UNROLL
	for (int i = 0; i < TILE_T; i++)
		KERN_UNROLL
	for (int j = 0; j < TILE_NV; j++)
		sum[i][j] += v[i] * wv[j];
}

static void SUM_NAME(float *du, const float *next, const float *v, const float *w, int tiles, bool add)
{
	const int lines = TILE_T * PANEL / LINE; /* of next: a pair of tiles asks for two of them */
	const int pairs = tiles / 2, asking = 2 * pairs < lines ? pairs : lines / 2;
	const float *asked = v + asking * 2 * VL, *end = v + pairs * 2 * VL;
	vf sum[TILE_T][TILE_NV];

	KERN_UNROLL
	for (int i = 0; i < TILE_T; i++)
		KERN_UNROLL
	for (int j = 0; j < TILE_NV; j++)
		sum[i][j] = (vf){0};
	for (; v < asked; v += 2 * VL, w += 2 * PANEL, next += 2 * LINE) {
		__builtin_prefetch(next, 1);
		__builtin_prefetch(next + LINE, 1);
		STEP_NAME(sum, v, w);
		STEP_NAME(sum, v + VL, w + PANEL);
	}
	for (; v < end; v += 2 * VL, w += 2 * PANEL) {
		STEP_NAME(sum, v, w);
		STEP_NAME(sum, v + VL, w + PANEL);
	}
	if (tiles % 2)
		STEP_NAME(sum, v, w);
	if (add)
		KERN_UNROLL
	for (int i = 0; i < TILE_T; i++)
		KERN_UNROLL
	for (int j = 0; j < TILE_NV; j++)
		sum[i][j] += vf_load(du + i * PANEL + j * VL);
	KERN_UNROLL
	for (int i = 0; i < TILE_T; i++)
		KERN_UNROLL
	for (int j = 0; j < TILE_NV; j++)
		vf_store(du + i * PANEL + j * VL, sum[i][j]);
}
#undef SUM_NAME
#undef STEP_NAME
#undef TILE_T
#endif
#undef TILE_NV
