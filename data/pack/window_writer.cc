#include "data/pack/window_writer.h"

#include <fcntl.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "common/storage/store_folder.h"

namespace ebb::data::pack {
namespace {

constexpr int64_t kMostFileBytes = int64_t{256} << 20;
// Faster levels compress hardly worse, and decompressing is as fast.
constexpr int kZstdLevel = 3;

template <typename Number>
std::vector<char> BytesOf(const std::vector<Number>& numbers) {
  std::vector<char> bytes(numbers.size() * sizeof(Number));
  if (!bytes.empty()) std::memcpy(bytes.data(), numbers.data(), bytes.size());
  return bytes;
}

}  // namespace

absl::Status CannotWrite(const std::string& path) {
  const std::string why = strerror(errno);
  const absl::StatusCode code = CodeOfSystemError(why);
  return absl::Status(code, absl::StrCat(path, " cannot be written: ", why,
                                         "; ", NextStepFor(code)));
}

absl::Status WriteAll(int fd, const std::string& path, const char* bytes,
                      size_t size) {
  while (size > 0) {
    const ssize_t n = write(fd, bytes, size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return CannotWrite(path);
    bytes += n;
    size -= static_cast<size_t>(n);
  }
  return absl::OkStatus();
}

absl::Status SyncFolder(const std::string& path) {
  const Fd folder(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder || fsync(folder.get()) != 0) return CannotWrite(path);
  return absl::OkStatus();
}

absl::Status WriteDurably(const std::string& path, absl::string_view bytes) {
  const Fd file(
      open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!file) return CannotWrite(path);
  EBB_RETURN_IF_ERROR(WriteAll(file.get(), path, bytes.data(), bytes.size()));
  return fsync(file.get()) == 0 ? absl::OkStatus() : CannotWrite(path);
}

WindowWriter::WindowWriter(std::string folder, Footer footer, bool compress)
    : folder_(std::move(folder)),
      compress_(compress),
      footer_(std::move(footer)) {
  if (footer_.rows()) window_.offsets = {0};
}

absl::Status WindowWriter::Add(const Example& example) {
  const auto append = [](const auto& from, auto* to) {
    to->insert(to->end(), from.begin(), from.end());
  };
  if (footer_.has_labels) window_.labels.push_back(example.label);
  append(example.bytes, &window_.bytes);
  append(example.values, &window_.values);
  append(example.ids, &window_.ids);
  append(example.keys, &window_.keys);
  append(example.fields, &window_.fields);
  if (footer_.rows()) {
    window_.offsets.push_back(std::ssize(window_.values));
    for (const float value : example.values) {
      footer_.absolute_sum += std::fabs(value);
    }
  }
  if (++window_.examples < footer_.window) return absl::OkStatus();
  return WriteWindow();
}

absl::Status WindowWriter::NextFile() {
  if (file_ && fsync(file_.get()) != 0) return CannotWrite(path_);
  path_ =
      absl::StrCat(folder_, "/", WindowsName(std::ssize(footer_.file_bytes)));
  file_ =
      Fd(open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!file_) return CannotWrite(path_);
  footer_.file_bytes.push_back(0);
  return absl::OkStatus();
}

absl::Status WindowWriter::WriteColumn(std::vector<char> raw, RunningHash* hash,
                                       WindowEntry* entry) {
  StoredColumn column;
  column.raw_bytes = column.stored_bytes = std::ssize(raw);
  if (compress_ && !raw.empty()) {
    std::vector<char> compressed(ZSTD_compressBound(raw.size()));
    const size_t n = ZSTD_compress(compressed.data(), compressed.size(),
                                   raw.data(), raw.size(), kZstdLevel);
    if (ZSTD_isError(n) != 0) {
      return absl::ResourceExhaustedError(
          absl::StrCat(path_, ": zstd: ", ZSTD_getErrorName(n)));
    }
    if (n < raw.size()) {
      compressed.resize(n);
      raw = std::move(compressed);
      column.stored_bytes = static_cast<int64_t>(n);
    }
  }
  hash->Add(raw.data(), raw.size());
  raw.resize(static_cast<size_t>(Aligned(column.stored_bytes)));
  EBB_RETURN_IF_ERROR(WriteAll(file_.get(), path_, raw.data(), raw.size()));
  footer_.file_bytes.back() += std::ssize(raw);
  entry->columns.push_back(column);
  return absl::OkStatus();
}

absl::Status WindowWriter::WriteWindow() {
  const int64_t entries = footer_.rows() ? std::ssize(window_.values) : 0;
  WindowEntry entry = {.file = 0,
                       .offset = 0,
                       .examples = window_.examples,
                       .entries = entries,
                       .hash = 0,
                       .columns = {}};
  const int64_t bytes = footer_.MemoryBytes(entry);
  if (bytes > kMostWindowBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("a window of ", window_.examples, " examples takes ",
                     bytes, " bytes, and may take ", kMostWindowBytes,
                     "\nhint: a smaller --window"));
  }
  if (!file_ || footer_.file_bytes.back() + bytes > kMostFileBytes) {
    EBB_RETURN_IF_ERROR(NextFile());
  }
  entry.file = std::ssize(footer_.file_bytes) - 1;
  entry.offset = footer_.file_bytes.back();
  const bool ones =
      footer_.rows() &&
      std::ranges::all_of(window_.values, [](float v) { return v == 1; });
  RunningHash hash;
  for (const Column kind : footer_.Columns()) {
    std::vector<char> raw;
    switch (kind) {
      case Column::kLabels:
        raw = BytesOf(window_.labels);
        break;
      case Column::kBytes:
        raw = BytesOf(window_.bytes);
        break;
      case Column::kOffsets:
        raw = BytesOf(window_.offsets);
        break;
      case Column::kIds:
        raw = BytesOf(window_.ids);
        break;
      case Column::kKeys:
        raw = BytesOf(window_.keys);
        break;
      case Column::kFields:
        raw = BytesOf(window_.fields);
        break;
      case Column::kValues:
        if (!ones) raw = BytesOf(window_.values);
        break;
    }
    EBB_RETURN_IF_ERROR(WriteColumn(std::move(raw), &hash, &entry));
  }
  entry.hash = hash.Get();
  footer_.windows.push_back(std::move(entry));
  window_ = Window();
  if (footer_.rows()) window_.offsets = {0};
  return absl::OkStatus();
}

absl::Status WindowWriter::Finish() {
  if (window_.examples > 0) EBB_RETURN_IF_ERROR(WriteWindow());
  if (file_ && fsync(file_.get()) != 0) return CannotWrite(path_);
  EBB_RETURN_IF_ERROR(
      WriteDurably(absl::StrCat(folder_, "/", kFooterName), footer_.Encode()));
  return SyncFolder(folder_);
}

}  // namespace ebb::data::pack
