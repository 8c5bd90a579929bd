#!/bin/sh
# usage.sh - help, version, and what a mistyped command line gets.
set -eu
. tests/tiny.sh

status 0 "$GAPSWEEP" --help
for command in run plan status report compare export train inspect; do
	said "$tmp/out" "$command"
done
[ ! -s "$tmp/err" ] || fail "--help wrote to stderr"
status 0 "$GAPSWEEP" --version
grep -qx 'gapsweep [0-9][0-9.]*' "$tmp/out" || fail "version: $(cat "$tmp/out")"
for command in run plan status report compare export train inspect; do
	status 0 "$GAPSWEEP" "$command" --help
	grep -qi "^usage: gapsweep $command" "$tmp/out" || fail "$command --help: $(cat "$tmp/out")"
	[ ! -s "$tmp/err" ] || fail "$command --help wrote to stderr"
	status 64 "$GAPSWEEP" "$command" --no-such-option
	said "$tmp/err" "--no-such-option"
	[ ! -s "$tmp/out" ] || fail "$command: an error on stdout"
	status 64 "$GAPSWEEP" "$command"
	said "$tmp/err" "gapsweep: "
done

status 64 "$GAPSWEEP"
status 64 "$GAPSWEEP" runn x.yaml
said "$tmp/err" "did you mean 'run'?"
status 64 "$GAPSWEEP" run --trails 3 x.yaml
said "$tmp/err" "did you mean '--trials'?"
status 64 "$GAPSWEEP" run --quiet -Z x.yaml
said "$tmp/err" "unknown option '-Z'"
status 64 "$GAPSWEEP" run x.yaml --output
said "$tmp/err" "needs a value"
status 64 "$GAPSWEEP" run --quiet=yes x.yaml
said "$tmp/err" "takes no value"
status 64 "$GAPSWEEP" run a.yaml b.yaml
said "$tmp/err" "b.yaml"
for n in 0 -1 2x ''; do
	status 64 "$GAPSWEEP" run -j "$n" x.yaml
	said "$tmp/err" "--workers"
done

tiny_grid "$tmp/grid.yaml"
for list in 8 3- -2 2-1 a , 1,,2 '0,' ''; do
	status 64 "$GAPSWEEP" run --trials "$list" -o "$tmp/none" "$tmp/grid.yaml"
	said "$tmp/err" "--trials"
done
[ ! -e "$tmp/none" ] || fail "a wrong command line made a run directory"
status 64 "$GAPSWEEP" train --cell 4 "$tmp/grid.yaml"
said "$tmp/err" "0 to 3"
status 64 "$GAPSWEEP" train --seed x "$tmp/grid.yaml"

status 66 "$GAPSWEEP" run "$tmp/missing.yaml"
said "$tmp/err" "missing.yaml"
if [ -w /dev/full ]; then
	got=0
	"$GAPSWEEP" --help >/dev/full 2>"$tmp/err" || got=$?
	[ "$got" -eq 74 ] || fail "a full stdout gave exit $got"
fi
