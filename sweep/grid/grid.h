/*
 * grid.h - a grid file as checked structs: what to train on, which settings, how often.
 *
 * study_load() reads and checks a file; study_expand() lists its cells. Both are pure but for reading that file: no data
 * set is opened here. Every complaint is one line `file:line:col: what is wrong; what was expected` followed by the
 * source line and a caret (in e->msg, ERR_CONFIG); of a --set option `--set OPTION: what is wrong; ...` and the same.
 */
#ifndef SWEEP_GRID_GRID_H
#define SWEEP_GRID_GRID_H

#include <stdio.h>

#include "engine/engine.h"
#include "sweep/grid/expr.h"

#define STUDY_MAX_CELLS   1000000 /* before `exclude` and duplicates */
#define STUDY_MAX_REPEATS 10000
#define STUDY_MAX_TRIALS  10000000 /* cells times repeats */
#define COLUMN_NAME_MAX   (ENGINE_NAME_MAX + 16)
#define COLUMN_TEXT_MAX   64

/* Everything that decides the numbers of one cell, but for the seed, the data and the start weights. */
struct setting {
	struct hyper hyper;                           /* resolved (hyper_resolve) */
	double group_lr[ENGINE_MAX_GROUPS];           /* resolved: never NAN */
	double group_weight_decay[ENGINE_MAX_GROUPS]; /* resolved: never NAN */
};

struct cell {
	struct setting setting;
	bool baseline; /* the cell that `baseline:` names (at most one) */
};

/*
 * A hyperparameter shown as a column `params_NAME`: first NAME_lr of every group in group order, then optimizer, then
 * what else `parameters` or `linked` names, in file order. An axis has more than one value over the grid.
 */
struct column {
	char name[COLUMN_NAME_MAX];
	const struct field *field; /* NULL for a group's own column */
	int group;                 /* else its number ... */
	bool is_weight_decay;      /* ... and which of the two */
};

enum goal { GOAL_MINIMIZE, GOAL_MAXIMIZE };

struct constraint {
	char text[96];     /* as written, e.g. "val_acc > 0.85" */
	struct expr *expr; /* over metric names (metric.h): its slots are enum metric */
};

struct study {
	char *path;        /* as given */
	char *name;        /* `name:`, or the file's name without .yaml; [A-Za-z0-9._-] only */
	char *description; /* or NULL */
	char *text;        /* the file's bytes */
	size_t text_bytes;
	struct data_spec train, val; /* paths are resolved against the grid file's directory */
	struct model_spec model;
	char *weights_path; /* resolved, or NULL */
	int n_groups;
	struct group_spec group[ENGINE_MAX_GROUPS];
	int n_columns;
	struct column *column;
	char metric[COLUMN_NAME_MAX]; /* default val_acc */
	enum goal goal;               /* default maximize for *_acc, else minimize */
	double at_train_acc;          /* `report: {at_train_acc}`: gaps are also told where train_eval_acc is this */
	int n_constraints;
	struct constraint *constraint;
	bool keep_final; /* `keep: final`: a finished trial's last state stays on disk */
	int n_seeds;     /* `repeats`, or the length of `seeds` */
	uint64_t *seed;
	int n_cells;
	struct cell *cell; /* duplicates removed, in grid order: unions in file order, last axis fastest */
	int n_duplicates;  /* how many were removed */
	int n_excluded;    /* how many `exclude` dropped */
	void *owner;       /* memory of the strings and arrays above */
};

/*
 * Loads, checks and expands. sets: n_sets strings `path=value` from --set (e.g. "epochs=2", "data.train.limit=100",
 * "parameters.optimizer=sgd"; value is YAML), applied to the file's tree before checking; errors there name the option.
 */
int study_load(struct study *s, const char *path, const char *const *sets, int n_sets, struct err *e);
/* The same from memory: text as the content of a file that was at `path` (for a run directory's copy). */
int study_parse(struct study *s, const char *text, size_t bytes, const char *path, const char *const *sets, int n_sets,
		struct err *e);
/* Accepts a zeroed, half-built or released study. */
void study_release(struct study *s);

/*
 * Text of column i for a setting, as csv and terminal show it ("0.0001", "sgd", "true", "0.9 0.999" for a pair); empty
 * where the setting's optimizer does not look at it (momentum with adam, a frozen group's weight decay).
 */
void setting_text(const struct study *s, const struct setting *set, int column, char out[COLUMN_TEXT_MAX]);
/* Number of a column for a setting (an enum's index, a pair's first); NAN where its text is empty. */
double setting_value(const struct study *s, const struct setting *set, int column);
/* Column by name ("backbone_lr"), or -1. */
int study_column(const struct study *s, const char *name);

/*
 * A trial's key: 16 hex digits of XXH3-64 over a canonical text of all that decides its numbers: settings that matter
 * to its optimizer and differ from their default, groups and patterns, model, seed, the two data hashes, the weights
 * hash ("" if none) and the numerics version - so a re-ordered or extended grid finds its trials again. The kernel kind
 * is not in it (figures of two kinds agree within a tolerance); the manifest names it. trial_key_text() writes that text (for manifests and for people who wonder).
 */
#define TRIAL_KEY_MAX 17
struct key_context {
	const char *train_hash, *val_hash, *weights_hash;
};
void trial_key(char key[TRIAL_KEY_MAX], const struct study *s, const struct setting *set, uint64_t seed,
	       const struct key_context *kc);
/*
 * The same of a trial's first epochs: equal for two trials (or of a trial and another's end) where all is equal that these
 * look at, so that their states after them are the same. Groups that are frozen so far count as rate 0; `epochs` does not
 * count where the schedule does not look at it: then it is the number in the key of a trial that ends there.
 */
uint64_t trial_stage_key(const struct study *s, const struct setting *set, uint64_t seed, const struct key_context *kc,
			 int epochs);
void trial_key_text(FILE *out, const struct study *s, const struct setting *set, uint64_t seed,
		    const struct key_context *kc);

/* The engine's spec of one trial (data and weights opened by the caller). */
void study_trial_spec(struct trial_spec *ts, const struct study *s, const struct setting *set, uint64_t seed,
		      const struct dataset *train, const struct dataset *val, const struct weights *weights);

/* The JSON Schema of the grid format, made from the same tables that check it (grids/gapsweep.schema.json). */
void study_write_schema(FILE *out);
/* The hyperparameters with type, default, range and help, for --help. */
void study_write_parameters(FILE *out);

#endif
