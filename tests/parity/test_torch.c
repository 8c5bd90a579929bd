/* test_torch.c - every case of cases.txt against the figures PyTorch computed for it (fixture.h, README.md). */
#include "tests/parity/fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/data/data.h"
#include "engine/train/train.h"

/*
 * How far a figure may lie from PyTorch's float64 one: YARDS times as far as PyTorch's own float32 gets from it (another
 * order of summation, Winograd's transforms), plus a small part of the scale, which is the largest entry of the tensor
 * (end.*: how far the weights went), for where its float32 happened to hit exactly.
 */
#define YARDS 4
struct slack {
	const char *kind; /* what a figure's name begins with */
	double part;
};
static const struct slack slacks[] = {
	{"loss", 1e-6},   /* a mean of a few dozen: rounding alone */
	{"logits", 5e-6}, /* dozens of layers deep */
	{"grad.", 1e-5},  /* as PyTorch's float32 in its worst case of these (ResNet-18) */
	{"step1.", 1e-6}, {"end.", 1e-5}, {"rate.", 2e-7}, /* stored as floats */
};

static double allowed(const struct weights *want, const char *key)
{
	const float *yard = fixture_need(want, "%s:yard", key)->data;

	for (size_t i = 0; i < sizeof slacks / sizeof *slacks; i++)
		if (!strncmp(key, slacks[i].kind, strlen(slacks[i].kind)))
			return YARDS * (double)yard[0] + slacks[i].part * (double)yard[1];
	fail_msg("no slack is stated for %s", key);
	return 0;
}

/* With PARITY_VERBOSE set: what was reached of what is allowed, one line a tensor. */
static void told(const char *name, const char *key, double off, double limit)
{
	if (getenv("PARITY_VERBOSE"))
		printf("%s %s %.3g of %.3g (%.2f)\n", name, key, off, limit, limit > 0 ? off / limit : 0);
}

/* Largest distance, or the root mean square (end.*: see make_fixtures.py); NAN if anything is not a number. */
static double distance(const float *got, const float *want, const uint32_t *pick, int64_t n, bool rms)
{
	double worst = 0, squares = 0;

	for (int64_t i = 0; i < n; i++) {
		double d = fabs((double)got[pick ? pick[i] : i] - (double)want[i]);

		if (isnan(d))
			return NAN;
		worst = fmax(worst, d);
		squares += d * d;
	}
	return rms ? sqrt(squares / (double)n) : worst;
}

/*
 * Norm, sum and largest entry of a tensor that is stored as samples. Errors of single elements add up like a random walk
 * at least (4 of its standard deviations), and more where they all go one way: how much more is PyTorch's to say.
 */
static void check_sums(const struct parity *p, const char *key, const float *got, int64_t n, double limit)
{
	static const char *const names[] = {"norm", "sum", "largest"};
	const float *want = fixture_need(p->want, "%s:sums", key)->data;
	const float *yard = fixture_need(p->want, "%s:sumyard", key)->data;
	double sums[3] = {0};

	for (int64_t i = 0; i < n; i++) {
		double v = (double)got[i];

		sums[0] += v * v;
		sums[1] += v;
		sums[2] = fmax(sums[2], fabs(v));
	}
	sums[0] = sqrt(sums[0]);
	for (int k = 0; k < 3; k++) {
		double rounding = 1e-6 * (k == 1 ? (double)want[3] : (double)want[k]); /* of the stored figures */
		double walk = k < 2 ? 4 * limit * sqrt((double)n) : 4 * limit;
		double off = fabs(sums[k] - (double)want[k]), most = YARDS * (double)yard[k] + walk + rounding;

		told(p->pc->name, names[k], off, most);
		if (!(off <= most))
			fail_msg("%s %s: %s %.9g, PyTorch %.9g, off by %.3g, allowed %.3g", p->pc->name, key, names[k],
				 sums[k], (double)want[k], off, most);
	}
}

/* got, n elements in PyTorch's layout, against the fixture's key. */
static void check(const struct parity *p, const char *key, const float *got, int64_t n)
{
	const struct tensor *want = weights_find(p->want, key);
	double limit = allowed(p->want, key), off;
	uint32_t pick[FIXTURE_PICKS];
	bool whole = want != NULL;

	if (!whole) {
		want = fixture_need(p->want, "%s:picks", key);
		assert_int_equal(want->n, FIXTURE_PICKS);
		for (uint32_t i = 0; i < FIXTURE_PICKS; i++)
			pick[i] = fixture_hash(key, i) % (uint32_t)n;
		check_sums(p, key, got, n, limit);
	} else {
		assert_int_equal(want->n, n);
	}
	off = distance(got, want->data, whole ? NULL : pick, want->n, !strncmp(key, "end.", 4));
	told(p->pc->name, key, off, limit);
	if (!(off <= limit))
		fail_msg("%s %s: off by %.3g, allowed %.3g (got %.9g ..., PyTorch %.9g ...)", p->pc->name, key, off,
			 limit, (double)got[whole ? 0 : pick[0]], (double)want->data[0]);
}

typedef int (*get_fn)(const struct net *net, const char *name, float *out, int64_t n);

/* All tensors that the fixture lists under prefix ("grad.", ...), fetched with get. Returns how many. */
static int check_tensors(const struct parity *p, const char *prefix, get_fn get)
{
	int seen = 0;

	for (int i = 0; i < weights_count(p->want); i++) {
		const char *yard = weights_at(p->want, i)->name, *colon = strchr(yard, ':');
		const struct tensor *shape;
		char key[128];
		int64_t n = 1;
		float *got;

		if (strncmp(yard, prefix, strlen(prefix)) || !colon || strcmp(colon, ":yard"))
			continue;
		snprintf(key, sizeof key, "%.*s", (int)(colon - yard), yard);
		shape = fixture_need(p->want, "shape.%s", key + strlen(prefix));
		for (int64_t d = 0; d < shape->n; d++)
			n *= (int64_t)shape->data[d];
		got = malloc((size_t)n * sizeof *got);
		assert_non_null(got);
		if (get(trial_net(p->trial), key + strlen(prefix), got, n))
			fail_msg("%s: the net has no %s of %lld elements", p->pc->name, key, (long long)n);
		check(p, key, got, n);
		free(got);
		seen++;
	}
	return seen;
}

static int batch_of(const struct parity_case *pc, int step, uint32_t *index)
{
	int size = pc->hyper.batch_size, per_pass = (pc->n + size - 1) / size;
	int first = step % per_pass * size, n = pc->n - first < size ? pc->n - first : size;

	for (int i = 0; i < n; i++)
		index[i] = (uint32_t)(first + i);
	return n;
}

typedef void (*logits_fn)(struct net *net, float *logits, const float *x, int n);

static void check_logits(const struct parity *p, const char *key, logits_fn logits)
{
	const struct parity_case *pc = p->pc;
	uint32_t index[256];
	int n = batch_of(pc, 0, index);
	float *x = malloc((size_t)(n * pc->c * pc->h * pc->w) * sizeof *x);
	float *got = malloc((size_t)(n * pc->model.classes) * sizeof *got);
	int32_t y[256];

	assert_non_null(x);
	assert_non_null(got);
	assert_int_equal(dataset_gather(p->data, x, y, index, 0, n, NULL, NULL), 0);
	logits(trial_net(p->trial), got, x, n);
	check(p, key, got, (int64_t)n * pc->model.classes);
	free(x);
	free(got);
}

/* ---- the tests, one set a case */

/* What the trial saves has exactly PyTorch's tensors, with their shapes, and every start value, bit for bit. */
static void check_names(struct parity *p)
{
	struct weights *saved = NULL;
	struct err e = {0};
	char path[96];
	int listed = 0;

	snprintf(path, sizeof path, "%s/saved.safetensors", p->dir);
	PARITY_OR_FAIL(trial_save(p->trial, path, &e), e);
	PARITY_OR_FAIL(weights_open(&saved, path, &e), e);
	for (int i = 0; i < weights_count(p->want); i++) {
		const struct tensor *shape = weights_at(p->want, i), *t;
		float *start;

		if (strncmp(shape->name, "shape.", 6))
			continue;
		listed++;
		t = fixture_need(saved, "%s", shape->name + 6);
		assert_int_equal(t->rank, shape->n);
		for (int d = 0; d < t->rank; d++)
			assert_int_equal(t->shape[d], shape->data[d]);
		start = malloc((size_t)t->n * sizeof *start);
		assert_non_null(start);
		fixture_start(start, t->name, t);
		assert_memory_equal(start, t->data, (size_t)t->n * sizeof *start);
		free(start);
	}
	assert_int_equal(weights_count(saved), listed);
	weights_free(saved);
}

static void check_first_step(struct parity *p)
{
	const struct tensor *loss = fixture_need(p->want, "loss");
	struct err e = {0};
	uint32_t index[256];
	int n = batch_of(p->pc, 0, index);
	double got;

	check_logits(p, "logits.eval", net_logits);
	PARITY_OR_FAIL(trial_gradients(p->trial, index, n, &got, &e), e);
	if (!(fabs(got - (double)loss->data[0]) <= allowed(p->want, "loss")))
		fail_msg("%s: loss %.9g, PyTorch %.9g", p->pc->name, got, (double)loss->data[0]);
	assert_true(check_tensors(p, "grad.", net_get_grad) > 0);
	parity_restart(p);
	check_logits(p, "logits.train", net_logits_train);
	check_tensors(p, "step1.", net_get);
	parity_restart(p);
}

/* ---- rates: those of every step, where the fixture has them */

enum { N_RATES = 3 };
static const char *const rate_names[N_RATES] = {"rate.backbone", "rate.classifier", "rate.momentum"};

struct rates {
	float at[N_RATES][64];
};

static void note_rates(struct rates *r, const struct parity *p, int step)
{
	assert_in_range(step, 0, 63);
	r->at[0][step] = (float)trial_rate(p->trial, 0);
	r->at[1][step] = (float)trial_rate(p->trial, 1);
	r->at[2][step] = (float)trial_momentum(p->trial);
}

static void check_rates(const struct rates *r, const struct parity *p)
{
	for (int i = 0; i < N_RATES; i++)
		if (weights_find(p->want, rate_names[i]))
			check(p, rate_names[i], r->at[i], p->pc->steps);
}

/* Plateau looks at what an epoch came to, so its case runs by epochs; the fixture's val_loss is over the same images. */
static void check_epochs(struct parity *p)
{
	const int per_epoch = (p->pc->n + p->pc->hyper.batch_size - 1) / p->pc->hyper.batch_size;
	enum trial_status status = TRIAL_RUNNING;
	struct rates rates = {0};
	struct err e = {0};

	for (int s = 0; s < p->pc->steps; s += per_epoch) {
		struct epoch_row row;

		assert_int_equal(status, TRIAL_RUNNING);
		PARITY_OR_FAIL(trial_epoch(p->trial, &row, &status, NULL, &e), e);
		for (int i = 0; i < per_epoch; i++)
			note_rates(&rates, p, s + i);
		assert_true(row.group[0].lr == trial_rate(p->trial, 0));
	}
	check_rates(&rates, p);
	assert_true(check_tensors(p, "end.", net_get) > 0);
	check_logits(p, "logits.end", net_logits);
}

static void check_steps(struct parity *p)
{
	struct rates rates = {0};

	const struct tensor *loss = fixture_need(p->want, "loss");
	struct err e = {0};
	uint32_t index[256];
	float *got = calloc((size_t)p->pc->steps, sizeof *got);

	assert_non_null(got);
	assert_int_equal(loss->n, p->pc->steps);
	for (int s = 0; s < p->pc->steps; s++) {
		int n = batch_of(p->pc, s, index);
		double mean;

		PARITY_OR_FAIL(trial_step(p->trial, index, n, &mean, &e), e);
		got[s] = (float)mean;
		note_rates(&rates, p, s);
		if (s == 0)
			check_tensors(p, "step1.", net_get);
	}
	check(p, "loss", got, loss->n);
	check_rates(&rates, p);
	free(got);
	assert_true(check_tensors(p, "end.", net_get) > 0);
	check_logits(p, "logits.end", net_logits);
}

static struct parity current; /* static: a failed check jumps out of test_case() */

static void test_case(void **state)
{
	const struct parity_case *pc = *state;

	assert_in_range(pc->hyper.batch_size, 1, 256);
	parity_open(&current, pc);
	check_names(&current);
	if (pc->steps > 0) {
		check_first_step(&current);
		if (pc->hyper.schedule == SCHEDULE_PLATEAU)
			check_epochs(&current);
		else
			check_steps(&current);
	}
}

static int close_case(void **state)
{
	(void)state;
	parity_close(&current);
	return 0;
}

int main(void)
{
	static struct parity_case cases[128];
	static struct CMUnitTest tests[128];
	struct err e = {0};
	int n = parity_cases(cases, 128);

	if (engine_init(&e)) {
		fprintf(stderr, "%s\n", e.msg);
		return 1;
	}
	for (int i = 0; i < n; i++)
		tests[i] = (struct CMUnitTest){cases[i].name, test_case, NULL, close_case, &cases[i]};
	return _cmocka_run_group_tests("parity with PyTorch", tests, (size_t)n, NULL, NULL);
}
