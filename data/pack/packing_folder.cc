#include "data/pack/packing_folder.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "data/pack/window_writer.h"

namespace ebb::data::pack {
namespace {

absl::Status MakeFolder(const std::string& path) {
  if (mkdir(path.c_str(), 0755) == 0 || errno == EEXIST) {
    return absl::OkStatus();
  }
  return CannotWrite(path);
}

// The folder of work is ours, if it is there: what is in it is removed.
absl::Status CheckWork(const std::string& path) {
  std::error_code ignored;
  const auto status = std::filesystem::symlink_status(path, ignored);
  if (!std::filesystem::exists(status)) return absl::OkStatus();
  const bool ours = std::filesystem::is_directory(status) &&
                    (std::filesystem::is_empty(path, ignored) ||
                     std::filesystem::exists(path + "/lock", ignored));
  if (ours) return absl::OkStatus();
  return absl::AlreadyExistsError(absl::StrCat(
      path,
      " is there, where packing would work, and packing did not make "
      "it; move it away, or name another folder"));
}

bool IsThere(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored) &&
         !(std::filesystem::is_directory(path, ignored) &&
           std::filesystem::is_empty(path, ignored));
}

}  // namespace

absl::StatusOr<PackingFolder> PackingFolder::Begin(const std::string& dest) {
  std::string folder = std::filesystem::path(dest).lexically_normal().string();
  while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
  if (IsThere(folder)) {
    return absl::AlreadyExistsError(absl::StrCat(
        folder, " is there already; remove it, or name another folder"));
  }
  EBB_RETURN_IF_ERROR(CheckWork(absl::StrCat(folder, ".packing")));
  EBB_ASSIGN_OR_RETURN(StoreFolder work,
                       StoreFolder::Lock(absl::StrCat(folder, ".packing")));
  PackingFolder made(std::move(folder), std::move(work));
  for (const char* const left : {"sets", "buckets"}) {
    EBB_RETURN_IF_ERROR(made.work_->Remove(left));
    EBB_RETURN_IF_ERROR(MakeFolder(made.work_->File(left)));
  }
  return made;
}

// The next call could not go on with what is in it.
PackingFolder::~PackingFolder() {
  if (!work_ || work_->path().empty()) return;
  std::error_code ignored;
  std::filesystem::remove_all(work_->path(), ignored);
}

absl::StatusOr<std::string> PackingFolder::MakeSet(
    absl::string_view name) const {
  std::string to = work_->File("sets");
  if (!name.empty()) to = absl::StrCat(to, "/", name);
  EBB_RETURN_IF_ERROR(MakeFolder(to));
  return to;
}

absl::Status PackingFolder::Publish(const KillPoints& kill_points) const {
  const std::string sets = work_->File("sets");
  EBB_RETURN_IF_ERROR(SyncFolder(sets));
  kill_points.Reached("before-rename");
  if (rename(sets.c_str(), dest_.c_str()) != 0) return CannotWrite(dest_);
  kill_points.Reached("renamed");
  const std::string parent =
      std::filesystem::path(dest_).parent_path().string();
  return SyncFolder(parent.empty() ? "." : parent);
}

}  // namespace ebb::data::pack
