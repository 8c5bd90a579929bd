#!/bin/sh
# export.sh - exports read back by the tools they are for: pandas, DuckDB, SQLite, protobuf, LaTeX. Skipped without them.
set -eu
. tests/tiny.sh
python=/usr/bin/python3
"$python" -c 'import pandas, google.protobuf, sqlite3' 2>/dev/null || {
	echo "python3-pandas or python3-protobuf is not installed"
	exit 77
}
NODE_PATH=${GAPSWEEP_NPM:-$PWD/build/npm}/node_modules
export NODE_PATH
node -e 'require("@duckdb/node-api")' 2>/dev/null || {
	echo "@duckdb/node-api is not installed (make deps-test)"
	exit 77
}
command -v pdflatex >/dev/null || {
	echo "pdflatex is not installed (make deps-test)"
	exit 77
}
tiny_grid "$tmp/grid.yaml"
"$GAPSWEEP" run --quiet --no-report -j 2 -o "$tmp/r" "$tmp/grid.yaml" >/dev/null
for f in csv json sqlite tensorboard; do
	status 0 "$GAPSWEEP" export --format $f -o "$tmp/x.$f" "$tmp/r"
done
"$python" tests/interop/read_back.py "$tmp"
node tests/interop/duckdb.cjs "$tmp"

# A table that compiles, and whose text is that of the cells.
{
	printf '\\documentclass{article}\\usepackage{booktabs}\\begin{document}\\noindent\n'
	"$GAPSWEEP" export --format latex "$tmp/r"
	printf '\\end{document}\n'
} >"$tmp/t.tex"
(cd "$tmp" && pdflatex -interaction=nonstopmode -halt-on-error t.tex >t.out) || fail "the LaTeX table does not compile: $(tail -20 "$tmp/t.out")"
[ -s "$tmp/t.pdf" ] || fail "no page from the LaTeX table"
if grep -q 'Overfull' "$tmp/t.log"; then fail "the LaTeX table is wider than a page: $(grep Overfull "$tmp/t.log")"; fi
