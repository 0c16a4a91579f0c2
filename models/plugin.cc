#include "models/plugin.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/plugin_file.h"
#include "common/status_macros.h"
#include "models/internal/plugin_model.h"

namespace ebb::models {
namespace {

using internal::PluginLibrary;

absl::StatusOr<std::shared_ptr<const PluginLibrary>> Open(
    absl::string_view path, const std::vector<std::string>& folders) {
  EBB_ASSIGN_OR_RETURN(std::shared_ptr<const PluginFile> file,
                       PluginFile::Open(path, folders));
  const auto entry = reinterpret_cast<decltype(&ebb_model_plugin)>(
      file->Find("ebb_model_plugin"));
  if (entry == nullptr) {
    return file->Refuse(
        "exports no function ebb_model_plugin; include/ebb/plugin_api.h says "
        "how");
  }
  const EbbModelPlugin* plugin = entry(EBB_MODEL_PLUGIN_API_VERSION);
  if (plugin == nullptr ||
      plugin->api_version != EBB_MODEL_PLUGIN_API_VERSION) {
    return file->Refuse(absl::StrCat(
        "is made for ",
        plugin == nullptr ? "another version"
                          : absl::StrCat("version ", plugin->api_version),
        " of the interface, not ", EBB_MODEL_PLUGIN_API_VERSION,
        "; compile it with this ebb's include/ebb/plugin_api.h"));
  }
  if (plugin->kind == nullptr || plugin->summary == nullptr ||
      plugin->create == nullptr || plugin->destroy == nullptr ||
      plugin->shape == nullptr || plugin->gradient == nullptr ||
      plugin->predict == nullptr) {
    return file->Refuse("a member of its EbbModelPlugin is null");
  }
  const EbbRowPlugin* rows = nullptr;
  const auto row_entry =
      reinterpret_cast<decltype(&ebb_row_plugin)>(file->Find("ebb_row_plugin"));
  if (row_entry != nullptr) {
    rows = row_entry(EBB_ROW_PLUGIN_API_VERSION);
    if (rows == nullptr || rows->api_version != EBB_ROW_PLUGIN_API_VERSION) {
      return file->Refuse(absl::StrCat(
          "is made for another version of the interface for rows, not ",
          EBB_ROW_PLUGIN_API_VERSION,
          "; compile it with this ebb's include/ebb/plugin_api.h"));
    }
    if (rows->tables == nullptr || rows->record == nullptr) {
      return file->Refuse("a member of its EbbRowPlugin is null");
    }
  }
  return std::make_shared<const PluginLibrary>(std::move(file), plugin, rows);
}

}  // namespace

absl::StatusOr<std::string> LoadPlugin(
    absl::string_view path, const std::vector<std::string>& allowed_folders,
    Registry* registry) {
  EBB_ASSIGN_OR_RETURN(std::shared_ptr<const PluginLibrary> library,
                       Open(path, allowed_folders));
  const std::string kind = library->plugin().kind;
  EBB_RETURN_IF_ERROR(registry->Register(
      kind, library->plugin().summary,
      [library](const ModelConfig& config, ComputeBackend* backend) {
        return internal::MakePluginModel(library, config, backend);
      }));
  return kind;
}

}  // namespace ebb::models
