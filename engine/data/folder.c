/* folder.c - torchvision's ImageFolder: a folder a class, classes and files in the order of their names */
#include "engine/data/data.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_DEPTH 32

/* Strings that lie behind each other in one growing text, by the places where they begin. */
struct list {
	char *text;
	size_t used, room;
	size_t *at;
	int64_t n, n_room;
};

static void list_release(struct list *l)
{
	free(l->text);
	free(l->at);
	*l = (struct list){0};
}

static bool grow(void **block, size_t need, size_t *room, size_t one)
{
	size_t more = *room ? *room : 64;
	void *larger;

	while (more < need)
		more *= 2;
	if (more == *room)
		return true;
	larger = realloc(*block, more * one);
	if (!larger)
		return false;
	*block = larger;
	*room = more;
	return true;
}

static int list_add(struct list *l, const char *s, struct err *e)
{
	size_t bytes = strlen(s) + 1;
	size_t room = (size_t)l->n_room;

	if (!grow((void **)&l->text, l->used + bytes, &l->room, 1) ||
	    !grow((void **)&l->at, (size_t)l->n + 1, &room, sizeof(*l->at)))
		return err_set(e, ERR_NOMEM, "%s: out of memory", s);
	l->n_room = (int64_t)room;
	memcpy(l->text + l->used, s, bytes);
	l->at[l->n++] = l->used;
	l->used += bytes;
	return 0;
}

/* Folder by folder, then by name: Python's order of sorted(os.walk()) with sorted names. */
static int by_place(const void *a, const void *b, void *text)
{
	const char *x = (const char *)text + *(const size_t *)a;
	const char *y = (const char *)text + *(const size_t *)b;
	size_t dx = (size_t)(strrchr(x, '/') - x);
	size_t dy = (size_t)(strrchr(y, '/') - y);
	int order = memcmp(x, y, dx < dy ? dx : dy);

	if (!order && dx != dy)
		return dx < dy ? -1 : 1;
	return order ? order : strcmp(x + dx, y + dy);
}

/* ---- walking ---------------------------------------------------------------------------------------------- */

/* Whether ImageFolder would take it. What it takes and we cannot decode is then refused by name, not passed by. */
static bool is_image_name(const char *name)
{
	static const char *const ends[] = {".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"};
	size_t n = strlen(name);

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		size_t k = strlen(ends[i]);

		if (n >= k && !strcasecmp(name + n - k, ends[i]))
			return true;
	}
	return false;
}

static int read_failed(const char *path, struct err *e)
{
	return err_set(e, ERR_NOINPUT, "%s: %s", path, strerror(errno));
}

static int walk(struct list *l, const char *dir, int depth, struct err *e);

/* Links to files are followed, links to folders are not: a loop of them has no end. */
static int visit(struct list *l, DIR *d, const char *dir, const char *name, int depth, struct err *e)
{
	char path[PATH_MAX];
	struct stat st;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path))
		return err_set(e, ERR_NOINPUT, "%s/%s: path too long", dir, name);
	if (!fstatat(dirfd(d), name, &st, AT_SYMLINK_NOFOLLOW) && S_ISDIR(st.st_mode))
		return walk(l, path, depth + 1, e);
	if (!is_image_name(name))
		return 0;
	if (fstatat(dirfd(d), name, &st, 0))
		return read_failed(path, e);
	return S_ISREG(st.st_mode) ? list_add(l, path, e) : 0;
}

static int walk(struct list *l, const char *dir, int depth, struct err *e)
{
	DIR *d = depth < MOST_DEPTH ? opendir(dir) : NULL;
	struct dirent *entry;
	int rc = 0;

	if (depth >= MOST_DEPTH)
		return err_set(e, ERR_NOINPUT, "%s: folders more than %d deep", dir, MOST_DEPTH);
	if (!d)
		return read_failed(dir, e);
	while (!rc && (entry = readdir(d)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			rc = visit(l, d, dir, entry->d_name, depth, e);
	closedir(d);
	return rc;
}

/* ---- classes ---------------------------------------------------------------------------------------------- */

/* The paths of the folders in `folder`, sorted. */
static int find_classes(struct list *l, const char *folder, struct err *e)
{
	DIR *d = opendir(folder);
	struct dirent *entry;
	char path[PATH_MAX];
	struct stat st;
	int rc = 0;

	if (!d)
		return read_failed(folder, e);
	while (!rc && (entry = readdir(d))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") ||
		    fstatat(dirfd(d), entry->d_name, &st, 0) || !S_ISDIR(st.st_mode))
			continue;
		if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name) >= sizeof(path))
			rc = err_set(e, ERR_NOINPUT, "%s/%s: path too long", folder, entry->d_name);
		else
			rc = list_add(l, path, e);
	}
	closedir(d);
	if (!rc && (!l->n || l->n > DATA_MAX_CLASSES))
		rc = err_set(e, ERR_DATA, "%s: %lld folders in it; expected one for each class, at most %d", folder,
			     (long long)l->n, DATA_MAX_CLASSES);
	if (!rc)
		qsort_r(l->at, (size_t)l->n, sizeof(*l->at), by_place, l->text);
	return rc;
}

/* The files of all classes, one class behind the other; label: which class each is of (malloc'ed). */
static int find_files(struct list *files, int64_t **label, const struct list *classes, struct err *e)
{
	size_t room = 0;
	int rc = 0;

	for (int64_t k = 0; k < classes->n && !rc; k++) {
		const char *dir = classes->text + classes->at[k];
		int64_t first = files->n;

		rc = walk(files, dir, 0, e);
		if (!rc && files->n == first)
			rc = err_set(e, ERR_DATA, "%s: no .jpg, .jpeg or .png file in it", dir);
		if (rc)
			break;
		qsort_r(files->at + first, (size_t)(files->n - first), sizeof(*files->at), by_place, files->text);
		if (!grow((void **)label, (size_t)files->n, &room, sizeof(**label)))
			return err_set(e, ERR_NOMEM, "%s: out of memory", dir);
		for (int64_t i = first; i < files->n; i++)
			(*label)[i] = k;
	}
	return rc;
}

/* Both lists become raw's pointers into one text. */
static int hand_over(struct raw_samples *raw, const struct list *classes, const struct list *files, struct err *e)
{
	raw->text = malloc(classes->used + files->used);
	raw->path = malloc((size_t)files->n * sizeof(*raw->path));
	raw->name = malloc((size_t)classes->n * sizeof(*raw->name));
	if (!raw->text || !raw->path || !raw->name)
		return err_set(e, ERR_NOMEM, "out of memory for %lld paths", (long long)files->n);
	memcpy(raw->text, classes->text, classes->used);
	memcpy(raw->text + classes->used, files->text, files->used);
	for (int64_t i = 0; i < classes->n; i++)
		raw->name[i] = strrchr(raw->text + classes->at[i], '/') + 1;
	for (int64_t i = 0; i < files->n; i++)
		raw->path[i] = raw->text + classes->used + files->at[i];
	raw->classes = (int)classes->n;
	raw->n = files->n;
	raw->c = 3;
	return 0;
}

int folder_read(struct raw_samples *raw, const struct data_spec *spec, struct err *e)
{
	struct list classes = {0}, files = {0};
	int rc = find_classes(&classes, spec->folder, e);

	if (!rc)
		rc = find_files(&files, &raw->label, &classes, e);
	if (!rc)
		rc = hand_over(raw, &classes, &files, e);
	list_release(&classes);
	list_release(&files);
	return rc;
}
