/* loss.c - cross-entropy, see kernels.h; a few hundred exponentials a step, so plain double arithmetic */
#include "engine/kernels/kernels.h"

#include <math.h>

/* Index of the first largest logit; -1 if there is a NaN among them. */
static int first_largest(const float *logits, int classes)
{
	int best = 0;

	for (int j = 0; j < classes; j++) {
		if (isnan(logits[j]))
			return -1;
		if (logits[j] > logits[best])
			best = j;
	}
	return best;
}

/*
 * With smoothing s the target is (1 - s) on the label plus s / classes on every class, so the loss is
 * (1 - s) * (lse - logit[label]) + s * (lse - mean logit), as in torch, and its gradient softmax - target.
 */
static double one_loss(double *lse, const float *logits, int label, int classes, double smooth)
{
	double top = (double)logits[0], sum = 0, far = 0;

	for (int j = 1; j < classes; j++)
		top = (double)logits[j] > top ? (double)logits[j] : top;
	for (int j = 0; j < classes; j++) {
		sum += exp((double)logits[j] - top);
		far += top - (double)logits[j];
	}
	*lse = top + log(sum); /* cppcheck-suppress invalidFunctionArg ; sum >= 1: the top adds exp(0) */
	if (smooth == 0)
		return *lse - (double)logits[label];
	return (1 - smooth) * (*lse - (double)logits[label]) + smooth * (log(sum) + far / classes);
}

static void one_gradient(float *d, double lse, const float *logits, int label, int classes, double smooth, int n)
{
	for (int j = 0; j < classes; j++) {
		double target = smooth / classes + (j == label ? 1 - smooth : 0);

		d[j] = (float)((exp((double)logits[j] - lse) - target) / n);
	}
}

void cross_entropy(double *loss, uint8_t *correct, float *dlogits, const float *logits, const int32_t *label, int n,
		   int classes, float label_smoothing)
{
	for (int i = 0; i < n; i++) {
		const float *row = logits + (size_t)i * classes;
		double lse;

		loss[i] = one_loss(&lse, row, label[i], classes, (double)label_smoothing);
		correct[i] = first_largest(row, classes) == label[i];
		if (dlogits)
			one_gradient(dlogits + (size_t)i * classes, lse, row, label[i], classes,
				     (double)label_smoothing, n);
	}
}
