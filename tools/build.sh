#!/usr/bin/env bash
# Builds targets, and says how far it is and how long the rest takes, by what
# the steps took so far.
#   build.sh FOLDER TARGET...
set -euo pipefail
folder=$1
shift

# tell DONE ALL SECONDS: how far it is, after at least five seconds.
told=-60
tell() {
  local -i done=$1 all=$2 seconds=$3
  # A line a minute is enough for a log.
  local -i pause=$([[ -t 2 ]] && echo 1 || echo 60)
  if ((seconds < 5 || seconds < told + pause)); then return; fi
  told=$seconds
  local text="compiled $done of $all"
  if ((done > 0)); then
    local -i left=$((seconds * (all - done) / done))
    if ((left > 90)); then
      text+=", about $(((left + 30) / 60)) minutes left"
    else
      text+=", about $left seconds left"
    fi
  fi
  if [[ -t 2 ]]; then printf '\r\e[K%s' "$text" >&2; else echo "$text" >&2; fi
}

# Makes room for what comes next.
clear_line() {
  if [[ -t 2 ]] && ((told > 0)); then printf '\r\e[K' >&2; fi
}

NINJA_STATUS='@%f@%t@%e@' ninja -C "$folder" "$@" | {
  while IFS= read -r line; do
    if [[ $line =~ ^@([0-9]+)@([0-9]+)@([0-9]+) ]]; then
      tell "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}" "${BASH_REMATCH[3]}"
    elif [[ ! $line =~ ^ninja:\ (Entering|no\ work) ]]; then
      clear_line
      printf '%s\n' "$line" >&2  # Prints what the compiler says.
    fi
  done
  clear_line
}
