#!/bin/sh
# Installs the Debian packages that a make target needs; quick and silent
# when everything is there.
#
#   setup.sh [--check] build|demo|test|lint|valgrind|coverage|docs|fuzz|
#                      programs|mpi|all
#
# mpi is what training runs on several machines need; it is optional and not among all.
#
# With --check it only says what is missing. What is needed is found out by
# looking for the thing itself, so that tools installed otherwise count.
set -u

check_only=no
if [ "${1:-}" = --check ]; then
  check_only=yes
  shift
fi
goal=${1:-all}

missing=""
need() { # need PACKAGE TEST-COMMAND...
  package=$1
  shift
  "$@" >/dev/null 2>&1 || missing="$missing $package"
}
command_exists() { command -v "$1"; }
header_exists() { echo "#include <$1>" | ${CC:-gcc} -E $2 -x c -; }
lua_module_exists() {
  lua5.4 -e "assert(package.searchpath('$1', package.path))" ||
    lua5.4 -e "assert(package.searchpath('$1', package.cpath))"
}

need_build() {
  need gcc command_exists "${CC:-gcc}"
  need libc6-dev header_exists stdlib.h ""
  need pkg-config command_exists "${PKG_CONFIG:-pkg-config}"
  need lua5.4 command_exists lua5.4
  need liblua5.4-dev pkg-config --exists lua5.4
  need libopenblas-dev pkg-config --exists openblas
  need libstb-dev header_exists stb_image_write.h -I/usr/include/stb
  need libgif-dev header_exists gif_lib.h ""
  need libpng-dev pkg-config --exists libpng
  need zlib1g-dev pkg-config --exists zlib
  need libedit-dev pkg-config --exists libedit
  # What the library itself takes when torus.save or torus.runs is used.
  need lua-dkjson lua_module_exists dkjson
  need lua-filesystem lua_module_exists lfs
}
need_demo() {
  need_build
  need lua-argparse lua_module_exists argparse
  need gnuplot-nox command_exists gnuplot
}
need_test() {
  need_demo
  need lua-busted command_exists busted
}
need_lint() {
  need_build
  need clang-format command_exists clang-format
  need cppcheck command_exists cppcheck
  need lua-check command_exists luacheck
  need_docs
}
need_valgrind() {
  need_test
  need valgrind command_exists valgrind
}
need_coverage() {
  need_test
  need gcovr command_exists gcovr
}
need_docs() {
  need_demo
  need lua-ldoc command_exists ldoc
  # LDoc's Markdown is written for this Lua.
  need lua5.1 command_exists lua5.1
  need lua-markdown lua5.1 -e 'require "markdown"'
}
has_libfuzzer() {
  echo "int LLVMFuzzerTestOneInput(const char *d, long n) { return !d && n; }" |
    clang -fsanitize=fuzzer,address -x c -o /dev/null -
}
need_fuzz() {
  need_test
  need clang command_exists clang
  need libclang-rt-dev has_libfuzzer
}
need_programs() {
  need_test
  need python3-torch /usr/bin/python3 -c "import torch, numpy"
}
need_mpi() {
  need_build
  need libopenmpi-dev pkg-config --exists ompi-c
  need openmpi-bin command_exists mpirun
}

case $goal in
build | demo | test | lint | valgrind | coverage | docs | fuzz | programs | \
  mpi)
  "need_$goal"
  ;;
all)
  need_lint
  need_valgrind
  need_coverage
  need_docs
  need_fuzz
  need_programs
  ;;
*)
  echo "setup: expected build, demo, test, lint, valgrind, coverage, docs," \
    "fuzz, programs, mpi or all, got '$goal'" >&2
  exit 2
  ;;
esac

missing=$(printf '%s\n' $missing | sort -u | tr '\n' ' ' | sed 's/^ //; s/ $//')
if [ -z "$missing" ]; then
  [ "$goal" = all ] && echo "setup: everything is there"
  exit 0
fi

give_up() {
  echo "setup: $1" >&2
  echo "setup: missing (Debian's names): $missing" >&2
  echo "setup: as root: apt-get install $missing" >&2
  exit 1
}

if [ "$check_only" = yes ]; then
  give_up "some packages are missing: run make setup"
fi
command -v apt-get >/dev/null ||
  give_up "there is no apt-get here; install these by your system's means"
as_root=""
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null ||
    give_up "installing needs root, and there is no sudo"
  as_root=sudo
fi

echo "setup: installing $missing"
apt() {
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq "$@"
}
install() {
  apt install -y --no-install-recommends -o Dpkg::Use-Pty=0 $missing
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# The package lists may be absent (a fresh container) or old.
if ! install >"$log" 2>&1; then
  if ! { apt update && install; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    give_up "apt-get could not install everything"
  fi
fi
exec "$0" --check "$goal"
