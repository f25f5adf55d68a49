# torus: `make demo` and `make test` need nothing else; `make help` lists
# the rest. Everything that is built goes to build/.

SHELL := /bin/sh
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
ifeq ($(MAKELEVEL),0)
  MAKEFLAGS += --no-print-directory --no-builtin-rules
  ifeq ($(filter -j% --jobs%,$(MAKEFLAGS)),)
    MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 2)
  endif
endif

BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
TESTS ?=

# --- tools and flags -------------------------------------------------------

ifeq ($(origin CC),default)
  CC := gcc
endif
AR ?= ar
PKG_CONFIG ?= pkg-config
pkg = $(shell $(PKG_CONFIG) $(1) $(2) 2>/dev/null)

OPTIMIZE ?= -O3
SANITIZE ?=
WARNINGS := -Wall -Wextra -Wdouble-promotion -Wconversion -Wno-sign-conversion
ifneq ($(CI),)
  WARNINGS += -Werror
endif

# System headers are not ours to warn about.
dependency_cflags := $(patsubst -I%,-isystem %,\
  $(call pkg,--cflags-only-I,openblas) $(call pkg,--cflags-only-I,stb) \
  $(call pkg,--cflags-only-I,libpng) $(call pkg,--cflags-only-I,zlib))
lua_cflags := $(patsubst -I%,-isystem %,$(call pkg,--cflags-only-I,lua5.4))
lua_libs := $(or $(call pkg,--libs,lua5.4),-llua5.4)
edit_libs := $(call pkg,--libs,libedit)
# Optional, for training runs on several machines: Open MPI, by pkg-config or by
# its compiler. MPI=no leaves it out.
MPI ?= yes
ifneq ($(MPI),no)
  MPICC ?= mpicc
  mpicc = $(shell $(MPICC) $(1) 2>/dev/null)
  mpi_cflags := $(patsubst -I%,-isystem %,$(filter -I%,\
    $(or $(call pkg,--cflags,ompi-c),$(call mpicc,--showme:compile))))
  mpi_libs := $(or $(call pkg,--libs,ompi-c),$(call mpicc,--showme:link))
endif

CFLAGS ?=
ALL_CFLAGS := -std=gnu11 $(OPTIMIZE) -g -fno-math-errno -fPIC -pthread \
  $(SANITIZE) $(CFLAGS)
# libmvec holds the vector math of glibc on x86-64.
mvec := $(if $(filter x86_64,$(shell uname -m)),-lmvec)
LIBS := $(or $(call pkg,--libs,openblas),-lopenblas) -lgif \
  $(or $(call pkg,--libs,libpng),-lpng) $(or $(call pkg,--libs,zlib),-lz) $(mvec) -lm -lpthread

# Only the luaopen functions leave a module: the engine's names stay its own.
# It is never unloaded: its threads would wake up in code that is gone when
# Lua closes its state.
MODULE_LDFLAGS := -shared -Wl,--exclude-libs,ALL -Wl,-z,nodelete

# --- what there is ---------------------------------------------------------

engine_c := $(sort $(filter-out engine/binding/%,\
  $(shell find engine -name '*.c')))
binding_c := $(sort $(filter-out engine/binding/edit.c \
  engine/binding/environment.c engine/binding/mpi.c,\
  $(wildcard engine/binding/*.c)))
edit_c := $(if $(edit_libs),$(wildcard engine/binding/edit.c))
environment_c := engine/binding/environment.c
mpi_c := $(if $(mpi_libs),engine/binding/mpi.c)
spec_c := $(sort $(shell find spec/engine -name '*_test.c' 2>/dev/null |\
  grep -E -e '$(or $(TESTS),.)'))

engine_o := $(engine_c:%.c=$(BUILD)/%.o)
binding_o := $(binding_c:%.c=$(BUILD)/%.o)
edit_o := $(edit_c:%.c=$(BUILD)/%.o)
environment_o := $(environment_c:%.c=$(BUILD)/%.o)
mpi_o := $(mpi_c:%.c=$(BUILD)/%.o)
spec_o := $(spec_c:%.c=$(BUILD)/%.o)
specs := $(spec_c:%.c=$(BUILD)/%)

# Whatever may hold documentation comments, and what reads them.
documented := $(sort $(shell find lua -name '*.lua') \
  $(shell find engine -name '*.c' -o -name '*.def'))
reference := scripts/dev/docs/reference.lua scripts/dev/docs/comments.lua

modules := $(if $(binding_c),$(BUILD)/torus/core.so) \
  $(BUILD)/torus/environment.so \
  $(if $(edit_c),$(BUILD)/torus/edit.so) $(if $(mpi_c),$(BUILD)/torus/mpi.so)

# --- for people ------------------------------------------------------------

.PHONY: all help setup demo test lint format asan valgrind coverage docs install \
  uninstall clean fuzz storm kill tsan isa programs

all:
	@scripts/dev/setup.sh --check build
	@$(MAKE) build
	@echo "Built. Next: make demo, make test, or scripts/torus for a prompt."

help:
	@echo "make            build the engine and the Lua module"
	@echo "make demo       install what is missing, build, train a small model"
	@echo "make test       install what is missing, build, run the specs"
	@echo "                TESTS=regex picks spec files, SLOW=1 adds slow specs"
	@echo "make setup      install every Debian package that a target needs"
	@echo "make lint       formatting, static checks, the layer rules, the docs"
	@echo "make format     clang-format all C sources"
	@echo "make asan       every spec under the address and UB sanitizers"
	@echo "make valgrind   the C specs under memcheck"
	@echo "make fuzz       coverage-guided fuzzing of the readers, SECONDS=60"
	@echo "make storm      random calls under the sanitizers, CALLS=100000"
	@echo "make kill       training runs, and single MPI ranks, killed at random and"
	@echo "                resumed, KILLS=20"
	@echo "make programs   random programs compared with PyTorch, PROGRAMS=1000"
	@echo "make tsan       specs of threaded code under the thread sanitizer"
	@echo "make isa        every spec under each older instruction set"
	@echo "make coverage   line coverage of the engine over the whole suite"
	@echo "make docs       the API reference, in build/docs"
	@echo "make install    install to PREFIX=$(PREFIX), under DESTDIR if given"
	@echo "make uninstall  remove what make install put there"
	@echo "make clean      remove build/"

setup:
	@scripts/dev/setup.sh all

demo:
	@scripts/dev/setup.sh demo
	@$(MAKE) build
	@scripts/torus scripts/demo.lua

test:
	@scripts/dev/setup.sh test
	@$(MAKE) build specs
	@BUILD=$(BUILD) scripts/dev/test.sh '$(TESTS)'

lint:
	@scripts/dev/setup.sh lint
	@$(MAKE) build
	@scripts/dev/lint.sh

format:
	@clang-format -i $$(find engine spec -name '*.[ch]' -o -name '*.inc')

# Each block goes back to the system at once, so that a use after free shows.
sanitize := -fsanitize=address,undefined -fno-omit-frame-pointer -DTORUS_NO_POOL
asan:
	@scripts/dev/setup.sh test
	@$(MAKE) build specs BUILD=build/asan OPTIMIZE=-O1 SANITIZE="$(sanitize)"
	@BUILD=build/asan CC="$(CC)" scripts/dev/test.sh --asan '$(TESTS)'

valgrind:
	@scripts/dev/setup.sh valgrind
	@$(MAKE) specs BUILD=build/valgrind OPTIMIZE=-O1 SANITIZE=-DTORUS_NO_POOL
	@BUILD=build/valgrind scripts/dev/test.sh --valgrind '$(TESTS)'

SECONDS ?= 60
CALLS ?= 100000
KILLS ?= 20
PROGRAMS ?= 1000
SEED ?= 1

fuzz:
	@scripts/dev/setup.sh fuzz
	@$(MAKE) build
	@$(MAKE) build/fuzz/readers BUILD=build/fuzz CC=clang OPTIMIZE=-O1 \
	  SANITIZE="$(sanitize) -fsanitize=fuzzer-no-link"
	@BUILD=build/fuzz spec/attack/fuzz.sh $(SECONDS) $(READERS)

storm:
	@scripts/dev/setup.sh test
	@$(MAKE) build BUILD=build/asan OPTIMIZE=-O1 SANITIZE="$(sanitize)"
	@BUILD=build/asan spec/attack/lua.sh --asan spec/attack/storm.lua \
	  $(CALLS) $(SEED)

kill:
	@scripts/dev/setup.sh test
	@$(MAKE) build
	@BUILD=$(BUILD) spec/attack/lua.sh spec/attack/kill.lua \
	  $(KILLS) $(SEED) $(FIRST)
	@BUILD=$(BUILD) spec/attack/lua.sh spec/attack/kill_ranks.lua $(KILLS) $(SEED)

tsan:
	@scripts/dev/setup.sh test
	@$(MAKE) build specs BUILD=build/tsan OPTIMIZE=-O1 \
	  SANITIZE="-fsanitize=thread -fno-omit-frame-pointer"
	@BUILD=build/tsan CC="$(CC)" scripts/dev/test.sh --tsan \
	  '$(or $(TESTS),threads|binding|kernels/.*_test|hamiltonian/.*_test)'

isa:
	@scripts/dev/setup.sh test
	@$(MAKE) build specs
	@for isa in portable avx2 avx512 avx512bf16; do \
	  if ! TORUS_ISA=$$isa BUILD=$(BUILD) scripts/torus -e '' 2>/dev/null; then \
	    echo "skipped: $$isa, which this machine lacks"; continue; \
	  fi; \
	  echo "TORUS_ISA=$$isa"; \
	  TORUS_ISA=$$isa BUILD=$(BUILD) scripts/dev/test.sh '$(TESTS)' || exit 1; \
	done

programs:
	@scripts/dev/setup.sh programs
	@$(MAKE) build
	@BUILD=$(BUILD) spec/attack/lua.sh spec/attack/programs.lua $(PROGRAMS) \
	  $(SEED)

coverage:
	@scripts/dev/setup.sh coverage
	@$(MAKE) build specs BUILD=build/coverage OPTIMIZE=-O1 SANITIZE=--coverage
	@BUILD=build/coverage scripts/dev/test.sh '$(TESTS)'
	@gcovr --root . --filter engine/ --object-directory build/coverage \
	  --sort-uncovered --print-summary | cut -c 1-72

docs:
	@scripts/dev/setup.sh docs
	@$(MAKE) build
	@scripts/dev/docs.sh

install:
	@scripts/dev/setup.sh --check build
	@$(MAKE) build
	@if scripts/dev/setup.sh --check docs >/dev/null 2>&1; then \
	  $(MAKE) docs; \
	else \
	  echo "Without LDoc the HTML pages are left out; make setup installs it."; \
	fi
	@BUILD=$(BUILD) DESTDIR="$(DESTDIR)" scripts/dev/install.sh "$(PREFIX)"

uninstall:
	@DESTDIR="$(DESTDIR)" scripts/dev/uninstall.sh "$(PREFIX)"

clean:
	rm -rf build

# --- for make --------------------------------------------------------------

.PHONY: build specs force
build: $(BUILD)/libtorus.a $(modules) $(BUILD)/torus/reference.lua ; @:
specs: $(specs) ; @:

# What was made by another command is stale.
commands := $(CC) $(ALL_CFLAGS) $(WARNINGS) $(MODULE_LDFLAGS) $(LIBS)
$(BUILD)/flags: force
	@mkdir -p $(BUILD)
	@echo '$(commands)' | cmp -s - $@ || echo '$(commands)' >$@

compile = @mkdir -p $(@D) && echo "  CC   $<" && \
  $(CC) $(ALL_CFLAGS) $(WARNINGS) -MMD -MP -Iengine $(dependency_cflags)

$(BUILD)/engine/binding/mpi.o: engine/binding/mpi.c $(BUILD)/flags
	$(compile) $(lua_cflags) $(mpi_cflags) -c -o $@ $<

$(BUILD)/engine/binding/%.o: engine/binding/%.c $(BUILD)/flags
	$(compile) $(lua_cflags) -c -o $@ $<

$(BUILD)/engine/%.o: engine/%.c $(BUILD)/flags
	$(compile) -c -o $@ $<

$(BUILD)/spec/attack/%.o: spec/attack/%.c $(BUILD)/flags
	$(compile) $(lua_cflags) -Wno-conversion -c -o $@ $<

# Specs compare and convert freely.
$(BUILD)/spec/%.o: spec/%.c $(BUILD)/flags
	$(compile) $(lua_cflags) -Wno-conversion -Wno-double-promotion \
	  -Ispec/support -c -o $@ $<

$(BUILD)/libtorus.a: $(engine_o)
	@echo "  AR   $@"
	@rm -f $@ && $(AR) rcs $@ $(engine_o)

link_module = @mkdir -p $(@D) && echo "  LD   $@" && \
  $(CC) $(ALL_CFLAGS) $(MODULE_LDFLAGS)

$(BUILD)/torus/core.so: $(binding_o) $(BUILD)/libtorus.a
	$(link_module) -o $@ $^ $(LIBS)

$(BUILD)/torus/environment.so: $(environment_o)
	$(link_module) -o $@ $^

$(BUILD)/torus/edit.so: $(edit_o)
	$(link_module) -o $@ $^ $(edit_libs)

$(BUILD)/torus/mpi.so: $(mpi_o)
	$(link_module) -o $@ $^ $(mpi_libs)

# libFuzzer brings its own main. No reader gets as far as the kernels, which
# are slow to build: they come from the usual build.
readers_o := $(BUILD)/spec/attack/fuzz.o $(BUILD)/spec/attack/fuzz_bytes.o \
  $(binding_o) $(filter $(BUILD)/engine/core/% $(BUILD)/engine/io/%,$(engine_o))
$(BUILD)/readers: $(readers_o) build/libtorus.a
	@echo "  LD   $@"
	@$(CC) $(ALL_CFLAGS) -fsanitize=fuzzer -o $@ $^ $(LIBS) \
	  $(call pkg,--libs,lua5.4)

# The texts of help() and of the HTML reference. Faulty comments fail the lint,
# not the build. A file that is gone counts as a change.
$(BUILD)/documented: force
	@mkdir -p $(BUILD)
	@echo '$(documented)' | cmp -s - $@ || echo '$(documented)' >$@

$(BUILD)/torus/reference.lua: $(documented) $(reference) $(BUILD)/documented
	@mkdir -p $(@D) && echo "  DOC  $@"
	@lua5.4 scripts/dev/docs/reference.lua $@ $(documented) 2>/dev/null || \
	  test -e $@

$(specs): $(BUILD)/%: $(BUILD)/%.o $(BUILD)/libtorus.a
	@echo "  LD   $@"
	@$(CC) $(ALL_CFLAGS) -o $@ $^ $(LIBS) $(spec_libs)

# Those that embed Lua load the module.
$(BUILD)/spec/engine/binding/%: spec_libs = $(lua_libs)
$(filter $(BUILD)/spec/engine/binding/%,$(specs)): | $(modules)

# Kept, or make would take them for intermediate files.
$(engine_o) $(binding_o) $(edit_o) $(environment_o) $(mpi_o) $(spec_o):

-include $(patsubst %.o,%.d,$(engine_o) $(binding_o) $(edit_o) $(environment_o) $(mpi_o) $(spec_o))
