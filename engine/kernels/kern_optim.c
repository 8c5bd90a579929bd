/* kern_optim.c - steps of SGD and Adam, distances, see kernels.h */
#include "engine/kernels/kern_step.h"
#include "engine/kernels/kern_table.h"

struct sgd {
	float lr, momentum, fresh, weight_decay; /* fresh: 1 - dampening */
	bool nesterov, first;
};

/* torch/optim/sgd.py, _single_tensor_sgd; *buf in and out */
KERN_INLINE vf sgd_vector(struct sums *s, const struct sgd *o, vf w, vf g, vf *buf)
{
	vf d = o->weight_decay != 0 ? g + o->weight_decay * w : g;

	if (o->momentum != 0) {
		*buf = o->first ? d : *buf * o->momentum + o->fresh * d;
		d = o->nesterov ? d + o->momentum * *buf : *buf;
	}
	return count_step(s, w, w - o->lr * d, g);
}

KERN_INLINE void sgd_block(float *w, float *buf, const float *g, int64_t n, const struct sgd *o, struct step_sums *sums)
{
	struct sums s = {0};
	vf b = {0};
	int64_t i = 0;

	for (; i + VL <= n; i += VL) {
		if (buf)
			b = vf_load(buf + i);
		vf_store(w + i, sgd_vector(&s, o, vf_load(w + i), vf_load(g + i), &b));
		if (buf)
			vf_store(buf + i, b);
	}
	if (i < n) {
		int rest = (int)(n - i);

		if (buf)
			b = vf_load_n(buf + i, rest);
		vf_store_n(w + i, sgd_vector(&s, o, vf_load_n(w + i, rest), vf_load_n(g + i, rest), &b), rest);
		if (buf)
			vf_store_n(buf + i, b, rest);
	}
	add_sums(sums, &s);
}

static void sgd(float *w, float *buf, const float *g, int64_t n, float lr, float momentum, float dampening,
		bool nesterov, float weight_decay, bool first, struct step_sums *sums)
{
	struct sgd o = {lr, buf ? momentum : 0, 1 - dampening, weight_decay, nesterov, first};

	*sums = (struct step_sums){0};
	for (int64_t i = 0; i < n; i += BLOCK) {
		int64_t len = n - i < BLOCK ? n - i : BLOCK;

		if (buf)
			sgd_block(w + i, buf + i, g + i, len, &o, sums);
		else
			sgd_block(w + i, NULL, g + i, len, &o, sums);
	}
}

struct adam {
	float beta1, fresh1, beta2, fresh2, eps, step_size, sqrt_bc2, l2, keep; /* keep: 1 - lr * decoupled decay */
};

/* torch/optim/adam.py, _single_tensor_adam; *m, *v, *vmax in and out */
KERN_INLINE vf adam_vector(struct sums *s, const struct adam *o, vf w, vf g, vf *m, vf *v, vf *vmax)
{
	vf d = o->l2 != 0 ? g + o->l2 * w : g;
	vf root;

	*m = *m * o->beta1 + o->fresh1 * d;
	*v = *v * o->beta2 + o->fresh2 * (d * d);
	if (vmax)
		*vmax = vf_max_nan(*vmax, *v);
	root = vf_sqrt(vmax ? *vmax : *v) / o->sqrt_bc2 + o->eps;
	return count_step(s, w, w * o->keep - o->step_size * (*m / root), g);
}

KERN_INLINE void adam_at(float *w, float *m, float *v, float *vmax, const float *g, const struct adam *o,
			 struct sums *s)
{
	vf vm = vf_load(m), vv = vf_load(v), vx = {0};

	if (vmax)
		vx = vf_load(vmax);
	vf_store(w, adam_vector(s, o, vf_load(w), vf_load(g), &vm, &vv, vmax ? &vx : NULL));
	vf_store(m, vm);
	vf_store(v, vv);
	if (vmax)
		vf_store(vmax, vx);
}

/* The last n < VL elements, through a vector's worth of scratch whose other lanes (0, with v = 1) do not move. */
static void adam_rest(float *w, float *m, float *v, float *vmax, const float *g, int n, const struct adam *o,
		      struct sums *s)
{
	float *at[4] = {w, m, v, vmax};
	float t[5][VL] = {{0}};

	for (int i = n; i < VL; i++)
		t[2][i] = t[3][i] = 1;
	for (int i = 0; i < n; i++) {
		t[4][i] = g[i];
		for (int j = 0; j < 4; j++)
			t[j][i] = at[j] ? at[j][i] : 0;
	}
	adam_at(t[0], t[1], t[2], vmax ? t[3] : NULL, t[4], o, s);
	for (int j = 0; j < 4; j++)
		for (int i = 0; at[j] && i < n; i++)
			at[j][i] = t[j][i];
}

static void adam_block(float *w, float *m, float *v, float *vmax, const float *g, int64_t n, const struct adam *o,
		       struct step_sums *sums)
{
	struct sums s = {0};
	int64_t i = 0;

	if (vmax)
		for (; i + VL <= n; i += VL)
			adam_at(w + i, m + i, v + i, vmax + i, g + i, o, &s);
	else
		for (; i + VL <= n; i += VL)
			adam_at(w + i, m + i, v + i, NULL, g + i, o, &s);
	if (i < n)
		adam_rest(w + i, m + i, v + i, vmax ? vmax + i : NULL, g + i, (int)(n - i), o, &s);
	add_sums(sums, &s);
}

static void adam(float *w, float *m, float *v, float *vmax, const float *g, int64_t n, double lr, double beta1,
		 double beta2, double eps, double weight_decay, bool decoupled, int64_t step, struct step_sums *sums)
{
	double bc1 = 1 - pow(beta1, (double)step), bc2 = 1 - pow(beta2, (double)step);
	struct adam o = {
		.beta1 = (float)beta1,
		.fresh1 = (float)(1 - beta1),
		.beta2 = (float)beta2,
		.fresh2 = (float)(1 - beta2),
		.eps = (float)eps,
		.step_size = (float)(lr / bc1),
		.sqrt_bc2 = (float)sqrt(bc2),
		.l2 = decoupled ? 0 : (float)weight_decay,
		.keep = decoupled ? (float)(1 - lr * weight_decay) : 1,
	};

	*sums = (struct step_sums){0};
	for (int64_t i = 0; i < n; i += BLOCK)
		adam_block(w + i, m + i, v + i, vmax ? vmax + i : NULL, g + i, n - i < BLOCK ? n - i : BLOCK, &o, sums);
}

static void distance(double *diff2, double *norm2, const float *a, const float *b, int64_t n)
{
	double d2 = 0, n2 = 0;

	for (int64_t at = 0; at < n; at += BLOCK) {
		int64_t end = at + BLOCK < n ? at + BLOCK : n, i = at;
		vf vd = {0}, vn = {0};

		for (; i + VL <= end; i += VL) {
			vf d = vf_load(a + i) - vf_load(b + i), base = vf_load(b + i);

			vd += d * d;
			vn += base * base;
		}
		d2 += vf_sum(vd);
		n2 += vf_sum(vn);
		for (; i < end; i++) {
			double d = (double)a[i] - (double)b[i];

			d2 += d * d;
			n2 += (double)b[i] * (double)b[i];
		}
	}
	*diff2 = d2;
	*norm2 = n2;
}

static void scale(float *x, float by, int64_t n)
{
	int64_t i = 0;

	for (; i + VL <= n; i += VL)
		vf_store(x + i, vf_load(x + i) * by);
	for (; i < n; i++)
		x[i] *= by;
}

const struct kern_optim_table KERN_NAME(kern_optim_) = {sgd, adam, distance, scale};
