// A job's speed against the same training in one process, and the main job's
// against other systems (bench/peers).
#ifndef EBB_BENCH_JOB_JOB_ROWS_H_
#define EBB_BENCH_JOB_JOB_ROWS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "bench/common/paired.h"
#include "bench/common/watch.h"
#include "tools/ebb/job/submission.h"
#include "tools/ebb/report/run_folder.h"
#include "tools/text/json.h"

namespace ebb::tools {

struct JobRowsOptions {
  std::string programs;  // The folder with ebb and the daemons.
  std::string folder;    // For runs and logs.
  JobChoice job;
  int pairs = 7;
  // The main job beside the peers: its scripts, its data (a folder of IDX
  // files).
  std::string peers;
  std::string data;
  // Measures the peers once that are only told, not required, too.
  bool all_peers = true;
  // Asked whether to stop all the time, not only between samples.
  bench::Watch watch;
};

// One side of a comparison of jobs; medians.
struct Contestant {
  std::string name;
  double examples_per_second = 0;
  double cpu_seconds_per_million = 0;  // Examples; of all its processes.
  double accuracy = -1;                // -1: not measured.
};

struct JobRows {
  std::vector<bench::Row> rows;
  std::vector<Contestant> contestants;
  // Missing rows and the reasons, a sentence each.
  std::vector<std::string> notes;
  // Why nothing could be compared; empty: something was.
  std::string skipped;
};

// 1 worker and 1 server beside bench::TrainInOneProcess. Blocks for minutes.
// Cancelled: it was stopped.
absl::StatusOr<JobRows> MeasureAgainstOneProcess(const JobRowsOptions& options);

// 2 workers and 1 server beside PyTorch. Skipped where that is not installed.
absl::StatusOr<JobRows> MeasureAgainstPeers(const JobRowsOptions& options);

std::string JobRowsText(const JobRows& measured);
void AddJobRows(const JobRows& measured, Json* json);

// The folder with Fashion-MNIST on this machine; empty: there is none.
std::string FashionFolder();

// Examples per second while a run trained, without its start and its end;
// nothing where there are too few samples to tell.
std::optional<double> SteadySpeed(const std::vector<RunSample>& samples);

// Reads a peer's output: its last line is JSON. DataLoss: it is not.
absl::StatusOr<Contestant> ReadPeer(absl::string_view printed);

}  // namespace ebb::tools

#endif  // EBB_BENCH_JOB_JOB_ROWS_H_
