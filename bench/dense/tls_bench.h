// `ebb bench dense --tls`: what mutual TLS costs, pushes and pulls over gRPC,
// as ratios to the same in plain text.
#ifndef EBB_BENCH_DENSE_TLS_BENCH_H_
#define EBB_BENCH_DENSE_TLS_BENCH_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/common/paired.h"
#include "bench/dense/dense_bench.h"
#include "tools/text/json.h"

namespace ebb::bench {

struct TlsReport {
  std::string machine;
  double load_average = 0;  // At the beginning.
  std::vector<Row> rows;
};

// The requirement on a model of this many bytes; none: there is none.
std::optional<Bound> TlsCpuBound(int64_t bytes);

// It ignores the option `plane`. Blocks. Every result is verified:
// Internal when one is wrong. Cancelled: it was stopped.
absl::StatusOr<TlsReport> MeasureTls(const DenseOptions& options);

std::string TlsText(const TlsReport& report);
// Added to `json`.
void AddTlsReport(const TlsReport& report, tools::Json* json);

}  // namespace ebb::bench

#endif  // EBB_BENCH_DENSE_TLS_BENCH_H_
