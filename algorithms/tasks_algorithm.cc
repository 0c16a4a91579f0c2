// Tasks: an item is the number of a part of the model, and its result a row of
// a table that is written once. Workers push each result by itself.
#include <memory>

#include "algorithms/builtin.h"

namespace ebb {

namespace {

class Tasks final : public Algorithm {};

}  // namespace

absl::Status RegisterTasks(AlgorithmRegistry* registry) {
  return registry->Register(
      "tasks", "makes each part of the model of all data, on one worker",
      [](const AlgorithmConfig&)
          -> absl::StatusOr<std::unique_ptr<const Algorithm>> {
        return std::make_unique<Tasks>();
      });
}

}  // namespace ebb
