#include "worker/base/keyed_batch.h"

#include <utility>

#include "worker/base/examples.h"

namespace ebb::worker {

KeyedBatch::KeyedBatch(const JobPlan& plan, TrainingBatch read)
    : batch(std::move(read)), order(plan, batch.examples.keys, &places) {}

namespace {

std::shared_ptr<client::BatchRows> Make(const JobPlan& plan,
                                        TrainingBatch read) {
  auto rows = std::make_shared<client::BatchRows>();
  auto keyed = std::make_shared<const KeyedBatch>(plan, std::move(read));
  rows->item = keyed->batch.item;
  rows->begin = keyed->batch.begin;
  rows->end = keyed->batch.end;
  rows->partitions = keyed->order.Pulls(plan);
  rows->batch = std::move(keyed);
  return rows;
}

}  // namespace

client::BatchRowsPtr KeyedBatch::RowsOf(const JobPlan& plan,
                                        TrainingBatch read) {
  return Make(plan, std::move(read));
}

client::BatchRowsPtr KeyedBatch::TestRowsOf(const JobPlan& plan,
                                            TrainingBatch read, bool last) {
  auto rows = Make(plan, std::move(read));
  rows->test = true;
  rows->last = last;
  return rows;
}

models::BatchView KeyedBatch::View() const {
  models::BatchView view = ViewOf(batch.examples, batch.item, batch.begin);
  view.sparse = {batch.examples.offsets, places, batch.examples.values};
  view.fields = batch.examples.fields;
  view.distinct_keys = order.size();
  return view;
}

}  // namespace ebb::worker
