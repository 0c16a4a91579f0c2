#include "common/objects/internal/pages.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace ebb {

ObjectPage PageOf(std::vector<ListedObject> all, const ListOptions& options) {
  std::ranges::sort(all, {}, &ListedObject::key);
  ObjectPage page;
  int64_t entries = 0;
  std::string last;
  for (ListedObject& object : all) {
    std::string name = object.key;
    bool folder = false;
    if (options.folders) {
      const size_t slash = name.find('/', options.prefix.size());
      folder = slash != std::string::npos;
      if (folder) name.resize(slash + 1);
    }
    if (name <= options.after || name == last) continue;
    if (entries == options.most) {
      page.next = last;
      break;
    }
    ++entries;
    last = name;
    if (folder) {
      page.folders.push_back(std::move(name));
    } else {
      page.objects.push_back(std::move(object));
    }
  }
  return page;
}

absl::Status NoSuchObject(absl::string_view place, absl::string_view key) {
  return absl::NotFoundError(absl::StrCat(place, key, " is not there"));
}

absl::Status ObjectIsThere(absl::string_view place, absl::string_view key) {
  return absl::AlreadyExistsError(
      absl::StrCat(place, key, " is there already, with other content"));
}

absl::Status ObjectChanged(absl::string_view place, absl::string_view key) {
  return absl::AbortedError(absl::StrCat(
      place, key, " was changed by another program (its ETag is another)"));
}

absl::Status BeyondObject(absl::string_view place, absl::string_view key,
                          uint64_t offset, uint64_t size) {
  return absl::OutOfRangeError(
      absl::StrCat(place, key, " has ", size, " bytes, and none at ", offset));
}

absl::Status ObjectTooLarge(absl::string_view place, absl::string_view key) {
  return absl::ResourceExhaustedError(
      absl::StrCat(place, key, " has more than ", kMostObjectBytes,
                   " bytes, the most that are read at once"));
}

}  // namespace ebb
