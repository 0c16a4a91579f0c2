#include "scheduler/job/round_operations.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ebb::scheduler {

RoundOperations::RoundOperations(const SchedulerOptions& options,
                                 const JobRecord& record, const JobPlan& plan)
    : plan_(plan), may_end_(options.shortened != nullptr) {
  if (!plan_.algorithm.operated) return;
  figures_.resize(plan_.partitions);
  if (options.coordinator == nullptr) {
    problem_ = "this scheduler has no coordinators";
    return;
  }
  auto coordinator = options.coordinator(record);
  if (coordinator.ok()) {
    coordinator_ = *std::move(coordinator);
  } else {
    problem_ = std::string(coordinator.status().message());
  }
}

void RoundOperations::Registered(const PartitionRegistration& registration) {
  if (figures_.empty()) return;
  Learn(registration.operations);
}

void RoundOperations::Reported(const PartitionMarkReport& report) {
  if (figures_.empty()) return;
  Learn(report.operations);
  if (!report.figures) return;
  figures_[report.partition.value()] = {report.term, *report.figures};
}

void RoundOperations::Learn(std::span<const RoundOperation> operations) {
  for (const RoundOperation& one : operations) {
    std::string& known = operations_[one.round];
    if (known == one.operation) continue;  // Another partition told it.
    known = one.operation;
    Note(one.round, known);
  }
}

void RoundOperations::Note(int64_t round, const std::string& operation) {
  if (coordinator_ == nullptr) return;
  const std::optional<double> loss_sum = coordinator_->LossSum(operation);
  if (loss_sum) loss_sums_[round] = *loss_sum;
  const std::optional<Validation> validation =
      coordinator_->ValidationOf(operation);
  if (validation) validations_[round] = *validation;
  // The newest may not be closed everywhere.
  if (validations_.size() > 2) validations_.erase(validations_.begin());
  NoteEnd(round, operation);
}

// The rest of an epoch is done in any case: a job has whole ones.
void RoundOperations::NoteEnd(int64_t round, const std::string& operation) {
  if (!may_end_) return;
  const absl::StatusOr<bool> ends = coordinator_->Ends(operation);
  if (!ends.ok() || !*ends) return;
  const int64_t per_epoch = plan_.RoundsPerEpoch();
  const int64_t rounds = (round / per_epoch + 1) * per_epoch;
  if (rounds >= plan_.RoundCount()) return;
  ends_after_ = std::min(rounds, ends_after_.value_or(rounds));
}

void RoundOperations::BeginGeneration() {
  operations_.clear();
  ends_after_.reset();
  figures_.assign(figures_.size(), std::nullopt);
}

const RoundOperations::Figures* RoundOperations::Waiting(
    PartitionId p, const MarkTable& marks,
    const PlacementTable& placement) const {
  const std::optional<Figures>& known = figures_[p.value()];
  if (!known || known->term != placement.at(p).drawn ||
      known->figures.round != marks.marks(p).first_open_round()) {
    return nullptr;
  }
  return &*known;
}

RoundOperations::News RoundOperations::Advance(
    const MarkTable& marks, const PlacementTable& placement) {
  News news;
  // The next one is made of the last.
  operations_.erase(operations_.begin(),
                    operations_.lower_bound(marks.RoundsDurable() - 1));
  for (int32_t i = 0; i < plan_.partitions; ++i) {
    const PartitionId p(i);
    const Figures* const waiting = Waiting(p, marks, placement);
    if (waiting == nullptr || waiting->answered) continue;
    const int64_t round = waiting->figures.round;
    if (!operations_.contains(round)) {
      std::string text = Make(round, marks, placement);
      if (!text.empty() && text != said_) news.text = said_ = std::move(text);
      // A partition may wait for an older one, which is known.
      if (!operations_.contains(round)) continue;
    }
    figures_[p.value()]->answered = true;
    const Order order{placement.at(p).owner, {round, operations_[round]}};
    const bool sent = std::ranges::any_of(news.orders, [&](const Order& other) {
      return other.server == order.server && other.operation.round == round;
    });
    if (!sent) news.orders.push_back(order);
  }
  return news;
}

std::string RoundOperations::Make(int64_t round, const MarkTable& marks,
                                  const PlacementTable& placement) {
  std::vector<std::vector<double>> figures;
  for (int32_t i = 0; i < plan_.partitions; ++i) {
    const Figures* const waiting = Waiting(PartitionId(i), marks, placement);
    if (waiting == nullptr || waiting->figures.round != round) return "";
    figures.push_back(waiting->figures.values);
  }
  const auto failed = [this, round](absl::string_view why) {
    trouble_ = std::string(why);
    return absl::StrCat("round=", round, " cannot be closed: ", why);
  };
  if (coordinator_ == nullptr) return failed(problem_);
  const auto before = operations_.find(round - 1);
  if (round > 0 && before == operations_.end()) {
    return failed("no server has the operation of the round before");
  }
  const auto operation = coordinator_->Next(
      {round, round + 1 == plan_.RoundCount(), plan_.RoundExamples(round)},
      round > 0 ? before->second : "", figures);
  if (!operation.ok()) return failed(operation.status().message());
  trouble_.clear();
  operations_[round] = *operation;
  Note(round, *operation);
  return absl::StrCat("round=", round, " ", coordinator_->Describe(*operation));
}

RoundOperations::Phase RoundOperations::PhaseOf(
    int64_t round, const MarkTable& marks,
    const PlacementTable& placement) const {
  Phase phase;
  phase.made = operations_.contains(round);
  for (int32_t i = 0; i < plan_.partitions; ++i) {
    const PartitionId p(i);
    if (marks.marks(p).first_open_round() > round) continue;
    (Waiting(p, marks, placement) != nullptr ? phase.wait : phase.count)
        .push_back(p);
  }
  if (!phase.made && phase.count.empty()) phase.problem = trouble_;
  return phase;
}

}  // namespace ebb::scheduler
