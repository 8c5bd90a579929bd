/* schema.c - for editors and people: the JSON Schema of the grid format, and the list of hyperparameters */
#include "sweep/grid/grid.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sweep/base/num.h"
#include "sweep/grid/metric.h"

#define GROUP_KEY "^[a-z][a-z0-9_]*_(lr|weight_decay)$"

/* ---- fields ---- */

static json_t *words(const struct field *f)
{
	json_t *list = json_array();
	char word[64];

	for (int i = 0;; i++) {
		field_enum_word(f, i, word, sizeof(word));
		if (!*word)
			return list;
		json_array_append_new(list, json_string(word));
	}
}

static bool is_whole(const struct field *f)
{
	return f->kind == FIELD_INT || f->kind == FIELD_LIST;
}

static json_t *number(const struct field *f, double v)
{
	return is_whole(f) ? json_integer((json_int_t)v) : json_real(v);
}

static json_t *ranged(const struct field *f)
{
	json_t *o = json_pack("{ss}", "type", is_whole(f) ? "integer" : "number");

	json_object_set_new(o, "minimum", number(f, f->min));
	json_object_set_new(o, f->open_max ? "exclusiveMaximum" : "maximum", number(f, f->max));
	return o;
}

/* A NAN default, decided elsewhere, is no JSON and stays out. */
static json_t *field_schema(const struct field *f)
{
	char word[64];
	json_t *o;

	switch (f->kind) {
	case FIELD_BOOL:
		o = json_pack("{sssb}", "type", "boolean", "default", f->def[0] != 0);
		break;
	case FIELD_ENUM:
		field_enum_word(f, (int)f->def[0], word, sizeof(word));
		o = json_pack("{soss}", "enum", words(f), "default", word);
		break;
	case FIELD_PAIR:
		o = json_pack("{sssosisis[ff]}", "type", "array", "items", ranged(f), "minItems", 2, "maxItems", 2,
			      "default", f->def[0], f->def[1]);
		break;
	case FIELD_LIST:
		o = json_pack("{sssosisi}", "type", "array", "items", ranged(f), "minItems", 1, "maxItems",
			      FIELD_VALUES);
		break;
	default:
		o = ranged(f);
		if (!isnan(f->def[0]))
			json_object_set_new(o, "default", number(f, f->def[0]));
	}
	json_object_set_new(o, "description", json_string(f->help));
	return o;
}

static json_t *fields_schema(const struct field *table, int n)
{
	json_t *o = json_object();

	for (int i = 0; i < n; i++)
		json_object_set_new(o, table[i].name, field_schema(&table[i]));
	return o;
}

/* ---- small parts ---- */

static json_t *described(json_t *o, const char *text)
{
	json_object_set_new(o, "description", json_string(text));
	return o;
}

static json_t *type(const char *name, const char *text)
{
	return described(json_pack("{ss}", "type", name), text);
}

static json_t *at_least(int least, const char *text)
{
	return described(json_pack("{sssi}", "type", "integer", "minimum", least), text);
}

static json_t *ref(const char *to)
{
	return json_pack("{ss+}", "$ref", "#/definitions/", to);
}

/* A map with no keys but these. */
static json_t *closed(json_t *properties, const char *text)
{
	return described(json_pack("{sssosb}", "type", "object", "properties", properties, "additionalProperties", 0),
			 text);
}

static json_t *one_or_list(json_t *one, const char *text)
{
	json_t *list = json_pack("{sssOsi}", "type", "array", "items", one, "minItems", 1);

	return described(json_pack("{s[oo]}", "anyOf", one, list), text);
}

/* ---- sections ---- */

/* Pixels: one number for a side (what it means says the text), or [height, width]. */
static json_t *size_schema(const char *text)
{
	json_t *side = json_pack("{sssisi}", "type", "integer", "minimum", 1, "maximum", 4096);
	json_t *both = json_pack("{sssOsisi}", "type", "array", "items", side, "minItems", 2, "maxItems", 2);

	return described(json_pack("{s[oo]}", "anyOf", side, both), text);
}

static json_t *range_of_two(const char *text)
{
	return described(json_pack("{sss{sssi}sisi}", "type", "array", "items", "type", "number", "exclusiveMinimum", 0,
				   "minItems", 2, "maxItems", 2),
			 text);
}

static json_t *augment_schema(void)
{
	json_t *crop = closed(json_pack("{sososo}", "size", size_schema("of the result"), "scale",
					range_of_two("share of the area; default [0.08, 1]"), "ratio",
					range_of_two("width / height; default [0.75, 1.3333]")),
			      "torchvision's RandomResizedCrop");
	json_t *crop_or_size, *flip;

	json_object_set_new(crop, "required", json_pack("[s]", "size"));
	crop_or_size = described(json_pack("{s[oo]}", "anyOf", size_schema("its size"), crop),
				 "a random part of the image, resized");
	flip = json_pack("{s[{ss}{sssisi}]}", "anyOf", "type", "boolean", "type", "number", "minimum", 0, "maximum", 1);
	return closed(json_pack("{sososo}", "random_resized_crop", crop_or_size, "crop_pad",
				at_least(1, "zeros around the image before a random crop of its size"), "hflip",
				described(flip, "probability of a mirror image; true: 0.5")),
		      "done to training images anew in every epoch, never in evaluation");
}

/* What may stand in a split, or beside both. */
static void add_image_keys(json_t *p)
{
	json_object_set_new(p, "resize",
			    size_schema("bilinear with antialias, as torchvision's; a number: the shorter side"));
	json_object_set_new(p, "center_crop", size_schema("the middle, after resize; zeros where there is no image"));
	json_object_set_new(p, "exif",
			    described(json_pack("{sssb}", "type", "boolean", "default", 0),
				      "turn images of a folder as EXIF says; torchvision's loader does not"));
	json_object_set_new(p, "bad_images",
			    described(json_pack("{s[ss]ss}", "enum", "stop", "skip", "default", "stop"),
				      "files of a folder that cannot be decoded"));
	json_object_set_new(p, "cache",
			    described(json_pack("{s[sss]ss}", "enum", "auto", "memory", "disk", "default", "auto"),
				      "where decoded images are kept; auto: memory, up to a quarter of what is free"));
	json_object_set_new(p, "normalize", ref("normalize"));
}

static json_t *split_schema(void)
{
	json_t *files =
		json_pack("{sss{ss}sisi}", "type", "array", "items", "type", "string", "minItems", 2, "maxItems", 2);
	json_t *shape = json_pack("{sss{sssi}sisi}", "type", "array", "items", "type", "integer", "minimum", 1,
				  "minItems", 3, "maxItems", 3);
	json_t *fake = closed(json_pack("{sosososo}", "n", at_least(1, "images"), "shape",
					described(shape, "[channels, height, width]"), "classes", at_least(1, "labels"),
					"seed", at_least(0, "another seed, other images")),
			      "noise images, as torchvision's FakeData");
	json_t *p = json_object();
	json_t *o;

	json_object_set_new(p, "folder", type("string", "a folder of JPEG and PNG images for each class in it"));
	json_object_set_new(p, "cifar10", one_or_list(type("string", "a .bin file"), "CIFAR-10's binary files"));
	json_object_set_new(p, "cifar100", one_or_list(type("string", "a .bin file"), "CIFAR-100's binary files"));
	json_object_set_new(
		p, "coarse",
		described(json_pack("{sssb}", "type", "boolean", "default", 0), "cifar100: the 20 coarse labels"));
	json_object_set(p, "idx", files);
	json_object_set_new(p, "npy", described(json_deep_copy(files), "[images, labels] in NumPy's format"));
	json_object_set_new(p, "fake", fake);
	described(files, "[images, labels] in MNIST's format, gzipped or not");
	json_decref(files);
	json_object_set_new(p, "per_class", at_least(1, "keep at most so many samples of each class"));
	json_object_set_new(p, "limit", at_least(1, "keep at most so many samples"));
	json_object_set_new(p, "offset", at_least(0, "drop the first samples (of each class with per_class)"));
	json_object_set_new(p, "classes",
			    described(json_pack("{sss{sssi}si}", "type", "array", "items", "type", "integer", "minimum",
						0, "minItems", 1),
				      "keep only these labels, renumbered by their place here"));
	json_object_set_new(p, "augment", augment_schema());
	add_image_keys(p);
	o = closed(p, "samples: one source, which of them are taken, and what is done to them");
	json_object_set_new(o, "oneOf",
			    json_pack("[{s[s]}{s[s]}{s[s]}{s[s]}{s[s]}{s[s]}]", "required", "folder", "required",
				      "cifar10", "required", "cifar100", "required", "idx", "required", "npy",
				      "required", "fake"));
	return o;
}

static json_t *normalize_schema(void)
{
	json_t *mean = type("number", "what is subtracted"), *std = type("number", "what divides the rest");
	json_t *o;

	json_object_set_new(std, "exclusiveMinimum", json_integer(0));
	o = closed(json_pack("{soso}", "mean", one_or_list(mean, "one for all channels, or one for each"), "std",
			     one_or_list(std, "one for all channels, or one for each")),
		   "(x - mean) / std, on pixels scaled to 0..1");
	json_object_set_new(o, "required", json_pack("[ss]", "mean", "std"));
	return json_pack("{s[{ss}o]}", "anyOf", "const", "imagenet", o);
}

static json_t *data_schema(void)
{
	json_t *p = json_pack("{soso}", "train", ref("split"), "val", ref("split"));
	json_t *o;

	add_image_keys(p);
	o = closed(p, "what to train on and what to validate on; what stands beside them holds for both");
	json_object_set_new(o, "required", json_pack("[ss]", "train", "val"));
	return o;
}

static json_t *model_schema(void)
{
	json_t *p = fields_schema(model_fields, n_model_fields);

	json_object_set_new(p, "weights", type("string", "a safetensors file to start from"));
	json_object_set_new(p, "head",
			    described(json_pack("{s[ss]ss}", "enum", "new", "keep", "default", "new"),
				      "the last layer: new and random, or the file's"));
	return closed(p, "the network");
}

static json_t *metric_schema(void)
{
	json_t *names = json_array(), *name, *map;

	for (int i = 0; i < N_METRICS; i++)
		json_array_append_new(names, json_string(metric_name(i)));
	name = json_pack("{so}", "enum", names);
	map = closed(json_pack("{sOs{s[ss]}}", "name", name, "goal", "enum", "minimize", "maximize"),
		     "goal: by the name if left out");
	json_object_set_new(map, "required", json_pack("[s]", "name"));
	return described(json_pack("{s[oo]}", "anyOf", name, map), "what the best cell is best in");
}

/* ---- parameters ---- */

static json_t *range_schema(void)
{
	static const char *const distributions[] = {"constant",  "categorical", "int_uniform",
						    "q_uniform", "uniform",     "log_uniform_values"};
	json_t *list = json_array();

	for (size_t i = 0; i < sizeof(distributions) / sizeof(distributions[0]); i++)
		json_array_append_new(list, json_string(distributions[i]));
	return closed(json_pack("{s{}s{sssi}s{ss}s{ss}s{sssi}s{sssi}s{so}}", "value", "values", "type", "array",
				"minItems", 1, "min", "type", "number", "max", "type", "number", "q", "type", "number",
				"exclusiveMinimum", 0, "count", "type", "integer", "minimum", 2, "distribution", "enum",
				list),
		      "W&B's forms: value, values, min and max (whole numbers, or a distribution with q or count)");
}

static json_t *axis_schema(const char *value)
{
	return json_pack("{s[oo{sssosi}]}", "anyOf", ref("range"), ref(value), "type", "array", "items", ref(value),
			 "minItems", 1);
}

static json_t *column_schema(const char *value)
{
	return json_pack("{sssosi}", "type", "array", "items", ref(value), "minItems", 1);
}

/* A map from every hyperparameter's name to what `make` says of its value. */
static json_t *by_name(json_t *(*make)(const char *value), const char *text)
{
	json_t *p = json_object(), *o;

	for (int i = 0; i < n_hyper_fields; i++)
		json_object_set_new(p, hyper_fields[i].name, make(hyper_fields[i].name));
	o = closed(p, text);
	json_object_set_new(o, "patternProperties", json_pack("{so}", GROUP_KEY, make("group_value")));
	json_object_set_new(o, "minProperties", json_integer(1));
	return o;
}

static json_t *parameters_schema(void)
{
	json_t *one = by_name(axis_schema, "name: values of it; all combinations are run");

	json_object_set_new(json_object_get(one, "properties"), "linked", ref("linked"));
	return one_or_list(one, "a grid, or a list of grids of which each is run");
}

static json_t *definitions(void)
{
	json_t *d = fields_schema(hyper_fields, n_hyper_fields);
	json_t *rate = json_pack("{sssi}", "type", "number", "minimum", 0);

	json_object_set_new(d, "group_value", described(rate, "a group's own learning rate or weight decay"));
	json_object_set_new(d, "range", range_schema());
	json_object_set_new(d, "linked",
			    one_or_list(by_name(column_schema, "lists of one length: their rows are run"),
					"hyperparameters that vary together"));
	json_object_set_new(d, "normalize", normalize_schema());
	json_object_set_new(d, "split", split_schema());
	return d;
}

/* ---- the whole ---- */

static void add_labels(json_t *p)
{
	static const char *const ignored[] = {"program",    "command",    "project", "entity",   "kind",
					      "apiVersion", "controller", "job",     "image_uri"};

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		json_object_set_new(p, ignored[i], json_pack("{ss}", "description", "W&B's; ignored here"));
}

static json_t *groups_schema(void)
{
	json_t *o = json_pack("{ss}", "type", "object");

	json_object_set_new(
		o, "patternProperties",
		json_pack("{so}", "^[a-z][a-z0-9_]{0,30}$",
			  one_or_list(type("string", "* ? [] as in file names"), "patterns of tensor names")));
	json_object_set_new(o, "additionalProperties", json_false());
	json_object_set_new(o, "minProperties", json_integer(1));
	json_object_set_new(o, "maxProperties", json_integer(ENGINE_MAX_GROUPS));
	return described(o, "parameter groups; the last whose pattern matches a tensor has it");
}

static json_t *report_schema(void)
{
	json_t *acc =
		json_pack("{sssisisf}", "type", "number", "exclusiveMinimum", 0, "exclusiveMaximum", 1, "default", 0.9);

	return closed(json_pack("{so}", "at_train_acc",
				described(acc, "clean train accuracy at which gaps are compared, beside the last and "
					       "the best epoch")),
		      "what only the report looks at");
}

static void add_sections(json_t *p)
{
	json_t *name = type("string", "names the run directory; default: the file's name");

	json_object_set_new(name, "pattern", json_string("^[A-Za-z0-9_][A-Za-z0-9._-]*$"));
	json_object_set_new(p, "name", name);
	json_object_set_new(p, "description", type("string", "for the report"));
	json_object_set_new(p, "data", data_schema());
	json_object_set_new(p, "model", model_schema());
	json_object_set_new(p, "groups", groups_schema());
	json_object_set_new(p, "method", json_pack("{s[s]}", "enum", "grid"));
	json_object_set_new(p, "metric", metric_schema());
	json_object_set_new(p, "constraints",
			    one_or_list(type("string", "over metrics: val_acc > 0.85"), "marked as met or not"));
	json_object_set_new(p, "baseline",
			    described(by_name(ref, ""), "settings that pick out the one cell to compare with"));
	json_object_set_new(
		p, "repeats",
		described(json_pack("{sssisi}", "type", "integer", "minimum", 1, "maximum", STUDY_MAX_REPEATS),
			  "how often each cell is run, with seeds 0, 1, ..."));
	json_object_set_new(p, "seeds",
			    described(json_pack("{sss{sssi}sisb}", "type", "array", "items", "type", "integer",
						"minimum", 0, "minItems", 1, "uniqueItems", 1),
				      "instead of repeats"));
	json_object_set_new(p, "report", report_schema());
	json_object_set_new(
		p, "keep",
		described(json_pack("{s[ss]ss}", "enum", "none", "final", "default", "none"),
			  "final: each trial's last state stays on disk, so that more epochs go on from it"));
	json_object_set_new(p, "parameters", parameters_schema());
	json_object_set_new(p, "linked", ref("linked"));
	json_object_set_new(p, "exclude",
			    one_or_list(type("string", "over hyperparameters: backbone_lr > classifier_lr"),
					"cells that are not run"));
}

void study_write_schema(FILE *out)
{
	json_t *p = json_object(), *o;

	add_sections(p);
	for (int i = 0; i < n_hyper_fields; i++)
		json_object_set_new(p, hyper_fields[i].name, ref(hyper_fields[i].name));
	add_labels(p);
	o = json_pack("{sssssssososb}", "$schema", "http://json-schema.org/draft-07/schema#", "title",
		      "gapsweep grid file", "type", "object", "definitions", definitions(), "properties", p,
		      "additionalProperties", 0);
	json_object_set_new(o, "patternProperties", json_pack("{so}", GROUP_KEY, ref("group_value")));
	json_object_set_new(o, "required", json_pack("[ss]", "data", "model"));
	json_dumpf(o, out, JSON_INDENT(1) | JSON_REAL_PRECISION(15));
	fputc('\n', out);
	json_decref(o);
}

/* ---- for people ---- */

static void write_range(FILE *out, const struct field *f)
{
	char min[NUM_MAX], max[NUM_MAX];

	if (f->kind == FIELD_ENUM)
		fprintf(out, "one of: %s", f->names);
	else if (f->kind == FIELD_BOOL)
		fprintf(out, "true or false");
	else
		fprintf(out, "%s%s to %s%s",
			f->kind == FIELD_PAIR   ? "[a, b], each "
			: f->kind == FIELD_LIST ? "[a, b, ...], each whole, "
			: f->kind == FIELD_INT  ? "whole, "
						: "",
			num_text(min, f->min), f->open_max ? "below " : "", num_text(max, f->max));
}

static void write_default(FILE *out, const struct field *f)
{
	char a[NUM_MAX], b[NUM_MAX], word[64];

	if (f->kind == FIELD_ENUM) {
		field_enum_word(f, (int)f->def[0], word, sizeof(word));
		fprintf(out, "%s", word);
	} else if (f->kind == FIELD_BOOL) {
		fprintf(out, "%s", f->def[0] != 0 ? "true" : "false");
	} else if (f->kind == FIELD_PAIR) {
		fprintf(out, "[%s, %s]", num_text(a, f->def[0]), num_text(b, f->def[1]));
	} else if (f->kind == FIELD_LIST) {
		fprintf(out, "none");
	} else if (f->kind == FIELD_INT) {
		fprintf(out, "%.0f", f->def[0]);
	} else {
		fprintf(out, "%s", isnan(f->def[0]) ? "see above" : num_text(a, f->def[0]));
	}
}

void study_write_parameters(FILE *out)
{
	for (int i = 0; i < n_hyper_fields; i++) {
		fprintf(out, "  %-20s%s\n%22s(", hyper_fields[i].name, hyper_fields[i].help, "");
		write_range(out, &hyper_fields[i]);
		fprintf(out, "; default ");
		write_default(out, &hyper_fields[i]);
		fprintf(out, ")\n");
	}
	fprintf(out, "  %-20sa group's own learning rate, such as backbone_lr; 0 freezes\n", "GROUP_lr");
	fprintf(out, "  %-20sa group's own weight decay\n", "GROUP_weight_decay");
}
