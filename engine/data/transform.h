/*
 * transform.h - inside data/: what is done to every image once, when a data set is opened (torchvision's Resize and
 * CenterCrop on PIL images), and the window that crops, pads and mirrors are all made of.
 */
#ifndef ENGINE_DATA_TRANSFORM_H
#define ENGINE_DATA_TRANSFORM_H

#include "engine/data/image.h"

/* Resize, then centre crop; 0 stands for "not this one". */
struct transform {
	int resize[2]; /* {S, 0}: the shorter side; {H, W}: both */
	int crop[2];   /* H, W */
};

/* Size that Resize gives an image of h x w; ERR_DATA (naming `name`) if that is over IMAGE_MAX_PIXELS. */
int transform_resized(int *dh, int *dw, const int resize[2], int h, int w, const char *name, struct err *e);

/*
 * A new image (malloc'ed) from px [h][w][c]: Resize and CenterCrop as t says, a copy if it says nothing. elem: bytes of
 * a value; resizing needs 1.
 */
int transform_apply(struct image *out, const struct transform *t, const uint8_t *px, int h, int w, int c, int elem,
		    const char *name, struct err *e);

/* Where CenterCrop(crop) begins on an axis of n; negative: that many zeros come first. */
int center_offset(int n, int crop);

/*
 * dst [dh][dw] pixels of `pixel` bytes each = the window of src [sh][sw] whose corner is at (top, left), zero wherever
 * it reaches over the edge; flip: from right to left.
 */
void window_copy(uint8_t *dst, int dh, int dw, const uint8_t *src, int sh, int sw, size_t pixel, int top, int left,
		 bool flip);

#endif
