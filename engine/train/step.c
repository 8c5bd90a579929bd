/* step.c - one step of a trial: rates, batch, gradients, update (see trial.h) */
#include "engine/train/trial.h"

#include <math.h>
#include <string.h>

/* torch.nn.BatchNorm2d refuses to normalise a single value per channel in train mode. */
static int check_batch(const struct trial *t, int n, struct err *e)
{
	const struct net *net = &t->net;

	if (n > 1 || net->freeze_bn)
		return 0;
	for (int i = 0; i < net->n_nodes; i++)
		if (net->node[i].op == OP_BN && net->node[i].h * net->node[i].w == 1)
			return err_set(e, ERR_DATA,
				       "a batch of one image leaves BatchNorm one value a channel; "
				       "choose a batch_size that leaves no single sample over");
	return 0;
}

static int64_t steps_per_epoch(const struct trial *t)
{
	return (dataset_info(t->spec.train)->n + t->net.batch - 1) / t->net.batch;
}

void trial_set_rates(struct trial *t, int64_t step)
{
	const struct hyper *h = &t->spec.hyper;
	const int64_t per_epoch = steps_per_epoch(t);
	bool trained[ENGINE_MAX_GROUPS] = {false};

	for (int g = 0; g < t->spec.n_groups; g++) {
		double base = h->schedule == SCHEDULE_PLATEAU ? t->position.plateau.lr[g] : t->lr[g];

		trained[g] = t->lr[g] > 0 && step / per_epoch >= hyper_thaw_epoch(h, g, t->spec.n_groups);
		t->optim.lr[g] = schedule_lr(h, base, step, per_epoch);
	}
	t->optim.momentum = schedule_momentum(h, step, per_epoch);
	if (!memcmp(trained, t->trained, sizeof(trained)))
		return;
	memcpy(t->trained, trained, sizeof(trained));
	net_change_trained(&t->net, trained);
}

double trial_rate(const struct trial *t, int g)
{
	return t->trained[g] ? t->optim.lr[g] : 0;
}

double trial_momentum(const struct trial *t)
{
	return t->optim.momentum;
}

int trial_begin_batch(struct trial *t, const uint32_t *index, int n, struct err *e)
{
	int rc = check_batch(t, n, e);

	return rc ? rc : trunk_batch(t->trunk, t->position.epoch, index, n, e);
}

void trial_finish_batch(struct trial *t, const uint32_t *index, int n, double *loss)
{
	struct net *net = &t->net;
	const struct batch_id id = {.seed = t->spec.seed, .epoch = (uint32_t)t->position.epoch, .sample = index};

	net_forward_nodes(net, net->first, net->n_nodes, n, &id);
	cross_entropy(t->sample_loss, t->sample_right, net_logits_grad(net), net_logits_out(net), t->trunk->label, n,
		      net->classes, (float)t->spec.hyper.label_smoothing);
	*loss = 0;
	for (int i = 0; i < n; i++)
		*loss += t->sample_loss[i] / n;
	net_backward(net, n);
}

/* How long each group's last update was, beside its weights. */
static void watch_norms(struct position *p, int g, double grad_norm, double ratio)
{
	bool wild = !isfinite(grad_norm) || !isfinite(ratio) || ratio > 1;

	p->wild[g] = wild ? p->wild[g] + 1 : 0;
	if (isfinite(grad_norm) && isfinite(ratio))
		p->ratio[g] = ratio;
}

void trial_update(struct trial *t)
{
	struct position *p = &t->position;
	double grad_norm[ENGINE_MAX_GROUPS] = {0};
	double ratio[ENGINE_MAX_GROUPS] = {0};

	p->steps++;
	optim_step(&t->optim, &t->net, grad_norm, ratio);
	for (int g = 0; g < t->spec.n_groups; g++) {
		p->grad_norm[g] += grad_norm[g];
		p->update_ratio[g] += ratio[g];
		p->rated[g] += trial_rate(t, g) > 0;
		watch_norms(p, g, grad_norm[g], ratio[g]);
	}
}

static int wildest(const struct trial *t)
{
	const struct position *p = &t->position;
	int most = 0;

	for (int g = 1; g < t->spec.n_groups; g++)
		if (p->wild[g] > p->wild[most] || (p->wild[g] == p->wild[most] && p->ratio[g] > p->ratio[most]))
			most = g;
	return most;
}

bool trial_diverges(struct trial *t, double loss, int64_t step)
{
	const double most = t->spec.hyper.diverge_above;

	if (isfinite(loss) && !(most > 0 && loss > most))
		return false;
	t->divergence = (struct divergence){
		.epoch = (int)t->position.epoch + 1, .step = step, .loss = loss, .group = wildest(t)};
	return true;
}

void trial_divergence(struct divergence *d, const struct trial *t)
{
	*d = t->divergence;
}

int trial_gradients(struct trial *t, const uint32_t *index, int n, double *loss, struct err *e)
{
	int rc;

	trial_set_rates(t, t->position.steps);
	rc = trial_begin_batch(t, index, n, e);
	if (!rc)
		trial_finish_batch(t, index, n, loss);
	return rc;
}

int trial_step(struct trial *t, const uint32_t *index, int n, double *loss, struct err *e)
{
	int rc = trial_gradients(t, index, n, loss, e);

	if (!rc)
		trial_update(t);
	return rc;
}

int trial_rehearse(struct trial *t, int steps, struct err *e)
{
	const struct position start = t->position; /* schedules know no step behind the last */
	const uint32_t *order = trunk_order(t->trunk, 0);
	double loss;
	int rc = 0;

	for (int i = 0; i < steps && !rc; i++) {
		rc = trial_step(t, order, trial_batch(t), &loss, e);
		t->position = start;
	}
	return rc;
}
