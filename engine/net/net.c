/* net.c - running a net: forward, backward, evaluation (see net.h) */
#include "engine/net/net.h"

#include <assert.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "engine/base/rng.h"

static float *weight(const struct net *net, int param)
{
	return param < 0 ? NULL : net->param[param].w;
}

static float *gradient(const struct net *net, int param)
{
	return param < 0 ? NULL : net->g + net->param[param].at;
}

static int64_t pixels(const struct node *n, int images)
{
	return (int64_t)images * n->h * n->w;
}

void net_set_team(struct net *net, struct team *team)
{
	net->crew.team = team;
}

float *net_input(struct net *net)
{
	return net->node[0].out;
}

float *net_eval_input(struct net *net)
{
	return net->node[0].eval_out;
}

float *net_logits_grad(struct net *net)
{
	return net->node[net->n_nodes - 1].grad;
}

/* ---- forward, train mode ---- */

static void running_rstd(float *rstd, const float *var, int c)
{
	for (int i = 0; i < c; i++)
		rstd[i] = 1.0f / sqrtf(var[i] + BN_EPS);
}

static void forward_bn(struct net *net, struct node *n, int images)
{
	const float *y = net->node[n->in].out;
	const float *add = n->add < 0 ? NULL : net->node[n->add].out;
	const float *gamma = weight(net, n->weight);
	const float *beta = weight(net, n->bias);
	float *mean = weight(net, n->mean);
	float *var = weight(net, n->var);

	if (!net->freeze_bn) {
		bn_forward_train(&net->crew, n->pooled ? NULL : n->out, n->saved_mean, n->saved_rstd, mean, var, y,
				 gamma, beta, add, n->relu, pixels(n, images), n->c, BN_EPS, BN_MOMENTUM);
		return;
	}
	memcpy(n->saved_mean, mean, (size_t)n->c * sizeof(float));
	running_rstd(n->saved_rstd, var, n->c);
	if (n->pooled)
		return;
	split_bn_forward_eval(&net->crew, n->out, y, n->saved_mean, n->saved_rstd, gamma, beta, add, n->relu,
			      pixels(n, images), n->c);
}

struct masks {
	uint8_t *mask;
	int64_t each;
	double p;
	int images;
	const struct batch_id *id;
};

static void masks_part(void *ctx, int i, int n)
{
	const struct masks *m = ctx;

	for (ptrdiff_t k = team_share(m->images, 1, i, n); k < team_share(m->images, 1, i + 1, n); k++)
		rng_mask(m->mask + k * m->each, m->each, m->p, m->id->seed, RNG_DROPOUT,
			 (uint64_t)m->id->epoch << 32 | m->id->sample[k]);
}

static void forward_dropout(struct net *net, struct node *n, int images, const struct batch_id *id)
{
	const int64_t each = (int64_t)n->h * n->w * n->c;
	struct masks m = {n->mask, each, (double)net->dropout, images, id};

	split_run(&net->crew, 8.0 * (double)(images * each), masks_part, &m);
	split_dropout_apply(&net->crew, n->out, net->node[n->in].out, n->mask, net->dropout, images * each);
}

static void pool_map(struct net *net, const struct node *n, float *out, uint8_t *mask, const float *x, int images)
{
	split_maxpool_forward(&net->crew, out, mask, x, &n->pool, images);
	if (n->relu)
		split_relu_forward(&net->crew, out, out, pixels(n, images) * n->c);
}

static void forward_pool(struct net *net, struct node *n, int images)
{
	const struct node *x = &net->node[n->in];

	if (n->pools && x->op == OP_BN)
		bn_pool_forward(&net->crew, n->out, n->mask, net->node[x->in].out, x->saved_mean, x->saved_rstd,
				weight(net, x->weight), weight(net, x->bias), x->relu, &n->pool, images);
	else if (n->pools)
		split_conv_pool_forward(&net->crew, n->out, n->mask, net->node[x->in].out, weight(net, x->weight),
					weight(net, x->bias), &x->conv, &n->pool, n->relu, images);
	else
		pool_map(net, n, n->out, n->mask, x->out, images);
}

static void forward_node(struct net *net, struct node *n, int images, const struct batch_id *id)
{
	const struct node *x = &net->node[n->in];

	switch (n->op) {
	case OP_INPUT:
		break;
	case OP_CONV:
		if (!n->pooled)
			split_conv_forward(&net->crew, n->out, x->out, weight(net, n->weight), &n->conv, images,
					   &(struct conv_tail){.bias = weight(net, n->bias)});
		break;
	case OP_BN:
		forward_bn(net, n, images);
		break;
	case OP_RELU:
		split_relu_forward(&net->crew, n->out, x->out, pixels(n, images) * n->c);
		break;
	case OP_MAXPOOL:
		forward_pool(net, n, images);
		break;
	case OP_GAP:
		split_global_avgpool_forward(&net->crew, n->out, x->out, images, x->h * x->w, x->c);
		break;
	case OP_DROPOUT:
		forward_dropout(net, n, images, id);
		break;
	case OP_LINEAR:
		linear_forward(n->out, x->out, weight(net, n->weight), weight(net, n->bias), images, x->h * x->w * x->c,
			       n->c);
		break;
	}
}

/* CPU seconds of this thread, if someone wants to know where they go. */
static double clock_now(const struct net *net)
{
	struct timespec ts;

	if (!net->times)
		return 0;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

/* Adds the time since *since to node i's; *since moves to now. */
static void note_time(struct net *net, int i, int pass, double *since)
{
	double now = clock_now(net);

	if (net->times)
		net->times->node[i][pass] += now - *since;
	*since = now;
}

void net_forward_nodes(struct net *net, int first, int end, int n, const struct batch_id *id)
{
	double since = clock_now(net);

	for (int i = first; i < end; i++) {
		forward_node(net, &net->node[i], n, id);
		note_time(net, i, 0, &since);
	}
}

float *net_logits_out(struct net *net)
{
	return net->node[net->n_nodes - 1].out;
}

const float *net_forward_train(struct net *net, int n, const struct batch_id *id)
{
	if (net->trunk)
		net_forward_nodes(net->trunk, 1, net->first, n, id);
	net_forward_nodes(net, net->first, net->n_nodes, n, id);
	return net_logits_out(net);
}

/* ---- backward ---- */

static bool trained(const struct net *net, const struct node *n)
{
	return net->param[n->weight].trained || (n->bias >= 0 && net->param[n->bias].trained);
}

static void backward_conv(struct net *net, struct node *n, int images)
{
	struct node *x = &net->node[n->in];

	if (n->pooled || n->used_up) /* done at the pooling's turn */
		return;
	if (trained(net, n))
		split_conv_backward_weights(&net->crew, gradient(net, n->weight), gradient(net, n->bias), n->grad,
					    x->back_out, &n->conv, images);
	if (x->needs_grad)
		split_conv_backward_data(&net->crew, x->grad, n->grad, weight(net, n->weight), &n->conv, images,
					 n->add_to_in);
}

static void backward_bn(struct net *net, struct node *n, int images)
{
	struct node *x = &net->node[n->in];
	bool own = trained(net, n);
	float *add_grad = n->add < 0 ? NULL : net->node[n->add].grad;

	if (n->pooled) /* done at the pooling's turn */
		return;
	bn_backward(&net->crew, x->grad, own ? gradient(net, n->weight) : NULL, own ? gradient(net, n->bias) : NULL,
		    add_grad, n->grad, n->add < 0 ? NULL : n->back_out, x->back_out, n->saved_mean, n->saved_rstd,
		    weight(net, n->weight), weight(net, n->bias), n->relu && !n->gated, !net->freeze_bn, n->add_to_add,
		    pixels(n, images), n->c);
}

static void backward_pooled_bn(struct net *net, const struct node *pool, const struct node *bn, int images)
{
	const struct node *y = &net->node[bn->in];
	const struct conv_use use = {
		.cs = &y->conv, .dw = y->used_up ? gradient(net, y->weight) : NULL, .x = net->node[y->in].back_out};
	bool own = trained(net, bn), used_up = y->used_up && y->needs_grad;

	bn_pool_backward(&net->crew, y->used_up ? NULL : y->grad, used_up ? &use : NULL,
			 own ? gradient(net, bn->weight) : NULL, own ? gradient(net, bn->bias) : NULL, pool->grad,
			 pool->mask, y->back_out, bn->saved_mean, bn->saved_rstd, weight(net, bn->weight),
			 !net->freeze_bn, &pool->pool, images);
}

static void backward_pool(struct net *net, struct node *n, int images)
{
	struct node *x = &net->node[n->in];

	if (n->pools && x->op == OP_CONV) {
		split_conv_pool_backward_weights(&net->crew, gradient(net, x->weight), gradient(net, x->bias), n->grad,
						 n->relu ? n->back_out : NULL, n->mask, net->node[x->in].back_out,
						 &x->conv, &n->pool, images);
		return;
	}
	if (n->gates)
		split_relu_backward(&net->crew, n->grad, n->grad, n->back_out, pixels(n, images) * n->c);
	if (n->pools) {
		backward_pooled_bn(net, n, x, images);
		return;
	}
	split_maxpool_backward(&net->crew, x->grad, n->grad, n->mask, &n->pool, images);
}

static void backward_linear(struct net *net, struct node *n, int images)
{
	struct node *x = &net->node[n->in];
	bool own = trained(net, n);

	linear_backward(x->grad, own ? gradient(net, n->weight) : NULL, own ? gradient(net, n->bias) : NULL, n->grad,
			x->back_out, weight(net, n->weight), images, x->h * x->w * x->c, n->c);
}

static void backward_node(struct net *net, struct node *n, int images)
{
	struct node *x = &net->node[n->in];

	if (n->op != OP_CONV && n->op != OP_BN && n->op != OP_LINEAR && !x->needs_grad)
		return;
	switch (n->op) {
	case OP_INPUT:
		break;
	case OP_CONV:
		backward_conv(net, n, images);
		break;
	case OP_BN:
		backward_bn(net, n, images);
		break;
	case OP_RELU:
		split_relu_backward(&net->crew, x->grad, n->grad, n->back_out, pixels(n, images) * n->c);
		break;
	case OP_MAXPOOL:
		backward_pool(net, n, images);
		break;
	case OP_GAP:
		split_global_avgpool_backward(&net->crew, x->grad, n->grad, images, x->h * x->w, x->c);
		break;
	case OP_DROPOUT:
		split_dropout_apply(&net->crew, x->grad, n->grad, n->mask, net->dropout, pixels(n, images) * n->c);
		break;
	case OP_LINEAR:
		backward_linear(net, n, images);
		break;
	}
}

/* Maps that node i's backward turn is the first to read and that were not kept, from the first to the last: one may be
 * the residual of another. The same call on the same numbers as in the forward pass, so the same bits. */
static void compute_again(struct net *net, int i, int images)
{
	for (int j = net->first; j < net->n_nodes; j++) {
		struct node *n = &net->node[j];

		if (n->again == i)
			split_bn_forward_eval(&net->crew, n->back_out, net->node[n->in].back_out, n->saved_mean,
					      n->saved_rstd, weight(net, n->weight), weight(net, n->bias),
					      n->add < 0 ? NULL : net->node[n->add].back_out, n->relu,
					      pixels(n, images), n->c);
	}
}

void net_backward(struct net *net, int n)
{
	double since = clock_now(net);

	for (int i = net->n_nodes - 1; i >= net->first_trained; i--) {
		compute_again(net, i, n); /* also at a turn that is frozen for now: a later one may read the map */
		if (net->node[i].needs_grad)
			backward_node(net, &net->node[i], n);
		note_time(net, i, 1, &since);
	}
}

/* ---- evaluation ---- */

/* gamma (conv(x) - mean) rstd + beta = conv'(x) + bias', with conv' and bias' kept where the gradients were. */
static void fold_conv(struct net *net, const struct node *conv, const struct node *bn)
{
	const float *w = weight(net, conv->weight);
	float *folded = gradient(net, conv->weight);
	float *bias = gradient(net, bn->bias);
	float *scale = gradient(net, bn->weight);
	int64_t rows = net->param[conv->weight].n / conv->c;

	assert(conv->bias < 0);
	running_rstd(scale, weight(net, bn->var), bn->c);
	for (int k = 0; k < bn->c; k++) {
		scale[k] *= weight(net, bn->weight)[k];
		bias[k] = weight(net, bn->bias)[k] - weight(net, bn->mean)[k] * scale[k];
	}
	for (int64_t i = 0; i < rows; i++)
		for (int k = 0; k < conv->c; k++)
			folded[i * conv->c + k] = w[i * conv->c + k] * scale[k];
}

void net_fold(struct net *net)
{
	for (int i = net->first; i < net->end; i++)
		if (net->node[i].folded_into >= 0)
			fold_conv(net, &net->node[i], &net->node[net->node[i].folded_into]);
}

static void eval_bn(struct net *net, struct node *n, int images)
{
	const struct node *conv = &net->node[n->in];
	const struct conv_tail tail = {
		.bias = gradient(net, n->bias), .add = n->add < 0 ? NULL : net->node[n->add].eval_out, .relu = n->relu};

	assert(conv->op == OP_CONV); /* every model puts BatchNorm behind a convolution */
	split_conv_forward(&net->crew, n->eval_out, net->node[conv->in].eval_out, gradient(net, conv->weight),
			   &conv->conv, images, &tail);
}

static void eval_node(struct net *net, struct node *n, int images)
{
	const struct node *x = &net->node[n->in];

	switch (n->op) {
	case OP_INPUT:
	case OP_DROPOUT: /* its map is its input's */
		break;
	case OP_CONV:
		if (n->folded_into < 0)
			split_conv_forward(&net->crew, n->eval_out, x->eval_out, weight(net, n->weight), &n->conv,
					   images, &(struct conv_tail){.bias = weight(net, n->bias)});
		break;
	case OP_BN:
		eval_bn(net, n, images);
		break;
	case OP_RELU:
		split_relu_forward(&net->crew, n->eval_out, x->eval_out, pixels(n, images) * n->c);
		break;
	case OP_MAXPOOL:
		pool_map(net, n, n->eval_out, n->eval_mask, x->eval_out, images);
		break;
	case OP_GAP:
		split_global_avgpool_forward(&net->crew, n->eval_out, x->eval_out, images, x->h * x->w, x->c);
		break;
	case OP_LINEAR:
		linear_forward(n->eval_out, x->eval_out, weight(net, n->weight), weight(net, n->bias), images,
			       x->h * x->w * x->c, n->c);
		break;
	}
}

void net_forward_eval_nodes(struct net *net, int first, int end, int n)
{
	for (int i = first; i < end; i++)
		eval_node(net, &net->node[i], n);
}

float *net_eval_logits_out(struct net *net)
{
	return net->node[net->n_nodes - 1].eval_out;
}

const float *net_forward_eval(struct net *net, int n)
{
	if (net->trunk)
		net_forward_eval_nodes(net->trunk, 1, net->first, n);
	net_forward_eval_nodes(net, net->first, net->n_nodes, n);
	return net_eval_logits_out(net);
}

/* ---- for tests ---- */

static size_t image_floats(const struct net *net)
{
	return (size_t)net->node[0].h * (size_t)net->node[0].w * (size_t)net->node[0].c;
}

void net_logits(struct net *net, float *logits, const float *x, int n)
{
	if (net->trunk)
		net_fold(net->trunk);
	net_fold(net);
	for (int done = 0; done < n;) {
		int now = n - done < net->eval_batch ? n - done : net->eval_batch;

		memcpy(net_eval_input(net), x + (size_t)done * image_floats(net),
		       (size_t)now * image_floats(net) * sizeof(float));
		memcpy(logits + (size_t)done * (size_t)net->classes, net_forward_eval(net, now),
		       (size_t)now * (size_t)net->classes * sizeof(float));
		done += now;
	}
}

void net_logits_train(struct net *net, float *logits, const float *x, int n)
{
	memcpy(net_input(net), x, (size_t)n * image_floats(net) * sizeof(float));
	memcpy(logits, net_forward_train(net, n, &(struct batch_id){0}),
	       (size_t)n * (size_t)net->classes * sizeof(float));
}
