/* optim.c - see optim.h */
#include "engine/train/optim.h"

#include <math.h>

int optim_runs(const struct hyper *h)
{
	if (h->optimizer == OPTIM_SGD)
		return h->momentum != 0;
	return h->amsgrad ? 3 : 2;
}

static void step_tensor(struct optim *o, struct net *net, const struct param *p, int64_t step, struct step_sums *sums)
{
	const struct hyper *h = o->hyper;
	float *w = net->w + p->at;
	const float *g = net->g + p->at;
	double lr = o->lr[p->group];
	double decay = o->weight_decay[p->group];
	float *state[3];

	for (int i = 0; i < 3; i++)
		state[i] = o->state[i] ? o->state[i] + p->at : NULL;
	if (h->optimizer == OPTIM_SGD)
		sgd_step(w, state[0], g, p->n, (float)lr, (float)h->momentum, (float)h->dampening, h->nesterov,
			 (float)decay, step == 1, sums);
	else
		adam_step(w, state[0], state[1], state[2], g, p->n, lr, h->betas[0], h->betas[1], h->eps, decay,
			  h->optimizer == OPTIM_ADAMW, step, sums);
}

void optim_step(struct optim *o, struct net *net, int64_t step, double *grad_norm, double *update_ratio)
{
	struct step_sums group[ENGINE_MAX_GROUPS] = {{0}};

	for (int i = 0; i < net->n_params; i++) {
		const struct param *p = &net->param[i];
		struct step_sums sums;

		if (!p->trained)
			continue;
		step_tensor(o, net, p, step, &sums);
		group[p->group].grad2 += sums.grad2;
		group[p->group].update2 += sums.update2;
		group[p->group].weight2 += sums.weight2;
	}
	for (int g = 0; g < ENGINE_MAX_GROUPS; g++) {
		grad_norm[g] += sqrt(group[g].grad2);
		if (group[g].update2 > 0)
			update_ratio[g] += sqrt(group[g].update2 / group[g].weight2);
	}
}
