#include "bench/algorithms/workers_runs.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "absl/strings/str_format.h"
#include "common/scores/figures.h"

namespace ebb::tools {

namespace {

// The share of the examples after which one worker's loss is the target.
constexpr double kTargetAt = 0.5;

// The run with each loss replaced by the mean over the examples just before it,
// so that a run with more points does not reach a loss sooner by chance.
AlgorithmFigures Smooth(const AlgorithmFigures& run) {
  constexpr double kWindow = 0.05;  // A share of the examples.
  AlgorithmFigures smooth = run;
  const double window = kWindow * static_cast<double>(run.examples);
  size_t first = 0;
  double sum = 0;
  for (size_t i = 0; i < run.curve.size(); ++i) {
    sum += run.curve[i].loss;
    while (static_cast<double>(run.curve[i].examples -
                               run.curve[first].examples) > window) {
      sum -= run.curve[first++].loss;
    }
    smooth.curve[i].loss = sum / static_cast<double>(i + 1 - first);
  }
  return smooth;
}

}  // namespace

std::string WorkersMetric::Text(double worse) const {
  return absl::StrFormat("%+.*f", digits, worse);
}

double WorkersMetric::AllowedWith(int workers) const {
  return workers <= kFewWorkers ? allowed / 2 : allowed;
}

WorkersMetric MetricOf(const WorkersJob& job) {
  if (job.metric == kAccuracy) {
    return {"accuracy", -100, false, 1, "points", 2};
  }
  if (job.metric == kRmse) return {"RMSE", 100, true, 1, "%", 2};
  return {"log loss", 1, false, 0.005, "", 4};
}

std::vector<const AlgorithmFigures*> WorkersRuns::Of(
    const WorkersGroup& group) const {
  std::vector<const AlgorithmFigures*> list;
  for (const AlgorithmFigures& one : all_) {
    if (one.data == group.data && one.algorithm == group.variant &&
        one.disturbance == group.disturbance &&
        (!group.workers || one.workers == *group.workers)) {
      list.push_back(&one);
    }
  }
  return list;
}

std::optional<double> WorkersRuns::Score(const WorkersGroup& group) const {
  double sum = 0;
  int64_t count = 0;
  for (const AlgorithmFigures* one : Of(group)) {
    // A run that went astray has none, and no mean hides it.
    if (!one->score || !std::isfinite(*one->score)) return std::nullopt;
    sum += *one->score;
    ++count;
  }
  if (count == 0) return std::nullopt;
  return sum / static_cast<double>(count);
}

int64_t WorkersRuns::WrongCounts(const WorkersGroup& group) const {
  int64_t wrong = 0;
  for (const AlgorithmFigures* one : Of(group)) {
    wrong += one->missing + one->doubled;
  }
  return wrong;
}

std::set<int> WorkersRuns::Counts(const std::string& data,
                                  const std::string& variant) const {
  std::set<int> counts;
  for (const AlgorithmFigures& one : all_) {
    if (one.data == data && one.algorithm == variant &&
        (one.disturbance == kQuiet || one.disturbance == kKills)) {
      counts.insert(one.workers);
    }
  }
  return counts;
}

std::vector<std::string> WorkersRuns::Markets(const std::string& data) const {
  std::vector<std::string> names;
  for (const AlgorithmFigures& one : all_) {
    if (one.data == data && one.algorithm == kDefaultVariant &&
        one.disturbance != kQuiet && one.disturbance != kKills &&
        std::ranges::count(names, one.disturbance) == 0) {
      names.push_back(one.disturbance);
    }
  }
  return names;
}

std::vector<const WorkersJob*> WorkersRuns::Jobs() const {
  std::vector<const WorkersJob*> jobs;
  for (const WorkersJob& job : WorkersJobs()) {
    if (std::ranges::count(all_, job.data, &AlgorithmFigures::data) > 0) {
      jobs.push_back(&job);
    }
  }
  return jobs;
}

std::optional<double> WorkersRuns::ExamplesToLoss(const std::string& data,
                                                  int workers) const {
  double loss = 0;
  const auto ones = Of({.data = data, .workers = 1});
  for (const AlgorithmFigures* one : ones) {
    const auto at = Smooth(*one).LossAt(kTargetAt);
    if (!at) return std::nullopt;
    loss += *at / static_cast<double>(ones.size());
  }
  const auto runs = Of({.data = data, .workers = workers});
  if (ones.empty() || runs.empty()) return std::nullopt;
  double examples = 0;
  for (const AlgorithmFigures* run : runs) {
    const auto reached = Smooth(*run).Reached(loss);
    if (!reached) return std::nullopt;
    examples += static_cast<double>(reached->examples);
  }
  return examples / static_cast<double>(runs.size());
}

}  // namespace ebb::tools
