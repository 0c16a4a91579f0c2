#include "models/plugin.h"

#include <dlfcn.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status_macros.h"
#include "models/internal/plugin_model.h"

namespace ebb::models {
namespace {

namespace fs = std::filesystem;
using internal::PluginLibrary;

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

absl::Status NotAPlugin(const fs::path& path, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("plugin ", path.string(), ": ", why));
}

absl::StatusOr<std::shared_ptr<const PluginLibrary>> Open(
    const fs::path& path) {
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* why = dlerror();
    return NotAPlugin(path, why == nullptr ? "cannot be loaded" : why);
  }
  auto library = std::make_shared<PluginLibrary>(handle);
  const auto entry = reinterpret_cast<decltype(&ebb_model_plugin)>(
      dlsym(handle, "ebb_model_plugin"));
  if (entry == nullptr) {
    return NotAPlugin(path,
                      "exports no function ebb_model_plugin; "
                      "models/plugin_api.h says how");
  }
  const EbbModelPlugin* plugin = entry(EBB_MODEL_PLUGIN_API_VERSION);
  if (plugin == nullptr ||
      plugin->api_version != EBB_MODEL_PLUGIN_API_VERSION) {
    return NotAPlugin(
        path,
        absl::StrCat("is made for ",
                     plugin == nullptr
                         ? "another version"
                         : absl::StrCat("version ", plugin->api_version),
                     " of the interface, not ", EBB_MODEL_PLUGIN_API_VERSION,
                     "; compile it with this ebb's models/plugin_api.h"));
  }
  if (plugin->kind == nullptr || plugin->summary == nullptr ||
      plugin->create == nullptr || plugin->destroy == nullptr ||
      plugin->shape == nullptr || plugin->gradient == nullptr ||
      plugin->predict == nullptr) {
    return NotAPlugin(path, "a member of its EbbModelPlugin is null");
  }
  library->set_plugin(plugin);
  return library;
}

}  // namespace

absl::StatusOr<std::string> LoadPlugin(
    absl::string_view path, const std::vector<std::string>& allowed_folders,
    Registry* registry) {
  EBB_ASSIGN_OR_RETURN(const fs::path real, FindPlugin(path, allowed_folders));
  EBB_ASSIGN_OR_RETURN(std::shared_ptr<const PluginLibrary> library,
                       Open(real));
  const std::string kind = library->plugin().kind;
  EBB_RETURN_IF_ERROR(registry->Register(
      kind, library->plugin().summary,
      [library](const ModelConfig& config, ComputeBackend* backend) {
        return internal::MakePluginModel(library, config, backend);
      }));
  return kind;
}

}  // namespace ebb::models
