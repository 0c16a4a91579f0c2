// Initial values as a function of (seed, table, index or key). The server makes
// them when they are needed, in any pieces, and every process computes the same
// bits.
//
// With HashAppend of common/example_hash.h, and numbers as 64-bit words:
//
//   stream(seed, name) = HashAppend over seed, the length of name, its bytes
//   stream of a row    = HashAppend(stream of its table, key)
//   uniform, element i: k = HashAppend(stream, i) >> 40, a number of 24 bits;
//                       value = (2k + 1 - 2^24) * (limit * 2^-24)
//   normal, element i:  s = the sum of the twelve 16-bit numbers that
//                       HashAppend(stream, 3i + {0, 1, 2}) are made of;
//                       value = (s - 393210) * (stddev * 2^-16)
//
// The normal rule is a sum of twelve uniform numbers: exactly zero mean and,
// to 2^-32, the variance asked for, never beyond six standard deviations. It
// needs no logarithm. Integers are exact and each value is rounded once, so
// compilers, instruction sets and libraries cannot disagree about a bit.
#ifndef EBB_COMMON_INITIALIZER_H_
#define EBB_COMMON_INITIALIZER_H_

#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace ebb {

// How the values of a table start.
struct InitRule {
  enum class Kind { kZeros, kConstant, kUniform, kNormal };

  static constexpr InitRule Zeros() { return {}; }
  static constexpr InitRule Constant(float value) {
    return {Kind::kConstant, value};
  }
  // Evenly between -limit and limit.
  static constexpr InitRule Uniform(float limit) {
    return {Kind::kUniform, limit};
  }
  static constexpr InitRule Normal(float stddev) {
    return {Kind::kNormal, stddev};
  }

  friend bool operator==(const InitRule&, const InitRule&) = default;

  // kInvalidArgument unless the parameter is finite and, for a limit or a
  // standard deviation, not negative.
  absl::Status Validate() const;

  Kind kind = Kind::kZeros;
  // The constant, the limit or the standard deviation; unused by kZeros.
  float parameter = 0;
};

// Writes the initial values of elements [first_index, first_index + size) of
// the dense table `table`. Requires a valid rule and first_index >= 0.
void FillInitial(const InitRule& rule, uint64_t seed, absl::string_view table,
                 int64_t first_index, std::span<float> out);

// Writes the initial values of the row under `key` of a sparse table.
void FillInitialRow(const InitRule& rule, uint64_t seed,
                    absl::string_view table, uint64_t key,
                    std::span<float> out);

// The same for many rows of one table: it computes their shared part once.
// Immutable, so thread-safe.
class RowInitializer {
 public:
  // Requires a valid rule.
  RowInitializer(const InitRule& rule, uint64_t seed, absl::string_view table);

  void Fill(uint64_t key, std::span<float> out) const;

 private:
  InitRule rule_;
  uint64_t stream_;
};

}  // namespace ebb

#endif  // EBB_COMMON_INITIALIZER_H_
