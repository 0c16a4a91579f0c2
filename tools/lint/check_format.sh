#!/usr/bin/env bash
# Says which lines clang-format would change. To change them:
#   git ls-files '*.h' '*.cc' | xargs clang-format -i
set -euo pipefail
cd "$(dirname "$0")/../.."
python3 tools/lint/project_files.py .h .cc .cu |
  xargs -0 -n 16 -P "$(nproc)" clang-format --dry-run -Werror
