#include "common/plugin_file.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/fd.h"
#include "common/nearest.h"
#include "common/status_macros.h"

namespace ebb {

namespace {

namespace fs = std::filesystem;

constexpr size_t kMostTextBytes = 4 << 20;

// The file's real path, links followed; nothing if there is none.
std::optional<fs::path> RealPath(const fs::path& path) {
  std::error_code error;
  fs::path real = fs::canonical(path, error);
  if (error) return std::nullopt;
  return real;
}

bool IsBelow(const fs::path& path, const fs::path& folder) {
  // By components: /plugins2/a.so does not lie in /plugins.
  auto part = path.begin();
  for (const fs::path& expected : folder) {
    if (part == path.end() || *part++ != expected) return false;
  }
  return part != path.end();
}

// If others can write to a place, its code may be anyone's. A file in a folder
// with the sticky bit belongs to its owner.
absl::Status CheckWriters(const fs::path& path) {
  struct stat info = {};
  if (stat(path.c_str(), &info) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat(path.string(), ": stat"));
  }
  if (info.st_uid != 0 && info.st_uid != geteuid()) {
    return absl::PermissionDeniedError(absl::StrCat(
        path.string(), " belongs to user ", info.st_uid,
        ", who may put any code there: chown it to root, or to user ",
        geteuid(), ", who would run it"));
  }
  const bool sticky = S_ISDIR(info.st_mode) && (info.st_mode & S_ISVTX) != 0;
  if ((info.st_mode & S_IWOTH) != 0 && !sticky) {
    return absl::PermissionDeniedError(
        absl::StrCat("anybody may write to ", path.string(),
                     ", and so put any code there: chmod o-w it"));
  }
  return absl::OkStatus();
}

// Checks the file and its folders, up to the allowed folder.
absl::Status CheckWriters(const fs::path& file, const fs::path& folder) {
  for (fs::path path = file;; path = path.parent_path()) {
    EBB_RETURN_IF_ERROR(CheckWriters(path));
    if (path == folder) return absl::OkStatus();
  }
}

absl::StatusOr<fs::path> FindPlugin(absl::string_view path,
                                    const std::vector<std::string>& folders) {
  const std::string allowed =
      folders.empty() ? "none" : absl::StrJoin(folders, ", ");
  const fs::path wanted{std::string(path)};
  std::optional<fs::path> real;
  if (wanted.is_absolute()) real = RealPath(wanted);
  for (size_t i = 0; !wanted.is_absolute() && !real && i < folders.size();
       ++i) {
    real = RealPath(fs::path(folders[i]) / wanted);
  }
  for (const std::string& folder : folders) {
    const std::optional<fs::path> real_folder = RealPath(folder);
    if (!real || !real_folder || !IsBelow(*real, *real_folder)) continue;
    EBB_RETURN_IF_ERROR(CheckWriters(*real, *real_folder));
    return *real;
  }
  if (real || folders.empty()) {
    return absl::PermissionDeniedError(absl::StrCat(
        "plugin ", path,
        real ? absl::StrCat(", which is ", real->string()) : "",
        ": not in an allowed folder (", allowed,
        "); move it there, or allow its folder by --allow-plugins"));
  }
  std::string near;
  for (const std::string& folder : folders) {
    if (near.empty()) near = IsItPath((fs::path(folder) / wanted).string());
  }
  return absl::NotFoundError(absl::StrCat("plugin ", path,
                                          ": there is no such file"
                                          " (allowed folders: ",
                                          allowed, ")", near));
}

absl::Status NotAPlugin(absl::string_view path, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("plugin ", path, ": ", why));
}

}  // namespace

absl::Status CheckPluginFolder(const std::string& folder) {
  return CheckWriters(folder);
}

absl::StatusOr<PluginText> ReadPlugin(
    absl::string_view path, const std::vector<std::string>& allowed_folders) {
  EBB_ASSIGN_OR_RETURN(const fs::path real, FindPlugin(path, allowed_folders));
  PluginText out = {real.string(), ""};
  const Fd file(open(real.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info = {};
  if (!file || fstat(file.get(), &info) != 0) {
    return NotAPlugin(out.path, std::strerror(errno));
  }
  if (!S_ISREG(info.st_mode)) return NotAPlugin(out.path, "is no file");
  std::string buffer(64 << 10, '\0');
  for (;;) {
    const ssize_t got = read(file.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return NotAPlugin(out.path, std::strerror(errno));
    if (got == 0) return out;
    out.text.append(buffer, 0, got);
    if (out.text.size() > kMostTextBytes) {
      return NotAPlugin(out.path, absl::StrCat("has more than ", kMostTextBytes,
                                               " bytes, and is to be code"));
    }
  }
}

absl::StatusOr<std::shared_ptr<const PluginFile>> PluginFile::Open(
    absl::string_view path, const std::vector<std::string>& allowed_folders) {
  EBB_ASSIGN_OR_RETURN(const fs::path real, FindPlugin(path, allowed_folders));
  void* handle = dlopen(real.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* why = dlerror();
    return NotAPlugin(real.string(), why == nullptr ? "cannot be loaded" : why);
  }
  // The constructor is private.
  return std::shared_ptr<const PluginFile>(
      new PluginFile(handle, real.string()));
}

PluginFile::~PluginFile() { dlclose(handle_); }

void* PluginFile::Find(const char* name) const { return dlsym(handle_, name); }

absl::Status PluginFile::Refuse(absl::string_view why) const {
  return NotAPlugin(path_, why);
}

}  // namespace ebb
