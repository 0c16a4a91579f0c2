// Examples per second of whole Gradient calls, on one thread and on two.
//
//   cmake --build BUILD --target models_gradient_benchmark
//   BUILD/bin/models_gradient_benchmark
//
// The main figure is fashion_mlp: 784-256-128-10, batches of 128, which takes
// about 1 MFLOP per example.
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "benchmark/benchmark.h"
#include "glog/logging.h"
#include "models/backends.h"
#include "models/eigen_backend.h"
#include "models/registry.h"

namespace ebb::models {
namespace {

// Numbers in [0, 1), of which `density` are not zero.
struct Examples {
  Examples(int64_t rows, int64_t features, int64_t classes, double density,
           bool sparse)
      : values(sparse ? 0 : rows * features), labels(rows) {
    std::mt19937 generator(1);
    std::uniform_real_distribution<float> uniform(0, 1);
    offsets.push_back(0);
    for (int64_t r = 0; r < rows; ++r) {
      labels[r] = static_cast<float>(generator() % classes);
      for (int64_t j = 0; j < features; ++j) {
        if (uniform(generator) >= density) continue;
        if (sparse) {
          columns.push_back(static_cast<int32_t>(j));
          values.push_back(uniform(generator));
        } else {
          values[r * features + j] = uniform(generator);
        }
      }
      offsets.push_back(columns.size());
    }
    batch.rows = rows;
    batch.features = features;
    batch.labels = labels;
    if (sparse) {
      batch.sparse = {offsets, columns, values};
    } else {
      batch.dense = values;
    }
  }

  std::vector<float> values, labels;
  std::vector<int64_t> offsets;
  std::vector<int32_t> columns;
  BatchView batch;
};

void RunGradient(benchmark::State& state, const std::string& backend_name,
                 const std::string& isa, int threads, ModelConfig config,
                 int64_t rows, double density, bool sparse) {
  auto backend =
      CreateBackend({.kind = backend_name, .isa = isa, .threads = threads});
  CHECK(backend.ok()) << backend.status();
  Registry registry;
  CHECK(RegisterBuiltinModels(&registry).ok());
  auto model = registry.Create(config, backend->get());
  CHECK(model.ok()) << model.status();
  const Examples examples(rows, config.features, config.classes, density,
                          sparse);
  const std::vector<float> params =
      InitialParameters((*model)->description(), 1);
  std::vector<float> grad(params.size());
  BatchStats stats;
  for (auto _ : state) {
    const absl::Status status =
        (*model)->Gradient(params, examples.batch, std::span(grad), &stats);
    CHECK(status.ok()) << status;
  }
  state.SetItemsProcessed(state.iterations() * rows);
}

void RegisterAll() {
  ModelConfig mlp;
  mlp.kind = "mlp";
  mlp.features = 784;
  mlp.classes = 10;
  mlp.layers = {784, 256, 128, 10};
  ModelConfig mlp_tanh = mlp;
  mlp_tanh.activation = "tanh";
  ModelConfig mlp_regularized = mlp;
  mlp_regularized.dropout = 0.2;
  mlp_regularized.l2 = 1e-4;
  mlp_regularized.clip_norm = 1;
  ModelConfig softmax;
  softmax.kind = "softmax";
  softmax.features = 784;
  softmax.classes = 10;
  ModelConfig logistic;
  logistic.kind = "logistic";
  logistic.features = 123;
  logistic.classes = 2;
  const auto add = [](const std::string& name, const std::string& isa,
                      const ModelConfig& config, double density, bool sparse,
                      int threads = 1, int64_t rows = 128) {
    benchmark::RegisterBenchmark(absl::StrCat(name, "/", isa).c_str(),
                                 [=](benchmark::State& state) {
                                   RunGradient(state, "eigen", isa, threads,
                                               config, rows, density, sparse);
                                 })
        ->Unit(benchmark::kMicrosecond);
  };
  for (const std::string& isa : EigenInstructionSets()) {
    add("fashion_mlp", isa, mlp, 0.5, false);
    add("fashion_mlp_tanh", isa, mlp_tanh, 0.5, false);
    add("fashion_mlp_dropout_l2_clip", isa, mlp_regularized, 0.5, false);
    add("fashion_softmax", isa, softmax, 0.5, false);
    add("a9a_logistic_sparse", isa, logistic, 0.11, true);
  }
  const std::string widest = EigenInstructionSets().back();
  for (const int64_t rows : {128, 1024}) {
    for (const int threads : {1, 2}) {
      add(absl::StrCat("fashion_mlp_rows_", rows, "_threads_", threads), widest,
          mlp, 0.5, false, threads, rows);
    }
  }
}

}  // namespace
}  // namespace ebb::models

int main(int argc, char** argv) {
  ebb::models::RegisterAll();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
