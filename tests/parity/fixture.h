/*
 * fixture.h - for the parity tests: cases, the figures PyTorch computed for them, and a trial with the same start.
 *
 * A case is a line of cases.txt. Its start weights, images and labels come from fixture_hash(), which make_fixtures.py
 * has word for word; what PyTorch made of them stands in fixtures/NAME.safetensors:
 *   shape.T               shape of tensor T, one entry for every floating-point tensor of the model
 *   loss [steps]; logits.{eval,train,end} of the first batch: before and, "end", after the steps
 *   grad.T, step1.T (running statistics), end.T (all tensors)
 *   K:yard                [worst distance of PyTorch's float32 from these float64 figures, scale]: see allowed()
 * A tensor K of more than 2048 elements is stored as K:picks, K:sums [L2 norm, sum, max, sum of magnitudes] and
 * K:sumyard (how far float32 is from each of those) instead.
 *
 * Everything here fails the running cmocka test by itself when a file is missing or bad.
 */
#ifndef TESTS_PARITY_FIXTURE_H
#define TESTS_PARITY_FIXTURE_H

#include "engine/engine.h"
#include "engine/net/weights.h"

#define FIXTURE_DIR   "tests/parity"
#define FIXTURE_PICKS 64

struct parity_case {
	char name[64];
	int c, h, w, n, steps, salt, every; /* every: make_fixtures.py's alone */
	struct model_spec model;
	struct hyper hyper;
	double lr[2], weight_decay[2]; /* of the groups backbone and classifier; NAN: hyper's */
};

/* Reads cases.txt into cases[max] and returns how many there are; complains and exits if a line cannot be read. */
int parity_cases(struct parity_case *cases, int max);

/* A started trial and all it stands on. */
struct parity {
	const struct parity_case *pc;
	struct weights *want; /* the fixture */
	struct dataset *data;
	struct trial *trial;
	char dir[64]; /* a temporary folder of its own, gone after parity_close() */
};
void parity_open(struct parity *p, const struct parity_case *pc);
void parity_close(struct parity *p);
/* Puts a new trial with the same start in the place of the old one. */
void parity_restart(struct parity *p);

/* Start values of a tensor, as make_fixtures.py computes them. out holds its n elements. */
void fixture_start(float *out, const char *name, const struct tensor *shape);
uint32_t fixture_hash(const char *name, uint32_t i);

/* The fixture's tensor; fails the test if there is none. */
const struct tensor *fixture_need(const struct weights *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define PARITY_OR_FAIL(call, e)                             \
	do {                                                \
		if (call)                                   \
			fail_msg("%s: %s", #call, (e).msg); \
	} while (0)

#endif
