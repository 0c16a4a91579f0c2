#!/usr/bin/env bash
# Writes the sources of tests into one file, so that the compiler reads what they
# include once. Each has all of its code in one unnamed namespace, which gets the name
# of its file here: two tests may call different things by one name.
#   join_tests.sh OUTPUT SOURCE...    SOURCE: relative to the current folder
set -euo pipefail
output=$1
shift
for source in "$@"; do
  if [[ $(grep -c '^namespace {$' "$source") != 1 ]]; then
    echo "$source: a test that is compiled with others has its code in one" \
      "unnamed namespace; else give its ebb_test() the word ALONE" >&2
    exit 1
  fi
  word=${source%.cc}
  printf '#line 1 "%s"\n' "$source"
  sed "s/^namespace {\$/namespace in_${word//[!a-z0-9]/_} {/" "$source"
done > "$output"
