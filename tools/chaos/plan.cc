#include "tools/chaos/plan.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tools/chaos/scenario_values.h"
#include "tools/text/daemon_names.h"

namespace ebb::chaos {
namespace {

constexpr char kAll[] = "all";

bool IsOfNetwork(Op op) {
  switch (op) {
    case Op::kSplit:
    case Op::kDrop:
    case Op::kDelay:
    case Op::kLimit:
    case Op::kHeal:
      return true;
    default:
      return false;
  }
}

// True if a pattern stands for one of several.
bool IsRole(const DaemonPattern& pattern) {
  return pattern == "ps" || pattern == "worker";
}

// Returns the operation that ends it.
Op UndoOf(Op op) {
  switch (op) {
    case Op::kStop:
      return Op::kContinue;
    case Op::kSlow:
      return Op::kSlow;
    case Op::kFillDisk:
      return Op::kFreeDisk;
    default:
      return Op::kHeal;
  }
}

// True if `op` takes the place of whatever is to be undone by `undo`, of the
// same daemon.
bool TakesPlace(Op op, Op undo) {
  switch (undo) {
    case Op::kContinue:
      return op == Op::kStop || op == Op::kContinue || op == Op::kKill ||
             op == Op::kRemove;
    case Op::kSlow:
      return op == Op::kSlow;
    case Op::kFreeDisk:
      return op == Op::kFillDisk || op == Op::kFreeDisk;
    default:
      return false;
  }
}

bool SameLink(const Link& x, const Link& y) {
  return x == y || (x.a == y.b && x.b == y.a);
}

// SplitMix64 (Steele et al. 2014): neighbouring numbers become unlike ones.
uint64_t Mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

}  // namespace

ChaosPlan::ChaosPlan(std::vector<ChaosEvent> events, uint64_t seed)
    : seed_(seed) {
  for (ChaosEvent& event : events) Add(std::move(event));
}

void ChaosPlan::Add(ChaosEvent event) {
  touches_network_ |= IsOfNetwork(event.op);
  if (event.op == Op::kAdd) NoteWorker(event.target);
  // Both keep what is equal in the order in which it came.
  if (event.when.progress.has_value()) {
    by_progress_.emplace(*event.when.progress, events_.size());
  } else {
    by_time_.emplace(event.when.at, events_.size());
  }
  events_.push_back(std::move(event));
}

void ChaosPlan::NoteWorker(absl::string_view daemon) {
  const auto parsed = ParseDaemons(daemon);
  if (!parsed.has_value() || parsed->role != Daemons::Role::kWorker) return;
  if (parsed->index.has_value()) {
    next_worker_ = std::max(next_worker_, *parsed->index + 1);
  }
}

std::vector<Disturb> ChaosPlan::Due(absl::Duration elapsed, double progress,
                                    const std::vector<std::string>& there) {
  for (const std::string& daemon : there) NoteWorker(daemon);
  std::vector<std::string> sorted = there;
  std::sort(sorted.begin(), sorted.end());
  std::vector<Disturb> due;
  for (const size_t event : std::exchange(waiting_, {})) {
    Begin(event, elapsed, sorted, &due);
  }
  for (absl::Duration next = NextDue();
       next <= elapsed && next != absl::InfiniteDuration(); next = NextDue()) {
    // What began earlier ends before another begins.
    if (!undos_.empty() && undos_.begin()->first == next) {
      due.push_back(std::move(undos_.begin()->second));
      undos_.erase(undos_.begin());
    } else {
      const size_t event = by_time_.begin()->second;
      by_time_.erase(by_time_.begin());
      Begin(event, elapsed, sorted, &due);
    }
  }
  while (!by_progress_.empty() && by_progress_.begin()->first <= progress) {
    const size_t event = by_progress_.begin()->second;
    by_progress_.erase(by_progress_.begin());
    Begin(event, elapsed, sorted, &due);
  }
  return due;
}

absl::Duration ChaosPlan::NextDue() const {
  absl::Duration next = absl::InfiniteDuration();
  if (!by_time_.empty()) next = by_time_.begin()->first;
  if (!undos_.empty()) next = std::min(next, undos_.begin()->first);
  return next;
}

void ChaosPlan::Begin(size_t event, absl::Duration elapsed,
                      const std::vector<std::string>& there,
                      std::vector<Disturb>* due) {
  std::optional<Disturb> disturb = Resolve(event, there);
  if (!disturb.has_value()) {
    waiting_.push_back(event);
    return;
  }
  Supersede(*disturb);
  const absl::Duration lasts = events_[event].lasts;
  if (disturb->op == Op::kKill) {
    if (lasts != absl::InfiniteDuration()) disturb->away = lasts;
  } else if (lasts != absl::InfiniteDuration()) {
    Disturb undo;
    undo.op = UndoOf(disturb->op);
    undo.daemons = disturb->daemons;
    undo.link = disturb->link;
    undo.undoes = true;
    // From now, not from when it should have been: it lasts as long as said.
    undos_.emplace(elapsed + lasts, std::move(undo));
  }
  due->push_back(*std::move(disturb));
}

std::optional<Disturb> ChaosPlan::Resolve(
    size_t number, const std::vector<std::string>& there) {
  const ChaosEvent& event = events_[number];
  Disturb disturb;
  disturb.op = event.op;
  disturb.grace = event.grace;
  disturb.delay = event.delay;
  disturb.bytes_per_second = event.bytes_per_second;
  disturb.share = event.share;
  disturb.file = event.file;
  if (event.op == Op::kDamage) disturb.draw = Mix(Mix(seed_) + 2 * number + 1);
  if (IsOfNetwork(event.op)) {
    const auto a = Pick(event.link.a, event.link.b, number, 0, there);
    if (!a.has_value()) return {};
    const auto b = Pick(event.link.b, *a, number, 1, there);
    if (!b.has_value()) return {};
    disturb.link = {*a, *b};
  } else if (event.op == Op::kAdd && IsRole(event.target)) {
    disturb.daemons = {tools::WorkerName(next_worker_++)};
  } else if (event.target == kAll) {
    if (there.empty()) return {};
    disturb.daemons = there;
  } else {
    const auto daemon = Pick(event.target, "", number, 0, there);
    if (!daemon.has_value()) return {};
    disturb.daemons = {*daemon};
  }
  return disturb;
}

std::optional<std::string> ChaosPlan::Pick(
    const DaemonPattern& pattern, absl::string_view other, size_t event,
    uint64_t end, const std::vector<std::string>& there) const {
  if (!IsRole(pattern)) return pattern;
  const std::string prefix = absl::StrCat(pattern, "-");
  std::vector<absl::string_view> candidates;
  for (const std::string& daemon : there) {
    if (absl::StartsWith(daemon, prefix) && daemon != other) {
      candidates.push_back(daemon);
    }
  }
  if (candidates.empty()) return {};
  // Not from one stream of numbers, in which what is due by progress would
  // shift what is due by time.
  const uint64_t draw = Mix(Mix(seed_) + 2 * event + end);
  return std::string(candidates[draw % candidates.size()]);
}

void ChaosPlan::Supersede(const Disturb& disturb) {
  const bool of_network = IsOfNetwork(disturb.op);
  if (disturb.op == Op::kDrop) return;  // Links stay as they are.
  for (auto it = undos_.begin(); it != undos_.end();) {
    Disturb& undo = it->second;
    bool over = false;
    if (of_network && undo.op == Op::kHeal) {
      over = SameLink(undo.link, disturb.link);
    } else if (TakesPlace(disturb.op, undo.op)) {
      auto& left = undo.daemons;
      left.erase(std::remove_if(left.begin(), left.end(),
                                [&](const std::string& daemon) {
                                  return std::find(disturb.daemons.begin(),
                                                   disturb.daemons.end(),
                                                   daemon) !=
                                         disturb.daemons.end();
                                }),
                 left.end());
      over = left.empty();
    }
    it = over ? undos_.erase(it) : std::next(it);
  }
}

}  // namespace ebb::chaos
