// The memory that an engine shares with its program: the model's values, then
// the sums of gradients.
#ifndef EBB_WORKER_ENGINE_PROGRAM_MEMORY_H_
#define EBB_WORKER_ENGINE_PROGRAM_MEMORY_H_

#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "absl/status/statusor.h"
#include "common/shm/memory_file.h"

namespace ebb::worker {

// The program may write to all of it at any time. What is taken out is copied
// first and looked at then. Thread-compatible.
class ProgramMemory {
 public:
  // InvalidArgument: the file is too short, or could be made shorter.
  static absl::StatusOr<ProgramMemory> Map(int fd, int64_t parameters);

  std::span<float> values() const { return floats().first(parameters_); }

  void ClearSums() const;
  // Moves the sums into `out`, of the same size, and leaves zeros. Returns the
  // place of the first that is not finite, if there is one.
  std::optional<int64_t> TakeSums(std::span<float> out) const;

 private:
  ProgramMemory(shm::Mapping mapping, int64_t parameters)
      : mapping_(std::move(mapping)), parameters_(parameters) {}
  std::span<float> floats() const {
    return {reinterpret_cast<float*>(mapping_.bytes().data()),
            static_cast<size_t>(2 * parameters_)};
  }
  std::span<float> sums() const { return floats().last(parameters_); }

  shm::Mapping mapping_;
  int64_t parameters_ = 0;
};

}  // namespace ebb::worker

#endif  // EBB_WORKER_ENGINE_PROGRAM_MEMORY_H_
