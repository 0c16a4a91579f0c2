#include "worker/base/examples.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "common/status_macros.h"

namespace ebb::worker {

models::BatchView ViewOf(const data::ExampleBatch& examples) {
  models::BatchView view;
  view.rows = examples.rows;
  view.features = examples.features;
  if (examples.sparse) {
    view.sparse = {examples.offsets, examples.ids, examples.values};
  } else if (!examples.keyed) {  // Their rows come from servers.
    view.dense = examples.values;
  }
  view.beside = examples.beside;
  view.labels = examples.labels;
  view.numbers = examples.numbers;
  return view;
}

models::BatchView ViewOf(const data::ExampleBatch& examples, ItemId item,
                         int64_t begin) {
  models::BatchView view = ViewOf(examples);
  view.epoch = item.epoch;
  view.shard = item.shard;
  view.first_position = begin;
  return view;
}

absl::Status EvaluateOn(const models::BatchView& batch,
                        std::span<const float> params, models::Model* model,
                        models::BatchStats* stats, Scores* scores) {
  if (scores == nullptr) return model->Evaluate(params, batch, stats);
  std::vector<float> predictions;
  EBB_RETURN_IF_ERROR(
      model->EvaluateAndPredict(params, batch, stats, &predictions));
  scores->Add(batch.labels, predictions);
  return absl::OkStatus();
}

absl::StatusOr<models::BatchStats> EvaluateOn(
    const data::Dataset& test, std::span<const float> params, int64_t at_once,
    models::Model* model, data::ExampleBatch* scratch, Scores* scores) {
  std::vector<int64_t> numbers;
  models::BatchStats sums;
  for (int64_t begin = 0; begin < test.examples();) {
    const int64_t end = std::min(begin + at_once, test.examples());
    numbers.resize(end - begin);
    std::iota(numbers.begin(), numbers.end(), begin);
    EBB_RETURN_IF_ERROR(test.Gather(numbers, scratch));
    models::BatchStats stats;
    EBB_RETURN_IF_ERROR(
        EvaluateOn(ViewOf(*scratch), params, model, &stats, scores));
    sums += stats;
    begin = end;
  }
  return sums;
}

}  // namespace ebb::worker
