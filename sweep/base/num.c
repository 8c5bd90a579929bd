/* num.c - see num.h */
#include "sweep/base/num.h"

#include <ctype.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/*
 * How many digits are left of the first 15 without trailing zeros. A decimal of up to 15 digits survives the way through
 * a double, so if so few are enough, these are they; trying 1, 2, 3, ... takes five times as long.
 */
static int fewest_digits(double value)
{
	char text[NUM_MAX];
	int n = 15;

	if (fabs(value) < DBL_MIN) /* subnormal: fewer bits, so even fewer digits may do */
		return 1;
	snprintf(text, sizeof(text), "%.14e", value < 0 ? -value : value);
	while (n > 1 && text[n] == '0') /* text[1] is the point */
		n--;
	return n;
}

/* The program never calls setlocale(), so printf and strtod speak the C locale. */
const char *num_text(char out[NUM_MAX], double value)
{
	if (isnan(value))
		return strcpy(out, "nan");
	if (isinf(value))
		return strcpy(out, value < 0 ? "-inf" : "inf");
	if (value == rint(value) && fabs(value) < 1e7) { /* 10, not 1e+01 */
		snprintf(out, NUM_MAX, "%.0f", value);
		return out;
	}
	for (int digits = fewest_digits(value); digits <= 17; digits++) {
		snprintf(out, NUM_MAX, "%.*g", digits, value);
		if (strtod(out, NULL) == value)
			break;
	}
	return out;
}

static bool read_word(double *value, const char *text)
{
	bool negative = *text == '-';
	const char *word = text + (*text == '-' || *text == '+');

	word += *word == '.';
	if (!strcasecmp(word, "inf"))
		*value = negative ? -INFINITY : INFINITY;
	else if (!strcasecmp(text, "nan") || !strcasecmp(text, ".nan"))
		*value = NAN;
	else
		return false;
	return true;
}

bool num_read(double *value, const char *text)
{
	bool digit = false;
	char *end;

	for (const char *c = text; *c; c++) {
		digit = digit || isdigit((unsigned char)*c);
		if (!isdigit((unsigned char)*c) && !strchr("+-.eE", *c))
			return read_word(value, text);
	}
	if (!digit)
		return false;
	*value = strtod(text, &end);
	return !*end;
}

const char *num_seconds(char out[NUM_MAX], double s)
{
	if (!(s >= 0) || isinf(s))
		snprintf(out, NUM_MAX, "?");
	else if (s < 1)
		snprintf(out, NUM_MAX, "%.0f ms", s * 1e3);
	else if (s < 59.5)
		snprintf(out, NUM_MAX, s < 9.95 ? "%.1f s" : "%.0f s", s);
	else if (s < 3599.5)
		snprintf(out, NUM_MAX, "%d min %02d s", (int)lrint(s) / 60, (int)lrint(s) % 60);
	else
		snprintf(out, NUM_MAX, "%ld h %02d min", lrint(s / 60) / 60, (int)(lrint(s / 60) % 60));
	return out;
}

const char *num_bytes(char out[NUM_MAX], double b)
{
	static const char *const unit[] = {"B", "KB", "MB", "GB", "TB", "PB"};
	int u = 0;

	while (b >= 999.5 && u < 5) {
		b /= 1000;
		u++;
	}
	snprintf(out, NUM_MAX, u && b < 9.95 ? "%.1f %s" : "%.0f %s", b, unit[u]);
	return out;
}
