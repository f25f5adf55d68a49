#!/bin/sh
# Runs the C specs, then the Lua specs, and ends with one line
# "N passed, N failed". Called by make, which has built everything.
#
#   test.sh [--asan|--tsan|--valgrind] [REGEX]
#
# REGEX picks spec files by path, $CASES, another, tests of the C specs by name.
# SLOW=1 includes specs marked #slow.
set -u
cd "$(dirname "$0")/../.."

build=${BUILD:-build}
mode=plain
case ${1:-} in
--asan | --tsan | --valgrind)
  mode=${1#--}
  shift
  ;;
esac
pattern=${1:-.}

passed=0
failed=0
log=$(mktemp)
trap 'rm -f "$log" "$log.err"' EXIT
# Reads "N passed, N failed" from the last line; anything else is a failure.
count() { # count NAME EXIT-STATUS
  line=$(tail -n 1 "$log" | grep -a -E '^[0-9]+ passed, [0-9]+ failed$')
  p=${line%% *}
  f=${line#*, }
  f=${f%% *}
  if [ -z "$line" ]; then
    p=0
    f=1
    echo "failed: $1 ended without a result (exit status $2)"
  elif [ "$2" -ne 0 ] && [ "$f" -eq 0 ]; then
    f=1
    echo "failed: $1 (exit status $2)"
  fi
  passed=$((passed + p))
  failed=$((failed + f))
}

# An allocation too large is for the engine to refuse, not for the sanitizer.
# What was freed is kept aside, but not so much that specs of memory see it grow.
# The leak check must not look at thread-local storage of libraries that are
# unloaded when Lua ends: it crashes there.
export ASAN_OPTIONS="allocator_may_return_null=1:quarantine_size_mb=16:\
intercept_tls_get_addr=0:${ASAN_OPTIONS:-}"
export UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1:${UBSAN_OPTIONS:-}"
# A race is a failure at once; and one between more threads than processors.
export TSAN_OPTIONS="halt_on_error=1:${TSAN_OPTIONS:-}"
if [ "$mode" = tsan ]; then export TORUS_THREADS=${TORUS_THREADS:-3}; fi
# What OpenBLAS keeps for its threads until the end counts as possibly lost.
memcheck="valgrind --quiet --error-exitcode=9 --leak-check=full
  --show-leak-kinds=definite --errors-for-leak-kinds=definite"

# --- C ---
for source in $(find spec/engine -name '*_test.c' 2>/dev/null | sort |
  grep -E -e "$pattern"); do
  program=$build/${source%.c}
  case $mode in
  valgrind) run="env TORUS_THREADS=1 timeout 600 $memcheck" ;;
  tsan) run="timeout 1800" ;;
  *) run="timeout 300" ;;
  esac
  $run "$program" >"$log" 2>"$log.err"
  status=$?
  last=$(tail -n 1 "$log")
  printf '%-44s %s\n' "${source#spec/}" "$last"
  if [ $status -ne 0 ]; then cat "$log" "$log.err"; fi
  count "$source" $status
done

# --- Lua ---
# Those about memory come first: an allocation that fails collects garbage, which takes the
# longer the more specs have been loaded.
specs=$(find spec -name '*_spec.lua' | sort | grep -E -e "$pattern")
specs=$(echo "$specs" | grep memory_spec; echo "$specs" | grep -v memory_spec)
if [ "$mode" != valgrind ] && [ -n "$specs" ]; then
  export LUA_PATH="lua/?.lua;lua/?/init.lua;$build/?.lua;./?.lua;;"
  export LUA_CPATH="$build/?.so;;"
  export TORUS_BUILD="$build"
  unset LUA_PATH_5_4 LUA_CPATH_5_4 LUA_INIT LUA_INIT_5_4
  preload=""
  if [ "$mode" = asan ] || [ "$mode" = tsan ]; then
    preload=$(${CC:-gcc} -print-file-name="lib$mode.so")
    # Programs that specs start are not ours to find leaks in.
    shims=$(mktemp -d)
    for program in $(command -v gnuplot); do
      printf '#!/bin/sh\nunset LD_PRELOAD\nexec %s "$@"\n' "$program" \
        >"$shims/${program##*/}"
      chmod +x "$shims/${program##*/}"
    done
    PATH="$shims:$PATH"
    # Nor in those of the system, some of which end with an error for it: of all
    # that load the sanitizer, only Lua looks for leaks.
    echo detect_leaks=1 >"$shims/options.lua5.4"
    ASAN_OPTIONS="$ASAN_OPTIONS:detect_leaks=0:\
include_if_exists=$shims/options.%b"
  fi
  excluded=slow
  [ -n "${SLOW:-}" ] && excluded=none
  # shellcheck disable=SC2086
  LD_PRELOAD=$preload lua5.4 "$(command -v busted)" -o plainTerminal \
    --exclude-tags=$excluded $specs >"$log" 2>&1
  status=$?
  [ -n "${shims:-}" ] && rm -rf "$shims"
  cat "$log"
  # busted: "3 successes / 0 failures / 1 error / 0 pending : 0.1 seconds"
  result=$(grep -a -E '^[0-9]+ success(es)? / [0-9]+ failures? / ' "$log" |
    tail -n 1 | awk '{ print $1 " passed, " $4 + $7 " failed" }')
  echo "$result" >"$log"
  count "busted" $status
fi

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
