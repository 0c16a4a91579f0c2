#!/usr/bin/env bash
# Installs those packages of a list that this machine (Debian 12) lacks.
#   setup.sh [LIST]   packages.txt is all that the programs and ./check need
set -euo pipefail
cd "$(dirname "$0")/.."

mapfile -t wanted < <(grep -vE '^[[:space:]]*(#|$)' "${1:-packages.txt}")
if ! command -v apt-get >/dev/null; then
  echo "setup: this is no Debian: install the equivalents of these yourself:" >&2
  echo "  ${wanted[*]}" >&2
  exit 1
fi

declare -A installed=()
while read -r state package; do
  if [[ $state == ii ]]; then installed[$package]=1; fi
done < <(dpkg-query -W -f='${db:Status-Abbrev} ${Package}\n' "${wanted[@]}" \
           2>/dev/null || true)
missing=()
for package in "${wanted[@]}"; do
  if [[ -z ${installed[$package]:-} ]]; then missing+=("$package"); fi
done
if [[ ${#missing[@]} -eq 0 ]]; then exit 0; fi

as_root=()
if [[ $EUID -ne 0 ]]; then
  if ! command -v sudo >/dev/null; then
    echo "setup: ${#missing[@]} packages are missing; as root, run:" >&2
    echo "  apt-get update && apt-get install -y ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

apt() {
  tools/tell_meanwhile.sh 60 "setup: apt-get $1" \
    bash -c '"$@" >>"$0" 2>&1' "$log" \
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
    -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 "$@"
}
echo "setup: installing ${missing[*]}" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { apt update && apt install --no-install-recommends "${missing[@]}"; }; then
  tail -n 20 "$log" >&2
  echo "setup: apt-get failed (above); mend that and run this again" >&2
  exit 1
fi
echo "setup: done in $SECONDS s" >&2
