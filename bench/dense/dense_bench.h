// `ebb bench dense`: pushes and pulls of a dense model, between one worker and
// one server on this machine. It compares them with a raw socket that moves the
// same bytes with the same arithmetic. Through shared memory it compares CPU
// time with one process that does the same.
#ifndef EBB_BENCH_DENSE_DENSE_BENCH_H_
#define EBB_BENCH_DENSE_DENSE_BENCH_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/common/paired.h"
#include "bench/common/watch.h"
#include "bench/plane/data_plane.h"
#include "bench/plane/transfer.h"
#include "tools/text/json.h"

namespace ebb::bench {

struct DenseOptions {
  std::string programs;  // The folder with ebb-ps.
  std::string folder;    // For the server's state and log.
  DataPlane plane = DataPlane::kGrpc;
  // Mutual TLS, for the raw socket, too. Not with shared memory.
  bool tls = false;
  // Pairs of each cell that count, after one that warms up.
  int pairs = 9;
  // Bytes that a sample of a large model moves at least; a smaller model's
  // moves `operations` at most.
  int64_t sample_bytes = int64_t{256} << 20;
  int64_t operations = 1000;
  std::vector<int64_t> sizes = {4 << 10, 64 << 10, 1 << 20,
                                4 << 20, 16 << 20, 64 << 20};
  // Samples of each size of the raw socket's writes, before the pairs.
  int write_tries = 3;
  // Size of each of the triad's three arrays; 0: UncachedArrayBytes().
  int64_t array_bytes = 0;
  Watch watch;
};

// A machine's limits, for readers of the rows.
struct DenseLimits {
  std::string machine;
  std::string congestion_control;
  double load_average = 0;  // At the beginning.
  double triad_bytes_per_second = 0;
  struct OfSize {
    int64_t bytes = 0;
    double copy_bytes_per_second = 0;
    double ping_pong_seconds = 0;  // p50.
  };
  std::vector<OfSize> sizes;
};

struct DenseReport {
  DenseLimits limits;
  DataPlane plane = DataPlane::kGrpc;
  bool tls = false;
  std::vector<Row> rows;
  // The fastest settings of the raw socket, by cell, for people.
  struct Cell {
    Transfer transfer;
    int64_t raw_write_bytes = 0;
    // Medians, per GB.
    double worker_cpu_seconds = 0;
    double server_cpu_seconds = 0;
  };
  std::vector<Cell> cells;
};

// The requirement on a cell; none: there is none.
std::optional<Bound> ThroughputBound(int64_t bytes, DataPlane plane);
std::optional<Bound> CpuBound(int64_t bytes, bool tls = false);
// For a partition that another server has: its move, and its values alone.
std::optional<Bound> MoveBound(DataPlane plane);
std::optional<Bound> LatencyBound(int64_t bytes, DataPlane plane);

// How many operations make a sample of a cell.
int64_t OperationsOf(const DenseOptions& options, int64_t bytes, int in_flight);

// "4 KiB", "16 MiB".
std::string SizeText(int64_t bytes);
// "push 4 MiB, 8 in flight".
std::string TransferText(const Transfer& transfer);

// Forks: call it before the process has other threads. Blocks. Every result is
// verified: Internal when one is wrong. Cancelled: it was stopped.
absl::StatusOr<DenseReport> MeasureDense(const DenseOptions& options);

std::string DenseText(const DenseReport& report);
// Added to `json`.
void AddDense(const DenseReport& report, tools::Json* json);

}  // namespace ebb::bench

#endif  // EBB_BENCH_DENSE_DENSE_BENCH_H_
