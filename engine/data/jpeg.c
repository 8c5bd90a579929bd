/* jpeg.c - JPEG files by libjpeg-turbo, with the settings that Pillow leaves at their defaults */
#include "engine/data/image.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

#define MOST_SCANS 500 /* a progressive file of many empty scans takes hours otherwise */

struct jpeg {
	struct jpeg_decompress_struct j;
	struct jpeg_error_mgr errors;
	struct jpeg_progress_mgr progress;
	jmp_buf failed;
	char why[JMSG_LENGTH_MAX];
	uint8_t *row; /* of a file whose samples are not RGB's */
};

static void fail(j_common_ptr j)
{
	struct jpeg *d = j->client_data;

	d->errors.format_message(j, d->why);
	longjmp(d->failed, 1);
}

/* Warnings are Pillow's to pass by, but for a file that ends too early. */
static void warn(j_common_ptr j, int level)
{
	struct jpeg *d = j->client_data;

	if (level < 0 && d->errors.msg_code == JWRN_JPEG_EOF) {
		snprintf(d->why, sizeof(d->why), "the file is cut short");
		longjmp(d->failed, 1);
	}
}

static void count_scans(j_common_ptr j)
{
	struct jpeg *d = j->client_data;

	if (d->j.input_scan_number > MOST_SCANS) {
		snprintf(d->why, sizeof(d->why), "more than %d scans", MOST_SCANS);
		longjmp(d->failed, 1);
	}
}

static void read_exif(struct jpeg *d, int *orientation)
{
	for (jpeg_saved_marker_ptr m = d->j.marker_list; m; m = m->next)
		if (m->marker == JPEG_APP0 + 1 && m->data_length > 6 && !memcmp(m->data, "Exif\0\0", 6)) {
			*orientation = exif_orientation(m->data + 6, m->data_length - 6);
			return;
		}
}

static int set_colours(struct jpeg *d, const char *name, struct err *e)
{
	static const J_COLOR_SPACE space[5] = {[1] = JCS_GRAYSCALE, [3] = JCS_RGB, [4] = JCS_CMYK};
	int n = d->j.num_components;

	if (n != 1 && n != 3 && n != 4)
		return err_set(e, ERR_DATA, "%s: a JPEG of %d components; expected 1, 3 or 4", name, n);
	d->j.out_color_space = space[n];
	if (n == 3)
		return 0;
	d->row = malloc((size_t)d->j.image_width * (size_t)n);
	return d->row ? 0 : err_set(e, ERR_NOMEM, "%s: out of memory", name);
}

/* a b / 255, rounded */
static unsigned share(unsigned a, unsigned b)
{
	unsigned t = a * b + 128;

	return (t + (t >> 8)) >> 8;
}

/* A row of grey or of inverted CMYK to RGB. */
static void to_rgb(uint8_t *out, const uint8_t *in, int w, int components)
{
	for (int x = 0; x < w; x++, in += components)
		for (int k = 0; k < 3; k++)
			*out++ = (uint8_t)(components == 1 ? in[0] : in[3] - share(255u - in[k], in[3]));
}

/* Everything that libjpeg may jump out of. */
static int decode(struct jpeg *d, struct image *im, int *orientation, const uint8_t *bytes, size_t n, const char *name,
		  struct err *e)
{
	int rc;

	if (setjmp(d->failed))
		return err_set(e, ERR_DATA, "%s: damaged JPEG: %s", name, d->why);
	jpeg_create_decompress(&d->j);
	d->j.client_data = d; /* create cleared it */
	d->j.progress = &d->progress;
	jpeg_mem_src(&d->j, bytes, n);
	jpeg_save_markers(&d->j, JPEG_APP0 + 1, 0xffff);
	jpeg_read_header(&d->j, TRUE);
	read_exif(d, orientation);
	rc = image_alloc(im, d->j.image_height, d->j.image_width, 3, name, e);
	if (!rc)
		rc = set_colours(d, name, e);
	if (rc)
		return rc;
	jpeg_start_decompress(&d->j);
	while (d->j.output_scanline < d->j.output_height) {
		uint8_t *out = im->px + (size_t)d->j.output_scanline * (size_t)im->w * 3;
		uint8_t *row = d->row ? d->row : out;

		jpeg_read_scanlines(&d->j, &row, 1);
		if (d->row)
			to_rgb(out, row, im->w, d->j.num_components);
	}
	return 0;
}

int jpeg_decode(struct image *im, int *orientation, const uint8_t *bytes, size_t n, const char *name, struct err *e)
{
	struct jpeg d = {.progress.progress_monitor = count_scans};
	int rc;

	d.j.err = jpeg_std_error(&d.errors);
	d.j.client_data = &d;
	d.errors.error_exit = fail;
	d.errors.emit_message = warn;
	rc = decode(&d, im, orientation, bytes, n, name, e);
	jpeg_destroy_decompress(&d.j);
	free(d.row);
	return rc;
}
