#!/bin/sh
# report.sh - report.html and compare.html in headless Chromium: lib/page.cjs says what must hold.
set -eu
. tests/tiny.sh
. tests/browser/lib/browser.sh
tiny_grid "$tmp/grid.yaml"
"$GAPSWEEP" run --quiet -j 2 -o "$tmp/r" "$tmp/grid.yaml" >/dev/null
node tests/browser/lib/page.cjs "$tmp/r/report.html" report

# A page of a sweep that is under way says so, and offers to load itself again.
"$GAPSWEEP" run --quiet --trials 0-2 -j 2 -o "$tmp/part" "$tmp/grid.yaml" >/dev/null || [ $? -eq 75 ]
"$GAPSWEEP" report "$tmp/part" >/dev/null
grep -q '3 of 8 trials have ended' "$tmp/part/report.html" || fail "the page does not say how far the sweep is"
node tests/browser/lib/page.cjs "$tmp/part/report.html" unfinished

"$GAPSWEEP" compare -o "$tmp/c" "$tmp/r" "$tmp/part" >/dev/null
node tests/browser/lib/page.cjs "$tmp/c/compare.html"
