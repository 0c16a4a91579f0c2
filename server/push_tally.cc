#include "server/push_tally.h"

#include <cmath>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ebb::server {

absl::StatusOr<PushedExamples> PushTally::Read(
    const PushRequest& push, const PushSegment& segment) const {
  const size_t oracle_bytes = oracle_.size() * sizeof(uint64_t);
  if (!push.skip &&
      segment.oracle.size() != static_cast<int64_t>(oracle_bytes)) {
    return absl::InvalidArgumentError(
        absl::StrCat("oracle sums of ", segment.oracle.size(),
                     " bytes instead of ", oracle_bytes));
  }
  // The epoch's loss is a sum: no later push would mend it.
  if (!push.skip && !std::isfinite(push.loss_sum)) {
    return absl::InvalidArgumentError(
        absl::StrCat("a push with a loss of ", push.loss_sum));
  }
  PushedExamples examples;
  examples.item = push.item;
  examples.begin = push.begin;
  examples.end = push.end;
  examples.skip = push.skip;
  examples.ledger = push.ledger;
  examples.loss_sum = push.loss_sum;
  if (!push.skip) {
    examples.oracle.resize(oracle_.size());
    segment.oracle.CopyTo(std::as_writable_bytes(std::span(examples.oracle)));
  }
  return examples;
}

void PushTally::Count(const PushedExamples& push, int times) {
  ++updates_;
  for (int i = 0; i < times; ++i) CountExamples(push);
}

void PushTally::CountExamples(const PushedExamples& push) {
  for (size_t i = 0; i < push.oracle.size(); ++i) {
    oracle_[i] += push.oracle[i];
  }
  if (push.skip) {
    ledger_.AddSkipped({push.item, push.begin, push.end}, push.ledger);
    return;
  }
  ledger_.Add(push.item, push.ledger);
  CountLoss(push);
}

void PushTally::CountLoss(const PushedExamples& push) {
  EpochLoss& loss =
      loss_.try_emplace(push.item.epoch, EpochLoss{.loss_sum = kUnknownLoss})
          .first->second;
  const bool known = HasLoss(loss.loss_sum);
  if (!HasLoss(push.loss_sum)) {
    if (known) return;
  } else if (!known) {
    loss.examples = 0;  // All before it had none.
  }
  if (!least_loss_) {
    loss.loss_sum += push.loss_sum;
  } else if (loss.examples == 0 || push.loss_sum < loss.loss_sum) {
    loss.loss_sum = push.loss_sum;
  }
  loss.examples += push.ledger.count;
}

void PushTally::AddTo(Cut* cut) const {
  cut->updates = updates_;
  cut->ledger = ledger_.Encode();
  cut->oracle = oracle_;
  cut->loss = loss_;
}

absl::Status PushTally::Restore(Ledger ledger, const Cut& cut) {
  if (cut.oracle.size() != oracle_.size()) {
    return absl::DataLossError(absl::StrCat("has ", cut.oracle.size(),
                                            " oracle values instead of ",
                                            oracle_.size()));
  }
  ledger_ = std::move(ledger);
  oracle_ = cut.oracle;
  loss_ = cut.loss;
  updates_ = cut.updates;
  return absl::OkStatus();
}

}  // namespace ebb::server
