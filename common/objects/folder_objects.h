// An ObjectStore in a folder: each object is a file.
#ifndef EBB_COMMON_OBJECTS_FOLDER_OBJECTS_H_
#define EBB_COMMON_OBJECTS_FOLDER_OBJECTS_H_

#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/mutex.h"
#include "common/objects/folder_files.h"
#include "common/objects/object_store.h"

namespace ebb {

struct FolderObjectsOptions {
  // Must be there: a volume that is not mounted must not be taken for an empty
  // one.
  std::string folder;
  // Names the process among those that put at the same time, for example
  // "server-3". Open removes what an earlier one of this name left unfinished.
  // Empty: nothing is removed.
  std::string writer;
  // For tests that break disks; nullptr: the real ones. Not owned.
  FolderFiles* files = nullptr;
};

// A file is written and synced under a name that no key has. Then a hard link
// (`create_only`) or a rename gives it its own, and the folder is synced. So
// each object is seen whole, one of several creates at once succeeds, also
// among processes and machines, and an object outlasts a loss of power when
// its Put has returned. A process that dies may leave files ".new-WRITER-...",
// which lists do not show.
//
// A put with `if_match` looks and then replaces: it is safe against other puts
// of this process only. A power loss may undo a Delete.
//
// The file system must have hard links, renames in one step and fsync of files
// and folders, and show each change to others when they look next. If other
// processes remove the last object of a folder and put new ones while this one
// puts there, too, the folder itself is as durable as they make it.
//
// Thread-safe.
class FolderObjects final : public ObjectStore {
 public:
  // NotFound: there is no such folder. InvalidArgument: it is another file.
  static absl::StatusOr<std::unique_ptr<FolderObjects>> Open(
      FolderObjectsOptions options);

  // Use Open.
  explicit FolderObjects(FolderObjectsOptions options);

  const std::string& place() const override { return place_; }
  absl::StatusOr<ObjectContent> Get(absl::string_view key,
                                    const GetOptions& options) override;
  absl::StatusOr<std::string> Put(absl::string_view key,
                                  std::span<const absl::string_view> parts,
                                  const PutOptions& options) override;
  absl::StatusOr<ObjectPage> List(const ListOptions& options) override;
  absl::Status Delete(absl::string_view key) override;

 private:
  class Walk;

  std::string PathOf(absl::string_view key) const;
  void RemoveUnfinished();
  // Makes the folder, and all above it, durable.
  absl::Status MakeFolders(const std::string& folder);
  // Unavailable: a later process of the same name has removed the file.
  absl::StatusOr<FileFacts> LookAtUnfinished(const std::string& unfinished);
  // Gives the file `unfinished` the name of the key, durably.
  absl::Status Name(const std::string& unfinished, absl::string_view key,
                    const PutOptions& options);

  const std::string folder_;
  const std::string place_;
  const std::string unfinished_prefix_;
  FolderFiles* const files_;  // Not owned.
  Mutex replacing_;  // Held over what puts with `if_match` look at and replace.
  Mutex mu_;
  // The folders that this process has made durable.
  std::set<std::string> durable_ ABSL_GUARDED_BY(mu_);
};

}  // namespace ebb

#endif  // EBB_COMMON_OBJECTS_FOLDER_OBJECTS_H_
