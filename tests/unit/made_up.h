/*
 * made_up.h - a study and results without a run directory, for the tests of the report.
 *
 * Two groups (backbone, classifier), columns backbone_lr, classifier_lr, optimizer; constraints val_acc > 0.85 and
 * train_eval_acc < 0.92. Cells are added one by one, then made_rows() gives a trial its epochs.
 */
#ifndef TESTS_UNIT_MADE_UP_H
#define TESTS_UNIT_MADE_UP_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sweep/report/summary.h"

enum { MADE_CELLS = 1600, MADE_SEEDS = 5 };

struct made_up {
	struct study study;
	struct cell cell[MADE_CELLS];
	struct column column[4];
	struct constraint constraint[2];
	uint64_t seed[MADE_SEEDS];
	struct results results;
	struct summary summary;
};

static inline int made_slot(void *ctx, const char *name)
{
	(void)ctx;
	return metric_find(name);
}

static inline void made_study(struct made_up *m, int n_seeds)
{
	struct study *s = &m->study;
	const struct expr_names names = {.resolve = made_slot};
	struct err e;

	memset(m, 0, sizeof(*m));
	s->name = (char *)"made-up";
	s->path = (char *)"made-up.yaml";
	s->text = (char *)"name: made-up\n";
	s->text_bytes = strlen(s->text);
	s->n_groups = 2;
	strcpy(s->group[0].name, "backbone");
	strcpy(s->group[1].name, "classifier");
	s->n_columns = 3;
	s->column = m->column;
	strcpy(m->column[0].name, "backbone_lr");
	strcpy(m->column[1].name, "classifier_lr");
	m->column[1].group = 1;
	strcpy(m->column[2].name, "optimizer");
	m->column[2].field = field_find(hyper_fields, n_hyper_fields, "optimizer");
	strcpy(s->metric, "val_acc");
	s->goal = GOAL_MAXIMIZE;
	s->at_train_acc = 0.8;
	s->n_constraints = 2;
	s->constraint = m->constraint;
	strcpy(m->constraint[0].text, "val_acc > 0.85");
	strcpy(m->constraint[1].text, "train_eval_acc < 0.92");
	for (int i = 0; i < 2; i++)
		if (expr_parse(&m->constraint[i].expr, m->constraint[i].text, &names, NULL, &e))
			abort();
	s->seed = m->seed;
	s->n_seeds = n_seeds;
	for (int i = 0; i < n_seeds; i++)
		m->seed[i] = (uint64_t)i;
	s->cell = m->cell;
}

static inline int made_cell(struct made_up *m, int optimizer, double backbone_lr, double classifier_lr, bool baseline)
{
	struct cell *c = &m->cell[m->study.n_cells];

	field_defaults(hyper_fields, n_hyper_fields, &c->setting.hyper);
	c->setting.hyper.optimizer = optimizer;
	c->setting.group_lr[0] = backbone_lr;
	c->setting.group_lr[1] = classifier_lr;
	c->baseline = baseline;
	return m->study.n_cells++;
}

static inline struct epoch_row made_row(int epoch, double train_acc, double val_acc)
{
	struct epoch_row r = {.epoch = epoch, .train_acc = train_acc - 0.01, .train_eval_acc = train_acc};

	r.val_acc = val_acc;
	r.train_loss = 1.2 * (1 - train_acc) + 0.05;
	r.train_eval_loss = 1.1 * (1 - train_acc) + 0.05;
	r.val_loss = 1.5 * (1 - val_acc) + 0.1;
	for (int g = 0; g < 2; g++)
		r.group[g] = (struct group_row){1e-3 * (g + 1), 0.5, 1e-3, 0.01};
	return r;
}

/* After all cells are there: gives a trial its end and rows. */
static inline void made_trial(struct made_up *m, int cell, int repeat, enum trial_state state,
			      const struct epoch_row *row, int n)
{
	struct err e;
	int trial = cell * m->study.n_seeds + repeat;
	struct result_trial *t;

	if (!m->results.trial && results_init(&m->results, &m->study, &e))
		abort();
	t = &m->results.trial[trial];
	t->end = (struct trial_end){.state = state, .epochs = n, .attempt = 1, .host = "here"};
	snprintf(t->key, sizeof(t->key), "%016x", trial + 0xabc);
	if (results_set_rows(&m->results, trial, row, n, &e))
		abort();
}

static inline void made_summary(struct made_up *m)
{
	struct err e;

	if (summary_init(&m->summary, &m->results, &e))
		abort();
}

static inline void made_release(struct made_up *m)
{
	summary_release(&m->summary);
	results_release(&m->results);
	for (int i = 0; i < 2; i++)
		expr_free(m->constraint[i].expr);
}

#endif
