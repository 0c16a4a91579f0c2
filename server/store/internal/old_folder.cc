#include "server/store/internal/old_folder.h"

#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "server/store/internal/folder_layout.h"

namespace ebb::server {

namespace {

// Each takeover renames the folders once, so twice in a row is rare already.
constexpr int kLooks = 10;
constexpr absl::string_view kIdentityFolder = "identity";
constexpr absl::string_view kRetiredFolder = "identity.old";

std::string Below(absl::string_view folder, absl::string_view name) {
  return absl::StrCat(folder, "/", name);
}

absl::StatusOr<bool> IsFolder(FolderFiles* files, const std::string& path) {
  const auto found = files->Look(path);
  if (absl::IsNotFound(found.status())) return false;
  EBB_RETURN_IF_ERROR(found.status());
  return found->folder;
}

}  // namespace

// In the order in which another server moves it.
absl::StatusOr<bool> OldFolder::IsThere() const {
  for (const absl::string_view name : {kIdentityFolder, kRetiredFolder}) {
    EBB_ASSIGN_OR_RETURN(const bool there,
                         IsFolder(files_, Below(folder_, name)));
    if (there) return true;
  }
  return false;
}

absl::StatusOr<std::string> OldFolder::Retire() const {
  const std::string identity = Below(folder_, kIdentityFolder);
  for (int look = 0; look < kLooks; ++look) {
    EBB_ASSIGN_OR_RETURN(const bool in_use, IsFolder(files_, identity));
    if (!in_use) {
      EBB_RETURN_IF_ERROR(files_->SyncFolder(folder_));
      EBB_ASSIGN_OR_RETURN(const std::unique_ptr<FolderFiles::File> file,
                           files_->Open(Below(folder_, kRetiredIdentity)));
      return file->Read(0, file->facts().bytes);
    }
    const absl::Status retired =
        files_->Look(Below(folder_, kRetiredIdentity)).status();
    absl::Status moved;
    if (absl::IsNotFound(retired)) {
      moved = files_->Rename(identity, Below(folder_, kRetiredFolder));
    } else {
      EBB_RETURN_IF_ERROR(retired);
      moved = RemoveSecond();
    }
    // Another server has done it, or an older one was quicker.
    if (!absl::IsNotFound(moved) && !absl::IsAlreadyExists(moved)) {
      EBB_RETURN_IF_ERROR(moved);
    }
  }
  return absl::UnavailableError(
      absl::StrCat(identity,
                   " was made anew each time it was moved away: do servers of "
                   "ebb 0.2 start here? It is tried again"));
}

// It is that of a server that started between the two steps of a newer one, and
// no stored version has it.
absl::Status OldFolder::RemoveSecond() const {
  const absl::Status removed = files_->Remove(Below(folder_, kOldIdentity));
  if (!absl::IsNotFound(removed)) EBB_RETURN_IF_ERROR(removed);
  return files_->RemoveFolder(Below(folder_, kIdentityFolder));
}

absl::Status OldFolder::Take(JobId job, PartitionId partition,
                             Term term) const {
  const std::string path =
      Below(Below(folder_, JobFolderName(job)), PartitionFolderName(partition));
  for (int look = 0; look < kLooks; ++look) {
    const auto entries = files_->Entries(path);
    if (absl::IsNotFound(entries.status())) return absl::OkStatus();
    EBB_RETURN_IF_ERROR(entries.status());
    std::vector<TermFolder> older;
    for (const FolderEntry& entry : *entries) {
      const auto folder = ParseTermFolder(entry.name);
      if (!folder.has_value()) continue;
      if (folder->owner > term || folder->term == term) {
        return absl::FailedPreconditionError(absl::StrCat(
            path, " was taken over in term ", folder->owner.value(),
            " by a server of an older ebb: nothing of term ", term.value(),
            " is stored"));
      }
      if (folder->owner < term) older.push_back(*folder);
    }
    bool all = true;
    for (const TermFolder& folder : older) {
      TermFolder taken = folder;
      taken.owner = term;
      const absl::Status renamed =
          files_->Rename(Below(path, folder.Name()), Below(path, taken.Name()));
      if (absl::IsNotFound(renamed)) {
        all = false;  // Another server took it: perhaps in a newer term.
      } else {
        EBB_RETURN_IF_ERROR(renamed);
      }
    }
    // Before anything is built upon what was taken. An earlier process of this
    // server may have renamed them and died.
    if (all) return files_->SyncFolder(path);
  }
  return absl::UnavailableError(
      absl::StrCat(path,
                   " was changed by others each time it was looked at; it is "
                   "tried again"));
}

}  // namespace ebb::server
