/* test_chart.c - charts are drawn, say what they should, run nothing they are told to, and fail without debris. */
#include <dirent.h>
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "engine/base/file.h"
#include "sweep/report/axis.h"
#include "sweep/report/chart.h"
#include "sweep/report/html.h"
#include "sweep/report/palette.h"
#include "sweep/report/table.h"
#include "tests/unit/made_up.h"

static char dir[] = "/tmp/gapsweep-chart-XXXXXX";
static char old_path[PATH_MAX * 4];

static void complete(struct made_up *m, int cell, double train, double val)
{
	for (int i = 0; i < m->study.n_seeds; i++) {
		struct epoch_row row[2] = {made_row(1, train - 0.2, val - 0.1),
					   made_row(2, train + 0.002 * i, val - 0.001 * i)};

		made_trial(m, cell, i, STATE_COMPLETE, row, 2);
	}
}

static void made_sweep(struct made_up *m)
{
	made_study(m, 2);
	made_cell(m, OPTIM_SGD, 0.1, 0.1, true);
	made_cell(m, OPTIM_SGD, 0, 1e-2, false);
	made_cell(m, OPTIM_SGD, 3e-4, 1e-2, false);
	made_cell(m, OPTIM_ADAM, 1e-4, 1e-2, false);
	complete(m, 0, 0.98, 0.78);
	complete(m, 1, 0.86, 0.855);
	complete(m, 2, 0.90, 0.87);
	made_trial(m, 3, 0, STATE_DIVERGED, NULL, 0);
	made_trial(m, 3, 1, STATE_DIVERGED, NULL, 0);
	for (int k = 0; k < 2; k++)
		m->results.trial[3 * m->study.n_seeds + k].end.diverged_epoch = 7 - 5 * k;
	for (int i = 0; i < 8; i++) {
		struct trial_end *end = &m->results.trial[i].end;

		snprintf(end->ended, sizeof(end->ended), "2026-01-01T00:00:%02dZ", 10 + 3 * i);
		end->wall_s = 4;
		end->worker = i % 2;
	}
	m->results.trial[2].row[15 + 7 + 3] = m->results.trial[3].row[15 + 7 + 3] = 0; /* frozen: no drift */
	made_summary(m);
}

static char *text_of(const char *name)
{
	char path[PATH_MAX];
	struct err e;
	char *text;
	size_t n;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (file_read(&text, &n, path, 1 << 24, &e))
		fail_msg("%s", e.msg);
	return text;
}

static void expect(const char *file, const char *const *word, int n)
{
	char *text = text_of(file);

	for (int i = 0; i < n; i++)
		if (!strstr(text, word[i]))
			fail_msg("%s does not say '%s'", file, word[i]);
	free(text);
}
#define EXPECT(file, ...) \
	expect(file, (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static bool exists(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return access(path, F_OK) == 0;
}

/* Pictures of no bytes, or anything a broken run left under a temporary name. */
static int debris(void)
{
	char path[PATH_MAX];
	struct dirent *d;
	struct stat st;
	int n = 0;
	DIR *plots;

	snprintf(path, sizeof(path), "%s/plots", dir);
	plots = opendir(path);
	assert_non_null(plots);
	while ((d = readdir(plots))) {
		char file[PATH_MAX * 2];

		snprintf(file, sizeof(file), "%s/%s", path, d->d_name);
		if (!stat(file, &st) && S_ISREG(st.st_mode))
			n += st.st_size == 0 || strstr(d->d_name, "tmp");
	}
	closedir(plots);
	return n;
}

static int draw(struct made_up *m, unsigned formats, bool drawn[N_CHARTS], struct err *e)
{
	char note[N_CHARTS][200];

	return charts_write(dir, &m->summary, formats, drawn, note, e);
}

static void charts_say_what_they_should(void **state)
{
	bool drawn[N_CHARTS];
	struct made_up m;
	struct err e = {0};
	char *text;

	(void)state;
	made_sweep(&m);
	if (draw(&m, REPORT_SVG | REPORT_PNG | REPORT_PDF, drawn, &e))
		fail_msg("%s", e.msg);
	for (int i = 0; i < N_CHARTS; i++)
		assert_true(drawn[i]);
	EXPECT("plots/gap_heatmap.svg", "backbone learning rate", "classifier learning rate", ">sgd<", ">adam<", "3e-4",
	       "★", "baseline", "mean meets all constraints", "diverged", "e2–7", "diverged in epoch",
	       "not in the grid", "clean gap (percentage points)");
	EXPECT("plots/val_acc_heatmap.svg", "validation accuracy (%)", "86.9", "mean of 2 repeats");
	EXPECT("plots/learning_curves.svg", "epoch", "accuracy (%)", "baseline: sgd 0.1 / 0.1", "best: sgd 3e-4 / 1e-2",
	       "lowest to highest repeat");
	EXPECT("plots/gap_bars.svg", "sgd 3e-4 / 1e-2", "95 % t interval", "★ best", "▲ baseline");
	EXPECT("plots/gap_along_rates.svg", "sgd, classifier at 1e-2", "sgd, backbone at 3e-4", "the other rate");
	EXPECT("plots/pareto.svg", "1  sgd 0 / 1e-2: gap", "2  sgd 3e-4 / 1e-2: gap", "(best)", "no cell is better");
	text = text_of("plots/pareto.svg");
	assert_null(strstr(text, "3  sgd")); /* the baseline is worse in both */
	free(text);
	EXPECT("plots/drift_vs_gap.svg", "backbone: distance from the start weights", ">0<", "1e-2");
	EXPECT("plots/gap_at_train_acc.svg", "where clean train accuracy passes 80 %");
	EXPECT("plots/update_ratio.svg", "best: sgd 3e-4 / 1e-2", "classifier", "update / weights", "epoch");
	EXPECT("plots/timeline.svg", "here 0", "here 1", "diverged or pruned", "busy");
	EXPECT("plots/train_vs_val.svg", "gap 0", "train accuracy, eval mode (%)", "val_acc", "train_eval_acc", "best");
	for (int i = 0; i < N_CHARTS; i++) {
		char name[64];
		static const char *const suffix[] = {"svg", "png", "pdf", "gp", "csv"};

		for (int k = 0; k < 5; k++) {
			snprintf(name, sizeof(name), "plots/%s.%s", charts[i].name, suffix[k]);
			assert_true(exists(name));
		}
	}
	assert_int_equal(debris(), 0);
	made_release(&m);
}

/*
 * n x n rates and two optimizers (one where that would be too many cells), gaps that rise with the backbone's rate, from
 * frozen on; the largest rate diverged, some cells are missing, failed or stopped early.
 */
static void made_plane(struct made_up *m, int n)
{
	int optimizers = 2 * n * n <= MADE_CELLS ? 2 : 1;

	made_study(m, 3);
	for (int i = 0; i < optimizers * n * n; i++) {
		int x = i / n % n;
		int y = i % n;

		if (n > 2 && x + y > 2 * n - 4 && i >= n * n)
			continue; /* not in the grid */
		made_cell(m, i < n * n ? OPTIM_SGD : OPTIM_ADAM, x ? pow(10, -6 + 5.0 * x / n) : 0,
			  pow(10, -4 + 4.0 * y / n), x == n - 2 && y == n - 1 && i < n * n);
	}
}

static void finish_plane(struct made_up *m, int n)
{
	for (int i = 0; i < m->study.n_cells; i++) {
		const struct setting *set = &m->study.cell[i].setting;
		double part = set->group_lr[0] > 0 ? (log10(set->group_lr[0]) + 6) / 5 : 0;
		bool last = n > 2 && part > 1 - 1.01 / n;

		for (int k = 0; k < m->study.n_seeds; k++) {
			struct epoch_row row[2] = {made_row(1, 0.7, 0.69)};
			enum trial_state state = last && i % 4 == 3      ? STATE_FAIL
						 : last && i % 4 == 2    ? STATE_PRUNED
						 : last                  ? STATE_DIVERGED
						 : i % 17 == 9 && k == 1 ? STATE_DIVERGED
									 : STATE_COMPLETE;

			row[1] = made_row(2, 0.86 + 0.14 * part + 0.002 * k,
					  0.86 + 0.05 * part - 0.1 * part * part + 0.0001 * (i % 7) - 0.001 * k);
			row[1].group[0].drift = part > 0 ? pow(10, 3 * part - 3) : 0;
			made_trial(m, i, k, state, row, state == STATE_COMPLETE ? 2 : 1);
			if (state == STATE_DIVERGED)
				m->results.trial[i * m->study.n_seeds + k].end.diverged_epoch = 2 + 3 * k * (i % 3);
		}
	}
	for (int i = 0; i < m->results.n_trials; i++) {
		struct result_trial *t = &m->results.trial[i];

		t->end.worker = i % 4;
		t->end.wall_s = 55;
		snprintf(t->end.ended, sizeof(t->end.ended), "2026-01-01T%02d:%02d:00Z", i / 240 % 24, i / 4 % 60);
	}
	made_summary(m);
}

/* To $GAPSWEEP_KEEP_CHARTS/N, if that is set: for someone to look at, and for tests/browser. */
static void keep_charts(int n)
{
	const char *keep = getenv("GAPSWEEP_KEEP_CHARTS");
	char command[PATH_MAX];

	if (!keep)
		return;
	snprintf(command, sizeof(command), "mkdir -p '%s/%d' && cp %s/plots/*.svg %s/plots/*.png '%s/%d/'", keep, n,
		 dir, dir, keep, n);
	assert_int_equal(system(command), 0);
}

static void charts_of_every_size(void **state)
{
	static const int size[] = {2, 5, 10, 20, 40};
	unsigned formats = getenv("GAPSWEEP_KEEP_CHARTS") ? REPORT_SVG | REPORT_PNG : REPORT_SVG;

	(void)state;
	for (int k = 0; k < 5; k++) {
		struct made_up *m = malloc(sizeof(*m));
		char note[N_CHARTS][200];
		bool drawn[N_CHARTS];
		struct err e = {0};

		assert_non_null(m);
		made_plane(m, size[k]);
		finish_plane(m, size[k]);
		if (charts_write(dir, &m->summary, formats, drawn, note, &e))
			fail_msg("%d rates: %s", size[k], e.msg);
		for (int i = 0; i < N_CHARTS; i++)
			if (!drawn[i])
				fail_msg("%d rates: %s: %s", size[k], charts[i].name, note[i]);
		keep_charts(size[k]);
		made_release(m);
		free(m);
	}
}

static void scripts_run_by_hand(void **state)
{
	char command[PATH_MAX + 64];

	(void)state;
	snprintf(command, sizeof(command),
		 "cd %s/plots && rm gap_bars.svg && gnuplot gap_bars.gp && test -s gap_bars.svg", dir);
	assert_int_equal(system(command), 0);
}

static void hostile_names_do_nothing(void **state)
{
	static const char *const hostile[] = {
		"`touch pwned`",
		"\"; system('touch pwned')\n",
		"'; system(\"touch pwned\") '",
		"'a'; system(\"touch pwned\") #",
		"''''",
		"@X%s%d\\\n'x",
		"<b>&\"'",
	};
	struct err e = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		bool drawn[N_CHARTS];
		struct made_up m;
		char name[64];

		made_sweep(&m);
		snprintf(name, sizeof(name), "%.31s", hostile[i]);
		strcpy(m.study.group[0].name, name);
		strcpy(m.column[0].name, name);
		snprintf(m.constraint[0].text, sizeof(m.constraint[0].text), "%s", hostile[i]);
		/* A fourth column that varies gets its name and value into the labels. */
		m.study.n_columns = 4;
		m.column[3].field = field_find(hyper_fields, n_hyper_fields, "momentum");
		snprintf(m.column[3].name, sizeof(m.column[3].name), "%.31s", hostile[i]);
		m.cell[1].setting.hyper.momentum = 0.9;
		if (draw(&m, REPORT_SVG, drawn, &e))
			fail_msg("%s: %s", name, e.msg);
		assert_true(drawn[CHART_gap_heatmap] && drawn[CHART_gap_bars] && drawn[CHART_train_vs_val]);
		assert_false(exists("plots/pwned") || exists("pwned") || access("pwned", F_OK) == 0);
		made_release(&m);
	}
	EXPECT("plots/gap_heatmap.svg", "&lt;b>&amp;\"' learning rate");
}

static void what_cannot_be_drawn_is_left_out_with_a_note(void **state)
{
	char note[N_CHARTS][200];
	bool drawn[N_CHARTS];
	struct made_up m;
	struct err e = {0};

	(void)state;
	made_study(&m, 1);
	made_cell(&m, OPTIM_SGD, 0.1, 0.1, false);
	complete(&m, 0, 0.9, 0.8);
	made_summary(&m);
	assert_int_equal(charts_write(dir, &m.summary, REPORT_SVG, drawn, note, &e), 0);
	assert_false(drawn[CHART_gap_heatmap]);
	assert_non_null(strstr(note[CHART_gap_heatmap], "not varied"));
	assert_false(exists("plots/gap_heatmap.svg")); /* of the test before: an old picture must not stay */
	assert_true(drawn[CHART_learning_curves] && drawn[CHART_gap_bars] && drawn[CHART_train_vs_val]);
	made_release(&m);
}

/* Puts a program called gnuplot before the real one. */
static void fake_gnuplot(const char *body)
{
	char path[PATH_MAX];
	char all[sizeof(old_path) + PATH_MAX];
	FILE *f;

	snprintf(path, sizeof(path), "%s/bin", dir);
	mkdir(path, 0755);
	snprintf(all, sizeof(all), "%s:%s", path, old_path);
	snprintf(path, sizeof(path), "%s/bin/gnuplot", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "#!/bin/sh\n%s\n", body);
	fclose(f);
	chmod(path, 0755);
	setenv("PATH", all, 1);
}

static void fails(const char *word)
{
	char note[N_CHARTS][200];
	bool drawn[N_CHARTS];
	struct made_up m;
	struct err e = {0};
	struct err page;

	made_sweep(&m);
	assert_int_equal(charts_write(dir, &m.summary, REPORT_SVG | REPORT_PNG, drawn, note, &e), ERR_UNAVAILABLE);
	if (!strstr(e.msg, word) || !strstr(e.msg, "gnuplot gap_heatmap.gp"))
		fail_msg("message '%s' lacks '%s' or the command", e.msg, word);
	for (int i = 0; i < N_CHARTS; i++)
		assert_false(drawn[i]);
	assert_false(exists("plots/gap_heatmap.svg") || exists("plots/gap_heatmap.png"));
	assert_true(exists("plots/gap_heatmap.gp") && exists("plots/gap_heatmap.csv"));
	assert_int_equal(debris(), 0);
	assert_int_equal(tables_write(dir, &m.summary, &page), 0);
	assert_int_equal(html_write(dir, &m.summary, drawn, note, &page), 0);
	assert_true(exists("report.html") && exists("cells.csv"));
	made_release(&m);
	setenv("PATH", old_path, 1);
}

static void a_failing_gnuplot(void **state)
{
	(void)state;
	fake_gnuplot("echo '\"gap_heatmap.gp\" line 7: no such thing' >&2; eval \"$3\"; : > $OUT.svg; exit 1");
	fails("line 7: no such thing");
}

static void a_gnuplot_that_writes_nothing(void **state)
{
	(void)state;
	fake_gnuplot("eval \"$3\"; : > $OUT.svg; exit 0");
	fails("empty picture");
}

static void a_killed_gnuplot(void **state)
{
	(void)state;
	fake_gnuplot("kill -9 $$");
	fails("signal 9");
}

static void a_hanging_gnuplot(void **state)
{
	(void)state;
	fake_gnuplot("sleep 100");
	setenv("GAPSWEEP_GNUPLOT_TIMEOUT", "0.1", 1);
	fails("took more than 0.1 s");
	unsetenv("GAPSWEEP_GNUPLOT_TIMEOUT");
}

static void no_gnuplot(void **state)
{
	(void)state;
	setenv("PATH", "/nonexistent", 1);
	fails("cannot run gnuplot");
}

static void own_templates_win(void **state)
{
	bool drawn[N_CHARTS];
	struct made_up m;
	struct err e = {0};
	char path[PATH_MAX];
	FILE *f;

	(void)state;
	snprintf(path, sizeof(path), "%s/gap_bars.gp", dir);
	f = fopen(path, "w");
	fputs("# mine\nset terminal svg\nset output OUT.'.svg'\nplot sin(x) title 'mine'\nset output\n", f);
	fclose(f);
	setenv("GAPSWEEP_PLOTS", dir, 1);
	made_sweep(&m);
	if (draw(&m, REPORT_SVG, drawn, &e))
		fail_msg("%s", e.msg);
	unsetenv("GAPSWEEP_PLOTS");
	EXPECT("plots/gap_bars.svg", "mine");
	EXPECT("plots/gap_heatmap.svg", "backbone learning rate");
	made_release(&m);
}

static void axes_place_rates_by_their_logarithm(void **state)
{
	const double rates[] = {1e-2, 0, 1e-4, 1e-3, 1e-2};
	struct axis a;

	(void)state;
	assert_true(axis_init(&a, rates, 5, 0.05));
	assert_int_equal(a.n, 4);
	assert_false(a.even);
	assert_true(fabs(a.at[1] + 4) < 1e-12 && fabs(a.hi[1] + 3.5) < 1e-12 && fabs(a.hi[3] + 1.5) < 1e-12);
	assert_true(a.hi[0] < a.lo[1]); /* 0 stands apart */
	assert_int_equal(axis_find(&a, 0), 0);
	axis_release(&a);
	assert_true(axis_init(&a, rates, 5, 0.9));
	assert_true(a.even && a.at[2] - a.at[1] == 1);
	axis_release(&a);
}

static void ink_can_be_read_on_every_colour(void **state)
{
	(void)state;
	for (int p = PALETTE_GAP; p <= PALETTE_SIGNED; p++) {
		assert_int_equal(palette_ink(palette_rgb((enum palette)p, p == PALETTE_ACC ? 1 : 0.1)),
				 p == PALETTE_SIGNED ? 0xffffff : 0);
	}
	assert_int_equal(palette_ink(palette_rgb(PALETTE_GAP, 1)), 0xffffff);
	assert_int_equal(palette_rgb(PALETTE_SIGNED, 0.5), 0xf7f7f7);
}

static int enter(void **state)
{
	(void)state;
	snprintf(old_path, sizeof(old_path), "%s", getenv("PATH"));
	return mkdtemp(dir) ? 0 : -1;
}

static int leave(void **state)
{
	char command[PATH_MAX + 16];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(charts_say_what_they_should),
		cmocka_unit_test(scripts_run_by_hand),
		cmocka_unit_test(charts_of_every_size),
		cmocka_unit_test(hostile_names_do_nothing),
		cmocka_unit_test(what_cannot_be_drawn_is_left_out_with_a_note),
		cmocka_unit_test(a_failing_gnuplot),
		cmocka_unit_test(a_gnuplot_that_writes_nothing),
		cmocka_unit_test(a_killed_gnuplot),
		cmocka_unit_test(a_hanging_gnuplot),
		cmocka_unit_test(no_gnuplot),
		cmocka_unit_test(own_templates_win),
		cmocka_unit_test(axes_place_rates_by_their_logarithm),
		cmocka_unit_test(ink_can_be_read_on_every_colour),
	};

	if (system("gnuplot --version >/dev/null 2>&1")) {
		puts("gnuplot is not installed");
		return 77;
	}
	return cmocka_run_group_tests(tests, enter, leave);
}
