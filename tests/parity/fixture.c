/* fixture.c - see fixture.h. */
#include "tests/parity/fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- figures both sides can compute */

uint32_t fixture_hash(const char *name, uint32_t i)
{
	uint32_t h = 2166136261u; /* FNV-1a, then murmur3's finish */

	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * 16777619u;
	h += i * 0x9e3779b9u;
	h = (h ^ h >> 16) * 0x85ebca6bu;
	h = (h ^ h >> 13) * 0xc2b2ae35u;
	return h ^ h >> 16;
}

static double unit(const char *name, int64_t i)
{
	return (fixture_hash(name, (uint32_t)i) >> 8) * 0x1p-24;
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && !strcmp(s + n - m, end);
}

void fixture_start(float *out, const char *name, const struct tensor *t)
{
	bool around_one = ends_with(name, ".weight") || ends_with(name, ".running_var");
	double fan_in = 1, scale;

	for (int d = 1; d < t->rank; d++)
		fan_in *= (double)t->shape[d];
	scale = t->rank > 1 ? 2 * sqrt(6 / fan_in) : 0.25;
	for (int64_t i = 0; i < t->n; i++)
		if (t->rank == 1 && around_one)
			out[i] = (float)((unit(name, i) + 0.5) * (ends_with(name, ".bn3.weight") ? 0.125 : 1));
		else
			out[i] = (float)((unit(name, i) - 0.5) * scale);
}

/* "images" or, with salt=7, "images7" */
static const char *salted(char out[32], const char *name, const struct parity_case *pc)
{
	if (pc->salt)
		snprintf(out, 32, "%s%d", name, pc->salt);
	else
		snprintf(out, 32, "%s", name);
	return out;
}

/* ---- cases.txt */

static const char *const group_name[2] = {"backbone", "classifier"};

/* backbone_lr, classifier_weight_decay, ... */
static double *group_setting(struct parity_case *pc, const char *key)
{
	for (int g = 0; g < 2; g++) {
		size_t n = strlen(group_name[g]);

		if (strncmp(key, group_name[g], n) || key[n] != '_')
			continue;
		if (!strcmp(key + n + 1, "lr"))
			return &pc->lr[g];
		if (!strcmp(key + n + 1, "weight_decay"))
			return &pc->weight_decay[g];
	}
	return NULL;
}

static int set_field(const struct field *f, void *obj, const char *value)
{
	double a = strtod(value, NULL), b, list[FIELD_VALUES] = {a};
	const char *at = value;

	for (int i = 1; i < FIELD_VALUES && (at = strchr(at, ',')); i++)
		list[i] = strtod(++at, NULL);
	switch (f->kind) {
	case FIELD_PAIR:
		if (sscanf(value, "%lf,%lf", &a, &b) != 2)
			return -1;
		field_write(f, obj, (const double[FIELD_VALUES]){a, b});
		return 0;
	case FIELD_LIST:
		field_write(f, obj, list);
		return 0;
	case FIELD_ENUM:
		a = field_enum_index(f, value);
		if (a < 0)
			return -1;
		break;
	case FIELD_BOOL:
		a = !strcmp(value, "true");
		break;
	default:
		break;
	}
	field_set(f, obj, a);
	return 0;
}

static int set_key(struct parity_case *pc, const char *key, const char *value)
{
	static const char *const names[] = {"n", "steps", "salt", "every"};
	int *const members[] = {&pc->n, &pc->steps, &pc->salt, &pc->every};
	const struct field *f;
	double *setting = group_setting(pc, key);

	if (setting) {
		*setting = strtod(value, NULL);
		return 0;
	}
	if (!strcmp(key, "shape"))
		return sscanf(value, "%dx%dx%d", &pc->c, &pc->h, &pc->w) == 3 ? 0 : -1;
	for (int i = 0; i < 4; i++)
		if (!strcmp(key, names[i])) {
			*members[i] = atoi(value);
			return 0;
		}
	f = field_find(model_fields, n_model_fields, key);
	if (f)
		return set_field(f, &pc->model, value);
	f = field_find(hyper_fields, n_hyper_fields, key);
	return f ? set_field(f, &pc->hyper, value) : -1;
}

static int read_case(struct parity_case *pc, char *line)
{
	char *word = strtok(line, " \n");

	if (!word || *word == '#')
		return 0;
	memset(pc, 0, sizeof *pc);
	field_defaults(model_fields, n_model_fields, &pc->model);
	field_defaults(hyper_fields, n_hyper_fields, &pc->hyper);
	pc->lr[0] = pc->lr[1] = pc->weight_decay[0] = pc->weight_decay[1] = NAN;
	pc->model.head_keep = true;
	snprintf(pc->name, sizeof pc->name, "%s", word);
	while ((word = strtok(NULL, " \n"))) {
		char *value = strchr(word, '=');

		if (value)
			*value++ = 0;
		if (!value || set_key(pc, word, value)) {
			fprintf(stderr, "cases.txt: %s: bad setting '%s'\n", pc->name, word);
			exit(1);
		}
	}
	hyper_resolve(&pc->hyper);
	return 1;
}

int parity_cases(struct parity_case *cases, int max)
{
	FILE *f = fopen(FIXTURE_DIR "/cases.txt", "r");
	char line[512];
	int n = 0;

	if (!f) {
		perror(FIXTURE_DIR "/cases.txt (run this from the project's folder)");
		exit(1);
	}
	while (n < max && fgets(line, sizeof line, f))
		n += read_case(&cases[n], line);
	fclose(f);
	return n;
}

/* ---- a started trial */

const struct tensor *fixture_need(const struct weights *w, const char *fmt, ...)
{
	const struct tensor *t;
	char name[160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(name, sizeof name, fmt, ap);
	va_end(ap);
	t = weights_find(w, name);
	if (!t)
		fail_msg("the fixture has no tensor %s", name);
	return t;
}

static void *must_alloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	assert_non_null(p);
	return p;
}

static void write_npy(const char *path, const char *descr, const char *shape, const void *data, size_t bytes)
{
	char head[128];
	FILE *f = fopen(path, "wb");
	int n;

	assert_non_null(f);
	n = snprintf(head, sizeof head, "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, shape);
	memset(head + n, ' ', sizeof head - (size_t)n);
	head[117] = '\n'; /* 10 bytes of magic, version and length + 118 are a multiple of 64 */
	assert_int_equal(fwrite("\x93NUMPY\x01\x00\x76\x00", 1, 10, f), 10);
	assert_int_equal(fwrite(head, 1, 118, f), 118);
	assert_int_equal(fwrite(data, 1, bytes, f), bytes);
	assert_int_equal(fclose(f), 0);
}

static void open_data(struct parity *p)
{
	const struct parity_case *pc = p->pc;
	char images[96], labels[96], shape[64], name[32];
	struct data_spec spec = {.kind = DATA_NPY, .images = images, .labels = labels};
	size_t n = (size_t)pc->n * (size_t)(pc->c * pc->h * pc->w);
	float *x = must_alloc(n, sizeof *x);
	int64_t *y = must_alloc((size_t)pc->n, sizeof *y);
	struct err e = {0};

	salted(name, "images", pc);
	for (size_t i = 0; i < n; i++)
		x[i] = (float)((unit(name, (int64_t)i) - 0.5) * 4);
	salted(name, "labels", pc);
	for (int i = 0; i < pc->n; i++)
		y[i] = fixture_hash(name, (uint32_t)i) % (uint32_t)pc->model.classes;
	snprintf(images, sizeof images, "%s/images.npy", p->dir);
	snprintf(labels, sizeof labels, "%s/labels.npy", p->dir);
	snprintf(shape, sizeof shape, "%d, %d, %d, %d", pc->n, pc->c, pc->h, pc->w);
	write_npy(images, "<f4", shape, x, n * sizeof *x);
	snprintf(shape, sizeof shape, "%d,", pc->n);
	write_npy(labels, "<i8", shape, y, (size_t)pc->n * sizeof *y);
	free(x);
	free(y);
	PARITY_OR_FAIL(dataset_open(&p->data, &spec, &e), e);
}

/* The start weights of every tensor that the fixture lists, as a file. */
static void write_start(const struct parity *p, const char *path)
{
	int max = weights_count(p->want), n = 0;
	struct tensor *t = must_alloc((size_t)max, sizeof *t);
	struct err e = {0};

	for (int i = 0; i < max; i++) {
		const struct tensor *shape = weights_at(p->want, i);
		float *values;

		if (strncmp(shape->name, "shape.", 6))
			continue;
		t[n].name = shape->name + 6;
		t[n].rank = (int)shape->n;
		t[n].n = 1;
		for (int d = 0; d < t[n].rank; d++) {
			t[n].shape[d] = (int64_t)shape->data[d];
			t[n].n *= t[n].shape[d];
		}
		values = must_alloc((size_t)t[n].n, sizeof *values);
		fixture_start(values, t[n].name, &t[n]);
		t[n++].data = values;
	}
	PARITY_OR_FAIL(weights_write(path, t, n, NULL, 0, &e), e);
	while (n-- > 0)
		free((void *)t[n].data);
	free(t);
}

void parity_restart(struct parity *p)
{
	static const char *const all[] = {"*"};
	const struct parity_case *pc = p->pc;
	char head[32], path[96];
	const char *const below_head[] = {head};
	const struct group_spec groups[] = {{"backbone", 1, all}, {"classifier", 1, below_head}};
	struct trial_spec spec = {.model = &pc->model, .train = p->data, .val = p->data, .hyper = pc->hyper};
	struct weights *start = NULL;
	struct err e = {0};

	snprintf(head, sizeof head, "%s.*", model_head(pc->model.arch));
	snprintf(path, sizeof path, "%s/start.safetensors", p->dir);
	spec.n_groups = 2;
	spec.groups = groups;
	for (int g = 0; g < 2; g++) {
		spec.group_lr[g] = pc->lr[g];
		spec.group_weight_decay[g] = pc->weight_decay[g];
	}
	PARITY_OR_FAIL(weights_open(&start, path, &e), e);
	spec.weights = start;
	trial_free(p->trial);
	p->trial = NULL;
	PARITY_OR_FAIL(trial_new(&p->trial, &spec, &e), e);
	weights_free(start);
}

void parity_open(struct parity *p, const struct parity_case *pc)
{
	char path[128];
	struct err e = {0};

	*p = (struct parity){.pc = pc, .dir = "/tmp/gapsweep-parity-XXXXXX"};
	assert_non_null(mkdtemp(p->dir));
	snprintf(path, sizeof path, FIXTURE_DIR "/fixtures/%s.safetensors", pc->name);
	PARITY_OR_FAIL(weights_open(&p->want, path, &e), e);
	snprintf(path, sizeof path, "%s/start.safetensors", p->dir);
	write_start(p, path);
	open_data(p);
	parity_restart(p);
}

void parity_close(struct parity *p)
{
	static const char *const files[] = {"images.npy", "labels.npy", "start.safetensors", "saved.safetensors"};
	char path[96];

	trial_free(p->trial);
	dataset_free(p->data);
	weights_free(p->want);
	for (int i = 0; i < 4; i++) {
		snprintf(path, sizeof path, "%s/%s", p->dir, files[i]);
		unlink(path);
	}
	rmdir(p->dir);
}
