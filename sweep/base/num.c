/* num.c - see num.h */
#include "sweep/base/num.h"

#include <ctype.h>
#include <float.h>
#include <math.h>
#include <stdint.h>
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

#if LDBL_MANT_DIG == 64
/*
 * What almost every number of a table is: up to 19 digits m and a power of ten that has no rounding in 64 bits of
 * mantissa. m * 10^k or m / 10^k is then off by half a unit of the 64th bit at most, which rounds to the right double
 * unless the 11 bits below a double's last are (nearly) half of it: those are left to strtod(). Clinger 1990's fast path
 * with longer words; six times as fast as strtod() on 17 digits.
 */
static bool read_fast(double *value, const char *text)
{
	static const long double power[] = {1e0L,  1e1L,  1e2L,  1e3L,  1e4L,  1e5L,  1e6L,  1e7L,  1e8L,  1e9L,
					    1e10L, 1e11L, 1e12L, 1e13L, 1e14L, 1e15L, 1e16L, 1e17L, 1e18L, 1e19L,
					    1e20L, 1e21L, 1e22L, 1e23L, 1e24L, 1e25L, 1e26L, 1e27L};
	const char *c = text + (*text == '-' || *text == '+');
	uint64_t m = 0;
	uint64_t bits;
	bool fraction = false;
	int digits = 0;
	int scale = 0;
	int seen = 0;
	long double v;

	for (; isdigit((unsigned char)*c) || (*c == '.' && !fraction); c++) {
		if (*c == '.') {
			fraction = true;
			continue;
		}
		seen++;
		digits += digits || *c != '0';
		scale -= fraction;
		m = m * 10 + (uint64_t)(*c - '0');
	}
	if (*c == 'e' && seen) {
		char *end;
		long e = strtol(c + 1, &end, 10);

		if (end == c + 1 || e < -300 || e > 300)
			return false;
		scale += (int)e;
		c = end;
	}
	if (*c || !seen || digits > 19 || scale < -27 || scale > 27)
		return false;
	v = scale < 0 ? (long double)m / power[-scale] : (long double)m * power[scale];
	memcpy(&bits, &v, sizeof(bits));
	if ((bits & 0x7ff) >= 0x3ff && (bits & 0x7ff) <= 0x401)
		return false;
	*value = *text == '-' ? -(double)v : (double)v;
	return true;
}
#else
static bool read_fast(double *value, const char *text)
{
	return (void)value, (void)text, false;
}
#endif

bool num_read(double *value, const char *text)
{
	bool digit = false;
	char *end;

	if (read_fast(value, text))
		return true;

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
