#include "common/objects/folder_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/objects/internal/files.h"
#include "common/status_macros.h"

namespace ebb {

namespace {

// Linux takes up to 1024 at once.
constexpr size_t kPartsAtOnce = 1024;

absl::Status Failed(absl::string_view doing, const std::string& path,
                    int error) {
  if (error == ENOTEMPTY) error = EEXIST;
  return FileError(doing, path, error);
}

std::string TagOf(const struct stat& file) {
  return absl::StrCat("\"", file.st_ino, "-", file.st_size, "-",
                      file.st_mtim.tv_sec, ".", file.st_mtim.tv_nsec, "\"");
}

FileFacts FactsOf(const struct stat& file) {
  return {.folder = S_ISDIR(file.st_mode),
          .bytes = static_cast<uint64_t>(file.st_size),
          .tag = TagOf(file)};
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
  RealFile(std::string path, Descriptor fd, FileFacts facts)
      : path_(std::move(path)), fd_(std::move(fd)), facts_(std::move(facts)) {}

  const FileFacts& facts() const override { return facts_; }
  absl::StatusOr<std::string> Read(uint64_t offset, uint64_t bytes) override {
    return ReadFileAt(fd_.get(), path_, offset, bytes);
  }

 private:
  const std::string path_;
  const Descriptor fd_;
  const FileFacts facts_;
};

class RealFiles final : public FolderFiles {
 public:
  absl::StatusOr<bool> MakeFolder(const std::string& path) override {
    if (mkdir(path.c_str(), 0755) == 0) return true;
    if (errno == EEXIST) return false;
    return Failed("create the folder", path, errno);
  }

  absl::StatusOr<std::vector<FolderEntry>> Entries(
      const std::string& path) override {
    std::vector<FolderEntry> entries;
    std::error_code error;
    std::filesystem::directory_iterator it(path, error);
    const std::filesystem::directory_iterator end;
    for (; !error && it != end; it.increment(error)) {
      FolderEntry entry = {.name = it->path().filename().string()};
      std::error_code gone;  // Removed meanwhile, or neither of both.
      entry.folder = it->is_directory(gone);
      if (!entry.folder) {
        if (!it->is_regular_file(gone)) continue;
        entry.bytes = it->file_size(gone);
        if (gone) continue;
      }
      entries.push_back(std::move(entry));
    }
    if (error) return Failed("list", path, error.value());
    return entries;
  }

  absl::StatusOr<FileFacts> Look(const std::string& path) override {
    struct stat file = {};
    if (stat(path.c_str(), &file) != 0) return Failed("read", path, errno);
    return FactsOf(file);
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

  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path) override {
    // A FIFO must not stop it.
    EBB_ASSIGN_OR_RETURN(Descriptor fd, OpenFile(path, O_RDONLY | O_NONBLOCK));
    struct stat file = {};
    if (fstat(fd.get(), &file) != 0) return Failed("read", path, errno);
    if (!S_ISREG(file.st_mode)) return Failed("read", path, ENOENT);
    return std::make_unique<RealFile>(path, std::move(fd), FactsOf(file));
  }

  absl::Status Link(const std::string& file, const std::string& path) override {
    if (link(file.c_str(), path.c_str()) == 0) return absl::OkStatus();
    return Failed("make the hard link", path, errno);
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
    if (unlink(path.c_str()) == 0) return absl::OkStatus();
    return Failed("remove", path, errno);
  }

  absl::Status RemoveFolder(const std::string& path) override {
    if (rmdir(path.c_str()) == 0) return absl::OkStatus();
    return Failed("remove the folder", path, errno);
  }
};

}  // namespace

FolderFiles* RealFolderFiles() {
  static RealFiles files;  // Without state.
  return &files;
}

}  // namespace ebb
