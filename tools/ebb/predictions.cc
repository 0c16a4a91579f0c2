#include "tools/ebb/predictions.h"

#include <algorithm>
#include <numeric>
#include <span>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "worker/examples.h"
#include "worker/job_data.h"

namespace ebb::tools {

namespace {

constexpr int64_t kBatch = 1024;

std::string Header(const std::vector<float>& classes) {
  std::string line = "prediction";
  for (const float label : classes) absl::StrAppend(&line, ",p(", label, ")");
  return line + "\n";
}

std::string Row(std::span<const float> outputs,
                const std::vector<float>& classes) {
  if (classes.empty()) return absl::StrCat(outputs.front(), "\n");
  // One output of two classes is the probability of the second.
  std::vector<float> shares(outputs.begin(), outputs.end());
  if (shares.size() == 1) shares.insert(shares.begin(), 1 - shares.front());
  const auto best = std::ranges::max_element(shares) - shares.begin();
  std::string line = absl::StrCat(classes[best]);
  for (const float share : shares) absl::StrAppend(&line, ",", share);
  return line + "\n";
}

}  // namespace

absl::StatusOr<data::Dataset> LoadToPredict(const StoredModel& stored,
                                            const std::string& path,
                                            bool labelled) {
  data::SourceSpec spec =
      worker::TrainingSource(stored.job, worker::LabelKindOf(stored.index));
  spec.path = path;
  spec.split.reset();
  spec.csv.like = stored.columns;
  // There is a prediction for each line.
  spec.on_bad_example = data::OnBadExample::kStop;
  // IDX files have their labels elsewhere.
  spec.has_labels = labelled && spec.kind != data::SourceKind::kIdx;
  // A file of images instead of the front of a pair's names.
  if (spec.kind == data::SourceKind::kIdx) spec.idx = {.images = path};
  if (spec.kind == data::SourceKind::kIdx) spec.path.clear();
  return data::Dataset::LoadLike(spec, stored.index);
}

absl::Status WritePredictions(
    const StoredModel& stored, const data::Dataset& examples,
    models::Model* model, const std::function<void(absl::string_view)>& write) {
  const std::vector<float>& classes = stored.index.classes;
  const auto outputs_each = model->description().outputs;
  const auto wanted = static_cast<int64_t>(classes.size());
  if (!classes.empty() && outputs_each != wanted &&
      !(outputs_each == 1 && wanted == 2)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the model has ", outputs_each, " outputs for ", wanted, " classes"));
  }
  write(Header(classes));
  data::ExampleBatch batch;
  std::vector<float> outputs;
  for (int64_t begin = 0; begin < examples.examples(); begin += kBatch) {
    std::vector<int64_t> rows(std::min(kBatch, examples.examples() - begin));
    std::iota(rows.begin(), rows.end(), begin);
    EBB_RETURN_IF_ERROR(examples.Gather(rows, &batch));
    EBB_RETURN_IF_ERROR(
        model->Predict(stored.parameters, worker::ViewOf(batch), &outputs));
    for (int64_t row = 0; row < batch.rows; ++row) {
      write(Row(std::span(outputs).subspan(row * outputs_each, outputs_each),
                classes));
    }
  }
  return absl::OkStatus();
}

}  // namespace ebb::tools
