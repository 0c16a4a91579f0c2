#!/bin/sh
# Writes the clicks of the jobs of this folder to transfer-data/: many of an old
# site, and few of a new one, with the same keys. Takes the `ebb` of the PATH.
set -e
mkdir -p transfer-data
ebb generate clicks transfer-data/site --rows 50500 --test-rows 5000 \
  --fields 6 --vocabulary 20,50,100 --force
head -n 50000 transfer-data/site.train.libsvm >transfer-data/old-site.libsvm
tail -n 500 transfer-data/site.train.libsvm >transfer-data/new-site.libsvm
