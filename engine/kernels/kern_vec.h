/*
 * kern_vec.h - the vectors of the instruction set that this compilation is for (the Makefile's KERN_ISA).
 *
 * Included by kern_*.c only. `vf` is the natural vector of VL floats; `vf_u` the same at any float's address, which is
 * what loads and stores go through. Narrower vectors serve channel counts that would half-fill a wide one.
 */
#ifndef ENGINE_KERNELS_KERN_VEC_H
#define ENGINE_KERNELS_KERN_VEC_H

#include <stdint.h>
#if defined(KERN_avx512) || defined(KERN_avx2)
#include <immintrin.h>
#endif

#define KERN_JOIN2(a, b) a##b
#define KERN_JOIN(a, b)  KERN_JOIN2(a, b)
#define KERN_NAME(x)     KERN_JOIN(x, KERN_ISA) /* KERN_NAME(kern_conv_) is kern_conv_avx2, ... */

#define KERN_VECTOR(N)                                                                      \
	typedef float vf##N __attribute__((vector_size(4 * N)));                            \
	typedef float vf##N##_u __attribute__((vector_size(4 * N), aligned(4), may_alias)); \
	typedef int32_t vi##N __attribute__((vector_size(4 * N)));                          \
	typedef uint8_t vb##N##_u __attribute__((vector_size(N), aligned(1), may_alias))

KERN_VECTOR(4);
#if defined(KERN_avx2) || defined(KERN_avx512)
KERN_VECTOR(8);
#endif
#if defined(KERN_avx512)
KERN_VECTOR(16);
#define VL 16
typedef vf16 vf;
typedef vf16_u vf_u;
typedef vi16 vi;
typedef vb16_u vb_u;
#elif defined(KERN_avx2)
#define VL 8
typedef vf8 vf;
typedef vf8_u vf_u;
typedef vi8 vi;
typedef vb8_u vb_u;
#else
#define VL 4
typedef vf4 vf;
typedef vf4_u vf_u;
typedef vi4 vi;
typedef vb4_u vb_u;
#endif

#ifdef __clang__
#define KERN_UNROLL _Pragma("unroll")
#else
#define KERN_UNROLL _Pragma("GCC unroll 32")
#endif
#define KERN_INLINE static inline __attribute__((always_inline))
/* The value stays, but the compiler may no longer derive one pointer from another: it would run out of registers. */
#define KERN_OPAQUE(p) __asm__("" : "+r"(p))

KERN_INLINE vf vf_load(const float *p)
{
	return *(const vf_u *)p;
}

KERN_INLINE void vf_store(float *p, vf v)
{
	*(vf_u *)p = v;
}

KERN_INLINE vf vf_all(float x)
{
	return x - (vf){0};
}

/* x where mask is all ones, else 0 */
KERN_INLINE vf vf_and(vf x, vi mask)
{
	return (vf)((vi)x & mask);
}

/* PyTorch's relu: 0 where x <= 0, so that a NaN stays one. */
KERN_INLINE vf vf_relu(vf x)
{
	return vf_and(x, ~(vi)(x <= 0.0f));
}

KERN_INLINE float relu1(float x)
{
	return x <= 0.0f ? 0.0f : x;
}

/* The first n < VL floats at p; the other lanes are 0, and what lies there is not touched. */
KERN_INLINE vf vf_load_n(const float *p, int n)
{
#if defined(KERN_avx512)
	return (vf)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#elif defined(KERN_avx2)
	return (vf)_mm256_maskload_ps(p, (__m256i)((vi){0, 1, 2, 3, 4, 5, 6, 7} < n));
#else
	vf v = {0};

	for (int i = 0; i < n; i++)
		v[i] = p[i];
	return v;
#endif
}

KERN_INLINE void vf_store_n(float *p, vf v, int n)
{
#if defined(KERN_avx512)
	_mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
#elif defined(KERN_avx2)
	_mm256_maskstore_ps(p, (__m256i)((vi){0, 1, 2, 3, 4, 5, 6, 7} < n), (__m256)v);
#else
	for (int i = 0; i < n; i++)
		p[i] = v[i];
#endif
}

/* VL bytes as numbers: by the instruction, as gcc 12 takes a conversion of these types lane by lane. */
KERN_INLINE vi vi_bytes(const uint8_t *p)
{
#if defined(KERN_avx512)
	return (vi)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p));
#elif defined(KERN_avx2)
	return (vi)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p));
#else
	return __builtin_convertvector(*(const vb_u *)p, vi);
#endif
}

/* Lanes added in double, in order. */
KERN_INLINE double vf_sum(vf v)
{
	double s = 0;

	for (int i = 0; i < VL; i++)
		s += (double)v[i];
	return s;
}

#endif
