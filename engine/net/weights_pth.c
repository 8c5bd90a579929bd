/* weights_pth.c - what torch.save() writes: a zip of a pickle and of storages (see weights_file.h, pickle.h) */
#include "engine/net/pickle.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zip.h>

#define ROOT_MAX    256
#define STORAGE_MAX (PICKLE_KEY_MAX + 8) /* "data/KEY" */
#define MEMBER_MAX  (ROOT_MAX + STORAGE_MAX)

struct pth {
	zip_t *zip;
	struct pickle pickle;
	char root[ROOT_MAX]; /* the folder in the zip that holds everything */
};

static struct pth *own(const struct reading *r)
{
	return r->file;
}

/* ---- members of the zip ------------------------------------------------------------------------------------ */

static int open_zip(struct reading *r, struct err *e)
{
	int fd = fcntl(r->fd, F_DUPFD_CLOEXEC, 0);
	int code = ZIP_ER_OPEN;
	zip_error_t why;

	if (fd >= 0)
		own(r)->zip = zip_fdopen(fd, 0, &code); /* owns fd then */
	if (own(r)->zip)
		return 0;
	if (fd >= 0)
		close(fd);
	if (code == ZIP_ER_MEMORY)
		return no_memory(r->path, e);
	zip_error_init_with_code(&why, code);
	err_set(e, ERR_DATA, "%s: a zip that cannot be read: %s (cut short?)", r->path, zip_error_strerror(&why));
	zip_error_fini(&why);
	return ERR_DATA;
}

/* A member by its name below the root. torch.save() neither compresses nor encrypts, so every byte that is read is a byte
 * of the file, and no small file can become a large one. */
static int stat_member(const struct reading *r, const char *name, char full[MEMBER_MAX], zip_stat_t *st, struct err *e)
{
	const zip_uint64_t needed =
		ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;

	snprintf(full, MEMBER_MAX, "%s/%s", own(r)->root, name);
	zip_stat_init(st);
	if (zip_stat(own(r)->zip, full, ZIP_FL_ENC_RAW, st) || (st->valid & needed) != needed)
		return err_set(e, ERR_DATA, "%s: no member '%s' in the zip", r->path, full);
	if (st->encryption_method != ZIP_EM_NONE)
		return err_set(e, ERR_DATA, "%s: member '%s' is encrypted", r->path, full);
	if (st->comp_method != ZIP_CM_STORE || st->comp_size != st->size)
		return err_set(e, ERR_DATA,
			       "%s: member '%s' is compressed; torch.save does not: unzip it and zip -0 it", r->path,
			       full);
	if (st->size > (zip_uint64_t)r->size)
		return err_set(e, ERR_DATA, "%s: member '%s' of %" PRIu64 " bytes in a file of %" PRId64, r->path, full,
			       (uint64_t)st->size, r->size);
	return 0;
}

static int copy_member(const struct reading *r, const char *full, unsigned char *out, zip_uint64_t n, struct err *e)
{
	zip_file_t *f = zip_fopen(own(r)->zip, full, ZIP_FL_ENC_RAW);
	zip_int64_t got = 0;
	unsigned char beyond;
	int rc = 0;

	if (!f)
		return err_set(e, ERR_DATA, "%s: member '%s': %s", r->path, full, zip_strerror(own(r)->zip));
	for (zip_uint64_t at = 0; at < n && got >= 0; at += (zip_uint64_t)got) {
		got = zip_fread(f, out + at, n - at);
		if (!got)
			got = -1;
	}
	if (got >= 0)
		got = zip_fread(f, &beyond, 1) ? -1 : 0; /* at the end libzip compares the checksum */
	if (got < 0)
		rc = err_set(e, ERR_DATA, "%s: member '%s' is damaged: %s", r->path, full, zip_file_strerror(f));
	zip_fclose(f);
	return rc;
}

/* A whole member into a new block. */
static int read_member(const struct reading *r, const char *name, unsigned char **out, size_t *n, struct err *e)
{
	char full[MEMBER_MAX];
	zip_stat_t st;
	int rc = stat_member(r, name, full, &st, e);

	*out = NULL;
	if (rc)
		return rc;
	*n = (size_t)st.size;
	*out = malloc(*n + 1);
	if (!*out)
		return no_memory(r->path, e);
	return copy_member(r, full, *out, st.size, e);
}

/* ---- the list ---------------------------------------------------------------------------------------------- */

/* The folder that holds data.pkl: torch.save() names it after the file. */
static int find_root(const struct reading *r, struct err *e)
{
	static const char wanted[] = "/data.pkl";
	zip_int64_t n = zip_get_num_entries(own(r)->zip, 0);

	for (zip_int64_t i = 0; i < n; i++) {
		const char *name = zip_get_name(own(r)->zip, (zip_uint64_t)i, ZIP_FL_ENC_RAW);
		const char *slash = name ? strchr(name, '/') : NULL;

		if (!slash || strcmp(slash, wanted))
			continue;
		if (slash - name >= ROOT_MAX)
			return err_set(e, ERR_DATA, "%s: its folder has a name of %td bytes, at most %d", r->path,
				       slash - name, ROOT_MAX - 1);
		memcpy(own(r)->root, name, (size_t)(slash - name));
		return 0;
	}
	return err_set(e, ERR_DATA, "%s: a zip without data.pkl, so not what torch.save writes", r->path);
}

/* Since PyTorch 2.1 a member says it; before, all files were little-endian in practice. */
static int check_byte_order(const struct reading *r, struct err *e)
{
	char full[MEMBER_MAX];
	unsigned char *word;
	size_t n;
	int rc;

	snprintf(full, sizeof(full), "%s/byteorder", own(r)->root);
	if (zip_name_locate(own(r)->zip, full, ZIP_FL_ENC_RAW) < 0)
		return 0;
	rc = read_member(r, "byteorder", &word, &n, e);
	if (!rc && (n != 6 || memcmp(word, "little", 6)))
		rc = err_set(e, ERR_DATA, "%s: its values are not little-endian", r->path);
	free(word);
	return rc;
}

static int read_pickle(const struct reading *r, struct err *e)
{
	char full[MEMBER_MAX], where[1024];
	unsigned char *bytes;
	zip_stat_t st;
	size_t n;
	int rc = stat_member(r, "data.pkl", full, &st, e);

	if (!rc && st.size > PICKLE_MAX)
		rc = err_set(e, ERR_DATA, "%s: data.pkl of %" PRIu64 " bytes, at most %d", r->path, (uint64_t)st.size,
			     PICKLE_MAX);
	if (rc)
		return rc;
	snprintf(where, sizeof(where), "%s: data.pkl", r->path);
	rc = read_member(r, "data.pkl", &bytes, &n, e);
	if (!rc)
		rc = pickle_read(&own(r)->pickle, bytes, n, where, e);
	free(bytes);
	return rc;
}

static void member_of(char out[STORAGE_MAX], const struct pickle_view *v)
{
	snprintf(out, STORAGE_MAX, "data/%s", v->key);
}

static int check_storage(const struct reading *r, const struct pickle_view *v, struct err *e)
{
	char full[MEMBER_MAX], name[STORAGE_MAX];
	zip_stat_t st;
	int64_t bytes;
	int rc;

	member_of(name, v);
	rc = stat_member(r, name, full, &st, e);
	if (rc)
		return rc;
	if (__builtin_mul_overflow(v->storage_n, (int64_t)v->type->bytes, &bytes) || (uint64_t)bytes != st.size)
		return BAD_TENSOR(r, v->name, e, "its storage '%s' has %" PRIu64 " bytes, not %" PRId64 " of %s", full,
				  (uint64_t)st.size, v->storage_n, v->type->storage);
	return 0;
}

/* Many views of one storage, or strides of 0, must not make gigabytes of a small file. */
static int check_amount(const struct reading *r, struct err *e)
{
	int64_t most = 4 * r->size + (1 << 20);
	int64_t total = 0;

	for (int i = 0; i < r->n; i++)
		if (__builtin_add_overflow(total, r->entry[i].n, &total) || total > most)
			return BAD_TENSOR(r, r->entry[i].name, e,
					  "views of over %" PRId64 " elements up to here in a file of %" PRId64
					  " bytes",
					  most, r->size);
	return 0;
}

static int list_views(struct reading *r, struct err *e)
{
	const struct pickle *p = &own(r)->pickle;
	int rc = 0;

	r->under = p->under;
	r->entry = calloc((size_t)p->n + 1, sizeof(*r->entry));
	if (!r->entry)
		return no_memory(r->path, e);
	for (int i = 0; i < p->n && !rc; i++) {
		const struct pickle_view *v = &p->view[i];

		r->entry[i] = (struct entry){.name = v->name, .type = v->type, .rank = v->rank, .n = v->n, .view = i};
		memcpy(r->entry[i].shape, v->shape, sizeof(v->shape));
		rc = check_storage(r, v, e);
	}
	r->n = p->n;
	return rc ? rc : check_amount(r, e);
}

/* ---- values ------------------------------------------------------------------------------------------------ */

static bool is_contiguous(const struct pickle_view *v)
{
	int64_t n = 1;

	for (int i = v->rank - 1; i >= 0; i--) {
		if (v->shape[i] != 1 && v->stride[i] != n)
			return false;
		n *= v->shape[i];
	}
	return true;
}

/* The elements of v in row-major order out of its storage. */
static void gather(float *out, const struct pickle_view *v, const unsigned char *storage)
{
	int64_t index[TENSOR_MAX_RANK] = {0};
	int64_t at = v->offset;

	if (is_contiguous(v)) {
		dtype_convert(out, storage + at * v->type->bytes, v->n, v->type->dtype);
		return;
	}
	for (int64_t i = 0; i < v->n; i++) {
		dtype_convert(out + i, storage + at * v->type->bytes, 1, v->type->dtype);
		for (int d = v->rank - 1; d >= 0; d--) {
			at += v->stride[d];
			if (++index[d] < v->shape[d])
				break;
			at -= v->stride[d] * v->shape[d];
			index[d] = 0;
		}
	}
}

/* What fill() goes through: views ordered by storage, so that each storage is read once. */
struct wanted {
	const struct pickle_view *view;
	float *values;
};

static int by_storage(const void *a, const void *b)
{
	const struct wanted *x = a;
	const struct wanted *y = b;

	return strcmp(x->view->key, y->view->key);
}

static int fill_sorted(const struct reading *r, const struct wanted *w, int n, struct err *e)
{
	unsigned char *storage = NULL;
	char name[STORAGE_MAX];
	size_t bytes;
	int rc = 0;

	for (int i = 0; i < n && !rc; i++) {
		if (!i || by_storage(&w[i - 1], &w[i])) {
			free(storage);
			member_of(name, w[i].view);
			rc = read_member(r, name, &storage, &bytes, e);
		}
		if (!rc && w[i].view->n)
			gather(w[i].values, w[i].view, storage);
	}
	free(storage);
	return rc;
}

static int fill(const struct reading *r, struct err *e)
{
	struct wanted *w = calloc((size_t)r->n + 1, sizeof(*w));
	int n = 0;
	int rc;

	if (!w)
		return no_memory(r->path, e);
	for (int i = 0; i < r->n; i++)
		if (r->entry[i].values)
			w[n++] = (struct wanted){&own(r)->pickle.view[r->entry[i].view], r->entry[i].values};
	qsort(w, (size_t)n, sizeof(*w), by_storage);
	rc = fill_sorted(r, w, n, e);
	free(w);
	return rc;
}

static void release(void *file)
{
	struct pth *p = file;

	if (!p)
		return;
	pickle_release(&p->pickle);
	if (p->zip)
		zip_discard(p->zip);
	free(p);
}

int pth_list(struct reading *r, struct err *e)
{
	int rc;

	r->format = "PyTorch zip";
	r->fill = fill;
	r->release = release;
	r->file = calloc(1, sizeof(struct pth));
	if (!r->file)
		return no_memory(r->path, e);
	rc = open_zip(r, e);
	if (!rc)
		rc = find_root(r, e);
	if (!rc)
		rc = check_byte_order(r, e);
	if (!rc)
		rc = read_pickle(r, e);
	if (!rc)
		rc = list_views(r, e);
	return rc;
}
