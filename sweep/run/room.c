/* room.c - see room.h */
#include "sweep/run/room.h"

#include <libgen.h>
#include <math.h>
#include <string.h>
#include <sys/statvfs.h>

#include "sweep/base/num.h"
#include "sweep/run/machine.h"

#define BLOCK        4096.0
#define NUMBER       20.0   /* characters of a number in a table, with its comma */
#define RESULT_BYTES 1500.0 /* result.json */
#define CHART_BYTES  8e6    /* plots/ and report.html of a usual grid */
#define TRIAL_FILES  6      /* the directory, its four files, and one that is being written */
#define TABLES       6

static double blocks(double bytes)
{
	return ceil(bytes / BLOCK) * BLOCK;
}

static double row_bytes(const struct study *s)
{
	return NUMBER * (1 + N_METRICS + 4 * s->n_groups);
}

/* The directory of one trial that has ended, and its lines in the tables. */
static double trial_disk(const struct plan *p, int trial)
{
	double rows = row_bytes(p->study) * (plan_cell(p, trial)->setting.hyper.epochs + 1);
	double line = NUMBER * (12 + p->study->n_columns + 2 * N_METRICS);
	double bits = (double)dataset_info(p->src.val)->n / 8;

	return BLOCK + blocks(rows) + blocks(RESULT_BYTES) + blocks(bits) + BLOCK + rows + line;
}

/* What the file system that will hold `dir` has left. */
static void look_at_disk(struct room *r, const char *dir)
{
	char path[4096];
	struct statvfs v;

	r->disk_free = r->files_free = INFINITY;
	snprintf(path, sizeof(path), "%s", dir);
	while (statvfs(path, &v)) { /* the nearest that is there already */
		char *up = dirname(path);

		if (!strcmp(up, "/") || !strcmp(up, ".")) {
			if (statvfs(up, &v))
				return;
			break;
		}
		memmove(path, up, strlen(up) + 1);
	}
	r->disk_free = (double)v.f_bavail * (double)v.f_frsize;
	if (v.f_files)
		r->files_free = (double)v.f_favail;
}

void room_look(struct room *r, const struct plan *p, const char *dir, int workers, int together, bool charts)
{
	int under_way = workers * together < p->n_todo ? workers * together : p->n_todo;

	*r = (struct room){0};
	for (int i = 0; i < p->n_todo; i++)
		r->disk += trial_disk(p, p->todo[i]);
	if (p->n_todo) {
		int writing = workers < under_way ? workers : under_way;

		r->disk += (under_way + writing) * blocks((double)p->state_bytes) + (charts ? CHART_BYTES : 0);
		if (p->study->keep_final)
			r->disk += p->n_todo * blocks((double)p->state_bytes);
		r->files = (double)p->n_todo * TRIAL_FILES + TABLES + 4;
		r->memory = (double)writing * (double)p->trial_bytes;
		r->memory +=
			(double)(under_way - writing) * (double)(p->sharing_bytes ? p->sharing_bytes : p->trial_bytes);
	}
	look_at_disk(r, dir);
	r->memory_free = (double)machine_memory();
}

void room_warn(FILE *out, const struct room *r, const char *dir)
{
	char need[NUM_MAX];
	char have[NUM_MAX];

	if (r->disk_free < 2 * r->disk)
		fprintf(out, "gapsweep: warning: %s: about %s of disk needed, %s free: less than twice\n", dir,
			num_bytes(need, r->disk), num_bytes(have, r->disk_free));
	if (r->files_free < 2 * r->files)
		fprintf(out,
			"gapsweep: warning: %s: about %.0f files will be made, the disk has room for %.0f: less than "
			"twice\n",
			dir, r->files, r->files_free);
	if (r->memory_free < 2 * r->memory)
		fprintf(out,
			"gapsweep: warning: the trials under way need %s of memory, %s are free: less than twice\n",
			num_bytes(need, r->memory), num_bytes(have, r->memory_free));
}
