#include "common/objects/folder_objects.h"

#include <sys/random.h>

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/objects/internal/pages.h"
#include "common/status_macros.h"

namespace ebb {

namespace {

// No key has a part that begins with ".".
constexpr absl::string_view kUnfinished = ".new-";
// Another process may remove a folder that is empty while we write into it.
constexpr int kTries = 10;
// Folders of former terms stay in `durable_`: it is emptied when it is large.
constexpr size_t kMostDurable = 10'000;

std::string RandomName() {
  std::string bytes(16, '\0');
  const ssize_t n = getrandom(bytes.data(), bytes.size(), 0);
  if (n != static_cast<ssize_t>(bytes.size())) std::abort();
  return absl::BytesToHexString(bytes);
}

std::string ParentOf(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

}  // namespace

// One page of a list: goes through the folders in the order of keys, and into
// those alone that may have some of the page.
class FolderObjects::Walk {
 public:
  Walk(FolderFiles* files, const ListOptions& options)
      : files_(files), options_(options) {}

  // Adds what is in the folder at `path`, whose keys begin with `prefix`.
  absl::Status Add(const std::string& path, const std::string& prefix) {
    EBB_ASSIGN_OR_RETURN(const auto entries, Sorted(path));
    for (const auto& [name, entry] : entries) {
      const std::string key = absl::StrCat(prefix, name);
      if (!entry.folder) {
        if (absl::StartsWith(key, options_.prefix) && key > options_.after) {
          if (IsFull()) return absl::OkStatus();
          page_.objects.push_back({key, entry.bytes});
          last_ = key;
        }
        continue;
      }
      const std::string below = absl::StrCat(path, "/", entry.name);
      const bool listed = absl::StartsWith(key, options_.prefix);
      if (!listed && !absl::StartsWith(options_.prefix, key)) continue;
      // Each of its keys is on a page before.
      if (key <= options_.after && !absl::StartsWith(options_.after, key)) {
        continue;
      }
      if (options_.folders && listed && key != options_.prefix) {
        if (key <= options_.after) continue;
        EBB_ASSIGN_OR_RETURN(const bool any, HasObjects(below));
        if (!any) continue;
        if (IsFull()) return absl::OkStatus();
        page_.folders.push_back(key);
        last_ = key;
        continue;
      }
      const absl::Status added = Add(below, key);
      // Another process found no object there, and removed it.
      if (!absl::IsNotFound(added)) EBB_RETURN_IF_ERROR(added);
      if (!page_.next.empty()) return absl::OkStatus();
    }
    return absl::OkStatus();
  }

  ObjectPage Take() { return std::move(page_); }

 private:
  // By the part of the key; that of a folder ends with "/".
  absl::StatusOr<std::vector<std::pair<std::string, FolderEntry>>> Sorted(
      const std::string& path) {
    EBB_ASSIGN_OR_RETURN(const auto entries, files_->Entries(path));
    std::vector<std::pair<std::string, FolderEntry>> sorted;
    for (const FolderEntry& entry : entries) {
      if (absl::StartsWith(entry.name, ".")) continue;
      sorted.emplace_back(absl::StrCat(entry.name, entry.folder ? "/" : ""),
                          entry);
    }
    std::ranges::sort(sorted, {}, [](const auto& one) { return one.first; });
    return sorted;
  }

  absl::StatusOr<bool> HasObjects(const std::string& path) {
    const auto entries = Sorted(path);
    if (absl::IsNotFound(entries.status())) return false;
    EBB_RETURN_IF_ERROR(entries.status());
    for (const auto& [name, entry] : *entries) {
      if (!entry.folder) return true;
      EBB_ASSIGN_OR_RETURN(const bool any,
                           HasObjects(absl::StrCat(path, "/", entry.name)));
      if (any) return true;
    }
    return false;
  }

  // Returns whether there is no room; if so, what is left is for the next page.
  bool IsFull() {
    const size_t listed = page_.objects.size() + page_.folders.size();
    if (listed < static_cast<size_t>(options_.most)) return false;
    page_.next = last_;
    return true;
  }

  FolderFiles* const files_;
  const ListOptions& options_;
  ObjectPage page_;
  std::string last_;
};

absl::StatusOr<std::unique_ptr<FolderObjects>> FolderObjects::Open(
    FolderObjectsOptions options) {
  auto objects = std::make_unique<FolderObjects>(std::move(options));
  EBB_ASSIGN_OR_RETURN(const FileFacts found,
                       objects->files_->Look(objects->folder_));
  if (!found.folder) {
    return absl::InvalidArgumentError(
        absl::StrCat(objects->folder_, " is not a folder"));
  }
  objects->RemoveUnfinished();
  return objects;
}

FolderObjects::FolderObjects(FolderObjectsOptions options)
    : folder_(std::move(options.folder)),
      place_(folder_ + "/"),
      unfinished_prefix_(options.writer.empty()
                             ? std::string(kUnfinished)
                             : absl::StrCat(kUnfinished, options.writer, "-")),
      files_(options.files != nullptr ? options.files : RealFolderFiles()) {}

std::string FolderObjects::PathOf(absl::string_view key) const {
  return absl::StrCat(place_, key);
}

// If it fails, the files stay until the next process of this name.
void FolderObjects::RemoveUnfinished() {
  if (unfinished_prefix_ == kUnfinished) return;
  const auto entries = files_->Entries(folder_);
  if (!entries.ok()) return;
  for (const FolderEntry& entry : *entries) {
    if (absl::StartsWith(entry.name, unfinished_prefix_)) {
      files_->Remove(PathOf(entry.name)).IgnoreError();
    }
  }
}

absl::StatusOr<ObjectContent> FolderObjects::Get(absl::string_view key,
                                                 const GetOptions& options) {
  EBB_RETURN_IF_ERROR(CheckObjectKey(key));
  const auto file = files_->Open(PathOf(key));
  if (absl::IsNotFound(file.status())) return NoSuchObject(place_, key);
  EBB_RETURN_IF_ERROR(file.status());
  ObjectContent content;
  content.etag = (*file)->facts().tag;
  content.size = (*file)->facts().bytes;
  if (!options.if_match.empty() && options.if_match != content.etag) {
    return ObjectChanged(place_, key);
  }
  if (!options.whole() && options.offset >= content.size) {
    return BeyondObject(place_, key, options.offset, content.size);
  }
  const uint64_t bytes = std::min(options.bytes, content.size - options.offset);
  if (bytes > kMostObjectBytes) return ObjectTooLarge(place_, key);
  EBB_ASSIGN_OR_RETURN(content.bytes, (*file)->Read(options.offset, bytes));
  if (content.bytes.size() != bytes) {
    return absl::UnavailableError(
        absl::StrCat(PathOf(key), " became shorter while it was read"));
  }
  return content;
}

// A folder that is there may be one that its maker had no time to sync.
absl::Status FolderObjects::MakeFolders(const std::string& folder) {
  if (folder.size() <= folder_.size()) return absl::OkStatus();
  {
    MutexLock lock(&mu_);
    if (durable_.contains(folder)) return absl::OkStatus();
  }
  const std::string parent = ParentOf(folder);
  EBB_RETURN_IF_ERROR(MakeFolders(parent));
  EBB_RETURN_IF_ERROR(files_->MakeFolder(folder).status());
  EBB_RETURN_IF_ERROR(files_->SyncFolder(parent));
  MutexLock lock(&mu_);
  if (durable_.size() >= kMostDurable) durable_.clear();
  durable_.insert(folder);
  return absl::OkStatus();
}

absl::StatusOr<FileFacts> FolderObjects::LookAtUnfinished(
    const std::string& unfinished) {
  auto found = files_->Look(unfinished);
  if (!absl::IsNotFound(found.status())) return found;
  return absl::UnavailableError(
      absl::StrCat(unfinished,
                   " was removed before it got its name: has another process "
                   "of the same server started?"));
}

absl::Status FolderObjects::Name(const std::string& unfinished,
                                 absl::string_view key,
                                 const PutOptions& options) {
  const std::string path = PathOf(key);
  const std::string parent = ParentOf(path);
  absl::Status named;
  for (int i = 0; i < kTries; ++i) {
    named = MakeFolders(parent);
    if (named.ok()) {
      named = options.create_only ? files_->Link(unfinished, path)
                                  : files_->Rename(unfinished, path);
    }
    if (named.ok()) return files_->SyncFolder(parent);
    if (absl::IsAlreadyExists(named)) return ObjectIsThere(place_, key);
    if (!absl::IsNotFound(named)) return named;
    EBB_RETURN_IF_ERROR(LookAtUnfinished(unfinished).status());
    MutexLock lock(&mu_);
    durable_.clear();
  }
  return absl::UnavailableError(absl::StrCat(
      named.message(), ": its folder was removed by others each time"));
}

absl::StatusOr<std::string> FolderObjects::Put(
    absl::string_view key, std::span<const absl::string_view> parts,
    const PutOptions& options) {
  EBB_RETURN_IF_ERROR(CheckObjectKey(key));
  const std::string unfinished =
      PathOf(absl::StrCat(unfinished_prefix_, RandomName()));
  absl::Status named = files_->WriteNew(unfinished, parts);
  std::string etag;
  if (named.ok()) {
    MutexLock lock(&replacing_);
    if (!options.if_match.empty()) {
      const auto there = files_->Look(PathOf(key));
      if (!there.ok() || there->tag != options.if_match) {
        named = ObjectChanged(place_, key);
      }
    }
    if (named.ok()) {
      const auto written = LookAtUnfinished(unfinished);
      named = written.status();
      if (written.ok()) etag = written->tag;
    }
    if (named.ok()) named = Name(unfinished, key, options);
  }
  // It was renamed, or has a second name, or failed.
  if (!named.ok() || options.create_only) {
    files_->Remove(unfinished).IgnoreError();
  }
  if (absl::IsAlreadyExists(named) || absl::IsAborted(named)) {
    auto there = Get(key, {});
    if (there.ok() && there->bytes == absl::StrJoin(parts, "")) {
      // The process that put it may have had no time to sync its name.
      EBB_RETURN_IF_ERROR(MakeFolders(ParentOf(PathOf(key))));
      EBB_RETURN_IF_ERROR(files_->SyncFolder(ParentOf(PathOf(key))));
      return there->etag;
    }
  }
  EBB_RETURN_IF_ERROR(named);
  return etag;
}

absl::StatusOr<ObjectPage> FolderObjects::List(const ListOptions& options) {
  // Only what can have the prefix is looked at.
  const size_t slash = options.prefix.rfind('/');
  const std::string below =
      slash == std::string::npos ? "" : options.prefix.substr(0, slash);
  if (!below.empty()) EBB_RETURN_IF_ERROR(CheckObjectKey(below));
  Walk walk(files_, options);
  const absl::Status added = below.empty()
                                 ? walk.Add(folder_, "")
                                 : walk.Add(PathOf(below), below + "/");
  if (absl::IsNotFound(added) && !below.empty()) {
    EBB_RETURN_IF_ERROR(files_->Look(folder_).status());
    return ObjectPage();
  }
  EBB_RETURN_IF_ERROR(added);
  return walk.Take();
}

absl::Status FolderObjects::Delete(absl::string_view key) {
  EBB_RETURN_IF_ERROR(CheckObjectKey(key));
  std::string path = PathOf(key);
  const auto found = files_->Look(path);
  if (absl::IsNotFound(found.status())) return absl::OkStatus();
  EBB_RETURN_IF_ERROR(found.status());
  if (found->folder) return absl::OkStatus();
  const absl::Status removed = files_->Remove(path);
  if (absl::IsNotFound(removed)) return absl::OkStatus();
  EBB_RETURN_IF_ERROR(removed);
  // Folders without objects go, durably; one that is not empty stays.
  bool any = false;
  path = ParentOf(path);
  while (path.size() > folder_.size() && files_->RemoveFolder(path).ok()) {
    any = true;
    {
      MutexLock lock(&mu_);
      durable_.erase(path);
    }
    path = ParentOf(path);
  }
  if (!any) return absl::OkStatus();
  absl::Status synced = files_->SyncFolder(path);
  // Another process has removed this folder, too.
  while (absl::IsNotFound(synced) && path.size() > folder_.size()) {
    path = ParentOf(path);
    synced = files_->SyncFolder(path);
  }
  return synced;
}

}  // namespace ebb
