#!/bin/sh
# Removes what install.sh put below a prefix: the files of its manifest, and
# the folders that it made, unless something else has moved in.
#
#   uninstall.sh PREFIX      below $DESTDIR if that is set
set -eu

root=${DESTDIR:-}${1:?usage: uninstall.sh PREFIX}
manifest=$root/share/torus/manifest
if [ ! -e "$manifest" ]; then
  echo "uninstall: there is no $manifest: torus is not installed below $root" >&2
  exit 1
fi
list=$(mktemp)
trap 'rm -f "$list"' EXIT
cp "$manifest" "$list"

sed -n 's/^file //p' "$list" | (cd "$root" && xargs rm -f --)
# Inner folders sort after outer ones.
sed -n 's/^folder //p' "$list" | LC_ALL=C sort -r | while read -r folder; do
  [ "$folder" = . ] && path=$root || path=$root/$folder
  rmdir "$path" 2>/dev/null || true
done
echo "Removed torus from $root."
