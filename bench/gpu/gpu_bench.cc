#include "bench/gpu/gpu_bench.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "bench/common/rows.h"
#include "common/status_macros.h"
#include "common/steady_time.h"
#include "models/config.h"
#include "models/model.h"
#include "models/registry.h"

namespace ebb::bench {
namespace {

using models::Activation;
using models::BackendArray;
using models::ComputeBackend;
using models::gpu::Gemm;

constexpr Bound kProductBound{Bound::Kind::kAtLeast, 0.95};
constexpr Bound kStepBound{Bound::Kind::kAtLeast, 0.7};

// The three matrices of a layer and of its gradient, all in [-1, 1].
class Layer {
 public:
  Layer(ComputeBackend* backend, int64_t rows, int64_t inputs, int64_t outputs)
      : m_(rows),
        k_(inputs),
        n_(outputs),
        backend_(backend),
        in_(Filled(rows * inputs)),
        weights_(Filled(inputs * outputs)),
        bias_(Filled(outputs)),
        delta_(Filled(rows * outputs)),
        weights_grad_(Filled(inputs * outputs)),
        below_(Filled(rows * inputs)) {}

  double flops() const {
    return 2.0 * static_cast<double>(m_) * static_cast<double>(k_) *
           static_cast<double>(n_);
  }
  std::vector<Gemm> Products() {
    const float *in = in_.data<float>(), *weights = weights_.data<float>();
    float* const delta = delta_.data<float>();
    return {
        Gemm::MatMul(m_, k_, n_, in, weights, delta),
        Gemm::MatMulTransA(m_, k_, n_, in, delta, weights_grad_.data<float>()),
        Gemm::MatMulTransB(m_, n_, k_, delta, weights, below_.data<float>())};
  }
  // The same by the back end: 0, 1 or 2.
  void Multiply(int which) {
    const float *in = in_.data<float>(), *weights = weights_.data<float>();
    float* const delta = delta_.data<float>();
    switch (which) {
      case 0:
        backend_->MatMulActivate(Activation::kRelu, m_, k_, n_, in, weights,
                                 bias_.data<float>(), delta);
        break;
      case 1:
        backend_->MatMulTransA(m_, k_, n_, in, delta,
                               weights_grad_.data<float>());
        break;
      default:
        backend_->MatMulTransB(m_, n_, k_, delta, weights,
                               below_.data<float>());
    }
  }
  static std::string NameOf(int which) {
    constexpr const char* kNames[] = {
        "layer, bias and ReLU", "gradient of weights", "gradient of inputs"};
    return kNames[which];
  }

 private:
  BackendArray Filled(int64_t count) {
    std::vector<float> values(count);
    for (int64_t i = 0; i < count; ++i) {
      values[i] = static_cast<float>(i * 37 % 201 - 100) / 100;
    }
    BackendArray array(backend_);
    float* const memory = array.Reserve<float>(count);
    backend_->CopyIn(values.data(), count * sizeof(float), memory);
    return array;
  }

  const int64_t m_, k_, n_;
  ComputeBackend* const backend_;
  BackendArray in_, weights_, bias_, delta_, weights_grad_, below_;
};

// Waits until all is done, and tells what went wrong.
class Clock {
 public:
  explicit Clock(ComputeBackend* backend) : backend_(backend), mark_(backend) {
    mark_.Reserve<float>(1);
  }

  // Of `times` runs.
  absl::StatusOr<double> Seconds(int64_t times,
                                 const std::function<void()>& run) {
    EBB_RETURN_IF_ERROR(Wait());
    const absl::Time start = SteadyNow();
    for (int64_t i = 0; i < times; ++i) run();
    EBB_RETURN_IF_ERROR(Wait());
    return absl::ToDoubleSeconds(SteadyNow() - start);
  }

 private:
  absl::Status Wait() {
    float value = 0;
    backend_->CopyIn(&value, sizeof(value), mark_.data<float>());
    backend_->CopyOut(mark_.data<float>(), sizeof(value), &value);
    return backend_->TakeError();
  }

  ComputeBackend* const backend_;
  BackendArray mark_;
};

// Work per second of both, in turns; each is warm.
absl::StatusOr<Row> Compare(const GpuBenchOptions& options, Clock* clock,
                            const std::string& what, const std::string& measure,
                            double work, const std::function<void()>& ours,
                            const std::function<void()>& limit,
                            std::optional<Bound> bound) {
  EBB_RETURN_IF_ERROR(options.watch.Tell(what));
  EBB_RETURN_IF_ERROR(clock->Seconds(1, ours).status());
  EBB_RETURN_IF_ERROR(clock->Seconds(1, limit).status());
  EBB_ASSIGN_OR_RETURN(const double once, clock->Seconds(1, ours));
  const auto times = static_cast<int64_t>(
      std::clamp(options.sample_seconds / std::max(once, 1e-6), 1.0, 1e5));
  std::vector<double> of_ours, of_limit;
  for (int pair = 0; pair < options.pairs; ++pair) {
    EBB_RETURN_IF_ERROR(options.watch.Tell(what, pair, options.pairs));
    EBB_ASSIGN_OR_RETURN(const double limit_seconds,
                         clock->Seconds(times, limit));
    EBB_ASSIGN_OR_RETURN(const double our_seconds, clock->Seconds(times, ours));
    const double all = work * static_cast<double>(times);
    of_limit.push_back(all / limit_seconds);
    of_ours.push_back(all / our_seconds);
  }
  return MakeRow(what, measure, of_ours, of_limit, bound);
}

// The gradient of a batch of a perceptron, from and to memory as a worker has
// it.
class Step {
 public:
  static absl::StatusOr<std::unique_ptr<Step>> Make(
      const std::vector<int64_t>& layers, int64_t rows,
      ComputeBackend* backend) {
    auto step = std::make_unique<Step>();
    EBB_RETURN_IF_ERROR(models::RegisterBuiltinModels(&step->registry_));
    models::ModelConfig config;
    config.kind = "mlp";
    config.features = layers.front();
    config.classes = layers.back();
    config.layers = layers;
    config.seed = 1;
    EBB_ASSIGN_OR_RETURN(step->model_, step->registry_.Create(config, backend));
    step->params = models::InitialParameters(step->model_->description(), 1);
    step->grad.resize(step->params.size());
    step->dense.resize(rows * config.features);
    for (size_t i = 0; i < step->dense.size(); ++i) {
      step->dense[i] =
          static_cast<float>(static_cast<int64_t>(i * 37 % 201) - 100) / 100;
    }
    step->labels_.resize(rows);
    for (int64_t r = 0; r < rows; ++r) {
      step->labels_[r] = static_cast<float>(r % config.classes);
    }
    step->batch_.rows = rows;
    step->batch_.features = config.features;
    step->batch_.dense = step->dense;
    step->batch_.labels = step->labels_;
    for (std::vector<float>* floats :
         {&step->params, &step->grad, &step->dense}) {
      step->pins_.push_back(backend->PinHost(
          floats->data(),
          static_cast<int64_t>(floats->size() * sizeof(float))));
    }
    return step;
  }

  void Run() {
    models::BatchStats stats;
    failed_.Update(model_->Gradient(params, batch_, grad, &stats));
  }
  const absl::Status& failed() const { return failed_; }

  std::vector<float> params, grad, dense;

 private:
  models::Registry registry_;
  std::unique_ptr<models::Model> model_;
  std::vector<float> labels_;
  models::BatchView batch_;
  std::vector<std::shared_ptr<void>> pins_;
  absl::Status failed_;
};

// The gradient of a batch against the products that it is made of, and against
// these with the batch's copies beside them: the roof of a machine whose device
// keeps nothing.
absl::StatusOr<std::vector<Row>> CompareStep(
    const GpuBenchOptions& options, ComputeBackend* backend, Clock* clock,
    const std::vector<std::unique_ptr<Layer>>& layers,
    const std::function<void(const Gemm&)>& multiply) {
  EBB_ASSIGN_OR_RETURN(const auto made,
                       Step::Make(options.layers, options.rows, backend));
  const auto step = [&] { made->Run(); };
  const auto products = [&] {
    for (size_t i = 0; i < layers.size(); ++i) {
      const std::vector<Gemm> all = layers[i]->Products();
      multiply(all[0]);
      multiply(all[1]);
      if (i > 0) multiply(all[2]);  // Nobody needs the gradient of examples.
    }
  };
  // Elsewhere in the device's memory, so that nothing waits for anything.
  BackendArray in(backend), out(backend);
  const auto bytes_of = [](const std::vector<float>& floats) {
    return static_cast<int64_t>(floats.size() * sizeof(float));
  };
  float* const examples_in = in.Reserve<float>(
      static_cast<int64_t>(made->dense.size() + made->params.size()));
  float* const grad_out = out.Reserve<float>(made->params.size());
  const auto roof = [&] {
    backend->BeginCopyIn(made->dense.data(), bytes_of(made->dense),
                         examples_in);
    backend->BeginCopyIn(made->params.data(), bytes_of(made->params),
                         examples_in + made->dense.size());
    backend->BeginCopyOut(grad_out, bytes_of(made->grad), made->grad.data());
    products();
    backend->FinishCopies();
  };
  const std::string name =
      absl::StrCat("gradient of ", absl::StrJoin(options.layers, "-"), ", ",
                   options.rows, " examples");
  std::vector<Row> rows;
  for (const bool copies : {false, true}) {
    EBB_ASSIGN_OR_RETURN(
        Row row, Compare(options, clock,
                         absl::StrCat(name, copies ? "; products and copies"
                                                   : "; products alone"),
                         "examples/s", static_cast<double>(options.rows), step,
                         copies ? std::function<void()>(roof) : products,
                         copies ? std::optional(kStepBound) : std::nullopt));
    rows.push_back(std::move(row));
  }
  EBB_RETURN_IF_ERROR(made->failed());
  return rows;
}

}  // namespace

absl::StatusOr<Row> MeasureGraphs(const GpuBenchOptions& options,
                                  ComputeBackend* with,
                                  ComputeBackend* without) {
  constexpr int64_t kRows = 64;
  const std::vector<int64_t> layers = {64, 64, 64, 10};
  EBB_ASSIGN_OR_RETURN(const auto ours, Step::Make(layers, kRows, with));
  EBB_ASSIGN_OR_RETURN(const auto plain, Step::Make(layers, kRows, without));
  // A step waits for all of it, so either's clock will do.
  Clock clock(with);
  EBB_ASSIGN_OR_RETURN(
      Row row,
      Compare(
          options, &clock,
          absl::StrCat("gradient of ", absl::StrJoin(layers, "-"), ", ", kRows,
                       " examples; with and without graphs"),
          "steps/s", 1, [&] { ours->Run(); }, [&] { plain->Run(); },
          std::nullopt));
  EBB_RETURN_IF_ERROR(ours->failed());
  EBB_RETURN_IF_ERROR(plain->failed());
  return row;
}

absl::StatusOr<std::vector<Row>> MeasureBackend(
    const GpuBenchOptions& options, ComputeBackend* backend,
    const std::function<void(const Gemm&)>& multiply) {
  Clock clock(backend);
  std::vector<std::unique_ptr<Layer>> layers;
  for (size_t i = 0; i + 1 < options.layers.size(); ++i) {
    layers.push_back(std::make_unique<Layer>(
        backend, options.rows, options.layers[i], options.layers[i + 1]));
  }
  EBB_RETURN_IF_ERROR(backend->TakeError());
  std::vector<Row> rows;
  for (size_t i = 0; i < layers.size(); ++i) {
    Layer* const layer = layers[i].get();
    for (int which = 0; which < 3; ++which) {
      const Gemm gemm = layer->Products()[which];
      EBB_ASSIGN_OR_RETURN(
          Row row,
          Compare(
              options, &clock,
              absl::StrCat(options.rows, " x ", options.layers[i], " x ",
                           options.layers[i + 1], ", ", Layer::NameOf(which)),
              "TFLOP/s", layer->flops() / 1e12, [&] { layer->Multiply(which); },
              [&] { multiply(gemm); }, kProductBound));
      rows.push_back(std::move(row));
    }
  }
  EBB_ASSIGN_OR_RETURN(std::vector<Row> steps,
                       CompareStep(options, backend, &clock, layers, multiply));
  std::move(steps.begin(), steps.end(), std::back_inserter(rows));
  return rows;
}

absl::StatusOr<GpuReport> MeasureGpu(const GpuBenchOptions& options) {
  GpuReport report;
  EBB_ASSIGN_OR_RETURN(const models::gpu::GpuInfo info,
                       models::gpu::FindGpu(options.gpu.device));
  report.gpu = info.name;
  EBB_ASSIGN_OR_RETURN(const models::gpu::BareGpu gpu,
                       models::gpu::MakeBareGpu(options.gpu));
  models::gpu::GpuOptions plain = options.gpu;
  plain.graphs = false;
  EBB_ASSIGN_OR_RETURN(const auto without, models::gpu::MakeGpuBackend(plain));
  EBB_ASSIGN_OR_RETURN(
      Row graphs, MeasureGraphs(options, gpu.backend.get(), without.get()));
  report.rows.push_back(std::move(graphs));
  EBB_ASSIGN_OR_RETURN(
      std::vector<Row> rows,
      MeasureBackend(options, gpu.backend.get(), gpu.multiply));
  std::move(rows.begin(), rows.end(), std::back_inserter(report.rows));
  return report;
}

std::string GpuText(const GpuReport& report) {
  std::string text =
      absl::StrCat("gpu ", report.gpu, "\n\n", RowsText(report.rows, "LIMIT"));
  for (const std::string& note : report.notes) {
    absl::StrAppend(&text, "\n", note, "\n");
  }
  return text;
}

void AddGpu(const GpuReport& report, tools::Json* json) {
  (*json)["gpu"] = report.gpu;
  AddRows(report.rows, json);
  tools::Json notes = tools::Json::List();
  for (const std::string& note : report.notes) notes.Add(note);
  (*json)["notes"] = std::move(notes);
}

}  // namespace ebb::bench
