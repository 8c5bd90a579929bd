/* engine.c - start-up of the engine (see engine.h) */
#include "engine/engine.h"

#include "engine/kernels/kernels.h"

int engine_init(struct err *e)
{
	return kernels_init(e);
}

const char *engine_kernels(void)
{
	return kernels_isa();
}

const char *engine_blas(void)
{
	return kernels_blas();
}
