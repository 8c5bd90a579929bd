/* gemm.c - see gemm.h and the linear layer in kernels.h; alone in knowing OpenBLAS */
#include "engine/kernels/gemm.h"

#include <cblas.h>
#include <stdio.h>
#include <string.h>

#include "engine/kernels/kernels.h"

static char name[256];

void gemm_init(void)
{
	const char *config = openblas_get_config();
	const char *core = openblas_get_corename();

	openblas_set_num_threads(1);
	/* Debian's config line ends with the core that it was started with; say it once. */
	if (strstr(config, core))
		snprintf(name, sizeof(name), "%s", config);
	else
		snprintf(name, sizeof(name), "%s %s", config, core);
}

const char *gemm_name(void)
{
	return name;
}

void gemm_linear_forward(float *y, const float *x, const float *w, const float *b, int n, int d, int o)
{
	for (int i = 0; i < n; i++)
		memcpy(y + (size_t)i * o, b, (size_t)o * sizeof(*y));
	cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, n, o, d, 1, x, d, w, d, 1, y, o);
}

static void column_sums(float *db, const float *dy, int n, int o)
{
	memset(db, 0, (size_t)o * sizeof(*db));
	for (int i = 0; i < n; i++)
		for (int j = 0; j < o; j++)
			db[j] += dy[(size_t)i * o + j];
}

void gemm_linear_backward(float *dx, float *dw, float *db, const float *dy, const float *x, const float *w, int n,
			  int d, int o)
{
	if (dx)
		cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, d, o, 1, dy, o, w, d, 0, dx, d);
	if (dw)
		cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, o, d, n, 1, dy, o, x, d, 0, dw, d);
	if (db)
		column_sums(db, dy, n, o);
}
