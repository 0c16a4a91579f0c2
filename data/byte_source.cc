#include "data/byte_source.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/nearest.h"
#include "common/regular_file.h"
#include "common/status_macros.h"
#include "data/compression/codec.h"
#include "data/compression/decompressed.h"
#include "data/pack/file_state.h"
#include "data/pack/mapped_bytes.h"
#include "data/scheme.h"

namespace ebb::data {
namespace {

// What is shown is mapped, a window of the file at a time.
class FileSource : public ByteSource {
 public:
  // The file had so many bytes when it was opened.
  FileSource(std::string path, Fd fd, int64_t bytes)
      : path_(std::move(path)),
        fd_(std::move(fd)),
        bytes_(bytes),
        shows_(bytes >= kLeastShown) {}

  absl::StatusOr<size_t> Read(std::span<char> out) override {
    while (!at_end_) {
      const ssize_t n = pread(fd_.get(), out.data(), out.size(), position_);
      if (n >= 0) {
        position_ += n;
        // The system's own files, as in /proc, say that they have 0 bytes.
        at_end_ = bytes_ > 0 && position_ >= bytes_ &&
                  static_cast<size_t>(n) < out.size();
        return static_cast<size_t>(n);
      }
      if (errno == EINTR) continue;
      return absl::UnavailableError(
          absl::StrCat(path_, ": cannot be read: ", strerror(errno)));
    }
    return 0;
  }

  absl::StatusOr<std::optional<absl::string_view>> Show(size_t least) override {
    if (!shows_) return std::nullopt;
    if (!state_) {
      EBB_ASSIGN_OR_RETURN(state_, pack::FileState::Of(fd_, path_));
    }
    const int64_t left = std::max<int64_t>(0, state_->bytes - position_);
    const int64_t wanted = std::min(static_cast<int64_t>(least), left);
    if (window_ == nullptr || wanted > window_end_ - position_) {
      EBB_RETURN_IF_ERROR(MapWindow(wanted, left));
      if (!shows_) return std::nullopt;
    } else if (wanted == 0) {
      EBB_RETURN_IF_ERROR(CheckUnchanged());
    }
    const auto rest = static_cast<size_t>(window_end_ - position_);
    return window_->bytes().substr(window_->bytes().size() - rest);
  }

  void Pass(size_t bytes) override { position_ += static_cast<int64_t>(bytes); }

  absl::Status CheckUnchanged() const override {
    if (window_ == nullptr || !window_->lost()) return absl::OkStatus();
    const auto now = pack::FileState::Of(fd_, path_);
    std::string what = "cannot be read: the disk does not give all of it";
    if (now.ok() && now->bytes != state_->bytes) {
      what =
          absl::StrCat("had ", state_->bytes, " bytes when it was opened, and ",
                       now->bytes, " while it was read");
    } else if (now.ok() && !now->SameContent(*state_)) {
      what = "was written to while it was read";
    }
    return absl::UnavailableError(absl::StrCat(
        path_, ": ", what, "; read it again when nothing changes it"));
  }

 private:
  // A few reads cost less than a mapping.
  static constexpr int64_t kLeastShown = int64_t{1} << 20;
  static constexpr int64_t kWindowBytes = int64_t{8} << 20;

  // Maps the window that begins with the next byte.
  absl::Status MapWindow(int64_t wanted, int64_t left) {
    EBB_RETURN_IF_ERROR(CheckUnchanged());
    window_ = nullptr;
    window_end_ = position_ + std::min(left, std::max(wanted, kWindowBytes));
    if (left == 0) {  // Read() was at the end before.
      shows_ = false;
      return absl::OkStatus();
    }
    auto window = pack::MappedBytes::Map(fd_, *state_, position_,
                                         window_end_ - position_, path_);
    if (absl::IsFailedPrecondition(window.status())) {
      shows_ = false;
      return absl::OkStatus();
    }
    EBB_RETURN_IF_ERROR(window.status());
    window_ = *std::move(window);
    if (!window_->was_cached()) {
      // The disk reads the next window while this one is looked at.
      posix_fadvise(fd_.get(), window_end_, kWindowBytes, POSIX_FADV_WILLNEED);
    }
    return absl::OkStatus();
  }

  const std::string path_;
  const Fd fd_;
  const int64_t bytes_;
  int64_t position_ = 0;
  bool at_end_ = false;  // Read() has nothing more, without asking again.
  bool shows_;
  std::optional<pack::FileState> state_;  // Before anything was shown.
  std::shared_ptr<const pack::MappedBytes> window_;
  int64_t window_end_ = 0;  // Its end in the file.
};

class MemorySource : public ByteSource {
 public:
  explicit MemorySource(std::string bytes) : bytes_(std::move(bytes)) {}

  absl::StatusOr<size_t> Read(std::span<char> out) override {
    const size_t n = std::min(out.size(), bytes_.size() - position_);
    std::copy_n(bytes_.data() + position_, n, out.data());
    position_ += n;
    return n;
  }

 private:
  const std::string bytes_;
  size_t position_ = 0;
};

// Passes `inner` through, decompressed when it begins as a compressed file
// does. Members may follow one another, as `cat a.gz b.gz`, bgzip and pzstd
// write them, and zeros may follow the last, as tapes and block copies leave
// them.
class MaybeCompressedSource : public ByteSource {
 public:
  MaybeCompressedSource(std::string path, std::unique_ptr<ByteSource> inner)
      : path_(std::move(path)), inner_(std::move(inner)) {}

  absl::StatusOr<size_t> Read(std::span<char> out) override {
    if (!begun_) {
      EBB_ASSIGN_OR_RETURN(const size_t n, Begin(out));
      begun_ = true;
      if (n > 0) return n;
    }
    return kind_ != nullptr ? Decompress(out) : PassThrough(out);
  }

  absl::StatusOr<std::optional<absl::string_view>> Show(size_t least) override {
    if (kind_ != nullptr || begin_ < end_) return std::nullopt;
    EBB_ASSIGN_OR_RETURN(
        const auto shown,
        inner_->Show(begun_ ? least : std::max(least, internal::kMagicBytes)));
    if (begun_ || !shown) return shown;
    begun_ = true;
    kind_ = internal::FindCodec(shown->substr(0, internal::kMagicBytes));
    if (kind_ == nullptr) return shown;
    codec_ = kind_->make();
    buffer_.resize(kBufferBytes);
    return std::nullopt;
  }
  void Pass(size_t bytes) override { inner_->Pass(bytes); }
  absl::Status CheckUnchanged() const override {
    return inner_->CheckUnchanged();
  }

 private:
  static constexpr size_t kBufferBytes = size_t{64} << 10;

  // Finds the kind by the front. Most files are not compressed: their front is
  // read to where the caller wants it, and they take no buffer. Returns how
  // much of it is there.
  absl::StatusOr<size_t> Begin(std::span<char> out) {
    if (out.size() < internal::kMagicBytes) {
      buffer_.resize(kBufferBytes);
      EBB_RETURN_IF_ERROR(FillFront());
      kind_ = internal::FindCodec(Front());
      if (kind_ != nullptr) codec_ = kind_->make();
      return 0;
    }
    size_t n = 0;
    while (!at_end_ && n < internal::kMagicBytes) {
      EBB_ASSIGN_OR_RETURN(const size_t step, inner_->Read(out.subspan(n)));
      n += step;
      at_end_ = step == 0;
    }
    kind_ = internal::FindCodec(absl::string_view(out.data(), n));
    if (kind_ == nullptr) return n;
    codec_ = kind_->make();
    buffer_.resize(std::max(n, kBufferBytes));
    std::copy_n(out.data(), n, buffer_.data());
    end_ = n;
    consumed_ = static_cast<int64_t>(n);
    return 0;
  }

  // Makes room at the end of the buffer and adds to it, unless nothing is left.
  absl::Status Fill() {
    std::copy(buffer_.begin() + begin_, buffer_.begin() + end_,
              buffer_.begin());
    end_ -= begin_;
    begin_ = 0;
    EBB_ASSIGN_OR_RETURN(const size_t n,
                         inner_->Read(std::span<char>(buffer_).subspan(end_)));
    end_ += n;
    consumed_ += static_cast<int64_t>(n);
    at_end_ = n == 0;
    return absl::OkStatus();
  }
  // Reads enough to tell one kind from another; a pipe may give single bytes.
  absl::Status FillFront() {
    while (!at_end_ && end_ - begin_ < internal::kMagicBytes) {
      EBB_RETURN_IF_ERROR(Fill());
    }
    return absl::OkStatus();
  }
  absl::string_view Front() const {
    return absl::string_view(buffer_.data() + begin_, end_ - begin_);
  }

  absl::StatusOr<size_t> PassThrough(std::span<char> out) {
    if (begin_ == end_) return inner_->Read(out);
    const size_t n = std::min(out.size(), end_ - begin_);
    std::copy_n(buffer_.data() + begin_, n, out.data());
    begin_ += n;
    return n;
  }

  // Begins the first or the next member; false at the end of the file.
  absl::StatusOr<bool> NextMember() {
    EBB_RETURN_IF_ERROR(FillFront());
    if (begin_ == end_) return false;
    if (internal::Continues(*kind_, Front())) {
      EBB_RETURN_IF_ERROR(Named(codec_->Start()));
      return true;
    }
    while (!at_end_ || begin_ < end_) {
      if (begin_ == end_) {
        EBB_RETURN_IF_ERROR(Fill());
      } else if (buffer_[begin_] == '\0') {
        ++begin_;
      } else {
        return At(absl::StatusCode::kDataLoss,
                  absl::StrCat("something else stands after the ", kind_->name,
                               " data", kind_->advice));
      }
    }
    return false;
  }

  absl::StatusOr<size_t> Decompress(std::span<char> out) {
    for (;;) {
      if (!in_member_) {
        EBB_ASSIGN_OR_RETURN(in_member_, NextMember());
        if (!in_member_) return 0;
      }
      // What was held back for want of room comes without further input.
      if (begin_ == end_ && !more_output_) {
        EBB_RETURN_IF_ERROR(Fill());
        if (at_end_) {
          return At(absl::StatusCode::kDataLoss,
                    absl::StrCat("the ", kind_->name,
                                 " data ends in the middle; was it copied "
                                 "whole?"));
        }
      }
      const auto progress = codec_->Decode(
          std::span<const char>(buffer_).subspan(begin_, end_ - begin_), out);
      if (!progress.ok()) return Named(progress.status());
      begin_ += progress->read;
      in_member_ = !progress->ended;
      more_output_ = progress->written == out.size();
      if (progress->written > 0) return progress->written;
    }
  }

  // A status of the codec, with the file and the place.
  absl::Status Named(const absl::Status& status) const {
    if (status.ok() || !absl::IsDataLoss(status)) {
      return absl::Status(status.code(),
                          absl::StrCat(path_, ": ", status.message()));
    }
    return At(status.code(),
              absl::StrCat("the ", kind_->name, " data is damaged (",
                           status.message(), ")", kind_->advice));
  }
  absl::Status At(absl::StatusCode code, absl::string_view what) const {
    return absl::Status(
        code, absl::StrCat(path_, ": at byte ",
                           consumed_ - static_cast<int64_t>(end_ - begin_),
                           " of the compressed file: ", what));
  }

  const std::string path_;
  const std::unique_ptr<ByteSource> inner_;
  // Null: not compressed.
  const internal::CodecKind* kind_ = nullptr;
  std::unique_ptr<internal::Codec> codec_;
  bool begun_ = false;
  // buffer_[begin_, end_) is read but not used; consumed_ bytes were read.
  // Empty: the file is not compressed.
  std::vector<char> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
  bool at_end_ = false;
  int64_t consumed_ = 0;
  bool in_member_ = false;
  bool more_output_ = false;
};

}  // namespace

std::unique_ptr<ByteSource> internal::Decompressed(
    std::string name, std::unique_ptr<ByteSource> inner) {
  return std::make_unique<MaybeCompressedSource>(std::move(name),
                                                 std::move(inner));
}

absl::StatusOr<std::unique_ptr<ByteSource>> OpenFile(absl::string_view path) {
  auto file = OpenFileAs(path, path);
  if (file.ok()) return file;
  return WithNearestPath(file.status(), std::string(path));
}

absl::StatusOr<std::unique_ptr<ByteSource>> OpenFileAs(
    absl::string_view path, absl::string_view called) {
  EBB_RETURN_IF_ERROR(CheckLocal(path));
  int64_t bytes = 0;
  EBB_ASSIGN_OR_RETURN(Fd fd,
                       OpenRegularFile(std::string(path), called, &bytes));
  std::string name(called);
  auto file = std::make_unique<FileSource>(name, std::move(fd), bytes);
  return std::make_unique<MaybeCompressedSource>(std::move(name),
                                                 std::move(file));
}

absl::StatusOr<std::unique_ptr<const ByteRanges>> OpenBytes::RangesOf(
    absl::string_view path) const {
  if (ranges_) return ranges_(path);
  return absl::InvalidArgumentError(
      absl::StrCat(path, ": only files of this machine are read here"));
}

OpenBytes OpenMemory(std::map<std::string, std::string> files) {
  std::vector<std::string> names;
  for (const auto& [path, bytes] : files) names.push_back(path);
  auto open = [files = std::move(files)](absl::string_view path)
      -> absl::StatusOr<std::unique_ptr<ByteSource>> {
    const auto file = files.find(std::string(path));
    if (file == files.end()) {
      return absl::NotFoundError(absl::StrCat(path, ": no such file"));
    }
    return std::make_unique<MaybeCompressedSource>(
        file->first, std::make_unique<MemorySource>(file->second));
  };
  return OpenBytes(std::move(open),
                   [names = std::move(names)](absl::string_view path) {
                     return FindFilesAmong(path, names);
                   });
}

}  // namespace ebb::data
