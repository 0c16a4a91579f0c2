#include "common/plugin_file.h"

#include <dlfcn.h>

#include <filesystem>
#include <optional>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status_macros.h"

namespace ebb {

namespace {

namespace fs = std::filesystem;

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
    if (real && real_folder && IsBelow(*real, *real_folder)) return *real;
  }
  if (real || folders.empty()) {
    return absl::PermissionDeniedError(absl::StrCat(
        "plugin ", path,
        real ? absl::StrCat(", which is ", real->string()) : "",
        ": not in an allowed folder (", allowed,
        "); move it there, or allow its folder by --allow-plugins"));
  }
  return absl::NotFoundError(absl::StrCat("plugin ", path,
                                          ": there is no such file"
                                          " (allowed folders: ",
                                          allowed, ")"));
}

absl::Status NotAPlugin(absl::string_view path, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("plugin ", path, ": ", why));
}

}  // namespace

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
