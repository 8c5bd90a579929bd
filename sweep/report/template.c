/* template.c - see template.h */
#include "sweep/report/template.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/file.h"

/* The assembler copies the file in, so that plots/NAME.gp is the only place where a template stands. */
#define EMBED(name)                                \
	__asm__(".section .rodata\n"               \
		"template_" #name ":\n"            \
		".incbin \"plots/" #name ".gp\"\n" \
		".byte 0\n"                        \
		".previous\n");                    \
	extern const char template_##name[]

EMBED(style);
EMBED(heatmap);
EMBED(learning_curves);
EMBED(gap_bars);
EMBED(train_vs_val);
EMBED(points);
EMBED(along_rates);
EMBED(update_ratio);
EMBED(timeline);
EMBED(compare);

static const struct {
	const char *name;
	const char *text;
} built_in[] = {
	{"style", template_style},
	{"heatmap", template_heatmap},
	{"gap_bars", template_gap_bars},
	{"learning_curves", template_learning_curves},
	{"train_vs_val", template_train_vs_val},
	{"points", template_points},
	{"along_rates", template_along_rates},
	{"update_ratio", template_update_ratio},
	{"timeline", template_timeline},
	{"compare", template_compare},
};

/* Puts the user's own template into *text, or leaves it NULL if there is none. */
static int own_template(char **text, const char *name, struct err *e)
{
	const char *folder = getenv("GAPSWEEP_PLOTS");
	char path[PATH_MAX];
	size_t n;

	*text = NULL;
	if (!folder || !*folder)
		return 0;
	if (snprintf(path, sizeof(path), "%s/%s.gp", folder, name) >= (int)sizeof(path) || access(path, F_OK))
		return 0;
	return file_read(text, &n, path, 1 << 20, e);
}

int template_append(FILE *out, const char *name, struct err *e)
{
	char *own;
	int rc = own_template(&own, name, e);

	if (rc)
		return rc;
	if (own)
		fputs(own, out);
	for (size_t i = 0; !own && i < sizeof(built_in) / sizeof(built_in[0]); i++)
		if (!strcmp(built_in[i].name, name))
			fputs(built_in[i].text, out);
	free(own);
	return 0;
}
