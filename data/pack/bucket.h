// Records on the disk while they wait to be put in order.
#ifndef EBB_DATA_PACK_BUCKET_H_
#define EBB_DATA_PACK_BUCKET_H_

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/fd.h"
#include "common/status_macros.h"
#include "data/pack/window_writer.h"

namespace ebb::data::pack {

// A file of records in any order, which is removed with its owner.
// Thread-compatible.
class Bucket {
 public:
  explicit Bucket(std::string path) : path_(std::move(path)) {}
  ~Bucket() {
    if (file_) unlink(path_.c_str());
  }
  Bucket(Bucket&&) = default;

  absl::Status Add(absl::string_view record) {
    buffer_.append(record.data(), record.size());
    bytes_ += std::ssize(record);
    if (buffer_.size() < kBufferBytes) return absl::OkStatus();
    return Flush();
  }

  absl::Status Flush() {
    if (!file_) {
      file_ =
          Fd(open(path_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
      if (!file_) return CannotWrite(path_);
    }
    EBB_RETURN_IF_ERROR(
        WriteAll(file_.get(), path_, buffer_.data(), buffer_.size()));
    buffer_.clear();
    buffer_.shrink_to_fit();
    return absl::OkStatus();
  }

  int64_t bytes() const { return bytes_; }

  // Fills the front of `out` from this place.
  absl::StatusOr<size_t> ReadAt(int64_t offset, std::span<char> out) const {
    size_t done = 0;
    while (done < out.size()) {
      const ssize_t n = pread(file_.get(), out.data() + done, out.size() - done,
                              offset + static_cast<int64_t>(done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) {
        return absl::UnavailableError(
            absl::StrCat(path_, " cannot be read: ", strerror(errno)));
      }
      if (n == 0) break;
      done += static_cast<size_t>(n);
    }
    return done;
  }

 private:
  static constexpr size_t kBufferBytes = 256 << 10;

  std::string path_;
  Fd file_;
  std::string buffer_;
  int64_t bytes_ = 0;
};

}  // namespace ebb::data::pack

#endif  // EBB_DATA_PACK_BUCKET_H_
