/*
 * bench_net.c - images a second of whole training steps and of evaluation, on fake data; medians of many rounds.
 *
 * Usage: bench_net [-j TRIALS] [NAME [ROUNDS]] (a name of the table below). -j: so many trials at once, a thread each;
 * the time is then that of all rounds together, and images are those of all trials.
 * GAPSWEEP_CONV=direct|winograd forces a kernel; GAPSWEEP_PROFILE=1 adds the step's time by node, as net.c runs it.
 */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "engine/data/data.h"
#include "engine/train/train.h"

struct work {
	const char *name, *arch;
	int c, h, batch, classes, rounds;
	int width, stages, blocks, stem_stride; /* of resnet-slim, where not its defaults */
};

enum { MAX_ROUNDS = 2048, MAX_TRIALS = 64 };

static const struct work works[] = {
	{"resnet18-224", "resnet18", 3, 224, 32, 1000, 5, 0, 0, 0, 0},
	{"resnet18-64", "resnet18", 3, 64, 32, 200, 15, 0, 0, 0, 0},
	{"resnet18-32", "resnet-slim", 3, 32, 128, 10, 5, 64, 4, 2, 1}, /* CIFAR's: 3x3 stem, no pooling */
	{"resnet-slim-28", "resnet-slim", 1, 28, 32, 10, 200, 0, 0, 0, 0},
	{"cnn-28", "cnn", 1, 28, 64, 10, 60, 0, 0, 0, 0},
	{"mlp-b64", "mlp", 1, 28, 64, 10, 600, 0, 0, 0, 0},
	{"mlp-b16", "mlp", 1, 28, 16, 10, 1200, 0, 0, 0, 0},
};

static const char *const all[] = {"*"};
static const struct group_spec group = {"all", 1, all};

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
	fprintf(stderr, "bench_net: %s\n", e->msg);
	exit(-rc);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
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
	if (w->width) {
		model->width = w->width;
		model->stages = w->stages;
		model->blocks = w->blocks;
		model->stem_stride = w->stem_stride;
	}
	*spec = (struct trial_spec){.model = model, .train = d, .val = d, .n_groups = 1, .groups = &group, .seed = 1};
	field_defaults(hyper_fields, n_hyper_fields, &spec->hyper);
	spec->hyper.batch_size = w->batch;
	spec->hyper.momentum = 0.9;
	if (conv)
		spec->hyper.conv = field_enum_index(field_find(hyper_fields, n_hyper_fields, "conv"), conv);
	spec->group_lr[0] = spec->group_weight_decay[0] = 1e-4;
	must(trial_new(t, spec, &e), &e);
}

struct times {
	double step, best, eval; /* seconds a step; seconds an evaluated image */
};

/* One training step. */
static void train(struct trial *t, const struct work *w)
{
	uint32_t index[1024];
	double loss;
	struct err e;

	for (int i = 0; i < w->batch; i++)
		index[i] = (uint32_t)i;
	must(trial_step(t, index, w->batch, &loss, &e), &e);
}

/* One evaluation batch. */
static void evaluate(struct trial *t, const struct work *w)
{
	(void)w;
	net_forward_eval(trial_net(t), trial_net(t)->eval_batch);
}

/* Median and best of a call's seconds. */
static double call_seconds(void (*call)(struct trial *t, const struct work *w), struct trial *t, const struct work *w,
			   double *best)
{
	double time[MAX_ROUNDS];

	for (int i = 0; i < w->rounds; i++) {
		double start = now();

		call(t, w);
		time[i] = now() - start;
	}
	qsort(time, (size_t)w->rounds, sizeof(*time), compare);
	*best = time[0];
	return time[w->rounds / 2];
}

/* Of all rounds of all trials, a thread each, from their common start to the last one's end; a round. */
static double together_seconds(void (*call)(struct trial *t, const struct work *w), struct trial *const *t,
			       const struct work *w, int trials)
{
	double start = now();

#pragma omp parallel num_threads(trials)
	for (int i = 0; i < w->rounds; i++)
		call(t[omp_get_thread_num()], w);
	return (now() - start) / w->rounds;
}

static void measure(struct times *out, struct trial *const *t, const struct work *w, int trials)
{
	int n = trial_net(t[0])->eval_batch;
	double best;

#pragma omp parallel num_threads(trials)
	train(t[omp_get_thread_num()], w); /* warms */
	if (trials == 1)
		out->step = call_seconds(train, t[0], w, &out->best);
	else
		out->step = out->best = together_seconds(train, t, w, trials);
	for (int i = 0; i < trials; i++) {
		struct net *net = trial_net(t[i]);

		net_fold(net);
		memset(net_eval_input(net), 0, (size_t)n * (size_t)(w->c * w->h * w->h) * sizeof(float));
		evaluate(t[i], w);
	}
	out->eval = trials == 1 ? call_seconds(evaluate, t[0], w, &best) : together_seconds(evaluate, t, w, trials);
	out->eval /= n * trials;
}

static void profile(struct trial *t, const struct work *w)
{
	static const char *const ops[] = {"input", "conv", "bn", "relu", "maxpool", "gap", "dropout", "linear"};
	struct net *net = trial_net(t);
	struct net_times times = {0};
	double sum = 0;

	net->times = &times;
	for (int i = 0; i < 3; i++)
		train(t, w);
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

static void bench(const struct work *w, int trials)
{
	struct model_spec model[MAX_TRIALS];
	struct trial_spec spec[MAX_TRIALS];
	struct trial *t[MAX_TRIALS];
	struct times out;
	struct rusage used;
	struct err e;
	double bytes;

	for (int i = 0; i < trials; i++)
		open_trial(&t[i], &spec[i], &model[i], w);
	bytes = (double)trial_bytes(&spec[0], &e);
	measure(&out, t, w, trials);
	getrusage(RUSAGE_SELF, &used);
	printf("%-15s b%-3d step %9.3f ms (best %9.3f) %9.1f img/s; evaluation %9.1f img/s; %.1f MB, "
	       "with data %.1f MB, peak so far %.1f MB\n",
	       w->name, w->batch, 1e3 * out.step, 1e3 * out.best, trials * w->batch / out.step, 1 / out.eval,
	       trials * bytes / 1e6, trials * (bytes + (double)dataset_info(spec[0].train)->bytes) / 1e6,
	       (double)used.ru_maxrss * 1024 / 1e6);
	fflush(stdout);
	if (getenv("GAPSWEEP_PROFILE"))
		profile(t[0], w);
	for (int i = 0; i < trials; i++) {
		trial_free(t[i]);
		dataset_free((struct dataset *)spec[i].train);
	}
}

static int usage(void)
{
	fprintf(stderr, "usage: bench_net [-j TRIALS] [NAME [ROUNDS]]\n");
	return 64;
}

int main(int argc, char **argv)
{
	int trials = 1, opt, rounds;
	bool known = false;
	struct err e;

	while ((opt = getopt(argc, argv, "j:")) != -1) {
		if (opt != 'j' || (trials = atoi(optarg)) < 1 || trials > MAX_TRIALS)
			return usage();
	}
	must(engine_init(&e), &e);
	printf("kernels %s, BLAS %s, %d trial%s at once, one thread each\n", engine_kernels(), engine_blas(), trials,
	       trials > 1 ? "s" : "");
	for (size_t i = 0; i < sizeof(works) / sizeof(works[0]); i++) {
		struct work w = works[i];

		if (optind < argc && strcmp(argv[optind], w.name) != 0)
			continue;
		known = true;
		rounds = optind + 1 < argc ? atoi(argv[optind + 1]) : w.rounds;
		if (rounds < 1 || rounds > MAX_ROUNDS)
			return usage();
		w.rounds = rounds;
		bench(&w, trials);
	}
	return known ? 0 : usage();
}
