#!/bin/sh
# The API reference from the comments in lua/ and the registry of operations,
# to build/docs. Called by make.
set -eu
cd "$(dirname "$0")/../.."

scripts/torus scripts/dev/operations.lua build/operations.md
# Called by its file: its own first line may pick another Lua. What it says
# about the comments follows the first lines, about itself.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
lua5.4 "$(command -v ldoc)" -c scripts/dev/config.ld -d "$PWD/build/docs" . \
  >"$log" 2>&1 || { cat "$log"; exit 1; }
grep -E '^/.*:[0-9]+:' "$log" | sed "s|^$PWD/||" || true
echo "build/docs/index.html"
