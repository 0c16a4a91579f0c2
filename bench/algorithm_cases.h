// What `ebb bench algorithms` runs: each algorithm on two jobs, with more and
// more workers, and while workers come and go.
#ifndef EBB_BENCH_ALGORITHM_CASES_H_
#define EBB_BENCH_ALGORITHM_CASES_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tools/chaos/events.h"

namespace ebb::tools {

// Of the two jobs: one with dense tables only, one with sparse ones.
inline constexpr char kDenseData[] = "fashion";
inline constexpr char kSparseData[] = "clicks";

struct CaseOptions {
  std::vector<int> workers = {1, 2, 4, 8, 16};
  int batch = 64;  // Examples of a batch.
  // A batch takes at least so long, as there are more workers than cores.
  absl::Duration batch_time = absl::Milliseconds(40);
  std::string epochs = "2";  // Of the dense job ...
  std::string passes = "1";  // ... and of the sparse one.
  double rate = 0.05;        // Of plain SGD, dense.
};

// One run.
struct AlgorithmCase {
  std::string data;
  std::string algorithm;  // As the page names it: "ssp", "adag".
  int workers = 1;
  int period = 0;  // Batches of a push, where that is what is compared; or 0.
  bool churn = false;
  bool backup_tasks = true;
  // Of the job, "path.to.key=value".
  std::vector<std::string> settings;

  // Of its own among all cases: "fashion-ssp-8", "fashion-adag-8-every-64",
  // "clicks-asp-8-churn".
  std::string Name() const;
};

// Everything, in the order in which it is measured: first what the page has
// most to say about.
std::vector<AlgorithmCase> AlgorithmCases(const CaseOptions& options);
// Of the runs that are disturbed and of those with other periods: the 8 of the
// options or, if they are not among them, the most.
int ComparedWorkers(const CaseOptions& options);

// One worker of eight is three times slower than the others: worker-7,
// worker-15, ... Of the others' batch time, what a batch of this one takes.
int SlownessOf(int worker);

// Workers are killed and told to leave while the job goes on, and come back:
// eight times, by its progress.
std::vector<chaos::ChaosEvent> ChurnEvents();

}  // namespace ebb::tools

#endif  // EBB_BENCH_ALGORITHM_CASES_H_
