// The model of a plugin as a Model.
#ifndef EBB_MODELS_INTERNAL_PLUGIN_MODEL_H_
#define EBB_MODELS_INTERNAL_PLUGIN_MODEL_H_

#include <memory>

#include "absl/status/statusor.h"
#include "models/backend.h"
#include "models/config.h"
#include "models/model.h"
#include "models/plugin_api.h"

namespace ebb::models::internal {

// A loaded shared object; unloads it.
class PluginLibrary {
 public:
  explicit PluginLibrary(void* handle) : handle_(handle) {}
  ~PluginLibrary();
  PluginLibrary(const PluginLibrary&) = delete;
  PluginLibrary& operator=(const PluginLibrary&) = delete;

  void set_plugin(const EbbModelPlugin* plugin) { plugin_ = plugin; }
  const EbbModelPlugin& plugin() const { return *plugin_; }

 private:
  void* const handle_;
  const EbbModelPlugin* plugin_ = nullptr;  // In the shared object.
};

// Plugins compute in ordinary memory: where `backend` has its own, it is not
// used. The model keeps the library loaded.
//
// kInvalidArgument: the plugin refuses the configuration, or describes no
// possible model.
absl::StatusOr<std::unique_ptr<Model>> MakePluginModel(
    std::shared_ptr<const PluginLibrary> library, const ModelConfig& config,
    ComputeBackend* backend);

}  // namespace ebb::models::internal

#endif  // EBB_MODELS_INTERNAL_PLUGIN_MODEL_H_
