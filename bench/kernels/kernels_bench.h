// How fast the optimizers are, as a share of what the memory gives.
#ifndef EBB_BENCH_KERNELS_KERNELS_BENCH_H_
#define EBB_BENCH_KERNELS_KERNELS_BENCH_H_

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bench/common/paired.h"
#include "tools/text/json.h"

namespace ebb::bench {

struct KernelsBenchOptions {
  // Size of each of the five arrays; 0: UncachedArrayBytes().
  int64_t array_bytes = 0;
  // Rounds; each runs everything once, and medians over the rounds count. A
  // temporary disturbance of the machine then affects all alike.
  int rounds = 15;
  // Seed of the values.
  uint64_t seed = 1;

  // InvalidArgument for what cannot work.
  absl::Status Validate() const;
};

struct KernelResult {
  std::string name;
  // Traffic with memory: each read, each write, and the read of a line that
  // is going to be overwritten without having been read (write-allocate).
  int64_t bytes_per_element = 0;
  double bytes_per_second = 0;  // Median.
  PairedRatio share_of_triad;   // Over the rounds.
};

struct KernelsReport {
  std::string machine;          // Processor, cores, last-level cache.
  std::string instruction_set;  // Highway's name of the chosen one.
  int64_t array_bytes = 0;
  int rounds = 0;
  uint64_t seed = 0;
  // STREAM's triad first, then the optimizers.
  std::vector<KernelResult> kernels;
};

// Runs each kernel over arrays in pieces of 64 KiB on one thread, weights out
// of place, as a server does over its blocks. In each round it compares
// samples with the reference: Internal when a kernel is wrong.
absl::StatusOr<KernelsReport> MeasureKernels(
    const KernelsBenchOptions& options);

// The required share of the triad for each optimizer.
inline constexpr Bound kKernelBound{Bound::Kind::kAtLeast, 0.7};
// The optimizers, compared with the triad.
std::vector<Row> KernelRows(const KernelsReport& report);

void PrintKernelsReport(const KernelsReport& report, std::ostream& out);

// Adds figures and rows to `json`.
void AddKernels(const KernelsReport& report, tools::Json* json);

// Measures and prints to `out`, problems to `err`. The exit code: 0, 1 for a
// wrong result or a bound that is missed, 2 for wrong options.
int RunKernelsBench(const KernelsBenchOptions& options, std::ostream& out,
                    std::ostream& err);

}  // namespace ebb::bench

#endif  // EBB_BENCH_KERNELS_KERNELS_BENCH_H_
