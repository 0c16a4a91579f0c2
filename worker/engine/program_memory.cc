#include "worker/engine/program_memory.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>

#include "common/status_macros.h"

namespace ebb::worker {

namespace {

constexpr size_t kStepFloats = 4096;  // Half of an L1 cache.

// Without a branch per value, so that it is vectorised.
bool AllFinite(std::span<const float> values) {
  constexpr uint32_t kExponent = 0x7f800000;
  uint32_t odd = 0;
  for (const float value : values) {
    uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof(bits));
    odd |= static_cast<uint32_t>((bits & kExponent) == kExponent);
  }
  return odd == 0;
}

}  // namespace

absl::StatusOr<ProgramMemory> ProgramMemory::Map(int fd, int64_t parameters) {
  EBB_ASSIGN_OR_RETURN(
      shm::Mapping mapping,
      shm::MapToWrite(fd,
                      2 * parameters * static_cast<int64_t>(sizeof(float))));
  return ProgramMemory(std::move(mapping), parameters);
}

void ProgramMemory::ClearSums() const {
  std::fill(sums().begin(), sums().end(), 0.0F);
}

std::optional<int64_t> ProgramMemory::TakeSums(std::span<float> out) const {
  std::optional<int64_t> first;
  const std::span<float> from = sums();
  // One pass over memory: what is copied is looked at and cleared while it is
  // in the cache.
  for (size_t at = 0; at < from.size(); at += kStepFloats) {
    const size_t count = std::min(kStepFloats, from.size() - at);
    const std::span<float> taken = out.subspan(at, count);
    std::memcpy(taken.data(), from.data() + at, count * sizeof(float));
    std::memset(from.data() + at, 0, count * sizeof(float));
    if (first || AllFinite(taken)) continue;
    const auto odd = std::find_if_not(taken.begin(), taken.end(),
                                      [](float g) { return std::isfinite(g); });
    first = static_cast<int64_t>(at) + (odd - taken.begin());
  }
  return first;
}

}  // namespace ebb::worker
