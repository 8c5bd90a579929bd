/* load_expr.c - `constraints` over metrics and `exclude` over hyperparameters */
#include "sweep/grid/load.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "sweep/grid/metric.h"

static int metric_resolve(void *ctx, const char *name)
{
	return (void)ctx, metric_find(name);
}

static const char *keep_best(struct load *l, const struct suggest *g)
{
	return *g->best ? load_copy(l, g->best) : NULL;
}

static const char *metric_nearest(void *ctx, const char *name)
{
	struct suggest g = {.word = name};

	for (int i = 0; i < N_METRICS; i++)
		suggest_try(&g, metric_name(i));
	return keep_best(ctx, &g);
}

static int slot_resolve(void *ctx, const char *name)
{
	struct load *l = ctx;
	struct column slot;

	for (int i = 0; i < slot_count(l->s); i++) {
		slot_at(l->s, i, &slot);
		if (!strcmp(slot.name, name))
			return i;
	}
	return -1;
}

static int slot_word(void *ctx, int i, const char *word)
{
	struct load *l = ctx;
	struct column slot;

	slot_at(l->s, i, &slot);
	if (slot_field(&slot)->kind == FIELD_BOOL)
		return !strcasecmp(word, "true") ? 1 : !strcasecmp(word, "false") ? 0 : -1;
	return slot_field(&slot)->kind == FIELD_ENUM && !strchr(word, ' ') ? field_enum_index(slot.field, word) : -1;
}

/* Names, and the words of every name that has some: which of them was meant, the parser cannot know. */
static const char *slot_nearest(void *ctx, const char *name)
{
	struct suggest g = {.word = name};
	struct load *l = ctx;

	slot_suggest(l->s, &g);
	for (int i = 0; i < n_hyper_fields; i++)
		if (hyper_fields[i].kind == FIELD_ENUM)
			suggest_try_words(&g, hyper_fields[i].names);
	return keep_best(l, &g);
}

static int read_expr(struct load *l, const struct node *n, const char *what, const struct expr_names *names,
		     struct expr **x)
{
	const char *text = NULL;
	struct node at = *n;
	struct err why;
	int offset = 0;
	int rc = node_text(n, what, &text, l->e);

	if (rc)
		return rc;
	rc = expr_parse(x, text, names, &offset, &why);
	/* behind an opening quote; elsewhere in a folded or escaped text the place is only near */
	at.col += offset + (n->quoted ? 1 : 0);
	if (rc == ERR_CONFIG && (strstr(why.msg, "; ") || strlen(why.msg) > 300))
		return node_error(&at, l->e, "%s", why.msg);
	if (rc == ERR_CONFIG)
		return node_error(&at, l->e, "%s; expected a comparison such as %s", why.msg,
				  names->word ? "backbone_lr > classifier_lr" : "val_acc > 0.85");
	if (rc)
		return err_set(l->e, why.code, "%s", why.msg);
	if (!expr_is_condition(*x)) {
		expr_free(*x);
		*x = NULL;
		return node_error(n, l->e, "%s is a number, neither true nor false; expected a comparison", what);
	}
	return 0;
}

static int count(const struct node *n)
{
	return n->kind == NODE_LIST ? n->n : 1;
}

static const struct node *nth(const struct node *n, int i)
{
	return n->kind == NODE_LIST ? n->item[i] : n;
}

int load_constraints(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	const struct expr_names names = {metric_resolve, NULL, metric_nearest, l};
	struct study *s = l->s;
	int rc = 0;

	(void)obj;
	s->constraint = pool_alloc(l->pool, (size_t)(count(value) + 1) * sizeof(s->constraint[0]));
	if (!s->constraint)
		return load_nomem(l);
	for (int i = 0; !rc && i < count(value); i++) {
		const struct node *n = nth(value, i);
		struct constraint *c = &s->constraint[i];

		rc = read_expr(l, n, key->text, &names, &c->expr);
		if (!rc) {
			s->n_constraints++;
			if (strlen(n->text) >= sizeof(c->text))
				rc = node_error(n, l->e, "a constraint of %zu characters; expected at most %zu",
						strlen(n->text), sizeof(c->text) - 1);
			snprintf(c->text, sizeof(c->text), "%s", n->text);
		}
	}
	return rc;
}

int load_exclude(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	const struct expr_names names = {slot_resolve, slot_word, slot_nearest, l};
	int rc = 0;

	(void)obj;
	l->exclusion = pool_alloc(l->tree, (size_t)(count(value) + 1) * sizeof(l->exclusion[0]));
	if (!l->exclusion)
		return load_nomem(l);
	for (int i = 0; !rc && i < count(value); i++) {
		struct exclusion *x = &l->exclusion[i];

		x->node = nth(value, i);
		rc = read_expr(l, x->node, key->text, &names, &x->expr);
		l->n_exclusions += !rc;
	}
	return rc;
}
