/* rng.c - see rng.h */
#include "engine/base/rng.h"

#include <math.h>

void rng_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2])
{
	uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
	uint32_t k0 = key[0], k1 = key[1];

	for (int round = 0; round < 10; round++) {
		uint64_t p0 = (uint64_t)0xD2511F53u * c0;
		uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;

		c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
		c1 = (uint32_t)p1;
		c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
		c3 = (uint32_t)p0;
		k0 += 0x9E3779B9u;
		k1 += 0xBB67AE85u;
	}
	out[0] = c0;
	out[1] = c1;
	out[2] = c2;
	out[3] = c3;
}

/* Block number `block` of a stream: the purpose shares its word with the block's upper bits. */
static void draw(uint32_t out[4], uint64_t seed, enum rng_purpose purpose, uint64_t stream, uint64_t block)
{
	const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
	const uint32_t counter[4] = {(uint32_t)block, (uint32_t)stream, (uint32_t)(stream >> 32),
				     (uint32_t)purpose | (uint32_t)(block >> 32) << 8};

	rng_philox(out, counter, key);
}

static double unit(uint32_t bits)
{
	return (bits >> 8) * 0x1p-24;
}

void rng_uniform(float *out, int64_t n, float low, float high, uint64_t seed, enum rng_purpose purpose, uint64_t stream)
{
	uint32_t word[4];

	for (int64_t i = 0; i < n; i++) {
		if (i % 4 == 0)
			draw(word, seed, purpose, stream, (uint64_t)i / 4);
		out[i] = (float)(low + ((double)high - low) * unit(word[i % 4]));
	}
}

void rng_normal(float *out, int64_t n, uint64_t seed, enum rng_purpose purpose, uint64_t stream)
{
	uint32_t word[4];

	for (int64_t i = 0; i < n; i += 2) {
		double radius, angle;

		if (i % 4 == 0)
			draw(word, seed, purpose, stream, (uint64_t)i / 4);
		radius = sqrt(-2 * log((word[i % 4] + 0.5) * 0x1p-32)); /* never log(0) */
		angle = 2 * M_PI * unit(word[i % 4 + 1]);
		out[i] = (float)(radius * cos(angle));
		if (i + 1 < n)
			out[i + 1] = (float)(radius * sin(angle));
	}
}

void rng_mask(uint8_t *out, int64_t n, double p, uint64_t seed, enum rng_purpose purpose, uint64_t stream)
{
	uint32_t word[4];

	for (int64_t i = 0; i < n; i++) {
		if (i % 4 == 0)
			draw(word, seed, purpose, stream, (uint64_t)i / 4);
		out[i] = unit(word[i % 4]) >= p;
	}
}

uint32_t rng_below(uint64_t seed, enum rng_purpose purpose, uint64_t stream, uint64_t counter, uint32_t bound)
{
	const uint32_t reject = -bound % bound; /* 2^32 mod bound: that many low products would be one too many */
	uint32_t word[4];

	for (uint64_t attempt = 0;; attempt++) {
		draw(word, seed, purpose, stream, counter | attempt << 48);
		for (int i = 0; i < 4; i++) {
			uint64_t product = (uint64_t)word[i] * bound;

			if ((uint32_t)product >= reject)
				return (uint32_t)(product >> 32);
		}
	}
}

void rng_permutation(uint32_t *out, uint32_t n, uint64_t seed, enum rng_purpose purpose, uint64_t stream)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t j = rng_below(seed, purpose, stream, i, i + 1);

		out[i] = out[j];
		out[j] = i;
	}
}
