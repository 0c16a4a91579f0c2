#!/usr/bin/env bash
# precompile.sh COMPILER ARGS...: runs the compiler, and beside a precompiled
# header that it makes writes FILE.sum, which ccache takes for its content
# (CCACHE_PCH_EXTSUM): a digest of the headers' text and macros. The file itself
# names its folder, and files compiled with it in another one would not be found.
set -euo pipefail
"$@"

preprocess=()
output=
while [[ $# -gt 0 ]]; do
  case $1 in
    -o) output=$2; shift ;;
    -MT | -MF) shift ;;
    -MD | -c | -Winvalid-pch) ;;
    -Xclang) if [[ $2 == -emit-pch ]]; then shift; else preprocess+=("$1"); fi ;;
    *) preprocess+=("$1") ;;
  esac
  shift
done
if [[ $output == *.pch || $output == *.gch ]]; then
  "${preprocess[@]}" -E -dD -P | sha256sum >"$output.sum"
fi
