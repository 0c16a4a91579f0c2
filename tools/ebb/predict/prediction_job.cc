#include "tools/ebb/predict/prediction_job.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "common/tls/sha256.h"
#include "data/dataset.h"
#include "data/scheme.h"
#include "job/base/traits.h"
#include "job/prediction.h"
#include "job/specification.h"
#include "job/validate.h"
#include "tools/ebb/checkpoint/model_doubts.h"
#include "tools/ebb/job/open_anywhere.h"
#include "worker/predict/exported_model.h"
#include "worker/predict/prediction_parts.h"
#include "worker/predict/predictions.h"
#include "worker/python/python_program.h"
#include "workloads/seam/tools/tools.h"

namespace ebb::tools {

namespace {

// Parts for each worker, at least, if there are examples for it: the last ones
// must not keep all but one waiting.
constexpr int64_t kPartsPerWorker = 16;
constexpr int64_t kMostPartExamples = int64_t{1} << 17;

// The path as every worker finds it.
std::string FromRoot(const std::string& path) {
  if (data::HasScheme(path)) return path;
  return std::filesystem::absolute(path).lexically_normal().string();
}

int64_t PartExamples(const PredictionWish& wish, int64_t examples) {
  if (wish.part_examples > 0) return wish.part_examples;
  const int64_t share =
      examples / (kPartsPerWorker * std::max<int64_t>(1, wish.workers));
  constexpr int64_t kBatch = worker::kPredictionBatch;
  return std::clamp(share / kBatch * kBatch, kBatch, kMostPartExamples);
}

// Checks what can be found out before there are workers. Returns what the model
// computes.
absl::StatusOr<models::ModelDescription> CheckModel(
    const PredictionWish& wish, const worker::ExportedModel& model) {
  const std::string who = workloads::ToolsOf(model.job.model()).Facts().answers;
  if (!who.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        wish.model, ": ", who,
        " answer questions, and a question is unlike an example: it has "
        "ten answers, or none, so the parts of many workers could not be "
        "counted. Leave --to and --workers out: one process answers"));
  }
  if (worker::HasPythonData(model.job)) {
    return absl::FailedPreconditionError(absl::StrCat(
        wish.model, ": ", model.job.model().module(),
        " reads its own data set, and ebb reads none like it; load the "
        "exported parameters into its model in PyTorch"));
  }
  const auto loaded = worker::CreateExported(
      model, {wish.plugin_folders, worker::ChosenPython()});
  if (loaded.ok()) return (*loaded)->model->description();
  return absl::Status(
      loaded.status().code(),
      absl::StrCat(wish.model, ": ", loaded.status().message()));
}

// Two models never have the same copy, whatever was left there.
std::string CopyOf(const std::string& beside, const std::string& sha256) {
  constexpr size_t kDigits = 16;
  return absl::StrCat(beside, ".model-", sha256.substr(0, kDigits),
                      ".safetensors");
}

v1::Job JobOf(const PredictionWish& wish, const worker::ExportedModel& model,
              const job::PredictionInput& input, int64_t part, int64_t parts) {
  v1::Job job;
  job.set_name("predict");
  *job.mutable_data()->mutable_train() = model.job.data().train();
  job::SetPrediction(input, &job);
  const std::string sha256 = absl::BytesToHexString(Sha256(model.file.bytes()));
  job.mutable_model()->set_sha256(sha256);
  job.mutable_predict()->set_model(
      FromRoot(wish.model_beside.empty() ? wish.model
                                         : CopyOf(wish.model_beside, sha256)));
  job.mutable_predict()->set_to(wish.to);
  v1::Train& train = *job.mutable_train();
  train.set_epochs(1);
  train.set_batch(part);  // An item is one batch, and one push.
  train.set_item_examples(part);
  // Nothing is learnt, so any rule does. This one keeps nothing.
  job.mutable_optimizer()->set_kind(v1::Optimizer::KIND_SGD);
  job.mutable_optimizer()->set_rate(1);
  job.mutable_optimizer()->mutable_schedule()->set_kind(
      v1::Schedule::KIND_CONSTANT);
  job.mutable_algorithm()->set_kind(v1::Algorithm::KIND_SGD);
  job.mutable_consistency()->set_kind(v1::Consistency::KIND_ASP);
  // The other parts are wanted all the same.
  job.set_on_poison(v1::POLICY_SKIP);
  constexpr int64_t kMostWorkers = 1000;
  job.mutable_workers()->set_max(std::min(parts, kMostWorkers));
  return job;
}

}  // namespace

absl::StatusOr<PreparedPrediction> PreparePrediction(
    const PredictionWish& wish) {
  EBB_ASSIGN_OR_RETURN(const worker::ExportedModel model,
                       worker::LoadExport(wish.model));
  EBB_ASSIGN_OR_RETURN(const models::ModelDescription description,
                       CheckModel(wish, model));
  // A file of images or of an array has no labels that could be passed over.
  const bool labelled =
      wish.score ||
      (wish.labelled && !job::TraitsOf(model.job.data().train()).binary());
  const job::PredictionInput source = {.path = FromRoot(wish.data),
                                       .labelled = labelled,
                                       .id = wish.id,
                                       .skip_bad = wish.skip_bad};
  const data::OpenBytes open = OpenAnywhere(wish.open);
  EBB_ASSIGN_OR_RETURN(const data::Dataset input,
                       worker::LoadToPredict(model, source, open));
  if (!wish.id.empty()) {
    EBB_RETURN_IF_ERROR(worker::ReadIds(model, source, open).status());
  }
  PreparedPrediction prepared;
  prepared.doubts = DoubtsOf(model.incomplete, model.parameters);
  if (wish.score) {
    EBB_ASSIGN_OR_RETURN(
        PartScores scores,
        PartScores::Create(wish.model, model, description, input));
    prepared.scores.emplace(std::move(scores));
  }
  const int64_t part = PartExamples(wish, input.examples());
  const int64_t parts = (input.examples() + part - 1) / part;

  job::JobFacts facts;
  facts.tables.push_back({"nothing", 1, {}, {1}});
  facts.examples = input.examples();
  facts.train_index = input.index().Encode();
  facts.train_index_hash = input.index().Hash();
  facts.order_version = input.order_version();

  prepared.job.job = JobOf(wish, model, source, part, parts);
  job::FillDefaults(&prepared.job.job);
  EBB_ASSIGN_OR_RETURN(prepared.job.record,
                       job::MakeJobRecord(prepared.job.job, facts));
  prepared.job.data = {input.memory_bytes(), input.features(), input.entries()};
  prepared.remarks = input.remarks();
  prepared.left_out = input.left_out().examples;
  if (std::string text = worker::LeftOutText(input); !text.empty()) {
    prepared.remarks.push_back(std::move(text));
  }
  prepared.python = job::TraitsOf(model.job.model()).python();
  prepared.identity = worker::PredictionIdentity(
      prepared.job.job, prepared.job.record.plan.layout_hash);
  return prepared;
}

}  // namespace ebb::tools
