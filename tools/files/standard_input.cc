#include "tools/files/standard_input.h"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace ebb::tools {

namespace {

absl::Status NotKept() {
  return absl::ErrnoToStatus(errno, "cannot read the standard input");
}

// Writes all of it.
bool WriteAll(int fd, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t some = write(fd, bytes.data(), bytes.size());
    if (some < 0 && errno == EINTR) continue;
    if (some <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(some));
  }
  return true;
}

}  // namespace

absl::StatusOr<std::string> KeepStandardInput() {
  // It stays open until the process ends.
  const int fd = memfd_create("stdin", MFD_CLOEXEC);
  if (fd < 0) return NotKept();
  std::array<char, 65536> piece;
  for (;;) {
    const ssize_t some = read(STDIN_FILENO, piece.data(), piece.size());
    if (some < 0 && errno == EINTR) continue;
    if (some < 0) return NotKept();
    if (some == 0) break;
    if (!WriteAll(fd, {piece.data(), static_cast<size_t>(some)})) {
      return NotKept();
    }
  }
  return absl::StrCat("/proc/self/fd/", fd);
}

}  // namespace ebb::tools
