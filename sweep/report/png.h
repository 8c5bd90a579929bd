/*
 * png.h - a picture of 8-bit pixels as a PNG file.
 */
#ifndef SWEEP_REPORT_PNG_H
#define SWEEP_REPORT_PNG_H

#include <stdint.h>

#include "engine/base/err.h"

/* Replaces path atomically. pixel: [h][w][channels], channels 1 (grey) or 3 (red, green, blue). */
int png_replace(const char *path, const uint8_t *pixel, int w, int h, int channels, struct err *e);

#endif
