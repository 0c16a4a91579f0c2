// Models from shared objects of users (plugin_api.h).
#ifndef EBB_MODELS_PLUGIN_H_
#define EBB_MODELS_PLUGIN_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "models/registry.h"

namespace ebb::models {

// Loads the shared object at `path` (PluginFile::Open says from where), adds
// its model to `registry` and returns the model's kind. It stays loaded while
// the registry or a model of it exists.
//
// Errors: those of PluginFile::Open. kInvalidArgument: it is not a plugin, or
// one for another version of the interface. kAlreadyExists: there is a model of
// that name.
absl::StatusOr<std::string> LoadPlugin(
    absl::string_view path, const std::vector<std::string>& allowed_folders,
    Registry* registry);

}  // namespace ebb::models

#endif  // EBB_MODELS_PLUGIN_H_
