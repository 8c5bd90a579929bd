/* inspect.c - gapsweep inspect: what is in a weights file, or in a grid's data sets and groups */
#include "sweep/cmd/inspect.h"

#include <stdio.h>
#include <string.h>

#include "sweep/cmd/cmd.h"

static const char help[] =
	"Usage: gapsweep inspect [OPTIONS] FILE|GRID.yaml\n\n"
	"Of a weights file (safetensors, or PyTorch's .pth): its tensors with their statistics, a hash of their\n"
	"names, shapes and values, and the network that they fit. Of a grid (a name that ends in .yaml or .yml): its\n"
	"data sets class by class and channel by channel, and which parameter group each tensor falls in.\n\n"
	"      --sheet FILE.png    a picture of the first images of each class, one row a class\n"
	"      --per-class N       images in such a row (default: 10)\n"
	"      --split SPLIT       of which data set the sheet is: train or val (default: train)\n"
	"      --set PATH=VALUE    change the grid, e.g. --set data.train.per_class=5; may be repeated\n"
	"      --json              all of it as JSON on stdout\n"
	"  -h, --help              this text";

struct options {
	const char *file;
	struct sheet_options sheet;
	bool json;
	struct cmd_sets sets;
};

static int read_split(struct options *o, const char *word, struct err *e)
{
	if (strcmp(word, "train") && strcmp(word, "val"))
		return err_set(e, ERR_USAGE, "--split '%s': expected train or val", word);
	o->sheet.val = !strcmp(word, "val");
	return 0;
}

static int parse(struct options *o, int argc, char **argv, struct err *e)
{
	enum { SHEET = 256, PER_CLASS, SPLIT, SET, JSON };
	static const struct option longs[] = {
		{"sheet", required_argument, NULL, SHEET},
		{"per-class", required_argument, NULL, PER_CLASS},
		{"split", required_argument, NULL, SPLIT},
		{"set", required_argument, NULL, SET},
		{"json", no_argument, NULL, JSON},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	long n = 10;
	int c;
	int rc = cmd_sets_init(&o->sets, argc, e);

	while (!rc && (c = cmd_option(argc, argv, "h", longs, e)) != CMD_END) {
		if (c == SHEET)
			o->sheet.path = optarg;
		else if (c == PER_CLASS)
			rc = cmd_integer(&n, "--per-class", optarg, 1, 1000, e);
		else if (c == SPLIT)
			rc = read_split(o, optarg, e);
		else if (c == SET)
			o->sets.text[o->sets.n++] = optarg;
		else if (c == JSON)
			o->json = true;
		else
			return c;
	}
	o->sheet.per_class = (int)n;
	return rc ? rc : cmd_operand(&o->file, argc, argv, "a weights file or a grid file", e);
}

static bool is_grid(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot && (!strcmp(dot, ".yaml") || !strcmp(dot, ".yml"));
}

static int inspect(const struct options *o, struct err *e)
{
	struct study s = {0};
	int rc = engine_init(e);

	if (rc)
		return rc;
	if (!is_grid(o->file)) {
		if (o->sheet.path)
			return err_set(e, ERR_USAGE, "--sheet needs a grid file, whose data it shows");
		return inspect_weights(o->file, o->json, e);
	}
	rc = study_load(&s, o->file, o->sets.text, o->sets.n, e);
	if (!rc)
		rc = inspect_grid(&s, &o->sheet, o->json, e);
	study_release(&s);
	return rc;
}

const char *inspect_shape(char out[96], int rank, const int64_t *shape)
{
	size_t n = 0;

	snprintf(out, 96, "scalar");
	for (int i = 0; i < rank && n < 70; i++)
		n += (size_t)snprintf(out + n, 96 - n, i ? "x%lld" : "%lld", (long long)shape[i]);
	return out;
}

int inspect_name(const char *before, const char *name)
{
	int n = 0;

	fputs(before, stdout);
	for (; name[n]; n++)
		putchar((unsigned char)name[n] < ' ' || name[n] == 0x7f ? '?' : name[n]);
	return n;
}

int cmd_inspect(int argc, char **argv, struct err *e)
{
	struct options o = {0};
	int rc = parse(&o, argc, argv, e);

	if (rc == CMD_HELP) {
		puts(help);
		rc = 0;
	} else if (!rc) {
		rc = inspect(&o, e);
	}
	cmd_sets_release(&o.sets);
	return rc;
}
