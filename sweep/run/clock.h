/*
 * clock.h - durations from a clock that no one sets, stamps as ISO 8601 UTC.
 */
#ifndef SWEEP_RUN_CLOCK_H
#define SWEEP_RUN_CLOCK_H

#define CLOCK_TEXT_MAX 32

/* Seconds since some fixed moment (CLOCK_MONOTONIC): differences only. */
double clock_s(void);

/* Now, as "2026-01-31T23:59:59Z". */
void clock_utc(char out[CLOCK_TEXT_MAX]);

#endif
