/* load_data.c - the `data` of a grid file: where samples come from, which are taken, how they are scaled */
#include "sweep/grid/load.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define COUNT(rules) (int)(sizeof(rules) / sizeof((rules)[0]))
#define MAX_SAMPLES  1000000000

static int integer(struct load *l, const struct node *key, const struct node *value, int64_t min, int64_t max,
		   int64_t *out)
{
	return node_integer(value, key->text, min, max, out, l->e);
}

static int only_source(struct load *l, struct data_spec *d, enum data_kind kind, const struct node *key)
{
	if (d->kind != DATA_NONE)
		return node_error(
			key, l->e,
			"a second source of samples; expected one of folder, cifar10, cifar100, idx, npy or fake");
	d->kind = kind;
	return 0;
}

static int read_files(struct load *l, struct data_spec *d, enum data_kind kind, const struct node *key,
		      const struct node *value)
{
	char shown[NODE_SHOWN];
	int rc = only_source(l, d, kind, key);

	if (rc)
		return rc;
	if (value->kind != NODE_LIST || value->n != 2)
		return node_error(value, l->e, "%s is %s%s; expected two files [images, labels]", key->text,
				  node_shown(value, shown), value->kind == NODE_LIST ? " of another length" : "");
	rc = load_path(l, value->item[0], "images", &d->images);
	return rc ? rc : load_path(l, value->item[1], "labels", &d->labels);
}

static int read_idx(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	return read_files(l, obj, DATA_IDX, key, value);
}

static int read_npy(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	return read_files(l, obj, DATA_NPY, key, value);
}

static int read_folder(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	struct data_spec *d = obj;
	int rc = only_source(l, d, DATA_FOLDER, key);

	return rc ? rc : load_path(l, value, "folder", &d->folder);
}

/* A file or a list of them. */
static int read_cifar(struct load *l, struct data_spec *d, enum data_kind kind, const struct node *key,
		      const struct node *value)
{
	int n = value->kind == NODE_LIST ? value->n : 1;
	const char **files = pool_alloc(l->pool, (size_t)(n ? n : 1) * sizeof(files[0]));
	int rc = only_source(l, d, kind, key);

	if (rc)
		return rc;
	if (!files)
		return load_nomem(l);
	if (!n)
		return node_error(value, l->e, "%s lists no files; expected some, such as [data_batch_1.bin]",
				  key->text);
	for (int i = 0; !rc && i < n; i++)
		rc = load_path(l, value->kind == NODE_LIST ? value->item[i] : value, key->text, &files[i]);
	d->files = files;
	d->n_files = n;
	return rc;
}

static int read_cifar10(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	return read_cifar(l, obj, DATA_CIFAR10, key, value);
}

static int read_cifar100(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	return read_cifar(l, obj, DATA_CIFAR100, key, value);
}

static int read_coarse(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	return node_bool(value, key->text, &((struct data_spec *)obj)->coarse, l->e);
}

/* ---- fake ---- */

static int read_fake_n(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	struct data_spec *d = obj;
	int64_t n = 0;
	int rc = integer(l, key, value, 1, MAX_SAMPLES, &n);

	d->fake_n = (int)n;
	return rc;
}

static int read_fake_classes(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	struct data_spec *d = obj;
	int64_t n = 0;
	int rc = integer(l, key, value, 1, 100000, &n);

	d->fake_classes = (int)n;
	return rc;
}

static int read_fake_seed(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	struct data_spec *d = obj;
	int64_t n = 0;
	int rc = integer(l, key, value, 0, INT64_MAX, &n);

	d->fake_seed = (uint64_t)n;
	return rc;
}

static int read_fake_shape(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	struct data_spec *d = obj;
	char shown[NODE_SHOWN];
	int64_t side = 0;
	int rc = 0;

	if (value->kind != NODE_LIST || value->n != 3)
		return node_error(value, l->e, "%s is %s%s; expected [channels, height, width]", key->text,
				  node_shown(value, shown), value->kind == NODE_LIST ? " of another length" : "");
	for (int i = 0; !rc && i < 3; i++) {
		rc = integer(l, key, value->item[i], 1, 4096, &side);
		d->fake_shape[i] = (int)side;
	}
	return rc;
}

static int read_fake(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	static const struct rule rules[] = {
		{"n", read_fake_n, false},
		{"shape", read_fake_shape, false},
		{"classes", read_fake_classes, false},
		{"seed", read_fake_seed, false},
	};
	struct data_spec *d = obj;
	int rc = only_source(l, d, DATA_FAKE, key);

	d->fake_n = 1000; /* FakeData's defaults */
	d->fake_classes = 10;
	d->fake_shape[0] = 3;
	d->fake_shape[1] = d->fake_shape[2] = 224;
	return rc ? rc : load_map(l, value, key->text, rules, COUNT(rules), d);
}

/* ---- selection ---- */

static int read_per_class(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	struct data_spec *d = obj;

	return integer(l, key, value, 1, MAX_SAMPLES, &d->per_class);
}

static int read_limit(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	struct data_spec *d = obj;

	return integer(l, key, value, 1, MAX_SAMPLES, &d->limit);
}

static int read_offset(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	struct data_spec *d = obj;

	return integer(l, key, value, 0, MAX_SAMPLES, &d->offset);
}

static int read_classes(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	struct data_spec *d = obj;
	int rc = node_want(value, NODE_LIST, key->text, l->e);
	int *list;

	if (!rc && (!value->n || value->n > 1000))
		return node_error(value, l->e, "%s lists %d labels; expected 1 to 1000", key->text, value->n);
	list = rc ? NULL : pool_alloc(l->pool, (size_t)value->n * sizeof(list[0]));
	if (!rc && !list)
		return load_nomem(l);
	for (int i = 0; !rc && i < value->n; i++) {
		int64_t label = 0;

		rc = integer(l, key, value->item[i], 0, INT_MAX, &label);
		for (int j = 0; !rc && j < i; j++)
			if (list[j] == label)
				rc = node_error(value->item[i], l->e, "label %d is listed twice; expected it once",
						(int)label);
		if (!rc)
			list[i] = (int)label;
	}
	d->classes = list;
	d->n_classes = rc ? 0 : value->n;
	return rc;
}

/* ---- normalisation ---- */

struct norm {
	const struct node *mean, *std;
};

static int keep_mean(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	((struct norm *)obj)->mean = value;
	return (void)l, (void)key, 0;
}

static int keep_std(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	((struct norm *)obj)->std = value;
	return (void)l, (void)key, 0;
}

static int channels(const struct node *n)
{
	return n->kind == NODE_LIST ? n->n : 1;
}

static int read_channels(struct load *l, const struct node *n, const char *what, bool positive, int count,
			 const double **out)
{
	double *list = pool_alloc(l->pool, (size_t)count * sizeof(list[0]));
	int rc = 0;

	if (!list)
		return load_nomem(l);
	for (int c = 0; !rc && c < count; c++) {
		const struct node *one = n->kind == NODE_LIST ? n->item[c] : n;
		char shown[NODE_SHOWN];

		rc = node_number(one, what, &list[c], l->e);
		if (!rc && !(list[c] >= -1e6 && list[c] <= 1e6 && (!positive || list[c] > 0)))
			rc = node_error(one, l->e, "%s is %s; expected %s", what, node_shown(one, shown),
					positive ? "more than 0, at most 1e6" : "-1e6 to 1e6");
	}
	*out = list;
	return rc;
}

/* torchvision's, for models pretrained on ImageNet */
static int use_imagenet(struct data_spec *d)
{
	static const double mean[3] = {0.485, 0.456, 0.406}, std[3] = {0.229, 0.224, 0.225};

	d->n_norm = 3;
	d->mean = mean;
	d->std = std;
	return 0;
}

static int read_normalize(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	static const struct rule rules[] = {{"mean", keep_mean, true}, {"std", keep_std, true}};
	struct data_spec *d = obj;
	char shown[NODE_SHOWN];
	struct norm norm;
	int rc, m, s;

	if (value->kind == NODE_SCALAR && !strcmp(value->text, "imagenet"))
		return use_imagenet(d);
	if (value->kind != NODE_MAP)
		return node_error(value, l->e, "%s is %s; expected imagenet or {mean: ..., std: ...}", key->text,
				  node_shown(value, shown));
	rc = load_map(l, value, key->text, rules, COUNT(rules), &norm);
	if (rc)
		return rc;
	m = channels(norm.mean);
	s = channels(norm.std);
	if (!m || !s || m > ENGINE_CHANNELS || s > ENGINE_CHANNELS)
		return node_error(!m || m > ENGINE_CHANNELS ? norm.mean : norm.std, l->e,
				  "%d channels; expected a number or a list of 1 to %d",
				  !m || !s ? 0
				  : m > s  ? m
					   : s,
				  ENGINE_CHANNELS);
	if (norm.mean->kind == NODE_LIST && norm.std->kind == NODE_LIST && m != s)
		return node_error(norm.std, l->e, "%d values of std for %d of mean; expected as many", s, m);
	d->n_norm = m > s ? m : s;
	rc = read_channels(l, norm.mean, "mean", false, norm.mean->kind == NODE_LIST ? m : d->n_norm, &d->mean);
	return rc ? rc : read_channels(l, norm.std, "std", true, norm.std->kind == NODE_LIST ? s : d->n_norm, &d->std);
}

/* ---- the section ---- */

/* A key of the split that says something of another source only. */
static int only_for(struct load *l, const struct node *split, const char *name, bool fits, const char *whom)
{
	int at = node_find(split, name);

	if (at < 0 || fits)
		return 0;
	return node_error(split->key[at], l->e, "%s is for %s; expected it nowhere else", name, whom);
}

static int check_split(struct load *l, const struct data_spec *d, const struct node *key, const struct node *value)
{
	struct err why;
	int rc;

	if (d->kind == DATA_NONE)
		return node_error(key, l->e,
				  "'%s' has no samples; expected folder: DIR, idx: [images, labels], cifar10:, "
				  "cifar100:, npy: or fake:",
				  key->text);
	rc = only_for(l, value, "exif", d->kind == DATA_FOLDER, "folder");
	if (!rc)
		rc = only_for(l, value, "bad_images", d->kind == DATA_FOLDER, "folder");
	if (!rc)
		rc = only_for(l, value, "coarse", d->kind == DATA_CIFAR100, "cifar100");
	if (!rc && data_spec_check(d, &why))
		rc = node_error(key, l->e, "%s: %s", key->text, why.msg);
	return rc;
}

static int read_split(struct load *l, struct data_spec *d, const struct node *key, const struct node *value)
{
	static const struct rule rules[] = {
		{"folder", read_folder, false},     {"cifar10", read_cifar10, false},
		{"cifar100", read_cifar100, false}, {"coarse", read_coarse, false},
		{"idx", read_idx, false},           {"npy", read_npy, false},
		{"fake", read_fake, false},         {"per_class", read_per_class, false},
		{"limit", read_limit, false},       {"offset", read_offset, false},
		{"classes", read_classes, false},   {"resize", image_resize, false},
		{"center_crop", image_crop, false}, {"augment", image_augment, false},
		{"exif", image_exif, false},        {"bad_images", image_bad, false},
		{"cache", image_cache, false},      {"normalize", read_normalize, false},
	};
	int rc = load_map(l, value, key->text, rules, COUNT(rules), d);

	return rc ? rc : check_split(l, d, key, value);
}

static int read_train(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	return (void)obj, read_split(l, &l->s->train, key, value);
}

static int read_val(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	int at = node_find(value, "augment");

	(void)obj;
	if (at >= 0)
		return node_error(value->key[at], l->e,
				  "augment under 'val': validation images stay as they are; "
				  "expected it under 'train'");
	return read_split(l, &l->s->val, key, value);
}

/* What stands beside the splits holds for both. */
#define FOR_BOTH(name, read)                                                                         \
	static int name(struct load *l, void *obj, const struct node *key, const struct node *value) \
	{                                                                                            \
		int rc = read(l, &l->s->train, key, value);                                          \
                                                                                                     \
		(void)obj;                                                                           \
		return rc ? rc : read(l, &l->s->val, key, value);                                    \
	}

FOR_BOTH(both_normalize, read_normalize)
FOR_BOTH(both_resize, image_resize)
FOR_BOTH(both_crop, image_crop)
FOR_BOTH(both_exif, image_exif)
FOR_BOTH(both_bad, image_bad)
FOR_BOTH(both_cache, image_cache)

int load_data(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	/* train and val come last: a split's own takes the place of what stands for both */
	static const struct rule rules[] = {{"normalize", both_normalize, false}, {"resize", both_resize, false},
					    {"center_crop", both_crop, false},    {"exif", both_exif, false},
					    {"bad_images", both_bad, false},      {"cache", both_cache, false},
					    {"train", read_train, true},          {"val", read_val, true}};

	return load_map(l, value, key->text, rules, COUNT(rules), obj);
}
