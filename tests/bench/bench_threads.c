/*
 * bench_threads.c - one trial on several threads against the same trial on one: training steps and evaluation, wall seconds,
 * in turn in one run, medians; and whether both have the same bits. Usage: bench_threads [NAME [ROUNDS [THREADS]]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/data/data.h"
#include "engine/train/train.h"
#include "sweep/run/sched.h"

struct work {
	const char *name, *arch;
	int c, h, batch, classes, rounds;
};

static const struct work works[] = {
	{"resnet18-224", "resnet18", 3, 224, 32, 1000, 7},
	{"resnet18-64", "resnet18", 3, 64, 32, 200, 25},
	{"resnet18-32", "resnet18", 3, 32, 128, 10, 25},
	{"resnet-slim-28", "resnet-slim", 1, 28, 32, 10, 200},
	{"cnn-28", "cnn", 1, 28, 64, 10, 100},
	{"mlp-b64", "mlp", 1, 28, 64, 10, 400},
};

enum { MOST_ROUNDS = 2048 };

static const char *const all[] = {"*"};
static const struct group_spec group = {"all", 1, all};

struct bench {
	struct work w;
	int threads;
	struct model_spec model;
	struct trial_spec spec;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void must(int rc, const struct err *e)
{
	if (!rc)
		return;
	fprintf(stderr, "bench_threads: %s\n", e->msg);
	exit(-rc);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *t, int n)
{
	qsort(t, (size_t)n, sizeof(*t), compare);
	return t[n / 2];
}

static void describe(struct bench *b)
{
	const struct work *w = &b->w;
	const struct data_spec data = {
		.kind = DATA_FAKE, .fake_n = w->batch, .fake_classes = w->classes, .fake_shape = {w->c, w->h, w->h}};
	struct dataset *d;
	struct err e;

	must(dataset_open(&d, &data, &e), &e);
	field_defaults(model_fields, n_model_fields, &b->model);
	b->model.arch = field_enum_index(field_find(model_fields, n_model_fields, "arch"), w->arch);
	b->model.classes = w->classes;
	b->spec = (struct trial_spec){.model = &b->model, .train = d, .val = d, .n_groups = 1, .groups = &group};
	field_defaults(hyper_fields, n_hyper_fields, &b->spec.hyper);
	b->spec.hyper.batch_size = w->batch;
	b->spec.hyper.momentum = 0.9;
	b->spec.group_lr[0] = b->spec.group_weight_decay[0] = 1e-4;
}

static void count(void *ctx, int i, int n)
{
	if (!i)
		*(int *)ctx = n;
}

static double step_s(struct trial *t, int batch)
{
	static uint32_t index[1024];
	double start = now(), loss;
	struct err e;

	for (int i = 0; i < batch; i++)
		index[i] = (uint32_t)i;
	must(trial_step(t, index, batch, &loss, &e), &e);
	return now() - start;
}

static double eval_s(struct trial *t)
{
	struct net *net = trial_net(t);
	double start = now();

	net_forward_eval(net, net->eval_batch);
	return now() - start;
}

static void print(const char *what, double *one, double *team, int rounds, double images)
{
	double a = median(one, rounds), b = median(team, rounds);

	printf("  %-10s %9.1f img/s on one thread, %9.1f on the team: %.2fx\n", what, images / a, images / b, a / b);
}

/* Turn about: one trial on this thread, its twin on the team. */
static void job(void *ctx, int i, int worker, struct team *team)
{
	static double one[MOST_ROUNDS], many[MOST_ROUNDS];
	struct bench *b = ctx;
	struct trial *t[2];
	size_t bytes;
	void *state[2];
	struct err e;

	(void)i;
	(void)worker;
	for (int n = 0; n < b->threads;)
		team_run(team, b->threads, count, &n);
	for (int k = 0; k < 2; k++) {
		b->spec.threads = k ? b->threads : 1;
		must(trial_new(&t[k], &b->spec, &e), &e);
		step_s(t[k], b->w.batch);
	}
	trial_set_team(t[1], team);
	for (int k = 0; k < b->w.rounds; k++) {
		one[k] = step_s(t[0], b->w.batch);
		many[k] = step_s(t[1], b->w.batch);
	}
	bytes = trial_state_bytes(t[0]);
	for (int k = 0; k < 2; k++) {
		state[k] = malloc(bytes);
		trial_get_state(t[k], state[k]);
	}
	printf("%s, batch %d, %d threads: %s bits\n", b->w.name, b->w.batch, b->threads,
	       memcmp(state[0], state[1], bytes) ? "OTHER" : "same");
	print("train step", one, many, b->w.rounds, b->w.batch);
	for (int k = 0; k < 2; k++)
		net_fold(trial_net(t[k]));
	for (int k = 0; k < b->w.rounds; k++) {
		one[k] = eval_s(t[0]);
		many[k] = eval_s(t[1]);
	}
	print("evaluation", one, many, b->w.rounds, trial_net(t[0])->eval_batch);
	fflush(stdout);
	for (int k = 0; k < 2; k++) {
		trial_free(t[k]);
		free(state[k]);
	}
}

int main(int argc, char **argv)
{
	struct err e;

	must(engine_init(&e), &e);
	printf("kernels %s, BLAS %s\n", engine_kernels(), engine_blas());
	for (size_t i = 0; i < sizeof(works) / sizeof(works[0]); i++) {
		struct bench b = {.w = works[i], .threads = argc > 3 ? atoi(argv[3]) : sched_cpus()};

		if (argc > 1 && strcmp(argv[1], b.w.name) != 0)
			continue;
		if (argc > 2 && atoi(argv[2]) > 0 && atoi(argv[2]) <= MOST_ROUNDS)
			b.w.rounds = atoi(argv[2]);
		describe(&b);
		sched_run(&(struct sched){.n = 1, .workers = 1, .threads = b.threads, .job = job, .ctx = &b});
		dataset_free((struct dataset *)b.spec.train);
	}
	return 0;
}
