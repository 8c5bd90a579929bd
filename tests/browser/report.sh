#!/bin/sh
# report.sh - report.html in headless Chromium: sorts, filters, keeps both in its address, asks for nothing, logs nothing.
set -eu
. tests/tiny.sh
chromium=$(command -v chromium || command -v chromium-browser || true)
[ -n "$chromium" ] || {
	echo "chromium is not installed"
	exit 77
}
tiny_grid "$tmp/grid.yaml"
"$GAPSWEEP" run --quiet -j 2 -o "$tmp/r" "$tmp/grid.yaml" >/dev/null 2>&1 || [ $? -eq 69 ] # no gnuplot: no charts

# dom ADDRESS - the page's tree after its script ran, in $tmp/dom; what it logged in $tmp/log.
dom() {
	rm -rf "$tmp/profile"
	timeout 60 "$chromium" --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
		--disable-background-networking --disable-component-update --disable-sync --enable-logging=stderr --v=0 \
		--user-data-dir="$tmp/profile" --window-size="${2:-1280},900" --dump-dom "$1" >"$tmp/dom" 2>"$tmp/log" ||
		fail "chromium ended with $?"
	if grep -q 'CONSOLE' "$tmp/log"; then fail "the console says: $(grep CONSOLE "$tmp/log")"; fi
}
page="file://$tmp/r/report.html"

dom "$page"
grep -q 'role="status">4 of 4<' "$tmp/dom" || fail "no filter of four cells"

# Sorted by the classifier's rate, downwards: the first row has 0.1.
dom "$page#sort=2&down=1"
grep -q 'aria-sort="descending"' "$tmp/dom" || fail "not sorted"
first=$(sed -n '/class="sort"/,$p' "$tmp/dom" | grep -m1 '^<tr.*cell-\|<tbody>.*cell-\|cell-' | grep -o 'cell-[0-9]' | head -1)
[ "$first" = cell-1 ] || [ "$first" = cell-3 ] || fail "first row is $first"

# Filtered: every word must occur.
dom "$page#filter=baseline"
grep -q 'role="status">1 of 4<' "$tmp/dom" || fail "the filter shows $(grep -o 'role="status">[^<]*' "$tmp/dom")"

# As narrow as Chromium goes (500 pixels): nothing but the tables' own boxes is wider than the window.
cp "$tmp/r/report.html" "$tmp/phone.html"
echo '<script>document.title="wide "+document.documentElement.scrollWidth+" "+innerWidth</script>' >>"$tmp/phone.html"
dom "file://$tmp/phone.html" 390
set -- $(grep -o '<title>wide [0-9]* [0-9]*' "$tmp/dom")
[ "${2:-0}" -gt 0 ] && [ "$2" -le "$3" ] || fail "$3 pixels wide, the page takes $2"

if grep -q '\(src\|href\)="\(https\?:\)\?//' "$tmp/r/report.html"; then fail "the page asks for something from outside"; fi
