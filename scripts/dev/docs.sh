#!/bin/sh
# The HTML reference, to build/docs, from the comments in lua/ and engine/ and
# the registry of operations. Fails on any fault of a comment or a page.
# Called by make, which has built torus.
set -eu
cd "$(dirname "$0")/../.."

build=build
pages=$build/docs-source
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# The comments themselves; what they say was written by make before.
lua5.4 scripts/dev/docs/reference.lua "$log" \
  $(find lua -name '*.lua') $(find engine -name '*.c' -o -name '*.def')

rm -rf "$pages" "$build/docs"
mkdir -p "$pages" "$build/docs"
scripts/torus scripts/dev/docs/pages.lua "$pages" "$build/docs/names.js"

# Called by its file, with the Lua that its Markdown is written for. What it says
# about the pages follows the first lines, about itself.
lua5.1 "$(command -v ldoc)" -c scripts/dev/docs/config.ld \
  -d "$PWD/$build/docs" . >"$log" 2>&1 || { cat "$log"; exit 1; }
if grep -E '^/.*:[0-9]+:' "$log" | sed "s|^$PWD/||" | grep .; then
  exit 1
fi
cp scripts/dev/docs/search.js "$build/docs"
echo "$build/docs/index.html"
