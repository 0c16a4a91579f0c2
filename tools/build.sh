#!/usr/bin/env bash
# Builds targets, and says how far it is and how long the rest takes, by what
# the steps took so far. It says so during a long step, too.
#   build.sh FOLDER TARGET...
set -euo pipefail
folder=$1
shift

# for_people SECONDS
for_people() {
  if (($1 > 90)); then
    echo "$((($1 + 30) / 60)) minutes"
  else
    echo "$1 seconds"
  fi
}

# tell DONE ALL SECONDS: how far it is, after at least five seconds.
told=-60
tell() {
  local -i done=$1 all=$2 seconds=$3
  # A line a minute is enough for a log.
  local -i pause=$([[ -t 2 ]] && echo 1 || echo 60)
  if ((seconds < 5 || seconds < told + pause)); then return; fi
  told=$seconds
  local text="compiling the first step"
  if ((all > 0)); then text="compiled $done of $all"; fi
  text+=", $(for_people "$seconds") so far"
  if ((done > 0)); then
    text+=", about $(for_people $((seconds * (all - done) / done))) left"
  fi
  if [[ -t 2 ]]; then printf '\r\e[K%s' "$text" >&2; else echo "$text" >&2; fi
}

# Makes room for what comes next.
clear_line() {
  if [[ -t 2 ]] && ((told > 0)); then printf '\r\e[K' >&2; fi
}

NINJA_STATUS='@%f@%t@%e@' ninja -C "$folder" "$@" | {
  finished=0 all=0 seconds=0 line=
  heard=$SECONDS  # When ninja said last how long it takes.
  while true; do
    if IFS= read -r -t 1 piece; then
      line+=$piece
    elif (($? > 128)); then  # It says no more just now.
      line+=$piece
      tell "$finished" "$all" $((seconds + SECONDS - heard))
      continue
    else
      break
    fi
    if [[ $line =~ ^@([0-9]+)@([0-9]+)@([0-9]+) ]]; then
      finished=${BASH_REMATCH[1]} all=${BASH_REMATCH[2]}
      seconds=${BASH_REMATCH[3]} heard=$SECONDS
      tell "$finished" "$all" "$seconds"
    elif [[ ! $line =~ ^ninja:\ (Entering|no\ work) ]]; then
      clear_line
      printf '%s\n' "$line" >&2  # Prints what the compiler says.
    fi
    line=
  done
  clear_line
}
