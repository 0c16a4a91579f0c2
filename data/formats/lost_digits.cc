#include "data/formats/lost_digits.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/civil_time.h"

namespace ebb::data::internal {
namespace {

// 32 KiB for a feature, and 32 MiB for all of them.
constexpr size_t kSlots = 4096;
constexpr int64_t kMostWatched = 1024;
// One number in so many must have collapsed. Fewer of many different numbers
// do so by chance.
constexpr int64_t kOneIn = 1000;
// Measured numbers with so many steps between the least and the most keep all
// that could be learnt.
constexpr double kEnoughSteps = 65536;
// An origin must make the steps this much smaller.
constexpr double kGain = 4;
constexpr double kLargest = 1e30;
constexpr size_t kMostRemarks = 6;
constexpr double kSecondsOfDay = 86400;

// The distance from a float of this size to the next.
double StepAt(double size) {
  const auto at = static_cast<float>(size);
  const float next = std::nextafter(at, std::numeric_limits<float>::infinity());
  return static_cast<double>(next) - static_cast<double>(at);
}

std::string DateText(double days) {
  const auto seconds = static_cast<int64_t>(std::llround(days * kSecondsOfDay));
  return absl::FormatCivilTime(absl::CivilSecond(1970, 1, 1) + seconds);
}

}  // namespace

bool LostDigits::IsWhole(double value) { return value == std::floor(value); }

void LostDigits::AddInexact(Feature* feature, double value, float kept,
                            Kind kind) {
  feature->whole = feature->whole && IsWhole(value);
  feature->kind = kind;
  if (feature->seen.empty()) {
    if (watched_ == kMostWatched) return;
    ++watched_;
    feature->seen.assign(kSlots, std::numeric_limits<double>::quiet_NaN());
  }
  const uint64_t hash =
      uint64_t{std::bit_cast<uint32_t>(kept)} * 0x9e3779b97f4a7c15U;
  double& before = feature->seen[hash >> 52];
  const double origin =
      encoding_.OriginOf(static_cast<size_t>(feature - features_.data()));
  if (before != value && static_cast<float>(before - origin) == kept) {
    if (feature->collapsed++ == 0) {
      feature->first = before;
      feature->second = value;
    }
  }
  before = value;
}

void LostDigits::AddLargeWhole(size_t feature, absl::int128 number) {
  if (feature >= kMostFeatures) return;
  if (feature >= features_.size()) features_.resize(feature + 1);
  Feature& one = features_[feature];
  if (one.large.empty()) {
    if (watched_ == kMostWatched) return;
    ++watched_;
    one.large.assign(kSlots, 0);  // 0 is not large.
  }
  const auto kept = static_cast<double>(number);
  const uint64_t hash = std::bit_cast<uint64_t>(kept) * 0x9e3779b97f4a7c15U;
  absl::int128& before = one.large[hash >> 52];
  if (before != number && static_cast<double>(before) == kept) {
    if (one.merged++ == 0) {
      one.first_merged = before;
      one.second_merged = number;
    }
  }
  before = number;
}

double LostDigits::StepOf(size_t feature) const {
  const Feature& one = features_[feature];
  const double origin = encoding_.OriginOf(feature);
  return StepAt(
      std::max(std::abs(one.least - origin), std::abs(one.most - origin)));
}

bool LostDigits::IsLost(size_t feature) const {
  const Feature& one = features_[feature];
  if (one.collapsed == 0 || one.collapsed * kOneIn < one.numbers) return false;
  return one.whole || one.kind == Kind::kDays ||
         one.spread() < kEnoughSteps * StepOf(feature);
}

std::vector<double> LostDigits::Origins(int64_t features) const {
  if (!encoding_.origins.empty()) return {};
  std::vector<double> origins(features_.size());
  bool any = false;
  for (size_t i = 0; i < features_.size(); ++i) {
    const Feature& one = features_[i];
    if (!IsLost(i) || StepOf(i) < kGain * StepAt(one.spread() / 2)) continue;
    // Differences from it must fit a float32, too.
    if (std::max(std::abs(one.least), std::abs(one.most)) > kLargest) continue;
    const double middle = one.least + one.spread() / 2;
    // What is whole stays so, and dates begin at midnight.
    origins[i] = one.whole || one.kind == Kind::kDays
                     ? std::floor(middle)
                     : static_cast<double>(static_cast<float>(middle));
    any = any || origins[i] != 0;
  }
  if (!any) return {};
  origins.resize(features);
  return origins;
}

std::string LostDigits::RemarkOn(size_t feature,
                                 const std::string& advice) const {
  const Feature& one = features_[feature];
  const bool days = one.kind == Kind::kDays;
  const auto text = [&](double value) {
    return days ? DateText(value) : absl::StrFormat("%.17g", value);
  };
  if (IsLost(feature)) {
    return absl::StrCat(
        " has ", text(one.first), " and ", text(one.second),
        ", which are one number to ebb: its features are float32, whose steps "
        "are ",
        days ? absl::StrFormat("%.3g s", StepOf(feature) * kSecondsOfDay)
             : absl::StrFormat("%.6g", StepOf(feature)),
        " there. ",
        days ? "If it matters, split the date into two columns" : advice);
  }
  if (one.merged > 0 && one.merged * kOneIn >= one.numbers) {
    const auto size = std::abs(static_cast<double>(one.first_merged));
    const double next =
        std::nextafter(size, std::numeric_limits<double>::infinity());
    std::ostringstream both;
    both << one.first_merged << " and " << one.second_merged;
    return absl::StrCat(
        " has ", both.str(),
        ", which are one number to ebb: it reads numbers as float64, whose "
        "steps are ",
        absl::StrFormat("%.6g", next - size), " there. ", advice);
  }
  const double origin = encoding_.OriginOf(feature);
  if (origin == 0) return "";
  return absl::StrCat(" is counted from ", text(origin),
                      " on, as float32 would lose the last digits otherwise");
}

std::vector<std::string> LostDigits::Remarks(
    const std::function<std::string(size_t feature)>& name,
    const std::string& advice) const {
  std::vector<std::string> remarks;
  int64_t more = 0;
  for (size_t i = 0; i < features_.size(); ++i) {
    const std::string remark = RemarkOn(i, advice);
    if (remark.empty()) continue;
    if (remarks.size() + 1 < kMostRemarks) {
      remarks.push_back(absl::StrCat(name(i), remark));
    } else {
      ++more;
    }
  }
  if (more > 0) {
    remarks.push_back(absl::StrCat(
        more, more == 1 ? " more column has" : " more columns have",
        " numbers with more digits than float32 keeps"));
  }
  return remarks;
}

}  // namespace ebb::data::internal
