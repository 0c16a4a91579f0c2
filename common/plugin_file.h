// Code of users, from folders that the operator allowed: shared objects, and
// text.
//
//   EBB_ASSIGN_OR_RETURN(auto file, PluginFile::Open("libmine.so", folders));
//   const auto entry = reinterpret_cast<Entry*>(file->Find("my_entry"));
#ifndef EBB_COMMON_PLUGIN_FILE_H_
#define EBB_COMMON_PLUGIN_FILE_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ebb {

// PermissionDenied: others may put code into the folder, as all users may write
// to it, without the sticky bit, or it is neither this user's nor root's.
absl::Status CheckPluginFolder(const std::string& folder);

// A file of code, read once.
struct PluginText {
  std::string path;  // Links followed.
  std::string text;
};
// Reads the file at `path`, which PluginFile::Open would find there under the
// same conditions, with the same errors. kInvalidArgument: it has more than
// 4 MiB, or cannot be read.
absl::StatusOr<PluginText> ReadPlugin(
    absl::string_view path, const std::vector<std::string>& allowed_folders);

// A loaded shared object; unloads it. Thread-safe.
class PluginFile {
 public:
  // Loads the shared object at `path`. A relative path is looked for in each of
  // the folders, in their order. The object must really lie in or below one of
  // them, whatever links lead there. The reason: a job may name any path, and
  // loaded code runs, so users with write access to these folders may do what
  // this process may.
  //
  // kNotFound: there is no such file. kPermissionDenied: it lies elsewhere, or
  // others may write to it or to a folder up to the allowed one.
  // kInvalidArgument: it is not a shared object that can be loaded.
  static absl::StatusOr<std::shared_ptr<const PluginFile>> Open(
      absl::string_view path, const std::vector<std::string>& allowed_folders);

  PluginFile(const PluginFile&) = delete;
  PluginFile& operator=(const PluginFile&) = delete;
  ~PluginFile();

  // Returns the object's symbol of this name; null: there is none.
  void* Find(const char* name) const;
  // InvalidArgument, naming the file.
  absl::Status Refuse(absl::string_view why) const;

 private:
  PluginFile(void* handle, std::string path)
      : handle_(handle), path_(std::move(path)) {}

  void* const handle_;
  const std::string path_;  // Links followed.
};

}  // namespace ebb

#endif  // EBB_COMMON_PLUGIN_FILE_H_
