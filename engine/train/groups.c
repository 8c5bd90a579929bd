/* groups.c - see groups.h */
#include "engine/train/groups.h"

#include <fnmatch.h>
#include <math.h>
#include <string.h>

static bool matches(const struct group_spec *g, const char *name)
{
	for (int i = 0; i < g->n_patterns; i++)
		if (!fnmatch(g->patterns[i], name, 0))
			return true;
	return false;
}

int groups_assign(struct net *net, const struct trial_spec *s, struct err *e)
{
	int members[ENGINE_MAX_GROUPS] = {0};

	for (int i = 0; i < net->n_params; i++) {
		struct param *p = &net->param[i];

		if (p->is_buffer)
			continue;
		for (int g = 0; g < s->n_groups; g++)
			if (matches(&s->groups[g], p->name))
				p->group = g;
		if (p->group < 0)
			return err_set(e, ERR_CONFIG, "groups: no group matches tensor '%s'", p->name);
		members[p->group]++;
	}
	for (int g = 0; g < s->n_groups; g++)
		if (!members[g])
			return err_set(e, ERR_CONFIG, "groups: no tensor is left for group '%s'", s->groups[g].name);
	return 0;
}

/* ---- depth ---- */

/* Length of the part of a tensor's name that names its layer. */
static size_t layer_name(const char *name)
{
	size_t n = strcspn(name, ".");

	return strncmp(name, "layer", 5) ? n : n + 1 + strcspn(name + n + 1, ".");
}

/* Does a layer begin with this parameter? The stem's BatchNorm belongs to the convolution before it. */
static bool begins_layer(const char *name, const char *before)
{
	size_t n = layer_name(name);

	if (!before)
		return true;
	return strncmp(name, "bn", 2) && (n != layer_name(before) || strncmp(name, before, n));
}

void groups_scale_layers(struct net *net, double decay)
{
	const char *before = NULL;
	int layer[NET_MAX_TENSORS];
	int layers = 0;

	for (int i = 0; i < net->n_params; i++) {
		if (net->param[i].is_buffer)
			continue;
		layers += begins_layer(net->param[i].name, before);
		layer[i] = layers;
		before = net->param[i].name;
	}
	for (int i = 0; i < net->n_params; i++)
		if (!net->param[i].is_buffer)
			net->param[i].lr_scale = pow(decay, layers - layer[i]);
}
