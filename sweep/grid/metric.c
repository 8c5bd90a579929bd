/* metric.c - see metric.h */
#include "sweep/grid/metric.h"

#include <math.h>
#include <string.h>

static const struct {
	const char *name, *help;
} list[] = {
#define M(name, value, help) {#name, help},
	METRICS(M)
#undef M
};

const char *metric_name(int metric)
{
	return list[metric].name;
}

const char *metric_help(int metric)
{
	return list[metric].help;
}

int metric_find(const char *name)
{
	for (int i = 0; i < N_METRICS; i++)
		if (!strcmp(list[i].name, name))
			return i;
	return -1;
}

double metric_value(const struct epoch_row *r, int metric)
{
	switch (metric) {
#define M(name, value, help) \
	case METRIC_##name:  \
		return value;
		METRICS(M)
#undef M
	default:
		return NAN;
	}
}

bool metric_larger_is_better(int metric)
{
	return metric == METRIC_train_acc || metric == METRIC_train_eval_acc || metric == METRIC_val_acc;
}
