// How long a checkpoint of 16 MiB takes on the disk of the current folder, and
// how much is written for it.
//
//   build/benchmarks/rocksdb_store_benchmark
#include <benchmark/benchmark.h>
#include <stdlib.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "server/store/internal/store_test_util.h"
#include "server/store/rocksdb_store.h"
#include "tests/testing/faulty_disk.h"

namespace ebb::server {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kBlockBytes = 64 << 10;
constexpr int64_t kBlocks = 256;
constexpr int64_t kVersionsKept = 3;

int64_t BytesIn(const std::string& folder) {
  int64_t sum = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) sum += static_cast<int64_t>(entry.file_size());
  }
  return sum;
}

// Arguments: partitions; blocks of 64 KiB that change between two checkpoints.
void BM_Checkpoint(benchmark::State& state) {
  const int64_t partitions = state.range(0);
  const int64_t changed = state.range(1);
  std::string folder = "rocksdb_store_benchmark_XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) {
    state.SkipWithError("the current folder is not writable");
    return;
  }
  FaultyDisk disk;  // It counts.
  const auto pool = MakePool(kBlockBytes, 2 * kBlocks + 8);
  std::vector<Cut> cuts(partitions);
  for (Cut& cut : cuts) {
    cut.arrays["weights"] =
        MakeArray(*pool, kBlocks / partitions * kBlockBytes / 4, 1.0f);
  }
  auto store = RocksDbStore::Open({.folder = folder, .env = disk.env()});
  if (!store.ok()) {
    state.SkipWithError(store.status().ToString().c_str());
    return;
  }
  int64_t sequence = 0, bytes = 0;
  for (auto _ : state) {
    state.PauseTiming();
    for (int64_t i = 0; i < changed; ++i) {
      CutArray& weights = cuts[i % partitions].arrays["weights"];
      ChangeBlock(*pool, &weights, i / partitions);
    }
    state.ResumeTiming();
    for (int64_t p = 0; p < partitions; ++p) {
      const auto partition = static_cast<int32_t>(p);
      const auto result = (*store)->Write(Key(sequence, 1, partition), cuts[p]);
      if (!result.ok()) {
        state.SkipWithError(result.status().ToString().c_str());
        break;
      }
      bytes += result->bytes_written;
      if (sequence < kVersionsKept) continue;
      const VersionKey old[] = {Key(sequence - kVersionsKept, 1, partition)};
      (*store)->Delete(old).IgnoreError();  // The next Write would say it.
    }
    ++sequence;
  }
  store->reset();
  state.counters["MiB"] =
      benchmark::Counter(static_cast<double>(bytes) / (1 << 20),
                         benchmark::Counter::kAvgIterations);
  state.counters["written"] =  // Bytes to the disk per byte of values.
      static_cast<double>(disk.bytes_written()) / static_cast<double>(bytes);
  state.counters["folder_MiB"] =
      static_cast<double>(BytesIn(folder)) / (1 << 20);
  fs::remove_all(folder);
}
BENCHMARK(BM_Checkpoint)
    ->Args({1, 256})
    ->Args({15, 255})
    ->Args({15, 15})
    ->Unit(benchmark::kMillisecond)
    ->Iterations(40)
    ->UseRealTime();

}  // namespace
}  // namespace ebb::server
