#include "tools/ebb/report/run_facts.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/status_macros.h"
#include "ebb/v1/specification.pb.h"
#include "job/early_end.h"
#include "job/job_change.h"
#include "job/yaml.h"
#include "tools/files/files.h"
#include "tools/text/console.h"

namespace ebb::tools {

namespace {

constexpr char kFacts[] = "run";
constexpr char kShared[] = "shared_checkpoints";
constexpr char kSpecification[] = "specification";

// The lines in which two jobs differ, in the words of a job file.
std::string Difference(const v1::Job& stored, const v1::Job& given) {
  const std::vector<std::string> before =
      absl::StrSplit(job::JobToYaml(stored, job::YamlStyle::kCompact), '\n');
  const std::vector<std::string> after =
      absl::StrSplit(job::JobToYaml(given, job::YamlStyle::kCompact), '\n');
  std::string out;
  for (const std::string& line : before) {
    if (std::ranges::find(after, line) == after.end()) {
      absl::StrAppend(&out, "\n  it has   ", line);
    }
  }
  for (const std::string& line : after) {
    if (std::ranges::find(before, line) == before.end()) {
      absl::StrAppend(&out, "\n  now      ", line);
    }
  }
  return out;
}

}  // namespace

absl::Status CheckWorkers(const JobPlan& plan, absl::string_view file,
                          int workers) {
  if (plan.min_workers <= workers) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      file, ": workers.min: the job begins with ", plan.min_workers,
      " workers, and this run would have ", workers, "\n  hint: --workers ",
      plan.min_workers, ", or --set workers.min=", workers));
}

namespace {

// Empty: the job takes all workers.
std::string Idle(const JobPlan& plan, int workers) {
  if (plan.max_workers <= 0 || plan.max_workers >= workers) return "";
  const int idle = workers - plan.max_workers;
  return absl::StrCat(idle, " of the ", workers, " workers ",
                      idle == 1 ? "stays" : "stay", " idle: ");
}

}  // namespace

std::string IdleWorkersText(const JobPlan& plan, int workers) {
  std::string text = Idle(plan, workers);
  if (text.empty()) return text;
  absl::StrAppend(
      &text, "the job takes ", plan.max_workers,
      " at once (workers.max). For all: --set workers.max=", workers);
  return text;
}

std::string IdlePredictorsText(const JobPlan& plan, int workers) {
  std::string text = Idle(plan, workers);
  if (text.empty()) return text;
  absl::StrAppend(&text, "there ", plan.items() == 1 ? "is " : "are ",
                  Count(plan.items(), "part"), " of at most ",
                  Count(plan.shard_size, "example"),
                  " (--part-examples; 1,024 at least)");
  return text;
}

absl::StatusOr<RunFacts> ReadFacts(const RunFolder& folder) {
  EBB_ASSIGN_OR_RETURN(const std::string text, ReadFile(folder.File(kFacts)));
  const auto damaged = [&folder](const auto&... what) {
    return absl::InvalidArgumentError(
        absl::StrCat(folder.shown(), "/", kFacts, ": ", what...));
  };
  std::map<std::string, int> values;
  RunFacts facts;
  for (const absl::string_view line :
       absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::pair<std::string, std::string> parts =
        absl::StrSplit(line, absl::MaxSplits(' ', 1));
    if (parts.first == kShared) {
      facts.shared_checkpoints = parts.second;
      continue;
    }
    if (!absl::SimpleAtoi(parts.second, &values[parts.first])) {
      return damaged("cannot read \"", line, "\"");
    }
  }
  for (const char* const key : {"servers", "workers"}) {
    if (values[key] < 1) {
      return damaged("it does not say how many ", key, " there are");
    }
  }
  facts.servers = values["servers"];
  facts.workers = values["workers"];
  facts.complete = values["complete"] != 0;
  return facts;
}

absl::Status WriteFacts(const RunFolder& folder, const RunFacts& facts) {
  std::string text =
      absl::StrCat("servers ", facts.servers, "\nworkers ", facts.workers,
                   "\ncomplete ", facts.complete ? 1 : 0, "\n");
  if (!facts.shared_checkpoints.empty()) {
    absl::StrAppend(&text, kShared, " ", facts.shared_checkpoints, "\n");
  }
  return WriteFile(folder.File(kFacts), text);
}

absl::Status WriteSpecification(const RunFolder& folder,
                                const std::string& specification) {
  return WriteFile(folder.File(kSpecification), specification);
}

absl::StatusOr<std::string> ReadSpecification(const RunFolder& folder) {
  auto specification = ReadFile(folder.File(kSpecification));
  if (absl::IsNotFound(specification.status())) return std::string();
  return specification;
}

absl::StatusOr<std::vector<std::string>> ChangesOf(const RunFolder& folder,
                                                   absl::string_view stored,
                                                   absl::string_view given) {
  v1::Specification before;
  v1::Specification now;
  if (!before.ParseFromArray(stored.data(), static_cast<int>(stored.size())) ||
      !now.ParseFromArray(given.data(), static_cast<int>(given.size()))) {
    return absl::InvalidArgumentError(
        absl::StrCat(folder.shown(), "/", kSpecification,
                     ": the job of the run cannot be read; start a new run"));
  }
  if (job::EndsEarlyAs(now.job(), before.job())) {
    job::TakeEpochs(now.job(), before.mutable_job());
  }
  const std::string difference = Difference(before.job(), now.job());
  const int64_t had = before.job().train().epochs();
  const int64_t has = now.job().train().epochs();
  const absl::Status may = job::CheckChange(before, now);
  if (!may.ok() && !difference.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the run in ", folder.shown(), " is of another job: ", may.message(),
        ". Go on with the same file and the same --set, or start a new run.",
        difference));
  }
  if (!may.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the data has changed since the run in ", folder.shown(),
                     " began. Bring the old files back, or start a new run."));
  }
  if (has < had) {
    return absl::InvalidArgumentError(
        absl::StrCat("train.epochs: the run in ", folder.shown(), " has ", had,
                     " epochs, and cannot go on with ", has,
                     ": what is applied stays. Go on with --epochs ", had,
                     " or more, or ", "start a new run.", difference));
  }
  return job::ChangedKeys(before.job(), now.job());
}

}  // namespace ebb::tools
