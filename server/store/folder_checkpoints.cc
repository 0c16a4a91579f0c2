#include "server/store/folder_checkpoints.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/objects/folder_objects.h"
#include "common/status_macros.h"
#include "server/store/internal/mount_options.h"
#include "server/store/internal/old_folder.h"
#include "server/store/object_layout.h"

namespace ebb::server {

namespace {

absl::StatusOr<std::unique_ptr<FolderObjects>> OpenObjects(
    const FolderCheckpointsOptions& options) {
  if (options.folder.empty()) {
    return absl::InvalidArgumentError("shared checkpoints: no folder is named");
  }
  auto objects = FolderObjects::Open(
      {.folder = options.folder,
       .writer = options.create
                     ? absl::StrCat("server-", options.server.value())
                     : "",
       .files = options.files});
  if (!absl::IsNotFound(objects.status())) return objects;
  return absl::NotFoundError(
      absl::StrCat("the folder of shared checkpoints, ", options.folder,
                   ", is not there; mount it, or make it"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<ObjectCheckpoints>> OpenFolderCheckpoints(
    const FolderCheckpointsOptions& options) {
  EBB_ASSIGN_OR_RETURN(std::unique_ptr<FolderObjects> objects,
                       OpenObjects(options));
  FolderFiles* const files =
      options.files != nullptr ? options.files : RealFolderFiles();
  if (options.create && options.files == nullptr) {
    EBB_RETURN_IF_ERROR(CheckMountOf(options.folder));
  }
  auto old = std::make_shared<const OldFolder>(files, options.folder);
  EBB_ASSIGN_OR_RETURN(const bool is_old, old->IsThere());
  if (!is_old) old = nullptr;
  const bool is_new =
      absl::IsNotFound(objects->Get(kObjectIdentity, {}).status());
  if (is_new && options.create) {
    EBB_RETURN_IF_ERROR(
        ObjectCheckpoints::Probe(objects.get(), /*in_folder=*/true));
  }
  // From here on the older ebb cannot be gone back to.
  if (is_old && is_new && options.create) {
    EBB_ASSIGN_OR_RETURN(const std::string identity, old->Retire());
    // It is the same, so that servers that are new take over what the older
    // ones have stored here.
    EBB_RETURN_IF_ERROR(
        CreateObject(objects.get(), kObjectIdentity, identity).status());
  }
  // A folder that is full or cannot be written can be read all the same.
  return ObjectCheckpoints::Open(std::move(objects), {.server = options.server,
                                                      .probe = false,
                                                      .create = options.create,
                                                      .in_folder = true,
                                                      .old = std::move(old)});
}

bool HasFolderCheckpoints(const std::string& folder) {
  FolderObjects objects({.folder = folder});
  // In the order in which a server moves that of an older ebb.
  for (const absl::string_view key :
       {kOldIdentity, kRetiredIdentity, kObjectIdentity}) {
    if (objects.Get(key, {}).ok()) return true;
  }
  return false;
}

}  // namespace ebb::server
