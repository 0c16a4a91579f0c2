// `ebb bench link`: pushes and pulls of a dense model over an emulated link
// (bench/plane/emulated_link.h), beside a raw socket over the same link.
#ifndef EBB_BENCH_LINK_LINK_BENCH_H_
#define EBB_BENCH_LINK_LINK_BENCH_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/common/paired.h"
#include "bench/common/watch.h"
#include "bench/plane/data_plane.h"
#include "bench/plane/link_schedule.h"
#include "tools/text/json.h"

namespace ebb::bench {

struct LinkOptions {
  std::string programs;  // The folder with ebb-ps.
  std::string folder;    // For the server's state and log.
  DataPlane plane = DataPlane::kBulk;
  int streams = 1;  // TransportOptions::bulk_streams.
  std::vector<LinkShape> shapes;
  // Pairs of each cell that count, after one that warms up.
  int pairs = 5;
  // Size of the model; 0: 100 MiB from 10 Gbit/s on, 16 MiB below
  // and with loss.
  int64_t bytes = 0;
  // Most bytes of a connection that are under way; 0: as the system has it.
  int64_t window_bytes = 0;
  // Acknowledgements of each sample; fewer where they took long.
  int64_t pings = 200;
  // Several raw sockets at once are compared with one, by these numbers of
  // them: whether ebb would gain by more than one stream.
  std::vector<int> raw_connections;
  Watch watch;
};

struct LinkReport {
  std::string congestion_control;
  double load_average = 0;  // At the beginning.
  DataPlane plane = DataPlane::kBulk;
  int streams = 1;
  std::vector<Row> rows;
  int64_t dropped = 0;  // Packets, of all measurements.
};

// "10 Gbit/s, 1 ms, 0.1 % lost"; the delay is that of a round trip.
std::string LinkText(const LinkShape& shape);
// The requirement on throughput, beside the raw socket; none: there is none.
std::optional<Bound> LinkBound(const LinkShape& shape, DataPlane plane);

// Forks: call it before the process has other threads. Blocks. Errors as of
// MeasureDense() and EmulatedLink::Make().
absl::StatusOr<LinkReport> MeasureLink(const LinkOptions& options);

std::string LinkReportText(const LinkReport& report);
void AddLink(const LinkReport& report, tools::Json* json);

}  // namespace ebb::bench

#endif  // EBB_BENCH_LINK_LINK_BENCH_H_
