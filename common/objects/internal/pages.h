// Shared by the object stores: pages of a whole list, and the words of errors.
#ifndef EBB_COMMON_OBJECTS_INTERNAL_PAGES_H_
#define EBB_COMMON_OBJECTS_INTERNAL_PAGES_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/objects/object_store.h"

namespace ebb {

// The page that `options` asks for, out of all objects with its prefix. The
// `next` of a page is the last key or folder on it.
ObjectPage PageOf(std::vector<ListedObject> all, const ListOptions& options);

absl::Status NoSuchObject(absl::string_view place, absl::string_view key);
absl::Status ObjectIsThere(absl::string_view place, absl::string_view key);
absl::Status ObjectChanged(absl::string_view place, absl::string_view key);
absl::Status BeyondObject(absl::string_view place, absl::string_view key,
                          uint64_t offset, uint64_t size);
absl::Status ObjectTooLarge(absl::string_view place, absl::string_view key);

}  // namespace ebb

#endif  // EBB_COMMON_OBJECTS_INTERNAL_PAGES_H_
