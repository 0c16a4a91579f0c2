// The runs of `ebb bench algorithms`: each algorithm on two jobs, with more and
// more workers, and while workers come and go.
#ifndef EBB_BENCH_ALGORITHMS_ALGORITHM_CASES_H_
#define EBB_BENCH_ALGORITHMS_ALGORITHM_CASES_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tools/chaos/events.h"

namespace ebb::tools {

// The data of the two jobs: one with dense tables only, one with sparse ones.
inline constexpr char kDenseData[] = "fashion";
inline constexpr char kSparseData[] = "clicks";

struct CaseOptions {
  std::vector<int> workers = {1, 2, 4, 8, 16};
  int batch = 64;  // Examples of a batch.
  // Least time of a batch, as there are more workers than cores.
  absl::Duration batch_time = absl::Milliseconds(40);
  std::string epochs = "2";  // Epochs of the dense job ...
  std::string passes = "1";  // ... and of the sparse one.
  double rate = 0.05;        // Rate of plain SGD, dense.
};

// One run.
struct AlgorithmCase {
  std::string data;
  std::string algorithm;  // Its name on the page: "ssp", "adag".
  int workers = 1;
  // Batches of a push, if runs with several values are compared; or 0.
  int period = 0;
  bool churn = false;
  bool backup_tasks = true;
  // Settings of the job, "path.to.key=value".
  std::vector<std::string> settings;

  // Unique among all cases: "fashion-ssp-8", "fashion-adag-8-every-64",
  // "clicks-asp-8-churn".
  std::string Name() const;
};

// Everything, in the order in which it is measured: first what the page has
// most to say about.
std::vector<AlgorithmCase> AlgorithmCases(const CaseOptions& options);
// Workers of the disturbed runs and of those with other periods: 8 if the
// options have it, else the most.
int ComparedWorkers(const CaseOptions& options);

// One worker of eight is three times slower than the others: worker-7,
// worker-15, ... Returns its batch time as a multiple of the others'.
int SlownessOf(int worker);

// Workers are killed and told to leave while the job goes on, and come back:
// at eight moments of its progress, `at_once` of them each time.
std::vector<chaos::ChaosEvent> ChurnEvents(int at_once = 1);

}  // namespace ebb::tools

#endif  // EBB_BENCH_ALGORITHMS_ALGORITHM_CASES_H_
