// Models from shared objects of users (plugin_api.h).
#ifndef EBB_MODELS_PLUGIN_H_
#define EBB_MODELS_PLUGIN_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "models/registry.h"

namespace ebb::models {

// Loads the shared object at `path`, adds its model to `registry` and returns
// the model's kind. A relative path is looked for in each of the folders, in
// their order. The object must really lie in or below one of them, whatever
// links lead there: a job may name any path, and code that is loaded is run,
// so whoever may write to these folders may do what this process may.
//
// The object stays loaded while the registry or a model of it exists.
//
// kNotFound: there is no such file. kPermissionDenied: it lies elsewhere.
// kInvalidArgument: it is no plugin, or one for another version of the
// interface. kAlreadyExists: there is a model of that name.
absl::StatusOr<std::string> LoadPlugin(
    absl::string_view path, const std::vector<std::string>& allowed_folders,
    Registry* registry);

}  // namespace ebb::models

#endif  // EBB_MODELS_PLUGIN_H_
