#include "common/initializer.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "common/example_hash.h"

namespace ebb {
namespace {

uint64_t TableStream(uint64_t seed, absl::string_view table) {
  // The length comes before the bytes, so that no name's stream is reached
  // from another name's by going on.
  uint64_t hash = HashAppend(HashAppend(0, seed), table.size());
  for (const char c : table) {
    hash = HashAppend(hash, static_cast<unsigned char>(c));
  }
  return hash;
}

int32_t UniformInteger(uint64_t stream, uint64_t index) {
  const auto bits = static_cast<int32_t>(HashAppend(stream, index) >> 40);
  return 2 * bits + 1 - (1 << 24);
}

// The variance of a uniform 16-bit number is (2^32 - 1) / 12, so that of the
// sum of twelve is 2^32 - 1.
int32_t NormalInteger(uint64_t stream, uint64_t index) {
  constexpr int32_t kMean = 12 * 65535 / 2;
  int32_t sum = 0;
  for (uint64_t word = 0; word < 3; ++word) {
    const uint64_t bits = HashAppend(stream, 3 * index + word);
    sum += static_cast<int32_t>((bits & 0xffff) + (bits >> 16 & 0xffff) +
                                (bits >> 32 & 0xffff) + (bits >> 48));
  }
  return sum - kMean;
}

void Fill(const InitRule& rule, uint64_t stream, uint64_t first_index,
          std::span<float> out) {
  switch (rule.kind) {
    case InitRule::Kind::kZeros:
      std::fill(out.begin(), out.end(), 0.0f);
      return;
    case InitRule::Kind::kConstant:
      std::fill(out.begin(), out.end(), rule.parameter);
      return;
    case InitRule::Kind::kUniform: {
      const float scale = rule.parameter * 0x1p-24f;
      for (size_t i = 0; i < out.size(); ++i) {
        out[i] = UniformInteger(stream, first_index + i) * scale;
      }
      return;
    }
    case InitRule::Kind::kNormal: {
      const float scale = rule.parameter * 0x1p-16f;
      for (size_t i = 0; i < out.size(); ++i) {
        out[i] = NormalInteger(stream, first_index + i) * scale;
      }
      return;
    }
  }
}

}  // namespace

absl::Status InitRule::Validate() const {
  switch (kind) {
    case Kind::kZeros:
      return absl::OkStatus();
    case Kind::kConstant:
      if (std::isfinite(parameter)) return absl::OkStatus();
      break;
    case Kind::kUniform:
    case Kind::kNormal:
      if (std::isfinite(parameter) && parameter >= 0) return absl::OkStatus();
      break;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "initial values: rule ", static_cast<int>(kind), " with parameter ",
      parameter,
      "; known are 0 (zeros), 1 (constant), 2 (uniform), 3 "
      "(normal), with a finite parameter that is no negative spread"));
}

void FillInitial(const InitRule& rule, uint64_t seed, absl::string_view table,
                 int64_t first_index, std::span<float> out) {
  Fill(rule, TableStream(seed, table), static_cast<uint64_t>(first_index), out);
}

void FillInitialRow(const InitRule& rule, uint64_t seed,
                    absl::string_view table, uint64_t key,
                    std::span<float> out) {
  RowInitializer(rule, seed, table).Fill(key, out);
}

RowInitializer::RowInitializer(const InitRule& rule, uint64_t seed,
                               absl::string_view table)
    : rule_(rule), stream_(TableStream(seed, table)) {}

void RowInitializer::Fill(uint64_t key, std::span<float> out) const {
  ebb::Fill(rule_, HashAppend(stream_, key), 0, out);
}

}  // namespace ebb
