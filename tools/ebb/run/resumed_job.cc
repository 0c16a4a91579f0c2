#include "tools/ebb/run/resumed_job.h"

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

// What was chosen for the run by the epochs that it had, or by an older ebb, as
// overrides, where neither the file nor a flag names it. All of it: one that is
// the same now may be another beside those that are kept.
std::vector<std::string> ChosenForRun(const JobChoice& choice,
                                      const v1::Job& before) {
  std::vector<std::string> overrides;
  const auto keep = [&](absl::string_view key, const auto& value) {
    overrides.push_back(absl::StrCat(key, "=", value));
  };
  const v1::Job named = job::ReadJobFile(choice.file, choice.overrides).job;
  const v1::Algorithm& algorithm = before.algorithm();
  if (!named.algorithm().has_kind() && !named.algorithm().has_plugin() &&
      v1::Algorithm::Kind_IsValid(algorithm.kind()) &&
      algorithm.kind() != v1::Algorithm::KIND_UNSPECIFIED) {
    keep("algorithm.kind",
         job::EnumWord(*v1::Algorithm::Kind_descriptor(), algorithm.kind()));
  }
  if (algorithm.kind() == v1::Algorithm::KIND_STALENESS_AWARE &&
      !named.algorithm().has_tolerated() && algorithm.tolerated() >= 1) {
    keep("algorithm.tolerated", algorithm.tolerated());
  }
  const v1::Train& train = before.train();
  if (!named.train().has_epochs() && train.epochs() >= 1) {
    keep("train.epochs", train.epochs());
  }
  if (!named.train().has_batch() && train.batch() >= 1) {
    keep("train.batch", train.batch());
  }
  if (!named.workers().has_max() && before.workers().max() >= 1) {
    keep("workers.max", before.workers().max());
  }
  return overrides;
}

// Whether the job is as it would be with what was chosen for the run.
bool HasWhatWasChosen(const v1::Job& job, const v1::Job& before) {
  return job.algorithm().kind() == before.algorithm().kind() &&
         job.algorithm().tolerated() == before.algorithm().tolerated() &&
         job.train().epochs() == before.train().epochs() &&
         job.train().batch() == before.train().batch() &&
         job.workers().max() == before.workers().max();
}

}  // namespace

absl::StatusOr<PreparedJob> KeepChoicesOfRun(const JobChoice& choice,
                                             absl::string_view stored,
                                             PreparedJob prepared) {
  v1::Specification before;
  if (!before.ParseFromArray(stored.data(), static_cast<int>(stored.size()))) {
    return prepared;
  }
  if (HasWhatWasChosen(prepared.job, before.job())) return prepared;
  JobChoice again = choice;
  const auto kept = ChosenForRun(choice, before.job());
  again.overrides.insert(again.overrides.end(), kept.begin(), kept.end());
  auto as_before = PrepareJob(again);
  // What does not go with the rest of the job is named as a change of the run.
  return as_before.ok() ? std::move(as_before) : std::move(prepared);
}

}  // namespace ebb::tools
