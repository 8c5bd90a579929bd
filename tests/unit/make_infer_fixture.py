#!/usr/bin/python3
"""Writes tests/unit/infer_fixture.h: what scipy says, for test_infer.c. Needs python3-scipy; the tests do not."""
import itertools
import numpy as np
from scipy import stats


def num(x):
    return repr(float(x))


def array(name, rows, width):
    body = ",\n".join("\t{" + ", ".join(num(v) for v in r) + "}" for r in rows)
    return f"static const double {name}[][{width}] = {{\n{body},\n}};\n"


def dummies(level, n):
    """Sum-to-zero columns of a factor."""
    out = np.zeros((len(level), n - 1))
    for i, v in enumerate(level):
        out[i] = -1 if v == n - 1 else np.eye(n - 1)[v]
    return out


def design(cells, levels, factors):
    x = np.ones((len(cells), 1))
    for k in factors:
        d = dummies([c[k] for c in cells], levels[k])
        x = (x[:, :, None] * d[:, None, :]).reshape(len(cells), -1)
    return x


def least_squares(x, y):
    b = np.linalg.lstsq(x, y, rcond=None)[0]
    return float(np.sum((y - x @ b) ** 2))


def anova(levels, counts, rng):
    """Every effect's SS is what the fit of the cell means loses without it (orthogonal, since each cell stands once)."""
    cells = list(itertools.product(*[range(n) for n in levels]))
    y = [rng.normal(0.3 * sum(c), 1, n) for c, n in zip(cells, counts)]
    mean = np.array([v.mean() for v in y])
    sse = sum(((v - v.mean()) ** 2).sum() for v in y)
    dfe = sum(len(v) - 1 for v in y)
    weight = stats.hmean([len(v) for v in y])
    sets = [s for n in range(1, len(levels) + 1) for s in itertools.combinations(range(len(levels)), n)]
    out = []
    for s in sets:
        full = np.hstack([design(cells, levels, t) for t in [()] + sets])
        without = np.hstack([design(cells, levels, t) for t in [()] + sets if t != s])
        ss = weight * (least_squares(without, mean) - least_squares(full, mean))
        df = int(np.prod([levels[k] - 1 for k in s]))
        f = (ss / df) / (sse / dfe)
        out.append((sum(1 << k for k in s), df, ss, f, stats.f.sf(f, df, dfe)))
    order = sorted(out, key=lambda r: (bin(r[0]).count("1"), r[0]))
    return y, order


rng = np.random.default_rng(6)
text = ["/* infer_fixture.h - made by make_infer_fixture.py with scipy %s; do not edit. */\n" % __import__("scipy").__version__]
text.append("/* clang-format off */\n")
text.append(array("t_cases", [(t, d, 2 * stats.t.sf(abs(t), d)) for t in (0, 1e-5, .3, -1, 2.7, 12, 400)
                              for d in (1, 2, 4, 9, 57.5)], 3))
text.append(array("f_cases", [(f, a, b, stats.f.sf(f, a, b)) for f in (0, .1, 1, 3.3, 80)
                              for a, b in ((1, 4), (2, 12), (8, 120), (14, 3))], 4))
rows = []
for n in (2, 3, 5, 10, 40):
    d = rng.normal(.1, .2, n)
    rows.append((n, d.mean(), d.std(ddof=1), stats.ttest_rel(d, np.zeros(n)).pvalue))
text.append(array("paired_cases", rows, 4))
rows = []
for n in (2, 3, 5, 10):
    d = rng.normal(.8, .2, n)
    lo, hi = stats.t.interval(0.95, n - 1, d.mean(), stats.sem(d))
    rows.append([n, d.mean(), d.std(ddof=1), lo, hi] + list(d) + [0] * (10 - n))
text.append(array("estimate_cases", rows, 15))
rows = []
for k, n in ((0, 5), (1, 5), (3, 5), (5, 5), (17, 40), (999, 1000)):
    ci = stats.binomtest(k, n).proportion_ci(method="wilson")
    rows.append((k, n, ci.low, ci.high))
text.append(array("wilson_cases", rows, 4))
text.append(array("mcnemar_cases", [(b, c, stats.binomtest(b, b + c, 0.5).pvalue) for b, c in
                                    ((1, 0), (0, 9), (5, 3), (12, 30), (210, 160), (700, 701))], 3))
p = [.01, .04, .03, .005, .2, .04, 1e-9, .9]
order = np.argsort(p, kind="stable")
adjusted = np.empty(len(p))
adjusted[order] = np.minimum(1, np.maximum.accumulate([(len(p) - j) * p[i] for j, i in enumerate(order)]))
text.append(array("holm_case", list(zip(p, adjusted)), 2))
for name, levels, counts in (("two_way", (3, 4), [5] * 12), ("uneven", (2, 3), [5, 4, 5, 3, 5, 2]),
                             ("three_way", (2, 3, 2), [3] * 12)):
    y, effects = anova(levels, counts, rng)
    text.append(array(name + "_cells", [(len(v), v.mean(), ((v - v.mean()) ** 2).sum()) for v in y], 3))
    text.append(array(name + "_effects", effects, 5))
u = np.log10(np.repeat([1e-5, 1e-4, 3e-4, 1e-2], 9))
v = np.log10(np.tile(np.repeat([1e-3, 1e-2, .1], 3), 4))
y = .1 + .05 * u + .02 * v + .01 * u * v + rng.normal(0, .02, 36)
x = np.column_stack([np.ones(36), u - u.mean(), v - v.mean(), (u - u.mean()) * (v - v.mean())])
b = np.linalg.lstsq(x, y, rcond=None)[0]
half = stats.t.ppf(.975, 32) * np.sqrt(np.sum((y - x @ b) ** 2) / 32 * np.diag(np.linalg.inv(x.T @ x)))
text.append(array("trend_data", zip(u, v, y), 3))
text.append(array("trend_case", [(b[k], b[k] - half[k], b[k] + half[k]) for k in (1, 2, 3)], 3))
open(__file__.replace("make_infer_fixture.py", "infer_fixture.h"), "w").write("\n".join(text))
