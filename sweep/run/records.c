/* records.c - see records.h */
#include "sweep/run/records.h"

#include <inttypes.h>
#include <jansson.h>
#include <pthread.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum kind { TEXT, REAL, INT, INT64 };

/* A struct's member and its JSON key; both directions walk the same list. */
struct member {
	const char *key;
	enum kind kind;
	size_t offset, size;
	bool newer; /* records of older versions do not have it: it stays zero */
};
#define MEMBER(type, member, kind)                                                                      \
	{                                                                                               \
#member, kind, offsetof(struct type, member), sizeof(((struct type *)0)->member), false \
	}
#define NEWER(type, member, kind)                                                                      \
	{                                                                                              \
#member, kind, offsetof(struct type, member), sizeof(((struct type *)0)->member), true \
	}

static const struct member end_member[] = {
	MEMBER(trial_end, epochs, INT),      MEMBER(trial_end, reason, TEXT),
	MEMBER(trial_end, train_s, REAL),    MEMBER(trial_end, eval_s, REAL),
	MEMBER(trial_end, wall_s, REAL),     MEMBER(trial_end, host, TEXT),
	MEMBER(trial_end, started, TEXT),    MEMBER(trial_end, ended, TEXT),
	MEMBER(trial_end, attempt, INT),     MEMBER(trial_end, worker, INT),
	NEWER(trial_end, weights, TEXT),     NEWER(trial_end, macs, REAL),
	NEWER(trial_end, macs_reused, REAL), NEWER(trial_end, epochs_reused, INT),
	NEWER(trial_end, reused_from, TEXT), NEWER(trial_end, correct_bits_xxh3, TEXT),
};
static const struct member diverged_member[] = {
	MEMBER(trial_end, diverged_epoch, INT),    MEMBER(trial_end, diverged_step, INT64),
	MEMBER(trial_end, diverged_loss, REAL),    MEMBER(trial_end, diverged_group, TEXT),
	MEMBER(trial_end, last_finite_epoch, INT),
};
static const struct member manifest_member[] = {
	MEMBER(manifest, version, TEXT),  MEMBER(manifest, numerics, INT),      MEMBER(manifest, kernels, TEXT),
	MEMBER(manifest, blas, TEXT),     MEMBER(manifest, cpu, TEXT),          MEMBER(manifest, host, TEXT),
	MEMBER(manifest, created, TEXT),  MEMBER(manifest, workers, INT),       MEMBER(manifest, train_hash, TEXT),
	MEMBER(manifest, val_hash, TEXT), MEMBER(manifest, weights_hash, TEXT), MEMBER(manifest, n_train, INT64),
	MEMBER(manifest, n_val, INT64),   MEMBER(manifest, git, TEXT),          NEWER(manifest, grid_dir, TEXT),
	NEWER(manifest, threads, INT),
};
#define COUNT(list) (sizeof(list) / sizeof(*(list)))

/* JSON is UTF-8: what is not (a host or file name may be anything) keeps its ASCII and gets ? for the rest. */
static json_t *any_text(const char *text)
{
	json_t *j = json_string(text);
	char *ascii = j ? NULL : strdup(text);

	for (char *c = ascii; c && *c; c++)
		if (*c & 0x80)
			*c = '?';
	if (ascii)
		j = json_string(ascii);
	free(ascii);
	return j;
}

/* JSON knows no nan: null. */
static json_t *real(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

static int put_members(json_t *j, const void *from, const struct member *m, size_t n)
{
	int failed = 0;

	for (size_t i = 0; i < n; i++) {
		const void *at = (const char *)from + m[i].offset;
		json_t *v = m[i].kind == TEXT   ? any_text(at)
			    : m[i].kind == REAL ? real(*(const double *)at)
			    : m[i].kind == INT  ? json_integer(*(const int *)at)
						: json_integer(*(const int64_t *)at);

		failed |= json_object_set_new(j, m[i].key, v);
	}
	return failed;
}

static int take_member(void *to, const struct member *m, const json_t *v)
{
	void *at = (char *)to + m->offset;

	if (m->kind == TEXT) {
		if (!json_is_string(v) || json_string_length(v) >= m->size)
			return -1;
		memcpy(at, json_string_value(v), json_string_length(v) + 1);
	} else if (m->kind == REAL) {
		if (!json_is_number(v) && !json_is_null(v))
			return -1;
		*(double *)at = json_is_null(v) ? NAN : json_number_value(v);
	} else {
		json_int_t value = json_integer_value(v);

		if (!json_is_integer(v) || (m->kind == INT && value != (int)value))
			return -1;
		if (m->kind == INT)
			*(int *)at = (int)value;
		else
			*(int64_t *)at = value;
	}
	return 0;
}

static int take_members(void *to, const json_t *j, const struct member *m, size_t n, const char *path, struct err *e)
{
	for (size_t i = 0; i < n; i++)
		if (!(m[i].newer && !json_object_get(j, m[i].key)) &&
		    take_member(to, &m[i], json_object_get(j, m[i].key)))
			return err_set(e, ERR_DATA, "%s: damaged: no good '%s'", path, m[i].key);
	return 0;
}

/*
 * Whether jansson lacked memory, which it does not always tell: it calls a text damaged that it could not parse, and leaves
 * out of a text what it had no room for (2.14: dump_string() and the rest append to a buffer and look away).
 */
static _Thread_local bool no_memory;

static void *noted_malloc(size_t n)
{
	void *p = malloc(n);

	no_memory |= !p;
	return p;
}

static void note_mallocs(void)
{
	json_set_alloc_funcs(noted_malloc, free);
}

static void watch_memory(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, note_mallocs);
	no_memory = false;
}

static json_t *parse(const char *text, const char *path, struct err *e)
{
	json_error_t je;
	json_t *j;

	watch_memory();
	j = json_loads(text, JSON_REJECT_DUPLICATES, &je);
	if (no_memory) {
		json_decref(j); /* accepts NULL; a text may have lost a letter */
		j = NULL;
		err_set(e, ERR_NOMEM, "%s: out of memory", path);
	} else if (!j) {
		err_set(e, ERR_DATA, "%s: damaged: line %d: %s", path, je.line, je.text);
	}
	return j;
}

/* Takes j. */
static char *dump(json_t *j, int failed)
{
	char *text, *line;
	size_t n;

	watch_memory();
	text = failed ? NULL : json_dumps(j, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
	n = text ? strlen(text) : 0;
	line = text && !no_memory ? realloc(text, n + 2) : NULL;
	json_decref(j);
	if (line)
		memcpy(line + n, "\n", 2);
	else
		free(text);
	return line;
}

/* Where it diverged, and the figures of the last epoch that has some. */
static int put_divergence(json_t *j, const struct trial_end *end)
{
	json_t *last = json_object();
	int failed = put_members(j, end, diverged_member, COUNT(diverged_member));

	for (int m = 0; m < N_METRICS && end->last_finite_epoch; m++)
		failed |= json_object_set_new(last, metric_name(m), real(end->last_finite[m]));
	return failed | json_object_set_new(j, "last_finite", last);
}

char *result_write(const struct trial_end *end, const char *key, uint64_t rows_hash)
{
	json_t *j = json_object();
	char hash[17];
	int failed;

	snprintf(hash, sizeof(hash), "%016" PRIx64, rows_hash);
	failed = json_object_set_new(j, "key", any_text(key));
	failed |= json_object_set_new(j, "state", any_text(trial_state_word(end->state)));
	failed |= put_members(j, end, end_member, COUNT(end_member));
	if (end->state == STATE_DIVERGED)
		failed |= put_divergence(j, end);
	failed |= json_object_set_new(j, "epochs_csv_xxh3", json_string(hash));
	return dump(j, failed);
}

static int take_state(enum trial_state *state, const json_t *v)
{
	for (int s = STATE_COMPLETE; s <= STATE_FAIL; s++)
		if (json_is_string(v) && !strcmp(json_string_value(v), trial_state_word(s))) {
			*state = s;
			return 0;
		}
	return -1;
}

static int take_hash(uint64_t *hash, const json_t *v)
{
	const char *text = json_string_value(v);
	char *end;

	if (!text || strspn(text, "0123456789abcdef") != 16 || text[16])
		return -1;
	*hash = strtoull(text, &end, 16);
	return 0;
}

int result_parse(struct trial_end *end, uint64_t *rows_hash, const char *text, const char *key, const char *path,
		 struct err *e)
{
	json_t *j = parse(text, path, e);
	const char *found = json_string_value(json_object_get(j, "key"));
	int rc;

	if (!j)
		return e->code;
	rc = take_members(end, j, end_member, COUNT(end_member), path, e);
	if (!rc && take_state(&end->state, json_object_get(j, "state")))
		rc = err_set(e, ERR_DATA, "%s: damaged: no good 'state'", path);
	if (!rc && end->state == STATE_DIVERGED)
		rc = take_members(end, j, diverged_member, COUNT(diverged_member), path, e);
	if (!rc && take_hash(rows_hash, json_object_get(j, "epochs_csv_xxh3")))
		rc = err_set(e, ERR_DATA, "%s: damaged: no good 'epochs_csv_xxh3'", path);
	if (!rc && (!found || strcmp(found, key)))
		rc = err_set(e, ERR_DATA, "%s: belongs to trial '%.40s'", path, found ? found : "");
	json_decref(j);
	return rc;
}

char *manifest_write(const struct manifest *m)
{
	json_t *j = json_object();
	json_t *set = json_array();
	int failed = put_members(j, m, manifest_member, COUNT(manifest_member));

	for (int i = 0; i < m->n_sets; i++)
		failed |= json_array_append_new(set, any_text(m->set[i]));
	failed |= json_object_set_new(j, "set", set);
	return dump(j, failed);
}

static bool all_texts(const json_t *list)
{
	size_t texts = 0;

	for (size_t i = 0; i < json_array_size(list); i++)
		texts += json_is_string(json_array_get(list, i));
	return json_is_array(list) && texts == json_array_size(list);
}

static int take_sets(struct manifest *m, const json_t *list, const char *path, struct err *e)
{
	size_t n = json_array_size(list);

	if (!all_texts(list))
		return err_set(e, ERR_DATA, "%s: damaged: no good 'set'", path);
	m->set = calloc(n + 1, sizeof(*m->set));
	for (size_t i = 0; m->set && i < n; i++) {
		m->set[i] = strdup(json_string_value(json_array_get(list, i)));
		if (!m->set[i])
			break;
		m->n_sets++;
	}
	return m->set && (size_t)m->n_sets == n ? 0 : err_set(e, ERR_NOMEM, "%s: out of memory", path);
}

int manifest_parse(struct manifest *m, const char *text, const char *path, struct err *e)
{
	json_t *j = parse(text, path, e);
	int rc;

	*m = (struct manifest){0};
	if (!j)
		return e->code;
	rc = take_members(m, j, manifest_member, COUNT(manifest_member), path, e);
	if (!rc)
		rc = take_sets(m, json_object_get(j, "set"), path, e);
	json_decref(j);
	if (rc)
		manifest_release(m);
	return rc;
}

int manifest_copy(struct manifest *to, const struct manifest *from, struct err *e)
{
	*to = *from;
	to->n_sets = 0;
	to->set = calloc((size_t)from->n_sets + 1, sizeof(*to->set));
	for (int i = 0; to->set && i < from->n_sets; i++) {
		to->set[i] = strdup(from->set[i]);
		if (!to->set[i])
			break;
		to->n_sets++;
	}
	if (to->set && to->n_sets == from->n_sets)
		return 0;
	manifest_release(to);
	return err_set(e, ERR_NOMEM, "out of memory");
}

void manifest_release(struct manifest *m)
{
	for (int i = 0; i < m->n_sets; i++)
		free(m->set[i]);
	free(m->set);
	m->set = NULL;
	m->n_sets = 0;
}
