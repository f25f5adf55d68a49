#!/bin/sh
# Formatting, static checks and the rules of the house. Called by make.
set -u
cd "$(dirname "$0")/../.."

failed=0
check() { # check NAME COMMAND...
  name=$1
  shift
  if "$@" >"$log" 2>&1; then
    printf '%-14s ok\n' "$name"
  else
    printf '%-14s failed\n' "$name"
    head -n 60 "$log"
    failed=1
  fi
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

c_all=$(find engine spec -name '*.[ch]' -o -name '*.inc' | sort)
c_units=$(find engine spec/engine -name '*.c' | sort)
lua_dirs=$(for d in lua scripts examples spec; do
  [ -n "$(find "$d" -name '*.lua' 2>/dev/null | head -n 1)" ] && echo "$d"
done)

# MPI is optional.
mpi=$(pkg-config --exists ompi-c && echo ompi-c)
includes="-Iengine -Ispec/support $(pkg-config --cflags-only-I \
  lua5.4 openblas stb libedit libpng zlib $mpi | sed 's/-I/-isystem /g')"
clang_check() {
  clang -fsyntax-only -std=gnu11 -fopenmp -Wall -Wextra -Werror $includes \
    $(echo "$c_units" | grep -v "${mpi:-engine/binding/mpi.c}")
}

check clang-format clang-format --dry-run -Werror $c_all
# What raises a Lua error does not return, which cppcheck cannot know; nor does
# it matter in specs. It confuses the vectors of a template's inclusions.
check cppcheck cppcheck --quiet --std=c11 --language=c -Iengine \
  -Ispec/support --enable=warning,performance,portability --inline-suppr \
  --library=posix,gnu --suppress=missingIncludeSystem \
  --suppress=invalidPointerCast --suppress=readdirCalled \
  "--suppress=ctuArrayIndex:engine/kernels/simd/*" \
  "--suppress=nullPointerRedundantCheck:engine/binding/*" \
  "--suppress=nullPointerRedundantCheck:spec/*" --error-exitcode=1 $c_units
if command -v clang >/dev/null; then check clang clang_check; fi
check luacheck luacheck --quiet --no-color --config .luacheckrc $lua_dirs
check house lua5.4 scripts/dev/house.lua
check docs scripts/dev/docs.sh
exit $failed
