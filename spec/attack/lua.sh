#!/bin/sh
# Runs an attack written in Lua against the build in $BUILD:
#
#   lua.sh [--asan] SCRIPT [ARGUMENT...]
set -u
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
preload=
if [ "$1" = --asan ]; then
  shift
  preload=$(${CC:-gcc} -print-file-name=libasan.so)
  export ASAN_OPTIONS="allocator_may_return_null=1:quarantine_size_mb=16:\
detect_leaks=0:intercept_tls_get_addr=0:${ASAN_OPTIONS:-}"
  export UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1:${UBSAN_OPTIONS:-}"
fi
# Absolute: an attack may work in another folder.
here=$(pwd)
export TORUS_BUILD="$build"
export LUA_PATH="$here/lua/?.lua;$here/lua/?/init.lua;$here/$build/?.lua;\
$here/?.lua;;"
export LUA_CPATH="$here/$build/?.so;;"
unset LUA_PATH_5_4 LUA_CPATH_5_4 LUA_INIT LUA_INIT_5_4
LD_PRELOAD=$preload exec lua5.4 "$@"
