/* gemm.h - what gemm.c, the one file that knows BLAS, gives to its neighbours. */
#ifndef ENGINE_KERNELS_GEMM_H
#define ENGINE_KERNELS_GEMM_H

/* BLAS to one thread: we are the ones who decide what runs beside what. */
void gemm_init(void);
/* One line: version, build options and the core whose kernels run. */
const char *gemm_name(void);

/* linear_forward(), linear_backward() of kernels.h by OpenBLAS */
void gemm_linear_forward(float *y, const float *x, const float *w, const float *b, int n, int d, int o);
void gemm_linear_backward(float *dx, float *dw, float *db, const float *dy, const float *x, const float *w, int n,
			  int d, int o);

#endif
