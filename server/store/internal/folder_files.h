// The files of a folder that servers share, as a FolderStore uses them.
#ifndef EBB_SERVER_STORE_INTERNAL_FOLDER_FILES_H_
#define EBB_SERVER_STORE_INTERNAL_FOLDER_FILES_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ebb::server {

// The seam between a FolderStore and its file system. Implementations: the real
// one (below) and one in memory that loses power (tests/testing).
//
// Changes to a folder's entries are durable after SyncFolder of that folder,
// not before. Errors, besides those named: ResourceExhausted (no room),
// PermissionDenied, else Unavailable; the message names the path.
//
// Thread-compatible.
class FolderFiles {
 public:
  // A file that is open to be read.
  class File {
   public:
    virtual ~File() = default;
    // Fills `bytes` from `offset` on. DataLoss: the file ends before.
    virtual absl::Status ReadAt(uint64_t offset, std::span<char> bytes) = 0;
  };

  virtual ~FolderFiles() = default;

  // False: it is there already. NotFound: its parent is not.
  virtual absl::StatusOr<bool> MakeFolder(const std::string& path) = 0;
  // The names in it, in any order. NotFound.
  virtual absl::StatusOr<std::vector<std::string>> Entries(
      const std::string& path) = 0;
  // A new file of these bytes, synced (its name is not). On an error a part of
  // it may be there. AlreadyExists; NotFound: its folder is not there.
  virtual absl::Status WriteNew(const std::string& path,
                                std::span<const absl::string_view> parts) = 0;
  // All of a file. NotFound.
  virtual absl::StatusOr<std::string> Read(const std::string& path) = 0;
  // NotFound.
  virtual absl::StatusOr<std::unique_ptr<File>> Open(
      const std::string& path) = 0;
  // In one step, also for those who look. A file takes the place of another; a
  // folder that of an empty one: AlreadyExists when it is not empty. NotFound:
  // there is no `from`.
  virtual absl::Status Rename(const std::string& from,
                              const std::string& to) = 0;
  virtual absl::Status SyncFolder(const std::string& path) = 0;
  // A file or an empty folder. NotFound; AlreadyExists: it is not empty.
  virtual absl::Status Remove(const std::string& path) = 0;
  // Removes the folder with all below it, even if another process removes some
  // of it meanwhile. A missing path is OK.
  virtual absl::Status RemoveTree(const std::string& path) = 0;
};

// The real one. Lives as long as the process.
FolderFiles* RealFolderFiles();

}  // namespace ebb::server

#endif  // EBB_SERVER_STORE_INTERNAL_FOLDER_FILES_H_
