#include "tools/ebb/model/stored_run.h"

#include "absl/time/clock.h"
#include "common/status_macros.h"
#include "data/byte_source.h"
#include "data/dataset.h"
#include "data/index.h"
#include "rpc/convert.h"
#include "worker/base/examples.h"
#include "worker/job_data.h"
#include "worker/job_scores.h"

namespace ebb::tools {

absl::StatusOr<std::optional<v1::JobStatus::Evaluation>> EvaluateStored(
    const StoredRun& run, int64_t tasks, models::Model* model) {
  const StoredModel& stored = run.model;
  if (run.specification.test_index().empty()) return std::nullopt;
  EBB_ASSIGN_OR_RETURN(const data::Index index,
                       data::Index::Decode(run.specification.test_index()));
  const auto source = worker::TestSource(
      stored.job, worker::LabelKindOf(stored.index), stored.columns);
  EBB_ASSIGN_OR_RETURN(
      const data::Dataset test,
      data::Dataset::LoadIndexed(*source, index, data::OpenFile));
  constexpr int64_t kAtOnce = 1024;
  data::ExampleBatch scratch;
  auto scores =
      worker::ScoresOf(stored.job, stored.index, model->description());
  EBB_ASSIGN_OR_RETURN(
      const models::BatchStats sums,
      worker::EvaluateOn(test, stored.parameters, kAtOnce, model, &scratch,
                         scores ? &*scores : nullptr));
  v1::JobStatus::Evaluation evaluation;
  evaluation.set_epoch(1);
  evaluation.set_examples(sums.examples);
  const auto examples = static_cast<double>(sums.examples);
  evaluation.set_loss(sums.loss_sum / examples);
  const bool labels = model->description().labels != models::LabelKind::kNone &&
                      !stored.index.classes.empty();
  evaluation.set_accuracy(labels ? static_cast<double>(sums.correct) / examples
                                 : -1);
  evaluation.set_position(tasks);
  evaluation.set_finished_unix_ms(absl::ToUnixMillis(absl::Now()));
  if (scores) *evaluation.mutable_figures() = rpc::ToProto(scores->Get());
  return evaluation;
}

}  // namespace ebb::tools
