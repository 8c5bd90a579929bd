/* params.c - a net's tensors by name: start values, PyTorch's layout in and out (see net.h) */
#include "engine/net/net.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/rng.h"

int net_find(const struct net *net, const char *name)
{
	for (int i = 0; i < net->n_params; i++)
		if (!strcmp(net->param[i].name, name))
			return i;
	return -1;
}

/* Place inside the net of element i of PyTorch's row-major tensor: [k][c][r][s] -> [r][s][c][k], [o][c][hw] ->
 * [o][hw][c]. */
static int64_t inner_place(const struct param *p, int64_t i)
{
	if (p->rank == 4) {
		int64_t rs = p->shape[2] * p->shape[3];
		int64_t c = p->shape[1];

		return (i % rs * c + i / rs % c) * p->shape[0] + i / (rs * c);
	}
	if (p->flat_c) {
		int64_t row = (int64_t)p->flat_c * p->flat_hw;
		int64_t at = i % row;

		return i - at + at % p->flat_hw * p->flat_c + at / p->flat_hw;
	}
	return i;
}

static void to_inner(const struct param *p, float *inner, const float *torch)
{
	for (int64_t i = 0; i < p->n; i++)
		inner[inner_place(p, i)] = torch[i];
}

static void from_inner(const struct param *p, float *torch, const float *inner)
{
	for (int64_t i = 0; i < p->n; i++)
		torch[i] = inner[inner_place(p, i)];
}

int net_get(const struct net *net, const char *name, float *out, int64_t n)
{
	int i = net_find(net, name);

	if (i < 0 || net->param[i].n != n)
		return -1;
	from_inner(&net->param[i], out, net->param[i].w);
	return 0;
}

int net_set(struct net *net, const char *name, const float *in, int64_t n)
{
	int i = net_find(net, name);

	if (i < 0 || net->param[i].n != n)
		return -1;
	to_inner(&net->param[i], net->param[i].w, in);
	return 0;
}

int net_get_grad(const struct net *net, const char *name, float *out, int64_t n)
{
	int i = net_find(net, name);

	if (i < 0 || net->param[i].n != n || net->param[i].is_buffer || !net->param[i].own)
		return -1;
	from_inner(&net->param[i], out, net->g + net->param[i].at);
	return 0;
}

/* ---- start values ---- */

static void init_values(const struct param *p, float *w, uint64_t seed, int number)
{
	float bound;

	switch (p->init) {
	case INIT_ZERO:
		memset(w, 0, (size_t)p->n * sizeof(float));
		break;
	case INIT_ONE:
		for (int64_t i = 0; i < p->n; i++)
			w[i] = 1;
		break;
	case INIT_UNIFORM_FAN_IN:
		bound = 1 / sqrtf((float)p->fan);
		rng_uniform(w, p->n, -bound, bound, seed, RNG_INIT, (uint64_t)number);
		break;
	case INIT_NORMAL_FAN_OUT:
		rng_normal(w, p->n, seed, RNG_INIT, (uint64_t)number);
		for (int64_t i = 0; i < p->n; i++)
			w[i] *= sqrtf(2 / (float)p->fan);
		break;
	}
}

void net_init_random(struct net *net, uint64_t seed)
{
	memset(net->w, 0, net->n_weights * sizeof(float));
	for (int i = 0; i < net->n_params; i++)
		if (net->param[i].own)
			init_values(&net->param[i], net->param[i].w, seed, i);
}

/* ---- files ---- */

static bool below_module(const char *name, const char *module)
{
	size_t n = module ? strlen(module) : 0;

	return n && !strncmp(name, module, n) && name[n] == '.';
}

static bool same_shape(const struct param *p, const struct tensor *t)
{
	if (p->rank != t->rank)
		return false;
	for (int i = 0; i < p->rank; i++)
		if (p->shape[i] != t->shape[i])
			return false;
	return true;
}

static const char *shape_text(char out[96], int rank, const int64_t *shape)
{
	size_t n = 0;

	n += (size_t)snprintf(out, 96, "[");
	for (int i = 0; i < rank && n < 80; i++)
		n += (size_t)snprintf(out + n, 96 - n, i ? ", %lld" : "%lld", (long long)shape[i]);
	snprintf(out + n, 96 - n, "]");
	return out;
}

static int check_unexpected(const struct net *net, const struct weights *w, const char *skip, struct err *e)
{
	int extra = 0;
	const char *first = NULL;

	for (int i = 0; i < weights_count(w); i++) {
		const char *name = weights_at(w, i)->name;

		if (net_find(net, name) >= 0 || below_module(name, skip))
			continue;
		first = first ? first : name;
		extra++;
	}
	if (extra > 1)
		return err_set(e, ERR_DATA, "unexpected tensor '%s' and %d more; the model has no such layer", first,
			       extra - 1);
	if (extra)
		return err_set(e, ERR_DATA, "unexpected tensor '%s'; the model has no such layer", first);
	return 0;
}

int net_check(const struct net *net, const struct weights *w, const char *skip, struct err *e)
{
	if (weights_hugging_face(w))
		return err_set(e, ERR_DATA,
			       "tensors have the names of Hugging Face's ResNets (embedder, encoder.stages); expected "
			       "torchvision's, which timm's files of the same network have too");
	for (int i = 0; i < net->n_params; i++) {
		const struct param *p = &net->param[i];
		const struct tensor *t = weights_find(w, p->name);
		char want[96], got[96];

		if (below_module(p->name, skip))
			continue;
		if (!t)
			return err_set(e, ERR_DATA, "tensor '%s' is missing; expected shape %s", p->name,
				       shape_text(want, p->rank, p->shape));
		if (!same_shape(p, t))
			return err_set(e, ERR_DATA, "tensor '%s' has shape %s; expected %s", p->name,
				       shape_text(got, t->rank, t->shape), shape_text(want, p->rank, p->shape));
	}
	return check_unexpected(net, w, skip, e);
}

int net_load(struct net *net, const struct weights *w, const char *skip, struct err *e)
{
	int rc = net_check(net, w, skip, e);

	for (int i = 0; i < net->n_params && !rc; i++) {
		struct param *p = &net->param[i];

		if (p->own && !below_module(p->name, skip))
			to_inner(p, p->w, weights_find(w, p->name)->data);
	}
	return rc;
}

int net_save(const struct net *net, const char *path, struct err *e)
{
	static const char *const meta[][2] = {{"format", "pt"}, {"producer", "gapsweep"}};
	struct tensor *t = calloc((size_t)net->n_params, sizeof(*t));
	size_t floats = 0;
	float *values;
	int rc = 0;

	for (int i = 0; i < net->n_params; i++)
		floats += (size_t)net->param[i].n;
	values = malloc(floats * sizeof(float));
	floats = 0;
	if (!t || !values)
		rc = err_set(e, ERR_NOMEM, "%s: out of memory", path);
	for (int i = 0; i < net->n_params && !rc; i++) {
		const struct param *p = &net->param[i];

		t[i] = (struct tensor){.name = p->name, .rank = p->rank, .n = p->n, .data = values + floats};
		memcpy(t[i].shape, p->shape, sizeof(p->shape));
		from_inner(p, values + floats, p->w);
		floats += (size_t)p->n;
	}
	if (!rc)
		rc = weights_write(path, t, net->n_params, meta, 2, e);
	free(values);
	free(t);
	return rc;
}
