#include "server/store/internal/partition_folder.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "server/store/internal/cut_blocks.h"

namespace ebb::server {

namespace {

// Each takeover renames the folders once, so twice in a row is rare already.
constexpr int kLooks = 10;

absl::Status AlwaysChanging(const std::string& path) {
  return absl::UnavailableError(
      absl::StrCat(path,
                   " was changed by others each time it was looked at; "
                   "it is tried again"));
}

absl::Status TakenOver(const std::string& path, Term term, Term newer) {
  return absl::FailedPreconditionError(
      absl::StrCat(path, " was taken over in term ", newer.value(),
                   ": nothing more of term ", term.value(), " is stored"));
}

}  // namespace

absl::StatusOr<std::vector<TermFolder>> PartitionFolder::Terms() const {
  auto names = files_->Entries(path_);
  if (absl::IsNotFound(names.status())) return std::vector<TermFolder>();
  EBB_RETURN_IF_ERROR(names.status());
  std::vector<TermFolder> terms;
  for (const std::string& name : *names) {
    if (const auto term = ParseTermFolder(name)) terms.push_back(*term);
  }
  std::sort(
      terms.begin(), terms.end(),
      [](const TermFolder& a, const TermFolder& b) { return a.term < b.term; });
  return terms;
}

absl::StatusOr<std::vector<ListedTerm>> PartitionFolder::List() const {
  for (int look = 0; look < kLooks; ++look) {
    EBB_ASSIGN_OR_RETURN(const std::vector<TermFolder> terms, Terms());
    std::vector<ListedTerm> listed;
    for (const TermFolder& folder : terms) {
      const auto names =
          files_->Entries(absl::StrCat(path_, "/", folder.Name()));
      if (absl::IsNotFound(names.status())) break;  // Renamed, or removed.
      EBB_RETURN_IF_ERROR(names.status());
      ListedTerm& term = listed.emplace_back();
      term.folder = folder;
      for (const std::string& name : *names) {
        if (const auto version = ParseVersionFile(name)) {
          term.versions.push_back(*version);
        } else if (const auto pack = ParsePackFile(name)) {
          term.packs.insert(*pack);
        } else if (IsNewVersionFile(name)) {
          term.unfinished.push_back(name);
        }
      }
    }
    if (listed.size() == terms.size()) return listed;
  }
  return AlwaysChanging(path_);
}

absl::Status PartitionFolder::CheckNewest(Term term) const {
  EBB_ASSIGN_OR_RETURN(const std::vector<TermFolder> terms, Terms());
  for (const TermFolder& folder : terms) {
    if (folder.owner > term) return TakenOver(path_, term, folder.owner);
  }
  return absl::OkStatus();
}

absl::Status PartitionFolder::Take(Term term, ServerId server) const {
  const TermFolder own{term, server, term};
  for (int look = 0; look < kLooks; ++look) {
    EBB_RETURN_IF_ERROR(CheckNewest(term));
    EBB_RETURN_IF_ERROR(
        files_->MakeFolder(absl::StrCat(path_, "/", own.Name())).status());
    EBB_ASSIGN_OR_RETURN(const std::vector<TermFolder> terms, Terms());
    bool all = true;
    for (const TermFolder& folder : terms) {
      if (folder.owner >= term) continue;
      TermFolder taken = folder;
      taken.owner = term;
      const absl::Status renamed =
          files_->Rename(absl::StrCat(path_, "/", folder.Name()),
                         absl::StrCat(path_, "/", taken.Name()));
      if (absl::IsNotFound(renamed)) {
        all = false;  // Another server took it: perhaps in a newer term.
      } else {
        EBB_RETURN_IF_ERROR(renamed);
      }
    }
    // Before anything is built upon what was taken.
    if (all) return files_->SyncFolder(path_);
  }
  return AlwaysChanging(path_);
}

absl::Status PartitionFolder::LookIn(
    Term term, absl::FunctionRef<absl::Status(const TermFolder&)> use) const {
  std::vector<TermFolder> before;
  while (true) {
    EBB_ASSIGN_OR_RETURN(std::vector<TermFolder> folders, Terms());
    std::erase_if(folders, [term](const TermFolder& folder) {
      return folder.term != term;
    });
    if (folders == before) return absl::NotFoundError("");
    for (const TermFolder& folder : folders) {
      absl::Status used = use(folder);
      if (!absl::IsNotFound(used)) return used;
    }
    before = std::move(folders);
  }
}

absl::StatusOr<FolderManifest> PartitionFolder::ReadVersion(
    const VersionKey& key) const {
  FolderManifest manifest;
  const absl::Status read = LookIn(key.term, [&](const TermFolder& folder) {
    const std::string path = File(folder, VersionFileOf(key).Name());
    EBB_ASSIGN_OR_RETURN(const std::string bytes, files_->Read(path));
    auto decoded = DecodeFolderManifest(bytes);
    if (!decoded.ok()) {
      return absl::Status(decoded.status().code(),
                          absl::StrCat(path, ": ", decoded.status().message()));
    }
    if (decoded->version.key != key) {
      return absl::DataLossError(
          absl::StrCat(path, ": it is of ", VersionName(decoded->version.key)));
    }
    manifest = *std::move(decoded);
    return absl::OkStatus();
  });
  if (absl::IsNotFound(read)) return NotStored(key);
  EBB_RETURN_IF_ERROR(read);
  return manifest;
}

absl::StatusOr<std::unique_ptr<FolderFiles::File>> PartitionFolder::OpenPack(
    const PackName& name, std::string* path) const {
  *path = absl::StrCat(path_, "/t", name.term.value(), "-s*/",
                       PackFile(name.number));
  std::unique_ptr<FolderFiles::File> file;
  const absl::Status opened = LookIn(name.term, [&](const TermFolder& folder) {
    const std::string here = File(folder, PackFile(name.number));
    EBB_ASSIGN_OR_RETURN(file, files_->Open(here));
    *path = here;
    return absl::OkStatus();
  });
  if (absl::IsNotFound(opened)) {
    return absl::DataLossError(absl::StrCat(*path, " is missing"));
  }
  EBB_RETURN_IF_ERROR(opened);
  return file;
}

}  // namespace ebb::server
