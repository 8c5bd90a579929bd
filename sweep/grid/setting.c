/* setting.c - one cell's settings by name: which there are, what they are worth, and which of them matter */
#include "sweep/grid/load.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sweep/base/num.h"

/* Settings that only some networks look at. (Which ones only some optimizers or schedules do: hyper_applies().) */
static const struct scope {
	const char *field, *words;
} model_scope[] = {
	{"width", "resnet-slim"},       {"stages", "resnet-slim"}, {"blocks", "resnet-slim"},
	{"stem_stride", "resnet-slim"}, {"hidden", "cnn mlp"},
};

bool model_applies(const struct field *f, const struct model_spec *m)
{
	char word[32];

	for (size_t i = 0; i < sizeof(model_scope) / sizeof(model_scope[0]); i++)
		if (!strcmp(model_scope[i].field, f->name)) {
			field_enum_word(field_find(model_fields, n_model_fields, "arch"), m->arch, word, sizeof(word));
			return field_has_word(model_scope[i].words, word);
		}
	return true;
}

static const struct field *hyper_field(const char *name)
{
	return field_find(hyper_fields, n_hyper_fields, name);
}

bool field_in_key(const struct field *f)
{
	return strcmp(f->name, "lr") && strcmp(f->name, "lr_slice") && strcmp(f->name, "weight_decay");
}

/* ---- slots ---- */

static const char *const group_suffix[] = {"lr", "weight_decay"};

static void group_slot(const struct study *s, int group, bool is_weight_decay, struct column *slot)
{
	*slot = (struct column){.group = group, .is_weight_decay = is_weight_decay};
	snprintf(slot->name, sizeof(slot->name), "%.*s_%s", ENGINE_NAME_MAX - 1, s->group[group].name,
		 group_suffix[is_weight_decay]);
}

int slot_count(const struct study *s)
{
	return n_hyper_fields + 2 * s->n_groups;
}

void slot_at(const struct study *s, int i, struct column *slot)
{
	if (i >= n_hyper_fields) {
		i -= n_hyper_fields;
		group_slot(s, i % s->n_groups, i >= s->n_groups, slot);
		return;
	}
	*slot = (struct column){.field = &hyper_fields[i], .group = -1};
	snprintf(slot->name, sizeof(slot->name), "%s", hyper_fields[i].name);
}

bool slot_find(const struct study *s, const char *name, struct column *slot)
{
	for (int i = 0; i < slot_count(s); i++) {
		slot_at(s, i, slot);
		if (!strcmp(slot->name, name))
			return true;
	}
	return false;
}

void slot_suggest(const struct study *s, struct suggest *g)
{
	struct column slot;

	for (int i = 0; i < slot_count(s); i++) {
		slot_at(s, i, &slot);
		suggest_try(g, slot.name);
	}
}

const struct field *slot_field(const struct column *slot)
{
	return slot->field ? slot->field : hyper_field(group_suffix[slot->is_weight_decay]);
}

static double *group_value(const struct column *slot, const struct setting *set)
{
	const double *of = slot->is_weight_decay ? set->group_weight_decay : set->group_lr;

	return (double *)&of[slot->group];
}

void slot_set(const struct column *slot, struct setting *set, const double v[FIELD_VALUES])
{
	if (!slot->field)
		*group_value(slot, set) = v[0];
	else
		field_write(slot->field, &set->hyper, v);
}

bool slot_applies(const struct column *slot, const struct setting *set)
{
	if (slot->field)
		return hyper_applies(slot->field, &set->hyper);
	return !slot->is_weight_decay || set->group_lr[slot->group] != 0;
}

static void slot_get(const struct column *slot, const struct setting *set, double v[FIELD_VALUES])
{
	if (slot->field) {
		field_read(slot->field, &set->hyper, v);
		return;
	}
	memset(v, 0, FIELD_VALUES * sizeof(v[0]));
	v[0] = *group_value(slot, set);
}

bool slot_equal(const struct column *slot, const struct setting *set, const double v[FIELD_VALUES])
{
	double own[FIELD_VALUES];

	slot_get(slot, set, own);
	for (int i = 0; i < FIELD_VALUES; i++)
		if (own[i] != v[i])
			return false;
	return slot_applies(slot, set);
}

static void list_text(const double v[FIELD_VALUES], char out[COLUMN_TEXT_MAX])
{
	size_t n = 0;

	*out = 0;
	for (int i = 0; i < FIELD_VALUES && v[i] != 0; i++)
		n += (size_t)snprintf(out + n, COLUMN_TEXT_MAX - n, i ? " %.0f" : "%.0f", v[i]);
}

void slot_text(const struct column *slot, const struct setting *set, char out[COLUMN_TEXT_MAX])
{
	const struct field *f = slot_field(slot);
	char a[NUM_MAX], b[NUM_MAX];
	double v[FIELD_VALUES];

	slot_get(slot, set, v);
	if (f->kind == FIELD_ENUM)
		field_enum_word(f, (int)v[0], out, COLUMN_TEXT_MAX);
	else if (f->kind == FIELD_BOOL)
		snprintf(out, COLUMN_TEXT_MAX, "%s", v[0] != 0 ? "true" : "false");
	else if (f->kind == FIELD_PAIR)
		snprintf(out, COLUMN_TEXT_MAX, "%.31s %.31s", num_text(a, v[0]), num_text(b, v[1]));
	else if (f->kind == FIELD_LIST)
		list_text(v, out);
	else if (f->kind == FIELD_INT)
		snprintf(out, COLUMN_TEXT_MAX, "%.0f", v[0]);
	else
		snprintf(out, COLUMN_TEXT_MAX, "%s", num_text(a, v[0]));
}

double slot_value(const struct column *slot, const struct setting *set)
{
	double v[FIELD_VALUES];

	slot_get(slot, set, v);
	return slot_applies(slot, set) ? v[0] : NAN;
}

/* ---- a whole setting ---- */

/* What does not matter gets the value that it has where nobody speaks of it. */
static void settle(struct hyper *h)
{
	struct hyper plain;
	double v[FIELD_VALUES];

	hyper_plain(&plain, h);
	for (int i = 0; i < n_hyper_fields; i++)
		if (!hyper_applies(&hyper_fields[i], h)) {
			field_read(&hyper_fields[i], &plain, v);
			field_write(&hyper_fields[i], h, v);
		}
}

void setting_resolve(const struct study *s, struct setting *set)
{
	hyper_resolve(&set->hyper);
	for (int g = 0; g < s->n_groups; g++) {
		if (isnan(set->group_lr[g]))
			set->group_lr[g] = hyper_group_lr(&set->hyper, g, s->n_groups);
		if (isnan(set->group_weight_decay[g]))
			set->group_weight_decay[g] = set->hyper.weight_decay;
		if (set->group_lr[g] == 0)
			set->group_weight_decay[g] = 0;
	}
	settle(&set->hyper);
}

/* ---- columns ---- */

void setting_text(const struct study *s, const struct setting *set, int column, char out[COLUMN_TEXT_MAX])
{
	*out = 0;
	if (slot_applies(&s->column[column], set))
		slot_text(&s->column[column], set, out);
}

double setting_value(const struct study *s, const struct setting *set, int column)
{
	return slot_value(&s->column[column], set);
}

int study_column(const struct study *s, const char *name)
{
	for (int i = 0; i < s->n_columns; i++)
		if (!strcmp(s->column[i].name, name))
			return i;
	return -1;
}

void study_trial_spec(struct trial_spec *ts, const struct study *s, const struct setting *set, uint64_t seed,
		      const struct dataset *train, const struct dataset *val, const struct weights *weights)
{
	*ts = (struct trial_spec){
		.model = &s->model,
		.weights = weights,
		.train = train,
		.val = val,
		.hyper = set->hyper,
		.n_groups = s->n_groups,
		.groups = s->group,
		.seed = seed,
	};
	memcpy(ts->group_lr, set->group_lr, sizeof(ts->group_lr));
	memcpy(ts->group_weight_decay, set->group_weight_decay, sizeof(ts->group_weight_decay));
}
