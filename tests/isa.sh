#!/bin/sh
# isa.sh BUILD - whole trainings once more with the kernels that this machine has but does not choose (GAPSWEEP_ISA).
# The kernels themselves are checked for every instruction set by their own tests.
set -eu
others=
if grep -qw avx512dq /proc/cpuinfo; then
	others='avx2 baseline'
elif grep -qw avx2 /proc/cpuinfo; then
	others=baseline
fi
for isa in $others; do
	echo "GAPSWEEP_ISA=$isa:"
	GAPSWEEP_ISA=$isa tests/run.sh "$1" unit/test_train unit/test_bundle parity/test_golden
done
