#include "tools/ebb/predict/predict_on_workers.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iostream>
#include <optional>
#include <ostream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "common/status_macros.h"
#include "job/prediction.h"
#include "tools/command/command.h"
#include "tools/ebb/checkpoint/checkpoint_source.h"
#include "tools/ebb/cluster/data_flags.h"
#include "tools/ebb/predict/cluster_prediction.h"
#include "tools/ebb/predict/predict_model.h"
#include "tools/ebb/predict/predict_output.h"
#include "tools/ebb/predict/prediction_folder.h"
#include "tools/ebb/predict/prediction_job.h"
#include "tools/ebb/predict/prediction_scores.h"
#include "tools/ebb/run/kill_every.h"
#include "tools/ebb/run/local_run.h"
#include "tools/files/file_end.h"
#include "tools/files/standard_input.h"
#include "tools/process/last_words.h"
#include "tools/process/temporary_folder.h"
#include "tools/text/console.h"
#include "tools/text/json.h"
#include "worker/predict/predictions.h"

namespace ebb::tools {

namespace {

// How many workers a cluster is taken to have for the size of the parts.
constexpr int kUnknownWorkers = 8;

// The result of the job.
struct WorkersResult {
  v1::JobStatus status;
  std::optional<AuditReport> audit;
  double seconds = 0;
  bool interrupted = false;
  std::vector<std::string> problems;
  std::string failure;  // Why a batch failed; empty: it is not known.
};

// Why a batch of the run failed, by the log of a worker.
std::string FailureIn(const std::string& run_folder) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(
           std::filesystem::path(run_folder) / "logs", error)) {
    const std::string path = entry.path().string();
    if (!absl::StartsWith(entry.path().filename().string(), "worker-")) {
      continue;
    }
    const std::string failure = LastFailedBatch(ReadLastLines(path));
    if (!failure.empty()) return absl::StrCat(failure, " (", path, ")");
  }
  return "";
}

absl::StatusOr<WorkersResult> PredictLocally(PredictFlags& flags,
                                             PreparedPrediction prepared) {
  KillEvery kills(flags.kill_every, flags.kill_seed);
  if (flags.kill_every > absl::ZeroDuration()) flags.run.disturbance = &kills;
  flags.run.job.plugin_folders = flags.plugin_folders;
  flags.run.python = prepared.python;
  EBB_ASSIGN_OR_RETURN(RunReport report,
                       RunPrepared(flags.run, std::move(prepared.job)));
  std::string failure;
  if (!report.status.skipped().empty()) failure = FailureIn(report.folder);
  return WorkersResult{
      std::move(report.status), std::move(report.audit),    report.seconds,
      report.interrupted,       std::move(report.problems), std::move(failure)};
}

absl::StatusOr<WorkersResult> PredictThere(const PredictFlags& flags,
                                           const PreparedPrediction& prepared,
                                           PredictionFolder* folder) {
  const auto predict = [&](bool known) {
    return PredictOnCluster(flags.model.access, prepared.job,
                            folder->request_id(),
                            {.quiet = flags.run.quiet, .known = known});
  };
  EBB_ASSIGN_OR_RETURN(ClusterPrediction done, predict(folder->goes_on()));
  if (done.had_ended) {
    // The scheduler answers each further submission under that name by the job
    // that has ended. What it did not write needs another job.
    EBB_ASSIGN_OR_RETURN(const std::vector<std::string> missing,
                         folder->Settle(prepared.job.record.plan, done.status));
    const bool cancelled =
        done.status.summary().state() == v1::JOB_STATE_CANCELLED;
    if (cancelled || !missing.empty()) {
      EBB_RETURN_IF_ERROR(folder->Renew());
      if (!flags.run.quiet) {
        std::cout << "this job has ended before all was predicted: another job "
                  << "predicts what is missing\n";
      }
      EBB_ASSIGN_OR_RETURN(done, predict(/*known=*/false));
    }
  }
  if (!done.interrupted && done.problems.empty() &&
      (!done.audit || !done.audit->exact())) {
    done.problems.push_back(
        "the audit is not exact: `ebb audit` says what is missing");
  }
  return WorkersResult{
      std::move(done.status), std::move(done.audit),    done.seconds,
      done.interrupted,       std::move(done.problems),
      /*failure=*/""};
}

// Returns what _SUCCESS says.
Json AboutPredictions(const PredictFlags& flags, const JobPlan& plan,
                      const v1::Job& job, int64_t left_out,
                      const WorkersResult& result) {
  Json json = Json::Object();
  json["model"] = flags.model.name;
  json["model_sha256"] = job.model().sha256();
  json["data"] = flags.data;
  json["examples"] = plan.examples;
  json["left_out"] = left_out;
  json["parts"] = plan.items();
  json["part_examples"] = plan.shard_size;
  json["seconds"] = result.seconds;
  return json;
}

absl::Status CheckFlags(const PredictFlags& flags) {
  if (flags.data == kStandardInput) {
    return absl::InvalidArgumentError(
        "DATA -: each worker reads the data itself, and the standard input is "
        "this command's; name a file, or leave --workers and --to out");
  }
  if (flags.cluster && flags.run.servers) {
    return absl::InvalidArgumentError(
        "--servers is for a cluster that ebb predict starts, not for "
        "--scheduler");
  }
  if (flags.part_examples % worker::kPredictionBatch != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--part-examples ", flags.part_examples, ": a part has a multiple of ",
        worker::kPredictionBatch, " examples"));
  }
  if (flags.to.empty() && flags.output.empty()) {
    return absl::InvalidArgumentError(
        "--workers: say where the predictions go by --to FOLDER or -o FILE");
  }
  return CheckOutput(flags.output);
}

PredictionWish WishOf(const PredictFlags& flags, const ModelFile& model,
                      const std::string& to) {
  PredictionWish wish = {
      .model = model.path(),
      .model_beside = flags.cluster && model.made() ? to : "",
      .data = flags.data,
      .labelled = flags.labelled,
      .score = flags.score,
      .id = flags.id,
      .skip_bad = flags.skip_bad,
      .to = to,
      .part_examples = flags.part_examples > 0
                           ? flags.part_examples
                           : PredictionFolder::PartExamplesIn(to),
      .workers = flags.run.workers.value_or(kUnknownWorkers),
      .plugin_folders = flags.plugin_folders};
  if (flags.cluster) {
    wish.open = OpenFromCluster(flags.model.access, flags.remote);
  }
  return wish;
}

// Returns what the predictions of `job` follow from.
PredictionTerms TermsOf(const v1::Job& job, const std::string& identity) {
  constexpr size_t kDigits = 16;  // Enough to tell two models apart.
  const job::PredictionInput input = job::PredictionInputOf(job);
  const int64_t part = job.train().item_examples();
  return {identity,
          part,
          {{"the SHA-256 of MODEL", job.model().sha256().substr(0, kDigits)},
           {"DATA", input.path},
           {"--labelled (or --score)", input.labelled ? "given" : ""},
           {"--id", input.id},
           {"--bad-examples", input.skip_bad ? "skip" : "stop"},
           {"--part-examples", absl::StrCat(part)}}};
}

// Joins the parts, if one file is wanted, and says that all is there.
absl::Status Complete(const PredictFlags& flags, const JobPlan& plan,
                      const Json& about, const PredictionFolder& folder) {
  if (!flags.output.empty()) {
    EBB_RETURN_IF_ERROR(WriteOutput(flags.output, [&](std::ostream& out) {
      return folder.Join(plan, &out);
    }));
    if (flags.to.empty()) return folder.Remove();
  }
  return folder.Finish(about);
}

// Compares the predictions with the labels, and adds the figures to `about`.
absl::StatusOr<Figures> Score(const JobPlan& plan,
                              const PredictionFolder& folder,
                              PartScores* scores, Json* about) {
  EBB_RETURN_IF_ERROR(folder.ReadParts(
      plan, [&](absl::string_view part) { return scores->Add(part); }));
  EBB_ASSIGN_OR_RETURN(Figures figures, scores->Get());
  (*about)["figures"] = Json::Object();
  for (const Figure& figure : figures.named) {
    (*about)["figures"][figure.name] = figure.value;
  }
  if (!scores->positive_class().empty()) {
    (*about)["positive_class"] = scores->positive_class();
  }
  return figures;
}

// Settles the folder, and says what came of it. `scores` may be null. Returns
// the exit code.
int Conclude(const PredictFlags& flags, const JobPlan& plan, const v1::Job& job,
             int64_t left_out, const WorkersResult& result,
             const PredictionFolder& folder, PartScores* scores) {
  const auto missing = folder.Settle(plan, result.status);
  if (!missing.ok()) return Report(missing.status());
  std::vector<std::string> problems = *missing;
  const bool failed = !result.problems.empty() || !missing->empty();
  // A run of its own has printed what was wrong with it.
  if (flags.cluster || flags.run.quiet) {
    problems.insert(problems.begin(), result.problems.begin(),
                    result.problems.end());
  }
  absl::StatusOr<Figures> figures = Figures();
  if (!failed) {
    Json about = AboutPredictions(flags, plan, job, left_out, result);
    if (scores != nullptr) figures = Score(plan, folder, scores, &about);
    const absl::Status complete =
        figures.ok() ? Complete(flags, plan, about, folder) : figures.status();
    if (!complete.ok()) problems.emplace_back(complete.message());
  }
  if (!result.failure.empty()) {
    problems.push_back(absl::StrCat("a batch failed: ", result.failure));
  } else if (flags.cluster && !result.status.skipped().empty()) {
    problems.emplace_back(
        "the logs of the workers say why: they have \"cannot be computed\"");
  }
  for (const std::string& problem : problems) {
    std::cerr << "ebb: " << problem << "\n";
  }
  if (failed || !problems.empty()) return kExitFailed;
  if (!flags.run.quiet) {
    std::cout << Count(plan.examples, "prediction") << " in "
              << (flags.to.empty() ? flags.output : flags.to);
    if (result.seconds > 0) {
      const auto speed = static_cast<double>(plan.examples) / result.seconds;
      std::cout << ", " << WithCommas(static_cast<int64_t>(speed))
                << " examples/s";
    }
    std::cout << "\n";
  }
  if (scores != nullptr) {
    std::cout << ScoresText(*figures, plan.examples, scores->positive_class());
  }
  return kExitGood;
}

// Returns the folder of the parts, as every worker finds it.
std::string FolderOf(const PredictFlags& flags) {
  if (PredictionFolder::IsBucket(flags.to)) {
    return std::string(absl::StripSuffix(flags.to, "/"));
  }
  std::string path = flags.to;
  if (path.empty()) {
    // The parts of one object are in the working folder.
    const size_t name =
        IsBucket(flags.output) ? flags.output.rfind('/') + 1 : 0;
    path = absl::StrCat(flags.output.substr(name), ".parts");
  }
  path = std::filesystem::absolute(path).lexically_normal().string();
  // What stands beside the folder has its name in front.
  if (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

// True if no worker will ask for an item of the job any more.
bool HasEnded(const v1::JobStatus& job) {
  const v1::JobState state = job.summary().state();
  return state == v1::JOB_STATE_COMPLETE || state == v1::JOB_STATE_CANCELLED;
}

}  // namespace

int PredictOnWorkers(PredictFlags& flags) {
  const absl::Status good = CheckFlags(flags);
  if (!good.ok()) return Report(good);
  const std::string to = FolderOf(flags);
  std::optional<InterruptWords> words(std::in_place,
                                      "\nebb: interrupted before anything was "
                                      "predicted; the same command begins "
                                      "again\n");
  auto model = ModelFileOf(flags, to);
  if (!model.ok()) return Report(model.status());
  auto prepared = PreparePrediction(WishOf(flags, *model, to));
  if (!prepared.ok()) return Report(prepared.status());
  const JobPlan plan = prepared->job.record.plan;
  const v1::Job job = prepared->job.job;
  const int64_t left_out = prepared->left_out;
  std::optional<PartScores> scores = std::move(prepared->scores);
  // If the file was made, the doubts were told when its model was read.
  if (!model->made()) {
    for (const std::string& doubt : prepared->doubts) {
      std::cerr << "warning: " << doubt << "\n";
    }
  }
  for (const std::string& remark : prepared->remarks) {
    flags.Warn(absl::StrCat(flags.data, ": ", remark));
  }
  auto folder = PredictionFolder::Claim(to, TermsOf(job, prepared->identity));
  if (!folder.ok()) return Report(folder.status());
  ModelFile file = *std::move(model);  // Goes while the claim holds.
  if (flags.cluster && file.made()) {
    const absl::Status there = file.Publish(job.predict().model());
    if (!there.ok()) return Report(there);
  }
  words.reset();  // The prediction takes signals itself.
  const auto result = flags.cluster
                          ? PredictThere(flags, *prepared, &*folder)
                          : PredictLocally(flags, *std::move(prepared));
  if (flags.cluster && !(result.ok() && HasEnded(result->status))) {
    const std::string kept = file.Keep();
    const bool interrupted = result.ok() && result->interrupted;
    if (!kept.empty() && !interrupted && !flags.run.quiet) {
      std::cerr << kept << " stays, for the job may need it; the same command "
                << "removes it once the job has ended\n";
    }
  }
  if (!result.ok()) return Report(result.status());
  if (result->interrupted) {
    if (!flags.cluster) {
      const absl::Status left = folder->LeaveNothing();
      if (!left.ok()) flags.Warn(left.message());
    }
    if (!flags.run.quiet) {
      std::cerr << (flags.cluster
                        ? "the job goes on; the same command watches it again\n"
                        : "the same command begins again\n");
    }
    return kExitInterrupted;
  }
  const int exit_code = Conclude(flags, plan, job, left_out, *result, *folder,
                                 scores ? &*scores : nullptr);
  return file.damaged() ? kExitFailed : exit_code;
}

}  // namespace ebb::tools
