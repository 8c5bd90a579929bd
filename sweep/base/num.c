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

#if LDBL_MANT_DIG == 64 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static const char *skip_zeros(const char *c, const char *end)
{
	while (c < end && *c == '0')
		c++;
	return c;
}

/* Appends the eight digits in v, the first in the lowest byte; false if one of them is none. */
static bool take_eight(uint64_t *m, uint64_t v)
{
	const uint64_t high = 0xf0f0f0f0f0f0f0f0u;
	const uint64_t pairs = 0x000000ff000000ffu;

	if (((v & high) | (((v + 0x0606060606060606u) & high) >> 4)) != 0x3333333333333333u)
		return false;
	v -= 0x3030303030303030u;
	v = v * 10 + (v >> 8);
	v = ((v & pairs) * (100 + (1000000ull << 32)) + ((v >> 16) & pairs) * (1 + (10000ull << 32))) >> 32;
	*m = *m * 100000000 + (uint32_t)v;
	return true;
}

/* Appends the digits at c to *m; returns where they end. */
static const char *take_digits(uint64_t *m, const char *c, const char *end)
{
	for (uint64_t v; end - c >= 8; c += 8) {
		memcpy(&v, c, 8);
		if (!take_eight(m, v))
			break;
	}
	for (; c < end && is_digit(*c); c++)
		*m = *m * 10 + (uint64_t)(*c - '0');
	return c;
}

/* What stands behind an e; NULL if that is no exponent or a large one. */
static const char *take_exponent(int *scale, const char *c, const char *end)
{
	bool negative = c < end && *c == '-';
	const char *first = c += c < end && (*c == '-' || *c == '+');
	int e = 0;

	for (; c < end && c - first < 3 && is_digit(*c); c++)
		e = e * 10 + (*c - '0');
	*scale += negative ? -e : e;
	return c == first ? NULL : c;
}

/*
 * What almost every number of a table is: up to 19 digits m and a power of ten that has no rounding in 64 bits of
 * mantissa. m * 10^k or m / 10^k is then off by half a unit of the 64th bit at most, which rounds to the right double
 * unless the 11 bits below a double's last are (nearly) half of it: those are left to strtod(). Clinger 1990's fast path
 * with longer words; four times as fast as strtod() on 17 digits. Returns where the number ends, or NULL.
 */
static const char *read_fast(double *value, const char *text, const char *end)
{
	static const long double power[] = {1e0L,  1e1L,  1e2L,  1e3L,  1e4L,  1e5L,  1e6L,  1e7L,  1e8L,  1e9L,
					    1e10L, 1e11L, 1e12L, 1e13L, 1e14L, 1e15L, 1e16L, 1e17L, 1e18L, 1e19L,
					    1e20L, 1e21L, 1e22L, 1e23L, 1e24L, 1e25L, 1e26L, 1e27L};
	const char *whole = text + (text < end && (*text == '-' || *text == '+'));
	const char *first = skip_zeros(whole, end);
	uint64_t m = 0;
	uint64_t bits;
	const char *c = take_digits(&m, first, end);
	ptrdiff_t digits = c - first;
	ptrdiff_t seen = c - whole;
	int scale = 0;
	long double v;

	if (c < end && *c == '.') {
		const char *fraction = c + 1;

		first = digits ? fraction : skip_zeros(fraction, end);
		c = take_digits(&m, first, end);
		digits += c - first;
		seen += c - fraction;
		scale = c - fraction < 100 ? (int)(fraction - c) : -100;
	}
	if (seen && c < end && *c == 'e')
		c = take_exponent(&scale, c + 1, end);
	if (!c || !seen || digits > 19 || scale < -27 || scale > 27)
		return NULL;
	v = scale < 0 ? (long double)m / power[-scale] : (long double)m * power[scale];
	memcpy(&bits, &v, sizeof(bits));
	if ((bits & 0x7ff) >= 0x3ff && (bits & 0x7ff) <= 0x401)
		return NULL;
	*value = *text == '-' ? -(double)v : (double)v;
	return c;
}
#else
static const char *read_fast(double *value, const char *text, const char *end)
{
	return (void)value, (void)text, (void)end, NULL;
}
#endif

static bool read_any(double *value, const char *text)
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

bool num_read(double *value, const char *text)
{
	const char *end = text + strlen(text);

	return read_fast(value, text, end) == end || read_any(value, text);
}

const char *num_field(double *value, const char *text, const char *end)
{
	const char *stop = read_fast(value, text, end);
	char copy[NUM_MAX];
	size_t n = 0;

	if (stop && stop < end && (*stop == ',' || *stop == '\n'))
		return stop;
	while (text + n < end && n < NUM_MAX && text[n] != ',' && text[n] != '\n')
		n++;
	if (n == NUM_MAX || text + n == end)
		return NULL;
	memcpy(copy, text, n);
	copy[n] = 0;
	return !memchr(copy, 0, n) && read_any(value, copy) ? text + n : NULL;
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
