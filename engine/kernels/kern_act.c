/* kern_act.c - ReLU, addition and dropout, see kernels.h */
#include "engine/kernels/kern_table.h"
#include "engine/kernels/kern_vec.h"

static void relu_fwd(float *y, const float *x, int64_t n)
{
	int64_t i = 0;

	for (; i + VL <= n; i += VL)
		vf_store(y + i, vf_relu(vf_load(x + i)));
	for (; i < n; i++)
		y[i] = relu1(x[i]);
}

/* As torch's threshold_backward: stops where y <= 0, so a NaN in y lets the gradient pass. */
static void relu_bwd(float *dx, const float *dy, const float *y, int64_t n)
{
	int64_t i = 0;

	for (; i + VL <= n; i += VL)
		vf_store(dx + i, vf_and(vf_load(dy + i), ~(vi)(vf_load(y + i) <= 0.0f)));
	for (; i < n; i++)
		dx[i] = y[i] <= 0.0f ? 0.0f : dy[i];
}

static void add_fwd(float *y, const float *a, const float *b, int64_t n)
{
	int64_t i = 0;

	for (; i + VL <= n; i += VL)
		vf_store(y + i, vf_load(a + i) + vf_load(b + i));
	for (; i < n; i++)
		y[i] = a[i] + b[i];
}

/* A product even where the mask is 0, as in torch: an infinite activation must become a NaN, not vanish. */
static void dropout(float *y, const float *x, const uint8_t *mask, float p, int64_t n)
{
	float scale = 1.0f / (1.0f - p);
	int64_t i = 0;

	for (; i + VL <= n; i += VL) {
		vf keep = __builtin_convertvector(vi_bytes(mask + i), vf);

		vf_store(y + i, vf_load(x + i) * (keep * scale));
	}
	for (; i < n; i++)
		y[i] = x[i] * ((float)mask[i] * scale);
}

const struct kern_act_table KERN_NAME(kern_act_) = {relu_fwd, relu_bwd, add_fwd, dropout};
