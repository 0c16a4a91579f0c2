#!/usr/bin/env bash
# Runs a command, and says again and again that it goes on.
#   tell_meanwhile.sh SECONDS TEXT COMMAND...
set -euo pipefail
every=$1 text=$2
shift 2

# It ends when this script closes the other end of its input.
exec 3> >(
  while true; do
    read -r -t "$every" || (($? > 128)) || break
    echo "$text, $SECONDS seconds so far" >&2
  done
)
"$@" 3>&-
