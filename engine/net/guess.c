/* guess.c - weights_guess() of engine.h: builds each network as the tensors' shapes would have it, and compares */
#include "engine/net/net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int extent(const struct weights *w, const char *name, int rank, int d)
{
	const struct tensor *t = weights_find(w, name);

	return t && t->rank == rank && t->shape[d] <= 1 << 20 ? (int)t->shape[d] : 0;
}

/* How many of a numbered layer's names are there: "layer%d.0.conv1.weight" from `first` on. */
static int count(const struct weights *w, const char *fmt, int first, int most)
{
	int n = 0;

	for (char name[64]; n < most; n++) {
		snprintf(name, sizeof(name), fmt, first + n);
		if (!weights_find(w, name))
			break;
	}
	return n;
}

static void set(struct model_spec *m, const char *name, int value)
{
	const struct field *f = field_find(model_fields, n_model_fields, name);

	if (field_in_range(f, value))
		field_set(f, m, value);
}

/* What an image must be for the file's first tensors to fit; h and w only matter where a linear layer reads a map. */
struct image {
	int c, h, w;
};

static void read_shapes(struct weights_guess *g, struct image *im, const struct weights *w, int arch)
{
	int inputs = extent(w, "fc1.weight", 2, 1);
	char head[ENGINE_NAME_MAX + 8];

	*g = (struct weights_guess){.channels = extent(w, "conv1.weight", 4, 1)};
	field_defaults(model_fields, n_model_fields, &g->model);
	g->model.arch = arch;
	set(&g->model, "width", extent(w, "conv1.weight", 4, 0));
	set(&g->model, "stages", count(w, "layer%d.0.conv1.weight", 1, 6));
	set(&g->model, "blocks", count(w, "layer1.%d.conv1.weight", 0, 32));
	set(&g->model, "hidden", extent(w, "fc1.weight", 2, 0));
	snprintf(head, sizeof(head), "%s.weight", model_head(arch));
	g->classes = extent(w, head, 2, 0);
	*im = (struct image){g->channels, 256, 256};
	if (!g->channels) {
		g->channels = inputs;
		*im = (struct image){inputs, 1, 1};
	} else if (inputs) {
		*im = (struct image){g->channels, 4, 4 * (inputs / 64)}; /* cnn: its fc1 reads 64 maps of h/4 x w/4 */
	}
}

static int try(struct weights_guess *g, struct net *net, const struct weights *w, int arch)
{
	struct image im;
	struct err why;
	int rc;

	read_shapes(g, &im, w, arch);
	rc = net_build(net, &g->model, im.c, im.h, im.w, g->classes ? g->classes : 1, 0, &why);
	if (!rc)
		rc = net_check(net, w, g->classes ? NULL : model_head(arch), &why);
	g->found = !rc;
	if (rc)
		snprintf(g->why, sizeof(g->why), "%.199s", why.msg);
	return rc;
}

/* Tensors of the net that are there by name: of the networks that do not fit, the likeliest has most. */
static int alike(const struct net *net, const struct weights *w)
{
	int n = 0;

	for (int i = 0; i < net->n_params; i++)
		n += weights_find(w, net->param[i].name) != NULL;
	return 2 * n - net->n_params;
}

int weights_guess(struct weights_guess *g, const struct weights *w, struct err *e)
{
	struct net *net = malloc(sizeof(*net));
	struct weights_guess best = {.why = "no tensor's name is of a network that is known here"};
	char word[32];
	int most = -1;

	if (!net)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (int arch = 0;; arch++) {
		field_enum_word(field_find(model_fields, n_model_fields, "arch"), arch, word, sizeof(word));
		if (!*word)
			break;
		if (!try(g, net, w, arch)) {
			best = *g;
			break;
		}
		if (alike(net, w) > most) {
			most = alike(net, w);
			best = *g;
		}
	}
	free(net);
	*g = best;
	if (!g->found && weights_hugging_face(w))
		snprintf(g->why, sizeof(g->why),
			 "names are Hugging Face's (embedder, encoder.stages), not torchvision's");
	return 0;
}
