// The models that a job can name.
//
//   Registry registry;
//   EBB_RETURN_IF_ERROR(RegisterBuiltinModels(&registry));
//   EBB_ASSIGN_OR_RETURN(auto model, registry.Create(config, &backend));
//
// To add a model with a gradient, write models/zoo/NAME.cc with one function,
// `absl::Status RegisterName(Registry*)` in namespace ebb::models::zoo. The
// build lists the folder and calls the function of each file. (Objects that
// register themselves while the program starts would have no defined order. The
// linker would drop them with the rest of a static library that is not called.)
#ifndef EBB_MODELS_REGISTRY_H_
#define EBB_MODELS_REGISTRY_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "models/backend.h"
#include "models/config.h"
#include "models/model.h"

namespace ebb::models {

// Makes a model of a configuration that CheckRanges has passed. The back end
// is not owned and outlives the model.
using ModelFactory = std::function<absl::StatusOr<std::unique_ptr<Model>>(
    const ModelConfig&, ComputeBackend*)>;

// Not thread-safe while models are added; Create may then be called from many
// threads.
class Registry {
 public:
  // Adds a model under `kind` (lower-case letters, digits and underscores,
  // starting with a letter). `summary` is one line for people.
  // kInvalidArgument: not such a name. kAlreadyExists: it is taken.
  absl::Status Register(absl::string_view kind, absl::string_view summary,
                        ModelFactory factory);

  // kInvalidArgument (as ConfigError): no such kind, or a configuration that
  // the model refuses.
  absl::StatusOr<std::unique_ptr<Model>> Create(const ModelConfig& config,
                                                ComputeBackend* backend) const;

  // Kinds and their summaries, in alphabetical order.
  std::vector<std::pair<std::string, std::string>> List() const;

 private:
  struct Entry {
    std::string summary;
    ModelFactory factory;
  };
  std::map<std::string, Entry> entries_;
};

// Adds the models of models/zoo and of the workloads. Link
// ebb::models_registry, which the workloads' folder makes.
absl::Status RegisterBuiltinModels(Registry* registry);

}  // namespace ebb::models

#endif  // EBB_MODELS_REGISTRY_H_
