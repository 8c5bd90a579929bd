/* clock.c - see clock.h */
#include "sweep/run/clock.h"

#include <time.h>

double clock_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void clock_utc(char out[CLOCK_TEXT_MAX])
{
	time_t now = time(NULL);
	struct tm utc;

	gmtime_r(&now, &utc);
	strftime(out, CLOCK_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &utc);
}
