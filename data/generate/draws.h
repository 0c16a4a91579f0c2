// The random numbers of one row: a function of seed, part and number of the row
// alone (docs/generate.md). So rows can be made in any order, a larger set
// begins as a smaller one does, and every machine makes the same.
#ifndef EBB_DATA_GENERATE_DRAWS_H_
#define EBB_DATA_GENERATE_DRAWS_H_

#include <cmath>
#include <cstdint>

#include "common/example_hash.h"

namespace ebb::data::generate {

// Part of every draw; the generated data changes only with it.
inline constexpr uint64_t kVersion = 1;

// The rows of each part are numbered from 0. Those of kCalibration are written
// nowhere: they settle what depends on how rows are distributed.
enum class Part { kTrain = 0, kTest = 1, kCalibration = 2 };

class Draws {
 public:
  Draws(uint64_t seed, Part part, int64_t row)
      : stream_(HashAppend(0, kDomain)) {
    for (const uint64_t word : {kVersion, seed, static_cast<uint64_t>(part),
                                static_cast<uint64_t>(row)}) {
      stream_ = HashAppend(stream_, word);
    }
  }

  uint64_t Next() { return HashAppend(stream_, next_++); }
  // Evenly in [0, 1).
  double Uniform() { return UnitOf(Next()); }
  // Evenly in [0, n), for n up to 2^31.
  int64_t Below(int64_t n) {
    return static_cast<int64_t>(Uniform() * static_cast<double>(n));
  }
  // With mean 0 and variance 1: the sum of twelve numbers, as initial values
  // have it (common/initializer.h); never beyond 6.
  double Normal() {
    constexpr int64_t kMean = 12 * 65535 / 2;
    int64_t sum = -kMean;
    for (int word = 0; word < 3; ++word) {
      const uint64_t bits = Next();
      sum += static_cast<int64_t>((bits & 0xffff) + (bits >> 16 & 0xffff) +
                                  (bits >> 32 & 0xffff) + (bits >> 48));
    }
    return static_cast<double>(sum) * 0x1p-16;
  }

 private:
  static constexpr uint64_t kDomain = 0x67656e6572617465;  // "generate"
  uint64_t stream_;
  uint64_t next_ = 0;
};

}  // namespace ebb::data::generate

#endif  // EBB_DATA_GENERATE_DRAWS_H_
