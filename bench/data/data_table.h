// The table of `ebb bench data`: examples a second of reading images, by
// format, cache, size of a batch and number of batches, beside tf.data.
#ifndef EBB_BENCH_DATA_DATA_TABLE_H_
#define EBB_BENCH_DATA_DATA_TABLE_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "bench/common/paired.h"
#include "bench/common/regression.h"
#include "bench/common/watch.h"
#include "tools/text/json.h"

namespace ebb::tools {

inline constexpr char kEbbReader[] = "ebb";
inline constexpr char kPeerReader[] = "tf.data";
// A loop over what libraries do: bench/data/bare_records.h.
inline constexpr char kBareReader[] = "libraries";

// One place of the table.
struct Reading {
  std::string format;  // "PNG files".
  std::string reader;  // kEbbReader, kPeerReader or kBareReader.
  bool cached = false;
  int64_t batch = 0;
  int64_t batches = 0;
  double examples_per_second = 0;  // The median of the rounds.

  int64_t examples() const { return batch * batches; }
};

struct DataTable {
  std::string images;        // "Fashion-MNIST".
  std::string peer;          // "TensorFlow 2.21.0"; empty: it was not measured.
  std::string peer_skipped;  // Why; empty: it was measured.
  int rounds = 0;
  std::vector<Reading> readings;
  // Formats beside each other, of the largest data set.
  std::vector<bench::Row> rows;
};

struct DataTableOptions {
  std::string folder;   // For the files, on the disk to measure.
  std::string fashion;  // bench::ReadImageSet().
  std::string python;   // An interpreter that may have TensorFlow.
  std::string peers;    // The folder of tf_data.py.
  int rounds = 7;
  std::vector<int64_t> batch_sizes = {16, 64, 256};
  std::vector<int64_t> batches = {4, 16, 64};
  bench::Watch watch;
};

// Each reader has one thread. Before a reading that is not cached, the files
// are written back and dropped from the page cache. Blocks for some minutes.
// DataLoss: a reader did not give what was written. Cancelled: it was stopped.
absl::StatusOr<DataTable> MeasureDataTable(const DataTableOptions& options);

// A line is fitted over one of these.
enum class Parameter { kBatch, kBatches, kExamples };
std::string NameOf(Parameter parameter);
// The line of examples a second over a parameter, for these readings.
bench::Line LineOver(Parameter parameter, const std::vector<Reading>& readings);

// The readings of a table that belong together.
struct ReadingGroup {
  std::string format;
  std::string reader;
  bool cached = false;
  std::vector<Reading> readings;
};
// In the order of the table.
std::vector<ReadingGroup> GroupsOf(const DataTable& table);

// For a terminal.
std::string DataTableText(const DataTable& table);
void AddDataTable(const DataTable& table, Json* json);

}  // namespace ebb::tools

#endif  // EBB_BENCH_DATA_DATA_TABLE_H_
