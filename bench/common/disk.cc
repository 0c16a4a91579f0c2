#include "bench/common/disk.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/functional/function_ref.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/status_macros.h"
#include "tools/files/files.h"

namespace ebb::bench {

namespace {

std::string ProcFile(pid_t process, const char* name) {
  return absl::StrCat("/proc/", process, "/", name);
}

// The number after "name:" on a line of its own.
absl::StatusOr<int64_t> NumberIn(const std::string& path,
                                 absl::string_view name) {
  EBB_ASSIGN_OR_RETURN(const std::string text, tools::ReadFile(path));
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, absl::ByAnyChar(": \t"), absl::SkipEmpty());
    int64_t number = 0;
    if (words.size() >= 2 && words[0] == name &&
        absl::SimpleAtoi(words[1], &number)) {
      return number;
    }
  }
  return absl::NotFoundError(absl::StrCat(path, " does not say ", name));
}

absl::Status ForEachFile(
    const std::string& folder,
    absl::FunctionRef<absl::Status(int, const std::string&)> look) {
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator it(folder, error), end;
       !error && it != end; it.increment(error)) {
    if (!it->is_regular_file()) continue;
    const std::string path = it->path().string();
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return absl::ErrnoToStatus(errno, path);
    const absl::Cleanup closes = [file] { close(file); };
    EBB_RETURN_IF_ERROR(look(file, path));
  }
  if (error) {
    return absl::UnavailableError(absl::StrCat(folder, ": ", error.message()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<int64_t> BytesWritten(pid_t process) {
  return NumberIn(ProcFile(process, "io"), "write_bytes");
}

absl::StatusOr<int64_t> PeakResidentBytes(pid_t process) {
  EBB_ASSIGN_OR_RETURN(const int64_t kib,
                       NumberIn(ProcFile(process, "status"), "VmHWM"));
  return kib << 10;
}

absl::Status ForgetPeak(pid_t process) {
  const std::string path = ProcFile(process, "clear_refs");
  const int file = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (file < 0) return absl::ErrnoToStatus(errno, path);
  const absl::Cleanup closes = [file] { close(file); };
  if (write(file, "5", 1) != 1) return absl::ErrnoToStatus(errno, path);
  return absl::OkStatus();
}

absl::Status DropFromCache(const std::string& folder) {
  return ForEachFile(folder, [](int file, const std::string& path) {
    if (fdatasync(file) != 0) return absl::ErrnoToStatus(errno, path);
    const int error = posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    return error == 0 ? absl::OkStatus() : absl::ErrnoToStatus(error, path);
  });
}

absl::StatusOr<int64_t> ReadAll(const std::string& folder) {
  std::vector<char> piece(size_t{4} << 20);
  int64_t bytes = 0;
  EBB_RETURN_IF_ERROR(
      ForEachFile(folder, [&](int file, const std::string& path) {
        while (true) {
          const ssize_t n = read(file, piece.data(), piece.size());
          if (n < 0) return absl::ErrnoToStatus(errno, path);
          if (n == 0) return absl::OkStatus();
          bytes += n;
        }
      }));
  return bytes;
}

}  // namespace ebb::bench
