/* load.c - see load.h */
#include "sweep/report/load.h"

#include <malloc.h>
#include <string.h>

static int load_trial(struct loaded *l, int i, const struct key_context *kc, struct err *e)
{
	struct result_trial *t = &l->results.trial[i];
	struct trial_record record = {0};
	int rc;

	trial_key(t->key, &l->study, &l->study.cell[t->cell].setting, t->seed, kc);
	rc = store_read_trial(&l->store, &l->study, t->key, &record, e);
	if (rc == ERR_DATA || rc == ERR_IO || rc == ERR_NOINPUT)
		rc = 0; /* the record says FAIL and why: one bad trial does not cost the report */
	if (!rc) {
		t->end = record.end;
		rc = results_set_rows(&l->results, i, record.row, record.n_rows, e);
	}
	trial_record_release(&record);
	return rc;
}

int loaded_init(struct loaded *l, const char *dir, struct err *e)
{
	const struct manifest *m = &l->store.manifest;
	struct key_context kc = {m->train_hash, m->val_hash, m->weights_hash};
	int rc;

	memset(l, 0, sizeof(*l));
	l->store.lock_fd = -1;
	mallopt(M_MMAP_THRESHOLD, 1 << 26); /* a trial's files in and out: not fresh, zeroed pages each time */
	mallopt(M_TRIM_THRESHOLD, 1 << 28);
	rc = store_read(&l->store, &l->study, dir, e);
	if (!rc)
		rc = results_init(&l->results, &l->study, e);
	l->results.manifest = m;
	l->results.store = &l->store;
	for (int i = 0; !rc && i < l->results.n_trials; i++)
		rc = load_trial(l, i, &kc, e);
	if (rc)
		loaded_release(l);
	return rc;
}

void loaded_release(struct loaded *l)
{
	bool opened = l->store.dir[0] != 0;

	results_release(&l->results);
	study_release(&l->study);
	if (opened)
		store_close(&l->store);
	memset(l, 0, sizeof(*l));
	malloc_trim(0); /* a sweep refreshes its tables on the way: what that took is not its own */
}
