#!/bin/sh
# Fuzzes each reader for its share of the time, one after the other:
#
#   fuzz.sh SECONDS [READER...]
#
# Inputs that reach something new are kept in build/fuzz/corpus and go on from
# there the next time; found cases belong into spec/attack/corpus. Called by
# `make fuzz`, which has built everything.
set -u
cd "$(dirname "$0")/../.."
build=${BUILD:-build/fuzz}
seconds=$1
shift
[ $# -gt 0 ] || set -- png gif deflate numbers safetensors npy npz csv picture arrays \
  json configuration override log checkpoint image

export LUA_PATH="lua/?.lua;lua/?/init.lua;./?.lua;;" LUA_CPATH="$build/?.so;;"
unset LUA_PATH_5_4 LUA_CPATH_5_4 LUA_INIT LUA_INIT_5_4
export TORUS_THREADS=1
# A size too large is for the engine to refuse, not for the sanitizer. What is
# alive at the end belongs to a Lua state that is never closed.
export ASAN_OPTIONS="allocator_may_return_null=1:detect_leaks=0:\
${ASAN_OPTIONS:-}"
export UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1:${UBSAN_OPTIONS:-}"

share=$((seconds / $#))
[ "$share" -gt 0 ] || share=1
failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for reader; do
  mkdir -p "$build/corpus/$reader" "$build/found"
  case $reader in
  png | gif) known=spec/attack/corpus/picture ;;
  *) known=spec/attack/corpus/$reader ;;
  esac
  [ -d "$known" ] || known=
  # shellcheck disable=SC2086
  TORUS_READER=$reader "$build/readers" "$build/corpus/$reader" $known \
    -max_total_time="$share" -timeout=10 -rss_limit_mb=2048 -max_len=16384 \
    -print_final_stats=1 -artifact_prefix="$build/found/$reader-" \
    >"$log" 2>&1
  status=$?
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  printf '%-14s %9s inputs, %5s kept%s\n' "$reader" "${runs:-?}" \
    "$(find "$build/corpus/$reader" -type f | wc -l)" \
    "$([ $status -eq 0 ] || echo ", FAILED")"
  if [ $status -ne 0 ]; then
    failed=1
    grep -a -v -E '^(#|INFO|Base64)' "$log" | tail -n 30
  fi
done
exit $failed
