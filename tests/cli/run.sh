#!/bin/sh
# run.sh - a sweep, again, elsewhere, with more workers, in parts: always the same tables.
set -eu
. tests/tiny.sh
tiny_grid "$tmp/grid.yaml"

# One worker and two give the same bytes; the second run finds nothing to do.
status 0 "$GAPSWEEP" run -j1 --no-report -o "$tmp/one" "$tmp/grid.yaml"
said "$tmp/err" "8/8 trials"
status 0 "$GAPSWEEP" run -j2 --no-report -o "$tmp/two" "$tmp/grid.yaml"
same_tables "$tmp/one" "$tmp/two"
[ "$(wc -l <"$tmp/one/trials.csv")" -eq 9 ] || fail "trials.csv has not 8 rows"
[ "$(wc -l <"$tmp/one/epochs.csv")" -eq 17 ] || fail "epochs.csv has not 16 rows"
[ "$(wc -l <"$tmp/one/cells.csv")" -eq 5 ] || fail "cells.csv has not 4 rows"
cp -R "$tmp/one/trials" "$tmp/before"
status 0 "$GAPSWEEP" run -j2 --no-report -o "$tmp/one" "$tmp/grid.yaml"
said "$tmp/err" "nothing to do"
diff -r "$tmp/before" "$tmp/one/trials" || fail "running again changed a trial"
same_tables "$tmp/one" "$tmp/two"
cmp "$tmp/grid.yaml" "$tmp/one/grid.yaml" || fail "grid.yaml is not a byte copy"
[ -z "$(find "$tmp/one" -name '*.tmp' -o -name checkpoint)" ] || fail "temp files or checkpoints are left"

# The default place is results/NAME under the current directory.
(cd "$tmp" && status 0 "$GAPSWEEP" run -q --no-report grid.yaml && [ ! -s err ]) || fail "default directory, or -q"
same_tables "$tmp/one" "$tmp/results/grid"

# In parts: the chosen trials, then the rest.
status 0 "$GAPSWEEP" run --trials 0,3-5 --no-report -o "$tmp/parts" "$tmp/grid.yaml"
[ "$(find "$tmp/parts/trials" -name result.json | wc -l)" -eq 4 ] || fail "--trials ran another number of trials"
status 0 "$GAPSWEEP" plan -o "$tmp/parts" "$tmp/grid.yaml"
said "$tmp/out" "4 finished"
said "$tmp/out" "4 to run"
status 0 "$GAPSWEEP" run --no-report -o "$tmp/parts" "$tmp/grid.yaml"
same_tables "$tmp/one" "$tmp/parts"

# Growing the grid runs only what is new; a lost result is run again.
sed 's/\[0, 0.1\]/[0, 0.05, 0.1]/' "$tmp/grid.yaml" >"$tmp/more.yaml"
status 0 "$GAPSWEEP" run --no-report -o "$tmp/parts" "$tmp/more.yaml"
said "$tmp/err" "4 trials to run, 8 finished before"
for result in "$tmp"/one/trials/*/result.json; do
	echo '{' >"$result"
	break
done
status 0 "$GAPSWEEP" run --no-report -o "$tmp/one" "$tmp/grid.yaml"
said "$tmp/err" "1 damaged trial"
said "$tmp/err" "1 trial to run, 7 finished before"
same_tables "$tmp/one" "$tmp/two"

# How far it is, from elsewhere: it writes nothing.
find "$tmp/two" -type f -exec cksum {} + | sort >"$tmp/files"
status 0 "$GAPSWEEP" status "$tmp/two"
said "$tmp/out" "8 of 8 trials ended, 100 % of the epochs; no process works on it"
said "$tmp/out" "COMPLETE  8"
status 0 "$GAPSWEEP" status --json --watch "$tmp/two"
said "$tmp/out" '"process":0,"trials":8,"epochs":16,"all_epochs":16'
find "$tmp/two" -type f -exec cksum {} + | sort | cmp - "$tmp/files" || fail "status wrote something"
status 66 "$GAPSWEEP" status "$tmp/nowhere"

# JSON: an object a trial on stdout and nothing else.
status 0 "$GAPSWEEP" run --json --no-report --trials 0-2 -o "$tmp/json" "$tmp/grid.yaml"
[ "$(grep -c '^{.*"state":"COMPLETE".*}$' "$tmp/out")" -eq 3 ] || fail "--json: $(cat "$tmp/out")"
[ "$(wc -l <"$tmp/out")" -eq 3 ] || fail "--json: something else is on stdout"

# The plan: in words, as cells, as JSON; it writes nothing.
status 0 "$GAPSWEEP" plan --cells -o "$tmp/plan" "$tmp/grid.yaml"
said "$tmp/out" "64 images of 1x8x8, 4 classes"
said "$tmp/out" "backbone_lr"
said "$tmp/out" "baseline"
said "$tmp/out" "8 to run"
[ ! -e "$tmp/plan" ] || fail "plan made a directory"
status 0 "$GAPSWEEP" plan --json "$tmp/grid.yaml"
said "$tmp/out" '"trials": 8'

# A wrong grid names the place; a missing or foreign directory is told.
sed 's/^epochs/epocs/' "$tmp/grid.yaml" >"$tmp/wrong.yaml"
status 78 "$GAPSWEEP" run -o "$tmp/wrong" "$tmp/wrong.yaml"
grep -q "^$tmp/wrong.yaml:5:1: .*epocs" "$tmp/err" || fail "no file:line:col: $(cat "$tmp/err")"
[ ! -e "$tmp/wrong" ] || fail "a wrong grid made a run directory"
status 78 "$GAPSWEEP" run --set epochs=none -o "$tmp/wrong" "$tmp/grid.yaml"
status 73 "$GAPSWEEP" run -o "$tmp" "$tmp/grid.yaml"
said "$tmp/err" "grid.yaml"
status 73 "$GAPSWEEP" run -o "$tmp/grid.yaml" "$tmp/grid.yaml"

# --set changes the trials and is remembered for reports.
status 0 "$GAPSWEEP" run --set epochs=1 --no-report -o "$tmp/set" "$tmp/grid.yaml"
[ "$(wc -l <"$tmp/set/epochs.csv")" -eq 9 ] || fail "--set epochs=1 did not give 8 epoch rows"

# A rate that diverges is a result: the sweep goes on and ends with 0.
sed 's/\[0.01, 0.1\]/[0.01, 1.0e6]/; s/^baseline.*//' "$tmp/grid.yaml" >"$tmp/far.yaml"
status 0 "$GAPSWEEP" run --no-report --set epochs=6 -o "$tmp/far" "$tmp/far.yaml"
grep -q DIVERGED "$tmp/far/trials.csv" || fail "a rate of 1e6 did not diverge"
grep -q COMPLETE "$tmp/far/trials.csv" || fail "no other trial is complete"
grep DIVERGED "$tmp/far/trials.csv" | grep -qv ',[1-6],classifier,[0-5]$' && fail "no epoch or group: $(cat "$tmp/far/trials.csv")"
for result in $(grep -l DIVERGED "$tmp"/far/trials/*/result.json); do
	said "$result" '"last_finite": {'
	said "$result" "group 'classifier' left first"
done
status 0 "$GAPSWEEP" run --no-report --set epochs=1 --set diverge_above=0.1 -o "$tmp/bound" "$tmp/grid.yaml"
[ "$(grep -c ',DIVERGED,' "$tmp/bound/trials.csv")" -eq 8 ] || fail "diverge_above=0.1 let some pass"

# A file that cannot grow (as on a full disk): 74, no empty file, and with room the same command goes on.
tiny_grid "$tmp/long.yaml" 40
(
	ulimit -f 4
	status 74 "$GAPSWEEP" run -j1 --no-report -o "$tmp/full" "$tmp/long.yaml"
)
said "$tmp/err" "epochs.csv: File too large"
[ -z "$(find "$tmp/full" -name '*.tmp' -o -name result.json -empty)" ] || fail "a full disk left half a file"
status 0 "$GAPSWEEP" run --no-report -o "$tmp/full" "$tmp/long.yaml"
status 0 "$GAPSWEEP" run --no-report -o "$tmp/room" "$tmp/long.yaml"
same_tables "$tmp/full" "$tmp/room"

# With charts, where gnuplot is.
if command -v gnuplot >/dev/null; then
	status 0 "$GAPSWEEP" run -o "$tmp/one" "$tmp/grid.yaml"
	said "$tmp/out" "$tmp/one/report.html"
	[ -s "$tmp/one/report.html" ] || fail "no report.html"
	# Nothing but diverged trials: what can be told is told.
	status 0 "$GAPSWEEP" run --set epochs=1 --set diverge_above=0.1 -o "$tmp/bound" "$tmp/grid.yaml"
	said "$tmp/bound/report.html" "DIVERGED: a loss of"
	said "$tmp/bound/report.html" "no epoch has finite figures"
fi
