#include "bench/workers_requirements.h"

#include <cmath>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/workers_cases.h"
#include "bench/workers_runs.h"
#include "bench/workers_speed.h"
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
  void Compare(const WorkersJob& job, const WorkersGroup& group,
               const std::string& where, Worst* worst) const {
    if (runs_.Of(group).empty()) return;
    const auto score = runs_.Score(group);
    const double worse =
        score ? MetricOf(job).Worse(*score, *runs_.One(job.data)) : HUGE_VAL;
    if (!score) worst->astray = true;
    if (worse > worst->worse) {
      worst->worse = worse;
      worst->where = where;
    }
  }

  WorkersRequirement Scores(const WorkersJob& job, bool few) const {
    const WorkersMetric metric = MetricOf(job);
    const double allowed =
        few ? metric.AllowedWith(kFewWorkers) : metric.allowed;
    WorkersRequirement found = {
        .name = absl::StrFormat(
            "%s: %s with %s at most %g%s%s worse than with one worker",
            job.title, metric.name,
            few ? absl::StrCat("up to ", kFewWorkers, " workers")
                : "any number and any churn",
            allowed, metric.unit.empty() ? "" : " ", metric.unit)};
    if (!runs_.One(job.data)) return found;
    Worst worst;
    for (const int workers : runs_.Counts(job.data, kDefaultVariant)) {
      for (const char* disturbance : {kQuiet, kKills}) {
        if (few && workers > kFewWorkers) continue;
        if (workers == 1 && disturbance == std::string(kQuiet)) continue;
        Compare(
            job,
            {.data = job.data, .disturbance = disturbance, .workers = workers},
            absl::StrCat(Count(workers, "worker"), ", ", disturbance), &worst);
      }
    }
    if (!few) {
      for (const std::string& market : runs_.Markets(job.data)) {
        Compare(job, {.data = job.data, .disturbance = market}, market, &worst);
      }
    }
    if (worst.where.empty()) return found;
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
    if (!one || runs_.Of({.data = job.data, .workers = kMany}).empty()) {
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
