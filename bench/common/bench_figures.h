// The figures of benchmarks, as their --json has them, and earlier records.
#ifndef EBB_BENCH_COMMON_BENCH_FIGURES_H_
#define EBB_BENCH_COMMON_BENCH_FIGURES_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "bench/common/paired.h"

namespace ebb::tools {

// One side of a comparison of jobs; medians.
struct Contestant {
  std::string name;
  double examples_per_second = 0;
  double cpu_seconds_per_million = 0;  // Examples; of all its processes.
  double accuracy = -1;                // -1: not measured.
};

// The figures of one run of a benchmark.
struct BenchFigures {
  std::string name;  // "dense-grpc".
  std::string machine, build, commit, kernel, congestion_control;
  std::string measured;  // When.
  double seconds = 0;    // How long it took.
  std::vector<bench::Row> rows;
  std::vector<Contestant> contestants;
  // For `bench dense`, by operation: "push 4 MiB, 8 in flight".
  std::map<std::string, double> server_cpu_seconds_per_gb;
  std::vector<std::string> notes;  // The figures that are missing.
  std::string skipped;             // Why nothing was measured; empty: it was.
};

// DataLoss: `json` is not what a benchmark writes.
absl::StatusOr<BenchFigures> ReadFigures(const std::string& name,
                                         absl::string_view json);

// A table of them; empty: there are none.
std::string ContestantsText(const std::vector<Contestant>& contestants);

// --- What was recorded -------------------------------------------------------

struct RecordedRow {
  std::string bench, what, measure;
  bench::PairedRatio ratio;
};

struct BenchRecord {
  std::string machine, commit;  // From the newest figures.
  std::vector<RecordedRow> rows;
};

// The rows of `figures` that must reach something, and those of `earlier` of
// benchmarks that are not among them.
BenchRecord RecordOf(const std::vector<BenchFigures>& figures,
                     const BenchRecord& earlier);
std::string RecordJson(const BenchRecord& record);
// DataLoss: it is not a record.
absl::StatusOr<BenchRecord> ReadRecord(absl::string_view json);

// The record of this row of the benchmark; null: none.
const RecordedRow* FindRecorded(const BenchRecord& record,
                                const std::string& bench,
                                const bench::Row& row);

// A sentence for each recorded row that is no longer measured, though its
// benchmark is, or whose median is now worse than every pair that was recorded
// of it.
std::vector<std::string> WorseThanRecorded(
    const BenchRecord& record, const std::vector<BenchFigures>& figures);

}  // namespace ebb::tools

#endif  // EBB_BENCH_COMMON_BENCH_FIGURES_H_
