// `ebb predict`.
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"
#include "data/byte_source.h"
#include "data/remote_files.h"
#include "job/prediction.h"
#include "job/traits.h"
#include "tools/command/command.h"
#include "tools/ebb/cluster/access_flags.h"
#include "tools/ebb/cluster/data_flags.h"
#include "tools/ebb/job/job_flags.h"
#include "tools/ebb/predict/cluster_prediction.h"
#include "tools/ebb/predict/prediction_folder.h"
#include "tools/ebb/predict/prediction_job.h"
#include "tools/ebb/predict/prediction_scores.h"
#include "tools/ebb/run/kill_every.h"
#include "tools/ebb/run/local_run.h"
#include "tools/ebb/stored/bucket_file.h"
#include "tools/ebb/stored/checkpoint_source.h"
#include "tools/ebb/stored/model_doubts.h"
#include "tools/ebb/stored/predictions.h"
#include "tools/ebb/stored/stored_job_flags.h"
#include "tools/ebb/stored/stored_model.h"
#include "tools/ebb/stored/word_questions.h"
#include "tools/files/files.h"
#include "tools/process/last_words.h"
#include "tools/process/most_processes.h"
#include "tools/process/temporary_folder.h"
#include "tools/tensors/tensor_files.h"
#include "tools/text/console.h"
#include "tools/text/json.h"
#include "worker/job_data.h"

namespace ebb::tools {

namespace {

struct PredictFlags {
  CheckpointPlace model;
  std::string data;
  std::string output;
  std::vector<std::string> plugin_folders;
  bool labelled = false;
  std::string id;
  bool score = false;
  bool skip_bad = false;  // Leave out examples that cannot be read.

  // On many workers.
  std::string to;
  bool cluster = false;  // The one of --scheduler; otherwise one of its own.
  int64_t part_examples = 0;
  DataFlags remote;
  RunOptions run;
  absl::Duration kill_every;  // Zero: no daemon is killed.
  std::optional<uint64_t> kill_seed;

  bool on_workers() const { return !to.empty() || run.workers.has_value(); }
};

// An export that is an object.
absl::StatusOr<StoredModel> LoadFromBucket(const std::string& place) {
  EBB_ASSIGN_OR_RETURN(const auto object, BucketFile::Open(place));
  EBB_RETURN_IF_ERROR(object->Get());
  auto stored = LoadExportedModel(object->copy());
  // Mapped, the copy stays as long as it is needed.
  if (stored.ok()) return stored;
  return absl::Status(
      stored.status().code(),
      absl::StrCat(place, ": its copy ", stored.status().message()));
}

// `*damaged`: newer versions may be lost.
absl::StatusOr<StoredModel> Load(const PredictFlags& flags, bool* damaged) {
  const std::string& name = flags.model.name;
  if (absl::EndsWith(name, ".safetensors")) {
    if (!flags.model.job.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--job ", flags.model.job, ": ", name, " holds one model"));
    }
    return IsBucket(name) ? LoadFromBucket(name) : LoadExportedModel(name);
  }
  constexpr absl::string_view kNoModel =
      "a model is a file called *.safetensors (ebb checkpoint export), a "
      "folder with checkpoints, or a job that runs";
  std::error_code error;
  if (std::filesystem::is_regular_file(name, error)) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, " is not a model that ebb reads: ", kNoModel));
  }
  // What `ebb checkpoint export` writes where the output is a folder.
  if (std::filesystem::exists(std::filesystem::path(name) / "model.json",
                              error)) {
    return absl::InvalidArgumentError(absl::StrCat(
        name,
        " is an export as .npy files, for other programs; ebb predict "
        "reads one file: export it with -o NAME.safetensors, or name the "
        "run it came from"));
  }
  const auto source = OpenCheckpoints(flags.model);
  if (!source.ok()) {
    const bool nowhere = absl::IsNotFound(source.status()) ||
                         absl::IsUnavailable(source.status());
    if (!nowhere || std::filesystem::exists(name, error)) {
      return source.status();
    }
    return absl::Status(
        source.status().code(),
        absl::StrCat(source.status().message(), "\nhint: ", kNoModel));
  }
  *damaged = WarnOfDamage(**source);
  auto stored = LoadStoredModel(source->get(), FolderOfTemporaryFiles());
  if (stored.ok()) WarnOfDoubts(source->get(), stored->parameters);
  return stored;
}

// Files of this machine, buckets and web servers: the user named them.
data::OpenBytes Anywhere() { return data::WithRemoteFiles(data::OpenFile, {}); }

// What cannot be written is not computed first.
absl::Status CheckOutput(const PredictFlags& flags) {
  if (flags.output.empty()) return absl::OkStatus();
  if (!IsBucket(flags.output)) return CheckWritable(flags.output);
  EBB_ASSIGN_OR_RETURN(const auto object, BucketFile::Open(flags.output));
  return object->MayPut(true);
}

// Replaces the output at once, which is not empty.
absl::Status WriteOutput(
    const PredictFlags& flags,
    absl::FunctionRef<absl::Status(std::ostream& out)> write) {
  if (!IsBucket(flags.output)) return WriteFile(flags.output, write);
  EBB_ASSIGN_OR_RETURN(const auto object, BucketFile::Open(flags.output));
  EBB_RETURN_IF_ERROR(WriteFile(object->copy(), write));
  return object->Put(true);
}

// What word vectors answer to questions.
absl::Status Answer(const PredictFlags& flags, const StoredModel& stored) {
  if (!flags.id.empty() || flags.labelled) {
    return absl::InvalidArgumentError(
        absl::StrCat(flags.labelled ? "--labelled" : "--id",
                     ": questions about words have neither columns nor labels; "
                     "leave it out"));
  }
  if (flags.skip_bad) {
    return absl::InvalidArgumentError(
        "--bad-examples skip: word vectors answer questions, and a line that "
        "asks none is a mistake; leave it out");
  }
  EBB_ASSIGN_OR_RETURN(const WordIndex index, WordIndex::Create(stored));
  AnalogyTally tally;
  const auto answer = [&](std::ostream& out) {
    return AnswerQuestions(
        index, stored.job.data().train().text().lower_case(), flags.data,
        [&](absl::string_view text) { out << text; },
        [](const std::string& text) {
          std::cerr << "warning: " << text << "\n";
        },
        flags.score ? &tally : nullptr);
  };
  std::ofstream nowhere;  // The figures alone are wanted.
  EBB_RETURN_IF_ERROR(!flags.output.empty() ? WriteOutput(flags, answer)
                      : flags.score         ? answer(nowhere)
                                            : answer(std::cout));
  if (flags.score) std::cout << TallyText(tally);
  std::cout.flush();
  return std::cout ? absl::OkStatus()
                   : absl::UnavailableError("cannot write the standard output");
}

int Predict(const PredictFlags& flags) {
  const absl::Status writable = CheckOutput(flags);
  if (!writable.ok()) return Report(writable);
  bool damaged = false;
  auto stored = Load(flags, &damaged);
  if (!stored.ok()) return Report(stored.status());
  if (job::TraitsOf(stored->job.model()).words()) {
    const absl::Status answered = Answer(flags, *stored);
    if (!answered.ok()) return Report(answered);
    return damaged ? kExitFailed : kExitGood;
  }
  if (worker::HasPythonData(stored->job)) {
    return Report(absl::FailedPreconditionError(absl::StrCat(
        flags.model.name, ": ", stored->job.model().module(),
        " reads its own data set, and ebb reads none like it; load the "
        "exported parameters into its model in PyTorch")));
  }
  const auto model = CreateStoredModel(*stored, flags.plugin_folders);
  if (!model.ok()) {
    return Report(absl::Status(
        model.status().code(),
        absl::StrCat(flags.model.name, ": ", model.status().message())));
  }
  const absl::Status found = MakeRowsFindable(
      (*model)->model->description(), FolderOfTemporaryFiles(), &*stored);
  if (!found.ok()) return Report(found);
  // A file of images or of an array has no labels that --labelled could pass
  // over.
  const bool labelled =
      flags.score ||
      (flags.labelled && !job::TraitsOf(stored->job.data().train()).binary());
  const job::PredictionInput input = {.path = flags.data,
                                      .labelled = labelled,
                                      .id = flags.id,
                                      .skip_bad = flags.skip_bad};
  const auto examples = LoadToPredict(*stored, input, Anywhere());
  if (!examples.ok()) return Report(examples.status());
  for (const std::string& remark : examples->remarks()) {
    std::cerr << "warning: " << flags.data << ": " << remark << "\n";
  }
  if (const std::string text = worker::LeftOutText(*examples); !text.empty()) {
    std::cerr << "warning: " << flags.data << ": " << text << "\n";
  }
  UnknownKeys unknown;
  PredictionExtras extras = {.id_column = flags.id, .unknown = &unknown};
  if (!flags.id.empty()) {
    auto ids = ReadIds(*stored, input, Anywhere());
    if (!ids.ok()) return Report(ids.status());
    extras.ids = *std::move(ids);
  }
  auto scores =
      ScoresToPredict(flags.model.name, (*model)->model->description(),
                      worker::LabelScaleOf(stored->job, stored->index).units);
  if (flags.score && !scores.ok()) return Report(scores.status());
  if (flags.score) extras.scores = &*scores;
  const auto predict = [&](std::ostream& out) {
    return WritePredictions(
        *stored, *examples, (*model)->model.get(),
        [&](absl::string_view text) { out << text; }, extras);
  };
  const auto warn_of_unknown = [&] {
    const std::string text =
        UnknownKeysText(unknown, examples->examples(),
                        job::TraitsOf(stored->job.data().train()).ratings());
    if (!text.empty()) {
      std::cerr << "warning: " << flags.data << ": " << text << "\n";
    }
  };
  if (flags.score && flags.output.empty()) {
    std::ofstream nowhere;  // The figures alone are wanted.
    const absl::Status predicted = predict(nowhere);
    if (!predicted.ok()) return Report(predicted);
    warn_of_unknown();
    std::cout << ScoresText(scores->Get(), examples->examples());
    return damaged ? kExitFailed : kExitGood;
  }
  const absl::Status written =
      flags.output.empty() ? predict(std::cout) : WriteOutput(flags, predict);
  if (!written.ok()) return Report(written);
  warn_of_unknown();
  if (flags.output.empty()) {
    std::cout.flush();
    if (!std::cout) {
      return Report(absl::UnavailableError("cannot write the standard output"));
    }
  } else {
    std::cout << Count(examples->examples(), "prediction") << " in "
              << flags.output << "\n";
    if (flags.score) {
      std::cout << ScoresText(scores->Get(), examples->examples());
    }
  }
  return damaged ? kExitFailed : kExitGood;
}

// The file that workers read the model from: the one that is named, or one that
// is made of what is stored of a job. The latter is at first in a folder which
// this command alone knows; workers on this machine read it there. For a
// cluster that runs, the command that has claimed the folder of the parts gives
// the file the place that the job names. The destructor removes what was made.
class ModelFile {
 public:
  ModelFile(ModelFile&& other) noexcept
      : path_(std::move(other.path_)),
        damaged_(other.damaged_),
        folder_(std::move(other.folder_)),
        place_(std::exchange(other.place_, "")) {}
  ~ModelFile() {
    std::error_code error;
    if (!place_.empty()) std::filesystem::remove(place_, error);
  }

  static ModelFile Named(const std::string& path) {
    return ModelFile(path, false, std::nullopt);
  }
  // Writes the model into a new folder whose name begins with `beside`.
  static absl::StatusOr<ModelFile> Make(const ModelExport& model,
                                        const std::string& beside,
                                        bool damaged) {
    EBB_ASSIGN_OR_RETURN(TemporaryFolder folder, TemporaryFolder::Make(beside));
    const std::string path = folder / "model.safetensors";
    EBB_RETURN_IF_ERROR(WriteSafetensors(path, model.tensors, model.metadata));
    return ModelFile(path, damaged, std::move(folder));
  }

  const std::string& path() const { return path_; }
  bool made() const { return folder_.has_value(); }
  bool damaged() const { return damaged_; }  // Newer versions may be lost.

  // Moves a file that was made to `place`, beside its folder. The caller has
  // the claim of the folder of the parts: no other command uses the place.
  absl::Status Publish(const std::string& place) {
    std::error_code error;
    std::filesystem::rename(path_, place, error);
    if (error) {
      return absl::ErrnoToStatus(
          error.value(),
          absl::StrCat("cannot write ", place, ", the model for the workers"));
    }
    folder_.reset();
    path_ = place;
    place_ = place;
    return absl::OkStatus();
  }
  // A job may still need the file. Returns its path; empty: none was made.
  std::string Keep() { return std::exchange(place_, ""); }

 private:
  ModelFile(std::string path, bool damaged,
            std::optional<TemporaryFolder> folder)
      : path_(std::move(path)), damaged_(damaged), folder_(std::move(folder)) {}

  std::string path_;
  bool damaged_ = false;
  std::optional<TemporaryFolder> folder_;  // Absent: nothing was made.
  std::string place_;  // Is to be removed; empty: nothing is there.
};

absl::StatusOr<ModelFile> ModelFileOf(const PredictFlags& flags,
                                      const std::string& to) {
  bool damaged = false;
  if (absl::EndsWith(flags.model.name, ".safetensors")) {
    // Load tells of a --job that the file does not have.
    if (!flags.model.job.empty()) return Load(flags, &damaged).status();
    return ModelFile::Named(flags.model.name);
  }
  const bool bucket = PredictionFolder::IsBucket(to);
  if (bucket && flags.cluster) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--to ", flags.to,
        ": the workers of --scheduler read the model from a "
        "file, and there is no folder for it\nhint: ebb checkpoint export ",
        flags.model.name, " -o FILE.safetensors, and give FILE.safetensors"));
  }
  EBB_ASSIGN_OR_RETURN(const StoredModel stored, Load(flags, &damaged));
  EBB_ASSIGN_OR_RETURN(const models::ModelDescription description,
                       DescriptionOf(stored, flags.plugin_folders));
  return ModelFile::Make(
      ExportModel(stored, description),
      bucket ? absl::StrCat(FolderOfTemporaryFiles(), "/ebb-predict")
             : absl::StrCat(to, ".model"),
      damaged);
}

// How many workers a cluster is taken to have for the size of the parts.
constexpr int kUnknownWorkers = 8;

// What came of the job.
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
    const std::string failure = LastFailedBatch(ReadFile(path).value_or(""));
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

// What _SUCCESS says.
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
  return CheckOutput(flags);
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

// What the predictions of `job` follow from.
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
    EBB_RETURN_IF_ERROR(WriteOutput(
        flags, [&](std::ostream& out) { return folder.Join(plan, &out); }));
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
  if (flags.run.quiet) return kExitGood;
  std::cout << Count(plan.examples, "prediction") << " in "
            << (flags.to.empty() ? flags.output : flags.to);
  if (result.seconds > 0) {
    const auto speed = static_cast<double>(plan.examples) / result.seconds;
    std::cout << ", " << WithCommas(static_cast<int64_t>(speed))
              << " examples/s";
  }
  std::cout << "\n";
  if (scores != nullptr) std::cout << ScoresText(*figures, plan.examples);
  return kExitGood;
}

// Where the parts go, as every worker finds it.
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

// Whether no worker will ask for an item of the job any more.
bool HasEnded(const v1::JobStatus& job) {
  const v1::JobState state = job.summary().state();
  return state == v1::JOB_STATE_COMPLETE || state == v1::JOB_STATE_CANCELLED;
}

int PredictOnWorkers(PredictFlags& flags) {
  const absl::Status good = CheckFlags(flags);
  if (!good.ok()) return Report(good);
  const std::string to = FolderOf(flags);
  auto model = ModelFileOf(flags, to);
  if (!model.ok()) return Report(model.status());
  auto prepared = PreparePrediction(WishOf(flags, *model, to));
  if (!prepared.ok()) return Report(prepared.status());
  const JobPlan plan = prepared->job.record.plan;
  const v1::Job job = prepared->job.job;
  const int64_t left_out = prepared->left_out;
  std::optional<PartScores> scores = std::move(prepared->scores);
  for (const std::string& remark : prepared->remarks) {
    std::cerr << "warning: " << flags.data << ": " << remark << "\n";
  }
  auto folder = PredictionFolder::Claim(to, TermsOf(job, prepared->identity));
  if (!folder.ok()) return Report(folder.status());
  ModelFile file = *std::move(model);  // Goes while the claim holds.
  if (flags.cluster && file.made()) {
    const absl::Status there = file.Publish(job.predict().model());
    if (!there.ok()) return Report(there);
  }
  const auto result = flags.cluster
                          ? PredictThere(flags, *prepared, &*folder)
                          : PredictLocally(flags, *std::move(prepared));
  if (flags.cluster && !(result.ok() && HasEnded(result->status))) {
    const std::string kept = file.Keep();
    const bool interrupted = result.ok() && result->interrupted;
    if (!kept.empty() && !interrupted) {
      std::cerr << kept << " stays, for the job may need it; the same command "
                << "removes it once the job has ended\n";
    }
  }
  if (!result.ok()) return Report(result.status());
  if (result->interrupted) {
    std::cerr << (flags.cluster
                      ? "the job goes on; the same command watches it again\n"
                      : "the same command begins again\n");
    return kExitInterrupted;
  }
  const int exit_code = Conclude(flags, plan, job, left_out, *result, *folder,
                                 scores ? &*scores : nullptr);
  return file.damaged() ? kExitFailed : exit_code;
}

}  // namespace

void AddPredictCommand(CLI::App* app, int* exit_code) {
  CLI::App* command =
      app->add_subcommand("predict", "Applies a trained model to new data");
  const auto flags = std::make_shared<PredictFlags>();
  AddAccessFlags(command, &flags->model.access);
  command
      ->add_option(
          "MODEL", flags->model.name,
          "An exported .safetensors (also s3://BUCKET/KEY.safetensors), "
          "the folder of an ebb run, or a running job")
      ->required();
  command
      ->add_option("DATA", flags->data,
                   "File, folder or pattern of examples in the format of the "
                   "training data, without labels")
      ->required();
  AddStoredJobFlag(command, &flags->model.job);
  command->add_option(
      "-o,--output", flags->output,
      "CSV file or s3://BUCKET/KEY to write (the standard output)");
  command->add_flag("--labelled", flags->labelled,
                    "Skip the labels that the file has");
  command->add_option("--id", flags->id,
                      "Column of DATA, by name or number from 1, to copy as "
                      "the first column of the predictions");
  command->add_flag(
      "--score", flags->score,
      "Compare the predictions with the labels that the file has. Without -o "
      "no predictions are written. For IDX, DATA is the prefix of both files");
  command
      ->add_option_function<std::string>(
          "--bad-examples",
          [flags](const std::string& what) {
            flags->skip_bad = what == "skip";
          },
          "What to do about an example that cannot be read: stop, or skip it, "
          "so that it has no prediction (stop)")
      ->check(CLI::IsMember({"stop", "skip"}));
  AddPluginsFlag(command, &flags->plugin_folders);
  command->add_option("--to", flags->to,
                      "Folder or s3://BUCKET/PREFIX for the predictions of "
                      "many workers: a CSV file for each part of the data");
  command
      ->add_option("--workers", flags->run.workers,
                   "Workers of a cluster of its own")
      ->check(CLI::Range(1, kMostWorkers));
  command
      ->add_option("--servers", flags->run.servers,
                   "Parameter servers of a cluster of its own (1)")
      ->check(CLI::Range(1, kMostServers));
  command
      ->add_option("--part-examples", flags->part_examples,
                   "Examples of a part, a multiple of 1024 (by the data)")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 24));
  command->add_option("--run-dir", flags->run.folder,
                      "Folder of the cluster's run (runs/predict-N)");
  command->add_flag("--quiet", flags->run.quiet,
                    "Print errors only, with --to or --workers");
  AddDurationFlag(command, "--kill-every", &flags->kill_every,
                  "Kill a daemon every S seconds, and start it again");
  command->add_option("--kill-seed", flags->kill_seed,
                      "Seed of the kills (the job's seed)");
  AddDataFlags(command, &flags->remote);
  command->footer(R"(
Writes a line per example: the prediction, and the probability of each class.
If the model is word_vectors, DATA has questions: a line with one word asks for
its nearest words, and "man king woman" for what is to woman as king is to man.
With --score the right word follows.
With --workers or --to a job predicts, on a cluster of its own or the one of
--scheduler. Its workers must reach the model, the data and the folder by the
same paths. _SUCCESS is in the folder once every prediction is there.
docs/prediction.md has more.
Examples:
  ebb predict model.safetensors new-images.gz -o predictions.csv
  ebb predict model.safetensors new.csv --id customer -o predictions.csv
  ebb predict model.safetensors test.csv --score
  ebb predict model.safetensors new.csv --workers 4 --to predictions)");
  command->callback([command, flags, exit_code] {
    const absl::Status open = flags->model.access.Open();
    // A cluster of its own needs the flag; a variable may stand for others.
    flags->cluster = command->get_option("--scheduler")->count() > 0 &&
                     !flags->run.workers.has_value();
    if (!flags->run.servers && !flags->cluster) flags->run.servers = 1;
    *exit_code = !open.ok()            ? Report(open)
                 : flags->on_workers() ? PredictOnWorkers(*flags)
                                       : Predict(*flags);
  });
}

}  // namespace ebb::tools
