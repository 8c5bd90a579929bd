/* optim.c - see optim.h */
#include "engine/train/optim.h"

#include <math.h>

static bool has_buffer(const struct hyper *h)
{
	return h->momentum != 0 || hyper_cycles_momentum(h);
}

/* Runs: SGD buf; Adam, AdamW m v [vmax]; RMSprop v [mean] [buf]; Adagrad sum; Adadelta v moved; Adamax m top; NAdam,
 * RAdam m v. */
int optim_runs(const struct hyper *h)
{
	switch (h->optimizer) {
	case OPTIM_SGD:
		return has_buffer(h);
	case OPTIM_ADAM:
	case OPTIM_ADAMW:
		return h->amsgrad ? 3 : 2;
	case OPTIM_RMSPROP:
		return 1 + (h->centered != 0) + has_buffer(h);
	case OPTIM_ADAGRAD:
		return 1;
	default:
		return 2;
	}
}

void optim_start(struct optim *o, size_t n_trainable)
{
	const float start = o->hyper->optimizer == OPTIM_ADAGRAD ? (float)o->hyper->initial_accumulator_value : 0;

	for (int r = 0; r < optim_runs(o->hyper); r++)
		for (size_t i = 0; i < n_trainable; i++)
			o->state[r][i] = start;
	for (int g = 0; g < ENGINE_MAX_GROUPS; g++)
		o->group[g] = (struct optim_group){.mu_product = 1};
}

/* ---- one tensor ---- */

/* One tensor's share of a step. */
struct share {
	float *w, *s[OPTIM_MAX_RUNS];
	const float *g;
	int64_t n;
	double lr, decay;
	const struct optim_group *group;
};

static void step_rmsprop(const struct optim *o, const struct share *t, struct step_sums *sums)
{
	const struct hyper *h = o->hyper;
	float *mean = h->centered ? t->s[1] : NULL;
	float *buf = has_buffer(h) ? t->s[h->centered ? 2 : 1] : NULL;

	rmsprop_step(t->w, t->s[0], mean, buf, t->g, t->n, t->lr, h->alpha, h->eps, o->momentum, t->decay, sums);
}

/* torch/optim/nadam.py: the momentum of step number `step`. */
static double nadam_mu(const struct optim *o, double step)
{
	return o->momentum * (1 - 0.5 * pow(0.96, step * o->hyper->momentum_decay));
}

static void step_nadam(const struct optim *o, const struct share *t, struct step_sums *sums)
{
	const struct hyper *h = o->hyper;
	const int64_t step = t->group->steps;
	const double mu = nadam_mu(o, (double)step), next = nadam_mu(o, (double)step + 1);
	/* the product is a float in torch, and what it calls the next one has mu in it twice */
	const float product_next = (float)t->group->mu_product * (float)mu * (float)next;

	nadam_step(t->w, t->s[0], t->s[1], t->g, t->n, t->lr * (1 - mu) / (1 - t->group->mu_product),
		   t->lr * next / (1 - (double)product_next), o->momentum, h->betas[1], h->eps, t->decay, step, sums);
}

static void step_tensor(const struct optim *o, const struct share *t, struct step_sums *sums)
{
	const struct hyper *h = o->hyper;
	const int64_t step = t->group->steps;

	switch (h->optimizer) {
	case OPTIM_SGD:
		sgd_step(t->w, t->s[0], t->g, t->n, (float)t->lr, (float)o->momentum, (float)h->dampening, h->nesterov,
			 (float)t->decay, step == 1, sums);
		break;
	case OPTIM_ADAM:
	case OPTIM_ADAMW:
		adam_step(t->w, t->s[0], t->s[1], t->s[2], t->g, t->n, t->lr, o->momentum, h->betas[1], h->eps,
			  t->decay, h->optimizer == OPTIM_ADAMW, step, sums);
		break;
	case OPTIM_RMSPROP:
		step_rmsprop(o, t, sums);
		break;
	case OPTIM_ADAGRAD:
		adagrad_step(t->w, t->s[0], t->g, t->n, t->lr / (1 + (double)(step - 1) * h->lr_decay), h->eps,
			     t->decay, sums);
		break;
	case OPTIM_ADADELTA:
		adadelta_step(t->w, t->s[0], t->s[1], t->g, t->n, t->lr, h->rho, h->eps, t->decay, sums);
		break;
	case OPTIM_ADAMAX:
		adamax_step(t->w, t->s[0], t->s[1], t->g, t->n, t->lr, o->momentum, h->betas[1], h->eps, t->decay, step,
			    sums);
		break;
	case OPTIM_NADAM:
		step_nadam(o, t, sums);
		break;
	case OPTIM_RADAM:
		radam_step(t->w, t->s[0], t->s[1], t->g, t->n, t->lr, o->momentum, h->betas[1], h->eps, t->decay, step,
			   sums);
		break;
	}
}

/* Elements at .. at + n - 1 of a tensor. */
static struct share share_of(const struct optim *o, struct net *net, const struct param *p, int64_t at, int64_t n)
{
	const size_t first = p->at + (size_t)at;
	struct share t = {
		.w = net->w + first,
		.g = net->g + first,
		.n = n,
		.lr = o->lr[p->group] * p->lr_scale,
		.decay = o->weight_decay[p->group],
		.group = &o->group[p->group],
	};

	for (int r = 0; r < OPTIM_MAX_RUNS; r++)
		t.s[r] = o->state[r] ? o->state[r] + first : NULL;
	return t;
}

/* ---- all, in pieces that a team shares; what is summed is joined in their order ---- */

enum { PIECE = 64 << 10 };

int optim_pieces(const struct net *net)
{
	int64_t pieces = 0;

	for (int i = 0; i < net->n_params; i++)
		pieces += net->param[i].is_buffer ? 0 : (net->param[i].n + PIECE - 1) / PIECE;
	return (int)pieces;
}

/* One walk over the trained tensors. */
struct pass {
	enum { PASS_NORM, PASS_SCALE, PASS_STEP } what;
	const struct optim *o;
	struct net *net;
	int64_t elements;
	float by;
};

static void do_piece(const struct pass *pass, const struct param *p, int64_t at, int64_t n, struct step_sums *sums)
{
	float *g = pass->net->g + p->at + at;
	struct share t;
	double none;

	switch (pass->what) {
	case PASS_NORM:
		distance_sums(&none, &sums->grad2, g, g, n);
		break;
	case PASS_SCALE:
		scale_floats(g, pass->by, n);
		break;
	case PASS_STEP:
		t = share_of(pass->o, pass->net, p, at, n);
		step_tensor(pass->o, &t, sums);
		break;
	}
}

/* The pieces that begin in the i-th of n equal parts of all elements. */
static void pass_part(void *ctx, int i, int n)
{
	const struct pass *pass = ctx;
	struct step_sums *sums = pass->o->piece;
	int64_t before = 0;

	for (int k = 0; k < pass->net->n_params; k++) {
		const struct param *p = &pass->net->param[k];

		for (int64_t at = 0; p->trained && at < p->n; at += PIECE, sums++) {
			int64_t len = p->n - at < PIECE ? p->n - at : PIECE;

			if (before * n / pass->elements == i)
				do_piece(pass, p, at, len, sums);
			before += len;
		}
	}
}

static void run_pass(struct pass *pass)
{
	pass->elements = 0;
	for (int k = 0; k < pass->net->n_params; k++)
		pass->elements += pass->net->param[k].trained ? pass->net->param[k].n : 0;
	split_run(&pass->net->crew, (double)pass->elements, pass_part, pass);
}

/* Each group's sums over its pieces. */
static void join_pieces(const struct optim *o, const struct net *net, struct step_sums group[ENGINE_MAX_GROUPS])
{
	const struct step_sums *sums = o->piece;

	for (int k = 0; k < net->n_params; k++) {
		const struct param *p = &net->param[k];

		for (int64_t at = 0; p->trained && at < p->n; at += PIECE, sums++) {
			group[p->group].grad2 += sums->grad2;
			group[p->group].update2 += sums->update2;
			group[p->group].weight2 += sums->weight2;
		}
	}
}

/* torch.nn.utils.clip_grad_norm_ over all trained tensors; grad2[] gets each group's squared norm before it. */
static void clip(struct optim *o, struct net *net, double most, double grad2[ENGINE_MAX_GROUPS])
{
	struct step_sums group[ENGINE_MAX_GROUPS] = {{0}};
	double all = 0, by;

	run_pass(&(struct pass){.what = PASS_NORM, .o = o, .net = net});
	join_pieces(o, net, group);
	for (int g = 0; g < ENGINE_MAX_GROUPS; g++) {
		grad2[g] = group[g].grad2;
		all += grad2[g];
	}
	by = most / (sqrt(all) + 1e-6);
	if (!(by >= 1)) /* a norm that is no number spoils them all, as in torch */
		run_pass(&(struct pass){.what = PASS_SCALE, .o = o, .net = net, .by = (float)by});
}

static void count_steps(struct optim *o, const struct net *net)
{
	bool counted[ENGINE_MAX_GROUPS] = {false};

	for (int i = 0; i < net->n_params; i++) {
		int g = net->param[i].group;

		if (!net->param[i].trained || counted[g])
			continue;
		counted[g] = true;
		o->group[g].steps++;
		if (o->hyper->optimizer == OPTIM_NADAM)
			o->group[g].mu_product =
				(double)((float)o->group[g].mu_product * (float)nadam_mu(o, (double)o->group[g].steps));
	}
}

void optim_step(struct optim *o, struct net *net, double *grad_norm, double *update_ratio)
{
	struct step_sums group[ENGINE_MAX_GROUPS] = {{0}};
	double grad2[ENGINE_MAX_GROUPS] = {0};
	const bool clips = o->hyper->clip_grad_norm > 0;

	count_steps(o, net);
	if (clips)
		clip(o, net, o->hyper->clip_grad_norm, grad2);
	run_pass(&(struct pass){.what = PASS_STEP, .o = o, .net = net});
	join_pieces(o, net, group);
	for (int g = 0; g < ENGINE_MAX_GROUPS; g++) {
		grad_norm[g] += sqrt(clips ? grad2[g] : group[g].grad2);
		if (group[g].update2 > 0)
			update_ratio[g] += sqrt(group[g].update2 / group[g].weight2);
	}
}
