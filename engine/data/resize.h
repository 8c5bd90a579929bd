/*
 * resize.h - inside data/: uint8 images to another size, equal to Pillow's Image.resize(BILINEAR) to the byte, which is
 * what torchvision's Resize and RandomResizedCrop do to a PIL image: a triangle filter as wide as the scale (antialias),
 * weights in fixed point of 22 bits, columns first, 8 bits in between.
 */
#ifndef ENGINE_DATA_RESIZE_H
#define ENGINE_DATA_RESIZE_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of scratch that any source of at most sh x sw needs to become dh x dw. */
size_t resize_scratch(int sh, int sw, int dh, int dw, int c);

/*
 * src: [sh][sw][c], with rows src_row bytes apart, so that it may be a window of a larger image; dst: [dh][dw][c]. They
 * do not overlap. scratch: resize_scratch() bytes, aligned to 4.
 */
void resize_bilinear(uint8_t *dst, int dh, int dw, const uint8_t *src, size_t src_row, int sh, int sw, int c,
		     void *scratch);

#endif
