#!/bin/sh
# Runs one file of specs, a C program or a Lua file, and prints a line about it, before it
# whatever a failure had to say. Called by test.sh, whose variables it uses.
set -u
spec=$1
name=$(echo "${spec#spec/}" | tr / .)
log=$RESULTS/$name.log
began=$(date +%s)

# What OpenBLAS keeps for its threads until the end counts as possibly lost.
memcheck="valgrind --quiet --error-exitcode=9 --leak-check=full
  --show-leak-kinds=definite --errors-for-leak-kinds=definite"

run_c() {
  case $MODE in
  valgrind) run="env TORUS_THREADS=1 timeout 600 $memcheck" ;;
  tsan) run="timeout 1800" ;;
  *) run="timeout 300" ;;
  esac
  $run "$BUILD/${spec%.c}" >"$log" 2>&1
  status=$?
  result=$(tail -n 1 "$log" | sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p')
}

run_lua() {
  if [ -n "$SANITIZER" ]; then
    export PATH="$RESULTS:$PATH"
    ASAN_OPTIONS="$ASAN_OPTIONS:detect_leaks=0:\
include_if_exists=$RESULTS/options.%b"
  fi
  excluded=slow
  [ -n "${SLOW:-}" ] && excluded=none
  LD_PRELOAD=$SANITIZER lua5.4 "$(command -v busted)" -o plainTerminal \
    --exclude-tags=$excluded "$spec" >"$log" 2>&1
  status=$?
  # busted: "3 successes / 0 failures / 1 error / 0 pending : 0.1 seconds"
  result=$(grep -a -E '^[0-9]+ success(es)? / [0-9]+ failures? / ' "$log" | tail -n 1 |
    awk '{ print $1, $4 + $7 }')
}

case $spec in
*.c) run_c ;;
*) run_lua ;;
esac

if [ -z "$result" ]; then
  result="0 1"
  printf '\n%s ended without a result (exit status %s)\n' "$spec" $status >>"$log"
elif [ $status -ne 0 ] && [ "${result#* }" = 0 ]; then
  result="${result% *} 1"
  printf '\n%s: exit status %s\n' "$spec" $status >>"$log"
fi
echo "$result" >"$RESULTS/$name.result"

# One write, so that the lines of several files don't mix.
{
  [ "${result#* }" = 0 ] || cat "$log"
  printf '%-48s %4s s   %s passed, %s failed\n' "${spec#spec/}" \
    "$(($(date +%s) - began))" "${result% *}" "${result#* }"
} >"$log.all"
cat "$log.all"
