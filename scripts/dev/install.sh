#!/bin/sh
# Copies torus below a prefix: the library, the launcher, scripts, examples and,
# where they are built, the HTML pages. Called by make, which has built them.
# The launcher finds its parts from its own folder: nothing is patched.
#
#   install.sh PREFIX        below $DESTDIR if that is set
#
# share/torus/manifest lists every file and every folder that was made, for
# uninstall.sh; files of an older version that this one lacks are removed.
set -eu
cd "$(dirname "$0")/../.."

build=${BUILD:-build}
prefix=${1:?usage: install.sh PREFIX}
root=${DESTDIR:-}$prefix
lua=share/lua/5.4
modules=lib/lua/5.4
manifest=$root/share/torus/manifest

list=$(mktemp)
# Also after an installation that broke off.
finish() {
  echo "file share/torus/manifest" >>"$list"
  [ ! -d "$root/share/torus" ] || LC_ALL=C sort -u "$list" >"$manifest"
  rm -f "$list" "$old"
}
old=$(mktemp)
trap finish EXIT

make_folder() { # make_folder PATH, below the prefix; . is the prefix itself
  [ -d "$root/$1" ] && return
  case $1 in
  . | */*) [ "$1" = . ] || make_folder "${1%/*}" ;;
  *) make_folder . ;;
  esac
  mkdir -p "$root/$1"
  echo "folder $1" >>"$list"
}
put() { # put MODE SOURCE TARGET, below the prefix
  make_folder "${3%/*}"
  install -m "$1" "$2" "$root/$3"
  echo "file $3" >>"$list"
}
put_all() { # put_all FOLDER TARGET NAME-PATTERN
  (cd "$1" && find . -type d | sort) | while read -r folder; do
    target=$2/${folder#./}
    files=$(find "$1/$folder" -maxdepth 1 -name "$3" -type f | sort)
    [ -n "$files" ] || continue
    make_folder "${target%/.}"
    # Names of ours have no spaces.
    install -m 644 -t "$root/$target" $files
    for file in $files; do
      echo "file ${target%/.}/${file##*/}" >>"$list"
    done
  done
}

make_folder share/torus
[ ! -e "$manifest" ] || cp "$manifest" "$old"
# Folders that an earlier installation made are still ours to remove.
grep '^folder ' "$old" >>"$list" || true

put_all lua/torus $lua/torus '*.lua'
put 644 "$build/torus/reference.lua" $lua/torus/reference.lua
for module in core environment edit mpi; do
  [ ! -e "$build/torus/$module.so" ] ||
    put 755 "$build/torus/$module.so" $modules/torus/$module.so
done
put 755 scripts/torus bin/torus
for script in scripts/*.lua; do
  put 644 "$script" "share/torus/$script"
done
put_all examples share/torus/examples '*'
for guide in README.md .github/CHANGELOG.md; do
  put 644 $guide share/doc/torus/${guide##*/}
done
[ ! -e build/docs/index.html ] ||
  put_all build/docs share/doc/torus/html '*'

# What an earlier version installed and this one lacks.
grep '^file ' "$old" | grep -vxF -f "$list" | sed 's/^file //' |
  grep -vxF share/torus/manifest | while read -r file; do
    rm -f "$root/$file"
  done
echo "Installed below $root. Try: $root/bin/torus"
