/* csv.c - see csv.h */
#include "sweep/base/csv.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/file.h"
#include "sweep/base/num.h"

static void comma(struct csv_row *r)
{
	if (r->n++)
		fputc(',', r->out);
}

static bool looks_like_formula(const char *text)
{
	double ignored;

	return *text && strchr("=+-@", *text) && !num_read(&ignored, text);
}

void csv_text(struct csv_row *r, const char *text)
{
	size_t n = text ? strlen(text) : 0;
	bool guard = n && looks_like_formula(text);
	bool quote = n && (strpbrk(text, ",\"\r\n") || text[0] == ' ' || text[n - 1] == ' ');

	comma(r);
	if (quote)
		fputc('"', r->out);
	if (guard)
		fputc('\'', r->out);
	for (size_t i = 0; i < n; i++) {
		if (text[i] == '"')
			fputc('"', r->out);
		fputc(text[i], r->out);
	}
	if (quote)
		fputc('"', r->out);
}

void csv_num(struct csv_row *r, double value)
{
	char text[NUM_MAX];

	comma(r);
	fputs(num_text(text, value), r->out);
}

void csv_maybe(struct csv_row *r, double value)
{
	if (isnan(value))
		comma(r);
	else
		csv_num(r, value);
}

void csv_int(struct csv_row *r, long long value)
{
	comma(r);
	fprintf(r->out, "%lld", value);
}

void csv_end(struct csv_row *r)
{
	fputc('\n', r->out);
	r->n = 0;
}

/* Reads one field at *at, unescapes it in place, leaves *at behind its separator. Returns the separator (0 at the end). */
static int take_field(char **at, char **field)
{
	char *in = *at;
	char *out = *at;
	char *bare;
	int end;

	*field = out;
	if (*in == '"') {
		for (in++; *in; in++) {
			if (*in == '"' && *++in != '"')
				break;
			*out++ = *in;
		}
	}
	bare = out;
	while (*in && *in != ',' && *in != '\n')
		*out++ = *in++;
	end = *in;
	*at = in + (end != 0);
	*out = 0;
	if (end != ',' && out > bare && out[-1] == '\r') /* CRLF; a quoted \r stays */
		out[-1] = 0;
	return end;
}

static int count_fields(const char *bytes)
{
	bool quoted = false;
	int n = 1;

	for (; *bytes && (quoted || *bytes != '\n'); bytes++) {
		quoted ^= *bytes == '"';
		n += !quoted && *bytes == ',';
	}
	return n;
}

int csv_parse(struct csv_table *t, const char *bytes, size_t n, const char *path, struct err *e)
{
	char *text = malloc(n + 1);
	char *at = text;
	size_t lines = 1;

	*t = (struct csv_table){.block = text};
	if (!text)
		return err_set(e, ERR_NOMEM, "%s: out of memory", path);
	memcpy(text, bytes, n);
	text[n] = 0;
	for (size_t i = 0; i < n; i++)
		lines += bytes[i] == '\n';
	t->cols = count_fields(text);
	t->head = calloc((size_t)t->cols, sizeof(char *));
	t->cell = calloc(lines * (size_t)t->cols, sizeof(char *));
	if (!t->head || !t->cell) {
		csv_release(t);
		return err_set(e, ERR_NOMEM, "%s: out of memory", path);
	}
	for (long row = -1; *at; row++) {
		char **to = row < 0 ? t->head : t->cell + row * t->cols;
		int col = 0;
		int end;

		do {
			char *field;

			end = take_field(&at, &field);
			if (col < t->cols)
				to[col] = field;
			col++;
		} while (end == ',');
		if (col != t->cols) {
			csv_release(t);
			return err_set(e, ERR_DATA, "%s:%ld: %d fields; expected %d", path, row + 2, col, t->cols);
		}
		t->rows = row + 1;
	}
	return 0;
}

int csv_read(struct csv_table *t, const char *path, struct err *e)
{
	char *bytes;
	size_t n;
	int rc;

	*t = (struct csv_table){0};
	rc = file_read(&bytes, &n, path, (size_t)1 << 34, e);
	if (rc)
		return rc;
	rc = csv_parse(t, bytes, n, path, e);
	free(bytes);
	return rc;
}

void csv_release(struct csv_table *t)
{
	free(t->head);
	free(t->cell);
	free(t->block);
	*t = (struct csv_table){0};
}

int csv_column(const struct csv_table *t, const char *name)
{
	for (int i = 0; i < t->cols; i++)
		if (!strcmp(t->head[i], name))
			return i;
	return -1;
}

double csv_number(const struct csv_table *t, long row, int col)
{
	double value;

	if (col < 0 || !num_read(&value, t->cell[row * t->cols + col]))
		return NAN;
	return value;
}
