/* share.c - a net in two parts: a trunk of frozen layers and the nets on top of it (see net.h) */
#include "engine/net/net.h"

/* The first node that a trunk cannot run for the sake of node i: a folded convolution belongs to its BatchNorm. */
static int first_before(const struct net *net, int end)
{
	for (int i = 0; i < end; i++)
		if (net->node[i].op == OP_DROPOUT || net->node[i].folded_into >= end)
			return i;
	return end;
}

int net_trunk_end(const struct net *net)
{
	int end = net->first_trained < net->n_nodes ? net->first_trained : net->n_nodes - 1;

	for (int before = first_before(net, end); before < end; before = first_before(net, end))
		end = before;
	return end > 1 ? end : 1;
}

bool net_read_outside(const struct net *net, int i)
{
	for (int j = net->end; j < net->n_nodes; j++)
		if (net->node[j].in == i || net->node[j].add == i)
			return true;
	return false;
}

void net_attach(struct net *net, struct net *trunk)
{
	net->trunk = trunk;
	for (int i = 0; i < net->first; i++) {
		struct node *n = &net->node[i];

		n->out = n->back_out = trunk->node[i].out;
		n->eval_out = trunk->node[i].eval_out;
	}
	for (int i = net->first; i < net->n_nodes; i++)
		if (net->node[i].op == OP_DROPOUT) /* in evaluation its map is its input's */
			net->node[i].eval_out = net->node[net->node[i].in].eval_out;
	for (int i = 0; i < net->n_params; i++)
		if (!net->param[i].own)
			net->param[i].w = trunk->param[i].w;
}

double net_node_macs(const struct net *net, int i)
{
	const struct node *n = &net->node[i];
	const struct node *x = &net->node[n->in];

	if (n->op == OP_CONV)
		return (double)n->h * n->w * n->c * n->conv.r * n->conv.s * n->conv.c;
	return n->op == OP_LINEAR ? (double)x->h * x->w * x->c * n->c : 0;
}
