#include "tools/ebb/run/resumed_job.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "ebb/v1/job.pb.h"
#include "ebb/v1/specification.pb.h"
#include "job/base/keys.h"
#include "job/base/traits.h"
#include "job/base/values.h"
#include "job/yaml.h"

namespace ebb::tools {

namespace {

// Returns what was chosen for the run by its epochs, or by an older ebb, as
// overrides, where neither the file nor a flag names it. Empty if the job has
// all of it. Otherwise it is all: what is the same now may be another beside
// those that are kept.
std::vector<std::string> ChosenForRun(const JobChoice& choice,
                                      const v1::Job& before,
                                      const v1::Job& now) {
  std::vector<std::string> overrides;
  bool other = false;
  const auto keep = [&](absl::string_view key, const std::string& value,
                        bool same) {
    overrides.push_back(absl::StrCat(key, "=", value));
    other = other || !same;
  };
  const v1::Job named = job::ReadJobFile(choice.file, choice.overrides).job;
  // An older ebb called it otherwise.
  if (named.name() == job::NameAfterFile(choice.file) &&
      !before.name().empty()) {
    keep("name", before.name(), before.name() == now.name());
  }
  const v1::Algorithm& algorithm = before.algorithm();
  if (!named.algorithm().has_kind() && !named.algorithm().has_plugin() &&
      v1::Algorithm::Kind_IsValid(algorithm.kind()) &&
      algorithm.kind() != v1::Algorithm::KIND_UNSPECIFIED) {
    keep("algorithm.kind",
         job::EnumWord(*v1::Algorithm::Kind_descriptor(), algorithm.kind()),
         algorithm.kind() == now.algorithm().kind());
  }
  if (algorithm.kind() == v1::Algorithm::KIND_STALENESS_AWARE &&
      !named.algorithm().has_tolerated() && algorithm.tolerated() >= 1) {
    keep("algorithm.tolerated", job::NumberText(algorithm.tolerated()),
         algorithm.tolerated() == now.algorithm().tolerated());
  }
  const auto keep_count = [&](absl::string_view key, bool is_named,
                              int64_t count, int64_t count_now) {
    if (is_named || count < 1) return;
    keep(key, absl::StrCat(count), count == count_now);
  };
  keep_count("train.epochs", named.train().has_epochs(),
             before.train().epochs(), now.train().epochs());
  keep_count("train.batch", named.train().has_batch(), before.train().batch(),
             now.train().batch());
  keep_count("workers.max", named.workers().has_max(), before.workers().max(),
             now.workers().max());
  if (job::TraitsOf(algorithm.kind()).runs()) {
    keep_count("algorithm.period", named.algorithm().has_period(),
               algorithm.period(), now.algorithm().period());
    const v1::Algorithm& asked = named.algorithm();
    if (!asked.has_run_warm_up()) {
      keep("algorithm.run_warm_up", absl::StrCat(algorithm.run_warm_up()),
           algorithm.run_warm_up() == now.algorithm().run_warm_up());
    }
    if (!asked.has_rate() && algorithm.has_rate()) {
      keep("algorithm.rate", job::NumberText(algorithm.rate()),
           algorithm.rate() == now.algorithm().rate());
    }
    if (!asked.has_momentum() && algorithm.has_momentum()) {
      keep("algorithm.momentum", job::NumberText(algorithm.momentum()),
           algorithm.momentum() == now.algorithm().momentum());
    }
    if (!named.consistency().has_examples() &&
        before.consistency().has_examples()) {
      keep("consistency.examples", before.consistency().examples(),
           before.consistency().examples() == now.consistency().examples());
    }
  }
  const v1::Optimizer& rule = job::GradientRuleOf(before);
  const v1::Optimizer& said = job::TraitsOf(algorithm.kind()).runs()
                                  ? named.algorithm().inner()
                                  : named.optimizer();
  if (!said.has_rate() && rule.has_rate()) {
    keep(absl::StrCat(job::GradientRuleKey(before), ".rate"),
         job::NumberText(rule.rate()),
         rule.rate() == job::GradientRuleOf(now).rate());
  }
  if (!named.model().has_l2() &&
      (before.model().has_l2() || now.model().has_l2())) {
    keep("model.l2", job::NumberText(before.model().l2()),
         before.model().l2() == now.model().l2());
  }
  if (!other) overrides.clear();
  return overrides;
}

}  // namespace

absl::StatusOr<PreparedJob> KeepChoicesOfRun(const JobChoice& choice,
                                             absl::string_view stored,
                                             PreparedJob prepared) {
  v1::Specification before;
  // A run of an older ebb may have stored none.
  if (stored.empty() ||
      !before.ParseFromArray(stored.data(), static_cast<int>(stored.size()))) {
    return prepared;
  }
  const auto kept = ChosenForRun(choice, before.job(), prepared.job);
  if (kept.empty()) return prepared;
  JobChoice again = choice;
  again.overrides.insert(again.overrides.end(), kept.begin(), kept.end());
  auto as_before = PrepareJob(again);
  // What does not go with the rest of the job is named as a change of the run.
  return as_before.ok() ? std::move(as_before) : std::move(prepared);
}

}  // namespace ebb::tools
