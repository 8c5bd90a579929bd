/* key.c - a trial's key: the canonical text of what decides its numbers, and that text's hash */
#include "sweep/grid/load.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sweep/base/num.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

/* Where the text goes: to a file, or into a hash without ever standing anywhere whole. */
struct sink {
	FILE *out;
	XXH3_state_t *hash;
};

static void put(const struct sink *k, const char *text, size_t n)
{
	if (k->out)
		fwrite(text, 1, n, k->out);
	else
		XXH3_64bits_update(k->hash, text, n);
}

/* For short pieces: numbers, hashes and names. */
__attribute__((format(printf, 2, 3))) static void say(const struct sink *k, const char *fmt, ...)
{
	char line[256];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	put(k, line, n < (int)sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

/* In quotes and without line ends, so that no pattern can pass for two. */
static void put_quoted(const struct sink *k, const char *text)
{
	put(k, " \"", 2);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\' || *text == '\n')
			put(k, "\\", 1);
		put(k, *text == '\n' ? "n" : text, 1);
	}
	put(k, "\"", 1);
}

static void put_field(const struct sink *k, const char *prefix, const struct field *f, const void *obj)
{
	char a[NUM_MAX], b[NUM_MAX], word[COLUMN_TEXT_MAX];
	double v[FIELD_VALUES];

	field_read(f, obj, v);
	if (f->kind == FIELD_ENUM) {
		field_enum_word(f, (int)v[0], word, sizeof(word));
		say(k, "%s%s %s\n", prefix, f->name, word);
	} else if (f->kind == FIELD_PAIR) {
		say(k, "%s%s %s %s\n", prefix, f->name, num_text(a, v[0]), num_text(b, v[1]));
	} else if (f->kind == FIELD_LIST) {
		say(k, "%s%s", prefix, f->name);
		for (int i = 0; i < FIELD_VALUES && v[i] != 0; i++)
			say(k, " %.0f", v[i]);
		say(k, "\n");
	} else if (f->kind == FIELD_INT) {
		say(k, "%s%s %.0f\n", prefix, f->name, v[0]);
	} else {
		say(k, "%s%s %s\n", prefix, f->name, num_text(a, v[0]));
	}
}

static void put_model(const struct sink *k, const struct study *s)
{
	struct model_spec plain = {0};

	field_defaults(model_fields, n_model_fields, &plain);
	for (int i = 0; i < n_model_fields; i++) {
		const struct field *f = &model_fields[i];

		/* the architecture decides everything else, so it stands there always */
		if (!strcmp(f->name, "arch") || (model_applies(f, &s->model) && !field_same(f, &s->model, &plain)))
			put_field(k, "model.", f, &s->model);
	}
	if (s->model.head_keep)
		say(k, "model.head keep\n");
}

static void put_groups(const struct sink *k, const struct study *s, const struct setting *set)
{
	char lr[NUM_MAX], wd[NUM_MAX];

	for (int g = 0; g < s->n_groups; g++) {
		say(k, "group %s", s->group[g].name);
		for (int i = 0; i < s->group[g].n_patterns; i++)
			put_quoted(k, s->group[g].patterns[i]);
		say(k, " lr %s weight_decay %s\n", num_text(lr, set->group_lr[g]),
		    num_text(wd, set->group_weight_decay[g]));
	}
}

/* What differs from what the optimizer and the schedule have by default. The setting is resolved: what does not matter has
 * its default there and so stays out. */
static void put_hyper(const struct sink *k, const struct hyper *h)
{
	struct hyper plain;

	hyper_plain(&plain, h);
	for (int i = 0; i < n_hyper_fields; i++) {
		const struct field *f = &hyper_fields[i];
		bool chosen = !strcmp(f->name, "optimizer") || !strcmp(f->name, "schedule");
		bool is_default = chosen ? field_get(f, h) == f->def[0] : field_same(f, h, &plain);

		if (field_in_key(f) && !is_default)
			put_field(k, "", f, h);
	}
}

static void put_trial(const struct sink *k, const struct study *s, const struct setting *set, uint64_t seed,
		      const struct key_context *kc)
{
	say(k, "numerics %d\nseed %" PRIu64 "\n", ENGINE_NUMERICS_VERSION, seed);
	say(k, "train %s\nval %s\nweights %s\n", kc->train_hash, kc->val_hash, kc->weights_hash);
	put_model(k, s);
	put_groups(k, s, set);
	put_hyper(k, &set->hyper);
}

/* ---- stages ---- */

/*
 * What of a setting its first epochs look at: groups that stay frozen in them count as frozen for good; not with plateau,
 * whose rates are on their way already.
 */
static void first_epochs(struct setting *stage, const struct study *s, const struct setting *set, int epochs)
{
	bool thaws = false;

	*stage = *set;
	for (int g = 0; g < s->n_groups; g++) {
		int thaw = hyper_thaw_epoch(&set->hyper, g, s->n_groups);

		if (set->group_lr[g] > 0 && thaw >= epochs && set->hyper.schedule != SCHEDULE_PLATEAU)
			stage->group_lr[g] = stage->group_weight_decay[g] = 0;
		thaws = thaws || (stage->group_lr[g] > 0 && thaw > 0);
	}
	if (!thaws)
		stage->hyper.freeze_epochs = stage->hyper.unfreeze_every = 0;
	if (!hyper_epochs_matter(&set->hyper))
		stage->hyper.epochs = epochs;
}

uint64_t trial_stage_key(const struct study *s, const struct setting *set, uint64_t seed, const struct key_context *kc,
			 int epochs)
{
	struct setting stage;
	XXH3_state_t state;
	const struct sink k = {.hash = &state};

	first_epochs(&stage, s, set, epochs);
	XXH3_64bits_reset(&state);
	put_trial(&k, s, &stage, seed, kc);
	if (stage.hyper.epochs != epochs) /* no trial by itself: the schedule goes on to another end */
		say(&k, "until %d\n", epochs);
	return XXH3_64bits_digest(&state);
}

/* ---- a trial ---- */

void trial_key_text(FILE *out, const struct study *s, const struct setting *set, uint64_t seed,
		    const struct key_context *kc)
{
	const struct sink k = {.out = out};

	put_trial(&k, s, set, seed, kc);
}

void trial_key(char key[TRIAL_KEY_MAX], const struct study *s, const struct setting *set, uint64_t seed,
	       const struct key_context *kc)
{
	XXH3_state_t state;
	const struct sink k = {.hash = &state};

	XXH3_64bits_reset(&state);
	put_trial(&k, s, set, seed, kc);
	snprintf(key, TRIAL_KEY_MAX, "%016" PRIx64, (uint64_t)XXH3_64bits_digest(&state));
}
