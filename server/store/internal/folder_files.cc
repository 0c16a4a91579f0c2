#include "server/store/internal/folder_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "common/storage/store_folder.h"

namespace ebb::server {

namespace {

// Linux takes up to 1024 at once.
constexpr size_t kPartsAtOnce = 1024;

absl::Status Failed(absl::string_view doing, const std::string& path,
                    int error) {
  const std::string what =
      absl::StrCat("cannot ", doing, " ", path, ": ", std::strerror(error));
  if (error == ENOENT) return absl::NotFoundError(what);
  if (error == EEXIST || error == ENOTEMPTY) {
    return absl::AlreadyExistsError(what);
  }
  const absl::StatusCode code = CodeOfSystemError(std::strerror(error));
  return absl::Status(code, absl::StrCat(what, "; ", NextStepFor(code)));
}

// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() { Close(); }

  int get() const { return fd_; }
  // 0, or the error: network file systems may tell of a full disk only here.
  int Close() {
    if (fd_ < 0) return 0;
    return close(std::exchange(fd_, -1)) == 0 ? 0 : errno;
  }

 private:
  int fd_;
};

absl::StatusOr<Descriptor> OpenFile(const std::string& path, int flags) {
  Descriptor fd(open(path.c_str(), flags | O_CLOEXEC, 0644));
  if (fd.get() < 0) return Failed("open", path, errno);
  return fd;
}

// 0 or an error.
int WriteAll(int fd, std::vector<iovec> parts) {
  for (size_t next = 0; next < parts.size();) {
    const size_t count = std::min(parts.size() - next, kPartsAtOnce);
    const ssize_t n = writev(fd, &parts[next], static_cast<int>(count));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    auto written = static_cast<size_t>(n);
    while (next < parts.size() && written >= parts[next].iov_len) {
      written -= parts[next++].iov_len;
    }
    if (written > 0) {
      parts[next].iov_base = static_cast<char*>(parts[next].iov_base) + written;
      parts[next].iov_len -= written;
    }
  }
  return 0;
}

class RealFile final : public FolderFiles::File {
 public:
  RealFile(std::string path, Descriptor fd)
      : path_(std::move(path)), fd_(std::move(fd)) {}

  absl::Status ReadAt(uint64_t offset, std::span<char> bytes) override {
    for (size_t done = 0; done < bytes.size();) {
      const ssize_t n =
          pread(fd_.get(), bytes.data() + done, bytes.size() - done,
                static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return Failed("read", path_, errno);
      if (n == 0) {
        return absl::DataLossError(
            absl::StrCat(path_, " ends at ", offset + done,
                         ", before what is stored in it"));
      }
      done += static_cast<size_t>(n);
    }
    return absl::OkStatus();
  }

 private:
  const std::string path_;
  const Descriptor fd_;
};

class RealFiles final : public FolderFiles {
 public:
  absl::StatusOr<bool> MakeFolder(const std::string& path) override {
    if (mkdir(path.c_str(), 0755) == 0) return true;
    if (errno == EEXIST) return false;
    return Failed("create the folder", path, errno);
  }

  absl::StatusOr<std::vector<std::string>> Entries(
      const std::string& path) override {
    std::vector<std::string> names;
    std::error_code error;
    std::filesystem::directory_iterator it(path, error);
    const std::filesystem::directory_iterator end;
    for (; !error && it != end; it.increment(error)) {
      names.push_back(it->path().filename().string());
    }
    if (error) return Failed("list", path, error.value());
    return names;
  }

  absl::Status WriteNew(const std::string& path,
                        std::span<const absl::string_view> parts) override {
    EBB_ASSIGN_OR_RETURN(Descriptor fd,
                         OpenFile(path, O_WRONLY | O_CREAT | O_EXCL));
    std::vector<iovec> buffers;
    buffers.reserve(parts.size());
    for (const absl::string_view part : parts) {
      buffers.push_back({const_cast<char*>(part.data()), part.size()});
    }
    int error = WriteAll(fd.get(), std::move(buffers));
    if (error == 0 && fsync(fd.get()) != 0) error = errno;
    const int closed = fd.Close();
    if (error == 0) error = closed;
    return error == 0 ? absl::OkStatus() : Failed("write", path, error);
  }

  absl::StatusOr<std::string> Read(const std::string& path) override {
    EBB_ASSIGN_OR_RETURN(const Descriptor fd, OpenFile(path, O_RDONLY));
    std::string bytes;
    char buffer[1 << 16];
    while (true) {
      const ssize_t n = read(fd.get(), buffer, sizeof(buffer));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return Failed("read", path, errno);
      if (n == 0) return bytes;
      bytes.append(buffer, static_cast<size_t>(n));
    }
  }

  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path) override {
    EBB_ASSIGN_OR_RETURN(Descriptor fd, OpenFile(path, O_RDONLY));
    return std::make_unique<RealFile>(path, std::move(fd));
  }

  absl::Status Rename(const std::string& from, const std::string& to) override {
    if (rename(from.c_str(), to.c_str()) == 0) return absl::OkStatus();
    return Failed("rename", from, errno);
  }

  absl::Status SyncFolder(const std::string& path) override {
    EBB_ASSIGN_OR_RETURN(const Descriptor fd,
                         OpenFile(path, O_RDONLY | O_DIRECTORY));
    if (fsync(fd.get()) == 0) return absl::OkStatus();
    return Failed("sync", path, errno);
  }

  absl::Status Remove(const std::string& path) override {
    if (std::remove(path.c_str()) == 0) return absl::OkStatus();
    return Failed("remove", path, errno);
  }

  absl::Status RemoveTree(const std::string& path) override {
    // A round ends early if others remove files, or still write.
    std::error_code error;
    for (int round = 0; round < 3; ++round) {
      std::filesystem::remove_all(path, error);
      if (!error) return absl::OkStatus();
    }
    return Failed("remove", path, error.value());
  }
};

}  // namespace

FolderFiles* RealFolderFiles() {
  static RealFiles files;  // Without state.
  return &files;
}

}  // namespace ebb::server
