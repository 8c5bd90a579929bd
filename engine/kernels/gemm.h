/* gemm.h - what gemm.c, the one file that knows BLAS, gives to its neighbours. */
#ifndef ENGINE_KERNELS_GEMM_H
#define ENGINE_KERNELS_GEMM_H

/* BLAS to one thread: we are the ones who decide what runs beside what. */
void gemm_init(void);
/* One line: version, build options and the core whose kernels run. */
const char *gemm_name(void);

#endif
