/* load_images.c - what `data` says is done to images: sizes, augmentation, bad files, where they are kept */
#include "sweep/grid/load.h"

#include <string.h>

#define MAX_SIDE 4096

/* A side, or [height, width]. */
static int read_size(struct load *l, const struct node *key, const struct node *value, int out[2])
{
	char shown[NODE_SHOWN];
	int64_t side[2] = {0};
	int rc = 0;

	if (value->kind == NODE_MAP || (value->kind == NODE_LIST && value->n != 2))
		return node_error(value, l->e, "%s is %s%s; expected a number or [height, width]", key->text,
				  node_shown(value, shown), value->kind == NODE_LIST ? " of another length" : "");
	for (int i = 0; !rc && i < (value->kind == NODE_LIST ? 2 : 1); i++)
		rc = node_integer(value->kind == NODE_LIST ? value->item[i] : value, key->text, 1, MAX_SIDE, &side[i],
				  l->e);
	out[0] = (int)side[0];
	out[1] = (int)side[1];
	return rc;
}

static int read_square(struct load *l, const struct node *key, const struct node *value, int out[2])
{
	int rc = read_size(l, key, value, out);

	if (!out[1])
		out[1] = out[0];
	return rc;
}

int image_resize(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	return read_size(l, key, value, ((struct data_spec *)obj)->resize);
}

int image_crop(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	return read_square(l, key, value, ((struct data_spec *)obj)->crop);
}

int image_exif(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	return node_bool(value, key->text, &((struct data_spec *)obj)->exif, l->e);
}

/* Place of a word in a list that ends with NULL. */
static int read_word(struct load *l, const struct node *key, const struct node *value, const char *const *words,
		     const char *expected, int *out)
{
	char shown[NODE_SHOWN];
	const char *text;
	int rc = node_text(value, key->text, &text, l->e);

	for (*out = 0; !rc && words[*out]; ++*out)
		if (!strcmp(words[*out], text))
			return 0;
	return rc ? rc
		  : node_error(value, l->e, "%s is %s; expected %s", key->text, node_shown(value, shown), expected);
}

int image_bad(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	static const char *const words[] = {"stop", "skip", NULL};
	int which = 0;
	int rc = read_word(l, key, value, words, "stop or skip", &which);

	((struct data_spec *)obj)->skip_bad = which;
	return rc;
}

int image_cache(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	static const char *const words[] = {"auto", "memory", "disk", NULL}; /* enum data_cache */
	int which = 0;
	int rc = read_word(l, key, value, words, "auto, memory or disk", &which);

	((struct data_spec *)obj)->cache = (enum data_cache)which;
	return rc;
}

/* ---- augmentation ------------------------------------------------------------------------------------------ */

static int read_range(struct load *l, const struct node *key, const struct node *value, double most, double out[2])
{
	char shown[NODE_SHOWN];
	int rc = 0;

	if (value->kind != NODE_LIST || value->n != 2)
		return node_error(value, l->e, "%s is %s%s; expected [smallest, largest]", key->text,
				  node_shown(value, shown), value->kind == NODE_LIST ? " of another length" : "");
	for (int i = 0; !rc && i < 2; i++) {
		rc = node_number(value->item[i], key->text, &out[i], l->e);
		if (!rc && !(out[i] > 0 && out[i] <= most))
			rc = node_error(value->item[i], l->e, "%s is %s; expected more than 0, at most %g", key->text,
					node_shown(value->item[i], shown), most);
	}
	if (!rc && out[0] > out[1])
		rc = node_error(value, l->e, "%s falls from %g to %g; expected [smallest, largest]", key->text, out[0],
				out[1]);
	return rc;
}

static int read_crop_size(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	return read_square(l, key, value, ((struct augment_spec *)obj)->resized_crop);
}

static int read_scale(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	return read_range(l, key, value, 1, ((struct augment_spec *)obj)->scale);
}

static int read_ratio(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	return read_range(l, key, value, 100, ((struct augment_spec *)obj)->ratio);
}

static int read_resized_crop(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	static const struct rule rules[] = {
		{"size", read_crop_size, true}, {"scale", read_scale, false}, {"ratio", read_ratio, false}};
	struct augment_spec *a = obj;

	a->scale[0] = 0.08; /* RandomResizedCrop's defaults */
	a->scale[1] = 1;
	a->ratio[0] = 3.0 / 4;
	a->ratio[1] = 4.0 / 3;
	if (value->kind != NODE_MAP)
		return read_crop_size(l, a, key, value);
	return load_map(l, value, key->text, rules, 3, a);
}

static int read_crop_pad(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	int64_t pad = 0;
	int rc = node_integer(value, key->text, 1, MAX_SIDE, &pad, l->e);

	((struct augment_spec *)obj)->crop_pad = (int)pad;
	return rc;
}

/* A probability, or true for RandomHorizontalFlip's own 0.5. */
static int read_hflip(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	double *p = &((struct augment_spec *)obj)->hflip;
	char shown[NODE_SHOWN];
	struct err ignored;
	bool yes = false;
	int rc;

	if (!node_bool(value, key->text, &yes, &ignored)) {
		*p = yes ? 0.5 : 0;
		return 0;
	}
	rc = node_number(value, key->text, p, l->e);
	if (!rc && !(*p >= 0 && *p <= 1))
		rc = node_error(value, l->e, "%s is %s; expected a probability, 0 to 1, or true for 0.5", key->text,
				node_shown(value, shown));
	return rc;
}

int image_augment(struct load *l, void *obj, const struct node *key, const struct node *value)
{
	static const struct rule rules[] = {{"random_resized_crop", read_resized_crop, false},
					    {"crop_pad", read_crop_pad, false},
					    {"hflip", read_hflip, false}};

	return load_map(l, value, key->text, rules, 3, &((struct data_spec *)obj)->augment);
}
