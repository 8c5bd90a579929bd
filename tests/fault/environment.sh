#!/bin/sh
# environment.sh - gnuplot that is missing, fails, dies or hangs; CPUs and threads; closed and full outputs; bad places.
set -eu
. tests/tiny.sh
. tests/disturb.sh
tiny_grid "$tmp/grid.yaml"
run_quietly -o "$reference" "$tmp/grid.yaml"

# gnuplot: the tables stand in every case, and no empty picture does.
mkdir "$tmp/bin"
status 69 env PATH="$tmp/bin" "$GAPSWEEP" report "$reference"
said "$tmp/err" "cannot run gnuplot"
[ -s "$reference/trials.csv" ] || fail "no gnuplot: no tables"
faults=1 tried=0
for body in 'exit 1' 'kill -9 $$' 'sleep 100'; do
	printf '#!/bin/sh\n%s\n' "$body" >"$tmp/bin/gnuplot"
	chmod +x "$tmp/bin/gnuplot"
	got=0
	PATH="$tmp/bin:$PATH" GAPSWEEP_GNUPLOT_TIMEOUT=1 "$GAPSWEEP" report "$reference" >"$tmp/out" 2>"$tmp/err" || got=$?
	case $got in
	0 | 1 | 69) ;;
	*) fail "gnuplot '$body' gave exit $got: $(cat "$tmp/err")" ;;
	esac
	[ -s "$reference/trials.csv" ] || fail "gnuplot '$body': no tables"
	[ -z "$(find "$reference/plots" -name '*.svg' -size 0)" ] || fail "gnuplot '$body' left an empty picture"
	faults=$((faults + 1))
done

# fonts FOLDER - reports where fontconfig has the fonts of that folder alone: every chart is made, none is empty.
fonts() {
	printf '<fontconfig><dir>%s</dir><cachedir>%s</cachedir></fontconfig>\n' "$1" "$tmp/fonts" >"$tmp/fonts.conf"
	rm -rf "$reference/plots"
	tried=$((tried + 1))
	status 0 env FONTCONFIG_FILE="$tmp/fonts.conf" "$GAPSWEEP" report "$reference"
	for svg in "$reference"/plots/*.svg; do
		[ -s "$svg" ] && [ -s "${svg%svg}png" ] || fail "no font, no chart: $svg"
	done
}
fonts "$tmp/none"
said "$tmp/err" "DejaVu Sans, is missing (fonts-dejavu-core): drawn without text"
other=$(find /usr/share/fonts /usr/share/texmf/fonts/opentype -name '*.[to]tf' ! -iname '*dejavu*' 2>/dev/null | head -n 1)
if [ -n "$other" ]; then
	mkdir "$tmp/other"
	cp "$other" "$tmp/other"
	fonts "$tmp/other"
	said "$tmp/err" "DejaVu Sans, is missing (fonts-dejavu-core): drawn with "
fi
status 0 "$GAPSWEEP" report "$reference" # the control
! grep -q 'the font' "$tmp/err" || fail "a font that is there is missed: $(cat "$tmp/err")"
echo "SUMMARY $faults faults of gnuplot, $tried of its fonts: tables, and no empty chart; control: no complaint"

# CPUs and threads: the same tables.
n=0
for setting in OMP_NUM_THREADS=0 OMP_NUM_THREADS=garbage OMP_NUM_THREADS=999 OMP_THREAD_LIMIT=1 OPENBLAS_NUM_THREADS=64 \
	LC_ALL=de_DE.UTF-8 TERM=dumb NO_COLOR=1; do
	n=$((n + 1))
	env "$setting" "$GAPSWEEP" run -q --no-report -o "$tmp/run$n" "$tmp/grid.yaml" >"$tmp/out" 2>"$tmp/err" ||
		fail "$setting gave exit $?: $(cat "$tmp/err")"
	same_tables "$reference" "$tmp/run$n"
done
taskset -c 0 "$GAPSWEEP" run --no-report -o "$tmp/one" "$tmp/grid.yaml" >"$tmp/out" 2>"$tmp/err"
said "$tmp/err" "1 at a time"
same_tables "$reference" "$tmp/one"

echo "SUMMARY $((n + 1)) settings of CPUs, threads and locale: tables equal"

# Outputs: closed ones and readers that leave are no reason to lose a sweep.
"$GAPSWEEP" run --json --no-report -o "$tmp/head" "$tmp/grid.yaml" 2>"$tmp/err" | head -1 >"$tmp/out"
same_tables "$reference" "$tmp/head"
"$GAPSWEEP" run --no-report -o "$tmp/closed" "$tmp/grid.yaml" <&- >&- 2>&- || true
same_tables "$reference" "$tmp/closed"
if grep -q "$(printf '\033')" "$tmp/err"; then
	fail "escape codes without a terminal"
fi

# Places that cannot be: 73, and the path is named.
long=$(printf 'x%.0s' $(seq 300))
ln -s "$tmp/nowhere/at/all" "$tmp/dangling"
for place in "$tmp/$long" "$tmp/dangling" "$tmp/grid.yaml/below" /proc/gapsweep; do
	status 73 "$GAPSWEEP" run -q -o "$place" "$tmp/grid.yaml"
	said "$tmp/err" "gapsweep: "
done
echo "SUMMARY closed and left outputs: tables equal; 4 places that cannot be: 73"
status 0 "$GAPSWEEP" run -q --no-report -o "$(printf '%s/n\366n-utf8' "$tmp")" "$tmp/grid.yaml"
if [ "$(id -u)" -eq 0 ] && mkdir "$tmp/ro" && mount -t tmpfs -o ro tmpfs "$tmp/ro" 2>/dev/null; then
	status 73 "$GAPSWEEP" run -q -o "$tmp/ro/run" "$tmp/grid.yaml"
	said "$tmp/err" "Read-only file system"
	umount "$tmp/ro"
fi
