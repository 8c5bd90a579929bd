/* hyper.c - the tables behind hyper.def, and the rules between hyperparameters. */
#include "engine/engine.h"

#include <math.h>
#include <string.h>

#define REAL(name, def, min, max, help) \
	{#name, FIELD_REAL, offsetof(struct hyper, name), {def, 0}, min, max, 0, NULL, help},
#define INT(name, def, min, max, help) \
	{#name, FIELD_INT, offsetof(struct hyper, name), {def, 0}, min, max, 0, NULL, help},
#define BOOL(name, def, help) {#name, FIELD_BOOL, offsetof(struct hyper, name), {def, 0}, 0, 1, 0, NULL, help},
#define ENUM(name, def, names, help) \
	{#name, FIELD_ENUM, offsetof(struct hyper, name), {def, 0}, 0, 1000, 0, names, help},
#define PAIR(name, def0, def1, min, max, help) \
	{#name, FIELD_PAIR, offsetof(struct hyper, name), {def0, def1}, min, max, 1, NULL, help},
#define LIST(name, max, help) {#name, FIELD_LIST, offsetof(struct hyper, name), {0, 0}, 1, max, 0, NULL, help},
const struct field hyper_fields[] = {
#include "engine/train/hyper.def"
};
const int n_hyper_fields = sizeof(hyper_fields) / sizeof(hyper_fields[0]);

/* ---- what the optimizer or the schedule decides ---- */

static double own_lr(int optimizer)
{
	switch (optimizer) {
	case OPTIM_RMSPROP:
	case OPTIM_ADAGRAD:
		return 1e-2;
	case OPTIM_ADAMAX:
	case OPTIM_NADAM:
		return 2e-3;
	case OPTIM_ADADELTA:
		return 1;
	default:
		return 1e-3;
	}
}

static double own_eps(int optimizer)
{
	return optimizer == OPTIM_ADAGRAD ? 1e-10 : optimizer == OPTIM_ADADELTA ? 1e-6 : 1e-8;
}

void hyper_resolve(struct hyper *h)
{
	if (isnan(h->lr))
		h->lr = own_lr(h->optimizer);
	if (isnan(h->eps))
		h->eps = own_eps(h->optimizer);
	if (isnan(h->weight_decay))
		h->weight_decay = h->optimizer == OPTIM_ADAMW ? 0.01 : 0;
	if (isnan(h->gamma) && h->schedule != SCHEDULE_EXPONENTIAL)
		h->gamma = 0.1;
	if (h->schedule_unit == UNIT_AUTO)
		h->schedule_unit = h->schedule == SCHEDULE_ONECYCLE ? UNIT_STEP : UNIT_EPOCH;
}

void hyper_plain(struct hyper *plain, const struct hyper *h)
{
	memset(plain, 0, sizeof(*plain));
	field_defaults(hyper_fields, n_hyper_fields, plain);
	plain->optimizer = h->optimizer;
	plain->schedule = h->schedule;
	hyper_resolve(plain);
}

/* ---- what only some of them look at ---- */

#define MOMENTS "adam adamw adamax nadam radam"
#define WAVES   "cosine cosine_warm_restarts"

/* A setting and the words of its choice that it matters to; settings that are not here always matter. */
static const struct scope {
	const char *field, *choice, *words;
} scopes[] = {
	{"momentum", "optimizer", "sgd rmsprop"},
	{"dampening", "optimizer", "sgd"},
	{"nesterov", "optimizer", "sgd"},
	{"betas", "optimizer", MOMENTS},
	{"eps", "optimizer", MOMENTS " rmsprop adagrad adadelta"},
	{"amsgrad", "optimizer", "adam adamw"},
	{"alpha", "optimizer", "rmsprop"},
	{"centered", "optimizer", "rmsprop"},
	{"lr_decay", "optimizer", "adagrad"},
	{"initial_accumulator_value", "optimizer", "adagrad"},
	{"rho", "optimizer", "adadelta"},
	{"momentum_decay", "optimizer", "nadam"},
	{"schedule_unit", "schedule", "step multistep exponential linear polynomial onecycle " WAVES},
	{"gamma", "schedule", "step multistep exponential"},
	{"step_size", "schedule", "step"},
	{"milestones", "schedule", "multistep"},
	{"T_max", "schedule", "cosine"},
	{"T_0", "schedule", "cosine_warm_restarts"},
	{"T_mult", "schedule", "cosine_warm_restarts"},
	{"eta_min", "schedule", WAVES},
	{"eta_min_ratio", "schedule", WAVES},
	{"start_factor", "schedule", "linear"},
	{"end_factor", "schedule", "linear"},
	{"total_iters", "schedule", "linear polynomial"},
	{"power", "schedule", "polynomial"},
	{"pct_start", "schedule", "onecycle"},
	{"div_factor", "schedule", "onecycle"},
	{"final_div_factor", "schedule", "onecycle"},
	{"anneal_strategy", "schedule", "onecycle"},
	{"three_phase", "schedule", "onecycle"},
	{"cycle_momentum", "schedule", "onecycle"},
	{"base_momentum", "schedule", "onecycle"},
	{"max_momentum", "schedule", "onecycle"},
	{"plateau_factor", "schedule", "plateau"},
	{"plateau_patience", "schedule", "plateau"},
	{"plateau_threshold", "schedule", "plateau"},
	{"plateau_threshold_mode", "schedule", "plateau"},
	{"plateau_cooldown", "schedule", "plateau"},
	{"plateau_min_lr", "schedule", "plateau"},
};

static bool chosen(const struct scope *s, const struct hyper *h)
{
	const struct field *choice = field_find(hyper_fields, n_hyper_fields, s->choice);
	char word[32];

	field_enum_word(choice, (int)field_get(choice, h), word, sizeof(word));
	return field_has_word(s->words, word) != 0;
}

bool hyper_epochs_matter(const struct hyper *h)
{
	return h->schedule == SCHEDULE_ONECYCLE || (h->schedule == SCHEDULE_COSINE && !h->T_max);
}

bool hyper_cycles_momentum(const struct hyper *h)
{
	return h->schedule == SCHEDULE_ONECYCLE && h->cycle_momentum && h->optimizer != OPTIM_ADAGRAD &&
	       h->optimizer != OPTIM_ADADELTA;
}

bool hyper_applies(const struct field *f, const struct hyper *h)
{
	if (!strcmp(f->name, "dampening") && h->momentum == 0 && !hyper_cycles_momentum(h))
		return false;
	if (!strcmp(f->name, "base_momentum") || !strcmp(f->name, "max_momentum"))
		return hyper_cycles_momentum(h);
	for (size_t i = 0; i < sizeof(scopes) / sizeof(scopes[0]); i++)
		if (!strcmp(scopes[i].field, f->name))
			return chosen(&scopes[i], h);
	return true;
}

/* ---- groups ---- */

double hyper_group_lr(const struct hyper *h, int g, int n_groups)
{
	const double *ends = h->lr_slice;

	if (ends[1] == 0)
		return h->lr;
	if (g == 0 && n_groups > 1)
		return ends[0];
	return g == n_groups - 1 ? ends[1] : ends[0] * pow(ends[1] / ends[0], (double)g / (n_groups - 1));
}

int hyper_thaw_epoch(const struct hyper *h, int g, int n_groups)
{
	int first = h->freeze_epochs ? h->freeze_epochs : h->unfreeze_every;

	return g == n_groups - 1 ? 0 : first + (n_groups - 2 - g) * h->unfreeze_every;
}

/* ---- rules between them ---- */

static int check_schedule(const struct hyper *h, struct err *e)
{
	if (h->warmup >= h->epochs)
		return err_set(e, ERR_CONFIG, "warmup must be below epochs");
	if (h->warmup && h->schedule == SCHEDULE_ONECYCLE)
		return err_set(e, ERR_CONFIG, "onecycle has a warmup of its own: warmup must be 0");
	if (h->schedule == SCHEDULE_STEP && !h->step_size)
		return err_set(e, ERR_CONFIG, "schedule step needs step_size");
	if (h->schedule == SCHEDULE_MULTISTEP && h->milestones[0] == 0)
		return err_set(e, ERR_CONFIG, "schedule multistep needs milestones");
	if (h->schedule == SCHEDULE_EXPONENTIAL && isnan(h->gamma))
		return err_set(e, ERR_CONFIG, "schedule exponential needs gamma");
	if (h->schedule == SCHEDULE_COSINE_WARM_RESTARTS && !h->T_0)
		return err_set(e, ERR_CONFIG, "schedule cosine_warm_restarts needs T_0");
	if ((h->schedule == SCHEDULE_COSINE || h->schedule == SCHEDULE_COSINE_WARM_RESTARTS) && h->eta_min > 0 &&
	    h->eta_min_ratio > 0)
		return err_set(e, ERR_CONFIG, "eta_min and eta_min_ratio are two ways to say it; expected one");
	if (h->schedule == SCHEDULE_PLATEAU && h->plateau_factor >= 1)
		return err_set(e, ERR_CONFIG, "plateau_factor must be below 1");
	return 0;
}

int hyper_check(const struct hyper *h, struct err *e)
{
	if (h->optimizer == OPTIM_SGD && h->nesterov && (h->momentum <= 0 || h->dampening != 0))
		return err_set(e, ERR_CONFIG, "nesterov needs momentum above 0 and dampening 0");
	if (h->dropout >= 1)
		return err_set(e, ERR_CONFIG, "dropout must be below 1");
	if ((h->lr_slice[0] == 0) != (h->lr_slice[1] == 0))
		return err_set(e, ERR_CONFIG, "lr_slice needs two rates above 0");
	if (h->layer_decay == 0)
		return err_set(e, ERR_CONFIG, "layer_decay must be above 0");
	if (h->freeze_epochs >= h->epochs)
		return err_set(e, ERR_CONFIG, "freeze_epochs must be below epochs");
	return check_schedule(h, e);
}
