// The files of a folder, as FolderObjects uses them.
#ifndef EBB_COMMON_OBJECTS_FOLDER_FILES_H_
#define EBB_COMMON_OBJECTS_FOLDER_FILES_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ebb {

struct FileFacts {
  bool folder = false;
  uint64_t bytes = 0;  // The size of a file.
  // Another one whenever the file behind the path is another.
  std::string tag;
};

struct FolderEntry {
  std::string name;
  bool folder = false;
  uint64_t bytes = 0;
};

// The seam between FolderObjects and its file system. Implementations: the real
// one (below) and one in memory that loses power (tests/testing).
//
// Changes to a folder's entries are durable after SyncFolder of that folder,
// not before. Errors, besides those named: ResourceExhausted (no room),
// PermissionDenied, else Unavailable; the message names the path.
//
// Thread-safe.
class FolderFiles {
 public:
  // A file that is open to be read.
  class File {
   public:
    virtual ~File() = default;
    virtual const FileFacts& facts() const = 0;
    // Up to so many bytes from `offset` on; fewer where the file ends before.
    virtual absl::StatusOr<std::string> Read(uint64_t offset,
                                             uint64_t bytes) = 0;
  };

  virtual ~FolderFiles() = default;

  // False: it is there already. NotFound: its parent is not.
  virtual absl::StatusOr<bool> MakeFolder(const std::string& path) = 0;
  // The files and folders in it, in any order. NotFound.
  virtual absl::StatusOr<std::vector<FolderEntry>> Entries(
      const std::string& path) = 0;
  // NotFound.
  virtual absl::StatusOr<FileFacts> Look(const std::string& path) = 0;
  // A new file of these bytes, synced (its name is not). On an error a part of
  // it may be there. AlreadyExists; NotFound: its folder is not there.
  virtual absl::Status WriteNew(const std::string& path,
                                std::span<const absl::string_view> parts) = 0;
  // NotFound: there is no such file.
  virtual absl::StatusOr<std::unique_ptr<File>> Open(
      const std::string& path) = 0;
  // Gives the file a second name, in one step. AlreadyExists: there is a file
  // or folder of this name. NotFound: `file` or the folder is not there.
  virtual absl::Status Link(const std::string& file,
                            const std::string& path) = 0;
  // In one step, also for those who look. A file takes the place of another; a
  // folder that of an empty one: AlreadyExists when it is not empty. NotFound:
  // `from` is not there, or the folder of `to`.
  virtual absl::Status Rename(const std::string& from,
                              const std::string& to) = 0;
  virtual absl::Status SyncFolder(const std::string& path) = 0;
  // A file. NotFound.
  virtual absl::Status Remove(const std::string& path) = 0;
  // An empty folder. NotFound; AlreadyExists: it is not empty.
  virtual absl::Status RemoveFolder(const std::string& path) = 0;
};

// The real one. Lives as long as the process.
FolderFiles* RealFolderFiles();

}  // namespace ebb

#endif  // EBB_COMMON_OBJECTS_FOLDER_FILES_H_
