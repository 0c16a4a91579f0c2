#!/usr/bin/env bash
# Runs clang-tidy over the sources that changed since a commit, for a bounded
# time:
#   tools/lint/tidy.sh [COMMIT] [SECONDS]    (HEAD~20, 600)
# A changed header is read through the sources beside it that bear its name.
set -euo pipefail
cd "$(dirname "$0")/../.."

base=$(git rev-parse --verify --end-of-options \
  "${1:-$(git rev-list --max-count=21 HEAD | tail -n 1)}^{commit}")
budget=${2:-600}

cmake --preset tidy --log-level=WARNING
cmake --build --preset tidy --target generated_sources >/dev/null

mapfile -t files < <(
  git diff --name-only --diff-filter=d "$base" -- '*.cc' '*.h' |
    sed -E 's/\.(cc|h)$//' | sort -u |
    while read -r stem; do
      for file in "$stem.cc" "${stem}_test.cc"; do
        if grep -q "\"file\": \".*/$file\"" build-tidy/compile_commands.json
        then echo "$file"; break; fi
      done
    done | sort -u)
echo "clang-tidy: ${#files[@]} sources changed since $base"
if [[ ${#files[@]} -eq 0 ]]; then exit 0; fi

# Sources that start after the budget is spent are passed over, and counted.
export deadline=$(($(date +%s) + budget))
tidy_one() {
  local log code=0
  if [[ $(date +%s) -ge $deadline ]]; then echo "not reached: $1"; return 0; fi
  log=$(clang-tidy -p build-tidy --quiet "$1" 2>&1) || code=$?
  if [[ $code -ne 0 ]]; then
    grep -v ' warnings\? generated\.$' <<<"$log" || true
  fi
  return "$code"
}
export -f tidy_one
printf '%s\0' "${files[@]}" |
  xargs -0 -r -n 1 -P "$(nproc)" bash -c 'tidy_one "$1"' tidy
