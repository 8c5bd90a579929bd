/* cmd.c - see cmd.h */
#include "sweep/cmd/cmd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sweep/grid/suggest.h"

/* A long option that is not known, "--trails=3": the nearest that is. */
static int unknown_long(const char *command, const char *given, const struct option *longs, struct err *e)
{
	char hint[SUGGEST_MAX + 32];
	char word[SUGGEST_MAX];
	struct suggest g = {.word = word};

	snprintf(word, sizeof(word), "%.*s", (int)strcspn(given, "="), given);
	for (const struct option *o = longs; o->name; o++) {
		char known[SUGGEST_MAX];

		snprintf(known, sizeof(known), "--%s", o->name);
		suggest_try(&g, known);
	}
	return err_set(e, ERR_USAGE, "unknown option '%s'%s; see gapsweep %s --help", word, suggest_text(&g, hint),
		       command);
}

int cmd_option(int argc, char **argv, const char *shorts, const struct option *longs, struct err *e)
{
	const char *given = optind < argc ? argv[optind] : "";
	char spec[64];
	int c;

	snprintf(spec, sizeof(spec), ":%s", shorts);
	opterr = 0;
	c = getopt_long(argc, argv, spec, longs, NULL);
	if (c != '?' && c != ':')
		return c;
	if (optind > 0 && optind <= argc && !strncmp(argv[optind - 1], "--", 2))
		given = argv[optind - 1]; /* operands before it were moved behind */
	if (c == ':')
		return err_set(e, ERR_USAGE, "option '%s' needs a value; see gapsweep %s --help", given, argv[0]);
	if (!optopt)
		return unknown_long(argv[0], given, longs, e);
	if (!strncmp(given, "--", 2) && strchr(given, '='))
		return err_set(e, ERR_USAGE, "option '%.*s' takes no value", (int)strcspn(given, "="), given);
	return err_set(e, ERR_USAGE, "unknown option '-%c'; see gapsweep %s --help", optopt, argv[0]);
}

int cmd_operand(const char **operand, int argc, char **argv, const char *what, struct err *e)
{
	if (optind >= argc)
		return err_set(e, ERR_USAGE, "%s needs %s; see gapsweep %s --help", argv[0], what, argv[0]);
	if (optind + 1 < argc)
		return err_set(e, ERR_USAGE, "%s takes one argument, %s; '%s' is one too many", argv[0], what,
			       argv[optind + 1]);
	*operand = argv[optind];
	return 0;
}

int cmd_integer(long *value, const char *option, const char *text, long min, long max, struct err *e)
{
	char *end;

	errno = 0;
	*value = strtol(text, &end, 10);
	if (!*text || *end || errno || *value < min || *value > max)
		return err_set(e, ERR_USAGE, "%s '%s': expected a whole number from %ld to %ld", option, text, min,
			       max);
	return 0;
}

int cmd_sets_init(struct cmd_sets *s, int argc, struct err *e)
{
	*s = (struct cmd_sets){.text = calloc((size_t)argc + 1, sizeof(char *))};
	return s->text ? 0 : err_set(e, ERR_NOMEM, "out of memory");
}

void cmd_sets_release(struct cmd_sets *s)
{
	free(s->text);
	*s = (struct cmd_sets){0};
}
