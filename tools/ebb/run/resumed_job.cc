#include "tools/ebb/run/resumed_job.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "ebb/v1/job.pb.h"
#include "ebb/v1/specification.pb.h"
#include "job/keys.h"
#include "job/yaml.h"

namespace ebb::tools {

namespace {

// What was chosen for the run by the epochs that it had, or by an older ebb.
// Each as an override, where neither the file nor a flag names it.
std::vector<std::string> ChosenForRun(const JobChoice& choice,
                                      const v1::Job& before,
                                      const PreparedJob& prepared) {
  std::vector<std::string> overrides;
  const auto keep = [&](absl::string_view key, const auto& value) {
    overrides.push_back(absl::StrCat(key, "=", value));
  };
  const auto chosen = [&](absl::string_view key) {
    return std::ranges::any_of(prepared.choices, [&](const job::Choice& one) {
      return one.key == key;
    });
  };
  const v1::Job named = job::ReadJobFile(choice.file, choice.overrides).job;
  const v1::Algorithm::Kind kind = before.algorithm().kind();
  if (!named.algorithm().has_kind() && !named.algorithm().has_plugin() &&
      kind != prepared.job.algorithm().kind() &&
      v1::Algorithm::Kind_IsValid(kind) &&
      kind != v1::Algorithm::KIND_UNSPECIFIED) {
    keep("algorithm.kind",
         job::EnumWord(*v1::Algorithm::Kind_descriptor(), kind));
  }
  if (chosen("algorithm.tolerated") && before.algorithm().tolerated() >= 1 &&
      before.algorithm().tolerated() != prepared.job.algorithm().tolerated()) {
    keep("algorithm.tolerated", before.algorithm().tolerated());
  }
  const v1::Train& train = before.train();
  if (chosen("train.epochs") && train.epochs() >= 1 &&
      train.epochs() != prepared.job.train().epochs()) {
    keep("train.epochs", train.epochs());
  }
  if (chosen("train.batch") && train.batch() >= 1 &&
      train.batch() != prepared.job.train().batch()) {
    keep("train.batch", train.batch());
  }
  if (!named.workers().has_max() && before.workers().max() >= 1 &&
      before.workers().max() != prepared.job.workers().max()) {
    keep("workers.max", before.workers().max());
  }
  return overrides;
}

}  // namespace

absl::StatusOr<PreparedJob> KeepChoicesOfRun(const JobChoice& choice,
                                             absl::string_view stored,
                                             PreparedJob prepared) {
  v1::Specification before;
  if (!before.ParseFromArray(stored.data(), static_cast<int>(stored.size()))) {
    return prepared;
  }
  const auto kept = ChosenForRun(choice, before.job(), prepared);
  if (kept.empty()) return prepared;
  JobChoice again = choice;
  again.overrides.insert(again.overrides.end(), kept.begin(), kept.end());
  return PrepareJob(again);
}

}  // namespace ebb::tools
