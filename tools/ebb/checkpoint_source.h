// The stored versions of a job: from the servers that run it, or from the
// folder that an `ebb run` left.
#ifndef EBB_TOOLS_EBB_CHECKPOINT_SOURCE_H_
#define EBB_TOOLS_EBB_CHECKPOINT_SOURCE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/protocol/plan.h"

namespace ebb::tools {

struct VersionInfo {
  VersionKey key;
  std::string server;  // "ps-0".
  int64_t updates = 0;
  int64_t examples = 0;  // Below its marks.
  int64_t bytes = 0;     // Of its values.
};

struct VerifiedVersions {
  int64_t versions = 0;  // Read whole.
  std::vector<std::pair<VersionInfo, std::string>> damaged;
};

// Not thread-safe. Blocks.
class CheckpointSource {
 public:
  virtual ~CheckpointSource() = default;
  virtual const JobRecord& job() const = 0;
  // By partition, then oldest first.
  virtual absl::StatusOr<std::vector<VersionInfo>> List() = 0;
  virtual absl::StatusOr<VerifiedVersions> Verify() = 0;
  // The weights of the partition, all of them.
  virtual absl::StatusOr<std::vector<float>> ReadWeights(
      const VersionInfo& version) = 0;
};

// `name` is a folder of a run, or a job of the scheduler. NotFound,
// Unavailable: neither.
absl::StatusOr<std::unique_ptr<CheckpointSource>> OpenCheckpoints(
    const std::string& name, const std::string& scheduler);

// The newest version of each partition, in the newest generation: together
// they are where the job would go on from. NotFound: a partition has none.
absl::StatusOr<std::vector<VersionInfo>> NewestVersions(
    const JobPlan& plan, const std::vector<VersionInfo>& versions);

// The job's vector of parameters, from the newest versions.
absl::StatusOr<std::vector<float>> ReadModel(CheckpointSource* source);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_CHECKPOINT_SOURCE_H_
