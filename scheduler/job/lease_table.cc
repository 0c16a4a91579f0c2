#include "scheduler/job/lease_table.h"

#include <algorithm>

#include "common/plant.h"

namespace ebb::scheduler {

bool LeaseTable::Open(int64_t ordinal) const {
  return !marks_->FullEverywhere(ordinal) && !held_.contains(ordinal) &&
         !hinted_.contains(ordinal) && !quarantined_.contains(ordinal);
}

std::optional<int64_t> LeaseTable::LowestOpen() {
  while (!reopened_.empty() && !Open(*reopened_.begin())) {
    reopened_.erase(reopened_.begin());
  }
  if (!reopened_.empty() && *reopened_.begin() < fresh_) {
    return *reopened_.begin();
  }
  const int64_t whole = WholeItems();
  while (fresh_ < whole && !Open(fresh_)) ++fresh_;
  if (!reopened_.empty() && *reopened_.begin() < fresh_) {
    return *reopened_.begin();
  }
  if (fresh_ < whole) return fresh_;
  if (fresh_ == whole && fresh_ < plan_->items() && Open(fresh_) &&
      HasNextBatch(fresh_)) {
    return fresh_;
  }
  return std::nullopt;
}

int64_t LeaseTable::reached() const {
  // What was applied was there.
  return plan_->grows ? std::min(plan_->AllExamples(),
                                 std::max(reached_, marks_->PlaceOfEnd()))
                      : plan_->AllExamples();
}

int64_t LeaseTable::ReachedSize(ItemId item) const {
  const int64_t size = plan_->ItemSize(item);
  if (!plan_->grows) return size;
  return std::clamp<int64_t>(reached() - plan_->PlaceOf(item, 0), 0, size);
}

int64_t LeaseTable::WholeItems() const {
  if (!plan_->grows) return plan_->items();
  const int64_t there = reached();
  if (there >= plan_->AllExamples()) return plan_->items();
  const int64_t rest = there % plan_->examples;
  return there / plan_->examples * plan_->shards() + rest / plan_->shard_size;
}

bool LeaseTable::HasNextBatch(int64_t ordinal) const {
  const ItemId item = plan_->ItemAt(ordinal);
  int64_t lowest = marks_->LowestMark(item);
  if (const auto said = said_.find(ordinal); said != said_.end()) {
    lowest = std::max(lowest, said->second.position);
  }
  return lowest < plan_->ItemSize(item) &&
         plan_->BatchEnd(item, lowest) <= ReachedSize(item);
}

int64_t LeaseTable::Unfinished() const {
  const int64_t whole = WholeItems();
  const bool more = whole < plan_->items() && HasNextBatch(whole);
  const int64_t unfinished =
      whole + (more ? 1 : 0) - marks_->full_everywhere() -
      static_cast<int64_t>(hinted_.size() + quarantined_.size());
  if (!plan_->grows) return unfinished;
  return std::max(unfinished, static_cast<int64_t>(held_.size()));
}

void LeaseTable::Take(int64_t ordinal, SessionId worker, absl::Time expires) {
  reopened_.erase(ordinal);
  said_.erase(ordinal);
  held_[ordinal] = {worker, expires};
  next_expiry_ = std::min(next_expiry_, expires);
  by_worker_[worker].insert(ordinal);
}

void LeaseTable::TakeBackup(int64_t ordinal, SessionId worker,
                            absl::Time expires) {
  held_[ordinal].helped = true;
  backups_[ordinal] = {.worker = worker, .expires = expires, .helped = true};
  next_expiry_ = std::min(next_expiry_, expires);
  by_worker_[worker].insert(ordinal);
}

void LeaseTable::TakeMoved(int64_t ordinal, SessionId worker,
                           absl::Time expires) {
  Take(ordinal, worker, expires);
  held_[ordinal].helped = true;
}

const LeaseTable::Held* LeaseTable::Find(int64_t ordinal,
                                         SessionId worker) const {
  for (const auto* leases : {&held_, &backups_}) {
    const auto it = leases->find(ordinal);
    if (it != leases->end() && it->second.worker == worker) return &it->second;
  }
  return nullptr;
}

LeaseTable::Held* LeaseTable::Changeable(int64_t ordinal, SessionId worker) {
  return const_cast<Held*>(Find(ordinal, worker));
}

std::vector<SessionId> LeaseTable::HoldersOf(int64_t ordinal) const {
  std::vector<SessionId> workers;
  for (const auto* leases : {&held_, &backups_}) {
    const auto it = leases->find(ordinal);
    if (it != leases->end()) workers.push_back(it->second.worker);
  }
  return workers;
}

std::set<SessionId> LeaseTable::Holders() const {
  std::set<SessionId> workers;
  for (const auto& [worker, ordinals] : by_worker_) workers.insert(worker);
  return workers;
}

bool LeaseTable::Adopt(int64_t ordinal, SessionId worker, absl::Time expires) {
  if (ordinal < 0 || ordinal >= plan_->items()) return false;
  if (Held* lease = Changeable(ordinal, worker)) {
    lease->expires = expires;
    return true;
  }
  if (!Open(ordinal)) return false;
  Take(ordinal, worker, expires);
  return true;
}

void LeaseTable::Release(int64_t ordinal, SessionId worker) {
  if (Find(ordinal, worker) == nullptr) return;
  const auto mine = by_worker_.find(worker);
  mine->second.erase(ordinal);
  if (mine->second.empty()) {
    by_worker_.erase(mine);
    places_.erase(worker);
  }
  const auto backup = backups_.find(ordinal);
  if (backup != backups_.end()) {  // The other has it alone.
    if (backup->second.worker != worker) held_[ordinal] = backup->second;
    backups_.erase(backup);
    return;
  }
  const bool helped = held_.at(ordinal).helped;
  held_.erase(ordinal);
  if (helped && EBB_PLANTED(helped_item_stays_shut)) return;
  if (!marks_->FullEverywhere(ordinal)) reopened_.insert(ordinal);
}

void LeaseTable::Returned(int64_t ordinal, int64_t position,
                          absl::Time confirm_until) {
  if (!plan_->grows) return;
  said_[ordinal] = {position, confirm_until};
  next_expiry_ = std::min(next_expiry_, confirm_until);
}

void LeaseTable::Done(int64_t ordinal, SessionId worker,
                      absl::Time confirm_until) {
  if (Find(ordinal, worker) == nullptr) return;
  for (const SessionId holder : HoldersOf(ordinal)) Release(ordinal, holder);
  careful_.erase(ordinal);
  if (marks_->FullEverywhere(ordinal)) return;
  reopened_.erase(ordinal);
  hinted_[ordinal] = confirm_until;
  next_expiry_ = std::min(next_expiry_, confirm_until);
}

void LeaseTable::Renew(SessionId worker, absl::Time expires) {
  const auto it = by_worker_.find(worker);
  if (it == by_worker_.end()) return;
  for (const int64_t ordinal : it->second) {
    Changeable(ordinal, worker)->expires = expires;
  }
}

void LeaseTable::RenewAll(absl::Time expires) {
  for (auto* leases : {&held_, &backups_}) {
    for (auto& [ordinal, lease] : *leases) lease.expires = expires;
  }
  for (auto& [ordinal, until] : hinted_) until = std::max(until, expires);
}

void LeaseTable::SetPosition(int64_t ordinal, SessionId worker,
                             int64_t position, int64_t batch) {
  Held* const lease = Changeable(ordinal, worker);
  if (lease == nullptr) return;
  lease->position = position;
  lease->batch = batch;
}

std::optional<LeaseTable::Place> LeaseTable::PlaceOf(SessionId worker) const {
  const auto place = places_.find(worker);
  if (place == places_.end() ||
      Find(place->second.ordinal, worker) == nullptr) {
    return std::nullopt;
  }
  const auto& held = by_worker_.at(worker);
  const bool careful = std::ranges::any_of(
      held, [this](int64_t ordinal) { return Careful(ordinal); });
  return careful ? std::optional(place->second) : std::nullopt;
}

void LeaseTable::FullChanged(int64_t ordinal) {
  if (marks_->FullEverywhere(ordinal)) {
    hinted_.erase(ordinal);
    reopened_.erase(ordinal);
    careful_.erase(ordinal);
  } else if (!held_.contains(ordinal) && !hinted_.contains(ordinal)) {
    reopened_.insert(ordinal);
  }
}

void LeaseTable::EndQuarantine(int64_t ordinal) {
  quarantined_.erase(ordinal);
  if (Open(ordinal)) reopened_.insert(ordinal);
}

std::vector<std::pair<int64_t, SessionId>> LeaseTable::Expired(absl::Time now) {
  std::vector<std::pair<int64_t, SessionId>> expired;
  next_expiry_ = absl::InfiniteFuture();
  for (const auto* leases : {&held_, &backups_}) {
    for (const auto& [ordinal, lease] : *leases) {
      if (lease.expires <= now) {
        expired.emplace_back(ordinal, lease.worker);
      } else {
        next_expiry_ = std::min(next_expiry_, lease.expires);
      }
    }
  }
  for (const auto& [ordinal, said] : said_) {
    if (said.confirm_until > now) {
      next_expiry_ = std::min(next_expiry_, said.confirm_until);
    }
  }
  for (const auto& [ordinal, until] : hinted_) {
    if (until > now) next_expiry_ = std::min(next_expiry_, until);
  }
  return expired;
}

void LeaseTable::ReopenUnconfirmed(absl::Time now) {
  std::erase_if(said_, [now](const auto& one) {
    return one.second.confirm_until <= now;
  });
  for (auto it = hinted_.begin(); it != hinted_.end();) {
    if (it->second > now || EBB_PLANTED(done_is_believed)) {
      ++it;
      continue;
    }
    reopened_.insert(it->first);
    it = hinted_.erase(it);
  }
}

int64_t LeaseTable::CountHeldBy(SessionId worker) const {
  const auto it = by_worker_.find(worker);
  return it == by_worker_.end() ? 0 : static_cast<int64_t>(it->second.size());
}

std::vector<int64_t> LeaseTable::HeldBy(SessionId worker) const {
  const auto it = by_worker_.find(worker);
  if (it == by_worker_.end()) return {};
  return {it->second.begin(), it->second.end()};
}

}  // namespace ebb::scheduler
