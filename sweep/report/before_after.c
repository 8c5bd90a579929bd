/* before_after.c - see before_after.h */
#include "sweep/report/before_after.h"

#include <string.h>

enum { MAX_CELLS = 3, WORD_W = 8, TITLE_W = 13, N_FIGURES = 5 };

struct table {
	const struct summary *s;
	int n;
	int cell[MAX_CELLS];
	const char *word[MAX_CELLS];
	char label[MAX_CELLS][CELL_LABEL_MAX];
	int label_w;
};

static const struct {
	const char *title;
	int metric, digits, width; /* width in the wide form */
	double scale;
} figure[N_FIGURES] = {
	{"Train Acc %", METRIC_train_eval_acc, 1, 14, 100},
	{"Val Acc %", METRIC_val_acc, 1, 14, 100},
	{"Train Loss", METRIC_train_eval_loss, 3, 16, 1},
	{"Val Loss", METRIC_val_loss, 3, 16, 1},
	{"gap points", METRIC_gap, 1, 14, 100},
};

static int characters(const char *utf8)
{
	int n = 0;

	for (; *utf8; utf8++)
		n += (*utf8 & 0xc0) != 0x80;
	return n;
}

static void add(struct table *t, const char *word, int cell)
{
	t->word[t->n] = word;
	t->cell[t->n] = cell;
	cell_label(t->label[t->n], t->s->results->study, cell);
	if (characters(t->label[t->n]) > t->label_w)
		t->label_w = characters(t->label[t->n]);
	t->n++;
}

static const char *figure_text(char out[ESTIMATE_MAX], const struct table *t, int i, int k)
{
	return estimate_text(out, &t->s->cell[t->cell[i]].metric[figure[k].metric], figure[k].scale, figure[k].digits);
}

static void padded(FILE *out, const char *text, int width)
{
	fprintf(out, "%s%*s", text, width > characters(text) ? width - characters(text) : 0, "");
}

/* A row a cell; figures to the right, two spaces before them even if they are too long. */
static void wide(FILE *out, const struct table *t)
{
	padded(out, "", WORD_W + t->label_w);
	for (int k = 0; k < N_FIGURES; k++)
		fprintf(out, "%*s", figure[k].width, figure[k].title);
	fputc('\n', out);
	for (int i = 0; i < t->n; i++) {
		padded(out, t->word[i], WORD_W);
		padded(out, t->label[i], t->label_w);
		for (int k = 0; k < N_FIGURES; k++) {
			char text[ESTIMATE_MAX];
			int room = figure[k].width - characters(figure_text(text, t, i, k));

			fprintf(out, "%*s%s", room > 2 ? room : 2, "", text);
		}
		fputc('\n', out);
	}
}

static int wide_width(const struct table *t)
{
	int w = WORD_W + t->label_w;

	for (int k = 0; k < N_FIGURES; k++)
		w += figure[k].width;
	return w;
}

/* A row a figure, for cells from..to-1. */
static void tall(FILE *out, const struct table *t, int from, int to, int width)
{
	padded(out, "", TITLE_W);
	for (int i = from; i < to; i++)
		padded(out, t->word[i], i + 1 < to ? width : 0);
	fputc('\n', out);
	padded(out, "", TITLE_W);
	for (int i = from; i < to; i++)
		padded(out, t->label[i], i + 1 < to ? width : 0);
	fputc('\n', out);
	for (int k = 0; k < N_FIGURES; k++) {
		padded(out, figure[k].title, TITLE_W);
		for (int i = from; i < to; i++) {
			char text[ESTIMATE_MAX];

			padded(out, figure_text(text, t, i, k), i + 1 < to ? width : 0);
		}
		fputc('\n', out);
	}
}

static void print_table(FILE *out, const struct table *t, int columns)
{
	int width = (t->label_w > 15 ? t->label_w : 15) + 2;
	int beside = (columns - TITLE_W) / width > 0 ? (columns - TITLE_W) / width : 1;

	if (!columns || wide_width(t) <= columns) {
		wide(out, t);
		return;
	}
	for (int from = 0; from < t->n; from += beside)
		tall(out, t, from, from + beside < t->n ? from + beside : t->n, width);
}

/* Broken between words where it would be wider than the terminal. */
static void print_wrapped(FILE *out, const char *text, int columns)
{
	int at = 0;

	for (const char *word = text; *word; word += strspn(word, " ")) {
		int bytes = (int)strcspn(word, " ");
		char one[SENTENCE_MAX];
		int n;

		snprintf(one, sizeof(one), "%.*s", bytes, word);
		n = characters(one);
		if (at && columns && at + 1 + n > columns) {
			fputc('\n', out);
			at = 0;
		}
		fprintf(out, "%s%s", at ? " " : "", one);
		at += n + (at > 0);
		word += bytes;
	}
	fputc('\n', out);
}

void table_before_after(FILE *out, const struct summary *s, int columns)
{
	struct table t = {.s = s};
	char sentence[SENTENCE_MAX];

	if (s->best >= 0 && s->baseline >= 0)
		add(&t, "before", s->baseline);
	if (s->best >= 0 && s->single >= 0 && s->single != s->baseline && s->single != s->best)
		add(&t, "1 rate", s->single);
	if (s->best >= 0)
		add(&t, "after", s->best);
	if (t.n)
		print_table(out, &t, columns);
	summary_sentence(sentence, s);
	print_wrapped(out, sentence, columns);
	summary_single_sentence(sentence, s);
	if (*sentence)
		print_wrapped(out, sentence, columns);
}
