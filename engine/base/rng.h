/*
 * rng.h - counter-based random numbers: a value is a function of (seed, purpose, stream, position), never of what was
 * drawn before it. So a resumed, re-ordered or parallel trial sees the numbers it would have seen alone.
 *
 * Generator: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
 */
#ifndef ENGINE_BASE_RNG_H
#define ENGINE_BASE_RNG_H

#include <stdint.h>

/* What a number is for; each purpose has its own streams. Append only: the values are part of the numerics. */
enum rng_purpose {
	RNG_INIT = 1,   /* stream: tensor number in the model */
	RNG_ORDER,      /* stream: epoch */
	RNG_DROPOUT,    /* stream: epoch << 32 | sample */
	RNG_FAKE_IMAGE, /* stream: sample */
	RNG_FAKE_LABEL, /* stream: 0, counter: sample */
	RNG_AUGMENT,    /* stream: epoch << 32 | sample */
};

/* One block of the generator: out = philox(counter, key). */
void rng_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]);

/* n floats, uniform in [low, high). */
void rng_uniform(float *out, int64_t n, float low, float high, uint64_t seed, enum rng_purpose purpose,
		 uint64_t stream);
/* n standard normals (Box and Muller 1958). */
void rng_normal(float *out, int64_t n, uint64_t seed, enum rng_purpose purpose, uint64_t stream);
/* out[i] = 0 with probability p, else 1. */
void rng_mask(uint8_t *out, int64_t n, double p, uint64_t seed, enum rng_purpose purpose, uint64_t stream);
/* Uniform integer below bound (> 0), unbiased (Lemire 2019, with rejection). */
uint32_t rng_below(uint64_t seed, enum rng_purpose purpose, uint64_t stream, uint64_t counter, uint32_t bound);
/* A uniformly random order of 0..n-1 (Fisher and Yates; Durstenfeld 1964). */
void rng_permutation(uint32_t *out, uint32_t n, uint64_t seed, enum rng_purpose purpose, uint64_t stream);

#endif
