// The folder in which packing works, until the sets are published at once.
#ifndef EBB_DATA_PACK_PACKING_FOLDER_H_
#define EBB_DATA_PACK_PACKING_FOLDER_H_

#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/kill_point.h"
#include "common/storage/store_folder.h"

namespace ebb::data::pack {

// DEST.packing, locked. Its end removes what was not published.
// Thread-compatible.
//
//   EBB_ASSIGN_OR_RETURN(const PackingFolder work, PackingFolder::Begin(dest));
//   EBB_ASSIGN_OR_RETURN(const std::string to, work.MakeSet("train"));
//   ...
//   EBB_RETURN_IF_ERROR(work.Publish(kill_points));
class PackingFolder {
 public:
  // Removes what a killed process left. kAlreadyExists: `dest` is there, or
  // a folder of the name that packing did not make. kFailedPrecondition:
  // another process packs to it. Else the errors of writing.
  static absl::StatusOr<PackingFolder> Begin(const std::string& dest);

  PackingFolder(PackingFolder&&) = default;
  ~PackingFolder();

  // The folder of records that wait.
  std::string buckets() const { return work_->File("buckets"); }
  // Makes the folder of a set and returns it: NAME below DEST, or DEST itself
  // if the name is empty.
  absl::StatusOr<std::string> MakeSet(absl::string_view name) const;
  // Renames the sets to DEST, durably.
  absl::Status Publish(const KillPoints& kill_points) const;

 private:
  PackingFolder(std::string dest, StoreFolder work)
      : dest_(std::move(dest)), work_(std::move(work)) {}

  std::string dest_;
  std::optional<StoreFolder> work_;  // Absent: it was moved from.
};

}  // namespace ebb::data::pack

#endif  // EBB_DATA_PACK_PACKING_FOLDER_H_
