#include "server/partition.h"

#include <glog/logging.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "common/filters/codec.h"
#include "common/match.h"
#include "common/plant.h"
#include "common/status_macros.h"
#include "protocol/contribution_rows.h"
#include "protocol/ledger.h"

namespace ebb::server {

namespace {

// How often a push counts: once, but for planted bugs.
int Times(const PushedExamples& push) {
  if (push.begin > 0) return 1;
  if (EBB_PLANTED(push_applied_twice)) return 2;
  return EBB_PLANTED(push_lost) ? 0 : 1;
}

// How many batches [begin, end) is, a run of whole ones.
int64_t BatchesIn(const JobPlan& plan, ItemId item, int64_t begin,
                  int64_t end) {
  const int64_t batch = plan.BatchSize(item);
  return (end - begin + batch - 1) / batch;
}

int64_t BatchesOfRound(const JobPlan& plan, int64_t round) {
  const auto [first, last] = plan.RoundItems(round);
  int64_t sum = 0;
  for (int64_t i = first; i < last; ++i) {
    const ItemId item = plan.ItemAt(i);
    sum += BatchesIn(plan, item, 0, plan.ItemSize(item));
  }
  return sum;
}

}  // namespace

Partition::Partition(JobRecordPtr record, PartitionId id,
                     std::shared_ptr<const UpdateRule> rule,
                     std::shared_ptr<BlockPool> pool)
    : record_(std::move(record)),
      plan_(record_->plan),
      id_(id),
      rule_(std::move(rule)),
      shape_(plan_, id, pool),
      pushed_(plan_, id, rule_->trained(), std::move(pool)),
      marks_(plan_),
      tally_(plan_, rule_->KeepsLeastLoss(), rule_->ZeroLossIsNone()),
      dense_(shape_, pushed_, rule_),
      sums_(plan_, pushed_.shape()),
      history_(shape_) {}

Partition::~Partition() = default;

absl::StatusOr<std::unique_ptr<Partition>> Partition::Create(
    JobRecordPtr record, PartitionId id, std::shared_ptr<const UpdateRule> rule,
    std::shared_ptr<BlockPool> pool, std::optional<InitialPartition> initial) {
  std::unique_ptr<Partition> partition(
      new Partition(std::move(record), id, rule, pool));
  Partition& p = *partition;
  std::optional<InitialDense> dense;
  std::vector<std::unique_ptr<RowTable>> rows;
  if (initial) {
    dense = std::move(initial->dense);
    if (!EBB_PLANTED(initial_rows_are_left_out)) {
      rows = std::move(initial->rows);
    }
  }
  EBB_RETURN_IF_ERROR(p.dense_.Initialize(std::move(dense)));
  if (!p.plan_.sparse_tables.empty()) {
    EBB_ASSIGN_OR_RETURN(
        p.rows_, PartitionRows::Create(p.plan_, id, std::move(rule),
                                       std::move(pool), std::move(rows)));
  }
  return partition;
}

absl::StatusOr<std::unique_ptr<Partition>> Partition::FromCut(
    JobRecordPtr record, PartitionId id, std::shared_ptr<const UpdateRule> rule,
    std::shared_ptr<BlockPool> pool, Cut cut, bool stored) {
  std::unique_ptr<Partition> partition(
      new Partition(std::move(record), id, rule, pool));
  Partition& p = *partition;
  EBB_ASSIGN_OR_RETURN(p.marks_, MarkSet::Decode(p.plan_, cut.marks));
  EBB_ASSIGN_OR_RETURN(Ledger ledger, Ledger::Decode(p.plan_, cut.ledger));
  EBB_RETURN_IF_ERROR(
      p.Named("the cut ", p.tally_.Restore(std::move(ledger), cut)));
  p.updates_at_first_ = p.tally_.updates();
  EBB_RETURN_IF_ERROR(p.Named("the cut ", p.sums_.RestoreLosses(cut)));
  p.history_.Restore(p.plan_.rounds() ? p.marks_.first_open_round() : 0,
                     std::move(cut.operations));
  if (!p.plan_.sparse_tables.empty()) {
    EBB_ASSIGN_OR_RETURN(
        p.rows_, PartitionRows::FromCut(p.plan_, id, rule, pool, stored, &cut));
    if (p.rows_->contributes() && EBB_PLANTED(contributions_lie_elsewhere)) {
      EBB_ASSIGN_OR_RETURN(
          p.rows_, PartitionRows::Create(p.plan_, id, rule, std::move(pool)));
    }
  }
  EBB_RETURN_IF_ERROR(p.Named("the cut ", p.RestoreArrays(cut)));
  return partition;
}

absl::Status Partition::RestoreArrays(const Cut& cut) {
  for (const auto& [name, array] : cut.arrays) {
    const DenseShape& shape = IsPushedArray(name) ? pushed_.shape() : shape_;
    if (!shape.IsShapeOf(array)) {
      return absl::DataLossError(absl::StrCat("has ", array.floats,
                                              " values of ", name,
                                              " instead of ", shape.floats()));
    }
    if (!dense_.Restore(name, array) && !sums_.Restore(name, array) &&
        !history_.Restore(name, array)) {
      return absl::DataLossError(absl::StrCat("has an unknown array ", name));
    }
  }
  return dense_.CheckRestored();
}

absl::Status Partition::Named(absl::string_view of,
                              const absl::Status& status) const {
  if (status.ok()) return status;
  return {status.code(),
          absl::StrCat("partition ", id_.value(), ": ", of, status.message())};
}

Judgement Partition::Judge(const PushRequest& push, const PushSegment& segment,
                           int64_t closed_rounds) const {
  if (!plan_.HasItem(push.item) ||
      !plan_.OnGrid(push.item, push.begin, push.end) ||
      push.layout_hash != plan_.layout_hash) {
    return {Verdict::kInvalid, 0};
  }
  if (plan_.rounds() && !EBB_PLANTED(marks_do_not_know_rounds)) {
    const int64_t round = plan_.RoundOf(push.item);
    if (round > history_.open()) return {Verdict::kNotOpen, 0};
    if (round < closed_rounds) return {Verdict::kClosed, 0};
  }
  // Rows of an epoch replace those of the one before, never the other way
  // round.
  if (rows_ != nullptr && rows_->contributes() &&
      push.item.epoch > marks_.first_open_epoch() &&
      !EBB_PLANTED(older_contribution_replaces_newer)) {
    return {Verdict::kNotOpen, 0};
  }
  const int64_t mark = marks_.mark(push.item);
  if (EBB_PLANTED(mark_not_checked)) return {Verdict::kApplied, mark};
  if (push.end <= mark) return {Verdict::kDuplicate, mark};
  if (push.begin > mark && !EBB_PLANTED(gap_accepted)) {
    return {Verdict::kGap, mark};
  }
  if (push.begin < mark) return {Verdict::kOverlap, mark};
  const int64_t bound = plan_.consistency.max_staleness_updates;
  if (bound >= 0 && !push.skip && StalenessOf(segment.pulled_updates) > bound) {
    return {Verdict::kStale, mark};
  }
  return {Verdict::kApplied, mark};
}

int64_t Partition::StalenessOf(int64_t pulled_updates) const {
  const int64_t now = tally_.updates();
  if (pulled_updates <= now) return now - pulled_updates;
  // Any number can be said: the sum must not overflow.
  constexpr int64_t kMost = int64_t{1} << 40;
  return std::min(pulled_updates - updates_at_first_, kMost) +
         (now - updates_at_first_);
}

absl::StatusOr<std::unique_ptr<Partition::Update>> Partition::Prepare(
    const PushRequest& push, const PushSegment& segment) {
  EBB_RETURN_IF_ERROR(CheckShape(segment));
  auto examples = tally_.Read(push, segment);
  if (!examples.ok()) return Named("", examples.status());
  auto update = std::make_unique<Update>();
  update->push = *std::move(examples);
  update->pulled_updates = segment.pulled_updates;
  if (EBB_PLANTED(each_server_skips_by_itself)) {
    update->push.skip |= tally_.updates() - segment.pulled_updates > 8;
  }
  if (rows_ != nullptr) {
    const std::vector<PushRows> none;
    const int64_t now = marks_.examples() + push.end - push.begin;
    EBB_ASSIGN_OR_RETURN(update->rows,
                         rows_->Prepare(push.skip ? none : segment.rows, now));
  }
  if (!push.skip && rows_ != nullptr && rows_->contributes()) {
    EBB_ASSIGN_OR_RETURN(update->gradient, CountContributions(segment.rows));
  } else if (!push.skip) {
    EBB_ASSIGN_OR_RETURN(update->gradient,
                         PushedGradient::Of(segment, pushed_.shape()));
  }
  EBB_RETURN_IF_ERROR(plan_.rounds() ? PrepareRound(update.get())
                                     : PrepareStep(update.get()));
  return update;
}

absl::StatusOr<PushedGradient> Partition::CountContributions(
    const std::vector<PushRows>& rows) const {
  if (rows.empty()) return PushedGradient();
  EBB_ASSIGN_OR_RETURN(Blocks change, shape_.Zeros());
  std::vector<std::span<float>> blocks;
  for (int64_t b = 0; b < shape_.blocks(); ++b) {
    blocks.push_back(shape_.Mutable(&change, b));
  }
  const int64_t of_a_block = plan_.block_floats;
  EBB_RETURN_IF_ERROR(rows_->Contributions(rows, [&](int64_t at, int number) {
    blocks[at / of_a_block][at % of_a_block] += static_cast<float>(number);
  }));
  for (int64_t b = 0; b < shape_.blocks(); ++b) {
    const std::span<const float> counts = shape_.Floats(dense_.weights(), b);
    for (size_t i = 0; i < counts.size(); ++i) {
      if (counts[i] + blocks[b][i] <= static_cast<float>(kMostCount)) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          "partition ", id_.value(), ": a count would be more than ",
          kMostCount, ", up to which whole numbers are exact"));
    }
  }
  return PushedGradient::OfBlocks(change, shape_);
}

absl::Status Partition::CheckDuplicate(const PushSegment& segment) const {
  if (rows_ == nullptr || segment.rows.empty()) return absl::OkStatus();
  return rows_->CheckWrittenAgain(segment.rows);
}

absl::Status Partition::CheckShape(const PushSegment& segment) const {
  if (!segment.gradient.empty()) {
    EBB_RETURN_IF_ERROR(
        Named("the gradient: ", CheckEncoded(segment.encoding, segment.gradient,
                                             pushed_.shape().floats())));
  }
  if (rows_ == nullptr && !segment.rows.empty()) {
    return Named("", absl::InvalidArgumentError(
                         "rows, but the job has no sparse tables"));
  }
  if (rows_ != nullptr && rows_->contributes() && !segment.gradient.empty()) {
    return Named("", absl::InvalidArgumentError(
                         "a gradient, but its counts change by rows alone"));
  }
  return absl::OkStatus();
}

absl::Status Partition::PrepareStep(Update* update) {
  if (update->gradient.empty()) return absl::OkStatus();
  EBB_ASSIGN_OR_RETURN(Blocks new_weights, dense_.PrepareStep());
  update->change = Update::Step{std::move(new_weights)};
  return absl::OkStatus();
}

absl::Status Partition::PrepareRound(Update* update) {
  const PushedExamples& push = update->push;
  EBB_RETURN_IF_ERROR(sums_.Prepare(push.item));
  // Items fold in their order: this one when all before it have, and then
  // those after it that were waiting.
  RoundSums::Folds folds;
  const auto [first, last] = plan_.RoundItems(history_.open());
  for (int64_t ordinal = first; ordinal < last; ++ordinal) {
    const ItemId item = plan_.ItemAt(ordinal);
    const bool fills =
        item == push.item && push.end == plan_.ItemSize(push.item);
    if (!fills && !marks_.Full(item)) {
      update->change = Update::AddToRound{std::move(folds)};
      return absl::OkStatus();
    }
    if (sums_.Holds(item)) folds.push_back(item);
  }
  if (plan_.algorithm.operated) {
    EBB_ASSIGN_OR_RETURN(Blocks sum, pushed_.shape().Allocate());
    update->change =
        Update::MeasureRound{std::move(folds), std::move(sum),
                             std::vector<double>(rule_->FigureCount())};
  } else {
    EBB_ASSIGN_OR_RETURN(Blocks new_weights, dense_.PrepareStep());
    update->change =
        Update::CloseRound{std::move(folds), std::move(new_weights)};
  }
  return absl::OkStatus();
}

absl::Status Partition::PrepareOperation(const std::string& operation,
                                         Update* update) {
  EBB_ASSIGN_OR_RETURN(std::unique_ptr<const RoundStep> step,
                       rule_->ReadOperation(operation));
  EBB_ASSIGN_OR_RETURN(Blocks new_weights, dense_.PrepareStep(*step));
  auto& measured = std::get<Update::MeasureRound>(update->change);
  update->change =
      Update::OperateRound{std::move(measured.folds), std::move(measured.sum),
                           operation, std::move(step), std::move(new_weights)};
  return absl::OkStatus();
}

void Partition::Compute(Update* update) {
  PushedGradient& gradient = update->gradient;
  gradient.Decode(pushed_.shape());
  const PushedExamples& push = update->push;
  const auto compute = Match{
      [](std::monostate) {},
      [&](Update::Step& step) {
        dense_.Step(PlaceOf(*update), gradient.floats(), &step.new_weights);
      },
      [&](Update::AddToRound& round) {
        sums_.Add(push.item, gradient.floats());
        sums_.Fold(round.folds);
      },
      [&](Update::CloseRound& round) {
        sums_.Add(push.item, gradient.floats());
        sums_.Fold(round.folds);
        dense_.Step(PlaceOfRound(), pushed_.shape().PayloadOf(sums_.folded()),
                    &round.new_weights);
      },
      [&](Update::MeasureRound& round) {
        sums_.SumWith(push.item, gradient.floats(), round.folds, &round.sum);
        dense_.Measure(PlaceOfRound(), round.sum, round.figures);
        const auto [first, last] = plan_.RoundItems(history_.open());
        round.figures[0] = sums_.LossWith(
            push.item, push.skip ? 0 : push.loss_sum, first, last);
        rule_->PackFigures(&round.figures);
      },
      [&](Update::OperateRound& round) {
        dense_.Step(*round.step, PlaceOfRound(), round.sum, &round.new_weights);
      },
  };
  std::visit(compute, update->change);
  if (update->rows) rows_->Compute(PlaceOf(*update), &*update->rows);
}

StepPlace Partition::PlaceOf(const Update& update) const {
  const PushedExamples& push = update.push;
  StepPlace place;
  place.item = push.item;
  place.begin = push.begin;
  place.end = push.end;
  const int64_t divisor = plan_.algorithm.runs
                              ? plan_.ExamplesOfAStep(push.item)
                              : plan_.BatchSize(push.item);
  place.gradient_scale =
      static_cast<float>(Times(push)) / static_cast<float>(divisor);
  place.examples = push.end - push.begin;
  place.batches =
      Times(push) * BatchesIn(plan_, push.item, push.begin, push.end);
  place.step = tally_.updates() + 1;
  if (!plan_.rounds()) place.staleness = StalenessOf(update.pulled_updates);
  return place;
}

// Rows have factors of their own: that of the update is the mean over them.
ScaledUpdates Partition::ScalingAt(const StepPlace& place) {
  double factor = rule_->RateFactor(place);
  if (rows_ != nullptr) {
    const RowScaling now = rows_->scaling();
    const int64_t rows = now.rows - counted_rows_.rows;
    if (rows > 0) {
      factor = (now.rate_factors - counted_rows_.rate_factors) /
               static_cast<double>(rows);
    }
    counted_rows_ = now;
  }
  ScaledUpdates scaled;
  scaled.Add(factor, place.staleness);
  return scaled;
}

StepPlace Partition::PlaceOfRound() const {
  const int64_t round = history_.open();
  StepPlace place;
  place.item = plan_.ItemAt(plan_.RoundItems(round).first);
  place.end = plan_.ItemSize(place.item);
  place.examples = plan_.RoundExamples(round);
  place.batches = BatchesOfRound(plan_, round);
  const int64_t divisor =
      plan_.algorithm.runs ? plan_.ExamplesOfAStep(place.item) : place.examples;
  place.gradient_scale = 1.0f / static_cast<float>(divisor);
  place.step = round + 1;
  return place;
}

int64_t Partition::ComputeBytes(const Update& update) const {
  const int64_t add =
      (update.gradient.empty() ? 0 : 1) + update.gradient.DecodePasses();
  const int64_t slots = dense_.slots();
  const auto fold = [](const RoundSums::Folds& folds) {
    return static_cast<int64_t>(folds.size());
  };
  const auto count = Match{
      [](std::monostate) { return int64_t{0}; },
      [&](const Update::Step&) { return add + slots; },
      [&](const Update::AddToRound& round) { return add + fold(round.folds); },
      [&](const Update::CloseRound& round) {
        return std::max<int64_t>(add, 1) + fold(round.folds) + slots;
      },
      [&](const Update::MeasureRound& round) {
        return 2 + fold(round.folds) + slots;
      },
      [&](const Update::OperateRound& round) {
        return 2 + fold(round.folds) + slots;
      },
  };
  const int64_t passes = std::visit(count, update.change);
  return passes * pushed_.shape().bytes() +
         (update.rows ? update.rows->ComputeBytes() : 0);
}

int64_t Partition::Commit(std::unique_ptr<Update> update) {
  const PushedExamples& push = update->push;
  const auto commit = Match{
      [](std::monostate) {},
      [&](Update::Step& step) {
        if (EBB_PLANTED(push_half_applied)) return;
        dense_.Publish(std::move(step.new_weights));
      },
      [&](Update::AddToRound& round) {
        sums_.Drop(round.folds);
        if (plan_.algorithm.operated && !push.skip) {
          sums_.AddLoss(push.item, push.loss_sum);
        }
      },
      [&](Update::CloseRound& round) {
        sums_.Close(round.folds);
        history_.Close(dense_.Publish(std::move(round.new_weights)));
      },
      [](Update::MeasureRound&) {
        LOG(FATAL) << "an update that waits for its operation is committed";
      },
      [&](Update::OperateRound& round) {
        sums_.Close(round.folds);
        history_.Close(dense_.Publish(std::move(round.new_weights)),
                       std::move(round.operation));
      },
  };
  std::visit(commit, update->change);
  if (update->rows && !EBB_PLANTED(rows_not_applied)) {
    rows_->Commit(*std::move(update->rows));
  }
  last_scaling_ = push.skip ? ScaledUpdates() : ScalingAt(PlaceOf(*update));
  tally_.Count(push, Times(push));
  // Cannot fail: the push was judged on the grid, and begins at the mark.
  marks_.Raise(push.item, push.end).IgnoreError();
  return push.end;
}

int64_t Partition::Apply(std::unique_ptr<Update> update) {
  auto rows = std::exchange(update->rows, std::nullopt);
  Compute(update.get());
  if (rows && !EBB_PLANTED(rows_not_applied)) {
    rows_->Apply(PlaceOf(*update), *std::move(rows));
  }
  return Commit(std::move(update));
}

std::optional<Payload> Partition::RoundValues(int64_t round) const {
  if (round == history_.open() || EBB_PLANTED(round_read_from_the_future)) {
    return Values();
  }
  const Blocks* values = history_.ValuesOf(round);
  if (values == nullptr) return std::nullopt;
  return shape_.PayloadOf(*values);
}

absl::Status Partition::PinSnapshot(int64_t snapshot) {
  snapshots_.clear();
  if (rows_ != nullptr) EBB_RETURN_IF_ERROR(rows_->PinSnapshot(snapshot));
  snapshots_[snapshot] = dense_.weights();
  return absl::OkStatus();
}

void Partition::DropSnapshot(int64_t snapshot) {
  snapshots_.erase(snapshot);
  if (rows_ != nullptr) rows_->DropSnapshot(snapshot);
}

absl::StatusOr<std::vector<Payload>> Partition::Rows(
    const std::vector<PullRows>& wanted, int64_t snapshot,
    RowRoom* room) const {
  if (wanted.empty()) return std::vector<Payload>();
  if (rows_ == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(
        "partition ", id_.value(), ": the job has no sparse tables"));
  }
  return snapshot == 0 ? rows_->Rows(wanted, room)
                       : rows_->SnapshotRows(wanted, snapshot, room);
}

std::optional<Payload> Partition::SnapshotValues(int64_t snapshot) const {
  const auto it = snapshots_.find(snapshot);
  if (EBB_PLANTED(snapshot_not_pinned)) return Values();
  if (it == snapshots_.end()) return std::nullopt;
  return shape_.PayloadOf(it->second);
}

absl::StatusOr<Cut> Partition::TakeCut() {
  Cut cut = CutOfDense();
  if (rows_ != nullptr) EBB_RETURN_IF_ERROR(rows_->AddTo(&cut));
  return cut;
}

absl::StatusOr<Cut> Partition::TakeWholeCut() {
  Cut cut = CutOfDense();
  if (rows_ != nullptr) EBB_RETURN_IF_ERROR(rows_->AddWholeTo(&cut));
  return cut;
}

void Partition::CutWritten() {
  if (rows_ != nullptr) rows_->CutWritten();
}

void Partition::CutLost() {
  if (rows_ != nullptr) rows_->CutLost();
}

void Partition::ForgetStored() {
  if (rows_ != nullptr) rows_->ForgetStored();
}

Cut Partition::CutOfDense() const {
  Cut cut;
  cut.marks = marks_.Encode();
  tally_.AddTo(&cut);
  dense_.AddTo(&cut);
  sums_.AddTo(&cut);
  history_.AddTo(&cut);
  return cut;
}

}  // namespace ebb::server
