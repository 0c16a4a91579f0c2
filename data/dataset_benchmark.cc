#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "benchmark/benchmark.h"
#include "data/dataset.h"
#include "data/order.h"

namespace ebb::data {
namespace {

constexpr int64_t kExamples = 10000;
constexpr int64_t kBatch = 128;

// Batches of `data` in the order of an item, all of it over and over.
void GatherBatches(benchmark::State& state, const Dataset& data) {
  const std::vector<int64_t> order =
      *Order(1, {data.examples(), data.examples()}).Of({0, 0});
  ExampleBatch batch;
  int64_t begin = 0;
  int64_t examples = 0;
  for (auto _ : state) {
    const int64_t size = std::min(kBatch, data.examples() - begin);
    if (!data.Gather(std::span(order).subspan(begin, size), &batch).ok()) {
      return state.SkipWithError("Gather failed");
    }
    benchmark::DoNotOptimize(batch.values.data());
    examples += size;
    begin = begin + size == data.examples() ? 0 : begin + size;
  }
  state.SetItemsProcessed(examples);
}

// 784 pixels an example, as Fashion-MNIST has.
void BM_GatherBytes(benchmark::State& state) {
  std::string images("\0\0\x08\x02\0\0\x27\x10\0\0\x03\x10", 12);
  images.resize(images.size() + kExamples * 784, 'x');
  const auto data = Dataset::Load({.kind = SourceKind::kIdx,
                                   .has_labels = false,
                                   .scale = 1.0 / 255,
                                   .standardise = state.range(0) != 0,
                                   .idx = {.images = "images"}},
                                  OpenMemory({{"images", images}}));
  if (!data.ok()) return state.SkipWithError("Load failed");
  GatherBatches(state, *data);
}
BENCHMARK(BM_GatherBytes)->ArgName("standardise")->Arg(0)->Arg(1);

// 14 features an example, as a9a has.
void BM_GatherSparse(benchmark::State& state) {
  std::string text;
  for (int64_t i = 0; i < kExamples; ++i) {
    absl::StrAppend(&text, i % 2);
    for (int64_t j = 0; j < 14; ++j) {
      absl::StrAppend(&text, " ", 9 * j + i % 9 + 1, ":1");
    }
    absl::StrAppend(&text, "\n");
  }
  const auto data = Dataset::Load({.kind = SourceKind::kLibsvm, .path = "rows"},
                                  OpenMemory({{"rows", text}}));
  if (!data.ok()) return state.SkipWithError("Load failed");
  GatherBatches(state, *data);
}
BENCHMARK(BM_GatherSparse);

// 28 numbers an example, as HIGGS has.
void BM_LoadTable(benchmark::State& state) {
  std::string text;
  for (int64_t i = 0; i < kExamples; ++i) {
    for (int64_t j = 0; j < 28; ++j) {
      absl::StrAppend(&text, 0.001 * static_cast<double>(i * j % 977), ",");
    }
    absl::StrAppend(&text, i % 2, "\n");
  }
  for (auto _ : state) {
    const auto data = Dataset::Load({.kind = SourceKind::kCsv, .path = "t"},
                                    OpenMemory({{"t", text}}));
    if (!data.ok()) return state.SkipWithError("Load failed");
  }
  state.SetItemsProcessed(state.iterations() * kExamples);
  state.SetBytesProcessed(state.iterations() *
                          static_cast<int64_t>(text.size()));
}
BENCHMARK(BM_LoadTable);

std::string ClickLog() {
  std::string text;
  for (int64_t i = 0; i < kExamples; ++i) {
    absl::StrAppend(&text, i % 2);
    for (int64_t j = 0; j < 13; ++j) absl::StrAppend(&text, "\t", i * j % 977);
    for (int64_t j = 0; j < 26; ++j) {
      absl::StrAppend(&text, "\t", absl::Hex(i * j % 9973, absl::kZeroPad8));
    }
    absl::StrAppend(&text, "\n");
  }
  return text;
}

// 39 keys an example, as Criteo's logs have.
void BM_LoadClicks(benchmark::State& state) {
  const std::string text = ClickLog();
  for (auto _ : state) {
    const auto data =
        Dataset::Load({.kind = SourceKind::kCriteo, .path = "clicks"},
                      OpenMemory({{"clicks", text}}));
    if (!data.ok()) return state.SkipWithError("Load failed");
  }
  state.SetItemsProcessed(state.iterations() * kExamples);
  state.SetBytesProcessed(state.iterations() *
                          static_cast<int64_t>(text.size()));
}
BENCHMARK(BM_LoadClicks);

void BM_GatherKeyed(benchmark::State& state) {
  const auto data =
      Dataset::Load({.kind = SourceKind::kCriteo, .path = "clicks"},
                    OpenMemory({{"clicks", ClickLog()}}));
  if (!data.ok()) return state.SkipWithError("Load failed");
  GatherBatches(state, *data);
}
BENCHMARK(BM_GatherKeyed);

void BM_Order(benchmark::State& state) {
  const Order order(1, {60'000, state.range(0)});
  int32_t epoch = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(order.Of({epoch++, 0}));
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_Order)->Arg(1280)->Arg(60'000);

}  // namespace
}  // namespace ebb::data
