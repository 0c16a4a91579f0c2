#include "data/byte_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace ebb::data {
namespace {

class FileSource : public ByteSource {
 public:
  FileSource(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  FileSource(const FileSource&) = delete;
  FileSource& operator=(const FileSource&) = delete;
  ~FileSource() override { close(fd_); }

  absl::StatusOr<size_t> Read(std::span<char> out) override {
    for (;;) {
      const ssize_t n = read(fd_, out.data(), out.size());
      if (n >= 0) return static_cast<size_t>(n);
      if (errno == EINTR) continue;
      return absl::UnavailableError(
          absl::StrCat(path_, ": cannot be read: ", strerror(errno)));
    }
  }

 private:
  const std::string path_;
  const int fd_;
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

// Passes `inner` through, decompressed when it begins with the gzip magic.
// Members may follow one another, as `cat a.gz b.gz` and bgzip write them.
class MaybeGzipSource : public ByteSource {
 public:
  MaybeGzipSource(std::string path, std::unique_ptr<ByteSource> inner)
      : path_(std::move(path)), inner_(std::move(inner)), buffer_(64 << 10) {}
  ~MaybeGzipSource() override { inflateEnd(&stream_); }

  absl::StatusOr<size_t> Read(std::span<char> out) override {
    if (mode_ == Mode::kUnknown) EBB_RETURN_IF_ERROR(Detect());
    return mode_ == Mode::kGzip ? Inflate(out) : PassThrough(out);
  }

 private:
  enum class Mode { kUnknown, kPlain, kGzip };

  absl::Status Refill() {
    EBB_ASSIGN_OR_RETURN(end_, inner_->Read(std::span<char>(buffer_)));
    begin_ = 0;
    consumed_ += static_cast<int64_t>(end_);
    return absl::OkStatus();
  }

  absl::Status Detect() {
    EBB_RETURN_IF_ERROR(Refill());
    if (end_ == 1) {  // A pipe may give the two bytes of the magic one by one.
      EBB_ASSIGN_OR_RETURN(const size_t more,
                           inner_->Read(std::span<char>(buffer_).subspan(1)));
      end_ += more;
      consumed_ += static_cast<int64_t>(more);
    }
    mode_ = end_ >= 2 && buffer_[0] == '\x1f' && buffer_[1] == '\x8b'
                ? Mode::kGzip
                : Mode::kPlain;
    return mode_ == Mode::kGzip ? StartMember() : absl::OkStatus();
  }

  absl::Status StartMember() {
    constexpr int kGzipOnly = 16 + MAX_WBITS;
    inflateEnd(&stream_);
    stream_ = {};
    if (inflateInit2(&stream_, kGzipOnly) != Z_OK) {
      return absl::ResourceExhaustedError(
          absl::StrCat(path_, ": no memory to decompress it"));
    }
    in_member_ = true;
    return absl::OkStatus();
  }

  absl::StatusOr<size_t> PassThrough(std::span<char> out) {
    if (begin_ == end_) return inner_->Read(out);
    const size_t n = std::min(out.size(), end_ - begin_);
    std::copy_n(buffer_.data() + begin_, n, out.data());
    begin_ += n;
    return n;
  }

  absl::StatusOr<size_t> Inflate(std::span<char> out) {
    for (;;) {
      if (begin_ == end_) EBB_RETURN_IF_ERROR(Refill());
      if (begin_ == end_) {
        if (!in_member_) return 0;
        return Damaged(
            "the gzip data ends in the middle; was it copied whole?");
      }
      if (!in_member_) EBB_RETURN_IF_ERROR(StartMember());
      stream_.next_in = reinterpret_cast<Bytef*>(buffer_.data() + begin_);
      stream_.avail_in = static_cast<uInt>(end_ - begin_);
      stream_.next_out = reinterpret_cast<Bytef*>(out.data());
      stream_.avail_out =
          static_cast<uInt>(std::min(out.size(), size_t{1} << 30));
      const size_t room = stream_.avail_out;
      const int result = inflate(&stream_, Z_NO_FLUSH);
      begin_ = end_ - stream_.avail_in;
      if (result == Z_STREAM_END) {
        in_member_ = false;
      } else if (result != Z_OK && result != Z_BUF_ERROR) {
        return Damaged(absl::StrCat(
            "the gzip data is damaged (",
            stream_.msg != nullptr ? stream_.msg : "unknown reason",
            "); try `gzip -t`"));
      }
      const size_t n = room - stream_.avail_out;
      if (n > 0) return n;
    }
  }

  absl::Status Damaged(absl::string_view what) const {
    return absl::DataLossError(absl::StrCat(
        path_, ": at byte ", consumed_ - static_cast<int64_t>(end_ - begin_),
        " of the compressed file: ", what));
  }

  const std::string path_;
  const std::unique_ptr<ByteSource> inner_;
  Mode mode_ = Mode::kUnknown;
  // buffer_[begin_, end_) is read but not used; consumed_ bytes were read.
  std::vector<char> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
  int64_t consumed_ = 0;
  z_stream stream_ = {};
  bool in_member_ = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ByteSource>> OpenFile(absl::string_view path) {
  return OpenFileAs(path, path);
}

absl::StatusOr<std::unique_ptr<ByteSource>> OpenFileAs(
    absl::string_view path, absl::string_view called) {
  const std::string name(called);
  const int fd = open(std::string(path).c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat(name, ": cannot be opened"));
  }
  auto file = std::make_unique<FileSource>(name, fd);
  struct stat info;
  if (fstat(fd, &info) == 0 && S_ISDIR(info.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": is a folder; name the file in it"));
  }
  return std::make_unique<MaybeGzipSource>(name, std::move(file));
}

OpenBytes OpenMemory(std::map<std::string, std::string> files) {
  return [files = std::move(files)](absl::string_view path)
             -> absl::StatusOr<std::unique_ptr<ByteSource>> {
    const auto file = files.find(std::string(path));
    if (file == files.end()) {
      return absl::NotFoundError(absl::StrCat(path, ": no such file"));
    }
    return std::make_unique<MaybeGzipSource>(
        file->first, std::make_unique<MemorySource>(file->second));
  };
}

}  // namespace ebb::data
