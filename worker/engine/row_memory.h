// The memory through which a program and its engine hand keys and rows to each
// other (docs/formats/computer.md).
//
//   keys of a batch to come | places | values of rows | sums of their gradients
#ifndef EBB_WORKER_ENGINE_ROW_MEMORY_H_
#define EBB_WORKER_ENGINE_ROW_MEMORY_H_

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/shm/memory_file.h"
#include "worker/engine/messages.h"

namespace ebb::worker {

// The program may write to all of it at any time. What is taken out is copied
// first and looked at then. Thread-compatible.
class RowMemory {
 public:
  // InvalidArgument: the file is too short, could be made shorter, or has no
  // room for so many keys.
  static absl::StatusOr<RowMemory> Map(int fd, const RowMemoryBody& body);

  // Copies the keys that the program wrote: so many of each table.
  // InvalidArgument: there is no room for so many, or they are more than 2^28.
  absl::StatusOr<std::vector<std::vector<uint64_t>>> Keys(
      std::span<const uint64_t> counts) const;

  // The parts of a batch with so many keys, and so many values in its distinct
  // rows.
  struct Parts {
    std::span<int32_t> places;
    std::span<float> values;
    std::span<float> sums;
  };
  // InvalidArgument: there is no room for them.
  absl::StatusOr<Parts> PartsOf(int64_t keys, int64_t floats) const;

 private:
  RowMemory(shm::Mapping mapping, int64_t keys)
      : mapping_(std::move(mapping)), keys_(keys) {}

  shm::Mapping mapping_;
  int64_t keys_ = 0;
};

}  // namespace ebb::worker

#endif  // EBB_WORKER_ENGINE_ROW_MEMORY_H_
