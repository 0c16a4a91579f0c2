// Numbers that float32 cannot tell apart, as seconds since 1970 are: which
// columns of a table have them, and what could be subtracted to keep them.
// docs/decisions/0047-origins.md says why.
#ifndef EBB_DATA_FORMATS_LOST_DIGITS_H_
#define EBB_DATA_FORMATS_LOST_DIGITS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "absl/numeric/int128.h"
#include "data/encoding.h"

namespace ebb::data::internal {

// Looks at each number of the training data once. Not thread safe.
class LostDigits {
 public:
  enum class Kind : uint8_t { kNumber, kDays };

  // `encoding` outlives it: what it subtracts is taken into account.
  explicit LostDigits(const Encoding& encoding) : encoding_(encoding) {}

  // The number that a feature is, before its origin is subtracted. Days are of
  // a date with a time.
  void Add(size_t feature, double value, Kind kind = Kind::kNumber) {
    if (feature >= kMostFeatures) return;
    if (feature >= features_.size()) features_.resize(feature + 1);
    Feature& one = features_[feature];
    const double moved = value - encoding_.OriginOf(feature);
    const auto kept = static_cast<float>(moved);
    ++one.numbers;
    if (value < one.least) one.least = value;
    if (value > one.most) one.most = value;
    // Nothing is lost as long as all are exact.
    if (one.seen.empty() && static_cast<double>(kept) == moved) {
      one.whole = one.whole && IsWhole(value);
      return;
    }
    AddInexact(&one, value, kept, kind);
  }

  // From this size on a double may stand for several whole numbers.
  static constexpr double kLargeWhole = 0x1p53;
  // The same whole number as it is written, where it is at least as large as
  // kLargeWhole, above 0 or below. Called beside Add().
  void AddLargeWhole(size_t feature, absl::int128 number);

  // For each of the features what to subtract so that float32 keeps more of it,
  // or 0. Empty: none needs it, or the encoding has such numbers already.
  std::vector<double> Origins(int64_t features) const;

  // Says what is lost: a sentence for each column, at most six. `name` names
  // the column of a feature, and `advice` says what to do about a number.
  std::vector<std::string> Remarks(
      const std::function<std::string(size_t feature)>& name,
      const std::string& advice) const;

 private:
  static constexpr size_t kMostFeatures = size_t{1} << 16;

  struct Feature {
    double least = std::numeric_limits<double>::infinity();
    double most = -std::numeric_limits<double>::infinity();
    int64_t numbers = 0;
    int64_t collapsed = 0;  // Became the float of another number.
    double first = 0;       // The first such pair.
    double second = 0;
    bool whole = true;
    Kind kind = Kind::kNumber;
    // Numbers by their float: the last one in each slot. Empty until one is not
    // exact.
    std::vector<double> seen;
    int64_t merged = 0;  // Large whole numbers that became another's double.
    absl::int128 first_merged = 0;  // The first such pair.
    absl::int128 second_merged = 0;
    // Large whole numbers by their double, as `seen` has the others.
    std::vector<absl::int128> large;

    double spread() const { return most - least; }
  };

  static bool IsWhole(double value);
  void AddInexact(Feature* feature, double value, float kept, Kind kind);
  // The distance of neighbours among the floats that the feature's largest
  // numbers become.
  double StepOf(size_t feature) const;
  // Returns whether what collapsed is more than noise.
  bool IsLost(size_t feature) const;
  // Returns what to say of a column behind its name, or nothing.
  std::string RemarkOn(size_t feature, const std::string& advice) const;

  const Encoding& encoding_;
  std::vector<Feature> features_;
  int64_t watched_ = 0;  // Features with numbers in `seen`, or in `large`.
};

}  // namespace ebb::data::internal

#endif  // EBB_DATA_FORMATS_LOST_DIGITS_H_
