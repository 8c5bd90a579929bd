/* template.c - see template.h */
#include "sweep/report/template.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "sweep/report/embed.h"

EMBED(template_style, "plots/style.gp");
EMBED(template_heatmap, "plots/heatmap.gp");
EMBED(template_learning_curves, "plots/learning_curves.gp");
EMBED(template_gap_bars, "plots/gap_bars.gp");
EMBED(template_train_vs_val, "plots/train_vs_val.gp");
EMBED(template_points, "plots/points.gp");
EMBED(template_along_rates, "plots/along_rates.gp");
EMBED(template_update_ratio, "plots/update_ratio.gp");
EMBED(template_timeline, "plots/timeline.gp");
EMBED(template_compare, "plots/compare.gp");

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
