/* hyper.c - the tables behind hyper.def, and the rules between hyperparameters. */
#include "engine/engine.h"

#include <math.h>

#define REAL(name, def, min, max, help) \
	{#name, FIELD_REAL, offsetof(struct hyper, name), {def, 0}, min, max, 0, NULL, help},
#define INT(name, def, min, max, help) \
	{#name, FIELD_INT, offsetof(struct hyper, name), {def, 0}, min, max, 0, NULL, help},
#define BOOL(name, def, help) {#name, FIELD_BOOL, offsetof(struct hyper, name), {def, 0}, 0, 1, 0, NULL, help},
#define ENUM(name, def, names, help) \
	{#name, FIELD_ENUM, offsetof(struct hyper, name), {def, 0}, 0, 1000, 0, names, help},
#define PAIR(name, def0, def1, min, max, help) \
	{#name, FIELD_PAIR, offsetof(struct hyper, name), {def0, def1}, min, max, 1, NULL, help},
const struct field hyper_fields[] = {
#include "engine/train/hyper.def"
};
const int n_hyper_fields = sizeof(hyper_fields) / sizeof(hyper_fields[0]);

void hyper_resolve(struct hyper *h)
{
	if (isnan(h->weight_decay))
		h->weight_decay = h->optimizer == OPTIM_ADAMW ? 0.01 : 0;
}

int hyper_check(const struct hyper *h, struct err *e)
{
	if (h->optimizer == OPTIM_SGD && h->nesterov && (h->momentum <= 0 || h->dampening != 0))
		return err_set(e, ERR_CONFIG, "nesterov needs momentum above 0 and dampening 0");
	if (h->dropout >= 1)
		return err_set(e, ERR_CONFIG, "dropout must be below 1");
	return 0;
}
