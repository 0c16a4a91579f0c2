// The model of a job, from its newest stored versions.
#ifndef EBB_TOOLS_EBB_CHECKPOINT_READ_MODEL_H_
#define EBB_TOOLS_EBB_CHECKPOINT_READ_MODEL_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tools/ebb/checkpoint/checkpoint_source.h"

namespace ebb::tools {

// Gets the rows of a job's sparse tables, of one partition after the other.
class RowReceiver {
 public:
  virtual ~RowReceiver() = default;
  // Earlier rows are void; they come again. Also called before the first.
  virtual absl::Status Restart() = 0;
  // Rows of the sparse table with this number under `keys`, which ascend: the
  // values and then each slot of the table's optimizer.
  virtual absl::Status Add(
      int32_t table, std::span<const uint64_t> keys,
      const std::vector<std::span<const float>>& arrays) = 0;
};

// Which slots of optimizers are read beside the values.
enum class SlotsRead { kNone, kAverages, kAll };

// Which models are read: that of a job that is not complete may have learned
// nothing yet.
enum class ModelsRead { kAll, kComplete };

// The names of all values of a job in a version, without slots: "values", and
// those of the rows of its sparse tables.
absl::StatusOr<std::vector<std::string>> ValueNames(const JobRecord& record);

// Reads "values" of the job, from the newest versions, and the arrays of its
// optimizers that are asked for; averages are of dense tables. Rows of sparse
// tables go to `rows`; if that is null, they are not read. Versions that are
// deleted meanwhile, because newer ones are there, are read again. DataLoss:
// the stored data is damaged. Unavailable: a server is silent, and with it the
// newest versions of its partitions. FailedPrecondition: only complete models
// are read, and this is none. `versions`, if it is not null, gets those that
// were read.
absl::StatusOr<NamedArrays> ReadModel(
    CheckpointSource* source, SlotsRead slots, RowReceiver* rows,
    std::vector<VersionInfo>* versions = nullptr,
    ModelsRead models = ModelsRead::kAll);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_CHECKPOINT_READ_MODEL_H_
