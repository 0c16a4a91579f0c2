// A folder of shared checkpoints that an ebb up to 0.2 wrote, which is read for
// one release (docs/formats/shared-checkpoints.md).
//
// Its versions are objects of other names, which ObjectCheckpoints reads and
// deletes. Two steps rename folders, and are here. A server that is new shuts
// the older programs out. An owner shuts the owners before it out of its
// partition.
#ifndef EBB_SERVER_STORE_INTERNAL_OLD_FOLDER_H_
#define EBB_SERVER_STORE_INTERNAL_OLD_FOLDER_H_

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/ids.h"
#include "common/objects/folder_files.h"

namespace ebb::server {

// The keys under which an older ebb, and one that retires the folder, have its
// identity. It moves from the first to the second.
inline constexpr absl::string_view kOldIdentity = "identity/id";
inline constexpr absl::string_view kRetiredIdentity = "identity.old/id";

// Thread-compatible.
class OldFolder {
 public:
  // `files` is not owned. The folder is there.
  OldFolder(FolderFiles* files, std::string folder)
      : files_(files), folder_(std::move(folder)) {}

  // Returns whether an older ebb has used the folder, retired or not.
  absl::StatusOr<bool> IsThere() const;

  // Moves the identity to where no older ebb finds it, durably, and returns its
  // bytes. An older server that runs then stores nothing more in a term that it
  // has not begun, and one that starts refuses the folder once `identity` is a
  // file. Until then it makes a second identity, which is removed when this is
  // called again. Unavailable: older servers do so again and again.
  absl::StatusOr<std::string> Retire() const;

  // Takes over the folders of all terms before `term`, durably: an older server
  // that was stopped at any point, and wakes, finds its paths gone.
  // FailedPrecondition: an older server has begun this term, or a newer one.
  absl::Status Take(JobId job, PartitionId partition, Term term) const;

 private:
  absl::Status RemoveSecond() const;

  FolderFiles* const files_;
  const std::string folder_;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_STORE_INTERNAL_OLD_FOLDER_H_
