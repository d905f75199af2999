# SPDX-License-Identifier: GPL-2.0-or-later
#
# Virtlab: one guest, every way to virtualize a machine. `make help` lists what can be made.
#
# All output goes to build/ (build/san with SAN=1, build/clang with CC=clang): objects under obj/, test programs under tests/,
# the command itself as `virtlab`. The guest (kernel, programs, archive) is the same for all and stands in build/guest.

# ---- what to build with ----
ifeq ($(origin CC),default)
CC := gcc
endif
SAN ?=
variant := $(if $(SAN),san)$(findstring clang,$(notdir $(CC)))
BUILD   := build$(if $(variant),/$(variant))
GUEST   := $(CURDIR)/build/guest
OUT     ?= build/results
SUITES  ?= kernel,nano,roundtrip,batching,crossover,translation,lecture# the long one last: when time is up, peers are left out

CPPFLAGS += -D_GNU_SOURCE -Iinclude -Icore -Itests
CFLAGS   ?= -O2 -g
# No frame is kept and no FP contraction made: handlers jump to each other (core/x86/insn.h), guests' sums must be exact.
override CFLAGS += -std=gnu11 -Wall -Wextra -Werror -fno-strict-aliasing -fomit-frame-pointer -ffp-contract=off
LDLIBS   += -lZydis -lunicorn -ljansson -lm -lpthread -ldl -lrt
# full/static keeps translations, and knows by the build ID that they are this program's.
override LDFLAGS += -Wl,--build-id
ifdef SAN
override CFLAGS += -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
override LDFLAGS += -fsanitize=address,undefined
endif

# ---- what to build: every .c file of a folder belongs to it ----
core_sources  := $(sort $(shell find core -name '*.c'))
bench_sources := $(sort $(wildcard bench/*.c))
test_programs := $(sort $(wildcard tests/test_*.c))
test_helpers  := $(sort $(filter-out $(test_programs),$(wildcard tests/*.c)))

core_objects  := $(core_sources:%.c=$(BUILD)/obj/%.o)
bench_objects := $(bench_sources:%.c=$(BUILD)/obj/%.o)
helper_objects := $(test_helpers:%.c=$(BUILD)/obj/%.o)
bench_parts   := $(filter-out $(BUILD)/obj/bench/main.o,$(bench_objects))
tests         := $(test_programs:tests/%.c=$(BUILD)/tests/%)
all_objects   := $(core_objects) $(bench_objects) $(helper_objects) $(test_programs:%.c=$(BUILD)/obj/%.o) $(BUILD)/obj/tests/fuzz/fuzz_cpu.o

.PHONY: all virtlab guest bench bench-quick report fuzz-cpu test test-kvm test-vmx tests doctor list labs clean help setup format check-format
.DEFAULT_GOAL := all
.SECONDARY: # objects stay

all: virtlab guest tests ## build everything: the command, the guest, the test programs

help: ## this list
	@echo 'Virtlab: one guest, every way to virtualize a machine.'
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'
	@echo
	@echo 'Options: CC=clang, SAN=1 (address and undefined-behaviour sanitizers), OUT=folder (of bench and report),'
	@echo '         SUITES=lecture,nano (of bench; make list names them), ARGS="..." (more options of virtlab bench)'

# ---- set-up: needed packages, looked for once a day and purpose ----
build/setup.%: setup.sh
	@./setup.sh $*
	@mkdir -p build && touch $@

# ---- the command ----
virtlab: $(BUILD)/virtlab ## build the command, build/virtlab

$(BUILD)/libvirtlab.a: $(core_objects)
	@rm -f $@
	@$(AR) rcs $@ $^

$(BUILD)/virtlab: $(bench_objects) $(BUILD)/libvirtlab.a
	@echo '  link  $@'
	@$(CC) $(CFLAGS) $(LDFLAGS) -rdynamic -o $@ $(bench_objects) $(BUILD)/libvirtlab.a $(LDLIBS)

$(BUILD)/obj/%.o: %.c | build/setup.build
	@mkdir -p $(@D)
	@echo '  cc    $<'
	@$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# ---- the guest ----
guest: | build/setup.build ## build the guest: kernel, programs, archive
	@$(MAKE) --no-print-directory -s -C guest BUILD=$(GUEST)

# ---- tests ----
tests: $(tests) ## build the test programs

$(BUILD)/obj/tests/%.o: | build/setup.test

$(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(helper_objects) $(bench_parts) $(BUILD)/libvirtlab.a
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(LDFLAGS) -rdynamic -o $@ $< $(helper_objects) $(bench_parts) $(BUILD)/libvirtlab.a -lcunit $(LDLIBS)

$(BUILD)/fuzz_cpu: $(BUILD)/obj/tests/fuzz/fuzz_cpu.o $(helper_objects) $(BUILD)/libvirtlab.a
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lcunit $(LDLIBS)

fuzz-cpu: $(BUILD)/fuzz_cpu ## a million random programs on this processor and the software CPU; ARGS="--programs N --seed S"
	@$(BUILD)/fuzz_cpu $(ARGS)

test: virtlab guest tests | build/setup.test ## run all tests; TESTS="name ..." runs some
	@VIRTLAB_GUEST=$(GUEST) tests/run.sh $(BUILD) $(TESTS)

test-kvm: virtlab guest tests | build/setup.test ## hwassist/kvm on a real KVM: AMD-V, emulated by QEMU (part of make test)
	@VIRTLAB_GUEST=$(GUEST) tests/run.sh $(BUILD) test_kvm

test-vmx: virtlab guest tests | build/setup.test ## the same on VT-x with EPT, emulated by Bochs: some minutes
	@VIRTLAB_GUEST=$(GUEST) tests/vmx.sh $(BUILD); status=$$?; [ $$status = 77 ] || exit $$status

# ---- measurements ----
bench: virtlab guest | build/setup.bench ## measure everything; table and plots in build/results
	@$(BUILD)/virtlab bench --suite $(SUITES) --peers auto --out $(OUT) $(ARGS)
	@python3 reports/report.py $(OUT)

bench-quick: virtlab guest | build/setup.bench ## the same in under three minutes
	@$(BUILD)/virtlab bench --suite $(SUITES) --peers auto --quick --out $(OUT) $(ARGS)
	@python3 reports/report.py $(OUT)

report: ## make tables and plots again from build/results (or OUT=folder)
	@python3 reports/report.py $(OUT)

doctor: virtlab ## what this machine can and can't do, and why
	@$(BUILD)/virtlab doctor

list: virtlab ## engines, workloads and suites
	@$(BUILD)/virtlab list

# ---- housekeeping ----
c_files := $(shell find include core bench tests guest labs -name '*.[ch]' 2>/dev/null)

format: ## format the C sources
	@clang-format -i $(c_files)

check-format: ## are the C sources formatted?
	@clang-format --dry-run --Werror $(c_files)

clean: ## remove build/
	rm -rf build

-include $(all_objects:.o=.d)
