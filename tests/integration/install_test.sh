#!/usr/bin/env bash
# Tests that what `cmake --install` leaves is enough for a user: a program of
# theirs finds the package, compiles with nothing of this tree, and trains a job
# on a cluster of the installed programs to an exact audit.
#   install_test.sh BUILD_FOLDER
set -euo pipefail
build=$1
work=$(mktemp -d)
prefix=$work/prefix
daemons=()
end() {
  if ((${#daemons[@]} > 0)); then
    { kill -9 "${daemons[@]}" && wait "${daemons[@]}"; } 2>/dev/null || true
  fi
  rm -rf "$work"
}
trap end EXIT

fail() {
  echo "install_test: $1" >&2
  tail -n 20 "$work"/*.log >&2 || true
  exit 1
}

# address FILE: what a daemon writes there once it serves.
address() {
  for ((i = 0; i < 3000; ++i)); do
    if [[ -s $1 ]]; then
      cat "$1"
      return
    fi
    sleep 0.01
  done
  return 1
}

cmake --install "$build" --prefix "$prefix" >"$work/install.log"
cmake -S "$prefix/share/doc/ebb/examples/client" -B "$work/example" \
  -DCMAKE_PREFIX_PATH="$prefix" --log-level=WARNING
cmake --build "$work/example" >"$work/compile.log" || fail "does not compile"

# Another version is refused, and not by chance.
mkdir "$work/newer"
cat >"$work/newer/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.25)
project(newer LANGUAGES NONE)
find_package(ebb 99 REQUIRED)
END
if cmake -S "$work/newer" -B "$work/newer/build" \
  -DCMAKE_PREFIX_PATH="$prefix" &>"$work/newer.log"; then
  fail "find_package(ebb 99) was content with what is installed"
fi
grep -q 'requested version "99"' "$work/newer.log" || fail "it did not say why"

cd "$work"
for ((i = 0; i < 600; ++i)); do
  echo "0.$((i % 10)),0.$((i % 7)),$((i % 10 + 2 * (i % 7)))"
done >data.csv
"$prefix/bin/ebb-scheduler" --listen 127.0.0.1:0 --state-dir scheduler \
  --min-servers 2 --address-file scheduler.address --die-with-parent $$ \
  2>scheduler.log &
daemons+=($!)
EBB_SCHEDULER=$(address scheduler.address) || fail "no scheduler"
export EBB_SCHEDULER
for id in 0 1; do
  "$prefix/bin/ebb-ps" --id $id --state-dir ps-$id --die-with-parent $$ \
    2>ps-$id.log &
  daemons+=($!)
done
"$prefix/bin/ebb" submit "$prefix/share/doc/ebb/examples/client/job.yaml" \
  --set train.item_examples=50 --set partitions=3

# Two at once share the job.
workers=()
for name in a b; do
  timeout 40 example/least_squares "$EBB_SCHEDULER" least-squares data.csv \
    >client-$name.log 2>&1 &
  workers+=($!)
done
for worker in "${workers[@]}"; do
  wait "$worker" || fail "a client failed"
done
cat client-?.log
"$prefix/bin/ebb" audit least-squares || fail "the audit is not exact"
