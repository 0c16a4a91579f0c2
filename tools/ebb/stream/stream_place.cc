#include "tools/ebb/stream/stream_place.h"

#include <filesystem>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/objects/folder_objects.h"
#include "common/objects/s3_objects.h"
#include "common/status_macros.h"

namespace ebb::tools {

absl::StatusOr<std::unique_ptr<ObjectStore>> OpenStreamPlace(
    const std::string& place, bool make) {
  if (absl::StartsWith(place, "s3://")) return S3Objects::OpenUrl(place);
  if (absl::StrContains(place, "://")) {
    return absl::InvalidArgumentError(
        absl::StrCat(place,
                     " is no place for a growing set; name a folder, or "
                     "s3://BUCKET/PREFIX"));
  }
  if (make) {
    std::error_code error;
    std::filesystem::create_directory(place, error);
    if (error) {
      return absl::NotFoundError(absl::StrCat("cannot make the folder ", place,
                                              ": ", error.message()));
    }
  }
  return FolderObjects::Open({.folder = place});
}

}  // namespace ebb::tools
