#include "bench/algorithms/workers_requirements.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "bench/algorithms/workers_cases.h"
#include "bench/algorithms/workers_runs.h"
#include "bench/algorithms/workers_speed.h"
#include "tools/text/console.h"

namespace ebb::tools {

namespace {

// The examples that 64 workers may need to a loss, beside one worker.
constexpr double kMostExamples = 1.5;

// The largest loss against one worker among some runs.
struct Worst {
  double worse = -HUGE_VAL;
  std::string where;
  bool astray = false;  // A run has no score at all.
};

class Judge {
 public:
  explicit Judge(const WorkersRuns& runs) : runs_(runs) {}

  std::vector<WorkersRequirement> All() const {
    std::vector<WorkersRequirement> all;
    for (const WorkersJob* job : runs_.Jobs()) {
      all.push_back(Scores(*job, /*few=*/true));
      all.push_back(Scores(*job, /*few=*/false));
    }
    for (const WorkersJob* job : runs_.Jobs()) all.push_back(Examples(*job));
    for (const WorkersJob* job : runs_.Jobs()) {
      for (WorkersRequirement& one : SpeedRequirements(runs_, *job)) {
        all.push_back(std::move(one));
      }
    }
    return all;
  }

 private:
  // Returns what is compared with one worker that is not disturbed.
  std::vector<WorkersGroup> Compared(const WorkersJob& job, bool few) const {
    std::vector<WorkersGroup> groups;
    const std::set<int> counts = runs_.Counts(job.data, kDefaultVariant);
    for (const char* disturbance : {kQuiet, kKills}) {
      for (const int workers : counts) {
        if (few && workers > kFewWorkers) continue;
        if (workers == 1 && disturbance == std::string(kQuiet)) continue;
        groups.push_back(
            {.data = job.data, .disturbance = disturbance, .workers = workers});
      }
    }
    if (!few) {
      for (const std::string& market : runs_.Markets(job.data)) {
        groups.push_back({.data = job.data, .disturbance = market});
      }
    }
    std::erase_if(groups, [&](const WorkersGroup& group) {
      return runs_.Of(group).empty();
    });
    return groups;
  }

  // True if among them are runs with more workers than those of the base.
  static bool HaveMore(const std::vector<WorkersGroup>& groups) {
    return std::ranges::any_of(
        groups, [](const WorkersGroup& group) { return group.workers != 1; });
  }

  // The numbers of workers that ran, and what disturbed them: " (4, 16; quiet,
  // kills)".
  static std::string WhatRan(const std::vector<WorkersGroup>& groups) {
    std::set<int> counts;
    std::vector<std::string> disturbances;
    for (const WorkersGroup& group : groups) {
      if (group.workers) counts.insert(*group.workers);
      if (std::ranges::count(disturbances, group.disturbance) == 0) {
        disturbances.push_back(group.disturbance);
      }
    }
    if (groups.empty()) return "";
    return absl::StrCat(" (", absl::StrJoin(counts, ", "),
                        counts.empty() ? "" : "; ",
                        absl::StrJoin(disturbances, ", "), ")");
  }

  // "16 workers, quiet", "market".
  static std::string Where(const WorkersGroup& group) {
    return absl::StrCat(
        group.workers ? Count(*group.workers, "worker") + ", " : "",
        group.disturbance);
  }

  // The examples that runs of the groups, or those of one worker, counted
  // wrongly: "3 missing or doubled: 16 workers, kills". Empty: none.
  std::string WrongCounts(const WorkersJob& job,
                          std::vector<WorkersGroup> groups) const {
    groups.insert(groups.begin(), {.data = job.data, .workers = 1});
    for (const WorkersGroup& group : groups) {
      if (const int64_t wrong = runs_.WrongCounts(group); wrong > 0) {
        return absl::StrCat(wrong, " missing or doubled: ", Where(group));
      }
    }
    return "";
  }

  Worst WorstOf(const WorkersJob& job,
                const std::vector<WorkersGroup>& groups) const {
    Worst worst;
    for (const WorkersGroup& group : groups) {
      const auto score = runs_.Score(group);
      if (!score) worst.astray = true;
      const double worse =
          score ? MetricOf(job).Worse(*score, *runs_.One(job.data)) : HUGE_VAL;
      if (worse <= worst.worse) continue;
      worst.worse = worse;
      worst.where = Where(group);
    }
    return worst;
  }

  // The name has what was run, and nothing else.
  WorkersRequirement Scores(const WorkersJob& job, bool few) const {
    const WorkersMetric metric = MetricOf(job);
    const double allowed =
        few ? metric.AllowedWith(kFewWorkers) : metric.allowed;
    const std::vector<WorkersGroup> groups = Compared(job, few);
    WorkersRequirement found = {
        .name = absl::StrFormat(
            "%s: %s with %s%s at most %g%s%s worse than with one worker",
            job.title, metric.name,
            few ? absl::StrCat("up to ", kFewWorkers, " workers")
                : "any number of workers",
            WhatRan(groups), allowed, metric.unit.empty() ? "" : " ",
            metric.unit)};
    if (!HaveMore(groups) || !runs_.One(job.data)) return found;
    if (const std::string wrong = WrongCounts(job, groups); !wrong.empty()) {
      found.found = wrong;
      return found;
    }
    const Worst worst = WorstOf(job, groups);
    found.found = worst.astray ? absl::StrCat("no result: ", worst.where)
                               : absl::StrCat(metric.Text(worst.worse),
                                              " with ", worst.where);
    found.met = worst.worse <= allowed;
    return found;
  }

  WorkersRequirement Examples(const WorkersJob& job) const {
    constexpr int kMany = 64;
    WorkersRequirement found = {
        .name = absl::StrFormat("%s: examples to a given loss with %d workers "
                                "at most %g times those of one",
                                job.title, kMany, kMostExamples)};
    const auto one = runs_.ExamplesToLoss(job.data, 1);
    const std::vector<WorkersGroup> groups = {
        {.data = job.data, .workers = kMany}};
    if (!one || runs_.Of(groups.front()).empty()) {
      return found;
    }
    if (const std::string wrong = WrongCounts(job, groups); !wrong.empty()) {
      found.found = wrong;
      return found;
    }
    const auto many = runs_.ExamplesToLoss(job.data, kMany);
    if (!many) {
      found.found = "never";
      return found;
    }
    found.found = absl::StrFormat("%.2f times", *many / *one);
    found.met = *many <= kMostExamples * *one;
    return found;
  }

  const WorkersRuns& runs_;
};

}  // namespace

std::vector<WorkersRequirement> WorkersRequirements(
    const std::vector<AlgorithmFigures>& all) {
  const WorkersRuns runs(all);
  return Judge(runs).All();
}

}  // namespace ebb::tools
