/* grid.c - see grid.h: the top level of a grid file, from its tree to a study */
#include "sweep/grid/grid.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/file.h"
#include "sweep/grid/load.h"
#include "sweep/grid/metric.h"
#include "sweep/grid/yaml.h"

#define COUNT(list) (int)(sizeof(list) / sizeof((list)[0]))
#define NAME_BYTES  100

/* ---- labels ---- */

static bool is_study_name(const char *name)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

	return *name && *name != '.' && *name != '-' && strlen(name) <= NAME_BYTES && !name[strspn(name, allowed)];
}

static int read_name(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	const char *text = NULL;
	char shown[NODE_SHOWN];
	int rc = node_text(value, key->text, &text, l->e);

	(void)obj;
	if (!rc && !is_study_name(text))
		rc = node_error(value, l->e,
				"name is %s; expected letters, digits, '.', '_' and '-', not '.' or '-' first",
				node_shown(value, shown));
	if (rc)
		return rc;
	l->s->name = load_copy(l, text);
	return l->s->name ? 0 : load_nomem(l);
}

/* Without `name:` the file's own name serves. */
static int name_of_file(struct load *l)
{
	const char *slash = strrchr(l->s->path, '/');
	const char *base = slash ? slash + 1 : l->s->path;
	const char *dot = strrchr(base, '.');
	bool known = dot && (!strcmp(dot, ".yaml") || !strcmp(dot, ".yml"));

	l->s->name = pool_copy(l->pool, base, known ? (size_t)(dot - base) : strlen(base));
	if (!l->s->name)
		return load_nomem(l);
	if (is_study_name(l->s->name))
		return 0;
	return node_error(l->root, l->e,
			  "the file's name cannot name the study; expected name: with letters, digits, "
			  "'.', '_' and '-'");
}

static int read_description(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	const char *text = NULL;
	int rc = node_is_null(value) ? 0 : node_text(value, key->text, &text, l->e);

	(void)obj;
	if (rc || !text)
		return rc;
	l->s->description = load_copy(l, text);
	return l->s->description ? 0 : load_nomem(l);
}

static int ignore(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	return (void)l, (void)obj, (void)key, (void)value, 0;
}

static int refuse(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	(void)obj, (void)value;
	return node_error(key, l->e, "'%s' is not supported yet; expected a grid without it", key->text);
}

/* ---- method and metric ---- */

static int read_method(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	char shown[NODE_SHOWN];

	(void)obj;
	if (value->kind == NODE_SCALAR && !strcmp(value->text, "grid"))
		return 0;
	return node_error(value, l->e, "%s is %s, which is not supported; expected grid", key->text,
			  node_shown(value, shown));
}

static int read_metric_name(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	struct suggest g = {0};
	char hint[SUGGEST_MAX + 32], shown[NODE_SHOWN];
	int rc = node_text(value, "metric", &g.word, l->e), metric;

	(void)obj, (void)key;
	if (rc)
		return rc;
	metric = metric_find(g.word);
	if (metric < 0) {
		for (int i = 0; i < N_METRICS; i++)
			suggest_try(&g, metric_name(i));
		return node_error(value, l->e, "metric %s is unknown%s", node_shown(value, shown),
				  *g.best ? suggest_text(&g, hint)
					  : "; expected train_, train_eval_ or val_ with loss or acc, gap, gap_loss or "
					    "gap_running");
	}
	strcpy(l->s->metric, metric_name(metric));
	l->s->goal = metric_larger_is_better(metric) ? GOAL_MAXIMIZE : GOAL_MINIMIZE;
	return 0;
}

static int read_goal(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	char shown[NODE_SHOWN];
	bool max = value->kind == NODE_SCALAR && !strcmp(value->text, "maximize");

	(void)obj;
	if (!max && (value->kind != NODE_SCALAR || strcmp(value->text, "minimize")))
		return node_error(value, l->e, "%s is %s; expected minimize or maximize", key->text,
				  node_shown(value, shown));
	l->s->goal = max ? GOAL_MAXIMIZE : GOAL_MINIMIZE;
	return 0;
}

static int refuse_target(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	(void)obj, (void)value;
	return node_error(key, l->e,
			  "'%s' would end a sweep early, which is not supported; expected constraints: "
			  "[val_acc > ...] to mark what meets it",
			  key->text);
}

static int refuse_impute(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	(void)obj, (void)value;
	return node_error(key, l->e, "'%s' belongs to method bayes; expected only name and goal", key->text);
}

static int read_metric(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	static const struct rule rules[] = {
		{"name", read_metric_name, true},
		{"goal", read_goal, false},
		{"target", refuse_target, false},
		{"impute", refuse_impute, false},
		{"impute_while_running", refuse_impute, false},
	};

	if (value->kind == NODE_SCALAR)
		return read_metric_name(l, obj, key, value);
	return load_map(l, value, key->text, rules, COUNT(rules), obj);
}

/* ---- seeds ---- */

static int make_seeds(struct load *l, int n)
{
	l->s->seed = pool_alloc(l->pool, (size_t)n * sizeof(l->s->seed[0]));
	if (!l->s->seed)
		return load_nomem(l);
	l->s->n_seeds = n;
	for (int i = 0; i < n; i++)
		l->s->seed[i] = (uint64_t)i;
	return 0;
}

static int read_repeats(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	const struct node *seeds = node_get(l->root, "seeds");
	int64_t n = 0;
	int rc;

	(void)obj;
	if (seeds)
		return node_error(key, l->e, "repeats and seeds (at %d:%d) both; expected one of them", seeds->line,
				  seeds->col);
	rc = node_integer(value, key->text, 1, STUDY_MAX_REPEATS, &n, l->e);
	return rc ? rc : make_seeds(l, (int)n);
}

static int read_seed(struct load *l, const struct node *n, int i)
{
	int64_t seed = 0;
	int rc = node_integer(n, "a seed", 0, INT64_MAX, &seed, l->e);

	for (int j = 0; !rc && j < i; j++)
		if (l->s->seed[j] == (uint64_t)seed)
			rc = node_error(n, l->e, "seed %lld stands twice; expected each once", (long long)seed);
	l->s->seed[i] = (uint64_t)seed;
	return rc;
}

static int read_seeds(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	int rc = node_want(value, NODE_LIST, key->text, l->e);

	(void)obj;
	if (!rc && (!value->n || value->n > STUDY_MAX_REPEATS))
		rc = node_error(value, l->e, "%d seeds; expected 1 to %d", value->n, STUDY_MAX_REPEATS);
	if (!rc)
		rc = make_seeds(l, value->n);
	for (int i = 0; !rc && i < value->n; i++)
		rc = read_seed(l, value->item[i], i);
	return rc;
}

/* ---- constants ---- */

static int read_baseline(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	l->baseline = value;
	return (void)obj, (void)key, 0;
}

static bool every_space_has(const struct load *l, const char *name)
{
	for (int i = 0; i < l->n_spaces; i++) {
		bool found = false;

		for (int a = 0; a < l->space[i].n_axes; a++)
			for (int j = 0; j < l->space[i].axis[a].n_slots; j++)
				found = found || !strcmp(l->space[i].axis[a].slot[j].name, name);
		if (!found)
			return false;
	}
	return true;
}

/* A training setting at the top level holds wherever `parameters` does not vary it. */
static int read_constant(struct load *l, const struct node *key, const struct node *value, const struct column *slot)
{
	double v[FIELD_VALUES];
	int rc = load_slot(l, slot, value, v);

	if (!rc && every_space_has(l, slot->name))
		rc = node_error(key, l->e, "%s is never used: every grid of parameters sets it; expected it once",
				slot->name);
	if (!rc)
		slot_set(slot, &l->base, v);
	return rc;
}

/* ---- what only the report looks at: no trial's key has it ---- */

static int read_at_train_acc(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	double v = 0;
	char shown[NODE_SHOWN];
	int rc = node_number(value, key->text, &v, l->e);

	(void)obj;
	if (!rc && !(v > 0 && v < 1))
		rc = node_error(value, l->e, "at_train_acc is %s; expected a fraction above 0 and below 1",
				node_shown(value, shown));
	l->s->at_train_acc = v;
	return rc;
}

static int read_report(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	static const struct rule of_report[] = {{"at_train_acc", read_at_train_acc, false}};

	return load_map(l, value, key->text, of_report, COUNT(of_report), obj);
}

static int read_keep(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	char shown[NODE_SHOWN];

	(void)obj, (void)key;
	if (value->kind != NODE_SCALAR || (strcmp(value->text, "final") && strcmp(value->text, "none")))
		return node_error(value, l->e, "keep is %s; expected final or none", node_shown(value, shown));
	l->s->keep_final = !strcmp(value->text, "final");
	return 0;
}

/* ---- the top level ---- */

/* In the order in which they need each other: a default metric goal from its name, seeds before their count. */
static const struct rule rules[] = {
	{"name", read_name, false},
	{"description", read_description, false},
	{"data", load_data, true},
	{"method", read_method, false},
	{"metric", read_metric, false},
	{"constraints", load_constraints, false},
	{"repeats", read_repeats, false},
	{"seeds", read_seeds, false},
	{"exclude", load_exclude, false},
	{"baseline", read_baseline, false},
	{"report", read_report, false},
	{"keep", read_keep, false},
	/* read apart, before and after these */
	{"model", ignore, true},
	{"groups", ignore, false},
	{"parameters", ignore, false},
	{"linked", ignore, false},
	/* W&B's labels and machinery, without meaning here */
	{"program", ignore, false},
	{"command", ignore, false},
	{"project", ignore, false},
	{"entity", ignore, false},
	{"kind", ignore, false},
	{"apiVersion", ignore, false},
	{"controller", ignore, false},
	{"job", ignore, false},
	{"image_uri", ignore, false},
	/* W&B's that would change what runs */
	{"early_terminate", refuse, false},
	{"run_cap", refuse, false},
	{"scheduler", refuse, false},
	{"metrics", refuse, false},
};

static int check_keys(struct load *l)
{
	struct column slot;

	for (int i = 0; i < l->root->n; i++) {
		const struct node *key = l->root->key[i];
		struct suggest g = {.word = key->text};

		if (rule_find(rules, COUNT(rules), key->text) || slot_find(l->s, key->text, &slot))
			continue;
		for (int r = 0; r < COUNT(rules); r++)
			suggest_try(&g, rules[r].name);
		slot_suggest(l->s, &g);
		return unknown_key(l, key, &g);
	}
	return 0;
}

static int load_constants(struct load *l)
{
	struct column slot;
	int rc = 0;

	for (int i = 0; !rc && i < l->root->n; i++)
		if (slot_find(l->s, l->root->key[i]->text, &slot))
			rc = read_constant(l, l->root->key[i], l->root->item[i], &slot);
	return rc;
}

static void set_defaults(struct load *l)
{
	field_defaults(hyper_fields, n_hyper_fields, &l->base.hyper);
	field_defaults(model_fields, n_model_fields, &l->s->model);
	for (int g = 0; g < ENGINE_MAX_GROUPS; g++)
		l->base.group_lr[g] = l->base.group_weight_decay[g] = NAN;
	strcpy(l->s->metric, metric_name(METRIC_val_acc));
	l->s->goal = GOAL_MAXIMIZE;
	l->s->at_train_acc = 0.9;
}

static int load_tree(struct load *l)
{
	const struct node *model, *groups;
	int rc = node_want(l->root, NODE_MAP, "a grid file", l->e);

	if (rc)
		return rc;
	set_defaults(l);
	/* the model names the head, the head the default groups, the groups most hyperparameters */
	model = node_get(l->root, "model");
	groups = node_get(l->root, "groups");
	if (model)
		rc = load_model(l, NULL, l->root->key[node_find(l->root, "model")], model);
	if (!rc)
		rc = load_groups(l, groups);
	if (!rc)
		rc = check_keys(l);
	if (!rc)
		rc = make_seeds(l, 1);
	if (!rc)
		rc = load_rules(l, l->root, "the grid file", rules, COUNT(rules), NULL);
	if (!rc && !l->s->name)
		rc = name_of_file(l);
	if (!rc)
		rc = load_spaces(l);
	if (!rc)
		rc = load_constants(l);
	return rc ? rc : space_expand(l);
}

static int read_tree(struct load *l, struct source *source, const char *const *sets, int n_sets)
{
	int rc = yaml_read(&l->root, l->tree, source, l->e);

	for (int i = 0; !rc && i < n_sets; i++)
		rc = set_apply(&l->root, l->tree, sets[i], l->e);
	if (!rc && !l->root)
		rc = source_error(source, 1, 1, l->e,
				  "the file is empty; expected a map with data, model and parameters");
	return rc ? rc : load_tree(l);
}

int study_parse(struct study *s, const char *text, size_t bytes, const char *path, const char *const *sets, int n_sets,
		struct err *e)
{
	struct pool *pool = calloc(1, sizeof(*pool)), tree = {0};
	struct load l = {.s = s, .pool = pool, .tree = &tree, .e = e};
	struct source source;
	int rc;

	*s = (struct study){.owner = pool};
	if (!pool)
		return err_set(e, ERR_NOMEM, "%s: out of memory", path);
	s->path = load_copy(&l, path);
	s->text = bytes <= YAML_MAX_BYTES ? pool_copy(pool, text, bytes) : "";
	s->text_bytes = bytes;
	source = (struct source){.name = s->path, .text = s->text, .bytes = bytes};
	rc = s->path && s->text ? read_tree(&l, &source, sets, n_sets) : load_nomem(&l);
	for (int i = 0; i < l.n_exclusions; i++)
		expr_free(l.exclusion[i].expr);
	pool_release(&tree);
	if (rc)
		study_release(s);
	return rc;
}

int study_load(struct study *s, const char *path, const char *const *sets, int n_sets, struct err *e)
{
	char *text = NULL;
	size_t bytes = 0;
	int rc = file_read(&text, &bytes, path, YAML_MAX_BYTES, e);

	*s = (struct study){0};
	if (rc == ERR_DATA)
		return err_set(e, ERR_CONFIG, "%s: larger than 1 MiB; expected a grid file", path);
	if (!rc)
		rc = study_parse(s, text, bytes, path, sets, n_sets, e);
	free(text);
	return rc;
}

void study_release(struct study *s)
{
	for (int i = 0; i < s->n_constraints; i++)
		expr_free(s->constraint[i].expr);
	if (s->owner)
		pool_release(s->owner);
	free(s->owner);
	*s = (struct study){0};
}
