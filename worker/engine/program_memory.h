// The memory that an engine shares with its program: the model's values, then
// the sums of gradients, and perhaps examples.
#ifndef EBB_WORKER_ENGINE_PROGRAM_MEMORY_H_
#define EBB_WORKER_ENGINE_PROGRAM_MEMORY_H_

#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "absl/status/statusor.h"
#include "common/shm/memory_file.h"

namespace ebb::worker {

// Moves sums into `out`, of the same size, and leaves zeros. Returns the place
// of the first that is not finite, if there is one.
std::optional<int64_t> MoveSums(std::span<float> sums, std::span<float> out);

// The program may write to all of it at any time. What is taken out is copied
// first and looked at then. Thread-compatible.
class ProgramMemory {
 public:
  // InvalidArgument: the file is too short, or could be made shorter. Behind
  // the sums come `others` more floats.
  static absl::StatusOr<ProgramMemory> Map(int fd, int64_t parameters,
                                           int64_t others = 0);

  std::span<float> values() const { return floats().first(parameters_); }
  std::span<float> others() const { return floats().subspan(2 * parameters_); }

  void ClearSums() const;
  // As MoveSums.
  std::optional<int64_t> TakeSums(std::span<float> out) const {
    return MoveSums(sums(), out);
  }

 private:
  ProgramMemory(shm::Mapping mapping, int64_t parameters)
      : mapping_(std::move(mapping)), parameters_(parameters) {}
  std::span<float> floats() const {
    return {reinterpret_cast<float*>(mapping_.bytes().data()),
            mapping_.bytes().size() / sizeof(float)};
  }
  std::span<float> sums() const {
    return floats().subspan(parameters_, parameters_);
  }

  shm::Mapping mapping_;
  int64_t parameters_ = 0;
};

}  // namespace ebb::worker

#endif  // EBB_WORKER_ENGINE_PROGRAM_MEMORY_H_
