#!/bin/sh
# export.sh - exports read back by the tools they are for: pandas, protobuf, SQLite. Skipped without them.
set -eu
. tests/tiny.sh
python=/usr/bin/python3
"$python" -c 'import pandas, google.protobuf, sqlite3' 2>/dev/null || {
	echo "python3-pandas or python3-protobuf is not installed"
	exit 77
}
tiny_grid "$tmp/grid.yaml"
"$GAPSWEEP" run --quiet --no-report -j 2 -o "$tmp/r" "$tmp/grid.yaml" >/dev/null
for f in csv json sqlite tensorboard; do
	status 0 "$GAPSWEEP" export --format $f -o "$tmp/x.$f" "$tmp/r"
done
"$python" tests/interop/read_back.py "$tmp"

# A table that compiles, where LaTeX is installed.
command -v pdflatex >/dev/null || exit 0
{
	printf '\\documentclass{article}\\usepackage{booktabs}\\begin{document}\n'
	"$GAPSWEEP" export --format latex "$tmp/r"
	printf '\\end{document}\n'
} >"$tmp/t.tex"
(cd "$tmp" && pdflatex -interaction=nonstopmode -halt-on-error t.tex >/dev/null) || fail "the LaTeX table does not compile"
