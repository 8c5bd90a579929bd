# agreement.awk - awk -f agreement.awk reference_grid.csv cells.csv named_cells.csv: does a sweep of the default grid agree
# with the reference experiment?
#
# Compared are the clean train accuracy and the val accuracy of each of the 30 cells, means of five seeds on both sides. The
# difference of two means, of 5 and of n seeds, has a standard deviation of sqrt(1/5 + 1/n) of one seed's, so a figure lies
# in its band if it is off by at most three times that, with a floor of 0.7 points where std itself, an estimate from five,
# is too small. A band from five seeds is uncertain, so of 60 figures 3 may lie outside, but none beyond twice the band. The
# study's "before" and "after" come once more, of many seeds on our side (named_cells.csv): these four figures must all
# lie inside their narrower bands.

function fields(line, out,    n, c, quoted, i) {        # one CSV record; quoted fields may hold commas
	n = 1; out[1] = ""; quoted = 0
	sub(/\r$/, "", line)
	for (i = 1; i <= length(line); i++) {
		c = substr(line, i, 1)
		if (c == "\"") quoted = !quoted
		else if (c == "," && !quoted) out[++n] = ""
		else out[n] = out[n] c
	}
	return n
}

function header(line,    n, i, name) {
	split("", column)
	n = fields(line, name)
	for (i = 1; i <= n; i++) column[name[i]] = i
}

function get(name) {
	if (!(name in column)) { print FILENAME ": no column " name; bad = 1; exit 1 }
	return field[column[name]]
}

function cell_key(optimizer, backbone, classifier) {
	return sprintf("%s %.6g/%.6g", optimizer, backbone + 0, classifier + 0)
}

function check(what, key, n, got, mean, std,    band, off) {
	band = 3 * sqrt(1 / 5 + 1 / n) * std
	if (band < 0.007) band = 0.007
	off = (got - mean) / band
	if (off < 0) off = -off
	if (file == 2) {
		figures++
		if (off <= 1) inside++
		if (off > 2) far++
		if (off > largest) largest = off
	} else {
		named_figures++
		if (off > 1) missed++
	}
	printf "%-22s %-5s %6.2f (n = %2d)  reference %6.2f +- %5.2f  off by %5.2f bands%s\n", key, what, 100 * got, n,
		100 * mean, 100 * std, off, (off > 2 ? "  FAR" : off > 1 ? "  outside" : "")
}

FNR == 1 { file++; header($0); next }
NF == 0 { next }
{ split("", field); fields($0, field) }
file == 1 {
	key = cell_key(get("optimizer"), get("backbone_lr"), get("classifier_lr"))
	train[key] = get("train_acc_mean"); train_std[key] = get("train_acc_std")
	val[key] = get("val_acc_mean"); val_std[key] = get("val_acc_std")
}
file > 1 {
	key = cell_key(get("params_optimizer"), get("params_backbone_lr"), get("params_classifier_lr"))
	if (!(key in train)) { print key ": not a cell of the reference experiment"; strange++; next }
	if (seen[file, key]++) { print key ": twice in " FILENAME; strange++; next }
	check("train", key, get("n"), get("train_eval_acc_mean"), train[key], train_std[key])
	check("val", key, get("n"), get("val_acc_mean"), val[key], val_std[key])
}

END {
	if (bad) exit 1
	printf "%d of %d figures agree, %d beyond twice the band; largest: %.2f bands\n", inside, figures, far, largest
	if (figures != 60) print "expected 60 figures"
	if (named_figures != 4) print "expected four figures of \"before\" and \"after\""
	if (missed) print missed " of the four figures of \"before\" and \"after\" lie outside their bands"
	exit !(figures == 60 && inside >= 57 && !far && named_figures == 4 && !missed && !strange)
}
