# disturb.sh - sourced by tests/fault/*.sh after tests/tiny.sh: what disturbed runs have in common.
reference=$tmp/reference

# between A B - a random whole number from A to B.
between() {
	echo $(($1 + $(od -An -N2 -tu2 /dev/urandom) % ($2 - $1 + 1)))
}

# nap A B - sleeps a random time of A to B milliseconds.
nap() {
	sleep "$(printf '0.%03d' "$(between "$1" "$2")")"
}

# remember DIR - notes every visible result; unchanged DIR - they stand as they were.
remember() {
	find "$1/trials" -name result.json -exec cksum {} + 2>/dev/null | sort >"$tmp/visible"
}
unchanged() {
	find "$1/trials" -name result.json -exec cksum {} + 2>/dev/null | sort >"$tmp/now"
	lost=$(comm -23 "$tmp/visible" "$tmp/now" | wc -l)
	[ "$lost" -eq 0 ] || fail "$lost visible results lost or changed: $(comm -23 "$tmp/visible" "$tmp/now" | head -3)"
}

# clean DIR - no temp file and no checkpoint is left.
clean() {
	[ -z "$(find "$1" -name '*.tmp' -o -name checkpoint)" ] || fail "left over: $(find "$1" -name '*.tmp' -o -name checkpoint)"
}

# many_grid FILE REPEATS [EPOCHS] - four cells with so many seeds.
many_grid() {
	tiny_grid "$1" "${3:-2}" 32
	sed -i "s/^repeats: .*/repeats: $2/" "$1"
}

run_quietly() {
	"$GAPSWEEP" run -q -j2 --no-report "$@" >"$tmp/out" 2>"$tmp/err"
}

# resumes DIR GRID - goes on to the end, with the reference's tables.
resumes() {
	status 0 "$GAPSWEEP" run -q -j2 --no-report -o "$1" "$2"
	same_tables "$reference" "$1"
	clean "$1"
}

# needs_root - skips the whole script elsewhere.
needs_root() {
	[ "$(id -u)" -eq 0 ] && return
	echo "needs root"
	exit 77
}
