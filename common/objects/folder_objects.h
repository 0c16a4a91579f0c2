// An ObjectStore in a folder: each object is a file.
#ifndef EBB_COMMON_OBJECTS_FOLDER_OBJECTS_H_
#define EBB_COMMON_OBJECTS_FOLDER_OBJECTS_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/mutex.h"
#include "common/objects/object_store.h"

namespace ebb {

// A file is written beside its place, synced, and then linked or renamed to it.
// So each is seen whole, and one of several creates at once succeeds, also
// among processes. A put with `if_match` looks and then replaces: it is safe
// against other puts of this object only, not against other processes.
//
// Thread-safe.
class FolderObjects final : public ObjectStore {
 public:
  // NotFound: there is no such folder.
  static absl::StatusOr<std::unique_ptr<FolderObjects>> Open(
      const std::string& folder);

  // Use Open.
  explicit FolderObjects(std::string folder)
      : folder_(std::move(folder)), place_(folder_ + "/") {}

  const std::string& place() const override { return place_; }
  absl::StatusOr<ObjectContent> Get(absl::string_view key,
                                    const GetOptions& options) override;
  absl::StatusOr<std::string> Put(absl::string_view key,
                                  std::span<const absl::string_view> parts,
                                  const PutOptions& options) override;
  absl::StatusOr<ObjectPage> List(const ListOptions& options) override;
  absl::Status Delete(absl::string_view key) override;

 private:
  std::string PathOf(absl::string_view key) const;
  // Writes a file of a name that no other has; returns its path.
  absl::StatusOr<std::string> WriteUnnamed(
      std::span<const absl::string_view> parts) const;
  absl::Status Name(const std::string& written, absl::string_view key,
                    const PutOptions& options);

  const std::string folder_;
  const std::string place_;
  Mutex mu_;  // Held over what puts with `if_match` look at and replace.
};

}  // namespace ebb

#endif  // EBB_COMMON_OBJECTS_FOLDER_OBJECTS_H_
