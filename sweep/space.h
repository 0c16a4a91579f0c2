// The space of a sweep: the keys of the job file that its trials change, and
// what each of them may be.
#ifndef EBB_SWEEP_SPACE_H_
#define EBB_SWEEP_SPACE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace ebb::sweep {

// The values of one trial, as a job file has them, by key. A key whose
// condition does not hold is absent.
using Choices = std::map<std::string, std::string>;

// A key that trials change.
struct Dimension {
  enum class Kind {
    kList,     // One of `values`.
    kRange,    // A number from `low` to `high`.
    kInteger,  // A whole number from `low` to `high`.
  };
  // The key exists only in trials in which another key has one of these values.
  struct Condition {
    std::string key;
    std::vector<std::string> values;
  };

  std::string key;  // Its path: "optimizer.rate".
  Kind kind = Kind::kList;
  std::vector<std::string> values;
  double low = 0;
  double high = 0;
  bool log = false;  // Numbers are spread evenly over the logarithm.
  int steps = 0;     // So many values of a range in a grid; 0: not said.
  std::optional<Condition> when;
};

// Dimensions in the order of the file: a condition names an earlier one.
using Space = std::vector<Dimension>;

// Returns whether the trial's earlier choices let it have the key.
bool IsActive(const Dimension& dimension, const Choices& choices);

// The value at `place`, from 0 to 1, of a range: with four digits, so that
// people can read it.
std::string ValueAt(const Dimension& dimension, double place);
// The place of a value of a range, from 0 to 1. Absent: it cannot be read as a
// number.
std::optional<double> PlaceOf(const Dimension& dimension,
                              const std::string& value);

// The values that a grid tries, by the file's order. Empty: a range does not
// say `steps`, and has too many values.
std::vector<std::string> GridValues(const Dimension& dimension);

// Most trials of a sweep, and most points of a grid.
inline constexpr int64_t kMostTrials = 10'000;

// All points of the grid, each once, the last key changing fastest. Stops after
// kMostTrials + 1 points. Empty: a dimension has no GridValues.
std::vector<Choices> GridPoints(const Space& space);

// How many different trials there are; kMostTrials + 1: as many or more.
int64_t CountPoints(const Space& space);

}  // namespace ebb::sweep

#endif  // EBB_SWEEP_SPACE_H_
