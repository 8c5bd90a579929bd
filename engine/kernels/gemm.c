/* gemm.c - see gemm.h and the linear layer in kernels.h; alone in knowing OpenBLAS */
#include "engine/kernels/gemm.h"

#include <cblas.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/kernels/kernels.h"

#define BUFFER      ((size_t)128 << 20) /* OpenBLAS's BUFFER_SIZE on 64-bit machines */
#define MARGIN      ((size_t)4 << 20)   /* what else the libraries take while they are loaded */
#define BUFFERS_MAX 64                  /* tried at once; OpenBLAS itself has room for 128, and warns beyond */

/* Not in a header, but in every libopenblas: takes a buffer from those that are mapped and free, or maps one. */
extern void *blas_memory_alloc(int why) __attribute__((weak));
extern void blas_memory_free(void *buffer) __attribute__((weak));

static char name[256];

static int at_most(int n, int most)
{
	return n < most ? n : most;
}

/* Can n buffers, and a little more, be mapped as OpenBLAS would? */
static bool room_for(int n)
{
	void *buffer[BUFFERS_MAX];
	void *margin = mmap(NULL, MARGIN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool fits = margin != MAP_FAILED;
	int got = 0;

	while (fits && got < n) {
		buffer[got] = mmap(NULL, BUFFER, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		fits = buffer[got] != MAP_FAILED;
		got += fits;
	}
	while (got)
		munmap(buffer[--got], BUFFER);
	if (margin != MAP_FAILED)
		munmap(margin, MARGIN);
	return fits;
}

static int no_room(int n, struct err *e)
{
	return err_set(e, ERR_NOMEM, "out of memory: OpenBLAS needs %d x %zu MB of address space; see ulimit -v", n,
		       BUFFER >> 20);
}

/* OpenBLAS's threads when it is loaded: OMP_NUM_THREADS, as it reads it, but no more than CPUs. */
static int threads_at_load(char *const *envp)
{
	static const char key[] = "OMP_NUM_THREADS=";
	int cpus = (int)sysconf(_SC_NPROCESSORS_CONF);
	int asked = 0;

	for (; *envp; envp++)
		if (!strncmp(*envp, key, sizeof(key) - 1))
			asked = atoi(*envp + sizeof(key) - 1);
	return asked > 0 ? at_most(asked, cpus) : cpus;
}

int gemm_may_load(char *const *envp, struct err *e)
{
	int n = threads_at_load(envp);

	return room_for(at_most(n, BUFFERS_MAX)) ? 0 : no_room(n, e);
}

int gemm_threads(int n, struct err *e)
{
	void *buffer[BUFFERS_MAX];
	int most = blas_memory_alloc ? at_most(n, BUFFERS_MAX) : 0;
	int got = 0;

	while (got < most && room_for(1))
		buffer[got++] = blas_memory_alloc(1);
	most -= got;
	while (got)
		blas_memory_free(buffer[--got]);
	return most > 0 ? no_room(n + 1, e) : 0; /* it holds one itself */
}

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
