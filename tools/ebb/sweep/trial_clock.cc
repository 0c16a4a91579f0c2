#include "tools/ebb/sweep/trial_clock.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace ebb::tools {

namespace {

using sweep::Trial;
using sweep::TrialState;

constexpr absl::string_view kTrained = "trained";
constexpr absl::string_view kSeen = "seen";
constexpr absl::string_view kIdle = "idle";

// 0: it is not over, or its end is not known.
int64_t EndOf(const Trial& trial) {
  if (trial.state == TrialState::kRunning) return 0;
  // The scheduler stores when an evaluation was done, but not when a job
  // ended: a scheduler that started later says when it started.
  if (trial.state == TrialState::kComplete && !trial.measured.empty() &&
      trial.measured.back().epochs >= trial.epochs) {
    return trial.measured.back().unix_ms;
  }
  return trial.ended_unix_ms;
}

}  // namespace

void TrialClock::Restore(absl::string_view text, int64_t now_ms) {
  for (const absl::string_view line :
       absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
    int64_t number = 0;
    Times times;
    times.looked_at = true;
    times.restored_ms = now_ms;
    if (words.size() < 3 || !absl::SimpleAtoi(words[0], &number)) continue;
    int64_t trained_ms = 0;
    if (words.size() == 3 && words[1] == kTrained &&
        absl::SimpleAtoi(words[2], &trained_ms)) {
      times.trained_ms = trained_ms;
    } else if (words.size() != 5 || words[1] != kSeen || words[3] != kIdle ||
               !absl::SimpleAtoi(words[2], &times.seen_ms) ||
               !absl::SimpleAtoi(words[4], &times.idle_ms)) {
      continue;
    }
    trials_[number] = times;
  }
}

std::string TrialClock::ToText() const {
  std::string text;
  for (const auto& [number, times] : trials_) {
    if (times.trained_ms) {
      absl::StrAppend(&text, number, " ", kTrained, " ", *times.trained_ms,
                      "\n");
    } else {
      absl::StrAppend(&text, number, " ", kSeen, " ", times.seen_ms, " ", kIdle,
                      " ", times.idle_ms, "\n");
    }
  }
  return text;
}

void TrialClock::Begin(int64_t number, int64_t now_ms) {
  Times times;
  times.seen_ms = now_ms;
  // A second try to submit it.
  trials_.emplace(number, times);
}

void TrialClock::Look(int64_t now_ms, std::vector<Trial>* trials) {
  const bool missed = std::exchange(missed_, false);
  for (Trial& trial : *trials) {
    trial.seconds.reset();
    const auto known = trials_.find(trial.number);
    if (known == trials_.end()) continue;
    Times& times = known->second;
    const int64_t restored_ms = std::exchange(times.restored_ms, 0);
    const bool dead = restored_ms != 0;
    const bool first = !std::exchange(times.looked_at, true);
    if (!times.trained_ms && dead && outlive_) {
      trials_.erase(known);
      continue;
    }
    if (!times.trained_ms) {
      const bool runs = trial.state == TrialState::kRunning;
      // Before the first look it was on its way to the scheduler.
      const bool rested = runs && !first && (missed || trial.idle);
      Follow(trial, rested ? now_ms : restored_ms, now_ms, &times);
    }
    // It ended before a driver had looked at it: how long it trained before
    // that, no driver saw.
    if (times.trained_ms == 0) {
      trials_.erase(known);
      continue;
    }
    if (times.trained_ms) {
      constexpr double kSecond = 1000;
      trial.seconds = static_cast<double>(*times.trained_ms) / kSecond;
    }
  }
}

void TrialClock::Follow(const Trial& trial, int64_t rested_until_ms,
                        int64_t now_ms, Times* times) {
  const int64_t end = EndOf(trial);
  const int64_t until =
      std::min(rested_until_ms, end == 0 ? now_ms : std::min(end, now_ms));
  times->idle_ms += std::max<int64_t>(0, until - times->seen_ms);
  times->seen_ms = now_ms;
  if (end == 0) return;
  times->trained_ms =
      std::max<int64_t>(0, end - trial.began_unix_ms - times->idle_ms);
}

int64_t TrialClock::over() const {
  return std::ranges::count_if(trials_, [](const auto& one) {
    return one.second.trained_ms.has_value();
  });
}

}  // namespace ebb::tools
