/*
 * bench_net.c - images a second of whole training steps and of evaluation, on fake data; medians of the CPU seconds of many
 * rounds. Usage: bench_net [NAME [ROUNDS]] (a name of the table below); GAPSWEEP_CONV=direct|winograd forces a kernel.
 * GAPSWEEP_PROFILE=1 adds the step's time by node, as net.c runs it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/data/data.h"
#include "engine/train/train.h"

struct work {
	const char *name, *arch;
	int c, h, batch, classes, rounds;
};

static const struct work works[] = {
	{"resnet18-224", "resnet18", 3, 224, 32, 1000, 5},
	{"resnet18-64", "resnet18", 3, 64, 32, 200, 15},
	{"resnet-slim-28", "resnet-slim", 1, 28, 32, 10, 200},
	{"cnn-28", "cnn", 1, 28, 64, 10, 60},
	{"mlp-b64", "mlp", 1, 28, 64, 10, 600},
	{"mlp-b16", "mlp", 1, 28, 16, 10, 1200},
};

static const char *const all[] = {"*"};
static const struct group_spec group = {"all", 1, all};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* other programs may run */
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void must(int rc, const struct err *e)
{
	if (!rc)
		return;
	fprintf(stderr, "bench_net: %s\n", e->msg);
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

static void open_trial(struct trial **t, struct trial_spec *spec, struct model_spec *model, const struct work *w)
{
	const struct data_spec data = {
		.kind = DATA_FAKE, .fake_n = w->batch, .fake_classes = w->classes, .fake_shape = {w->c, w->h, w->h}};
	const char *conv = getenv("GAPSWEEP_CONV");
	struct dataset *d;
	struct err e;

	must(dataset_open(&d, &data, &e), &e);
	field_defaults(model_fields, n_model_fields, model);
	model->arch = field_enum_index(field_find(model_fields, n_model_fields, "arch"), w->arch);
	model->classes = w->classes;
	*spec = (struct trial_spec){.model = model, .train = d, .val = d, .n_groups = 1, .groups = &group, .seed = 1};
	field_defaults(hyper_fields, n_hyper_fields, &spec->hyper);
	spec->hyper.batch_size = w->batch;
	spec->hyper.momentum = 0.9;
	if (conv)
		spec->hyper.conv = field_enum_index(field_find(hyper_fields, n_hyper_fields, "conv"), conv);
	spec->group_lr[0] = spec->group_weight_decay[0] = 1e-4;
	must(trial_new(t, spec, &e), &e);
}

static double step_seconds(struct trial *t, const struct work *w, double *best)
{
	static uint32_t index[1024];
	double time[2048], loss;
	struct err e;

	for (int i = 0; i < w->batch; i++)
		index[i] = (uint32_t)i;
	for (int i = -1; i < w->rounds; i++) { /* the first warms */
		double start = now();

		must(trial_step(t, index, w->batch, &loss, &e), &e);
		if (i >= 0)
			time[i] = now() - start;
	}
	qsort(time, (size_t)w->rounds, sizeof(*time), compare);
	*best = time[0];
	return time[w->rounds / 2];
}

/* Per image. */
static double evaluation_seconds(struct trial *t, const struct work *w)
{
	struct net *net = trial_net(t);
	int n = net->eval_batch;
	double time[2048];

	net_fold(net);
	memset(net_eval_input(net), 0, (size_t)n * (size_t)(w->c * w->h * w->h) * sizeof(float));
	for (int i = -1; i < w->rounds; i++) {
		double start = now();

		net_forward_eval(net, n);
		if (i >= 0)
			time[i] = (now() - start) / n;
	}
	return median(time, w->rounds);
}

static void profile(struct trial *t, const struct work *w)
{
	static const char *const ops[] = {"input", "conv", "bn", "relu", "maxpool", "gap", "dropout", "linear"};
	struct net *net = trial_net(t);
	struct net_times times = {0};
	static uint32_t index[1024];
	double loss, sum = 0;
	struct err e;

	net->times = &times;
	for (int i = 0; i < 3; i++)
		must(trial_step(t, index, w->batch, &loss, &e), &e);
	net->times = NULL;
	for (int i = 1; i < net->n_nodes; i++) {
		const struct node *n = &net->node[i];

		sum += times.node[i][0] + times.node[i][1];
		if (times.node[i][0] + times.node[i][1] < 1e-4)
			continue;
		printf("    %-8s %3dx%-3d %4d", ops[n->op], n->h, n->w, n->c);
		if (n->op == OP_CONV)
			printf("  %dx%d/%d of %d %s", n->conv.r, n->conv.s, n->conv.stride, n->conv.c,
			       n->conv.algo == CONV_WINOGRAD ? "w" : "");
		printf("\t%7.2f fwd %7.2f bwd ms\n", 1e3 / 3 * times.node[i][0], 1e3 / 3 * times.node[i][1]);
	}
	for (int op = 1; op < 8; op++) {
		double f = 0, b = 0;

		for (int i = 1; i < net->n_nodes; i++) {
			f += net->node[i].op == (enum op)op ? times.node[i][0] : 0;
			b += net->node[i].op == (enum op)op ? times.node[i][1] : 0;
		}
		if (f + b > 0)
			printf("  %-8s %8.2f fwd %8.2f bwd ms\n", ops[op], 1e3 / 3 * f, 1e3 / 3 * b);
	}
	printf("  nodes together %.2f ms\n", 1e3 / 3 * sum);
}

static void bench(const struct work *w)
{
	struct model_spec model;
	struct trial_spec spec;
	struct trial *t;
	struct err e;
	double step, best, eval;

	open_trial(&t, &spec, &model, w);
	step = step_seconds(t, w, &best);
	eval = evaluation_seconds(t, w);
	printf("%-15s b%-3d step %9.3f ms (best %9.3f) %9.1f img/s; evaluation %9.1f img/s; %.1f MB\n", w->name,
	       w->batch, 1e3 * step, 1e3 * best, w->batch / step, 1 / eval, (double)trial_bytes(&spec, &e) / 1e6);
	fflush(stdout);
	if (getenv("GAPSWEEP_PROFILE"))
		profile(t, w);
	trial_free(t);
	dataset_free((struct dataset *)spec.train);
}

int main(int argc, char **argv)
{
	struct err e;

	must(engine_init(&e), &e);
	printf("kernels %s, BLAS %s, one thread\n", engine_kernels(), engine_blas());
	for (size_t i = 0; i < sizeof(works) / sizeof(works[0]); i++) {
		struct work w = works[i];

		if (argc > 1 && strcmp(argv[1], w.name) != 0)
			continue;
		if (argc > 2 && atoi(argv[2]) > 0 && atoi(argv[2]) <= 2048)
			w.rounds = atoi(argv[2]);
		bench(&w);
	}
	return 0;
}
