#include "data/pack/window_bytes.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/regular_file.h"
#include "common/status_macros.h"

namespace ebb::data::pack {

namespace {

absl::Status EndsEarly(const std::string& path, int64_t bytes) {
  return absl::DataLossError(
      absl::StrCat(path, " ends at byte ", bytes, "; pack again"));
}

absl::Status TooLong(const std::string& path, int64_t most) {
  return absl::DataLossError(absl::StrCat(path, " has more than ", most,
                                          " bytes, which no footer has"));
}

// Reads exactly so many bytes.
absl::Status ReadAt(const Fd& file, int64_t offset, char* to, int64_t bytes,
                    const std::string& path) {
  while (bytes > 0) {
    const ssize_t n = pread(file.get(), to, static_cast<size_t>(bytes), offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      return absl::UnavailableError(
          absl::StrCat(path, " cannot be read: ", strerror(errno)));
    }
    if (n == 0) return EndsEarly(path, offset);
    offset += n;
    to += n;
    bytes -= n;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<int64_t> SizeOfFile(const std::string& path) {
  EBB_ASSIGN_OR_RETURN(const Fd file, OpenRegularFile(path, path));
  EBB_ASSIGN_OR_RETURN(const FileState state, FileState::Of(file, path));
  return state.bytes;
}

absl::StatusOr<std::string> ReadWhole(const std::string& path, int64_t most) {
  EBB_ASSIGN_OR_RETURN(const Fd file, OpenRegularFile(path, path));
  EBB_ASSIGN_OR_RETURN(const FileState state, FileState::Of(file, path));
  if (state.bytes > most) return TooLong(path, most);
  std::string bytes(static_cast<size_t>(state.bytes), '\0');
  EBB_RETURN_IF_ERROR(ReadAt(file, 0, bytes.data(), state.bytes, path));
  return bytes;
}

absl::StatusOr<std::string> ReadWhole(const OpenBytes& open,
                                      const std::string& path, int64_t most) {
  EBB_ASSIGN_OR_RETURN(const std::unique_ptr<ByteSource> source, open(path));
  std::string bytes;
  std::vector<char> piece(size_t{256} << 10);
  for (;;) {
    EBB_ASSIGN_OR_RETURN(const size_t n, source->Read(piece));
    if (n == 0) return bytes;
    bytes.append(piece.data(), n);
    if (std::ssize(bytes) > most) return TooLong(path, most);
  }
}

absl::StatusOr<WindowBytes> WindowBytes::InFile(const std::string& path) {
  WindowBytes bytes;
  bytes.path_ = path;
  EBB_ASSIGN_OR_RETURN(bytes.file_, OpenRegularFile(path, path));
  EBB_ASSIGN_OR_RETURN(bytes.state_, FileState::Of(bytes.file_, path));
  return bytes;
}

WindowBytes WindowBytes::Elsewhere(std::shared_ptr<const ByteRanges> ranges,
                                   int64_t begin, int64_t end) {
  WindowBytes bytes;
  bytes.ranges_ = std::move(ranges);
  bytes.begin_ = begin;
  bytes.end_ = end;
  return bytes;
}

WindowBytes WindowBytes::InMemory(absl::string_view bytes) {
  WindowBytes stored;
  stored.memory_ = bytes;
  return stored;
}

absl::Status WindowBytes::Read(int64_t offset, char* to, int64_t bytes) {
  if (memory_) {
    if (offset + bytes > std::ssize(*memory_)) {
      return EndsEarly("the object", std::ssize(*memory_));
    }
    std::copy_n(memory_->data() + offset, bytes, to);
    return absl::OkStatus();
  }
  if (ranges_ == nullptr) return ReadAt(file_, offset, to, bytes, path_);
  while (bytes > 0) {
    if (offset < part_at_ || offset >= part_at_ + std::ssize(part_)) {
      EBB_RETURN_IF_ERROR(Fetch(offset));
    }
    const int64_t n = std::min(bytes, part_at_ + std::ssize(part_) - offset);
    std::copy_n(part_.data() + (offset - part_at_), n, to);
    offset += n;
    to += n;
    bytes -= n;
  }
  return absl::OkStatus();
}

// Parts always have the same borders, so that one that is kept on the disk is
// found by the next reader.
absl::Status WindowBytes::Fetch(int64_t offset) {
  part_at_ = offset - (offset - begin_) % kFetchedBytes;
  part_.resize(static_cast<size_t>(std::min(kFetchedBytes, end_ - part_at_)));
  absl::Status read = ranges_->Read(static_cast<uint64_t>(part_at_), part_);
  if (!read.ok()) part_.clear();
  return read;
}

absl::StatusOr<std::shared_ptr<const MappedBytes>> WindowBytes::Map(
    int64_t offset, int64_t bytes) const {
  if (bytes == 0 || !state_) return nullptr;
  if (state_->bytes < offset + bytes) return EndsEarly(path_, state_->bytes);
  auto mapped = MappedBytes::Map(file_, *state_, offset, bytes, path_);
  if (absl::IsFailedPrecondition(mapped.status())) return nullptr;
  return mapped;
}

}  // namespace ebb::data::pack
