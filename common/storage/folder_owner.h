// The owner of a state folder. A daemon that is given another's folder by
// mistake would set aside what it cannot read and delete what is not of its
// partitions. Instead it is refused before it opens anything.
#ifndef EBB_COMMON_STORAGE_FOLDER_OWNER_H_
#define EBB_COMMON_STORAGE_FOLDER_OWNER_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/ids.h"
#include "common/storage/store_folder.h"

namespace ebb {

// A server, or, without one, a scheduler.
struct FolderOwner {
  std::optional<ServerId> server;

  // "server 3", "a scheduler".
  std::string ToString() const;
  friend bool operator==(const FolderOwner&, const FolderOwner&) = default;
};

// StoreFolder::Lock for this owner. The file `owner` in the folder names the
// owner; it is written when the folder is used first. A folder from before that
// file counts as the owner's, unless its content shows otherwise: databases of
// servers and of schedulers differ. A file that cannot be written (full disk)
// is a warning, and is written the next time.
//
// FailedPrecondition: the folder is another's, or that of an `ebb run`, or
// holds those of other daemons; nothing in it was changed. Others: as Lock.
absl::StatusOr<StoreFolder> LockFor(const FolderOwner& owner,
                                    absl::string_view path);

}  // namespace ebb

#endif  // EBB_COMMON_STORAGE_FOLDER_OWNER_H_
