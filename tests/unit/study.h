/*
 * study.h - for unit tests of grid/: a grid file in a string, parsed or complained of.
 */
#ifndef TESTS_UNIT_STUDY_H
#define TESTS_UNIT_STUDY_H

#include <stdio.h>
#include <string.h>

#include "sweep/grid/grid.h"

/* Two lines that every grid needs, so a test's own text begins in line 3. */
#define HEAD                                                   \
	"data: {train: {fake: {n: 8}}, val: {fake: {n: 8}}}\n" \
	"model: {arch: cnn}\n"

static struct err study_err;

/* Parses text as the file "g.yaml"; --set options end with NULL. Returns 0 or the code. */
static inline int parse_with(struct study *s, const char *text, const char *const *sets)
{
	int n = 0;

	while (sets && sets[n])
		n++;
	memset(&study_err, 0, sizeof(study_err));
	return study_parse(s, text, strlen(text), "g.yaml", sets, n, &study_err);
}

static inline int parse(struct study *s, const char *text)
{
	return parse_with(s, text, NULL);
}

/* The whole message for a text that must fail; "(none)" if it parses. */
static inline const char *whole_complaint(const char *text, const char *const *sets)
{
	struct study s;
	int rc = parse_with(&s, text, sets);

	study_release(&s);
	if (!rc)
		return "(none)";
	return rc == ERR_CONFIG ? study_err.msg : "(not ERR_CONFIG)";
}

/* Its first line. */
static inline const char *complaint(const char *text)
{
	static char line[sizeof(study_err.msg)];

	snprintf(line, sizeof(line), "%.*s", (int)strcspn(whole_complaint(text, NULL), "\n"), study_err.msg);
	return strcmp(study_err.msg, "") ? line : "(none)";
}

#endif
