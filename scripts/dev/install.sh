#!/bin/sh
# Copies the library below a prefix. Called by make, which has built it.
# The launcher finds its parts from where it stands: nothing is patched.
#
#   install.sh PREFIX
set -eu
cd "$(dirname "$0")/../.."

build=${BUILD:-build}
prefix=${1:?usage: install.sh PREFIX}
lua=$prefix/share/lua/5.4
modules=$prefix/lib/lua/5.4

(cd lua && find torus -name '*.lua') | while read -r file; do
  install -D -m 644 "lua/$file" "$lua/$file"
done
for module in core edit; do
  if [ -e "$build/torus/$module.so" ]; then
    install -D -m 755 "$build/torus/$module.so" "$modules/torus/$module.so"
  fi
done
install -D -m 755 scripts/torus "$prefix/bin/torus"
echo "Installed below $prefix. Try: $prefix/bin/torus"
