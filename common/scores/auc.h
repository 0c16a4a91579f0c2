// The area under the ROC curve, from the examples one after the other.
#ifndef EBB_COMMON_SCORES_AUC_H_
#define EBB_COMMON_SCORES_AUC_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace ebb {

// The chance that an example of the second class, drawn at random, has a higher
// probability than one of the first; a tie counts half.
//
// The result is exact for up to `most_exact` examples. Beyond, the examples
// are counted in 258,049 bins of probability, whose width is at most 1/512 of
// the distance to 0 or 1, whichever is nearer; those of one bin are ties.
//
// Thread-compatible. It holds at most 4 MiB.
class Auc {
 public:
  static constexpr size_t kMostExact = size_t{1} << 20;
  explicit Auc(size_t most_exact = kMostExact) : most_exact_(most_exact) {}

  void Add(float probability, bool positive);
  // Absent: a class has no example, or a probability was not a number.
  std::optional<double> Value() const;

 private:
  struct Counts {
    int64_t positive = 0;
    int64_t negative = 0;
  };

  void Count(float probability, bool positive);
  // One entry for each probability or bin, ascending.
  std::vector<Counts> Ascending() const;

  const size_t most_exact_;
  std::vector<float> positive_, negative_;  // While the result is exact.
  std::vector<Counts> bins_;                // From then on; else empty.
  bool nan_ = false;
};

}  // namespace ebb

#endif  // EBB_COMMON_SCORES_AUC_H_
