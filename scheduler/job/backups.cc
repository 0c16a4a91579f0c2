#include "scheduler/job/backups.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace ebb::scheduler {

namespace {

// What was computed so long ago counts for a third of what was just now.
constexpr absl::Duration kMemory = absl::Seconds(2);

// A look takes a tenth of this for each lease, so looks take a tenth of the
// time at most. A worker at an epoch's end asks once, so no request may be
// missed.
constexpr absl::Duration kLookPerLease = absl::Microseconds(10);

// How much longer its worker needs for an item than the helper. Helping with a
// begun item costs a batch, or more if the guess is wrong; with another,
// messages.
constexpr double kIfBegun = 2;
constexpr double kIfNotBegun = 1.25;

// An item, and how long it takes until the worker that has it is done with it.
struct Held {
  int64_t ordinal = 0;
  SessionId worker;
  bool begun = false;
  int64_t rest = 0;
  absl::Duration left;
};

}  // namespace

// --- Pace --------------------------------------------------------------------

void Pace::Begin(int64_t examples, absl::Time now) {
  if (examples != examples_) unheard_ = {};  // Heard of elsewhere meanwhile.
  examples_ = examples;
  if (!busy_since_) busy_since_ = now;
}

void Pace::End(absl::Time now) {
  if (busy_since_) unheard_ += now - *busy_since_;
  busy_since_.reset();
}

void Pace::Heard(int64_t examples, bool waited, absl::Time now) {
  const int64_t computed =
      std::max<int64_t>(0, examples - std::exchange(examples_, examples));
  absl::Duration passed = std::exchange(unheard_, {});
  if (busy_since_) passed += now - std::exchange(*busy_since_, now);
  if (waited) {
    // For how long is not known: it is taken to be as fast as before, or what
    // it computed in less.
    const auto before = PerExample();
    if (!before) return;
    passed = std::min(passed, *before * computed);
  }
  if (passed <= absl::ZeroDuration()) return;
  const double kept = std::exp(-absl::FDivDuration(passed, kMemory));
  computed_ = computed_ * kept + static_cast<double>(computed);
  took_ = took_ * kept + passed;
}

std::optional<absl::Duration> Pace::PerExample() const {
  if (computed_ <= 0 || took_ <= absl::ZeroDuration()) return std::nullopt;
  return took_ / computed_;
}

std::optional<absl::Duration> Pace::AtLeast(int64_t pending) const {
  if (took_ <= absl::ZeroDuration()) return std::nullopt;
  return took_ / (computed_ + static_cast<double>(pending));
}

void Backups::Ends(SessionId worker, absl::Time now) {
  const auto pace = paces_.find(worker);
  if (pace != paces_.end()) pace->second.End(now);
}

void Backups::Heard(SessionId worker, int64_t examples, bool waited,
                    absl::Time now) {
  const auto pace = paces_.find(worker);
  if (pace != paces_.end()) pace->second.Heard(examples, waited, now);
}

bool Backups::MuchFaster(SessionId one, SessionId other) const {
  const auto pace = [this](SessionId worker) {
    const auto known = paces_.find(worker);
    return known == paces_.end() ? std::nullopt : known->second.PerExample();
  };
  const auto mine = pace(one), its = pace(other);
  return mine && its && *its >= *mine * kIfBegun;
}

absl::Duration Backups::SlowestPace() const {
  absl::Duration slowest;
  for (const auto& [worker, pace] : paces_) {
    slowest = std::max(slowest, pace.PerExample().value_or(slowest));
  }
  return slowest;
}

// --- Decisions ---------------------------------------------------------------

std::optional<absl::Duration> Backups::MeanPace() const {
  absl::Duration sum;
  int64_t known = 0;
  for (const auto& [worker, pace] : paces_) {
    if (const auto one = pace.PerExample()) {
      sum += *one;
      ++known;
    }
  }
  if (known == 0) return std::nullopt;
  return sum / known;
}

int64_t Backups::Rest(int64_t ordinal) const {
  const ItemId item = plan_.ItemAt(ordinal);
  // A worker can do no more of it than is there.
  return std::max<int64_t>(0,
                           leases_.ReachedSize(item) - marks_.LowestMark(item));
}

int64_t Backups::RestInWork(int64_t ordinal, SessionId worker) const {
  const LeaseTable::Held* const lease = leases_.Find(ordinal, worker);
  if (!plan_.algorithm.runs || lease == nullptr) return Rest(ordinal);
  const ItemId item = plan_.ItemAt(ordinal);
  return std::min(Rest(ordinal), plan_.ItemSize(item) - lease->batch);
}

int64_t Backups::RestOf(SessionId worker, int64_t end) const {
  int64_t rest = 0;
  for (const int64_t ordinal : leases_.HeldBy(worker)) {
    if (ordinal < end) rest += RestInWork(ordinal, worker);
  }
  return rest;
}

bool Backups::Due(absl::Time now) {
  if (now < next_look_) return false;
  next_look_ = now + std::min(options_.backup_gain,
                              kLookPerLease * leases_.held().size());
  std::erase_if(pairs_, [this](const auto& one) {
    return !leases_.backups().contains(one.first);  // One is gone.
  });
  return true;
}

std::vector<Backups::Help> Backups::Look(const std::vector<SessionId>& helpers,
                                         int64_t end,
                                         Predicate leave_alone) const {
  std::vector<Help> helps;
  const auto mean = MeanPace();
  if (!mean) return helps;

  std::vector<std::pair<absl::Duration, SessionId>> by_pace;
  for (const SessionId worker : helpers) {
    const auto pace = paces_.find(worker);
    const auto known =
        pace == paces_.end() ? std::nullopt : pace->second.PerExample();
    by_pace.emplace_back(known.value_or(*mean), worker);
  }
  std::sort(by_pace.begin(), by_pace.end());

  std::vector<Held> held;
  for (const SessionId worker : leases_.Holders()) {
    const auto pace = paces_.find(worker);
    absl::Duration left;
    bool first = true;
    for (const int64_t ordinal : leases_.HeldBy(worker)) {
      if (ordinal >= end) break;
      const int64_t batch = plan_.BatchSize(plan_.ItemAt(ordinal));
      const auto known =
          pace == paces_.end() ? std::nullopt : pace->second.AtLeast(batch);
      const int64_t rest = Rest(ordinal);
      left += known.value_or(*mean) * RestInWork(ordinal, worker);
      const bool begun = std::exchange(first, false);
      // A worker that continues a begun item lacks what the other keeps back.
      const bool keeps = begun && plan_.KeepsEffect();
      if (rest == 0 || leases_.held().at(ordinal).helped || keeps ||
          leave_alone(ordinal)) {
        continue;
      }
      held.push_back({ordinal, worker, begun, rest, left});
    }
  }
  // The longest first.
  std::sort(held.begin(), held.end(), [](const Held& a, const Held& b) {
    return std::pair(b.left, a.ordinal) < std::pair(a.left, b.ordinal);
  });

  auto next = by_pace.begin();
  for (const Held& one : held) {
    if (next == by_pace.end()) break;
    const auto& [per_example, worker] = *next;  // The fastest there is.
    const absl::Duration needs = per_example * (RestOf(worker, end) + one.rest);
    if (one.worker == worker ||
        one.left < needs * (one.begun ? kIfBegun : kIfNotBegun) ||
        one.left - needs < options_.backup_gain) {
      continue;
    }
    helps.push_back({one.ordinal, one.worker, worker, one.begun});
    ++next;
  }
  return helps;
}

// --- Counts ------------------------------------------------------------------

void Backups::Leased(int64_t ordinal, int64_t examples) {
  ++counts_.leased;
  pairs_[ordinal] = {examples, marks_.LowestMark(plan_.ItemAt(ordinal))};
}

void Backups::Done(int64_t ordinal, bool backup_first, int64_t examples) {
  ++(backup_first ? counts_.won : counts_.lost);
  const auto pair = pairs_.extract(ordinal);
  if (pair.empty()) return;
  const int64_t needed =
      plan_.ItemSize(plan_.ItemAt(ordinal)) - pair.mapped().mark;
  counts_.computed_twice +=
      std::max<int64_t>(0, examples - pair.mapped().examples - needed);
}

}  // namespace ebb::scheduler
