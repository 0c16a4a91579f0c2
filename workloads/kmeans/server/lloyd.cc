#include "workloads/kmeans/server/lloyd.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/status_macros.h"
#include "protocol/sealed_fields.h"

namespace ebb {

template <typename Struct, typename Visitor>
requires std::is_same_v<std::remove_const_t<Struct>, LloydOperation>
void VisitFields(Struct& operation, Visitor&& visit) {
  auto& [round, inertia, counts, ends, steady] = operation;
  visit(round, inertia, counts, ends, steady);
}

namespace {

constexpr absl::string_view kLloydMagic = "EBBK";
constexpr uint32_t kLloydVersion = 3;

// Lloyd's rounds never raise the inertia, but for this share of it, which
// rounding may.
constexpr double kRounding = 1e-6;
// Rounds without another inertia, in which clusters were empty, after which no
// other examples are looked for.
constexpr int64_t kPatience = 10;

bool IsSteady(const LloydOptions& options, double before, double now) {
  const double fall = before - now;
  return fall <= options.tolerance * before &&
         fall >= -std::max(options.tolerance, kRounding) * before;
}

// Counts are whole numbers in any case.
std::vector<int64_t> WholeNumbers(std::span<const double> numbers) {
  std::vector<int64_t> whole(numbers.size());
  std::ranges::transform(numbers, whole.begin(), [](double number) {
    constexpr auto kMost = static_cast<double>(kMostLloydExamples);
    return static_cast<int64_t>(number >= 0 ? std::min(number, kMost)
                                            : 0);  // NaN: 0.
  });
  return whole;
}

class LloydCoordinator final : public Coordinator {
 public:
  explicit LloydCoordinator(const LloydOptions& options) : options_(options) {}

  absl::StatusOr<std::string> Next(
      const RoundPlace& place, absl::string_view before,
      const std::vector<std::vector<double>>& figures) const override {
    LloydOperation last;
    if (place.round > 0) {
      EBB_ASSIGN_OR_RETURN(last, LloydOperation::Decode(before, options_));
      EBB_RETURN_IF_ERROR(CheckRoundBefore(place, last.round));
    }
    EBB_ASSIGN_OR_RETURN(const std::vector<double> sums,
                         UnpackLloydFigures(options_, figures));
    return NextLloydOperation(options_, place.round,
                              place.round > 0 ? &last : nullptr, sums)
        .Encode();
  }

  absl::StatusOr<bool> Ends(absl::string_view operation) const override {
    EBB_ASSIGN_OR_RETURN(const LloydOperation decoded,
                         LloydOperation::Decode(operation, options_));
    return decoded.ends;
  }

  std::optional<double> LossSum(absl::string_view operation) const override {
    const auto decoded = LloydOperation::Decode(operation, options_);
    if (!decoded.ok()) return std::nullopt;
    return decoded->inertia;
  }

  std::string Describe(absl::string_view operation) const override {
    const auto decoded = LloydOperation::Decode(operation, options_);
    if (!decoded.ok()) return std::string(decoded.status().message());
    std::vector<size_t> empty;
    for (size_t k = 0; k < decoded->counts.size(); ++k) {
      if (decoded->counts[k] == 0) empty.push_back(k);
    }
    constexpr size_t kMost = 10;
    const bool more = empty.size() > kMost;
    if (more) empty.resize(kMost);
    std::string text = absl::StrFormat("inertia=%.9g", decoded->inertia);
    if (!empty.empty()) {
      absl::StrAppend(&text, " empty_clusters=", absl::StrJoin(empty, ","),
                      more ? ",..." : "",
                      " (each gets an example of the next round)");
    }
    if (decoded->ends) absl::StrAppend(&text, " converged");
    return text;
  }

 private:
  const LloydOptions options_;
};

}  // namespace

absl::Status LloydOptions::Validate() const {
  if (clusters < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("clusters is ", clusters, ", not at least 1"));
  }
  if (!(std::isfinite(tolerance) && tolerance >= 0)) {
    return absl::InvalidArgumentError(
        absl::StrCat("tolerance is ", tolerance, ", not at least 0"));
  }
  return absl::OkStatus();
}

bool LloydOperation::HasEmpty() const {
  return std::ranges::count(counts, 0) > 0;
}

std::string LloydOperation::Encode() const {
  return SealFields(kLloydMagic, kLloydVersion, *this);
}

absl::StatusOr<LloydOperation> LloydOperation::Decode(
    absl::string_view bytes, const LloydOptions& options) {
  LloydOperation operation;
  EBB_RETURN_IF_ERROR(UnsealFields(
      kLloydMagic, kLloydVersion, "operation of a round", bytes,
      [&](FieldReader& read, uint32_t version) {
        if (version >= 3) return read(operation);
        std::vector<double> counts;
        read(operation.round, operation.inertia, counts, operation.ends);
        if (version == 2) read(operation.steady);
        operation.counts = WholeNumbers(counts);
      }));
  if (static_cast<int64_t>(operation.counts.size()) != options.clusters) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the operation of round ", operation.round, " is of ",
        operation.counts.size(), " clusters instead of ", options.clusters));
  }
  return operation;
}

LloydOperation NextLloydOperation(const LloydOptions& options, int64_t round,
                                  const LloydOperation* before,
                                  const std::vector<double>& figures) {
  LloydOperation next;
  next.round = round;
  next.inertia = figures[LloydFigures::kInertia];
  next.counts = WholeNumbers(std::span(figures).subspan(LloydFigures::kCounts));
  const bool steady =
      before != nullptr && IsSteady(options, before->inertia, next.inertia);
  next.steady = steady ? before->steady + 1 : 0;
  // A cluster that was empty moves to another place, which may lower the
  // inertia later. It cannot where fewer examples differ than there are
  // clusters.
  const bool settled = steady && !before->HasEmpty() && !next.HasEmpty();
  next.ends = settled || next.inertia == 0 || next.steady >= kPatience;
  return next;
}

std::unique_ptr<const Coordinator> MakeLloydCoordinator(
    const LloydOptions& options) {
  return std::make_unique<LloydCoordinator>(options);
}

void AddLloydFigures(const LloydOptions& options, const LloydRun& run,
                     std::span<double> figures) {
  const int64_t sizes = run.parameters - options.clusters;
  for (size_t i = 0; i < run.sum.size(); ++i) {
    const int64_t cluster = run.first + static_cast<int64_t>(i) - sizes;
    if (cluster >= 0) {
      figures[LloydFigures::kCounts + static_cast<size_t>(cluster)] +=
          static_cast<double>(run.sum[i]);
    }
  }
}

void PackLloydFigures(std::vector<double>* figures) {
  const auto counts = figures->begin() + LloydFigures::kCounts;
  const auto has = [](double count) { return count != 0; };
  const auto first = std::find_if(counts, figures->end(), has);
  if (first == figures->end()) {
    figures->erase(counts, figures->end());
    return;
  }
  const auto number = static_cast<double>(first - counts);
  while (figures->back() == 0) figures->pop_back();
  // In place of the counts before.
  figures->erase(counts, first);
  figures->insert(figures->begin() + LloydFigures::kCounts, number);
}

absl::StatusOr<std::vector<double>> UnpackLloydFigures(
    const LloydOptions& options,
    const std::vector<std::vector<double>>& packed) {
  constexpr size_t kFirst = LloydFigures::kCounts;
  std::vector<double> sums(LloydFigures::Count(options));
  for (size_t p = 0; p < packed.size(); ++p) {
    const std::vector<double>& one = packed[p];
    const auto clusters = static_cast<double>(options.clusters);
    const auto counts = static_cast<double>(one.size()) - kFirst - 1;
    const bool empty = one.size() == kFirst;
    if (!empty && !(one.size() > kFirst && one[kFirst] >= 0 &&
                    one[kFirst] + counts <= clusters)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "partition ", p, " measured ", one.size(), " figures, which are no ",
          "counts of ", options.clusters, " clusters"));
    }
    sums[LloydFigures::kInertia] = one[LloydFigures::kInertia];
    if (empty) continue;
    const auto first = static_cast<size_t>(one[kFirst]);
    for (size_t i = kFirst + 1; i < one.size(); ++i) {
      sums[kFirst + first + i - kFirst - 1] += one[i];
    }
  }
  return sums;
}

void ApplyLloyd(const LloydOperation& operation, const LloydRun& run,
                std::span<float> out) {
  const auto clusters = static_cast<int64_t>(operation.counts.size());
  const int64_t sizes = run.parameters - clusters;
  const int64_t features = sizes / clusters;
  for (size_t i = 0; i < out.size(); ++i) {
    const int64_t at = run.first + static_cast<int64_t>(i);
    if (at >= sizes) {
      out[i] = static_cast<float>(operation.counts[at - sizes]);
      continue;
    }
    const auto count = static_cast<double>(operation.counts[at / features]);
    out[i] = count > 0 ? static_cast<float>(run.values[i] + run.sum[i] / count)
                       : run.values[i];
  }
}

}  // namespace ebb
