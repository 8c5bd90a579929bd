# tiny.sh - sourced by tests/cli/*.sh: a scratch directory $tmp that goes at the end, tiny grids on made-up data, checks.
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

fail() {
	echo "FAILED: $*" >&2
	exit 1
}

# status N COMMAND... - the command ends with exit code N; its output is in $tmp/out and $tmp/err.
status() {
	want=$1
	shift
	got=0
	"$@" >"$tmp/out" 2>"$tmp/err" || got=$?
	[ "$got" -eq "$want" ] && return
	cat "$tmp/out" "$tmp/err" >&2
	fail "exit $got, expected $want: $*"
}

# said FILE TEXT - the file holds that text.
said() {
	grep -qF -- "$2" "$1" && return
	cat "$1" >&2
	fail "no '$2' in $1"
}

# same_tables DIR DIR - the compared tables are equal byte for byte.
same_tables() {
	for table in trials.csv epochs.csv cells.csv effects.csv images.csv; do
		[ -s "$1/$table" ] || fail "$1/$table is missing or empty"
		cmp "$1/$table" "$2/$table" || fail "$table of $1 and $2 differ"
	done
}

# tiny_grid FILE [EPOCHS [IMAGES]] - four cells, two seeds, a few milliseconds a trial.
tiny_grid() {
	cat >"$1" <<-END
		data:
		  train: {fake: {n: ${3:-64}, shape: [1, 8, 8], classes: 4, seed: 1}}
		  val: {fake: {n: 32, shape: [1, 8, 8], classes: 4, seed: 2}}
		model: {arch: mlp, hidden: 16}
		epochs: ${2:-2}
		batch_size: 16
		metric: {name: val_acc, goal: maximize}
		constraints: [train_eval_acc < 2]
		baseline: {backbone_lr: 0.1, classifier_lr: 0.1}
		repeats: 2
		parameters:
		  backbone_lr: [0, 0.1]
		  classifier_lr: [0.01, 0.1]
	END
}
