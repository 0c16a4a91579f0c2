#include "algorithms/algorithm.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "algorithms/builtin.h"

namespace ebb {

absl::Status AlgorithmRegistry::Register(absl::string_view kind,
                                         absl::string_view summary,
                                         Factory factory) {
  const bool added =
      entries_
          .try_emplace(std::string(kind),
                       Entry{std::string(summary), std::move(factory)})
          .second;
  if (added) return absl::OkStatus();
  return absl::AlreadyExistsError(
      absl::StrCat("there is an algorithm \"", kind, "\" already"));
}

absl::StatusOr<std::unique_ptr<const Algorithm>> AlgorithmRegistry::Create(
    const AlgorithmConfig& config) const {
  const auto it = entries_.find(config.kind);
  if (it == entries_.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("algorithm.kind: there is no algorithm \"", config.kind,
                     "\"\nhint: ", absl::StrJoin(Kinds(), ", ")));
  }
  return it->second.factory(config);
}

std::vector<std::string> AlgorithmRegistry::Kinds() const {
  std::vector<std::string> kinds;
  for (const auto& [kind, entry] : entries_) kinds.push_back(kind);
  return kinds;
}

AlgorithmRegistry BuiltinAlgorithms() {
  AlgorithmRegistry registry;
  // The names are different.
  RegisterGradientDescent(&registry).IgnoreError();
  RegisterDynSgd(&registry).IgnoreError();
  RegisterStalenessAware(&registry).IgnoreError();
  RegisterDownpour(&registry).IgnoreError();
  RegisterAdag(&registry).IgnoreError();
  RegisterGeo(&registry).IgnoreError();
  RegisterLocalSgd(&registry).IgnoreError();
  RegisterDiLoCo(&registry).IgnoreError();
  RegisterLbfgs(&registry).IgnoreError();
  RegisterTasks(&registry).IgnoreError();
  RegisterElasticAveraging(&registry).IgnoreError();
  return registry;
}

}  // namespace ebb
