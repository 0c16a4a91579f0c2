// How many of a batch's rows a worker has already, where their keys are drawn
// with a probability as k^-zipf, and what it costs to look: batches of 1,000
// distinct rows of 16 floats of a million, a row being used for so many batches
// after its own (client/row_cache.h).
//
//   build/benchmarks/row_cache_benchmark
//
// Arguments: 10 times the exponent; batches; rows that are kept. Counters, per
// batch: `used`, the share that is not pulled; `bytes`, of keys and rows that
// are; `of`, that would be without a cache.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "bench/rows/bare_rows.h"
#include "client/key_order.h"
#include "client/row_cache.h"

namespace ebb::bench {
namespace {

constexpr int64_t kRows = 1'000'000;
constexpr int64_t kBatchRows = 1000;
constexpr int32_t kWidth = 16;
constexpr int64_t kBytesPerRow = 8 + 4 * kWidth;

std::vector<std::vector<std::vector<PullRows>>> Batches(const JobPlan& plan,
                                                        double zipf) {
  RowSampler sampler(kRows, zipf, /*seed=*/1);
  std::vector<std::vector<std::vector<PullRows>>> batches(200);
  for (auto& batch : batches) {
    std::vector<uint64_t> keys;
    for (const uint64_t id : sampler.Draw(kBatchRows)) {
      keys.push_back(RowSampler::KeyOf(id));
    }
    std::vector<int32_t> places;
    batch = client::KeyOrder(plan, keys, &places).Pulls(plan);
  }
  return batches;
}

void UseAgain(benchmark::State& state) {
  JobPlan plan;
  plan.partitions = 16;
  plan.sparse_tables = {{.width = kWidth,
                         .cache_rows = state.range(2),
                         .cache_batches = state.range(1)}};
  const auto batches = Batches(plan, static_cast<double>(state.range(0)) / 10);
  const Payload answer =
      Payload::Of(std::vector<float>(kBatchRows * kWidth, 1.0f));
  client::RowCache cache(plan);
  size_t next = 0;
  for (auto _ : state) {
    const auto& batch = batches[next++ % batches.size()];
    cache.Begin(0);
    for (int32_t p = 0; p < plan.partitions; ++p) {
      client::CachedRows found = cache.Find(PartitionId(p), Term(1), batch[p]);
      std::vector<Payload> answered;
      for (const PullRows& rows : found.ask) {
        answered.push_back(answer.Sub(0, rows.keys.size() / 8 * 4 * kWidth));
      }
      benchmark::DoNotOptimize(cache.Complete(std::move(found), PartitionId(p),
                                              Term(1), 0, 0,
                                              std::move(answered)));
    }
  }
  const client::CachedRowCounts counts = cache.TakeCounts();
  const auto all = static_cast<double>(counts.used + counts.pulled);
  const auto runs = static_cast<double>(state.iterations());
  state.counters["used"] = static_cast<double>(counts.used) / all;
  state.counters["bytes"] =
      static_cast<double>(counts.pulled * kBytesPerRow) / runs;
  state.counters["of"] = all * kBytesPerRow / runs;
}
BENCHMARK(UseAgain)
    ->ArgsProduct({{0, 11}, {1, 4, 16}, {10'000, 100'000}})
    ->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace ebb::bench
