#!/bin/sh
# charts.sh - the charts of 2 to 40 rates an axis in headless Chromium: no word lies on another, none is cut off.
set -eu
. tests/tiny.sh
. tests/browser/lib/browser.sh
test_chart=${GAPSWEEP%/*}/tests/unit/test_chart
[ -x "$test_chart" ] || fail "$test_chart is not built"
GAPSWEEP_KEEP_CHARTS=$tmp/charts "$test_chart" >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 1; }
node tests/browser/lib/charts.cjs "$tmp/charts"
