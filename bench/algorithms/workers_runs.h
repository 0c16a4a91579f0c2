// The runs of the section "Workers", as its tables and charts ask for them.
#ifndef EBB_BENCH_ALGORITHMS_WORKERS_RUNS_H_
#define EBB_BENCH_ALGORITHMS_WORKERS_RUNS_H_

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "bench/algorithms/algorithm_figures.h"
#include "bench/algorithms/workers_cases.h"

namespace ebb::tools {

// How the metric of a job is compared with that of one worker.
struct WorkersMetric {
  std::string name;
  double factor = 1;      // To the unit; negative where more is better.
  bool relative = false;  // To that of one worker.
  double allowed = 0;  // How much worse it may be with any number of workers.
  std::string unit;
  int digits = 0;

  double Worse(double score, double one) const {
    return factor * (score - one) / (relative ? one : 1);
  }
  // "+0.40".
  std::string Text(double worse) const;
  // Up to kFewWorkers half of `allowed`.
  double AllowedWith(int workers) const;
};
inline constexpr int kFewWorkers = 16;
WorkersMetric MetricOf(const WorkersJob& job);

// Which runs are compared.
struct WorkersGroup {
  std::string data;
  std::string variant = kDefaultVariant;
  std::string disturbance = kQuiet;
  std::optional<int> workers;  // Absent: any number.
};

// `all` is not owned and outlives it. Thread-compatible.
class WorkersRuns {
 public:
  explicit WorkersRuns(const std::vector<AlgorithmFigures>& all) : all_(all) {}

  std::vector<const AlgorithmFigures*> Of(const WorkersGroup& group) const;
  // The mean over the seeds; nullopt: there are no such runs, or one of them
  // has no score, or one that is not finite.
  std::optional<double> Score(const WorkersGroup& group) const;
  // Examples of these runs that are missing or doubled.
  int64_t WrongCounts(const WorkersGroup& group) const;
  // The score of one worker, undisturbed.
  std::optional<double> One(const std::string& data) const {
    return Score({.data = data, .workers = 1});
  }
  // The numbers of workers of runs that are undisturbed or under kills.
  std::set<int> Counts(const std::string& data,
                       const std::string& variant) const;
  // The markets and traces, in order.
  std::vector<std::string> Markets(const std::string& data) const;
  std::vector<const WorkersJob*> Jobs() const;
  // Examples to the loss that one worker has half-way: the mean over the seeds.
  // nullopt: some run never has it.
  std::optional<double> ExamplesToLoss(const std::string& data,
                                       int workers) const;

 private:
  const std::vector<AlgorithmFigures>& all_;
};

}  // namespace ebb::tools

#endif  // EBB_BENCH_ALGORITHMS_WORKERS_RUNS_H_
