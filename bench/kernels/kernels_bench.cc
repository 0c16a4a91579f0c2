#include "bench/kernels/kernels_bench.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/common/limits.h"
#include "bench/common/rows.h"
#include "common/status_macros.h"
#include "ebb/v1/job.pb.h"
#include "hwy/targets.h"
#include "job/base/keys.h"
#include "job/training.h"
#include "optimizer/optimizer.h"
#include "optimizer/reference.h"
#include "optimizer/word_rules.h"

namespace ebb::bench {
namespace {

constexpr size_t kBlockFloats = (size_t{64} << 10) / sizeof(float);
constexpr double kGiga = 1e9;
constexpr float kRate = 1e-3f;
constexpr float kScale = 1.0f / 128;
constexpr float kSlotValue = 0.25f;  // Valid for every slot of every kind.

std::string InstructionSet() {
  const int64_t usable = hwy::SupportedTargets() & HWY_TARGETS;
  return hwy::TargetName(usable & -usable);  // The lowest bit is the best.
}

// One thing to measure.
struct Kernel {
  std::string name;
  int64_t bytes_per_element;
  std::function<void()> prepare;
  std::function<void()> run;
  std::function<absl::Status()> check;
};

class KernelsBench {
 public:
  explicit KernelsBench(const KernelsBenchOptions& options, size_t floats)
      : options_(options),
        size_(floats),
        weights_(floats),
        next_(floats),
        gradient_(floats),
        slots_{AlignedFloats(floats), AlignedFloats(floats)} {
    uint64_t state = options.seed;
    // Any values will do that are neither tiny nor huge.
    const auto draw = [&state] {
      state = state * 6364136223846793005u + 1442695040888963407u;
      return static_cast<float>(static_cast<int32_t>(state >> 32)) * 0x1p-31f;
    };
    std::ranges::generate(weights_.span(), draw);
    std::ranges::generate(gradient_.span(), draw);
    AddTriad();
  }

  absl::Status AddOptimizers() {
    const auto& kinds = *v1::Optimizer::Kind_descriptor();
    for (int i = 1; i < kinds.value_count(); ++i) {
      const int kind = kinds.value(i)->number();
      v1::Optimizer settings;
      settings.set_kind(static_cast<v1::Optimizer::Kind>(kind));
      settings.set_rate(kRate);
      EBB_ASSIGN_OR_RETURN(settings, job::OptimizerOf(settings));
      EBB_ASSIGN_OR_RETURN(auto optimizer, MakeOptimizer(settings));
      AddRule(job::EnumWord(kinds, kind), std::move(optimizer), settings);
    }
    AddRule("additive", MakeAdditiveRule(), {});
    return absl::OkStatus();
  }

  absl::StatusOr<KernelsReport> Measure() {
    std::vector<std::vector<double>> seconds(kernels_.size());
    // The first round warms up and is not counted.
    for (int round = -1; round < options_.rounds; ++round) {
      for (size_t k = 0; k < kernels_.size(); ++k) {
        kernels_[k].prepare();
        const double time = SecondsOf(kernels_[k].run);
        EBB_RETURN_IF_ERROR(kernels_[k].check());
        if (round >= 0) seconds[k].push_back(time);
      }
    }
    KernelsReport report;
    for (size_t k = 0; k < kernels_.size(); ++k) {
      std::vector<double> rates, triads;
      const auto bytes = [&](size_t kernel) {
        return static_cast<double>(kernels_[kernel].bytes_per_element) *
               static_cast<double>(size_);
      };
      for (size_t round = 0; round < seconds[k].size(); ++round) {
        rates.push_back(bytes(k) / seconds[k][round]);
        triads.push_back(bytes(0) / seconds[0][round]);
      }
      report.kernels.push_back(
          {.name = kernels_[k].name,
           .bytes_per_element = kernels_[k].bytes_per_element,
           .bytes_per_second = Median(rates),
           .share_of_triad = RatioOf(rates, triads)});
    }
    return report;
  }

 private:
  // STREAM (McCalpin 1995): a[i] = b[i] + s * c[i].
  void AddTriad() {
    kernels_.push_back(
        {.name = "triad",
         .bytes_per_element = 4 * sizeof(float),
         .prepare = [] {},
         .run =
             [this] {
               Triad(next_.span(), weights_.span(), gradient_.span(), kRate);
             },
         .check =
             [this] {
               for (size_t i : SampleIndices()) {
                 const double expected =
                     static_cast<double>(weights_.span()[i]) +
                     static_cast<double>(kRate) * gradient_.span()[i];
                 if (std::abs(next_.span()[i] - expected) > 1e-6) {
                   return absl::InternalError("triad computes something else");
                 }
               }
               return absl::OkStatus();
             }});
  }

  // `optimizer` is shared, because a std::function has to be copyable.
  void AddRule(const std::string& name,
               std::shared_ptr<const Optimizer> optimizer,
               const v1::Optimizer& settings) {
    const int slots = optimizer->SlotCount();
    const StepContext context = {
        .rate = kRate, .gradient_scale = kScale, .step = 10};
    kernels_.push_back(
        {.name = name,
         // w, G, the line of w' and w'; each slot twice.
         .bytes_per_element =
             static_cast<int64_t>((4 + 2 * slots) * sizeof(float)),
         .prepare =
             [this, slots] {
               for (int s = 0; s < slots; ++s) {
                 std::ranges::fill(slots_[s].span(), kSlotValue);
               }
             },
         .run = [=, this] { StepAll(*optimizer, context); },
         .check = [=, this] { return Check(name, settings, context, slots); }});
  }

  // Steps as a server does, block by block.
  void StepAll(const Optimizer& optimizer, const StepContext& context) {
    for (size_t begin = 0; begin < size_; begin += kBlockFloats) {
      const size_t count = std::min(kBlockFloats, size_ - begin);
      std::array<std::span<float>, Optimizer::kMaxSlots> slots = {
          slots_[0].span().subspan(begin, count),
          slots_[1].span().subspan(begin, count)};
      optimizer.Step(context, weights_.span().subspan(begin, count),
                     gradient_.span().subspan(begin, count),
                     next_.span().subspan(begin, count),
                     std::span(slots).first(optimizer.SlotCount()));
    }
  }

  absl::Status Check(const std::string& name, const v1::Optimizer& settings,
                     const StepContext& context, int slots) {
    for (size_t i : SampleIndices()) {
      const auto exact =
          ReferenceStep(settings, context, weights_.span()[i],
                        gradient_.span()[i], {kSlotValue, kSlotValue});
      const auto wrong = [&](absl::string_view what, float got, double want) {
        return absl::InternalError(
            absl::StrFormat("%s: %s of element %d is %.9g, but must be %.9g",
                            name, what, i, got, want));
      };
      const auto near = [](float got, double want) {
        return std::abs(got - want) <= 1e-6 * std::max(1.0, std::abs(want));
      };
      if (!near(next_.span()[i], exact.weight.value)) {
        return wrong("the weight", next_.span()[i], exact.weight.value);
      }
      for (int s = 0; s < slots; ++s) {
        if (!near(slots_[s].span()[i], exact.slots[s].value)) {
          return wrong(absl::StrCat("slot ", s), slots_[s].span()[i],
                       exact.slots[s].value);
        }
      }
    }
    return absl::OkStatus();
  }

  // Spread over the array, with its first and last element.
  std::vector<size_t> SampleIndices() const {
    std::vector<size_t> indices;
    for (size_t i = 0; i < size_; i += size_ / 61 + 1) indices.push_back(i);
    indices.push_back(size_ - 1);
    return indices;
  }

  const KernelsBenchOptions options_;
  const size_t size_;
  AlignedFloats weights_;
  AlignedFloats next_;
  AlignedFloats gradient_;
  std::array<AlignedFloats, 2> slots_;  // No rule here has an average.
  std::vector<Kernel> kernels_;         // The triad is the first.
};

}  // namespace

absl::Status KernelsBenchOptions::Validate() const {
  if (array_bytes != 0 &&
      (array_bytes < (1 << 20) || array_bytes > kMaxArrayBytes)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "array_bytes is ", array_bytes,
        "; it must be from 1 MiB to 1 GiB, or 0 to go by the cache"));
  }
  if (rounds < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("rounds is ", rounds, "; it must be at least 1"));
  }
  return absl::OkStatus();
}

absl::StatusOr<KernelsReport> MeasureKernels(
    const KernelsBenchOptions& options) {
  EBB_RETURN_IF_ERROR(options.Validate());
  int64_t bytes = options.array_bytes;
  if (bytes == 0) bytes = UncachedArrayBytes();
  bytes -= bytes % 64;
  KernelsBench bench(options, static_cast<size_t>(bytes) / sizeof(float));
  EBB_RETURN_IF_ERROR(bench.AddOptimizers());
  EBB_ASSIGN_OR_RETURN(KernelsReport report, bench.Measure());
  report.machine = MachineText();
  report.instruction_set = InstructionSet();
  report.array_bytes = bytes;
  report.rounds = options.rounds;
  report.seed = options.seed;
  return report;
}

void PrintKernelsReport(const KernelsReport& report, std::ostream& out) {
  out << report.machine << "\n"
      << "kernels for " << report.instruction_set << ", "
#ifdef NDEBUG
      << "optimized build"
#else
      << "build with assertions"
#endif
      << ", one thread, arrays of " << (report.array_bytes >> 20)
      << " MiB, medians of " << report.rounds << " interleaved rounds, seed "
      << report.seed << "\n\n"
      << absl::StrFormat("%-10s %12s %8s %9s\n", "KERNEL", "B/ELEMENT", "GB/S",
                         "OF TRIAD");
  for (const KernelResult& kernel : report.kernels) {
    const bool limit = &kernel == &report.kernels.front();
    const bool holds = kKernelBound.Allows(kernel.share_of_triad.median);
    out << absl::StrFormat("%-10s %12d %8.2f %7.0f %%  %s\n", kernel.name,
                           kernel.bytes_per_element,
                           kernel.bytes_per_second / 1e9,
                           100 * kernel.share_of_triad.median,
                           limit   ? ""
                           : holds ? "holds"
                                   : "MISSED");
  }
  out << absl::StrFormat(
      "\nCounted are all reads and writes, and the read of a line before "
      "it is overwritten. Each must reach %.0f %%.\n",
      100 * kKernelBound.value);
}

std::vector<Row> KernelRows(const KernelsReport& report) {
  std::vector<Row> rows;
  for (const KernelResult& kernel : std::span(report.kernels).subspan(1)) {
    rows.push_back({.what = kernel.name,
                    .measure = "GB/s",
                    .limit = report.kernels.front().bytes_per_second / kGiga,
                    .ours = kernel.bytes_per_second / kGiga,
                    .ratio = kernel.share_of_triad,
                    .bound = kKernelBound});
  }
  return rows;
}

void AddKernels(const KernelsReport& report, tools::Json* json) {
  (*json)["instruction_set"] = report.instruction_set;
  (*json)["array_bytes"] = report.array_bytes;
  AddRows(KernelRows(report), json);
}

int RunKernelsBench(const KernelsBenchOptions& options, std::ostream& out,
                    std::ostream& err) {
  const auto report = MeasureKernels(options);
  if (!report.ok()) {
    err << "ebb bench kernels: " << report.status().message() << "\n";
    return absl::IsInvalidArgument(report.status()) ? 2 : 1;
  }
  PrintKernelsReport(*report, out);
  return AllHold(KernelRows(*report)) ? 0 : 1;
}

}  // namespace ebb::bench
