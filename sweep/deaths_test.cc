// A sweep whose driver dies between any two requests, over a scheduler whose
// answers are lost and which is away now and then. The scheduler is a model of
// what SubmitJob, CancelJob and GetStatus promise; what the driver decides is
// the production code.
#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/example_hash.h"
#include "gtest/gtest.h"
#include "sweep/folds.h"
#include "sweep/sweep.h"

namespace ebb::sweep {
namespace {

constexpr int32_t kEpochs = 9;

// A mistake that a driver could have.
enum class Bug {
  kNone,
  kNewRequestId,
  kOnlyTheLastRung,
  kBestOfAllEvaluations,
};

// The n-th number of a stream is a hash of (seed, n).
class Chances {
 public:
  explicit Chances(uint64_t seed) : seed_(seed) {}
  bool OneIn(uint64_t count) {
    return HashAppend(seed_, count_++) % count == 0;
  }
  double Uniform() {
    return static_cast<double>(HashAppend(seed_, count_++) >> 11) * 0x1p-53;
  }

 private:
  uint64_t seed_;
  uint64_t count_ = 0;
};

// The content of a scheduler's disk.
struct Disk {
  std::map<std::string, uint64_t> requests;
  std::map<uint64_t, Trial> jobs;
  std::map<uint64_t, double> quality;

  void Submit(const std::string& request, const Step::Begin& begin, int64_t now,
              Chances* chances) {
    const uint64_t id = jobs.size() + 1;
    if (!requests.emplace(request, id).second) return;
    Trial& trial = jobs[id];
    trial.number = begin.number;
    trial.job = id;
    trial.choices = begin.choices;
    trial.epochs = kEpochs;
    trial.began_unix_ms = now;
    quality[id] = chances->Uniform();
  }
};

class SimulatedSweep {
 public:
  SimulatedSweep(uint64_t seed, Bug bug) : chances_(seed), bug_(bug) {
    sweep_.name = "simulated";
    sweep_.method = seed % 2 == 0 ? Method::kTpe : Method::kRandom;
    sweep_.seed = seed;
    sweep_.parallel = 1 + static_cast<int>(seed % 4);
    sweep_.budget.trials = 20;
    sweep_.halving = Halving{1, 3};
    Dimension rate;
    rate.key = "optimizer.rate";
    rate.kind = Dimension::Kind::kRange;
    rate.low = 0.001;
    rate.high = 1;
    sweep_.space = {rate};
    if (seed % 3 == 0) {  // Cross-validated.
      sweep_.halving.reset();
      sweep_.folds = 4;
      sweep_.budget.trials = 5;
    }
  }

  // Returns what went wrong; empty: nothing.
  std::string Run() {
    constexpr int kMostTurns = 100'000;
    for (int turn = 0; turn < kMostTurns; ++turn) {
      ++now_;
      Train();
      // The driver, or the scheduler, is away for a while.
      if (chances_.OneIn(3)) continue;
      bool done = false;
      const bool whole = Drive(&done);
      if (std::string wrong = Check(whole); !wrong.empty()) return wrong;
      if (done) return End();
    }
    return "it never ends";
  }

 private:
  // Some jobs train an epoch, and are evaluated.
  void Train() {
    for (auto& [id, trial] : disk_.jobs) {
      if (trial.state != TrialState::kRunning || chances_.OneIn(2)) continue;
      const auto epoch = static_cast<int32_t>(trial.measured.size()) + 1;
      const double loss = disk_.quality[id] + 0.5 * chances_.Uniform() / epoch;
      trial.measured.push_back({epoch, ++now_, loss});
      if (epoch == kEpochs) trial.state = TrialState::kComplete;
    }
  }

  std::vector<Trial> List() const {
    std::map<int64_t, Trial> by_number;
    for (const auto& [id, trial] : disk_.jobs) {
      by_number.emplace(trial.number, trial);
    }
    std::vector<Trial> trials;
    for (auto& [number, trial] : by_number) trials.push_back(trial);
    return trials;
  }

  // A turn of the driver. False: it died in the middle, or a request failed.
  bool Drive(bool* done) {
    std::vector<Trial> trials = List();
    if (bug_ == Bug::kOnlyTheLastRung) {
      for (Trial& trial : trials) {
        std::vector<Measured>& measured = trial.measured;
        if (trial.state == TrialState::kRunning && measured.size() > 1) {
          measured.erase(measured.begin(), measured.end() - 1);
        }
      }
    }
    const Step step = NextStep(sweep_, trials, now_);
    for (const Step::Stop& stop : step.stop) {
      if (chances_.OneIn(4)) return false;
      Trial& trial = disk_.jobs.at(stop.job);
      if (trial.state == TrialState::kRunning) {
        trial.state = TrialState::kStopped;
      }
    }
    for (const Step::Begin& begin : step.begin) {
      // The answer is lost, and the request is made again.
      const bool lost = chances_.OneIn(4);
      for (int i = 0; i < (lost ? 2 : 1); ++i) {
        if (chances_.OneIn(6)) return false;
        std::string id = RequestId(sweep_.name, begin.number);
        if (bug_ == Bug::kNewRequestId) absl::StrAppend(&id, "/", i);
        disk_.Submit(id, begin, now_, &chances_);
      }
    }
    *done = step.done;
    return true;
  }

  std::string Check(bool whole) const {
    std::map<int64_t, int> jobs;
    for (const auto& [id, trial] : disk_.jobs) ++jobs[trial.number];
    for (const auto& [number, count] : jobs) {
      if (count > 1) return absl::StrCat("trial ", number, " counts twice");
    }
    if (!whole || !sweep_.halving) return "";
    // Stated again, by the definition: a job that runs on was at each rung
    // among the best third of the results that were there.
    for (const auto& [id, trial] : disk_.jobs) {
      if (trial.state != TrialState::kRunning) continue;
      for (const size_t rung : {1, 3}) {
        if (trial.measured.size() < rung) continue;
        const Measured& own = trial.measured[rung - 1];
        int results = 0, better = 0;
        for (const auto& [other_id, other] : disk_.jobs) {
          if (other.measured.size() < rung) continue;
          const Measured& one = other.measured[rung - 1];
          if (one.unix_ms > own.unix_ms) continue;
          ++results;
          if (one.value < own.value) ++better;
        }
        if (better > 0 && better >= results / 3) {
          return absl::StrCat("trial ", trial.number,
                              " goes on though it was stopped at ", rung);
        }
      }
    }
    return "";
  }

  std::string End() const {
    if (disk_.jobs.size() != 20) {
      return absl::StrCat(disk_.jobs.size(), " trials, not 20");
    }
    for (const auto& [id, trial] : disk_.jobs) {
      if (trial.state == TrialState::kRunning) return "a trial runs on";
    }
    if (std::string wrong = CheckBest(); !wrong.empty()) return wrong;
    if (sweep_.folds == 0) return "";
    // Each setting was tested on each fold.
    std::map<std::string, std::set<std::string>> folds;
    for (const auto& [id, trial] : disk_.jobs) {
      folds[trial.choices.at("optimizer.rate")].insert(
          trial.choices.at(kFoldKey));
    }
    for (const auto& [rate, tested] : folds) {
      if (tested.size() != 4) return absl::StrCat(rate, " misses a fold");
    }
    return folds.size() == 5 ? "" : "there are not 5 settings";
  }

  // Stated again, by the definition: the best trained to its end, and its last
  // evaluation is the smallest; with folds, the mean of their last ones.
  std::string CheckBest() const {
    std::map<int64_t, double> sums;
    std::map<int64_t, int64_t> complete;
    const int64_t folds = std::max<int64_t>(sweep_.folds, 1);
    for (const auto& [id, trial] : disk_.jobs) {
      if (trial.state != TrialState::kComplete) continue;
      sums[trial.number / folds] += trial.measured.back().value;
      ++complete[trial.number / folds];
    }
    int64_t expected = -1;
    for (const auto& [number, count] : complete) {
      if (count < folds) continue;
      if (expected < 0 || sums[number] < sums[expected]) expected = number;
    }
    std::vector<Trial> trials = List();
    if (bug_ == Bug::kBestOfAllEvaluations) {
      for (Trial& trial : trials) {
        trial.measured.back().value =
            std::ranges::min(trial.measured, {}, &Measured::value).value;
      }
    }
    if (sweep_.folds > 0) trials = WholesOf(SettingsOf(sweep_, trials));
    const auto best = BestOf(trials);
    if (!best) return "there is no best trial";
    if (trials[*best].number == expected) return "";
    return absl::StrCat("trial ", trials[*best].number,
                        " is not the best, but ", expected);
  }

  Sweep sweep_;
  Chances chances_;
  const Bug bug_;
  Disk disk_;
  int64_t now_ = 0;
};

// The first seed that finds the bug, and what it finds.
std::optional<std::string> Find(Bug bug, uint64_t seeds) {
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    const std::string wrong = SimulatedSweep(seed, bug).Run();
    if (!wrong.empty()) return absl::StrCat("seed ", seed, ": ", wrong);
  }
  return std::nullopt;
}

TEST(SweepDeathsTest, EveryTrialCountsOnceWhereverTheDriverDies) {
  EXPECT_EQ(Find(Bug::kNone, 200), std::nullopt);
}

TEST(SweepDeathsTest, ATrialThatIsCountedTwiceIsFound) {
  const auto found = Find(Bug::kNewRequestId, 10);
  ASSERT_TRUE(found.has_value());
  EXPECT_NE(found->find("counts twice"), std::string::npos) << *found;
}

TEST(SweepDeathsTest, AStoppedTrialThatGoesOnIsFound) {
  const auto found = Find(Bug::kOnlyTheLastRung, 10);
  ASSERT_TRUE(found.has_value());
  EXPECT_NE(found->find("goes on though it was stopped"), std::string::npos)
      << *found;
}

TEST(SweepDeathsTest, ABestTrialThatIsNotTheBestIsFound) {
  const auto found = Find(Bug::kBestOfAllEvaluations, 10);
  ASSERT_TRUE(found.has_value());
  EXPECT_NE(found->find("is not the best"), std::string::npos) << *found;
}

}  // namespace
}  // namespace ebb::sweep
