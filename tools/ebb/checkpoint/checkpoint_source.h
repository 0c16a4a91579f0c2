// The stored versions of a job: from the servers that run it, from the folder
// that an `ebb run` or a server left, or from a folder or a bucket to which
// servers copied them.
#ifndef EBB_TOOLS_EBB_CHECKPOINT_CHECKPOINT_SOURCE_H_
#define EBB_TOOLS_EBB_CHECKPOINT_CHECKPOINT_SOURCE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "ebb/v1/parameter_server.pb.h"
#include "ebb/v1/scheduler.pb.h"
#include "protocol/plan.h"
#include "tools/ebb/cluster/cluster_access.h"
#include "tools/ebb/status/silent_servers.h"

namespace ebb::tools {

struct VersionInfo {
  VersionKey key;
  std::string server;  // "ps-0".
  int64_t updates = 0;
  int64_t examples = 0;         // Below its marks.
  int64_t bytes = 0;            // Size of its values.
  int64_t written_unix_ms = 0;  // 0: not known.
  RoundSpan rounds;  // For a job in rounds; with `keep` of VersionsOf only.
};

// Values of a job or of a partition by name, each as long as the parameters:
// "values", and "slot/first_moment" and the like of the optimizer.
using NamedArrays = std::map<std::string, std::vector<float>>;

// The arrays of one partition; for the names of rows see server/version_rows.h.
struct VersionArrays {
  NamedArrays floats;
  std::map<std::string, std::vector<uint64_t>> integers;
};

struct VerifiedVersions {
  int64_t versions = 0;  // Read whole.
  std::vector<std::pair<VersionInfo, std::string>> damaged;
};

// Which history of a job its versions must be of to be gone on with.
struct JobLine {
  Generation generation;
  RollbackRecord rollback;  // The generation began here.
};

// The place of checkpoints, as a command line says it.
struct CheckpointPlace {
  // A folder, s3://BUCKET/PREFIX, or a job of the scheduler by name or number.
  std::string name;
  // If it was not opened, no cluster is known, and only what is stored is
  // found.
  ClusterAccess access;
  // For a folder with several jobs: the job's name or number.
  std::string job;
};

// Not thread-safe. Blocks.
class CheckpointSource {
 public:
  virtual ~CheckpointSource() = default;
  virtual const JobRecord& job() const = 0;
  virtual JobLine line() const = 0;
  // Damage that may have cost versions, which are not listed, and what is left.
  virtual std::vector<std::string> problems() const { return {}; }
  // By partition, then oldest first.
  virtual absl::StatusOr<std::vector<VersionInfo>> List() = 0;
  virtual absl::StatusOr<VerifiedVersions> Verify() = 0;
  // The servers whose versions the last List() or Verify() lacks.
  virtual std::vector<SilentServer> silent() const { return {}; }
  // Why a partition may have none, and the next step.
  virtual std::string WhyNoVersion() const = 0;
  // Reads those of the arrays that the version has, whole.
  virtual absl::StatusOr<VersionArrays> Read(
      const VersionInfo& version, const std::vector<std::string>& names) = 0;
  // A stored version as an audit sees it, which reads all of it. All of it is
  // durable. Unimplemented for a running job.
  virtual absl::StatusOr<v1::PartitionLedger> Ledger(
      const VersionInfo& version) {
    return absl::UnimplementedError("its servers are asked");
  }
};

// A job of the cluster, or what is stored in a folder or a bucket.
using FoundJob =
    std::variant<v1::GetJobResponse, std::unique_ptr<CheckpointSource>>;

// Finds what the name of a place means. A bucket, a path with a slash, and a
// name with `place.job` are places of stored versions. Another name is a job,
// if the user named a cluster that has it. Else it is a folder, and if no
// checkpoint is there, a job after all. A stored place is a folder of a run,
// the state folder of a server (or one with those of several, `ps-*`), or a
// folder or a bucket of --shared-checkpoints. NotFound, Unavailable: the name
// is none of these. InvalidArgument: several jobs are there and none is chosen,
// or the one that is chosen is not there; the message lists them. The errors of
// asking the cluster, where the name may be that of its job.
absl::StatusOr<FoundJob> FindCheckpoints(const CheckpointPlace& place);
// The same, as stored versions. Those of a job of the cluster its servers list.
absl::StatusOr<std::unique_ptr<CheckpointSource>> OpenCheckpoints(
    const CheckpointPlace& place);
// The stored versions of a job of the cluster. With `keep`, servers list only
// versions that can be rolled back to, and keep them this long.
absl::StatusOr<std::unique_ptr<CheckpointSource>> VersionsOf(
    const v1::GetJobResponse& job, const ClusterAccess& access,
    absl::Duration keep = absl::ZeroDuration());
// True if a name is that of a bucket, s3://BUCKET/PREFIX.
bool IsBucket(absl::string_view name);

// The newest version of each partition in the newest generation, else the one
// that its rollback names: together they are where the job would go on from.
// NotFound: a partition has none, and the message names it.
absl::StatusOr<std::vector<VersionInfo>> NewestVersions(
    const JobPlan& plan, const JobLine& line,
    const std::vector<VersionInfo>& versions);

// Warns on stderr of damage; returns whether there is any.
bool WarnOfDamage(const CheckpointSource& source);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_CHECKPOINT_CHECKPOINT_SOURCE_H_
