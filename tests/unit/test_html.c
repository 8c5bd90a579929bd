/* test_html.c - the page: the answer, escaped text, nothing from outside. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sweep/report/html.h"
#include "tests/unit/made_up.h"

static void made_sweep(struct made_up *m)
{
	made_study(m, 2);
	made_cell(m, OPTIM_SGD, 0.1, 0.1, true);
	made_cell(m, OPTIM_SGD, 3e-4, 3e-2, false);
	for (int c = 0; c < 2; c++)
		for (int i = 0; i < 2; i++) {
			struct epoch_row row = c ? made_row(1, 0.904, 0.873) : made_row(1, 0.982, 0.78);

			made_trial(m, c, i, STATE_COMPLETE, &row, 1);
		}
}

static char *page(struct made_up *m, const char *svg0)
{
	const char *svg[N_CHARTS] = {svg0};
	const char note[N_CHARTS][200] = {[1] = "gnuplot <is> missing"};
	char *bytes = NULL;
	size_t n;
	FILE *f = open_memstream(&bytes, &n);

	assert_true(html_page(f, &m->summary, svg, note));
	fclose(f);
	return bytes;
}

static void the_answer_comes_first(void **state)
{
	struct made_up m;
	char *html;

	(void)state;
	made_sweep(&m);
	made_summary(&m);
	html = page(&m, "<svg/>");
	assert_non_null(strstr(html, "sgd 3e-4 / 3e-2 brings the train/validation gap from 20.2 to 3.1 points"));
	assert_true(strstr(html, "class=\"answer\"") < strstr(html, "<table"));
	assert_non_null(
		strstr(html, ">Train Acc (%)</th><th scope=\"col\">Val Acc (%)</th><th scope=\"col\">Train Loss</th>"));
	assert_non_null(strstr(html, "95 % interval"));
	assert_non_null(strstr(html, "href=\"#cell-1\""));
	assert_non_null(strstr(html, "<figure id=\"cell-1\">"));
	assert_non_null(strstr(html, "aria-labelledby=\"cells\""));
	assert_non_null(strstr(html, ">before<"));
	assert_non_null(strstr(html, ">after<"));
	assert_non_null(strstr(html, "COMPLETE"));
	assert_non_null(strstr(html, "src=\"data:image/svg+xml;base64,PHN2Zy8+\"")); /* <svg/> */
	assert_non_null(strstr(html, "not drawn (gnuplot &lt;is&gt; missing)"));
	free(html);
	made_release(&m);
}

static void all_text_is_escaped(void **state)
{
	static const char evil[] = "</pre><script>alert('x')</script>&\"";
	struct made_up m;
	char *html;

	(void)state;
	made_sweep(&m);
	m.study.name = (char *)evil;
	m.study.description = (char *)evil;
	m.study.text = (char *)evil;
	m.study.text_bytes = strlen(evil);
	snprintf(m.study.group[0].name, sizeof(m.study.group[0].name), "%.31s", evil);
	snprintf(m.column[0].name, sizeof(m.column[0].name), "%.31s", evil);
	snprintf(m.constraint[0].text, sizeof(m.constraint[0].text), "%s", evil);
	m.results.trial[0].end.state = STATE_FAIL;
	strcpy(m.results.trial[0].end.reason, evil);
	m.study.description = (char *)evil;
	made_summary(&m);
	html = page(&m, NULL);
	assert_null(strstr(html, "<script>alert"));
	assert_null(strstr(html, "</pre><script"));
	assert_non_null(strstr(html, "&lt;/pre&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&quot;"));
	free(html);
	made_release(&m);
}

static void nothing_comes_from_outside(void **state)
{
	static const char *const outside[] = {"http://", "https://", "src=\"//", "<link", "@import", "url("};
	struct manifest manifest = {.version = "1", .cpu = "a cpu"};
	struct made_up m;
	char *html;

	(void)state;
	made_sweep(&m);
	m.results.manifest = &manifest;
	made_summary(&m);
	html = page(&m, "<svg xmlns=\"http://www.w3.org/2000/svg\"/>");
	for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++)
		if (strstr(html, outside[i]))
			fail_msg("the page holds '%s'", outside[i]);
	for (const char *at = html; (at = strstr(at, "src=")); at++)
		assert_memory_equal(at, "src=\"data:", 10);
	assert_non_null(strstr(html, "a cpu"));
	free(html);
	made_release(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_answer_comes_first),
		cmocka_unit_test(all_text_is_escaped),
		cmocka_unit_test(nothing_comes_from_outside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
