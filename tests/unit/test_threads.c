/*
 * test_threads.c - a trial on a team of any size has the bits that it has alone: every row, the whole state and who was
 * right. Every kernel is split, however small the net.
 */
#include "tests/unit/tiny_trial.h"

#include <stdlib.h>

#include "sweep/run/sched.h"

enum { EPOCHS = 2 };

/* What a trial has to show for itself. */
struct record {
	struct epoch_row row[EPOCHS];
	void *state;
	size_t bytes;
	uint8_t correct[3];
};

struct job {
	struct fixture *f;
	struct record *r;
	int threads;
	bool growing; /* from one thread on: the others may join whenever they like */
};

static void count(void *ctx, int i, int n)
{
	if (!i)
		*(int *)ctx = n;
}

/* The threads of a team come when they are free. */
static void wait_for_all(struct team *team, int threads)
{
	for (int n = 0; n < threads;)
		team_run(team, threads, count, &n);
}

static void train(void *ctx, int i, int worker, struct team *team)
{
	struct job *j = ctx;
	struct record *r = j->r;
	enum trial_status status = TRIAL_RUNNING;
	struct trial *t;
	struct err e;

	(void)i;
	(void)worker;
	j->f->spec.threads = j->threads;
	t = make(j->f);
	trial_net(t)->crew.eager = true;
	trial_set_team(t, team);
	if (!j->growing)
		wait_for_all(team, j->threads);
	memset(r->row, 0, sizeof(r->row));
	for (int epoch = 0; status == TRIAL_RUNNING; epoch++) {
		if (trial_epoch(t, &r->row[epoch], &status, NULL, &e))
			fail_msg("%s", e.msg);
		r->row[epoch].train_s = r->row[epoch].eval_s = 0;
	}
	r->bytes = trial_state_bytes(t);
	r->state = malloc(r->bytes);
	trial_get_state(t, r->state);
	memcpy(r->correct, trial_correct(t), sizeof(r->correct));
	trial_free(t);
}

static void run(struct record *r, struct fixture *f, int threads, bool growing)
{
	struct job j = {f, r, threads, growing};

	assert_int_equal(sched_run(&(struct sched){.n = 1, .workers = 1, .threads = threads, .job = train, .ctx = &j}),
			 1);
}

static void same(const struct record *a, const struct record *b)
{
	assert_memory_equal(a->row, b->row, sizeof(a->row));
	assert_int_equal(a->bytes, b->bytes);
	assert_memory_equal(a->state, b->state, a->bytes);
	assert_memory_equal(a->correct, b->correct, sizeof(a->correct));
}

/* Alone, and on teams of 2, of `most` and of a growing one. */
static void check(struct fixture *f, int most)
{
	struct record alone, team;

	f->spec.hyper.epochs = EPOCHS;
	run(&alone, f, 1, false);
	for (int threads = 2; threads <= most + 1; threads++) {
		run(&team, f, threads <= most ? threads : most, threads > most);
		same(&alone, &team);
		free(team.state);
	}
	free(alone.state);
}

/* The first convolution and its pooling at once. */
static void grey_and_rgb(void)
{
	struct fixture f;

	for (int channels = 1; channels <= 3; channels += 2) {
		set_up_images(&f, "cnn", channels);
		check(&f, 4);
		tear_down(&f);
	}
}

/* 37 images in batches of 8: the last has 5, which more threads do not share evenly. */
static void nets(void)
{
	static const char *const archs[] = {"resnet-slim", "cnn", "mlp"};
	struct fixture f;

	for (int arch = 0; arch < 3; arch++) {
		for (int conv = 0; conv < 3; conv++) {
			set_up(&f, archs[arch]);
			f.spec.hyper.conv = conv;
			f.spec.hyper.optimizer = conv == CONV_CHOICE_DIRECT ? OPTIM_ADAM : OPTIM_SGD;
			f.model.width = arch == 1 ? 20 : f.model.width; /* more than one thread's share of channels */
			check(&f, conv == CONV_CHOICE_AUTO ? 4 : 2);
			tear_down(&f);
		}
	}
}

/* 512 channels: more weights than tiles. */
static void resnet18(void **state)
{
	struct fixture f;

	(void)state;
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
	skip(); /* minutes */
#endif
#endif
	set_up(&f, "resnet18");
	f.spec.hyper.batch_size = 20;
	check(&f, 3);
	tear_down(&f);
}

/* What is frozen, normalised by fixed statistics, dropped, clipped; a batch of 3. */
static void settings(void)
{
	struct fixture f;

	for (int variant = 0; variant < 8; variant++) {
		set_up(&f, "resnet-slim");
		f.model.width = 16;
		f.spec.group_lr[0] = variant & 1 ? 0 : 1e-3;
		f.spec.hyper.freeze_bn = (variant & 2) != 0;
		f.spec.hyper.dropout = variant & 4 ? 0.25 : 0;
		f.spec.hyper.clip_grad_norm = variant & 4 ? 0.5 : 0;
		f.spec.hyper.batch_size = variant & 2 ? 3 : 8;
		f.spec.hyper.optimizer = variant; /* each once */
		check(&f, 3);
		tear_down(&f);
	}
}

/* Workspaces of more threads are told beforehand, and no thread without one works. */
static void memory(void **state)
{
	struct record one, more;
	struct fixture f;
	size_t bytes[4];
	struct err e;

	(void)state;
	set_up(&f, "resnet-slim");
	for (int i = 0; i < 4; i++) {
		f.spec.threads = i;
		bytes[i] = trial_bytes(&f.spec, &e);
	}
	assert_true(bytes[0] == bytes[1] && bytes[2] > bytes[1]);
	assert_true(bytes[3] - bytes[2] == bytes[2] - bytes[1]);
	f.spec.hyper.epochs = EPOCHS;
	run(&one, &f, 1, true);
	run(&more, &f, 3, true);
	same(&one, &more);
	free(one.state);
	free(more.state);
	tear_down(&f);
}

static void each_isa(void (*test)(void))
{
	static const char *const isa[] = {"avx512", "avx2", "baseline"};
	struct err e;

	for (int i = 0; i < 3; i++) {
		setenv("GAPSWEEP_ISA", isa[i], 1);
		if (!kernels_init(&e))
			test();
	}
	unsetenv("GAPSWEEP_ISA");
}

static void all_nets(void **state)
{
	(void)state;
	each_isa(nets);
	each_isa(grey_and_rgb);
}

static void all_settings(void **state)
{
	(void)state;
	each_isa(settings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_nets),
		cmocka_unit_test(all_settings),
		cmocka_unit_test(resnet18),
		cmocka_unit_test(memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
