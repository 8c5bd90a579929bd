/*
 * bench_kernels.c - GFLOP/s of the convolutions of the demo network and of ResNet-18, pass by pass, as a share of what
 * this core's multiply-add units give (measured by a small loop). Counted are the multiplications of the direct sum, so
 * that Winograd's reach beyond 100 %. Usage: bench_kernels [demo|resnet18|rest]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/kernels/split.h"

struct layer {
	const char *name;
	int n, count; /* images; how often the network has it */
	struct conv_shape cs;
};

#define L(name, n, count, side, in, out, kernel, step, border)                                             \
	{                                                                                                  \
		name, n, count,                                                                            \
		{                                                                                          \
			.h = side, .w = side, .c = in, .k = out, .r = kernel, .s = kernel, .stride = step, \
			.pad = border, .p = ((side) + 2 * (border) - (kernel)) / (step) + 1,               \
			.q = ((side) + 2 * (border) - (kernel)) / (step) + 1,                              \
		}                                                                                          \
	}

static const struct layer demo[] = {
	L("stem", 32, 1, 28, 1, 8, 3, 2, 1),        L("8 @14", 32, 4, 14, 8, 8, 3, 1, 1),
	L("8-16/2 @14", 32, 1, 14, 8, 16, 3, 2, 1), L("16 @7", 32, 3, 7, 16, 16, 3, 1, 1),
	L("1x1/2 8-16", 32, 1, 14, 8, 16, 1, 2, 0), L("16-32/2 @7", 32, 1, 7, 16, 32, 3, 2, 1),
	L("32 @4", 32, 3, 4, 32, 32, 3, 1, 1),      L("1x1/2 16-32", 32, 1, 7, 16, 32, 1, 2, 0),
};
static const struct layer resnet18[] = {
	L("stem 7x7/2", 4, 1, 224, 3, 64, 7, 2, 3),      L("64 @56", 4, 4, 56, 64, 64, 3, 1, 1),
	L("64-128/2 @56", 4, 1, 56, 64, 128, 3, 2, 1),   L("128 @28", 4, 3, 28, 128, 128, 3, 1, 1),
	L("1x1/2 64-128", 4, 1, 56, 64, 128, 1, 2, 0),   L("128-256/2 @28", 4, 1, 28, 128, 256, 3, 2, 1),
	L("256 @14", 4, 3, 14, 256, 256, 3, 1, 1),       L("1x1/2 128-256", 4, 1, 28, 128, 256, 1, 2, 0),
	L("256-512/2 @14", 4, 1, 14, 256, 512, 3, 2, 1), L("512 @7", 4, 3, 7, 512, 512, 3, 1, 1),
	L("1x1/2 256-512", 4, 1, 14, 256, 512, 1, 2, 0),
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Independent multiply-adds in the vectors of the kernels that run. */
#if defined(__x86_64__)
typedef float v8 __attribute__((vector_size(32)));
typedef float v16 __attribute__((vector_size(64)));
enum { SUMS = 12, TURNS = 50000 };

#define FMA_ROUND(vec, lanes)                                                                     \
	do {                                                                                      \
		vec sum[SUMS] = {{0}}, a = {0.5f}, b = {1};                                       \
		double start = now();                                                             \
                                                                                                  \
		for (int i = 0; i < TURNS; i++)                                                   \
			_Pragma("GCC unroll 12") for (int j = 0; j < SUMS; j++) __asm__ volatile( \
				"vfmadd231ps %1, %2, %0" : "+v"(sum[j]) : "v"(a), "v"(b));        \
		return 2.0 * (lanes)*SUMS * TURNS / (now() - start) / 1e9;                        \
	} while (0)

__attribute__((target("avx2,fma"))) static double fma_round8(void)
{
	FMA_ROUND(v8, 8);
}

__attribute__((target("avx512f"))) static double fma_round16(void)
{
	FMA_ROUND(v16, 16);
}

static double fma_round(void)
{
	return !strcmp(kernels_isa(), "avx512") ? fma_round16() : fma_round8();
}
#else
static double fma_round(void)
{
	return 1;
}
#endif

static double fma_peak(void)
{
	double best = 0, f;

	for (int i = 0; i < 300; i++)
		best = (f = fma_round()) > best ? f : best;
	return best;
}

static float *floats(size_t n)
{
	float *x = aligned_alloc(64, (n * sizeof(float) + 63) / 64 * 64);

	if (!x)
		exit(71);
	for (size_t i = 0; i < n; i++)
		x[i] = (float)(i * 2654435761u % 1000) / 1000 - 0.5f;
	return x;
}

struct buffers {
	float *x, *w, *y, *ws, *dx, *dw;
};

static void pass(const struct layer *l, const struct buffers *b, int which)
{
	if (which == 0)
		conv_forward(b->y, b->x, b->w, &l->cs, l->n, NULL, b->ws);
	else if (which == 1)
		conv_backward_data(b->dx, b->y, b->w, &l->cs, l->n, false, b->ws);
	else
		conv_backward_weights(b->dw, NULL, b->y, b->x, &l->cs, l->n, b->ws);
}

/* Best of many short rounds: the machine may be busy with other things. */
static double seconds(const struct layer *l, const struct buffers *b, int which)
{
	double best = 1e9;

	for (int round = 0; round < 100; round++) {
		double start = now(), t;
		int turns = 0;

		do {
			pass(l, b, which);
			turns++;
			t = now() - start;
		} while (t < 0.001);
		if (t / turns < best)
			best = t / turns;
	}
	return best;
}

static void bench(const char *title, const struct layer *layers, int n, double peak)
{
	double all[3] = {0}, work = 0;

	printf("\n%-16s %9s %9s %9s   GFLOP/s and %% of peak\n", title, "forward", "bwd data", "bwd wgts");
	for (int i = 0; i < n; i++) {
		struct layer layer = layers[i], *l = &layer;
		struct conv_shape *cs = &l->cs;
		size_t xs = (size_t)(l->n * cs->h * cs->w * cs->c), ys = (size_t)(l->n * cs->p * cs->q * cs->k);
		size_t ws = (size_t)(cs->r * cs->s * cs->c * cs->k);
		double flops = 2.0 * (double)ys * cs->r * cs->s * cs->c;
		struct buffers b;

		cs->algo = conv_faster(cs); /* decides the workspace */
		b = (struct buffers){floats(xs), floats(ws), floats(ys), floats(conv_workspace(cs, l->n)),
				     floats(xs), floats(ws)};
		printf("%-16s", l->name);
		for (int which = 0; which < 3; which++) {
			double s = seconds(l, &b, which);

			all[which] += s * l->count;
			printf(" %5.1f %3.0f", flops / s / 1e9, 100 * flops / s / 1e9 / peak);
		}
		work += flops * l->count;
		printf("   %6.3f MFLOP x %d%s\n", flops / 1e6, l->count, cs->algo == CONV_WINOGRAD ? ", Winograd" : "");
		free(b.x), free(b.w), free(b.y), free(b.ws), free(b.dx), free(b.dw);
	}
	printf("%-16s", "network");
	for (int which = 0; which < 3; which++)
		printf(" %5.1f %3.0f", work / all[which] / 1e9, 100 * work / all[which] / 1e9 / peak);
	printf("   all passes %.1f GFLOP/s, %.3f ms\n", 3 * work / (all[0] + all[1] + all[2]) / 1e9,
	       1e3 * (all[0] + all[1] + all[2]));
}

/* ---- the rest: BatchNorm, optimizers, the linear layer; microseconds a call ---- */

struct rest {
	const char *name;
	int64_t m;
	int c, o;
	void (*call)(const struct rest *r, float *const *b);
	double bytes; /* moved per element of m * c, for GB/s; 0: prints GFLOP/s of 2 m c o */
};

static float room[64 << 10] __attribute__((aligned(64)));
static const struct crew alone = {.threads = 1, .ws = room};

static void call_bn_forward(const struct rest *r, float *const *b)
{
	bn_forward_train(&alone, b[0], b[5], b[6], b[7], b[8], b[1], b[9], b[9], NULL, true, r->m, r->c, 1e-5f, 0.1f);
}

static void call_bn_backward(const struct rest *r, float *const *b)
{
	bn_backward(&alone, b[2], b[10], b[11], NULL, b[3], NULL, b[1], b[5], b[6], b[9], b[9], true, true, false, r->m,
		    r->c);
}

static void call_sgd(const struct rest *r, float *const *b)
{
	struct step_sums s;

	sgd_step(b[0], b[1], b[2], r->m * r->c, 1e-9f, 0.9f, 0, false, 0, false, &s);
}

static void call_adam(const struct rest *r, float *const *b)
{
	struct step_sums s;

	adam_step(b[0], b[4], b[4] + r->m * r->c, NULL, b[2], r->m * r->c, 1e-9, 0.9, 0.999, 1e-8, 0, false, 9, &s);
}

static void call_linear(const struct rest *r, float *const *b)
{
	linear_forward(b[0], b[1], b[4], b[9], (int)r->m, r->c, r->o);
}

static void call_linear_backward(const struct rest *r, float *const *b)
{
	linear_backward(b[2], b[4], b[10], b[0], b[1], b[3], (int)r->m, r->c, r->o);
}

static const struct rest rests[] = {
	{"bn+relu fwd 8@14", 6272, 8, 0, call_bn_forward, 8},
	{"bn+relu bwd 8@14", 6272, 8, 0, call_bn_backward, 12},
	{"bn+relu fwd 32@4", 512, 32, 0, call_bn_forward, 8},
	{"bn+relu bwd 32@4", 512, 32, 0, call_bn_backward, 12},
	{"bn+relu fwd 64@56", 12544, 64, 0, call_bn_forward, 8},
	{"bn+relu bwd 64@56", 12544, 64, 0, call_bn_backward, 12},
	{"sgd 40960", 40, 1024, 0, call_sgd, 20},
	{"adam 40960", 40, 1024, 0, call_adam, 28},
	{"linear fwd 32x32-10", 32, 32, 10, call_linear, 0},
	{"linear bwd 32x32-10", 32, 32, 10, call_linear_backward, 0},
	{"linear fwd 64x784-256", 64, 784, 256, call_linear, 0},
	{"linear bwd 64x784-256", 64, 784, 256, call_linear_backward, 0},
};

static void bench_rest(const struct rest *r)
{
	size_t n = (size_t)r->m * (size_t)r->c, small = 1 << 12;
	float *b[12];
	double best = 1e9;

	for (int i = 0; i < 12; i++)
		b[i] = i == 4 ? memset(floats(2 * n + (1 << 20)), 0, 2 * n * sizeof(float))
			      : floats(i < 4 ? n + (1 << 20) : small);
	for (int i = 0; i < 200; i++) {
		double start = now();

		for (int j = 0; j < 10; j++)
			r->call(r, b);
		if ((now() - start) / 10 < best)
			best = (now() - start) / 10;
	}
	printf("%-22s %8.2f us %6.1f %s\n", r->name, 1e6 * best,
	       (r->bytes != 0 ? (double)n * r->bytes : 2.0 * (double)n * r->o) / best / 1e9,
	       r->bytes != 0 ? "GB/s" : "GFLOP/s");
	for (int i = 0; i < 12; i++)
		free(b[i]);
}

int main(int argc, char **argv)
{
	struct err e;
	double peak;

	if (kernels_init(&e)) {
		fprintf(stderr, "bench_kernels: %s\n", e.msg);
		return -e.code;
	}
	peak = fma_peak();
	printf("kernels %s, BLAS %s\nFMA peak: %.1f GFLOP/s on one core\n", kernels_isa(), kernels_blas(), peak);
	if (argc < 2 || !strcmp(argv[1], "demo"))
		bench("demo", demo, sizeof(demo) / sizeof(demo[0]), peak);
	if (argc < 2 || !strcmp(argv[1], "resnet18"))
		bench("resnet18, b4", resnet18, sizeof(resnet18) / sizeof(resnet18[0]), peak);
	if (argc < 2 || !strcmp(argv[1], "rest")) {
		printf("\n");
		for (size_t i = 0; i < sizeof(rests) / sizeof(rests[0]); i++)
			bench_rest(&rests[i]);
	}
	return 0;
}
