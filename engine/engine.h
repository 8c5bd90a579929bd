/*
 * engine.h - the one header of the engine that the program includes: data sets, weights, and training trials.
 *
 * The engine reads data and weights files and writes weights, and a cache of images where it is told to; nothing else.
 * It never prints, never exits, and starts no threads of its own: a trial works on those that its caller lends it (base/team.h),
 * else on the caller's. A `struct dataset` and a `struct weights` never change after opening, so any number of trials may
 * read one at the same time; a `struct trial` is called from one thread at a time.
 *
 * Same settings, same seed, same bits: a trial's figures depend on nothing but its trial_spec and the kernels in use
 * (engine_kernels()), never on what runs beside it.
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/base/field.h"
#include "engine/base/team.h"

#define ENGINE_MAX_GROUPS 16
#define ENGINE_NAME_MAX   32   /* bytes of a group's name, with the NUL */
#define ENGINE_CHANNELS   1024 /* most channels that can be normalised one by one */
/* Raised whenever a change of the engine changes any figure it computes; part of every trial's key. */
#define ENGINE_NUMERICS_VERSION 6

/*
 * Out of main's .preinit_array, that is before the libraries' constructors (so envp, as there is no environ yet): is there
 * memory for those? ERR_NOMEM if not; OpenBLAS's would then hang.
 */
int engine_may_load(char *const *envp, struct err *e);
/* Once, before anything else and before any parallel region: picks the kernels, quiets BLAS's own threads. */
int engine_init(struct err *e);
/* Takes the memory that n threads need which compute at once (at most 64 of them), or ERR_NOMEM. After engine_init(). */
int engine_threads(int n, struct err *e);
/* "avx512", "avx2" or "baseline", after engine_init(); GAPSWEEP_ISA in the environment can ask for a lesser one. */
const char *engine_kernels(void);
/* One line that names the BLAS in use ("OpenBLAS 0.3.21 ... Haswell"), for manifests. */
const char *engine_blas(void);

/*
 * Hash of the bits of a fixed matrix product through BLAS, large enough that BLAS would split it if it had threads of
 * its own. Equal at every call, from one thread or from many at once, unless the BLAS in use is not safe to call so
 * (OpenMathLib/OpenBLAS #1755, #2126, #5806). 0 if there was no memory.
 */
uint64_t engine_probe(void);

/* ---- data ------------------------------------------------------------------------------------------------- */

enum data_kind { DATA_NONE, DATA_IDX, DATA_NPY, DATA_FAKE, DATA_FOLDER, DATA_CIFAR10, DATA_CIFAR100 };

/* What happens to a training image anew in every epoch; all 0: nothing. Evaluation never sees it. */
struct augment_spec {
	int resized_crop[2];       /* RandomResizedCrop to H x W (0: none) ... */
	double scale[2], ratio[2]; /* ... of such shares of the area and such aspects w/h */
	int crop_pad;              /* RandomCrop of the image's own size out of so many zeros around it */
	double hflip;              /* probability of RandomHorizontalFlip */
};

/*
 * Where decoded images are kept. CACHE_AUTO: in memory, or in a file if they need more than cache_above bytes. CACHE_DISK:
 * always in a file. Same bits either way.
 */
enum data_cache { CACHE_AUTO, CACHE_MEMORY, CACHE_DISK };

/* Where samples come from and which of them are taken. Strings and arrays are the caller's and may go after opening. */
struct data_spec {
	enum data_kind kind;
	const char *images, *labels; /* DATA_IDX, DATA_NPY: paths; IDX may be gzipped */
	/*
	 * DATA_FOLDER: torchvision's ImageFolder. A folder a class, numbered in the order of their names; within it all
	 * .jpg, .jpeg and .png files (upper or lower case), also of its subfolders; always RGB. exif: turned upright as
	 * EXIF says; torchvision's loader does not. skip_bad: files that cannot be decoded are left out, after
	 * selection; else the first one is an error.
	 */
	const char *folder;
	bool exif, skip_bad;
	const char *const *files; /* DATA_CIFAR10, DATA_CIFAR100: paths of binary files ... */
	int n_files;
	bool coarse;              /* ... DATA_CIFAR100: the 20 coarse labels */
	int fake_n, fake_classes; /* DATA_FAKE: torchvision.datasets.FakeData's size, num_classes ... */
	int fake_shape[3];        /* ... image_size as C, H, W ... */
	uint64_t fake_seed;       /* ... and random_offset's part: another seed, other images */
	/*
	 * Selection, in this order: (1) keep only samples whose label is in classes[] and renumber labels to the
	 * position in that list; (2) drop the first `offset` samples - of each class where per_class is given, else of
	 * the whole; (3) keep at most per_class of each class, in file order; (4) keep at most `limit` in all.
	 * 0 (n_classes, per_class, limit) means no such cut. File order stays.
	 */
	int n_classes;
	const int *classes;
	int64_t offset, per_class, limit;
	/*
	 * Then, once, to every image: Resize (bilinear, antialias) to {S, 0}: the shorter side, or {H, W}; then CenterCrop
	 * to H x W; 0: none. uint8 only: fake and float32 images cannot be resized. All must come out of one size. With
	 * augment.resized_crop, training crops are taken after `resize` and before `crop`, and evaluation sees
	 * Resize(256/224 of the crop's longer side), unless `resize` says otherwise, and CenterCrop to the crop's size.
	 */
	int resize[2], crop[2];
	struct augment_spec augment;
	enum data_cache cache;
	const char *cache_dir; /* made if need be; NULL: CACHE_AUTO keeps to memory, CACHE_DISK is refused */
	size_t cache_above;
	/* (x - mean[c]) / std[c] on values scaled to 0..1 (uint8) or as is (float32); n_norm 0 (none), 1 or channels. */
	int n_norm;
	const double *mean, *std;
};

struct dataset_info {
	int64_t n;                /* samples after selection */
	int c, h, w;              /* shape of one */
	int classes;              /* largest label + 1 before any cut; with data_spec.classes, how many were listed */
	size_t bytes;             /* memory held */
	size_t on_disk;           /* bytes of images in the cache file instead; 0: none */
	int64_t skipped;          /* files that data_spec.skip_bad left out */
	const char *const *names; /* [classes] of a folder's classes; else NULL */
	char hash[33]; /* hex digest of samples, labels, shape, normalisation and augmentation: what a trial sees */
};

/* Everything about a spec that can be known without its files: 0 or ERR_CONFIG. dataset_open() asks it first. */
int data_spec_check(const struct data_spec *spec, struct err *e);

struct dataset;
/* Reads, checks, selects and transforms. On failure *d is NULL and e names the file and what is wrong. */
int dataset_open(struct dataset **d, const struct data_spec *spec, struct err *e);
const struct dataset_info *dataset_info(const struct dataset *d);
/* ERR_DATA with the first difference if both have names of classes and these are not the same. */
int dataset_same_classes(const struct dataset *train, const struct dataset *val, struct err *e);
/* Sample i as evaluation sees it: [h][w][c] into x, normalised. Fails only where images are on disk. */
int dataset_sample(const struct dataset *d, int64_t i, float *x, int *label, struct err *e);
void dataset_free(struct dataset *d);

/* ---- weights ---------------------------------------------------------------------------------------------- */

struct weights; /* named float32 tensors in PyTorch's layout */
/*
 * Reads a safetensors file, or what torch.save(state_dict) wrote (PyTorch 1.6 or later; .pth, .pt), whatever its name:
 * F32, F16, BF16, F64; integer tensors are skipped. The prefixes "module.", "backbone." and "model." of names are
 * dropped. Of a checkpoint the dict under "state_dict", "model_state_dict" or "model" is taken. Nothing is executed.
 */
int weights_open(struct weights **w, const char *path, struct err *e);
const char *weights_hash(const struct weights *w); /* hex digest of all names, shapes and values: not of the format */
void weights_free(struct weights *w);

struct weights_info {
	const char *format; /* "safetensors", "PyTorch zip" */
	char under[20];     /* key of the dict that was taken from a checkpoint; "" if the file is the state dict */
	int skipped;        /* integer tensors */
};
const struct weights_info *weights_info(const struct weights *w);

#define TENSOR_MAX_RANK 8
/* One tensor, row-major float32. name and data belong to the struct weights. */
struct tensor {
	const char *name;
	const char *dtype; /* in the file: "F32", "F16", "BF16" or "F64" */
	int rank;
	int64_t shape[TENSOR_MAX_RANK];
	int64_t n; /* elements */
	const float *data;
};
int weights_count(const struct weights *w);
const struct tensor *weights_at(const struct weights *w, int i);              /* in file order */
const struct tensor *weights_find(const struct weights *w, const char *name); /* or NULL */

/* ---- what a trial is made from ---------------------------------------------------------------------------- */

/* The members of the two .def files, each a double, int or array of double. */
#define REAL(name, def, min, max, help)        double name;
#define INT(name, def, min, max, help)         int name;
#define BOOL(name, def, help)                  int name;
#define ENUM(name, def, names, help)           int name;
#define PAIR(name, def0, def1, min, max, help) double name[2];
#define LIST(name, max, help)                  double name[FIELD_VALUES];
struct hyper {
#include "engine/train/hyper.def"
};
struct model_spec {
#include "engine/net/model.def"
	bool head_keep; /* load the head from the weights file too, instead of a new one */
};
#undef REAL
#undef INT
#undef BOOL
#undef ENUM
#undef PAIR
#undef LIST
extern const struct field hyper_fields[], model_fields[];
extern const int n_hyper_fields, n_model_fields;

/* In the order of hyper.def's words. */
enum optimizer {
	OPTIM_SGD,
	OPTIM_ADAM,
	OPTIM_ADAMW,
	OPTIM_RMSPROP,
	OPTIM_ADAGRAD,
	OPTIM_ADADELTA,
	OPTIM_ADAMAX,
	OPTIM_NADAM,
	OPTIM_RADAM,
};
enum schedule {
	SCHEDULE_CONSTANT,
	SCHEDULE_STEP,
	SCHEDULE_MULTISTEP,
	SCHEDULE_EXPONENTIAL,
	SCHEDULE_COSINE,
	SCHEDULE_COSINE_WARM_RESTARTS,
	SCHEDULE_LINEAR,
	SCHEDULE_POLYNOMIAL,
	SCHEDULE_ONECYCLE,
	SCHEDULE_PLATEAU,
};
enum schedule_unit { UNIT_AUTO, UNIT_EPOCH, UNIT_STEP };
enum conv_choice { CONV_CHOICE_AUTO, CONV_CHOICE_DIRECT, CONV_CHOICE_WINOGRAD };

/* Puts the optimizer's or schedule's own default wherever a NAN stands (lr, eps, weight_decay, gamma), and the
 * schedule's unit where it is auto. */
void hyper_resolve(struct hyper *h);
/* Whether a setting matters to h's optimizer and schedule (momentum does not to Adam). */
bool hyper_applies(const struct field *f, const struct hyper *h);
/* The defaults that a run with h's optimizer and schedule has, resolved. */
void hyper_plain(struct hyper *plain, const struct hyper *h);
/* Rate of group g if it has none of its own: lr_slice's spread over the groups, else lr. */
double hyper_group_lr(const struct hyper *h, int g, int n_groups);
/* The epoch (from 0) in which group g is trained first, as freeze_epochs and unfreeze_every say. */
int hyper_thaw_epoch(const struct hyper *h, int g, int n_groups);
/* Whether the schedule's course depends on how many epochs there will be. */
bool hyper_epochs_matter(const struct hyper *h);
/* Whether momentum, or the first beta, follows the one-cycle schedule. */
bool hyper_cycles_momentum(const struct hyper *h);
/* Rules between settings (nesterov needs momentum, ...): 0, or ERR_CONFIG with a message that names the setting. */
int hyper_check(const struct hyper *h, struct err *e);

/* A parameter group: the tensors whose names match one of its patterns (fnmatch's * ? []); the last matching
 * group in the list wins. A tensor that no group matches is an error (its name is told). */
struct group_spec {
	char name[ENGINE_NAME_MAX];
	int n_patterns;
	const char *const *patterns;
};

/* Name of the head's module for an architecture: "fc" for the ResNets, "fc2" for cnn and mlp. */
const char *model_head(int arch);

/* Which network a weights file is of, by its tensors' names and shapes. */
struct weights_guess {
	bool found;              /* every tensor fits, the head's too if there is one */
	struct model_spec model; /* resnet-slim's stem_stride cannot be told from weights: its default */
	int channels;            /* of the input; mlp: of the input's values, as it has no channels */
	int classes;             /* outputs of the head; 0: the file has none */
	char why[200];           /* not found: what is wrong with the likeliest */
};
int weights_guess(struct weights_guess *g, const struct weights *w, struct err *e);

struct trial_spec {
	const struct model_spec *model;
	const struct weights *weights; /* NULL: random start, PyTorch's or torchvision's, from the seed */
	const struct dataset *train, *val;
	struct hyper hyper;
	int n_groups;
	const struct group_spec *groups;
	double group_lr[ENGINE_MAX_GROUPS];           /* NAN: hyper_group_lr(); 0 freezes the group */
	double group_weight_decay[ENGINE_MAX_GROUPS]; /* NAN: hyper.weight_decay */
	uint64_t seed;                                /* new tensors' start values, order of samples, dropout */
	int threads; /* most that will ever work on it at once (trial_set_team()): memory, never bits; 0: 1 */
	struct features *features; /* NULL: frozen layers are run in every epoch */
	bool features_last; /* no trial that begins later will read the same ones: they go with their last reader */
};

/*
 * What frozen first layers make of every image, computed once for all trials of one model and start weights (or none)
 * that have this in their spec, where it is the same in every epoch: with freeze_bn (or no BatchNorm) and no
 * augmentation, and no linear layer that OpenBLAS computes among them. Sets are made when first needed and held in
 * memory, up to `limit` bytes in all, until a trial with features_last has read them (or room is needed); beyond that the
 * layers are run as ever. Same bits either way. Any number of threads; must outlive its trials.
 */
struct features;
int features_new(struct features **f, size_t limit, struct err *e);
void features_free(struct features *f); /* accepts NULL */
/* Bytes that a trial's set would hold; 0 if it has none, or the spec is bad. */
size_t trial_features_bytes(const struct trial_spec *spec);

/* ---- running one ------------------------------------------------------------------------------------------- */

struct group_row {
	double lr;        /* the rate in force at the epoch's last step (layer_decay's factors apart); 0 if frozen */
	double grad_norm; /* mean over steps of the L2 norm of the group's gradient, before clipping; NAN if frozen */
	double update_ratio; /* mean over steps of |update| / |weights|; 0 if frozen */
	double drift;        /* after the epoch: |w - start| / |start| (L2), start = pretrained or initial values */
};

/* One epoch's figures; accuracies are fractions, losses mean cross-entropies in nats. */
struct epoch_row {
	int epoch;                              /* 1 .. epochs */
	double train_loss, train_acc;           /* running: in train mode, before each step */
	double train_eval_loss, train_eval_acc; /* clean: eval mode, after the epoch */
	double val_loss, val_acc;               /* eval mode, after the epoch */
	struct group_row group[ENGINE_MAX_GROUPS];
	double train_s, eval_s; /* wall seconds: never part of a compared table */
};

enum trial_status { TRIAL_RUNNING, TRIAL_COMPLETE, TRIAL_DIVERGED, TRIAL_STOPPED };

struct trial;
/* Builds the network, loads the weights, allocates everything the trial will ever need. *t is NULL on failure. */
int trial_new(struct trial **t, const struct trial_spec *spec, struct err *e);
void trial_free(struct trial *t);
/*
 * Bytes that trial_new() would allocate, without allocating them; 0 and e filled in on a bad spec. Each of spec->threads
 * has a workspace, that is touched when it works: until then a trial is as large as if they were fewer.
 */
size_t trial_bytes(const struct trial_spec *spec, struct err *e);
/* What trial_state_bytes() would be; 0 as above. */
size_t trial_checkpoint_bytes(const struct trial_spec *spec, struct err *e);
/*
 * Lends the trial threads (base/team.h), of which at most spec->threads will work; NULL takes them back, which is also
 * how a trial begins. Not while it works. Same bits, whatever team and however it grows and shrinks.
 */
void trial_set_team(struct trial *t, struct team *team);

/*
 * Trains and evaluates one epoch, then fills *row. *status: TRIAL_RUNNING (more epochs to go), TRIAL_COMPLETE (that was
 * the last), TRIAL_DIVERGED (a loss or weight became NaN or infinite, or a loss passed hyper.diverge_above: row holds this
 * epoch's figures as far as known, else NAN; trial_divergence() says more), TRIAL_STOPPED (*stop became true: the state stands after the last whole step, row is not filled; a later
 * call goes on there). stop may be NULL. Returns ERR_SOFTWARE if a group with a rate did not move, or a frozen one did.
 */
int trial_epoch(struct trial *t, struct epoch_row *row, enum trial_status *status, const atomic_bool *stop,
		struct err *e);

/*
 * So many training steps on the first batch, for the time that they take: the trial is good for nothing else afterwards.
 * ERR_DATA if BatchNorm cannot normalise one value a channel.
 */
int trial_rehearse(struct trial *t, int steps, struct err *e);

/* Why a trial has diverged. */
struct divergence {
	int epoch;    /* 1 .. epochs; 0: it has not */
	int64_t step; /* 1 .. of that epoch; 0: an evaluation behind its last step saw it */
	double loss;  /* that was out of bounds; NAN also where only a weight is no number */
	/*
	 * The group whose norm left first: its update was as long as its weights (update/weight ratio above 1), or its
	 * gradient not finite, from an earlier step on than any other's, up to the end. If no group's was: the one with
	 * the longest update/weight ratio in its last step.
	 */
	int group;
};
void trial_divergence(struct divergence *d, const struct trial *t);

/*
 * Trials that share work. Two trials made with the same model and start weights whose trial_share_key() is equal (and not
 * 0) see the same activations in their frozen first layers, batch statistics included: trial_new_sharing() puts the second
 * on the first one's layers, and bundle_epoch() runs these once a batch for all of them, in training and in evaluation.
 * The figures and states are equal to the bit to those of each trial on its own.
 */
/* Hash of the seed and the settings that must be equal; 0 if no layer is frozen (e->code ERR_NONE) or the spec is bad. */
uint64_t trial_share_key(const struct trial_spec *spec, struct err *e);
/*
 * As trial_new(), on the frozen layers of a trial that it shares with. They go with the last of such trials, and one
 * thread has them all. All must stand at the same position (trial_position()) whenever one of them goes on.
 */
int trial_new_sharing(struct trial **t, const struct trial_spec *spec, struct trial *with, struct err *e);
/* Bytes that trial_new_sharing() would allocate; 0 and e filled in on a bad spec. */
size_t trial_bytes_sharing(const struct trial_spec *spec, struct err *e);

/*
 * Multiply-adds of epochs first .. end-1 (from 0) of a trial on its own, a backward pass counted as two forward, and of
 * those in the frozen layers that it may share. *features: what decides the set of them that is kept (struct features); 0
 * if none is. ERR_CONFIG or ERR_DATA on a bad spec.
 */
int trial_macs(const struct trial_spec *spec, int first, int end, double *all, double *frozen, uint64_t *features,
	       struct err *e);

struct bundle_member {
	struct trial *trial;  /* the caller's */
	struct epoch_row row; /* as trial_epoch()'s; train_s and eval_s are equal parts of the whole */
	enum trial_status status;
	int rc; /* as trial_epoch() returns, with err */
	struct err err;
	double macs;        /* multiply-adds of this epoch on its own (a backward pass counts as two forward) ... */
	double macs_reused; /* ... and those of it that had been done for another trial or epoch */
};
/* One epoch of n >= 1 trials that share (or one). Fills all members but trial. */
void bundle_epoch(struct bundle_member *m, int n, const atomic_bool *stop);
/* Whole epochs done, and steps of the current one. */
void trial_position(const struct trial *t, int *epochs, int64_t *step);

/* One bit a validation sample, bit i%8 of byte i/8: right in the last evaluation. (n+7)/8 bytes, owned by t. */
const uint8_t *trial_correct(const struct trial *t);

/*
 * The whole state between two steps (trained weights, statistics, optimizer, position in the run) as one block of bytes,
 * valid in the same build for a new trial made from an equal spec, or from one whose epochs up to there are the same
 * (trials that differ only in the rates of groups that were frozen so far, or in how long they go on). trial_set_state()
 * refuses another size or a block whose head does not fit (ERR_DATA) and leaves t untouched then.
 */
size_t trial_state_bytes(const struct trial *t);
void trial_get_state(const struct trial *t, void *block);
int trial_set_state(struct trial *t, const void *block, size_t bytes, struct err *e);
/* Where the trial stood that left this block, as trial_position() says; -1 if it is none. */
int trial_state_position(const void *block, size_t bytes, int *epochs, int64_t *step);

/* 16 hex digits of XXH3-64 over the names and values of all tensors, running statistics too, as they stand. */
#define TRIAL_WEIGHTS_HASH 17 /* with the NUL */
void trial_weights_hash(const struct trial *t, char out[TRIAL_WEIGHTS_HASH]);

/* Writes all tensors (weights, running statistics) as safetensors in PyTorch's layout, atomically (temp + rename). */
int trial_save(const struct trial *t, const char *path, struct err *e);

/* What the trial's groups hold, for the plan and for people: tensors and elements of group g. */
void trial_group_size(const struct trial *t, int g, int *tensors, int64_t *elements);
struct trial_tensor {
	const char *name; /* the trial's */
	int rank;
	const int64_t *shape;
	int64_t n;
	int group; /* -1: a running statistic, which no optimizer moves */
};
int trial_tensors(const struct trial *t); /* how many */
void trial_tensor(struct trial_tensor *out, const struct trial *t, int i);

#endif
