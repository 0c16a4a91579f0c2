#include "tools/ebb/run/shared_place.h"

#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/objects/s3_objects.h"
#include "common/status_macros.h"
#include "server/store/folder_checkpoints.h"
#include "server/store/object_checkpoints.h"
#include "tools/ebb/checkpoint/checkpoint_source.h"

namespace ebb::tools {

namespace {

namespace fs = std::filesystem;

constexpr char kFlag[] = "--shared-checkpoints ";

// Returns the place as the servers get it.
absl::StatusOr<std::string> Whole(const std::string& place) {
  // The facts of a run have a line for it.
  if (absl::StrContains(place, '\n')) {
    return absl::InvalidArgumentError(
        absl::StrCat(kFlag, "has a name with a line break"));
  }
  if (IsBucket(place)) return place;
  if (absl::StrContains(place, "://")) {
    return absl::InvalidArgumentError(
        absl::StrCat(kFlag, place, " must be a folder, or s3://BUCKET/PREFIX"));
  }
  const std::string whole = fs::absolute(place).lexically_normal().string();
  // "copies/" is the folder "copies".
  return whole.size() > 1 ? std::string(absl::StripSuffix(whole, "/")) : whole;
}

absl::Status HasCopies(const std::string& place) {
  return absl::AlreadyExistsError(absl::StrCat(
      kFlag, place,
      " has copies of another run or cluster; name an empty place, or go on "
      "with that run by --resume"));
}

absl::Status CheckBucket(const std::string& place) {
  EBB_ASSIGN_OR_RETURN(auto objects, S3Objects::OpenUrl(place));
  const absl::Status there =
      server::ObjectCheckpoints::Open(std::move(objects),
                                      {.probe = false, .create = false})
          .status();
  if (there.ok()) return HasCopies(place);
  return absl::IsNotFound(there) ? absl::OkStatus() : there;
}

absl::Status CheckFolder(const std::string& place) {
  std::error_code error;
  if (server::HasFolderCheckpoints(place)) return HasCopies(place);
  if (fs::is_directory(place, error)) return absl::OkStatus();
  if (fs::exists(place, error)) {
    return absl::InvalidArgumentError(
        absl::StrCat(kFlag, place, " is not a folder"));
  }
  fs::create_directory(place, error);
  if (!error) return absl::OkStatus();
  return absl::ErrnoToStatus(
      error.value(), absl::StrCat(kFlag, place, ": cannot make the folder"));
}

}  // namespace

absl::StatusOr<std::string> TakeSharedPlace(const std::string& place) {
  EBB_ASSIGN_OR_RETURN(std::string whole, Whole(place));
  EBB_RETURN_IF_ERROR(IsBucket(whole) ? CheckBucket(whole)
                                      : CheckFolder(whole));
  return whole;
}

absl::StatusOr<std::string> KeepSharedPlace(const std::string& place,
                                            const std::string& stored) {
  if (place.empty()) return stored;
  EBB_ASSIGN_OR_RETURN(std::string whole, Whole(place));
  if (whole == stored) return whole;
  return absl::InvalidArgumentError(
      absl::StrCat(kFlag, place, ": the run has its copies in ",
                   stored.empty() ? "its own folder" : stored,
                   ", and goes on there. Leave --shared-checkpoints out."));
}

}  // namespace ebb::tools
