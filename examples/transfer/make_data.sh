#!/bin/sh
# Writes the data of this folder's jobs to transfer-data/, from the Debian
# package dataset-fashion-mnist.
set -e
here=$(dirname "$0")
from=${1:-/usr/share/datasets/fashion-mnist}
eight=0,1,2,3,4,6,8,9
python3 "$here/select_classes.py" "$from/train" transfer-data/eight-train $eight
python3 "$here/select_classes.py" "$from/t10k" transfer-data/eight-test $eight
python3 "$here/select_classes.py" "$from/train" transfer-data/two-train 5,7 --first 200
python3 "$here/select_classes.py" "$from/t10k" transfer-data/two-test 5,7
