/* gemm.h - what gemm.c, the one file that knows BLAS, gives to its neighbours. */
#ifndef ENGINE_KERNELS_GEMM_H
#define ENGINE_KERNELS_GEMM_H

#include "engine/base/err.h"

/*
 * OpenBLAS maps a buffer for each of its threads when it is loaded, before main(), and one more for each call that runs beside
 * others, when it needs it. Where it may not (ulimit -v) it tries for ever. So both are tried before it does:
 * gemm_may_load() before the libraries' constructors run (no environ yet: envp is main's), else ERR_NOMEM;
 * gemm_threads() before calls from n threads at once. From then on these never ask for memory.
 */
int gemm_may_load(char *const *envp, struct err *e);
int gemm_threads(int n, struct err *e);
/* BLAS to one thread: we are the ones who decide what runs beside what. */
void gemm_init(void);
/* One line: version, build options and the core whose kernels run. */
const char *gemm_name(void);

/* linear_forward(), linear_backward() of kernels.h by OpenBLAS */
void gemm_linear_forward(float *y, const float *x, const float *w, const float *b, int n, int d, int o);
void gemm_linear_backward(float *dx, float *dw, float *db, const float *dy, const float *x, const float *w, int n,
			  int d, int o);

#endif
