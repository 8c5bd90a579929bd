/*
 * place.c - where every map, gradient and statistic of a net lies (net_place() of net.h).
 *
 * A training step is a line of moments: forward of node i at moment i, backward at 2n-1-i. Every buffer is needed from
 * one moment to another; buffers whose times do not meet may share memory. The same for evaluation, whose buffers lie
 * over those of training: the two never run at once.
 *
 * A large map behind a BatchNorm is not kept for the backward pass but computed again from what BatchNorm keeps anyway, to
 * the same bits, when it is first read there (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost"): its
 * memory is another's in between, for one pass over the map. And a gradient that goes through BatchNorm or ReLU into
 * that layer's only input is overwritten in place.
 *
 * A map that only a max pooling reads is not kept at all where one kernel does the work of both (pools_input()): at the
 * pooling's turns, so that what the pooled node reads lives until then. Where the first convolution lies below, the gradient
 * of its map is not kept either (ends_backward()).
 */
#include "engine/net/net.h"

#include <assert.h>
#include <string.h>

/* Room for the maps of one evaluation batch, so that they stay in a core's cache. */
#define EVAL_FLOATS (768 * 1024 / sizeof(float))

struct life {
	size_t floats, at;
	int from, to;
};

/* Maps from this size on are computed again. */
#define AGAIN_FLOATS (128 * 1024)

enum kind { KIND_OUT, KIND_AGAIN, KIND_GRAD, KIND_MASK, N_KINDS };

struct plan {
	struct life life[N_KINDS][NET_MAX_NODES];
	size_t total;
};

static size_t map_floats(const struct node *n, int batch)
{
	return (size_t)batch * (size_t)n->h * (size_t)n->w * (size_t)n->c;
}

/* In training. */
static size_t kept_floats(const struct node *n, int batch)
{
	return n->pooled ? 0 : map_floats(n, batch);
}

/* A pooled BatchNorm's place is taken over by its input's gradient, if that is ever whole. */
static size_t grad_floats(const struct net *net, int i)
{
	const struct node *n = &net->node[i];
	bool none = n->used_up || (n->pooled && (n->op == OP_CONV || net->node[n->in].used_up));

	return none ? 0 : map_floats(n, net->batch);
}

/* One byte an element. */
static size_t mask_floats(const struct node *n, int batch)
{
	return (map_floats(n, batch) + sizeof(float) - 1) / sizeof(float);
}

static int max_int(int a, int b)
{
	return a > b ? a : b;
}

static bool own_trained(const struct net *net, const struct node *n)
{
	return (n->weight >= 0 && net->param[n->weight].trained) || (n->bias >= 0 && net->param[n->bias].trained);
}

/* Does the backward pass of consumer j read the map it was fed? */
static bool reads_input_backward(const struct net *net, int j)
{
	const struct node *n = &net->node[j];

	if (n->op == OP_CONV || n->op == OP_LINEAR)
		return own_trained(net, n);
	return n->op == OP_BN && n->needs_grad;
}

/* Forward moments at which the map of node i is in use, and the first and last of the backward ones (none: 0). */
struct use {
	int forward, first, last;
};

static void add_backward_use(struct use *u, int moment)
{
	if (!u->last || moment < u->first)
		u->first = moment;
	u->last = max_int(u->last, moment);
}

/* The node at whose turns in training node j's work is done. */
static int turn_of(const struct net *net, int j)
{
	int turn = j + 1;

	if (!net->node[j].pooled)
		return j;
	while (net->node[turn].in != j)
		turn++;
	return turn;
}

/* Needs again[] of the nodes behind i. */
static struct use use_of(const struct net *net, int i)
{
	const int last = 2 * net->n_nodes - 1;
	const struct node *n = &net->node[i];
	struct use u = {.forward = i == net->n_nodes - 1 ? i + 1 : i};

	/* ReLU's output says where it let values through; a BatchNorm without `add` knows it from its input. */
	if (n->needs_grad && !n->gated && (n->op == OP_RELU || (n->op == OP_BN && n->relu && n->add >= 0)))
		add_backward_use(&u, last - i);
	if (n->needs_grad && n->gates)
		add_backward_use(&u, last - i);
	for (int j = i + 1; j < net->n_nodes; j++) {
		const struct node *reader = &net->node[j];

		if (reader->in != i && reader->add != i)
			continue;
		u.forward = max_int(u.forward, turn_of(net, j));
		if (reader->in == i && reads_input_backward(net, j))
			add_backward_use(&u, last - turn_of(net, j));
		if (reader->add == i && reader->again >= 0)
			add_backward_use(&u, last - reader->again);
	}
	return u;
}

/*
 * ReLU passes a gradient where its output is positive. A max pooling that is the only reader of that output sends gradients
 * only to pixels that were a window's maximum, so to pixels whose value is its own output: it can stop them itself, at
 * its smaller size, and the large map need not be kept.
 */
static void set_gates(struct net *net)
{
	for (int j = 1; j < net->n_nodes; j++) {
		struct node *pool = &net->node[j], *x = &net->node[pool->in];

		x->gated = pool->op == OP_MAXPOOL && x->op == OP_BN && x->relu && x->consumers == 1;
		pool->gates = pool->op == OP_MAXPOOL && (pool->relu || x->gated);
	}
}

/* Does the kernel of pooling j do the work of the node that it alone reads, too? That of a BatchNorm, or of a convolution
 * whose input needs no gradient. */
static bool pools_input(const struct net *net, int j)
{
	const struct node *pool = &net->node[j], *x = &net->node[pool->in];

	if (pool->op != OP_MAXPOOL || x->consumers != 1 || pool->in < net->first || j >= net->end)
		return false;
	if (x->op == OP_CONV)
		return !net->node[x->in].needs_grad && conv_pool_fits(&x->conv, &pool->pool);
	return x->op == OP_BN && x->add < 0 && !pool->relu && bn_maxpool_fits(&pool->pool);
}

/* Is node i a convolution that nothing but its own weights wants a gradient from? */
static bool ends_backward(const struct net *net, int i)
{
	const struct node *n = &net->node[i];

	return n->op == OP_CONV && i >= net->first && n->bias < 0 && n->consumers == 1 && !net->node[n->in].needs_grad;
}

static void set_pooled(struct net *net)
{
	for (int j = 1; j < net->n_nodes; j++) {
		struct node *pool = &net->node[j], *x = &net->node[pool->in];

		pool->pools = x->pooled = pools_input(net, j);
		if (x->in >= 0)
			net->node[x->in].used_up = x->pooled && x->op == OP_BN && ends_backward(net, x->in);
	}
}

/* Worth its time: a large map that is out of use for a quarter of the step. */
static bool computes_again(const struct net *net, int i, const struct use *u)
{
	const struct node *n = &net->node[i];

	return n->op == OP_BN && n->needs_grad && u->last && map_floats(n, net->batch) >= AGAIN_FLOATS &&
	       u->first - u->forward >= net->n_nodes / 2;
}

static void map_lives(struct plan *plan, struct net *net)
{
	const int last = 2 * net->n_nodes - 1;

	for (int i = net->n_nodes - 1; i >= 0; i--) {
		struct node *n = &net->node[i];
		size_t floats = kept_floats(n, net->batch);
		struct use u = use_of(net, i);
		bool again = computes_again(net, i, &u);

		n->again = again ? last - u.first : -1;
		plan->life[KIND_OUT][i] = (struct life){floats, 0, i, again ? u.forward : max_int(u.forward, u.last)};
		if (again)
			plan->life[KIND_AGAIN][i] = (struct life){floats, 0, u.first, u.last};
	}
}

/* The node whose gradient's place node i's gradient takes over, or i itself. */
static int grad_place(const struct net *net, int i)
{
	if (net->node[i].consumers != 1)
		return i;
	for (int j = i + 1; j < net->n_nodes; j++) {
		enum op op = net->node[j].op;

		if (net->node[j].in == i)
			return op == OP_BN || op == OP_RELU ? grad_place(net, j) : i;
		if (net->node[j].add == i)
			return i;
	}
	return i;
}

/* A gradient lives from the first backward turn that writes it to its node's own. */
static void gradient_lives(struct plan *plan, const struct net *net)
{
	const int last = 2 * net->n_nodes - 1;

	for (int i = 0; i < net->n_nodes; i++) {
		int written = i == net->n_nodes - 1 ? i : last;

		if (!net->node[i].needs_grad)
			continue;
		for (int j = i + 1; j < net->n_nodes; j++)
			if ((net->node[j].in == i || net->node[j].add == i) && written > last - j)
				written = last - j;
		plan->life[KIND_GRAD][i] = (struct life){grad_floats(net, i), 0, written, last - i};
	}
	for (int i = 0; i < net->n_nodes; i++) {
		int place = grad_place(net, i);

		if (!net->node[i].needs_grad || place == i)
			continue;
		plan->life[KIND_GRAD][place].to = max_int(plan->life[KIND_GRAD][place].to, last - i);
		plan->life[KIND_GRAD][i].floats = 0;
	}
}

static void training_lives(struct plan *plan, struct net *net)
{
	const int last = 2 * net->n_nodes - 1;

	map_lives(plan, net);
	gradient_lives(plan, net);
	for (int i = 0; i < net->n_nodes; i++) {
		const struct node *n = &net->node[i];

		if (n->op == OP_DROPOUT || n->op == OP_MAXPOOL)
			plan->life[KIND_MASK][i] =
				(struct life){mask_floats(n, net->batch), 0, i, n->needs_grad ? last - i : i};
	}
}

/* The node whose turn in evaluation runs node j: its BatchNorm for a folded convolution. */
static int eval_turn(const struct net *net, int j)
{
	return net->node[j].folded_into >= 0 ? net->node[j].folded_into : j;
}

static int eval_last_reader(const struct net *net, int i)
{
	int until = i;

	for (int j = i + 1; j < net->n_nodes; j++) {
		if (net->node[j].in != i && net->node[j].add != i)
			continue;
		until = max_int(until, eval_turn(net, j));
		if (net->node[j].op == OP_DROPOUT) /* passes its input on as it is */
			until = max_int(until, eval_last_reader(net, j));
	}
	return until;
}

static void evaluation_lives(struct plan *plan, const struct net *net, int batch)
{
	for (int i = 0; i < net->n_nodes; i++) {
		const struct node *n = &net->node[i];

		if (n->folded_into < 0 && n->op != OP_DROPOUT)
			plan->life[KIND_OUT][i] = (struct life){map_floats(n, batch), 0, i, eval_last_reader(net, i)};
		if (n->op == OP_MAXPOOL)
			plan->life[KIND_MASK][i] = (struct life){mask_floats(n, batch), 0, i, i};
	}
}

static bool meets(const struct life *a, const struct life *b)
{
	return a->from <= b->to && b->from <= a->to;
}

/* Lowest place where x touches none of the n placed lives that it meets in time. */
static size_t lowest_gap(const struct life *x, struct life *const *placed, int n)
{
	size_t at = 0;
	bool moved = true;

	while (moved) {
		moved = false;
		for (int i = 0; i < n; i++) {
			if (!meets(x, placed[i]) || at >= placed[i]->at + placed[i]->floats ||
			    at + x->floats <= placed[i]->at)
				continue;
			at = (placed[i]->at + placed[i]->floats + 15) / 16 * 16;
			moved = true;
		}
	}
	return at;
}

/* Largest first, each at the lowest place that is free during its life. */
static void place_lives(struct plan *plan)
{
	struct life *order[N_KINDS * NET_MAX_NODES];
	int n = 0;

	for (int k = 0; k < N_KINDS; k++)
		for (int i = 0; i < NET_MAX_NODES; i++)
			if (plan->life[k][i].floats)
				order[n++] = &plan->life[k][i];
	for (int i = 1; i < n; i++) {
		struct life *x = order[i];
		int j = i;

		for (; j > 0 && order[j - 1]->floats < x->floats; j--)
			order[j] = order[j - 1];
		order[j] = x;
	}
	plan->total = 0;
	for (int i = 0; i < n; i++) {
		order[i]->at = lowest_gap(order[i], order, i);
		if (plan->total < order[i]->at + order[i]->floats)
			plan->total = order[i]->at + order[i]->floats;
	}
}

/* Of images so large that a few of their maps fill the cache, evaluation takes this many at once (no more than a training
 * batch has): transforming and reading the weights is worth more images. */
#define EVAL_LARGE 32

/* As many images as keep the live maps of evaluation in cache: 8 .. 256, a multiple of 8. */
static int choose_eval_batch(struct plan *plan, const struct net *net)
{
	int least = net->batch < EVAL_LARGE ? max_int(net->batch / 8 * 8, 8) : EVAL_LARGE;
	size_t n;

	evaluation_lives(plan, net, 1);
	place_lives(plan);
	n = EVAL_FLOATS / plan->total / 8 * 8;
	return n < 8 ? least : n > 256 ? 256 : (int)n;
}

/* The convolution whose gradient is used up at pooling i's turn, or NULL. */
static const struct conv_shape *used_up_by(const struct net *net, int i)
{
	const struct node *y = &net->node[net->node[net->node[i].in].in];

	return y->used_up ? &y->conv : NULL;
}

/* Of node i, in training and in evaluation. */
static size_t node_workspace(const struct net *net, int i)
{
	const struct node *n = &net->node[i];
	size_t floats = 0;

	if (n->op == OP_CONV)
		floats = conv_workspace(&n->conv, max_int(net->batch, net->eval_batch));
	else if (n->op == OP_BN)
		floats = bn_workspace(n->c);
	else if (n->pools && net->node[n->in].op == OP_CONV)
		floats = split_conv_pool_workspace(&net->node[n->in].conv);
	else if (n->pools)
		floats = bn_pool_workspace(&n->pool, used_up_by(net, i));
	return floats;
}

static size_t workspace_floats(const struct net *net)
{
	size_t most = 0;

	for (int i = net->first; i < net->end; i++) {
		size_t floats = node_workspace(net, i);

		most = floats > most ? floats : most;
	}
	return (most + 15) / 16 * 16;
}

/* A gradient that two consumers write: the one whose backward pass comes first overwrites, the other adds. */
static void set_adding(struct net *net)
{
	bool written[NET_MAX_NODES] = {false};

	for (int i = net->n_nodes - 1; i > 0; i--) {
		struct node *n = &net->node[i];

		n->add_to_in = n->needs_grad && written[n->in];
		n->add_to_add = n->needs_grad && n->add >= 0 && written[n->add];
		assert(!n->add_to_in || n->op == OP_CONV); /* the only kernel that adds on this side */
		if (!n->needs_grad)
			continue;
		written[n->in] = true;
		if (n->add >= 0)
			written[n->add] = true;
	}
}

static void set_training_pointers(struct net *net, const struct plan *plan, float *region)
{
	for (int i = net->first; i < net->end; i++) {
		struct node *n = &net->node[i];

		n->out = region + plan->life[KIND_OUT][i].at;
		n->back_out = n->again < 0 ? n->out : region + plan->life[KIND_AGAIN][i].at;
		n->grad = n->grad_at = n->needs_grad ? region + plan->life[KIND_GRAD][grad_place(net, i)].at : NULL;
		n->mask = (uint8_t *)(region + plan->life[KIND_MASK][i].at);
	}
}

static void set_evaluation_pointers(struct net *net, const struct plan *plan, float *region)
{
	for (int i = net->first; i < net->end; i++) {
		struct node *n = &net->node[i];

		if (n->op == OP_DROPOUT)
			n->eval_out = net->node[n->in].eval_out;
		else
			n->eval_out = n->folded_into < 0 ? region + plan->life[KIND_OUT][i].at : NULL;
		n->eval_mask = (uint8_t *)(region + plan->life[KIND_MASK][i].at);
	}
}

/* ---- a part of the net ---- */

/* Only what is the net's own has a place; what others read stands to the end. */
static void keep_own(struct plan *plan, const struct net *net)
{
	for (int i = 0; i < net->n_nodes; i++) {
		bool own = i >= net->first && i < net->end;
		bool outside = own && net->end < net->n_nodes && net_read_outside(net, i);

		if (outside)
			plan->life[KIND_OUT][i].to = 2 * net->n_nodes;
		for (int k = 0; k < N_KINDS; k++)
			if (!own || (net->filled && !(outside && k == KIND_OUT)))
				plan->life[k][i].floats = 0;
	}
}

static void mark_own(struct net *net, int param)
{
	if (param >= 0)
		net->param[param].own = true;
}

/* Offsets of the own tensors in the flat run: parameters first, buffers behind them. */
static void lay_out_params(struct net *net)
{
	for (int i = 0; i < net->n_params; i++)
		net->param[i].own = false;
	for (int i = net->first; i < net->end; i++) {
		mark_own(net, net->node[i].weight);
		mark_own(net, net->node[i].bias);
		if (net->node[i].op == OP_BN) {
			mark_own(net, net->node[i].mean);
			mark_own(net, net->node[i].var);
		}
	}
	net->n_weights = 0;
	for (int buffers = 0; buffers < 2; buffers++) {
		for (int i = 0; i < net->n_params; i++) {
			struct param *p = &net->param[i];

			if (!p->own || p->is_buffer != buffers)
				continue;
			p->at = net->n_weights;
			net->n_weights += ((size_t)p->n + 15) / 16 * 16;
		}
		if (!buffers)
			net->n_trainable = net->n_weights;
	}
}

static void place_params(struct net *net, struct arena *a)
{
	lay_out_params(net);
	net->w = arena_floats(a, net->n_weights);
	net->g = net->filled ? NULL : arena_floats(a, net->n_trainable);
	for (int i = 0; i < net->n_params && net->w; i++)
		if (net->param[i].own)
			net->param[i].w = net->w + net->param[i].at;
}

static void place_statistics(struct net *net, struct arena *a)
{
	for (int i = net->first; i < net->end && !net->filled; i++) {
		struct node *n = &net->node[i];

		if (n->op != OP_BN)
			continue;
		n->saved_mean = arena_floats(a, (size_t)n->c);
		n->saved_rstd = arena_floats(a, (size_t)n->c);
	}
}

void net_place(struct net *net, struct arena *a, int batch, int first, int end)
{
	struct plan plan = {0}; /* 50 KB each */
	struct plan eval_plan = {0};
	float *region;

	net->batch = batch;
	net->first = first;
	net->end = end;
	set_gates(net);
	set_pooled(net);
	net->eval_batch = choose_eval_batch(&eval_plan, net);
	training_lives(&plan, net);
	keep_own(&plan, net);
	place_lives(&plan);
	memset(&eval_plan, 0, sizeof(eval_plan));
	evaluation_lives(&eval_plan, net, net->eval_batch);
	keep_own(&eval_plan, net);
	place_lives(&eval_plan);
	set_adding(net);

	place_params(net, a);
	place_statistics(net, a);
	region = arena_floats(a, plan.total > eval_plan.total ? plan.total : eval_plan.total);
	if (!a->base)
		return;
	set_training_pointers(net, &plan, region);
	set_evaluation_pointers(net, &eval_plan, region);
}

void net_place_crew(struct net *net, struct arena *a, int threads)
{
	net->crew.threads = threads;
	net->crew.ws_floats = workspace_floats(net);
	net->crew.ws = arena_floats(a, net->crew.ws_floats * (size_t)threads);
}

/* With fewer groups trained no buffer is needed longer than it was planned for; and who adds to a gradient stays as it is,
 * as a map that needs a gradient gets it from all its readers, then as now. */
void net_change_trained(struct net *net, const bool *trained)
{
	net_set_trained(net, trained);
	for (int i = 0; i < net->n_nodes; i++) {
		struct node *n = &net->node[i];

		assert(i < net->first || !n->needs_grad || n->grad_at);
		n->grad = n->needs_grad ? n->grad_at : NULL;
	}
}
