#include "common/objects/folder_objects.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/fd.h"
#include "common/objects/internal/files.h"
#include "common/objects/internal/pages.h"
#include "common/status_macros.h"

namespace ebb {

namespace {

namespace fs = std::filesystem;

// No key has a part that begins with ".".
constexpr absl::string_view kUnnamed = ".new-";
// Another process may remove a folder that is empty while we write into it.
constexpr int kTries = 10;

std::string EtagOf(const struct stat& file) {
  return absl::StrCat("\"", file.st_ino, "-", file.st_size, "-",
                      file.st_mtim.tv_sec, ".", file.st_mtim.tv_nsec, "\"");
}

std::string RandomName() {
  std::string bytes(16, '\0');
  const ssize_t n = getrandom(bytes.data(), bytes.size(), 0);
  if (n != static_cast<ssize_t>(bytes.size())) std::abort();
  return absl::StrCat(kUnnamed, absl::BytesToHexString(bytes));
}

}  // namespace

absl::StatusOr<std::unique_ptr<FolderObjects>> FolderObjects::Open(
    const std::string& folder) {
  struct stat found = {};
  if (stat(folder.c_str(), &found) != 0) {
    return FileError("open the folder", folder, errno);
  }
  if (!S_ISDIR(found.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(folder, " is no folder"));
  }
  return std::make_unique<FolderObjects>(folder);
}

std::string FolderObjects::PathOf(absl::string_view key) const {
  return absl::StrCat(place_, key);
}

absl::StatusOr<ObjectContent> FolderObjects::Get(absl::string_view key,
                                                 const GetOptions& options) {
  EBB_RETURN_IF_ERROR(CheckObjectKey(key));
  const std::string path = PathOf(key);
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat file = {};
  if (!fd) {
    const absl::Status error = FileError("open", path, errno);
    return absl::IsNotFound(error) ? NoSuchObject(place_, key) : error;
  }
  if (fstat(fd.get(), &file) != 0) return FileError("read", path, errno);
  if (!S_ISREG(file.st_mode)) return NoSuchObject(place_, key);
  ObjectContent content;
  content.etag = EtagOf(file);
  content.size = static_cast<uint64_t>(file.st_size);
  if (!options.if_match.empty() && options.if_match != content.etag) {
    return ObjectChanged(place_, key);
  }
  if (!options.whole() && options.offset >= content.size) {
    return BeyondObject(place_, key, options.offset, content.size);
  }
  const uint64_t bytes = std::min(options.bytes, content.size - options.offset);
  if (bytes > kMostObjectBytes) return ObjectTooLarge(place_, key);
  EBB_ASSIGN_OR_RETURN(content.bytes,
                       ReadFileAt(fd.get(), path, options.offset, bytes));
  if (content.bytes.size() != bytes) {
    return absl::UnavailableError(
        absl::StrCat(path, " became shorter while it was read"));
  }
  return content;
}

absl::StatusOr<std::string> FolderObjects::WriteUnnamed(
    std::span<const absl::string_view> parts) const {
  std::string path = PathOf(RandomName());
  const Fd fd(
      open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!fd) return FileError("create", path, errno);
  const absl::Status written = WriteFileParts(fd.get(), path, parts);
  if (!written.ok()) {
    unlink(path.c_str());
    return written;
  }
  return path;
}

absl::Status FolderObjects::Name(const std::string& written,
                                 absl::string_view key,
                                 const PutOptions& options) {
  const std::string path = PathOf(key);
  const std::string parent = fs::path(path).parent_path().string();
  for (int i = 0; i < kTries; ++i) {
    std::error_code error;
    fs::create_directories(parent, error);
    if (error) return FileError("create the folder", parent, error.value());
    const int failed = options.create_only
                           ? link(written.c_str(), path.c_str())
                           : std::rename(written.c_str(), path.c_str());
    if (failed == 0) return SyncFolderAt(parent);
    if (errno == EEXIST) return ObjectIsThere(place_, key);
    if (errno != ENOENT) return FileError("write", path, errno);
  }
  return absl::UnavailableError(
      absl::StrCat(parent, " is removed by others each time it is made"));
}

absl::StatusOr<std::string> FolderObjects::Put(
    absl::string_view key, std::span<const absl::string_view> parts,
    const PutOptions& options) {
  EBB_RETURN_IF_ERROR(CheckObjectKey(key));
  EBB_ASSIGN_OR_RETURN(const std::string written, WriteUnnamed(parts));
  struct stat file = {};
  absl::Status named;
  {
    MutexLock lock(&mu_);
    if (!options.if_match.empty()) {
      const bool same = stat(PathOf(key).c_str(), &file) == 0 &&
                        EtagOf(file) == options.if_match;
      if (!same) named = ObjectChanged(place_, key);
    }
    if (named.ok() && stat(written.c_str(), &file) != 0) {
      named = FileError("read", written, errno);
    }
    if (named.ok()) named = Name(written, key, options);
  }
  unlink(written.c_str());  // It was renamed, or has a second name, or failed.
  if (absl::IsAlreadyExists(named) || absl::IsAborted(named)) {
    auto there = Get(key, {});
    if (there.ok() && there->bytes == absl::StrJoin(parts, "")) {
      return there->etag;
    }
  }
  EBB_RETURN_IF_ERROR(named);
  return EtagOf(file);
}

absl::StatusOr<ObjectPage> FolderObjects::List(const ListOptions& options) {
  // Only what can have the prefix is looked at.
  const size_t slash = options.prefix.rfind('/');
  const std::string below =
      slash == std::string::npos ? "" : options.prefix.substr(0, slash);
  if (!below.empty()) EBB_RETURN_IF_ERROR(CheckObjectKey(below));
  std::vector<ListedObject> all;
  std::error_code error;
  const fs::path start(below.empty() ? folder_ : PathOf(below));
  fs::recursive_directory_iterator it(start, error);
  for (; !error && it != fs::recursive_directory_iterator();
       it.increment(error)) {
    std::string key = it->path().string().substr(place_.size());
    std::error_code gone;
    if (absl::StartsWith(it->path().filename().string(), ".")) {
      it.disable_recursion_pending();
    } else if (absl::StartsWith(key, options.prefix) &&
               it->is_regular_file(gone)) {
      const uint64_t bytes = it->file_size(gone);
      if (!gone) all.push_back({std::move(key), bytes});
    }
  }
  if (error == std::errc::no_such_file_or_directory && below.empty() &&
      !fs::exists(folder_)) {
    return FileError("list", folder_, ENOENT);
  }
  if (error && error != std::errc::no_such_file_or_directory &&
      error != std::errc::not_a_directory) {
    return FileError("list", folder_, error.value());
  }
  return PageOf(std::move(all), options);
}

absl::Status FolderObjects::Delete(absl::string_view key) {
  EBB_RETURN_IF_ERROR(CheckObjectKey(key));
  const std::string path = PathOf(key);
  if (unlink(path.c_str()) != 0) {
    if (errno == ENOENT || errno == ENOTDIR || errno == EISDIR) {
      return absl::OkStatus();
    }
    return FileError("remove", path, errno);
  }
  std::string parent = fs::path(path).parent_path().string();
  EBB_RETURN_IF_ERROR(SyncFolderAt(parent));
  // Folders without objects go; one that is not empty stays.
  while (parent.size() > folder_.size() && rmdir(parent.c_str()) == 0) {
    parent = fs::path(parent).parent_path().string();
  }
  return absl::OkStatus();
}

}  // namespace ebb
