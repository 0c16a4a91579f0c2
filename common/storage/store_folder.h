// The folder in which a daemon keeps its store: one process at a time. Damaged
// databases are put aside, not deleted.
#ifndef EBB_COMMON_STORAGE_STORE_FOLDER_H_
#define EBB_COMMON_STORAGE_STORE_FOLDER_H_

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ebb {

// A folder that exists and that no other StoreFolder, of this process or
// another, has locked. The lock ends with the object or with the process,
// however it dies. Thread-compatible.
//
//   EBB_ASSIGN_OR_RETURN(StoreFolder folder, StoreFolder::Lock("/data/ps-0"));
//   ... folder.File("db") ...
class StoreFolder {
 public:
  // Creates the folder (and its parents) where it is missing.
  // FailedPrecondition: another process has it, and which; PermissionDenied,
  // ResourceExhausted or Unavailable: it cannot be created or written. For
  // stores of daemons there is LockFor (folder_owner.h).
  static absl::StatusOr<StoreFolder> Lock(absl::string_view path);

  StoreFolder(StoreFolder&& other) noexcept
      : path_(std::move(other.path_)),
        lock_fd_(std::exchange(other.lock_fd_, -1)) {}
  StoreFolder& operator=(StoreFolder&&) = delete;
  ~StoreFolder();

  const std::string& path() const { return path_; }
  std::string File(absl::string_view name) const;

  // Renames the entry `name` to the first free NAME.damaged-1, -2, ... and
  // returns its new path.
  absl::StatusOr<std::string> SetAside(absl::string_view name) const;
  // Renames within the folder, durably.
  absl::Status Rename(absl::string_view from, absl::string_view to) const;
  // Removes an entry and all below it; OK if it does not exist.
  absl::Status Remove(absl::string_view name) const;
  bool Has(absl::string_view name) const;

 private:
  StoreFolder(std::string path, int lock_fd)
      : path_(std::move(path)), lock_fd_(lock_fd) {}

  std::string path_;
  int lock_fd_;
};

// The status code for an error whose text ends in strerror's words, which is
// all that RocksDB tells: ResourceExhausted when there is no room,
// PermissionDenied, else Unavailable.
absl::StatusCode CodeOfSystemError(absl::string_view message);
// The next step for a person, e.g. "free space on its disk".
absl::string_view NextStepFor(absl::StatusCode code);

}  // namespace ebb

#endif  // EBB_COMMON_STORAGE_STORE_FOLDER_H_
