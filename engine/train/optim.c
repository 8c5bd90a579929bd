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

static struct share share_of(const struct optim *o, struct net *net, const struct param *p)
{
	struct share t = {
		.w = net->w + p->at,
		.g = net->g + p->at,
		.n = p->n,
		.lr = o->lr[p->group] * p->lr_scale,
		.decay = o->weight_decay[p->group],
		.group = &o->group[p->group],
	};

	for (int r = 0; r < OPTIM_MAX_RUNS; r++)
		t.s[r] = o->state[r] ? o->state[r] + p->at : NULL;
	return t;
}

/* ---- all ---- */

/* torch.nn.utils.clip_grad_norm_ over all trained tensors; grad2[] gets each group's squared norm before it. */
static void clip(struct net *net, double most, double grad2[ENGINE_MAX_GROUPS])
{
	double all = 0, by;

	for (int i = 0; i < net->n_params; i++) {
		const struct param *p = &net->param[i];
		double none, norm2;

		if (!p->trained)
			continue;
		distance_sums(&none, &norm2, net->g + p->at, net->g + p->at, p->n);
		grad2[p->group] += norm2;
		all += norm2;
	}
	by = most / (sqrt(all) + 1e-6);
	for (int i = 0; i < net->n_params && !(by >= 1);
	     i++) /* a norm that is no number spoils them all, as in torch */
		if (net->param[i].trained)
			scale_floats(net->g + net->param[i].at, (float)by, net->param[i].n);
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
		clip(net, o->hyper->clip_grad_norm, grad2);
	for (int i = 0; i < net->n_params; i++) {
		const struct param *p = &net->param[i];
		struct step_sums sums;
		struct share t;

		if (!p->trained)
			continue;
		t = share_of(o, net, p);
		step_tensor(o, &t, &sums);
		group[p->group].grad2 += sums.grad2;
		group[p->group].update2 += sums.update2;
		group[p->group].weight2 += sums.weight2;
	}
	for (int g = 0; g < ENGINE_MAX_GROUPS; g++) {
		grad_norm[g] += sqrt(clips ? grad2[g] : group[g].grad2);
		if (group[g].update2 > 0)
			update_ratio[g] += sqrt(group[g].update2 / group[g].weight2);
	}
}
