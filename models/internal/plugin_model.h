// The model of a plugin as a Model.
#ifndef EBB_MODELS_INTERNAL_PLUGIN_MODEL_H_
#define EBB_MODELS_INTERNAL_PLUGIN_MODEL_H_

#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "common/plugin_file.h"
#include "ebb/plugin_api.h"
#include "models/backend.h"
#include "models/config.h"
#include "models/model.h"

namespace ebb::models::internal {

// A plugin, and the shared object that it lies in.
class PluginLibrary {
 public:
  PluginLibrary(std::shared_ptr<const PluginFile> file,
                const EbbModelPlugin* plugin, const EbbRowPlugin* rows)
      : file_(std::move(file)), plugin_(plugin), rows_(rows) {}

  const EbbModelPlugin& plugin() const { return *plugin_; }
  // Null: its examples write no rows.
  const EbbRowPlugin* rows() const { return rows_; }

 private:
  const std::shared_ptr<const PluginFile> file_;
  const EbbModelPlugin* const plugin_;
  const EbbRowPlugin* const rows_;
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
