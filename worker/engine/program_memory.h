// The memory that an engine shares with its program: the model's values, then
// the sums of gradients, and perhaps the same once more, or examples.
#ifndef EBB_WORKER_ENGINE_PROGRAM_MEMORY_H_
#define EBB_WORKER_ENGINE_PROGRAM_MEMORY_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "absl/status/statusor.h"
#include "common/shm/memory_file.h"

namespace ebb::worker {

// Moves sums times the factor into `out`, of the same size, and leaves zeros.
// Returns the place of the first that is not finite then, if there is one.
std::optional<int64_t> MoveSums(std::span<float> sums, std::span<float> out,
                                float factor = 1);

// The program may write to all of it at any time. What is taken out is copied
// first and looked at then. Thread-compatible; distinct threads may use
// distinct halves.
class ProgramMemory {
 public:
  // So that a batch can be put together while the program computes another.
  static constexpr int kHalves = 2;

  // InvalidArgument: the file is too short, or could be made shorter. Behind
  // the sums of the first half come `others` more floats.
  static absl::StatusOr<ProgramMemory> Map(int fd, int64_t parameters,
                                           int64_t others = 0);
  // The same with both halves: values and sums, twice.
  static absl::StatusOr<ProgramMemory> MapHalves(int fd, int64_t parameters) {
    return Map(fd, parameters, 2 * parameters);
  }

  std::span<float> values(int half = 0) const {
    return floats().subspan(2 * parameters_ * half, parameters_);
  }
  std::span<float> others() const { return floats().subspan(2 * parameters_); }

  // The sums are the program's from now on, and zeros.
  void GiveSums(int half = 0);
  // Takes them as MoveSums does.
  std::optional<int64_t> TakeSums(std::span<float> out, int half = 0,
                                  float factor = 1);

 private:
  ProgramMemory(shm::Mapping mapping, int64_t parameters)
      : mapping_(std::move(mapping)), parameters_(parameters) {}
  std::span<float> floats() const {
    return {reinterpret_cast<float*>(mapping_.bytes().data()),
            mapping_.bytes().size() / sizeof(float)};
  }
  std::span<float> sums(int half) const {
    return floats().subspan((2 * half + 1) * parameters_, parameters_);
  }

  shm::Mapping mapping_;
  int64_t parameters_ = 0;
  // The sums are zeros, for they were taken. Before that an engine that died
  // may have left something there.
  std::array<bool, kHalves> clear_ = {};
};

}  // namespace ebb::worker

#endif  // EBB_WORKER_ENGINE_PROGRAM_MEMORY_H_
