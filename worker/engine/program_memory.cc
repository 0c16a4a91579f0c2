#include "worker/engine/program_memory.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <utility>

#include "common/status_macros.h"

namespace ebb::worker {

namespace {

constexpr size_t kStepFloats = 4096;  // Half of an L1 cache.

// Compilers make vectors of the inner loops, whose length they know.
constexpr size_t kLanes = 32;

void Multiply(float factor, std::span<float> values) {
  size_t at = 0;
  for (; at + kLanes <= values.size(); at += kLanes) {
    const std::span<float, kLanes> some(&values[at], kLanes);
    for (size_t i = 0; i < kLanes; ++i) some[i] *= factor;
  }
  for (float& value : values.subspan(at)) value *= factor;
}

bool AllFinite(std::span<const float> values) {
  std::array<float, kLanes> zeros = {};
  size_t at = 0;
  for (; at + kLanes <= values.size(); at += kLanes) {
    const std::span<const float, kLanes> some(&values[at], kLanes);
    // NaN if the value is infinite or NaN.
    for (size_t i = 0; i < kLanes; ++i) zeros[i] += some[i] * 0.0F;
  }
  const auto finite = [](float value) { return std::isfinite(value); };
  return std::ranges::all_of(zeros, finite) &&
         std::ranges::all_of(values.subspan(at), finite);
}

}  // namespace

absl::StatusOr<ProgramMemory> ProgramMemory::Map(int fd, int64_t parameters,
                                                 int64_t others) {
  EBB_ASSIGN_OR_RETURN(
      shm::Mapping mapping,
      // A file has at least a byte, also of a model of rows alone.
      shm::MapToWrite(fd, std::max<int64_t>(1, (2 * parameters + others) *
                                                   int64_t{sizeof(float)})));
  return ProgramMemory(std::move(mapping), parameters);
}

void ProgramMemory::GiveSums(int half) {
  if (!std::exchange(clear_[half], false)) std::ranges::fill(sums(half), 0.0F);
}

std::optional<int64_t> ProgramMemory::TakeSums(std::span<float> out, int half,
                                               float factor) {
  clear_[half] = true;
  return MoveSums(sums(half), out, factor);
}

std::optional<int64_t> MoveSums(std::span<float> from, std::span<float> out,
                                float factor) {
  std::optional<int64_t> first;
  // One pass over memory: what is copied is looked at and cleared while it is
  // in the cache.
  for (size_t at = 0; at < from.size(); at += kStepFloats) {
    const size_t count = std::min(kStepFloats, from.size() - at);
    const std::span<float> taken = out.subspan(at, count);
    std::memcpy(taken.data(), from.data() + at, count * sizeof(float));
    std::memset(from.data() + at, 0, count * sizeof(float));
    if (factor != 1) Multiply(factor, taken);
    if (first || AllFinite(taken)) continue;
    const auto odd = std::find_if_not(taken.begin(), taken.end(),
                                      [](float g) { return std::isfinite(g); });
    first = static_cast<int64_t>(at) + (odd - taken.begin());
  }
  return first;
}

}  // namespace ebb::worker
