/* share.c - nets that read the maps of another one's frozen layers (see net.h) */
#include "engine/net/net.h"

#include <string.h>

static void borrow_out(struct net *net, const struct net *leader, int i)
{
	struct node *n = &net->node[i];

	if (!n->own_out) {
		n->own_out = n->out;
		n->own_back_out = n->back_out;
	}
	n->out = n->back_out = leader->node[i].out; /* stands until the leader's own pass: nothing to compute again */
}

static void borrow_eval_out(struct net *net, const struct net *leader, int i)
{
	struct node *n = &net->node[i];

	if (!n->own_eval_out)
		n->own_eval_out = n->eval_out;
	n->eval_out = leader->node[i].eval_out;
}

/* Which node's map node j reads as its input in evaluation: a BatchNorm does the work of the convolution before it. */
static int eval_input(const struct net *net, int j)
{
	int in = net->node[j].in;

	return net->node[in].folded_into == j ? net->node[in].in : in;
}

void net_borrow(struct net *net, const struct net *leader, int prefix)
{
	net->borrowed = prefix;
	for (int j = prefix; j < net->n_nodes; j++) {
		struct node *n = &net->node[j];

		if (n->in < prefix)
			borrow_out(net, leader, n->in);
		if (eval_input(net, j) < prefix)
			borrow_eval_out(net, leader, eval_input(net, j));
		if (n->add >= 0 && n->add < prefix) {
			borrow_out(net, leader, n->add);
			borrow_eval_out(net, leader, n->add);
		}
		if (n->op == OP_DROPOUT && n->in < prefix) /* in evaluation its map is its input's */
			borrow_eval_out(net, leader, j);
	}
}

void net_give_back(struct net *net)
{
	for (int i = 0; i < net->n_nodes; i++) {
		struct node *n = &net->node[i];

		n->out = n->own_out ? n->own_out : n->out;
		n->back_out = n->own_back_out ? n->own_back_out : n->back_out;
		n->eval_out = n->own_eval_out ? n->own_eval_out : n->eval_out;
		n->own_out = n->own_back_out = n->own_eval_out = NULL;
	}
	net->borrowed = 0;
}

static void copy_param(struct net *net, const struct net *leader, int param)
{
	size_t at = net->param[param].at;

	memcpy(net->w + at, leader->w + at, (size_t)net->param[param].n * sizeof(float));
}

void net_copy_statistics(struct net *net, const struct net *leader, int prefix)
{
	for (int i = 0; i < prefix; i++) {
		if (net->node[i].op != OP_BN)
			continue;
		copy_param(net, leader, net->node[i].mean);
		copy_param(net, leader, net->node[i].var);
	}
}

double net_node_macs(const struct net *net, int i)
{
	const struct node *n = &net->node[i];
	const struct node *x = &net->node[n->in];

	if (n->op == OP_CONV)
		return (double)n->h * n->w * n->c * n->conv.r * n->conv.s * n->conv.c;
	return n->op == OP_LINEAR ? (double)x->h * x->w * x->c * n->c : 0;
}
