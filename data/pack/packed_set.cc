#include "data/pack/packed_set.h"

#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "data/bytes/wide.h"
#include "data/pack/running_hash.h"
#include "data/pack/window_bytes.h"
#include "data/scheme.h"

namespace ebb::data::pack {
namespace {

// A larger footer would be of billions of examples in small windows.
constexpr int64_t kMostFooterBytes = int64_t{1} << 30;
// Read at once.
constexpr int64_t kPieceBytes = int64_t{256} << 10;
// The same for mapped bytes. They are looked at twice, and so much stays in the
// first cache.
constexpr int64_t kMappedPieceBytes = int64_t{16} << 10;

constexpr int32_t kInfinity = 0x7f800000;
constexpr int32_t kMagnitude = 0x7fffffff;

// The largest magnitude as bits: infinity has the exponent's bits alone, and
// NaNs are beyond it.
EBB_WIDE int32_t LargestBits(const float* values, size_t count) {
  int32_t largest = 0;
  for (size_t i = 0; i < count; ++i) {
    largest = std::max(largest, std::bit_cast<int32_t>(values[i]) & kMagnitude);
  }
  return largest;
}

EBB_WIDE bool AnyInfinite(const float* values, size_t count) {
  int32_t infinite = 0;
  for (size_t i = 0; i < count; ++i) {
    const int32_t bits = std::bit_cast<int32_t>(values[i]) & kMagnitude;
    infinite |= bits == kInfinity ? 1 : 0;
  }
  return infinite != 0;
}

// Returns whether all are numbers, or NaN with `gaps`.
bool AllNumbers(std::span<const float> values, bool gaps) {
  return gaps ? !AnyInfinite(values.data(), values.size())
              : LargestBits(values.data(), values.size()) < kInfinity;
}

int64_t EndOf(const WindowEntry& window) {
  int64_t end = window.offset;
  for (size_t i = 0; i < window.columns.size(); ++i) {
    if (i > 0) end = window.offset + Aligned(end - window.offset);
    end += window.columns[i].stored_bytes;
  }
  return end;
}

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

template <typename Number>
char* Room(int64_t bytes, std::vector<Number>* to) {
  to->resize(static_cast<size_t>(bytes) / sizeof(Number));
  return reinterpret_cast<char*>(to->data());
}

char* RoomOf(Column column, int64_t bytes, Window* window) {
  switch (column) {
    case Column::kLabels:
      return Room(bytes, &window->labels);
    case Column::kBytes:
      return Room(bytes, &window->bytes);
    case Column::kOffsets:
      return Room(bytes, &window->offsets);
    case Column::kIds:
      return Room(bytes, &window->ids);
    case Column::kKeys:
      return Room(bytes, &window->keys);
    case Column::kFields:
      return Room(bytes, &window->fields);
    case Column::kValues:
      return Room(bytes, &window->values);
  }
  return nullptr;
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
                                EndOf(window));
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
  const std::vector<Column> kinds = footer_.Columns();
  out->examples = entry.examples;
  out->mapped = nullptr;
  RunningHash hash;
  int64_t offset = entry.offset;
  std::vector<char> compressed;
  std::string problem;
  const auto notice = [&](const char* what) {
    if (problem.empty()) problem = what;
  };
  // Looks at the numbers of a column, or of a part of it.
  const auto check = [&](Column kind, const char* at, int64_t bytes) {
    const bool labels = kind == Column::kLabels;
    if (!labels && kind != Column::kValues) return;
    const std::span numbers(reinterpret_cast<const float*>(at),
                            static_cast<size_t>(bytes) / sizeof(float));
    if (AllNumbers(numbers, !labels && footer_.gaps)) return;
    notice(labels ? "a label is no number" : "a value is no number");
  };
  for (size_t i = 0; i < kinds.size(); ++i) {
    const StoredColumn& column = entry.columns[i];
    const bool raw = column.stored_bytes == column.raw_bytes;
    const bool features =
        kinds[i] == Column::kBytes || kinds[i] == Column::kValues;
    bool copies = true;
    if (way == Way::kMap && raw && features && !footer_.rows()) {
      EBB_ASSIGN_OR_RETURN(out->mapped, stored.Map(offset, column.raw_bytes));
      copies = out->mapped == nullptr;
    }
    char* to = nullptr;
    char* copy = nullptr;
    if (copies) {
      to = RoomOf(kinds[i], column.raw_bytes, out);
      copy = raw ? to : Room(column.stored_bytes, &compressed);
    }
    const char* const from = copies ? copy : out->mapped->bytes().data();
    // What is checked is read by that, while the disk reads what follows.
    if (!copies && !checks) EBB_RETURN_IF_ERROR(out->mapped->Load());
    // Piece by piece, so that what is checked is still in the cache.
    const int64_t piece = copies ? kPieceBytes : kMappedPieceBytes;
    for (int64_t at = 0; at < column.stored_bytes && (copies || checks);
         at += piece) {
      const int64_t n = std::min(piece, column.stored_bytes - at);
      if (copies) {
        EBB_RETURN_IF_ERROR(stored.Read(offset + at, copy + at, n));
      }
      if (!checks) continue;
      hash.Add(from + at, static_cast<size_t>(n));
      if (raw) check(kinds[i], from + at, n);
    }
    offset += Aligned(column.stored_bytes);
    if (raw) continue;
    const size_t n =
        ZSTD_decompress(to, static_cast<size_t>(column.raw_bytes), from,
                        static_cast<size_t>(column.stored_bytes));
    if (ZSTD_isError(n) != 0 || n != static_cast<size_t>(column.raw_bytes)) {
      notice("a column cannot be decompressed");
    } else if (checks) {
      check(kinds[i], to, column.raw_bytes);
    }
  }
  if (out->mapped != nullptr && out->mapped->lost()) {
    return absl::UnavailableError(absl::StrCat(
        PathOf(entry), " cannot be read, or was written to meanwhile"));
  }
  if (checks && hash.Get() != entry.hash) {
    return Damaged(window, "its checksum is wrong");
  }
  if (!problem.empty()) return Damaged(window, problem);
  if (footer_.rows() && out->values.empty()) {
    out->values.assign(static_cast<size_t>(entry.entries), 1);
  }
  EBB_RETURN_IF_ERROR(CheckRows(window, *out));
  if (checks) {
    MutexLock lock(&mu_);
    checked_[window] = stored.state();
  }
  return absl::OkStatus();
}

absl::Status PackedSet::CheckRows(int64_t number, const Window& window) const {
  if (!footer_.rows()) return absl::OkStatus();
  const WindowEntry& entry = footer_.windows[number];
  const int64_t features = footer_.index.features;
  const std::vector<int64_t>& offsets = window.offsets;
  if (offsets.front() != 0 || offsets.back() != entry.entries ||
      !std::ranges::is_sorted(offsets)) {
    return Damaged(number, "its rows do not follow each other");
  }
  for (size_t row = 0; row + 1 < offsets.size(); ++row) {
    for (int64_t i = offsets[row]; i < offsets[row + 1]; ++i) {
      if (footer_.layout == Layout::kKeyed) {
        if (window.fields[i] < features) continue;
        return Damaged(number, "a field is too high");
      }
      const int32_t before = i == offsets[row] ? -1 : window.ids[i - 1];
      if (window.ids[i] > before && window.ids[i] < features) continue;
      return Damaged(number, "the features of a row do not ascend");
    }
  }
  return absl::OkStatus();
}

}  // namespace ebb::data::pack
