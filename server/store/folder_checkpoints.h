// ObjectCheckpoints in a folder that servers share: a network volume
// (docs/formats/shared-checkpoints.md).
#ifndef EBB_SERVER_STORE_FOLDER_CHECKPOINTS_H_
#define EBB_SERVER_STORE_FOLDER_CHECKPOINTS_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/ids.h"
#include "common/objects/folder_files.h"
#include "server/store/object_checkpoints.h"

namespace ebb::server {

struct FolderCheckpointsOptions {
  // Must be there: a volume that is not mounted must not be taken for an empty
  // one. All servers of the cluster give the same.
  std::string folder;
  // The server that owns this store.
  ServerId server;
  // Makes a folder that no server has used such, and takes the folder of an
  // older ebb for this one. Without it, Open changes nothing. Default: true;
  // tools that only read give false.
  bool create = true;
  // For tests that break disks; nullptr: the real ones. Not owned.
  FolderFiles* files = nullptr;
};

// Each object of the bucket's store is a file (common/objects/folder_objects.h
// says what the file system must have). What an ebb up to 0.2 has stored in
// the folder is read, too, and deleted when it is needed no longer; servers of
// that ebb store nothing more there.
//
// NotFound: there is no such folder, or, without `create`, no server has used
// it. FailedPrecondition: the file system lacks something, or is mounted
// without what it needs; the message says what. DataLoss: its identity is
// damaged. PermissionDenied, ResourceExhausted, Unavailable: it cannot be
// read, or, when it is new or of an older ebb, not be written.
absl::StatusOr<std::unique_ptr<ObjectCheckpoints>> OpenFolderCheckpoints(
    const FolderCheckpointsOptions& options);

// Returns whether some server has used the folder.
bool HasFolderCheckpoints(const std::string& folder);

}  // namespace ebb::server

#endif  // EBB_SERVER_STORE_FOLDER_CHECKPOINTS_H_
