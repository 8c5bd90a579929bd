/*
 * kern_winograd_tile.h - register tiles of kern_winograd.c's matrix products; included once a tile size (by kern_winograd_shared.h).
 *
 * PRODUCT_NAME (forward, backward to the data): m [rows][PANEL] = v [rows][depth] u [depth][PANEL], TILE_M rows (Winograd
 * tiles) times TILE_NV vectors of outputs. SUM_NAME (backward to the weights): du [TILE_T][PANEL] (+)= sum over tiles of
 * v [tile][VL] w [tile][PANEL]. Array bounds are constants of the preprocessor: see kern_conv_tile.h.
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
static void SUM_NAME(float *du, const float *v, const float *w, int tiles, bool add)
{
	vf sum[TILE_T][TILE_NV];

	KERN_UNROLL
	for (int i = 0; i < TILE_T * PANEL; i += LINE) /* added to when the sums are made */
		__builtin_prefetch(du + i, 1);
	KERN_UNROLL
	for (int i = 0; i < TILE_T; i++)
		KERN_UNROLL
	for (int j = 0; j < TILE_NV; j++)
		sum[i][j] = (vf){0};
	for (; tiles > 0; tiles--, v += VL, w += PANEL) {
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
#undef TILE_T
#endif
#undef TILE_NV
