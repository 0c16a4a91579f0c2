#include "data/pack/packed_set.h"

#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "data/pack/window_bytes.h"
#include "data/pack/window_reader.h"
#include "data/scheme.h"

namespace ebb::data::pack {
namespace {

// A larger footer would be of billions of examples in small windows.
constexpr int64_t kMostFooterBytes = int64_t{1} << 30;

// Says what is in the folder that has no footer. `there` tells of a path within
// it.
absl::Status NoFooter(const std::string& folder,
                      absl::FunctionRef<bool(absl::string_view)> there) {
  if (there("footer.ebbt")) {
    return absl::InvalidArgumentError(absl::StrCat(
        folder,
        " has packed tokens, and workers of job files read no tokens; train "
        "on them by a PyTorch script: ebb.torch.Tokens(\"",
        folder, "\")"));
  }
  return absl::NotFoundError(
      absl::StrCat(folder, " is no packed set: it has no ", kFooterName, "; ",
                   there(absl::StrCat("train/", kFooterName))
                       ? absl::StrCat("its parts are ", folder,
                                      "/train and, perhaps, ", folder, "/test")
                       : std::string("`ebb data pack` makes one")));
}

absl::StatusOr<std::string> FooterElsewhere(const std::string& folder,
                                            const OpenBytes& open) {
  auto bytes =
      ReadWhole(open, absl::StrCat(folder, "/", kFooterName), kMostFooterBytes);
  if (!absl::IsNotFound(bytes.status())) return bytes;
  return NoFooter(folder, [&](absl::string_view name) {
    return open(absl::StrCat(folder, "/", name)).ok();
  });
}

absl::StatusOr<std::string> FooterInFolder(const std::string& folder) {
  const std::string path = absl::StrCat(folder, "/", kFooterName);
  auto bytes = ReadWhole(path, kMostFooterBytes);
  std::error_code ignored;
  if (std::filesystem::exists(folder, ignored) &&
      !std::filesystem::is_directory(folder, ignored)) {
    return absl::InvalidArgumentError(absl::StrCat(
        folder,
        " is a file, and a packed set is a folder; `ebb data pack` "
        "makes one of the file"));
  }
  if (!absl::IsNotFound(bytes.status())) return bytes;
  return NoFooter(folder, [&](absl::string_view name) {
    return access(absl::StrCat(folder, "/", name).c_str(), R_OK) == 0;
  });
}

absl::Status OtherSize(const std::string& path, int64_t found,
                       int64_t expected) {
  return absl::DataLossError(absl::StrCat(
      path, " has ", found, " bytes, but the footer says ", expected,
      ": it is of another set, or was not copied as a whole"));
}

}  // namespace

absl::StatusOr<std::shared_ptr<const PackedSet>> PackedSet::Open(
    const std::string& path, const OpenBytes& open) {
  const bool elsewhere = HasScheme(path);
  if (absl::StartsWith(path, "ebb://")) {
    return absl::InvalidArgumentError(absl::StrCat(
        path,
        ": packed sets are read in place; name a folder that is on this "
        "machine or mounted there, or a bucket"));
  }
  if (elsewhere && !absl::StartsWith(path, "s3://") &&
      absl::StrContains(path, '?')) {
    return absl::InvalidArgumentError(absl::StrCat(
        path.substr(0, path.find('?')),
        ": a packed set has several files, and a URL with ? names one; put "
        "the set where it is read without a signature"));
  }
  // "s3://bucket/a/" and "a/" are folders, too.
  std::string folder = path;
  while (elsewhere && absl::EndsWith(folder, "/")) folder.pop_back();
  EBB_ASSIGN_OR_RETURN(
      const std::string bytes,
      elsewhere ? FooterElsewhere(folder, open) : FooterInFolder(folder));
  auto footer = Footer::Decode(bytes);
  if (!footer.ok()) {
    return absl::Status(
        footer.status().code(),
        absl::StrCat(folder, "/", kFooterName, " ", footer.status().message()));
  }
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  FileFingerprint id = {std::ssize(bytes), hash.high64, hash.low64};
  for (const int64_t one : footer->file_bytes) id.bytes += one;
  std::shared_ptr<PackedSet> set(
      new PackedSet(std::move(folder), *std::move(footer), id, open));
  if (!elsewhere) EBB_RETURN_IF_ERROR(set->CompareSizes());
  return set;
}

absl::Status PackedSet::CompareSizes() const {
  for (size_t i = 0; i < footer_.file_bytes.size(); ++i) {
    const std::string name =
        absl::StrCat(folder_, "/", WindowsName(static_cast<int64_t>(i)));
    const auto found = SizeOfFile(name);
    if (absl::IsNotFound(found.status())) {
      return absl::NotFoundError(
          absl::StrCat(name, " is missing; bring it back, or pack again"));
    }
    EBB_RETURN_IF_ERROR(found.status());
    if (*found != footer_.file_bytes[i]) {
      return OtherSize(name, *found, footer_.file_bytes[i]);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<WindowBytes> PackedSet::BytesOf(
    const WindowEntry& window) const {
  if (!HasScheme(folder_)) {
    // A set may have more files than a process may have open.
    return WindowBytes::InFile(PathOf(window));
  }
  EBB_ASSIGN_OR_RETURN(auto elsewhere, Elsewhere(window.file));
  return WindowBytes::Elsewhere(std::move(elsewhere), window.offset,
                                window.End());
}

absl::StatusOr<std::shared_ptr<const ByteRanges>> PackedSet::Elsewhere(
    int64_t file) const {
  {
    MutexLock lock(&mu_);
    if (elsewhere_[file] != nullptr) return elsewhere_[file];
  }
  const std::string path = absl::StrCat(folder_, "/", WindowsName(file));
  EBB_ASSIGN_OR_RETURN(std::shared_ptr<const ByteRanges> ranges,
                       open_.RangesOf(path));
  const auto found = static_cast<int64_t>(ranges->size());
  if (found != footer_.file_bytes[file]) {
    return OtherSize(path, found, footer_.file_bytes[file]);
  }
  MutexLock lock(&mu_);
  elsewhere_[file] = ranges;
  return ranges;
}

int64_t PackedSet::fetched_bytes() const {
  return HasScheme(folder_) ? 4 * WindowBytes::kFetchedBytes : 0;
}

std::string PackedSet::PathOf(const WindowEntry& window) const {
  return absl::StrCat(folder_, "/", WindowsName(window.file));
}

absl::Status PackedSet::Damaged(int64_t window, absl::string_view what) const {
  return absl::DataLossError(
      absl::StrCat(PathOf(footer_.windows[window]), ": window ", window,
                   " is damaged: ", what, "; pack again"));
}

bool PackedSet::Checked(int64_t window, const FileState& state) const {
  MutexLock lock(&mu_);
  return checked_[window] == state;
}

absl::Status PackedSet::Read(int64_t window, Window* out, Way way) const {
  absl::Status status = ReadOnce(window, out, way);
  if (status.ok() || !HasScheme(folder_)) return status;
  if (absl::IsDataLoss(status)) {
    // The same bytes may have been put there again, with another ETag: the
    // checksum decides.
    Forget(footer_.windows[window].file);
    status = ReadOnce(window, out, way);
  }
  // The set could be opened: no example is to blame for a key that ran out.
  return absl::IsPermissionDenied(status)
             ? absl::UnavailableError(status.message())
             : status;
}

void PackedSet::Forget(int64_t file) const {
  MutexLock lock(&mu_);
  elsewhere_[file] = nullptr;
}

absl::Status PackedSet::ReadOnce(int64_t window, Window* out, Way way) const {
  const WindowEntry& entry = footer_.windows[window];
  EBB_ASSIGN_OR_RETURN(WindowBytes stored, BytesOf(entry));
  // A change meanwhile is found the next time.
  const bool checks = !stored.state() || !Checked(window, *stored.state());
  EBB_ASSIGN_OR_RETURN(
      const std::string problem,
      ReadWindow(footer_.schema(), entry,
                 {.map = way == Way::kMap, .check = checks}, &stored, out));
  if (out->mapped != nullptr && out->mapped->lost()) {
    return absl::UnavailableError(absl::StrCat(
        PathOf(entry), " cannot be read, or was written to meanwhile"));
  }
  if (!problem.empty()) return Damaged(window, problem);
  if (checks) {
    MutexLock lock(&mu_);
    checked_[window] = stored.state();
  }
  return absl::OkStatus();
}

}  // namespace ebb::data::pack
