// One partition's part of a folder of shared checkpoints: the folders of its
// terms, and which server may change what in them.
//
// The rule that makes it safe to share: every path below which files change has
// in its name the term of the server that may change them. A new term's owner
// first renames the folders of all older terms (tTERM-sSERVER becomes
// tTERM-sSERVER.ofOWNER). A former owner that was stopped at any point, and
// wakes, finds its paths gone. It can neither write another version nor delete
// what the new owner builds upon.
#ifndef EBB_SERVER_STORE_INTERNAL_PARTITION_FOLDER_H_
#define EBB_SERVER_STORE_INTERNAL_PARTITION_FOLDER_H_

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/ids.h"
#include "protocol/plan.h"
#include "server/store/internal/folder_files.h"
#include "server/store/internal/folder_layout.h"
#include "server/store/internal/folder_manifest.h"

namespace ebb::server {

// The content of a term's folder.
struct ListedTerm {
  TermFolder folder;
  std::vector<VersionFile> versions;
  std::set<uint64_t> packs;
  std::vector<std::string> unfinished;  // Names of versions that are not whole.
};

// Thread-compatible.
class PartitionFolder {
 public:
  // `files` is not owned. The folder at `path` need not be there.
  PartitionFolder(FolderFiles* files, std::string path)
      : files_(files), path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  std::string File(const TermFolder& folder, const std::string& name) const {
    return path_ + "/" + folder.Name() + "/" + name;
  }

  // All terms; none where there is no folder.
  absl::StatusOr<std::vector<ListedTerm>> List() const;

  // Makes the term's folder and takes over those of all older terms; durable
  // on return. FailedPrecondition: a newer term has begun.
  absl::Status Take(Term term, ServerId server) const;
  // FailedPrecondition: a newer term than this has begun.
  absl::Status CheckNewest(Term term) const;

  // A version's manifest. NotFound; DataLoss naming the file.
  absl::StatusOr<FolderManifest> ReadVersion(const VersionKey& key) const;
  // DataLoss naming the file, also when it is missing.
  absl::StatusOr<std::unique_ptr<FolderFiles::File>> OpenPack(
      const PackName& name, std::string* path) const;

 private:
  absl::StatusOr<std::vector<TermFolder>> Terms() const;
  // Calls `use` with the folders of the term until one has what it looks for;
  // NotFound when none has. Folders are renamed while we look.
  absl::Status LookIn(
      Term term, absl::FunctionRef<absl::Status(const TermFolder&)> use) const;

  FolderFiles* const files_;  // Not owned.
  const std::string path_;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_STORE_INTERNAL_PARTITION_FOLDER_H_
