#!/usr/bin/env bash
# Says what you can do with the programs of a build. Every line that begins with
# two blanks is a command (tests/integration/try_test.py runs them).
#   next.sh FOLDER
set -euo pipefail
build=$(realpath "$1")
sources=$(realpath "$(dirname "$0")/..")
# Debian's NumPy is for Debian's Python, and another may be first on PATH.
python=python3
chosen=
if ! PYTHONPATH=$sources/python python3 -B -c 'import ebb; ebb.run' \
    2>/dev/null; then
  python=/usr/bin/python3
  chosen=" EBB_PYTHON=$python"
fi
cat <<END

next, in any folder:

  export PATH=$build/bin:\$PATH PYTHONPATH=$build/lib/ebb/python$chosen
      once in each terminal: then \`ebb\` is found, and \`import ebb\` works in $python

  ebb generate linear houses
  printf 'model: linear\ndata: {train: {csv: houses.train.csv}, split: 0.2}\n' >houses.yaml
  ebb run houses.yaml --kill-every 1
      a table, a job file of two lines, and its training while processes are killed

  ebb run TABLE.csv
      your own table: says which two lines train on it

  ebb run SCRIPT.py --workers 3
      your own PyTorch script, with four lines changed:
      $sources/docs/python.md

  $python -c 'import ebb; print(ebb.run("houses.yaml").history[-1])'
      the same from Python, or in a notebook:
      $sources/docs/python-reference.md

The first hour, step by step: $sources/docs/tutorial.md
The guides, by question: $sources/docs/README.md
END
