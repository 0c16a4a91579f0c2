// Shared checkpoints as people look at them.
#ifndef EBB_SERVER_STORE_SHARED_COPIES_H_
#define EBB_SERVER_STORE_SHARED_COPIES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/ids.h"
#include "server/store/checkpoint_store.h"
#include "server/store/version_summary.h"

namespace ebb::server {

// A version and the server that wrote it.
struct ListedCopy {
  VersionSummary version;
  ServerId writer;
};

// A shared place whose whole content can be listed, whichever servers wrote it.
// Implementation: a bucket or a folder (object_checkpoints.h).
class SharedCopies : public SharedCheckpointStore {
 public:
  // For each job the record of the server that has its newest generation.
  // Unreadable records are left out, and named in `problems`.
  virtual absl::StatusOr<std::vector<StoredJob>> JobsOfAll(
      std::vector<std::string>* problems) = 0;
  // Versions by whichever server; ascending. A version that cannot be read has
  // neither marks nor bytes: Load tells why.
  virtual absl::StatusOr<std::vector<ListedCopy>> Summaries(JobId job) = 0;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_STORE_SHARED_COPIES_H_
