#!/bin/sh
# progress.sh - the line on a terminal is made of whole parts that have room, whatever its width.
set -eu
. tests/tiny.sh
command -v script >/dev/null || { echo "no script (bsdutils)"; exit 77; }
tiny_grid "$tmp/grid.yaml" 30 300

# lines COLUMNS - every state of the line of a sweep on a terminal of that width, a line each in $tmp/lines.
lines() {
	TERM=xterm script -qec "stty cols $1; '$GAPSWEEP' run -j2 --no-report -o $tmp/$1 $tmp/grid.yaml" /dev/null \
		</dev/null >"$tmp/out" || fail "exit $? at $1 columns: $(cat "$tmp/out")"
	tr '\r' '\n' <"$tmp/out" | grep "$(printf '\033')" | sed "s/$(printf '\033')\[K.*//" >"$tmp/lines"
	[ "$(wc -l <"$tmp/lines")" -ge 3 ] || fail "no line at $1 columns: $(cat "$tmp/out")"
}

seconds='([0-9]+ ms|[0-9.]+ s|[0-9]+ min [0-9]+ s)'
whole="^[0-9]+/8 trials(, [0-9]+ running)?(, about $seconds left| in $seconds)?(; best val_acc 0\.[0-9]{4}( \(backbone_lr .*, seed [01]\))?)?$"
for columns in 2 20 40 60 100; do
	lines "$columns"
	[ "$columns" -eq 2 ] && continue # no room for any part: all that counts is that it ends
	if grep -vE "$whole" "$tmp/lines" || grep -E ".{$columns}" "$tmp/lines"; then
		fail "a part is cut or wide at $columns columns"
	fi
	last=$(tail -n 1 "$tmp/lines")
	case $columns:$last in
	"20:8/8 trials" | "20:8/8 trials in "* | "40:8/8 trials in "*s | "60:8/8 trials in "*"; best val_acc "?????? | "100:"*")") ;;
	*) fail "at $columns columns the last line is: $last" ;;
	esac
done

# Not a terminal, or one that cannot rewrite a line: all of it, and no escape.
TERM=dumb script -qec "stty cols 20; '$GAPSWEEP' run -j2 --no-report -o $tmp/dumb $tmp/grid.yaml" /dev/null </dev/null >"$tmp/out"
said "$tmp/out" "seed "
if grep -q "$(printf '\033')" "$tmp/out"; then fail "an escape with TERM=dumb"; fi
