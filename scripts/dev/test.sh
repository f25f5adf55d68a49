#!/bin/sh
# Runs the C specs and the Lua specs, as many files at a time as there are processors, and
# ends with one line "N passed, N failed". Called by make, which has built everything.
#
#   test.sh [--asan|--tsan|--valgrind] [REGEX]
#
# REGEX picks spec files by path, $CASES, another, tests of the C specs by name.
# SLOW=1 includes specs marked #slow; JOBS=N runs N files at a time.
set -u
cd "$(dirname "$0")/../.." || exit 2

export BUILD="${BUILD:-build}"
export MODE=plain
case ${1:-} in
--asan | --tsan | --valgrind)
  MODE=${1#--}
  shift
  ;;
esac
pattern=${1:-.}
jobs=${JOBS:-$(nproc)}

RESULTS=$(mktemp -d) || exit 1
export RESULTS
trap 'rm -rf "$RESULTS"' EXIT
trap 'exit 130' INT TERM

# An allocation too large is for the engine to refuse, not for the sanitizer.
# What was freed is kept aside, but not so much that specs of memory see it grow.
# The leak check must not look at thread-local storage of libraries that are
# unloaded when Lua ends: it crashes there.
export ASAN_OPTIONS="allocator_may_return_null=1:quarantine_size_mb=16:\
intercept_tls_get_addr=0:${ASAN_OPTIONS:-}"
export UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1:${UBSAN_OPTIONS:-}"
# A race is a failure at once.
export TSAN_OPTIONS="halt_on_error=1:${TSAN_OPTIONS:-}"

# The files share the processors, so that more threads would wait for each other: specs of
# threads ask for theirs. Races show better with more.
threads=1
if [ "$MODE" = tsan ]; then threads=3; fi
export TORUS_THREADS="${TORUS_THREADS:-$threads}"

export LUA_PATH="lua/?.lua;lua/?/init.lua;$BUILD/?.lua;./?.lua;;"
export LUA_CPATH="$BUILD/?.so;;"
export TORUS_BUILD="$BUILD"
unset LUA_PATH_5_4 LUA_CPATH_5_4 LUA_INIT LUA_INIT_5_4

# What the Lua specs load first, and whether their leaks count.
export SANITIZER=
if [ "$MODE" = asan ] || [ "$MODE" = tsan ]; then
  SANITIZER=$(${CC:-gcc} -print-file-name="lib$MODE.so")
  # Programs that specs start are not ours to find leaks in.
  for program in $(command -v gnuplot); do
    printf '#!/bin/sh\nunset LD_PRELOAD\nexec %s "$@"\n' "$program" \
      >"$RESULTS/${program##*/}"
    chmod +x "$RESULTS/${program##*/}"
  done
  # Nor in those of the system, some of which end with an error for it: of all
  # that load the sanitizer, only Lua looks for leaks.
  echo detect_leaks=1 >"$RESULTS/options.lua5.4"
fi

# Folders with long files come first, so that none of these is left for the end.
specs=$(find spec/models spec/integrate spec/tasks spec/runs spec/attack spec \
  -name '*_spec.lua' | awk '!seen[$0]++')
if [ "$MODE" = valgrind ]; then specs=; fi
{
  find spec/engine -name '*_test.c' | sort
  echo "$specs"
} | grep -E -e "$pattern" | grep . | xargs -r -n 1 -P "$jobs" scripts/dev/spec.sh

# Each file leaves "passed failed" there.
cat "$RESULTS"/*.result 2>/dev/null | awk '{ passed += $1; failed += $2 }
  END { print passed + 0 " passed, " failed + 0 " failed"
    exit failed > 0 || passed == 0 }'
