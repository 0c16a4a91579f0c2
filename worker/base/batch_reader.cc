#include "worker/base/batch_reader.h"

#include <algorithm>
#include <utility>

#include "common/example_hash.h"
#include "common/status_macros.h"

namespace ebb::worker {

namespace {

bool Is(const TrainingBatch& batch, ItemId item, int64_t begin, int64_t end) {
  return batch.item == item && batch.begin == begin && batch.end == end;
}

}  // namespace

BatchReader::BatchReader(const data::Dataset* dataset, const JobPlan& plan,
                         size_t ahead, Pin pin)
    : dataset_(dataset),
      plan_(plan),
      order_(plan.seed, {plan.examples, plan.shard_size, dataset->window()}),
      ahead_(ahead),
      pin_(std::move(pin)) {
  if (ahead_ > 0) thread_ = std::thread([this] { Run(); });
}

BatchReader::~BatchReader() {
  {
    MutexLock lock(&mu_);
    stopped_ = true;
    changed_.SignalAll();
  }
  if (thread_.joinable()) thread_.join();
}

absl::StatusOr<const TrainingBatch*> BatchReader::Read(
    ItemId item, int64_t begin, int64_t end,
    std::span<const client::ExampleRun> next) {
  std::vector<client::ExampleRun> of_item;
  if (next.empty()) {
    of_item = NextOfItem(item, end);
    next = of_item;
  }
  {
    MutexLock lock(&mu_);
    spare_.push_back(std::move(current_));
    current_ = TakeLocked(item, begin, end);
    PlanAheadLocked(next);
  }
  if (current_->state != Slot::State::kReady) {
    current_->status = Gather(&current_->batch);
    current_->state = Slot::State::kReady;
  }
  if (!current_->status.ok()) return current_->status;
  if (dataset_->window() > 0) ExpectWindow(item, next);
  return &current_->batch;
}

// A worker that reads all windows goes through them in their order. Else other
// workers have some of them (scheduler/job/lease_places.h), and the next one is
// known when an item of it is leased.
void BatchReader::ExpectWindow(ItemId item,
                               std::span<const client::ExampleRun> next) {
  const int64_t window = order_.WindowOf(item);
  if (window != window_) {
    // When many workers begin together, one of them has the first window.
    in_order_ = window_ < 0 ? item.shard == 0 : window == window_after_;
    window_ = window;
    window_after_ = order_.WindowAfter(item);
  }
  for (const client::ExampleRun& run : next) {
    if (!plan_.HasItem(run.item)) continue;
    const int64_t other = order_.WindowOf(run.item);
    if (other != window) return dataset_->Expect(other);
  }
  if (in_order_) dataset_->Expect(window_after_);
}

const TrainingBatch* BatchReader::Ready(ItemId item, int64_t begin,
                                        int64_t end) {
  MutexLock lock(&mu_);
  for (const auto& slot : slots_) {
    if (!Is(slot->batch, item, begin, end)) continue;
    const bool ready = slot->state == Slot::State::kReady && slot->status.ok();
    return ready ? &slot->batch : nullptr;
  }
  return nullptr;
}

void BatchReader::WantLocked(ItemId item, int64_t begin, int64_t end,
                             Slot* slot) {
  slot->state = Slot::State::kWanted;
  slot->batch.item = item;
  slot->batch.begin = begin;
  slot->batch.end = end;
  slot->batch.content = models::ContentId{++wanted_};
}

// A batch that is not begun is faster done by the caller than waited for.
std::unique_ptr<BatchReader::Slot> BatchReader::TakeLocked(ItemId item,
                                                           int64_t begin,
                                                           int64_t end) {
  auto slot = slots_.end();
  for (;;) {
    slot = std::find_if(slots_.begin(), slots_.end(), [&](const auto& one) {
      return Is(one->batch, item, begin, end);
    });
    if (slot == slots_.end() || (*slot)->state != Slot::State::kGathering) {
      break;
    }
    changed_.Wait(&mu_);
  }
  std::unique_ptr<Slot> taken;
  if (slot != slots_.end()) {
    taken = std::move(*slot);
    slots_.erase(slot);
  } else {
    taken = std::move(spare_.back());
    spare_.pop_back();
    WantLocked(item, begin, end, taken.get());
  }
  return taken;
}

std::vector<client::ExampleRun> BatchReader::NextOfItem(ItemId item,
                                                        int64_t end) const {
  std::vector<client::ExampleRun> next;
  // Data that grows may not be there yet.
  if (!plan_.HasItem(item) || plan_.grows) return next;
  while (next.size() < ahead_ && end < plan_.ItemSize(item)) {
    const int64_t begin = end;
    end = plan_.BatchEnd(item, begin);
    next.push_back({item, begin, end});
  }
  return next;
}

std::unique_ptr<BatchReader::Slot> BatchReader::WishLocked(
    const client::ExampleRun& run) {
  std::unique_ptr<Slot> slot;
  if (spare_.empty()) {
    slot = std::make_unique<Slot>();
  } else {
    slot = std::move(spare_.back());
    spare_.pop_back();
  }
  WantLocked(run.item, run.begin, run.end, slot.get());
  return slot;
}

bool BatchReader::KnownLocked(const client::ExampleRun& run) const {
  return std::ranges::any_of(slots_, [&](const auto& slot) {
    return Is(slot->batch, run.item, run.begin, run.end);
  });
}

// It takes nothing away: what the reading thread asked for goes first.
void BatchReader::ReadAhead(std::span<const client::ExampleRun> next) {
  MutexLock lock(&mu_);
  for (const client::ExampleRun& run : next) {
    if (slots_.size() >= ahead_) break;
    if (!KnownLocked(run)) slots_.push_back(WishLocked(run));
  }
  changed_.SignalAll();
}

void BatchReader::PlanAheadLocked(std::span<const client::ExampleRun> next) {
  if (ahead_ == 0) return;
  std::list<std::unique_ptr<Slot>> keep;
  for (const client::ExampleRun& run :
       next.first(std::min(ahead_, next.size()))) {
    const auto known =
        std::find_if(slots_.begin(), slots_.end(), [&](const auto& slot) {
          return slot != nullptr &&
                 Is(slot->batch, run.item, run.begin, run.end);
        });
    if (known != slots_.end()) {
      keep.push_back(std::move(*known));
    } else {
      keep.push_back(WishLocked(run));
    }
  }
  for (std::unique_ptr<Slot>& slot : slots_) {
    if (slot == nullptr) continue;
    // The thread still writes into it: it stays until that is done.
    if (slot->state == Slot::State::kGathering) {
      keep.push_back(std::move(slot));
    } else {
      spare_.push_back(std::move(slot));
    }
  }
  slots_ = std::move(keep);
  while (spare_.size() > ahead_ + 1) spare_.pop_back();
  changed_.SignalAll();
}

void BatchReader::Run() {
  for (;;) {
    Slot* slot = nullptr;
    {
      MutexLock lock(&mu_);
      for (;;) {
        if (stopped_) return;
        const auto wanted = std::find_if(
            slots_.begin(), slots_.end(),
            [](const auto& one) { return one->state == Slot::State::kWanted; });
        if (wanted != slots_.end()) {
          slot = wanted->get();
          break;
        }
        changed_.Wait(&mu_);
      }
      slot->state = Slot::State::kGathering;
    }
    absl::Status status = Gather(&slot->batch);
    MutexLock lock(&mu_);
    slot->status = std::move(status);
    slot->state = Slot::State::kReady;
    changed_.SignalAll();
  }
}

// The ledger's row is summed over the positions that are gathered, as they
// are: were one left out or read twice, the row would say so.
absl::Status BatchReader::Gather(TrainingBatch* batch) {
  const ItemId item = batch->item;
  const int64_t begin = batch->begin, end = batch->end;
  batch->ledger = {};
  EBB_RETURN_IF_ERROR(order_.Of(item, begin, end, &batch->numbers));
  for (int64_t position = begin; position < end; ++position) {
    batch->ledger += {1, ExampleHash(item, position)};
  }
  std::vector<float>& values = batch->examples.values;
  const bool dense = !dataset_->sparse() && !dataset_->keyed();
  // Pages are not freed while they are pinned.
  if (static_cast<int64_t>(values.capacity()) <
      (end - begin) * dataset_->features()) {
    batch->pin = nullptr;
  }
  EBB_RETURN_IF_ERROR(dataset_->Gather(batch->numbers, &batch->examples));
  if (dense && pin_ != nullptr && batch->pin == nullptr) {
    batch->pin = pin_(values.data(),
                      static_cast<int64_t>(values.capacity() * sizeof(float)));
  }
  return absl::OkStatus();
}

}  // namespace ebb::worker
