#include "protocol/plan_change.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "protocol/plan_codec.h"

namespace ebb {

namespace {

absl::Status Differs(absl::string_view what, int64_t before, int64_t after) {
  return absl::InvalidArgumentError(
      absl::StrCat(what, " was ", before, ", would be ", after,
                   ", and cannot change while the job goes on"));
}

std::string Encoded(const JobPlan& plan) {
  JobRecord record;
  record.plan = plan;
  return EncodeJobRecord(record);
}

// Takes from `from` all that may change while the job goes on.
void TakeFree(const JobPlan& from, JobPlan* plan) {
  plan->epochs = from.epochs;
  plan->batch_by_epoch = from.batch_by_epoch;  // Compared by itself.
  plan->layout_hash = from.layout_hash;        // Covers the epochs, too.
  plan->min_workers = from.min_workers;
  plan->max_workers = from.max_workers;
  plan->evaluate_every = from.evaluate_every;
  plan->quarantine_after = from.quarantine_after;
  plan->on_poison = from.on_poison;
  plan->on_nonfinite = from.on_nonfinite;
  plan->nonfinite_rollback = from.nonfinite_rollback;
  plan->checkpoint_interval_ms = from.checkpoint_interval_ms;
  plan->checkpoint_keep = from.checkpoint_keep;
  plan->priority = from.priority;
}

}  // namespace

absl::Status MayFollow(const JobPlan& before, const JobPlan& after) {
  if (after.epochs < before.epochs) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the job has ", before.epochs, " epochs, and cannot have only ",
        after.epochs, " while it goes on: what is applied stays"));
  }
  if (before.grows && after.epochs != before.epochs) {
    return absl::InvalidArgumentError(
        "the job trains on data that grows, and ends by ebb finish alone");
  }
  if (after.examples != before.examples) {
    return Differs("the number of training examples", before.examples,
                   after.examples);
  }
  if (after.shard_size != before.shard_size) {
    return Differs("the number of examples of an item (train.item_examples)",
                   before.shard_size, after.shard_size);
  }
  const auto differing = static_cast<int32_t>(
      std::max(before.batch_by_epoch.size(), after.batch_by_epoch.size()));
  for (int32_t epoch = 0; epoch < std::min(before.epochs, differing); ++epoch) {
    const int64_t had = before.BatchSize({epoch, 0});
    const int64_t has = after.BatchSize({epoch, 0});
    if (had != has) {
      return Differs(absl::StrCat("the batch of epoch ", epoch + 1), had, has);
    }
  }
  if (before.algorithm.operated) {
    return absl::InvalidArgumentError(
        "the job's algorithm closes rounds by operations, so the job ends with "
        "its last round, and cannot change while it goes on: begin a new job "
        "for what is to differ");
  }
  JobPlan expected = before;
  TakeFree(after, &expected);
  if (Encoded(expected) != Encoded(after)) {
    return absl::InvalidArgumentError(
        "the seed, the model's size, its partitions or tables, the "
        "consistency, the filters or the algorithm would be another, and "
        "cannot change while the job goes on");
  }
  return absl::OkStatus();
}

absl::Status MayEndAs(const JobPlan& before, const JobPlan& after) {
  JobPlan expected = before;
  expected.epochs = after.epochs;
  expected.last_epoch_examples = after.last_epoch_examples;
  expected.layout_hash = after.layout_hash;  // Covers the epochs, too.
  if (after.epochs < 1 || after.epochs >= before.epochs ||
      (before.grows && !before.endless()) ||
      Encoded(expected) != Encoded(after)) {
    return absl::InvalidArgumentError("it is not the job with fewer epochs");
  }
  return absl::OkStatus();
}

}  // namespace ebb
