#!/bin/sh
# Tests that `ebb bench` names the commit of the build, not of the last
# configuration.
#   commit_test.sh CMAKE
set -eu
script=$(dirname "$(realpath "$0")")/commit.cmake
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
commit() {
  echo "$1" >file
  git add file
  git -c user.name=a -c user.email=a@b commit -q -m "$1"
}
stamp() { "$1" "-DSOURCE=$folder/work" "-DOUT=$folder/commit.cc" -P "$script"; }
names() { grep -qF "\"$1\"" "$folder/commit.cc"; }
stamp "$1" && names unknown
mkdir work && cd work && git init -q
commit one
stamp "$1" && names "$(git rev-parse --short HEAD)"
touch -d 2001-01-01 ../commit.cc
stamp "$1" && test "$(stat -c %Y ../commit.cc)" -lt 1000000000
commit two
stamp "$1" && names "$(git rev-parse --short HEAD)"
echo three >file
stamp "$1" && names "$(git rev-parse --short HEAD)-dirty"
