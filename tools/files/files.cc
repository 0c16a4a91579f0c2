#include "tools/files/files.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "common/nearest.h"
#include "common/regular_file.h"

namespace ebb::tools {

namespace {

// True if a new file may take its place: a device, a pipe, or what a link leads
// to is written as it stands, and /dev/null stays what it is.
bool MayBeReplaced(const std::string& path) {
  std::error_code error;
  const auto type = std::filesystem::symlink_status(path, error).type();
  return type == std::filesystem::file_type::regular ||
         type == std::filesystem::file_type::not_found;
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  const absl::Status readable = CheckReadable(path);
  if (!readable.ok()) {
    return absl::Status(
        readable.code(),
        absl::StrCat("cannot read ", path, ": it ", readable.message()));
  }
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  std::string content;
  std::array<char, 65536> piece;
  // Not by iterators: those throw where reading fails, as of a folder.
  while (in.read(piece.data(), piece.size()) || in.gcount() > 0) {
    content.append(piece.data(), in.gcount());
  }
  if (!in.eof()) {
    return WithNearestPath(
        absl::ErrnoToStatus(errno != 0 ? errno : EIO,
                            absl::StrCat("cannot read ", path)),
        path);
  }
  return content;
}

absl::Status WriteFile(const std::string& path, absl::string_view content) {
  return WriteFile(path, [&](std::ostream& out) {
    out.write(content.data(), static_cast<std::streamsize>(content.size()));
    return absl::OkStatus();
  });
}

absl::Status WriteFile(
    const std::string& path,
    absl::FunctionRef<absl::Status(std::ostream& out)> write) {
  const bool replaced = MayBeReplaced(path);
  const std::string fresh = replaced ? absl::StrCat(path, ".new") : path;
  const auto drop = [&] {
    if (replaced) std::remove(fresh.c_str());
  };
  errno = 0;
  std::ofstream out(fresh, std::ios::binary | std::ios::trunc);
  if (out) {
    absl::Status written = write(out);
    if (!written.ok()) {
      drop();
      return written;
    }
    out.close();
  }
  if (!out || (replaced && std::rename(fresh.c_str(), path.c_str()) != 0)) {
    const int error = errno != 0 ? errno : EIO;
    drop();
    return absl::ErrnoToStatus(error, absl::StrCat("cannot write ", path));
  }
  return absl::OkStatus();
}

absl::Status CheckWritable(const std::string& path) {
  std::error_code error;
  int wrong = std::filesystem::is_directory(path, error) ? EISDIR : 0;
  if (wrong == 0 && !MayBeReplaced(path)) {
    // Not by opening it: a pipe would wait for its reader. A link may lead to
    // what is still to be made.
    if (access(path.c_str(), W_OK) == 0 || errno == ENOENT) {
      return absl::OkStatus();
    }
    wrong = errno;
  }
  if (wrong == 0) {
    const std::string fresh = absl::StrCat(path, ".new");
    errno = 0;
    if (std::ofstream(fresh, std::ios::binary | std::ios::trunc)) {
      std::remove(fresh.c_str());
      return absl::OkStatus();
    }
    wrong = errno != 0 ? errno : EIO;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "cannot write ", path, ": ", std::generic_category().message(wrong)));
}

std::string ProgramFolder() {
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? "." : program.parent_path().string();
}

}  // namespace ebb::tools
