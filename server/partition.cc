#include "server/partition.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/filters/codec.h"
#include "common/plant.h"
#include "common/status_macros.h"

namespace ebb::server {

namespace {

void AddFloats(GradientCursor* values, std::span<float> sum) {
  while (!sum.empty()) {
    const GradientView run = values->Next(sum.size());
    for (size_t i = 0; i < run.size(); ++i) {
      float value;
      std::memcpy(&value, run.bytes() + i * sizeof(float), sizeof(float));
      sum[i] += value;
    }
    sum = sum.subspan(run.size());
  }
}

// How often a push counts: once, but for planted bugs.
int Times(const Partition::Update& update) {
  if (update.begin > 0) return 1;
  if (EBB_PLANTED(push_applied_twice)) return 2;
  return EBB_PLANTED(push_lost) ? 0 : 1;
}

}  // namespace

Partition::Partition(JobRecordPtr record, PartitionId id,
                     std::shared_ptr<const UpdateRule> rule,
                     std::shared_ptr<BlockPool> pool)
    : record_(std::move(record)),
      plan_(record_->plan),
      id_(id),
      rule_(std::move(rule)),
      pool_(std::move(pool)),
      oracle_(plan_.oracle_width),
      marks_(plan_),
      ledger_(plan_) {
  std::tie(first_, last_) = plan_.ParameterRange(id);
}

Partition::~Partition() = default;

int64_t Partition::BlockCount() const {
  return (floats() + plan_.block_floats - 1) / plan_.block_floats;
}

// The block's range within the partition.
std::pair<int64_t, int64_t> Partition::BlockRange(int64_t block) const {
  const int64_t first = block * plan_.block_floats;
  return {first, std::min(first + plan_.block_floats, floats())};
}

absl::StatusOr<std::unique_ptr<Partition>> Partition::Create(
    JobRecordPtr record, PartitionId id, std::shared_ptr<const UpdateRule> rule,
    std::shared_ptr<BlockPool> pool) {
  std::unique_ptr<Partition> partition(
      new Partition(std::move(record), id, std::move(rule), std::move(pool)));
  Partition& p = *partition;
  EBB_ASSIGN_OR_RETURN(p.weights_, p.pool_->AllocateMany(p.BlockCount()));
  for (int64_t b = 0; b < p.BlockCount(); ++b) {
    const auto [first, last] = p.BlockRange(b);
    p.rule_->InitialWeights(
        p.first_ + first,
        p.weights_[b].mutable_floats().subspan(0, last - first));
  }
  p.slots_.resize(p.rule_->SlotCount());
  for (int s = 0; s < p.rule_->SlotCount(); ++s) {
    EBB_ASSIGN_OR_RETURN(p.slots_[s], p.pool_->AllocateMany(p.BlockCount()));
    for (int64_t b = 0; b < p.BlockCount(); ++b) {
      const auto [first, last] = p.BlockRange(b);
      p.rule_->InitialSlot(
          s, p.first_ + first, p.weights_[b].floats().subspan(0, last - first),
          p.slots_[s][b].mutable_floats().subspan(0, last - first));
    }
  }
  if (!p.plan_.sparse_tables.empty()) {
    EBB_ASSIGN_OR_RETURN(
        p.rows_, PartitionRows::Create(p.plan_, p.id_, p.rule_, p.pool_));
  }
  return partition;
}

absl::StatusOr<std::unique_ptr<Partition>> Partition::FromCut(
    JobRecordPtr record, PartitionId id, std::shared_ptr<const UpdateRule> rule,
    std::shared_ptr<BlockPool> pool, Cut cut, bool stored) {
  std::unique_ptr<Partition> partition(
      new Partition(std::move(record), id, std::move(rule), std::move(pool)));
  Partition& p = *partition;
  EBB_ASSIGN_OR_RETURN(p.marks_, MarkSet::Decode(p.plan_, cut.marks));
  EBB_ASSIGN_OR_RETURN(p.ledger_, Ledger::Decode(p.plan_, cut.ledger));
  if (cut.oracle.size() != p.oracle_.size()) {
    return absl::DataLossError(absl::StrCat(
        "partition ", id.value(), ": the cut has ", cut.oracle.size(),
        " oracle values instead of ", p.oracle_.size()));
  }
  p.oracle_ = std::move(cut.oracle);
  p.loss_ = std::move(cut.loss);
  p.updates_ = cut.updates;
  p.operations_ = std::move(cut.operations);
  for (const auto& [ordinal, loss] : cut.item_losses) {
    if (ordinal < 0 || ordinal >= p.plan_.items()) {
      return absl::DataLossError(absl::StrCat("partition ", id.value(),
                                              ": the cut has a loss of item ",
                                              ordinal, ", which is none"));
    }
    p.item_losses_[p.plan_.ItemAt(ordinal)] = loss;
  }
  if (p.plan_.rounds()) p.open_round_ = p.marks_.first_open_round();
  if (!p.plan_.sparse_tables.empty()) {
    EBB_ASSIGN_OR_RETURN(
        p.rows_,
        PartitionRows::FromCut(p.plan_, id, p.rule_, p.pool_, stored, &cut));
  }
  EBB_RETURN_IF_ERROR(p.RestoreArrays(cut));
  return partition;
}

absl::Status Partition::RestoreArrays(const Cut& cut) {
  const auto damaged = [&](absl::string_view what) {
    return absl::DataLossError(
        absl::StrCat("partition ", id_.value(), ": the cut ", what));
  };
  slots_.resize(rule_->SlotCount());
  for (const auto& [name, array] : cut.arrays) {
    if (array.floats != floats() ||
        static_cast<int64_t>(array.blocks.size()) != BlockCount()) {
      return damaged(absl::StrCat("has ", array.floats, " values of ", name,
                                  " instead of ", floats()));
    }
    const std::vector<absl::string_view> parts = absl::StrSplit(name, ':');
    int64_t a = 0, b = 0;
    if (name == "weights") {
      weights_ = array.blocks;
    } else if (name == "sum") {
      round_sum_ = array.blocks;
    } else if (parts.size() == 2 && parts[0] == "slot" &&
               absl::SimpleAtoi(parts[1], &a) && a >= 0 &&
               a < static_cast<int64_t>(slots_.size())) {
      slots_[a] = array.blocks;
    } else if (parts.size() == 2 && parts[0] == "value" &&
               absl::SimpleAtoi(parts[1], &a)) {
      round_values_[a] = array.blocks;
    } else if (parts.size() == 3 && parts[0] == "item" &&
               absl::SimpleAtoi(parts[1], &a) &&
               absl::SimpleAtoi(parts[2], &b)) {
      item_sums_[{static_cast<int32_t>(a), static_cast<int32_t>(b)}] =
          array.blocks;
    } else {
      return damaged(absl::StrCat("has an unknown array ", name));
    }
  }
  if (floats() == 0) return absl::OkStatus();
  if (weights_.empty()) return damaged("has no weights");
  for (const Blocks& slot : slots_) {
    if (slot.empty()) return damaged("lacks optimizer slots");
  }
  return absl::OkStatus();
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
    if (round > open_round_) return {Verdict::kNotOpen, 0};
    if (round < closed_rounds) return {Verdict::kClosed, 0};
  }
  const int64_t mark = marks_.mark(push.item);
  if (EBB_PLANTED(mark_not_checked)) return {Verdict::kApplied, mark};
  if (push.end <= mark) return {Verdict::kDuplicate, mark};
  if (push.begin > mark && !EBB_PLANTED(gap_accepted)) {
    return {Verdict::kGap, mark};
  }
  if (push.begin < mark) return {Verdict::kOverlap, mark};
  const int64_t bound = plan_.consistency.max_staleness_updates;
  if (bound >= 0 && !push.skip && updates_ - segment.pulled_updates > bound) {
    return {Verdict::kStale, mark};
  }
  return {Verdict::kApplied, mark};
}

absl::StatusOr<std::unique_ptr<Partition::Update>> Partition::Prepare(
    const PushRequest& push, const PushSegment& segment) {
  if (!segment.gradient.empty()) {
    const absl::Status encoded =
        CheckEncoded(segment.encoding, segment.gradient, floats());
    if (!encoded.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "partition ", id_.value(), ": the gradient: ", encoded.message()));
    }
  }
  const size_t oracle_bytes = oracle_.size() * sizeof(uint64_t);
  if (!push.skip &&
      segment.oracle.size() != static_cast<int64_t>(oracle_bytes)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "partition ", id_.value(), ": oracle sums of ", segment.oracle.size(),
        " bytes instead of ", oracle_bytes));
  }
  // The epoch's loss is a sum: no later push would mend it.
  if (!push.skip && !std::isfinite(push.loss_sum)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "partition ", id_.value(), ": a push with a loss of ", push.loss_sum));
  }
  auto update = std::make_unique<Update>();
  update->item = push.item;
  update->begin = push.begin;
  update->end = push.end;
  update->ledger = push.ledger;
  update->loss_sum = push.loss_sum;
  update->pulled_updates = segment.pulled_updates;
  update->skip = push.skip;
  if (EBB_PLANTED(each_server_skips_by_itself)) {
    update->skip |= updates_ - segment.pulled_updates > 8;
  }
  if (!push.skip) {
    update->gradient = segment.gradient;
    update->encoding = segment.encoding;
    update->oracle.resize(oracle_.size());
    segment.oracle.CopyTo(std::as_writable_bytes(std::span(update->oracle)));
  }
  if (rows_ == nullptr && !segment.rows.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "partition ", id_.value(), ": rows, but the job has no sparse tables"));
  }
  if (rows_ != nullptr) {
    const std::vector<PushRows> none;
    const int64_t now = marks_.examples() + push.end - push.begin;
    EBB_ASSIGN_OR_RETURN(update->rows,
                         rows_->Prepare(push.skip ? none : segment.rows, now));
  }
  if (!update->gradient.empty() && update->encoding != Encoding::kFloat32) {
    EBB_ASSIGN_OR_RETURN(update->decoded, pool_->AllocateMany(BlockCount()));
  }
  if (plan_.rounds()) {
    EBB_RETURN_IF_ERROR(PrepareRound(push, update.get()));
  } else if (!update->gradient.empty()) {
    EBB_RETURN_IF_ERROR(PrepareStep(update.get()));
  }
  return update;
}

absl::StatusOr<Partition::Blocks> Partition::Zeros() const {
  EBB_ASSIGN_OR_RETURN(Blocks blocks, pool_->AllocateMany(BlockCount()));
  for (BlockRef& block : blocks) {
    std::ranges::fill(block.mutable_floats(), 0.0f);
  }
  return blocks;
}

absl::Status Partition::MakeUnique(Blocks* blocks) const {
  for (BlockRef& block : *blocks) {
    if (block.Unique()) continue;
    EBB_ASSIGN_OR_RETURN(block, pool_->CopyForWrite(block));
  }
  return absl::OkStatus();
}

// New blocks for the weights, sole possession of the slots.
absl::Status Partition::PrepareStep(Update* update) {
  EBB_ASSIGN_OR_RETURN(update->new_weights, pool_->AllocateMany(BlockCount()));
  for (Blocks& slot : slots_) EBB_RETURN_IF_ERROR(MakeUnique(&slot));
  return absl::OkStatus();
}

absl::Status Partition::PrepareRound(const PushRequest& push, Update* update) {
  // Anything obtained here and not used, because a later part of the
  // preparation fails, is zeros that change no sum.
  auto [it, added] = item_sums_.try_emplace(push.item);
  if (added) {
    auto zeros = Zeros();
    if (!zeros.ok()) {
      item_sums_.erase(it);
      return zeros.status();
    }
    it->second = *std::move(zeros);
  }
  EBB_RETURN_IF_ERROR(MakeUnique(&it->second));
  if (round_sum_.empty() && floats() > 0) {
    EBB_ASSIGN_OR_RETURN(round_sum_, Zeros());
  }
  EBB_RETURN_IF_ERROR(MakeUnique(&round_sum_));
  // Items fold in their order: this one when all before it have, and then
  // those after it that were waiting.
  const auto [first, last] = plan_.RoundItems(open_round_);
  for (int64_t ordinal = first; ordinal < last; ++ordinal) {
    const ItemId item = plan_.ItemAt(ordinal);
    const bool fills =
        item == push.item && push.end == plan_.ItemSize(push.item);
    if (!fills && !marks_.Full(item)) return absl::OkStatus();
    if (item_sums_.contains(item)) update->folds.push_back(item);
  }
  update->closes_round = true;
  return plan_.algorithm.operated ? PrepareMeasure(update)
                                  : PrepareStep(update);
}

// Out of place: until there is an operation nothing may change.
absl::Status Partition::PrepareMeasure(Update* update) {
  EBB_ASSIGN_OR_RETURN(update->whole_sum, pool_->AllocateMany(BlockCount()));
  update->figures.assign(rule_->FigureCount(), 0);
  update->waits = true;
  return absl::OkStatus();
}

absl::Status Partition::PrepareOperation(const std::string& operation,
                                         Update* update) {
  EBB_ASSIGN_OR_RETURN(std::unique_ptr<const RoundStep> step,
                       rule_->ReadOperation(operation));
  EBB_ASSIGN_OR_RETURN(Blocks weights, pool_->AllocateMany(BlockCount()));
  for (size_t s = 0; s < slots_.size(); ++s) {
    if (step->Changes(static_cast<int>(s))) {
      EBB_RETURN_IF_ERROR(MakeUnique(&slots_[s]));
    }
  }
  update->new_weights = std::move(weights);
  update->operation = operation;
  update->step = std::move(step);
  update->waits = false;
  return absl::OkStatus();
}

void Partition::Step(const StepPlace& place, const Payload& gradient_sum,
                     Update* update) {
  GradientCursor gradient(gradient_sum);
  std::vector<std::span<float>> slots(slots_.size());
  for (int64_t b = 0; b < BlockCount(); ++b) {
    const auto [first, last] = BlockRange(b);
    const size_t n = last - first;
    for (size_t s = 0; s < slots_.size(); ++s) {
      // Sole holder since PrepareStep; slots are read only in a cut.
      slots[s] = slots_[s][b].mutable_floats().subspan(0, n);
    }
    StepRun run;
    run.first = first_ + first;
    run.weights = weights_[b].floats().subspan(0, n);
    run.gradient = &gradient;
    run.out = update->new_weights[b].mutable_floats().subspan(0, n);
    run.slots = slots;
    rule_->Step(place, run);
  }
}

// Into the blocks that Prepare obtained, one after the other.
void Partition::DecodeGradient(Update* update) const {
  std::vector<std::span<float>> blocks(update->decoded.size());
  for (int64_t b = 0; b < BlockCount(); ++b) {
    const auto [first, last] = BlockRange(b);
    blocks[b] = update->decoded[b].mutable_floats().subspan(0, last - first);
  }
  Decode(update->encoding, update->gradient, blocks);
  update->gradient = PayloadOf(update->decoded);
}

// The sum as if the last gradient had been added and all been folded, to the
// bit, and what is to be known of it.
void Partition::Measure(Update* update) const {
  GradientCursor gradient(update->gradient);
  std::vector<float> own;
  std::vector<std::span<const float>> slots(slots_.size());
  for (int64_t b = 0; b < BlockCount(); ++b) {
    const auto [first, last] = BlockRange(b);
    const size_t n = last - first;
    const std::span<float> sum = update->whole_sum[b].mutable_floats().first(n);
    std::ranges::copy(round_sum_[b].floats().first(n), sum.begin());
    for (const ItemId item : update->folds) {
      std::span<const float> part = item_sums_.at(item)[b].floats().first(n);
      if (item == update->item && !update->gradient.empty()) {
        own.assign(part.begin(), part.end());
        AddFloats(&gradient, own);
        part = own;
      }
      for (size_t i = 0; i < n; ++i) sum[i] += part[i];
    }
    for (size_t s = 0; s < slots_.size(); ++s) {
      slots[s] = slots_[s][b].floats().first(n);
    }
    rule_->Measure(PlaceOfRound(),
                   {first_ + first, weights_[b].floats().first(n), sum, slots},
                   update->figures);
  }
  double loss = 0;
  const auto [from, to] = plan_.RoundItems(open_round_);
  for (int64_t ordinal = from; ordinal < to; ++ordinal) {
    const ItemId item = plan_.ItemAt(ordinal);
    const auto known = item_losses_.find(item);
    double of_item = known == item_losses_.end() ? 0 : known->second;
    if (item == update->item && !update->skip) of_item += update->loss_sum;
    loss += of_item;
  }
  update->figures[0] = loss;
}

void Partition::Operate(Update* update) {
  std::vector<std::span<const float>> slots(slots_.size());
  std::vector<std::span<float>> changed(slots_.size());
  for (int64_t b = 0; b < BlockCount(); ++b) {
    const auto [first, last] = BlockRange(b);
    const size_t n = last - first;
    for (size_t s = 0; s < slots_.size(); ++s) {
      // Sole holder since PrepareOperation of what changes; the rest may be
      // shared with a cut.
      if (update->step->Changes(static_cast<int>(s))) {
        changed[s] = slots_[s][b].mutable_floats().first(n);
      }
      slots[s] = std::as_const(slots_[s][b]).floats().first(n);
    }
    const int times = EBB_PLANTED(operation_applied_twice) ? 2 : 1;
    for (int i = 0; i < times; ++i) {
      update->step->Apply(
          PlaceOfRound(),
          {first_ + first, weights_[b].floats().first(n),
           std::as_const(update->whole_sum[b]).floats().first(n),
           update->new_weights[b].mutable_floats().first(n), slots, changed});
    }
  }
}

StepPlace Partition::PlaceOfRound() const {
  StepPlace place;
  place.item = plan_.ItemAt(plan_.RoundItems(open_round_).first);
  place.end = plan_.ItemSize(place.item);
  place.gradient_scale =
      1.0f / static_cast<float>(plan_.RoundExamples(open_round_));
  place.step = open_round_ + 1;
  return place;
}

void Partition::ComputeRound(Update* update) {
  if (update->step != nullptr) return Operate(update);
  if (update->waits) return Measure(update);
  // Sole holder of these sums since PrepareRound.
  Blocks& sum = item_sums_.at(update->item);
  const auto add = [&](const Payload& values, Blocks* to) {
    GradientCursor cursor(values);
    for (int64_t b = 0; b < BlockCount(); ++b) {
      const auto [first, last] = BlockRange(b);
      AddFloats(&cursor, (*to)[b].mutable_floats().subspan(0, last - first));
    }
  };
  if (!update->gradient.empty()) add(update->gradient, &sum);
  for (const ItemId item : update->folds) {
    add(PayloadOf(item_sums_.at(item)), &round_sum_);
  }
  if (!update->closes_round) return;
  Step(PlaceOfRound(), PayloadOf(round_sum_), update);
}

void Partition::Compute(Update* update) {
  if (!update->decoded.empty() && update->step == nullptr) {
    DecodeGradient(update);
  }
  if (plan_.rounds()) {
    ComputeRound(update);
  } else if (!update->gradient.empty()) {
    Step(PlaceOf(*update), update->gradient, update);
  }
  if (update->rows) rows_->Compute(PlaceOf(*update), &*update->rows);
}

StepPlace Partition::PlaceOf(const Update& update) const {
  StepPlace place;
  place.item = update.item;
  place.begin = update.begin;
  place.end = update.end;
  place.gradient_scale = static_cast<float>(Times(update)) /
                         static_cast<float>(plan_.BatchSize(update.item));
  place.step = updates_ + 1;
  // A partition may have come back with less than was pulled of it.
  if (!plan_.rounds()) {
    place.staleness = std::max<int64_t>(0, updates_ - update.pulled_updates);
  }
  return place;
}

int64_t Partition::ComputeBytes(const Update& update) const {
  const bool steps = !update.new_weights.empty();
  if (update.waits || update.step != nullptr) {
    return (2 + static_cast<int64_t>(update.folds.size() + slots_.size())) *
           floats() * static_cast<int64_t>(sizeof(float));
  }
  const int64_t passes =
      (update.gradient.empty() && !steps ? 0 : 1) +
      (update.decoded.empty() ? 0 : 1) +
      static_cast<int64_t>(update.folds.size() + (steps ? slots_.size() : 0));
  return passes * floats() * static_cast<int64_t>(sizeof(float)) +
         (update.rows ? update.rows->ComputeBytes() : 0);
}

void Partition::CommitRound(Update* update) {
  for (const ItemId item : update->folds) item_sums_.erase(item);
  if (!update->closes_round) {
    if (plan_.algorithm.operated && !update->skip) {
      item_losses_[update->item] += update->loss_sum;
    }
    return;
  }
  round_sum_.clear();
  item_losses_.clear();
  if (!update->operation.empty()) {
    operations_[open_round_] = std::move(update->operation);
  }
  if (!EBB_PLANTED(rounds_keep_only_the_open_value)) {
    round_values_[open_round_] = weights_;
  }
  weights_ = std::move(update->new_weights);
  // An item of the next round cannot have begun: it was not open.
  ++open_round_;
}

// All that a push adds to beside the values.
void Partition::Count(const Update& update) {
  for (size_t i = 0; i < update.oracle.size(); ++i) {
    oracle_[i] += update.oracle[i];
  }
  if (update.skip) {
    ledger_.AddSkipped({update.item, update.begin, update.end}, update.ledger);
    return;
  }
  ledger_.Add(update.item, update.ledger);
  EpochLoss& loss = loss_[update.item.epoch];
  loss.loss_sum += update.loss_sum;
  loss.examples += update.ledger.count;
}

int64_t Partition::Commit(std::unique_ptr<Update> update) {
  ++updates_;
  if (plan_.rounds()) {
    CommitRound(update.get());
  } else if (!update->new_weights.empty() && !EBB_PLANTED(push_half_applied)) {
    weights_ = std::move(update->new_weights);
  }
  if (update->rows && !EBB_PLANTED(rows_not_applied))
    rows_->Commit(*std::move(update->rows));
  for (int i = Times(*update); i > 0; --i) Count(*update);
  // Cannot fail: the push was judged on the grid, and begins at the mark.
  marks_.Raise(update->item, update->end).IgnoreError();
  return update->end;
}

int64_t Partition::Apply(std::unique_ptr<Update> update) {
  auto rows = std::exchange(update->rows, std::nullopt);
  Compute(update.get());
  if (rows && !EBB_PLANTED(rows_not_applied)) {
    rows_->Apply(PlaceOf(*update), *std::move(rows));
  }
  return Commit(std::move(update));
}

Payload Partition::PayloadOf(const Blocks& blocks) const {
  Payload payload;
  const auto owner = std::make_shared<const Blocks>(blocks);
  for (int64_t b = 0; b < BlockCount(); ++b) {
    const auto [first, last] = BlockRange(b);
    payload.Append(
        owner, std::as_bytes((*owner)[b].floats().subspan(0, last - first)));
  }
  return payload;
}

std::optional<Payload> Partition::RoundValues(int64_t round) const {
  if (round == open_round_ || EBB_PLANTED(round_read_from_the_future)) {
    return PayloadOf(weights_);
  }
  const auto it = round_values_.find(round);
  if (it == round_values_.end()) return std::nullopt;
  return PayloadOf(it->second);
}

void Partition::DropRoundValues(int64_t round) {
  round_values_.erase(round_values_.begin(), round_values_.lower_bound(round));
  // The next one is made of the last.
  const int64_t needed = EBB_PLANTED(last_operation_is_dropped)
                             ? round
                             : std::min(round, open_round_ - 1);
  operations_.erase(operations_.begin(), operations_.lower_bound(needed));
}

std::vector<RoundOperation> Partition::Operations() const {
  std::vector<RoundOperation> all;
  if (EBB_PLANTED(operations_not_registered)) return all;
  for (const auto& [round, operation] : operations_) {
    all.push_back({round, operation});
  }
  return all;
}

absl::Status Partition::PinSnapshot(int64_t snapshot) {
  snapshots_.clear();
  if (rows_ != nullptr) EBB_RETURN_IF_ERROR(rows_->PinSnapshot(snapshot));
  snapshots_[snapshot] = weights_;
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
  if (EBB_PLANTED(snapshot_not_pinned)) return PayloadOf(weights_);
  if (it == snapshots_.end()) return std::nullopt;
  return PayloadOf(it->second);
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
  cut.ledger = ledger_.Encode();
  cut.updates = updates_;
  cut.oracle = oracle_;
  cut.loss = loss_;
  cut.operations = operations_;
  for (const auto& [item, loss] : item_losses_) {
    cut.item_losses[plan_.Ordinal(item)] = loss;
  }
  const auto add = [&](std::string name, const Blocks& blocks) {
    cut.arrays[std::move(name)] = CutArray{floats(), blocks};
  };
  add("weights", weights_);
  for (size_t s = 0; s < slots_.size(); ++s) {
    add(absl::StrCat("slot:", s), slots_[s]);
  }
  if (!round_sum_.empty()) add("sum", round_sum_);
  for (const auto& [item, sum] : item_sums_) {
    add(absl::StrCat("item:", item.epoch, ":", item.shard), sum);
  }
  for (const auto& [round, values] : round_values_) {
    add(absl::StrCat("value:", round), values);
  }
  return cut;
}

}  // namespace ebb::server
