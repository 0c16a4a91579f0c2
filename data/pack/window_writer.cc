#include "data/pack/window_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <iterator>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "common/storage/store_folder.h"
#include "data/pack/window_encoder.h"
#include "data/pack/window_schema.h"

namespace ebb::data::pack {
namespace {

constexpr int64_t kMostFileBytes = int64_t{256} << 20;

// A window without examples.
Window EmptyWindow(const WindowSchema& schema) {
  Window window;
  if (schema.rows()) window.offsets = {0};
  return window;
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
      footer_(std::move(footer)),
      window_(EmptyWindow(footer_.schema())) {}

absl::Status WindowWriter::Add(const Example& example) {
  window_.Add(footer_.schema(), example);
  if (footer_.rows()) {
    for (const float value : example.values) {
      footer_.absolute_sum += std::fabs(value);
    }
  }
  if (window_.examples < footer_.window) return absl::OkStatus();
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

absl::Status WindowWriter::WriteWindow() {
  const WindowSchema schema = footer_.schema();
  const int64_t bytes = schema.MemoryBytes(CountsOf(schema, window_));
  if (bytes > kMostWindowBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("a window of ", window_.examples, " examples takes ",
                     bytes, " bytes, and may take ", kMostWindowBytes,
                     "\nhint: a smaller --window"));
  }
  if (!file_ || footer_.file_bytes.back() + bytes > kMostFileBytes) {
    EBB_RETURN_IF_ERROR(NextFile());
  }
  const int64_t offset = footer_.file_bytes.back();
  auto entry = EncodeWindow(
      schema, window_, compress_, [this](std::span<const char> column) {
        footer_.file_bytes.back() += std::ssize(column);
        return WriteAll(file_.get(), path_, column.data(), column.size());
      });
  EBB_RETURN_IF_ERROR(entry.status());
  entry->file = std::ssize(footer_.file_bytes) - 1;
  entry->offset = offset;
  footer_.windows.push_back(*std::move(entry));
  window_ = EmptyWindow(schema);
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
