#!/bin/sh
# Trains a model of Fashion-MNIST, and lets four workers predict the training
# images while daemons are killed. Then it counts the predictions of each class.
#   apt-get install dataset-fashion-mnist
#   sh examples/predictions/clothes.sh
set -e
images=/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz

ebb run examples/jobs/fashion_softmax.yaml --epochs 5 \
  --run-dir clothes-run --quiet
ebb predict clothes-run "$images" --workers 4 --to clothes --kill-every 1

# Without _SUCCESS something is missing.
cat clothes/_SUCCESS
for part in clothes/part-*.csv; do
  tail -n +2 "$part"
done | cut -d, -f1 | sort -n | uniq -c
